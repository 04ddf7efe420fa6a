"""``stemfast dataset`` as its users meet it."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import time

import numpy as np
import pytest

from stemfast import dataset, recipes
from stemfast.dataset import folder
from stemfast.dataset import plan as estimate_module
from stemfast.dataset.splits import parse

CREATE = ("dataset", "create", "shapes", "images", "--size", "64", "--shard-images", "10")
RUN = "from stemfast.cli import main; import sys; sys.argv[0] = 'stemfast'; main()"
COMMANDS = ["create", "resume", "info", "verify", "show", "export"]


@pytest.fixture
def images(stemfast):
    """A set of 40 images, in the folder images."""
    result = stemfast(*CREATE, "-n", "40", "--seed", "3")
    assert result.exit_code == 0, result.stderr
    return dataset.open("images")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(stemfast, command):
    assert command in stemfast("dataset", "--help").stdout
    result = stemfast("dataset", command, "--help")
    assert result.exit_code == 0
    assert f"Example: stemfast dataset {command}" in result.stdout


def test_create_says_what_it_will_do_and_does_it(stemfast):
    result = stemfast(*CREATE, "-n", "40", "--seed", "3")
    assert result.exit_code == 0, result.stderr
    assert "shapes: 40 images, 64 x 64 px" in result.stdout
    assert "3 classes, seed 3" in result.stdout
    assert "train 32, validation 4, test 4; 6 shards of up to 10 images" in result.stdout
    assert re.search(
        r"writing 40 images, \d+ kB of the [\d.e+]+ .B that are free, in about", result.stdout
    )
    assert result.stdout.endswith("images: complete\n")
    assert re.search(r"simulating: 40/40 images, \d+ images/s", result.stderr)
    made = dataset.open("images")
    recipe = recipes.resolve("shapes", image_px=64)
    assert made.manifest.settings == recipe.model_dump(mode="json")
    assert made.manifest.splits == parse("train:0.8,validation:0.1,test:0.1", 40)
    expected = recipe.sample(3, 2**40, 2**40 + 4).simulate()
    assert np.array_equal(made.split("validation")[:].images, expected)


def test_the_size_that_is_announced_is_the_size_on_disk(images, tmp_path):
    plan = folder.plan("images")
    said = estimate_module.estimate(plan, plan.shards).n_bytes
    on_disk = sum(file.stat().st_size for file in (tmp_path / "images").iterdir())
    assert said == pytest.approx(on_disk, rel=0.3)
    large = dataset.Plan(plan.recipe, 0, {"train": (0, 2000)})
    dataset.make_shard("large", large, 0)
    on_disk = (tmp_path / "large" / "train-00000.hspy").stat().st_size
    assert estimate_module.estimate(large, large.shards).n_bytes == pytest.approx(on_disk, rel=0.02)


def test_create_again_goes_on_where_it_was(stemfast, images, tmp_path):
    before = {path: path.read_bytes() for path in (tmp_path / "images").iterdir()}
    result = stemfast(*CREATE, "-n", "40", "--seed", "3")
    assert (result.exit_code, result.stderr) == (0, "")
    (tmp_path / "images" / "train-00002.hspy").unlink()
    result = stemfast(*CREATE, "-n", "40", "--seed", "3")
    assert "30 images are there already; writing 10 images" in result.stdout
    assert {path: path.read_bytes() for path in (tmp_path / "images").iterdir()} == before


def test_create_with_other_settings_says_what_differs(stemfast, images):
    result = stemfast(*CREATE, "-n", "40", "--seed", "4", "--splits", "train:30,test:10")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "seed: 3 → 4" in result.stderr
    assert "splits.train: [0, 32] → [0, 30]" in result.stderr
    assert "Choose another directory, or remove it" in result.stderr


def test_parts_of_a_job_array_make_the_same_set(stemfast, images, tmp_path):
    words = [word if word != "images" else "parts" for word in CREATE]
    words += ["-n", "40", "--seed", "3"]
    first = stemfast(*words, "--shards", "4:50")
    assert "note: this data set has 6 shards: writing 4:6" in first.stdout
    assert "writing 8 images" in first.stdout
    assert first.stdout.endswith("parts: 4 of 6 shards are still missing\n")
    about = stemfast("dataset", "info", "parts").stdout
    assert "NOT complete: 4 of 6 shards are missing" in about
    assert "write them with: stemfast dataset resume parts" in about
    opened = stemfast("dataset", "show", "parts")
    assert opened.exit_code == 2
    assert "4 of 6 shards are missing" in opened.stderr
    last = stemfast("dataset", "resume", "parts", "--shards", "0:4")
    assert last.stdout.endswith("parts: complete\n")
    for path in (tmp_path / "images").iterdir():
        assert path.read_bytes() == (tmp_path / "parts" / path.name).read_bytes()


def test_dask_workers_make_the_same_set(stemfast, images, tmp_path):
    pytest.importorskip("distributed")
    words = [word if word != "images" else "dasked" for word in CREATE]
    # In a process of its own: Dask's workers are children of the command.
    run = subprocess.run(
        [sys.executable, "-c", RUN, *words, "-n", "40", "--seed", "3", "--dask", "local:2"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.endswith("dasked: complete\n")
    for path in (tmp_path / "images").iterdir():
        assert path.read_bytes() == (tmp_path / "dasked" / path.name).read_bytes()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--shards", "5"], "--shards expects A:B with 0 <= A < B, such as 0:50, got '5'"),
        (["--shards", "3:3"], "--shards expects A:B"),
        (["--shards", "6:8"], "--shards is 6:8, and this data set has the shards 0 to 5"),
        (["--splits", "train:1.0,test:0.5"], "add up to 1.5, expected 1"),
        (["--splits", "all:1.0"], "expected one of train, validation, test"),
        (["--set", "sparkle=3"], "sparkle"),
        (["--set", "particle.diameter_nm=[20, 10]"], "diameter_nm"),
        (["--seed", "-1"], "seed must be from 0"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(stemfast, tmp_path, words, message):
    result = stemfast(*CREATE, "-n", "40", *words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_number_of_images_is_asked_for(stemfast):
    result = stemfast(*CREATE)
    assert result.exit_code == 2
    assert "say how many images to simulate, for example -n 10000" in result.stderr
    assert stemfast(*CREATE, "--splits", "train:20").exit_code == 0
    assert len(dataset.open("images")) == 20


def test_what_does_not_fit_is_not_begun(stemfast, tmp_path, monkeypatch):
    monkeypatch.setattr(estimate_module, "free_bytes", lambda directory: 10_000)
    result = stemfast(*CREATE, "-n", "40")
    assert result.exit_code == 2
    assert re.search(r"images: \d+ kB are needed and 10 kB are free: make room", result.stderr)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_says_how_to_go_on(stemfast, tmp_path, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device")

    from stemfast.dataset import folder  # noqa: F401 - loads the module that is changed

    monkeypatch.setattr(sys.modules["stemfast.dataset.write"], "write_shard", full)
    result = stemfast(*CREATE, "-n", "40")
    assert result.exit_code == 2
    assert "train-00000.hspy: No space left on device. All shards that are" in result.stderr
    assert "to go on: stemfast dataset resume images" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_says_how_to_go_on(stemfast, tmp_path):
    words = ["dataset", "create", "shapes", "images", "-n", "200000", "--size", "64"]
    with subprocess.Popen(
        [sys.executable, "-c", RUN, *words, "--shard-images", "100"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while len(list(tmp_path.glob("images/*.hspy"))) < 2:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert time.monotonic() - began < 10
    assert "stopped; all shards that are there are whole; to go on: stemfast dataset" in errors
    assert "Traceback" not in errors
    assert "NOT complete" in stemfast("dataset", "info", "images").stdout


def test_info(stemfast, images):
    about = stemfast("dataset", "info", "images").stdout
    assert "shapes: 40 images, 64 x 64 px" in about
    assert "train 32, validation 4, test 4; 6 shards" in about
    assert "complete, " in about
    assert "classes: tetrahedron, cuboid, sphere" in about
    assert f"written by stemfast {images.manifest.stemfast_version}" in about
    assert "image_px = 64" in about


def test_verify_tells_good_from_bad_by_its_exit_code(stemfast, images, tmp_path):
    result = stemfast("dataset", "verify", "images")
    assert result.exit_code == 0
    assert "compared 6 checksums and 40 images simulated again" in result.stdout
    assert result.stdout.endswith("all as it was written\n")
    path = tmp_path / "images" / "train-00001.hspy"
    inside = bytearray(path.read_bytes())
    inside[-1] ^= 1
    path.write_bytes(inside)
    result = stemfast("dataset", "verify", "images", "--sample", "0")
    assert result.exit_code == 1
    assert "WRONG: images/train-00001.hspy differs from its checksum: remove it" in result.stderr
    path.unlink()
    assert stemfast("dataset", "verify", "images", "--sample", "0").exit_code == 1
    assert stemfast("dataset", "resume", "images").exit_code == 0
    assert stemfast("dataset", "verify", "images", "--sample", "0").exit_code == 0


@pytest.mark.parametrize("command", ["resume", "info", "verify", "show"])
def test_a_folder_without_a_data_set_is_told_apart(stemfast, command):
    result = stemfast("dataset", command, "nowhere")
    assert result.exit_code == 2
    assert "nowhere holds no data set" in result.stderr
    assert "stemfast dataset create" in result.stderr


def test_show_draws_a_contact_sheet(stemfast, images, tmp_path):
    from PIL import Image

    assert stemfast("dataset", "show", "images", "sheet.png", "--count", "12").exit_code == 0
    with Image.open(tmp_path / "sheet.png") as picture:
        assert picture.width > picture.height > 300
    result = stemfast("dataset", "show", "images", "sheet.png", "--first", "99")
    assert "expected samples out of 0 to 39" in result.stderr
    result = stemfast("dataset", "show", "images", "--split", "tset")
    assert "split is 'tset', expected one of train, validation, test" in result.stderr


def table(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def check_table(rows, data):
    assert [int(row["label"]) for row in rows] == data.labels.tolist()
    assert [int(row["scene"]) for row in rows] == data.indices.tolist()
    assert [row["class"] for row in rows] == [data.class_names[k] for k in data.labels]
    for name, column in data.columns.items():
        if column.dtype.kind == "f":
            flat = column.reshape(len(column), -1)
            names = [name] if column.ndim == 1 else [f"{name}_{k}" for k in range(flat.shape[1])]
            for key, values in zip(names, flat.T, strict=True):
                assert np.array_equal([float(row[key]) for row in rows], values), key


def test_export_to_tiff(stemfast, images, tmp_path):
    tifffile = pytest.importorskip("tifffile")
    tiff = pytest.importorskip("rsciio.tiff")
    result = stemfast("dataset", "export", "images", "stacks", "--format", "tiff")
    assert result.exit_code == 0, result.stderr
    train = images.split("train")
    stacks = [tmp_path / "stacks" / f"train-0000{k}.tif" for k in range(4)]
    read = np.concatenate([tifffile.imread(path) for path in stacks])
    assert np.array_equal(read, train[:].images)
    check_table(table(tmp_path / "stacks" / "train.csv"), train)
    with tifffile.TiffFile(stacks[1]) as file:
        assert file.is_imagej
        assert file.imagej_metadata["unit"] == "nm"
        assert 1 / np.divide(*file.pages[0].tags["XResolution"].value) == images.pixel_size_nm
    (signal_read,) = tiff.file_reader(str(stacks[0]))
    for axis in signal_read["axes"][1:]:
        assert axis["units"] == "nm"
        assert axis["scale"] == pytest.approx(images.pixel_size_nm, rel=1e-6)


def test_export_to_npy(stemfast, images, tmp_path):
    assert stemfast("dataset", "export", "images", "arrays", "--format", "npy").exit_code == 0
    for split in ("train", "validation", "test"):
        data = images.split(split)
        read = np.load(tmp_path / "arrays" / f"{split}_images.npy", mmap_mode="r")
        assert np.array_equal(read, data[:].images)
        assert read.dtype == data[:].images.dtype
        assert np.array_equal(np.load(tmp_path / "arrays" / f"{split}_labels.npy"), data.labels)
        check_table(table(tmp_path / "arrays" / f"{split}.csv"), data)
    about = json.loads((tmp_path / "arrays" / "about.json").read_text())
    assert about["class_names"] == list(images.class_names)


def array(tar, name):
    return np.load(io.BytesIO(tar.extractfile(name).read()))


def test_export_to_webdataset(stemfast, images, tmp_path):
    words = ("dataset", "export", "images", "tars", "--format", "webdataset", "--split", "train")
    assert stemfast(*words).exit_code == 0
    assert not list((tmp_path / "tars").glob("test*"))
    train, row = images.split("train"), 0
    for path in sorted((tmp_path / "tars").glob("*.tar")):
        with tarfile.open(path) as tar:
            members = tar.getnames()
            for first in range(0, len(members), 3):
                key, *_ = members[first].split(".")
                assert members[first : first + 3] == [f"{key}.{e}" for e in ("npy", "cls", "json")]
                assert int(key) == train.indices[row]
                assert np.array_equal(array(tar, f"{key}.npy"), train[row].images)
                assert int(tar.extractfile(f"{key}.cls").read()) == train.labels[row]
                about = json.load(tar.extractfile(f"{key}.json"))
                assert about["class"] == images.class_names[train.labels[row]]
                assert about["pixel_size_nm"] == images.pixel_size_nm
                assert about["diameter_nm"] == train.columns["diameter_nm"][row]
                row += 1
    assert row == len(train)


def test_export_to_zarr(stemfast, images, tmp_path):
    tensorstore = pytest.importorskip("tensorstore")
    result = stemfast("dataset", "export", "images", "hierarchy.zarr", "--format", "zarr")
    assert result.exit_code == 0, result.stderr
    top = json.loads((tmp_path / "hierarchy.zarr" / "zarr.json").read_text())
    assert (top["zarr_format"], top["node_type"]) == (3, "group")
    assert top["attributes"]["pixel_size_nm"] == images.pixel_size_nm

    def stored(path):
        where = {"driver": "file", "path": str(tmp_path / "hierarchy.zarr" / path)}
        return tensorstore.open({"driver": "zarr3", "kvstore": where}).result()

    for split in ("train", "test"):
        data = images.split(split)
        array = stored(f"{split}/images")
        assert array.domain.labels == ("image", "y", "x")
        assert np.array_equal(array.read().result(), data[:].images)
        assert np.array_equal(stored(f"{split}/labels").read().result(), data.labels)
        for name, column in data.columns.items():
            got = stored(f"{split}/parameters/{name}").read().result()
            if column.dtype.kind == "S":
                got = np.ascontiguousarray(got).view(column.dtype)[:, 0]
            assert np.array_equal(got, column), name


def test_every_array_of_a_zarr_export_names_its_axes(stemfast, images, tmp_path):
    """Names of axes, alike where lengths are alike, are what xarray needs to open a group."""
    pytest.importorskip("tensorstore")
    assert stemfast("dataset", "export", "images", "z.zarr", "--format", "zarr").exit_code == 0
    folder = tmp_path / "z.zarr"
    for group in (folder / "train", folder / "train" / "parameters"):
        length = {}
        own = json.loads((group / "zarr.json").read_text())
        members = own["consolidated_metadata"]["metadata"]
        arrays = {
            file.parent.name: json.loads(file.read_text()) for file in group.glob("*/zarr.json")
        }
        for name, about in arrays.items():
            assert members[name] == about
            if about["node_type"] == "group":
                continue
            names = about["dimension_names"]
            assert names[0] == "image"
            assert len(set(names)) == len(names) == len(about["shape"])
            for axis, size in zip(names, about["shape"], strict=True):
                assert length.setdefault(axis, size) == size, (name, axis)
        assert length["image"] == len(images.split("train"))


def test_xarray_opens_a_zarr_export(stemfast, images, tmp_path):
    pytest.importorskip("tensorstore")
    pytest.importorskip("zarr", minversion="3", reason="zarr-python 3 is not installed")
    xarray = pytest.importorskip("xarray", reason="xarray is not installed")
    assert stemfast("dataset", "export", "images", "z.zarr", "--format", "zarr").exit_code == 0
    data = images.split("train")
    opened = xarray.open_zarr(tmp_path / "z.zarr", group="train")
    assert opened["images"].dims == ("image", "y", "x")
    assert np.array_equal(opened["images"].values, data[:].images)
    assert np.array_equal(opened["labels"].values, data.labels)
    more = xarray.open_zarr(tmp_path / "z.zarr", group="train/parameters")
    for name, column in data.columns.items():
        assert len(more[name]) == len(column)


def test_export_does_not_overwrite_and_leaves_nothing_half_done(
    stemfast, images, tmp_path, monkeypatch
):
    (tmp_path / "there").mkdir()
    result = stemfast("dataset", "export", "images", "there", "--format", "npy")
    assert result.exit_code == 2
    assert "there exists already: choose another name, or remove it" in result.stderr
    assert os.listdir("there") == []

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    result = stemfast("dataset", "export", "images", "new", "--format", "npy")
    assert result.exit_code == 2
    assert "No space left on device" in result.stderr
    assert sorted(os.listdir()) == ["images", "there"]


def test_a_missing_package_is_named(stemfast, images, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorstore", None)
    result = stemfast("dataset", "export", "images", "z", "--format", "zarr")
    assert result.exit_code == 2
    assert 'pip install "stemfast[zarr]"' in result.stderr
    assert sorted(os.listdir()) == ["images"]


@pytest.mark.parametrize("kind", ["uint16", "float32"])
def test_stacks_of_views_and_other_pixels_go_all_the_way(stemfast, tmp_path, kind):
    tiff = pytest.importorskip("rsciio.tiff")
    words = ["dataset", "create", "ground-truth", "views", "-n", "9", "--splits", "train:9"]
    words += ["--size", "32", "--dtype", kind, "--set", "views=3", "--spin", "--shard-images", "5"]
    result = stemfast(*words)
    assert result.exit_code == 0, result.stderr
    assert f"9 images of 3 views, 32 x 32 px of 1 nm, {kind}" in result.stdout
    data = dataset.open("views")
    assert data[:].images.shape == (9, 3, 32, 32)
    assert data[:].images.dtype == kind
    assert stemfast("dataset", "verify", "views").exit_code == 0
    assert stemfast("dataset", "show", "views", "sheet.png", "--count", "4").exit_code == 0
    assert stemfast("dataset", "export", "views", "stacks", "--format", "tiff").exit_code == 0
    (stack,) = tiff.file_reader(str(tmp_path / "stacks" / "train-00000.tif"))
    assert np.array_equal(np.asarray(stack["data"]), data[:5].images.reshape(15, 32, 32))
    rows = table(tmp_path / "stacks" / "train.csv")
    assert [int(row["number"]) for row in rows] == [0, 3, 6, 9, 12, 0, 3, 6, 9]
    check_table(rows, data)
