"""Data sets of strangers: nothing outside the folder is read, nothing false passes."""

from __future__ import annotations

import json
import os
import shutil
import sys

import h5py
import numpy as np
import pytest

from stemfast import dataset, recipes
from stemfast.dataset.about import describe
from stemfast.dataset.manifest import file_sha256
from stemfast.dataset.verify import verify

RECIPE = recipes.get("shapes", image_px=32, field_nm=40, particle={"diameter_nm": (6, 12)})
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    where = tmp_path_factory.mktemp("made") / "set"
    dataset.write(where, RECIPE, seed=4, splits={"train": (0, 40)}, shard_images=20)
    return where


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "set")


def changed(folder, **changes):
    """Change fields of the manifest."""
    file = folder / "manifest.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(content | changes), encoding="utf-8")


def with_shard(folder, **changes):
    """Change fields of the first shard in the manifest."""
    content = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    content["shards"][0] |= changes
    changed(folder, shards=content["shards"])


def sealed(folder):
    """Make size and checksum of the first shard right again."""
    shard = folder / "train-00000.hspy"
    with_shard(folder, n_bytes=shard.stat().st_size, sha256=file_sha256(shard))


def refused(folder, message):
    for act in (dataset.open, verify, describe):
        with pytest.raises(ValueError, match=message):
            act(folder)


@pytest.mark.parametrize("absolute", [False, True])
def test_a_shard_outside_the_folder_is_not_read(folder, absolute):
    outside = folder.parent / "outside.hspy"
    shutil.copy(folder / "train-00000.hspy", outside)
    with_shard(folder, file=str(outside) if absolute else "../outside.hspy")
    refused(folder, r"manifest\.json is damaged.*shards\.0\.file.*plain name")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"splits": {"train": (0, 10**15)}}, "shards would be 50,000,000,000,000"),
        ({"splits": {f"s{k}": (k, k + 1) for k in range(3)}}, "shards are 2, expected 3"),
        ({"splits": {"train": (40, 80)}}, "is not train-00000.hspy"),
        ({"splits": {"../x": (0, 40)}}, "expected letters"),
        ({"shard_images": 0}, "shard_images: .* greater than or equal to 1"),
        ({"pixel_size_nm": -0.5}, "pixel_size_nm: .* greater than 0"),
        ({"image_shape": (32,)}, "image_shape"),
        ({"image_shape": (32, 10**9)}, "image_shape"),
        ({"dtype": "object"}, "dtype"),
        ({"class_names": "cube"}, "class_names"),
        ({"recipe": 7}, "recipe"),
        ({"settings": {"a": float("nan")}}, "is no number of JSON"),
    ],
)
def test_a_manifest_that_cannot_be_true_is_refused(folder, changes, message):
    changed(folder, **changes)
    refused(folder, f"(?s)manifest\\.json is damaged.*{message}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"settings": ' + b"[" * 200_000, "nested deeper than 64"),
        (b'{"settings": {"a": ' + b"[" * 100 + b"]" * 100 + b"}}", "nested deeper than 64"),
        ('{"format": "stemfast dataset"}'.encode("utf-16"), "not UTF-8"),
        (b"[1, 2]", "holds list, expected a JSON object"),
    ],
    ids=["endless", "deep", "utf-16", "list"],
)
@pytest.mark.parametrize("name", ["manifest.json", "plan.json"])
def test_json_that_would_stop_the_reader_is_refused(folder, content, message, name):
    (folder / "manifest.json").rename(folder / name)
    (folder / name).write_bytes(content)
    refused(folder, message)


@posix
def test_links_and_pipes_are_not_followed(folder):
    shard, outside = folder / "train-00000.hspy", folder.parent / "outside.hspy"
    shard.rename(outside)
    shard.symlink_to(outside)
    with pytest.raises(ValueError, match="is a link, expected a regular file"):
        dataset.open(folder)
    assert "train-00000.hspy" in verify(folder).problems[0]
    shard.unlink()
    os.mkfifo(shard)
    with_shard(folder, n_bytes=0)
    with pytest.raises(ValueError, match="is a pipe, socket or device, expected a regular file"):
        dataset.open(folder)
    assert "train-00000.hspy" in verify(folder).problems[0]
    outside_manifest = folder.parent / "manifest.json"
    (folder / "manifest.json").rename(outside_manifest)
    (folder / "manifest.json").symlink_to(outside_manifest)
    refused(folder, "is a link, expected a regular file")


def external_storage(file, secret):
    file["stemfast/parameters"].create_dataset("x", (20,), "u1", external=[(str(secret), 0, 20)])


def external_images(file, secret):
    (group,) = file["Experiments"].values()
    del group["data"]
    group.create_dataset("data", (20, 32, 32), "u1", external=[(str(secret), 0, 20 * 32 * 32)])


def external_link(file, secret):
    del file["stemfast/labels"]
    file["stemfast/labels"] = h5py.ExternalLink(str(secret), "stemfast/labels")


def soft_link(file, secret):
    file["hidden"] = file["stemfast/labels"][...]
    del file["stemfast/labels"]
    file["stemfast/labels"] = h5py.SoftLink("/hidden")


def virtual(file, secret):
    layout = h5py.VirtualLayout((20,), "i8")
    layout[:] = h5py.VirtualSource(str(secret), "stemfast/labels", (20,))
    del file["stemfast/labels"]
    file["stemfast"].create_virtual_dataset("labels", layout)


def compressed(file, secret):
    del file["stemfast/parameters"]
    file.create_dataset("stemfast/parameters/x", (20, 10**6), "f8", compression="gzip")


def never_written(file, secret):
    del file["stemfast/parameters"]
    file.create_dataset("stemfast/parameters/x", (20, 10**10), "f8")


def label_out_of_range(file, secret):
    file["stemfast/labels"][3] = 10**6


def false_shape(file, secret):
    (group,) = file["Experiments"].values()
    del group["data"]
    group.create_dataset("data", data=np.zeros((20, 16, 64), np.uint8))


def false_type(file, secret):
    (group,) = file["Experiments"].values()
    del group["data"]
    group.create_dataset("data", data=np.zeros((20, 32, 32), np.int64))


def false_scale(file, secret):
    (group,) = file["Experiments"].values()
    group["axis-1"].attrs["scale"] = -3.0


def words(file, secret):
    del file["stemfast/labels"]
    file["stemfast/labels"] = ["cube"] * 20


def nothing_inside(file, secret):
    del file["Experiments"]


HARM = {
    external_storage: "takes its data from other files",
    external_images: "takes its data from other files",
    external_link: "is a link",
    soft_link: "is a link",
    virtual: "takes its data from other files",
    compressed: "is compressed",
    never_written: "in 0 bytes",
    label_out_of_range: "a label is 1000000, expected 0 to",
    false_shape: r"images are \(16, 64\) uint8, expected \(32, 32\)",
    false_type: "images are .* int64, expected",
    false_scale: "axis-1 has scale -3",
    words: "expected numbers",
    nothing_inside: "Experiments is missing",
}


@pytest.mark.parametrize("harm", HARM)
def test_a_shard_with_false_or_foreign_content_is_refused(folder, harm):
    secret = folder.parent / "secret"
    shutil.copy(folder / "train-00000.hspy", secret)
    with h5py.File(folder / "train-00000.hspy", "r+") as file:
        harm(file, secret)
    sealed(folder)
    (problem,) = verify(folder, sample=1).problems
    assert "train-00000.hspy is damaged" in problem
    if harm is false_scale:  # the scale in use is the manifest's
        return
    data = dataset.open(folder)
    with pytest.raises(ValueError, match=rf"train-00000\.hspy is damaged \(.*{HARM[harm]}"):
        _ = data[0], data.parameters(0)


def test_verify_compares_the_manifest_with_what_the_recipe_makes(folder):
    names = [f"class {k}" for k in range(len(RECIPE.class_names))]
    changed(folder, class_names=names, pixel_size_nm=9.0)
    problems = "\n".join(verify(folder, sample=0).problems)
    assert "class_names is ('class 0'" in problems
    assert "pixel_size_nm is 9.0, but recipe shapes makes 1.25" in problems


def test_a_worker_gets_its_plan_as_json():
    from stemfast.dataset import cluster

    plan = dataset.Plan(RECIPE, 4, {"train": (0, 40)}, 20)
    assert cluster._unpacked(plan.header.model_dump_json()) == plan
    assert not hasattr(cluster, "pickle")
