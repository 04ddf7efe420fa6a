"""Writing data sets: what lands on disk, who may write it, in which order."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import tracemalloc

import h5py
import numpy as np
import pytest

from stemfast import atomic, dataset, recipes
from stemfast.dataset import folder, splits
from stemfast.dataset import shard as shard_module
from stemfast.dataset.manifest import ShardEntry, file_sha256
from stemfast.dataset.mapped import MappedShard
from stemfast.dataset.verify import verify
from stemfast.dataset.write import write_missing

SETTINGS = {"image_px": 32, "field_nm": 40, "particle": {"diameter_nm": (6, 12)}}
RECIPE = recipes.get("shapes", **SETTINGS)
SPLITS = {"train": (0, 9), "test": (9, 15)}
SHARDS = [
    "test-00000.hspy",
    "test-00001.hspy",
    "train-00000.hspy",
    "train-00001.hspy",
    "train-00002.hspy",
]


def write(where, **changes):
    arguments = {"seed": 4, "splits": SPLITS, "shard_images": 4, **changes}
    return dataset.write(where, arguments.pop("recipe", RECIPE), **arguments)


def make_plan(**changes):
    return dataset.Plan(RECIPE, **{"seed": 4, "splits": SPLITS, "shard_images": 4, **changes})


def names(where):
    return sorted(file.name for file in where.iterdir())


def content(where):
    return {file.name: file.read_bytes() for file in where.iterdir()}


def test_what_was_simulated_comes_back(tmp_path):
    data = write(tmp_path / "set")
    assert names(tmp_path / "set") == ["manifest.json", *SHARDS]
    scenes = RECIPE.sample(4, 0, 15)
    assert len(data) == 15
    images, labels = data[:]
    assert images.dtype == RECIPE.dtype
    assert np.array_equal(images, scenes.simulate())
    assert np.array_equal(labels, scenes.labels)
    assert np.array_equal(data.indices, np.arange(15))
    for name, column in scenes.columns.items():
        assert np.array_equal(data.columns[name], column), name
    assert data.class_names == RECIPE.class_names
    assert data.pixel_size_nm == RECIPE.pixel_size_nm


def test_splits_are_disjoint_parts(tmp_path):
    data = write(tmp_path / "set")
    train, test = data.split("train"), dataset.open(tmp_path / "set", "test")
    assert np.array_equal(train.indices, np.arange(9))
    assert np.array_equal(test.indices, np.arange(9, 15))
    assert np.array_equal(test[:].images, data[9:].images)
    with pytest.raises(ValueError, match="split is 'tests', expected one of train, test"):
        data.split("tests")


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the lazy reader keeps its file open
@pytest.mark.parametrize("lazy", [False, True])
def test_rosettasciio_sees_images_in_nm(tmp_path, lazy):
    reader = pytest.importorskip("rsciio.hspy")
    data = write(tmp_path / "set", splits={"train": (0, 5)}, shard_images=5)
    (signal_read,) = reader.file_reader(tmp_path / "set" / "train-00000.hspy", lazy=lazy)
    assert np.array_equal(np.asarray(signal_read["data"]), data[:].images)
    image, y, x = signal_read["axes"]
    assert (image["size"], image["navigate"]) == (5, True)
    for axis, name in ((y, "y"), (x, "x")):
        assert (axis["name"], axis["units"], axis["size"]) == (name, "nm", 32)
        assert axis["scale"] == 1.25
        assert axis["offset"] == pytest.approx(-1.25 * 15.5)
        assert axis["navigate"] is False
    assert signal_read["metadata"]["General"]["title"] == "shapes train"


IN_HYPERSPY = """
import sys, warnings
warnings.simplefilter("ignore")
import numpy as np, hyperspy.api as hs
for path in sys.argv[1:]:
    for lazy in (False, True):
        stack = hs.load(path, lazy=lazy)
        axes = stack.axes_manager
        print(type(stack).__name__, axes.navigation_shape, axes.signal_shape, end=" ")
        scales = [(a.name, a.units, float(a.scale), float(a.offset)) for a in axes.signal_axes]
        print(scales, end=" ")
        print(int(np.asarray(stack.data, dtype=np.int64).sum()))
"""


def test_hyperspy_shows_stacks_at_the_right_scale(tmp_path):
    pytest.importorskip("hyperspy")
    paths, expected = [], []
    axes = [("x", "nm", 0.35, -0.35 * 31 / 2), ("y", "nm", 0.35, -0.35 * 23 / 2)]
    for views in ((), (3,)):
        images = np.random.default_rng(1).integers(0, 4000, (5, *views, 24, 32), dtype=np.uint16)
        paths.append(str(tmp_path / f"{len(views)}.hspy"))
        write_shard(paths[-1], images, pixel_size_nm=0.35)
        for kind in ("Signal2D", "LazySignal2D"):
            expected.append(f"{kind} {(*views, 5)} (32, 24) {axes} {images.sum(dtype=np.int64)}")
    # In a process of its own: HyperSpy loads half of the ecosystem, and warns about it.
    run = subprocess.run(
        [sys.executable, "-c", IN_HYPERSPY, *paths], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == expected


def write_shard(path, images, pixel_size_nm=1.0, **changes):
    filled = shard_module.ShardContent(
        **{
            "title": "t",
            "images": images,
            "pixel_size_nm": pixel_size_nm,
            "labels": np.arange(len(images)),
            "columns": {"dose": np.linspace(0.0, 1.0, len(images))},
            "attributes": {"seed": 1},
            **changes,
        }
    )
    return shard_module.write_shard(path, filled)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("views", [(), (3,)])
def test_a_shard_maps_back_and_its_checksum_is_that_of_its_file(tmp_path, kind, views):
    path = tmp_path / "x.hspy"
    images = np.random.default_rng(0).integers(0, 255, (70, *views, 24, 32)).astype(kind)
    size, checksum = write_shard(path, images)
    assert size == path.stat().st_size
    assert checksum == file_sha256(path)
    entry = ShardEntry(file="x.hspy", split="s", start=0, stop=70, n_bytes=size, sha256=checksum)
    about = dataset.Plan(RECIPE, 0, {"s": (0, 70)}).header.model_copy(
        update={
            "image_shape": images.shape[1:],
            "dtype": np.dtype(kind).name,
            "class_names": tuple(map(str, range(70))),
        }
    )
    shard = MappedShard(tmp_path, entry, about)
    mapped, labels = shard.arrays
    with h5py.File(path) as file:
        offset = file["Experiments/t/data"].id.get_chunk_info(0).byte_offset
    assert offset % 4096 == 0
    assert mapped.base is not None
    assert not mapped.flags.writeable
    assert mapped.dtype == kind
    assert np.array_equal(mapped, images)
    assert np.array_equal(labels, np.arange(70))
    assert np.array_equal(shard.columns()["dose"], np.linspace(0.0, 1.0, 70))
    with h5py.File(path) as file:
        data = file["Experiments/t/data"]
        assert data.chunks == data.shape == images.shape
        assert data.compression is None
        assert np.array_equal(data[...], images)
        assert json.loads(file["stemfast"].attrs["json"]) == {"seed": 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": np.zeros(2, np.int64)}, r"'labels': 2.*expected 3"),
        ({"columns": {"dose": np.zeros(4)}}, r"'dose': 4.*expected 3"),
        ({"images": np.zeros((0, 4, 4))}, "not empty"),
        ({"images": np.zeros((3, 4))}, r"expected \(N, H, W\) or \(N, K, H, W\)"),
    ],
)
def test_shards_of_disagreeing_lengths_are_refused(tmp_path, changes, message):
    images = changes.pop("images", np.zeros((3, 4, 4), np.uint16))
    with pytest.raises(ValueError, match=message):
        write_shard(tmp_path / "x.hspy", images, **changes)
    assert names(tmp_path) == []


def test_the_bytes_do_not_depend_on_who_writes_in_which_order(tmp_path):
    write(tmp_path / "one")
    write(tmp_path / "two", n_threads=1)
    plan = pickle.loads(pickle.dumps(make_plan()))
    for k in (4, 0, 2):
        entry = dataset.make_shard(tmp_path / "three", plan, k)
        assert entry.file == plan.shards[k].file
        assert entry.sha256 == file_sha256(tmp_path / "three" / entry.file)
        assert not folder.finish(tmp_path / "three", plan)
    assert not write_missing(tmp_path / "three", plan, range(3, 5))
    assert write_missing(tmp_path / "three", plan, range(3))
    assert content(tmp_path / "one") == content(tmp_path / "two") == content(tmp_path / "three")


def test_what_is_there_is_not_written_again(tmp_path):
    where = tmp_path / "set"
    write(where)
    before = {name: (where / name).stat().st_mtime_ns for name in names(where)}
    assert len(write(where)) == 15
    dataset.make_shard(where, make_plan(), 1)
    assert {name: (where / name).stat().st_mtime_ns for name in names(where)} == before
    (where / SHARDS[0]).unlink()
    os.truncate(where / SHARDS[3], 1000)
    write(where)
    assert names(where) == ["manifest.json", *SHARDS]
    for name in names(where):
        assert (before[name] == (where / name).stat().st_mtime_ns) == (
            name in (SHARDS[1], SHARDS[2], SHARDS[4])
        )
    assert verify(where).problems == ()


def test_another_set_in_the_same_place_is_refused_with_what_differs(tmp_path):
    write(tmp_path / "set")
    other = recipes.get("shapes", **SETTINGS | {"particle": {"diameter_nm": (6, 11)}})
    before = content(tmp_path / "set")
    with pytest.raises(ValueError, match="already holds a data set with other settings") as caught:
        write(tmp_path / "set", recipe=other, seed=5, splits={"train": (0, 9)})
    for difference in (
        "particle.diameter_nm: [6.0, 12.0] → [6.0, 11.0]",
        "seed: 4 → 5",
        "splits.test: [9, 15] → nothing",
    ):
        assert difference in str(caught.value)
    assert "image_px" not in str(caught.value)
    assert content(tmp_path / "set") == before


def test_files_of_something_else_are_not_touched(tmp_path):
    (tmp_path / "train-00000.hspy").write_text("measured last week")
    with pytest.raises(ValueError, match=r"holds \.hspy files of something else"):
        write(tmp_path)
    assert content(tmp_path) == {"train-00000.hspy": b"measured last week"}


def test_the_manifest_says_how_to_make_it_again(tmp_path):
    data = write(tmp_path / "set")
    assert folder.plan(tmp_path / "set") == make_plan()
    assert [entry.file for entry in data.manifest.shards] == [*SHARDS[2:], *SHARDS[:2]]
    found = verify(tmp_path / "set", sample=100)
    assert (found.n_shards, found.n_simulated, found.problems) == (5, 15, ())


def test_an_unfinished_set_says_what_is_missing_and_how_to_go_on(tmp_path):
    where = tmp_path / "my set"
    for k in range(3):
        dataset.make_shard(where, make_plan(), k)
    with pytest.raises(
        FileNotFoundError,
        match=r"not complete: 2 of 5 shards are missing.*stemfast dataset resume '.*my set'",
    ):
        dataset.open(where)
    for k in range(3, 5):
        dataset.make_shard(where, make_plan(), k)
    # Nobody has folded it yet, and it is whole all the same.
    assert "plan.json" in names(where)
    assert len(dataset.open(where)) == 15
    assert folder.finish(where, make_plan())
    assert names(where) == ["manifest.json", *SHARDS]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"splits": {}}, "splits is empty"),
        ({"splits": {"train": (0, 9), "test": (8, 12)}}, "'train' and 'test' share scenes"),
        ({"splits": {"train": (9, 9)}}, "expected 0 <= start < stop"),
        ({"splits": {"train": (-3, 9)}}, "expected 0 <= start < stop"),
        ({"splits": {"../train": (0, 9)}}, "letters, digits"),
        ({"shard_images": 0}, "shard_images is 0, expected at least 1"),
        ({"seed": -1}, "seed must be from 0"),
    ],
)
def test_impossible_plans_are_refused_before_anything_is_made(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        write(tmp_path / "set", **changes)
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize("k", [-1, 5])
def test_a_shard_that_is_not_planned_is_refused(tmp_path, k):
    with pytest.raises(ValueError, match=f"shard is {k}, expected 0 to 4"):
        dataset.make_shard(tmp_path / "set", make_plan(), k)
    assert not (tmp_path / "set").exists()


def test_shards_are_of_the_size_the_design_asks_for():
    per_shard = dataset.Plan(RECIPE, 0, {"train": (0, 10**6)}).shard_images
    assert 16e6 <= per_shard * RECIPE.image_px**2 * np.dtype(RECIPE.dtype).itemsize <= 64e6


def test_the_usual_splits_cannot_meet():
    got = splits.parse("train:0.8,validation:0.1,test:0.1", 10**9)
    assert got == {
        "train": (0, 8 * 10**8),
        "validation": (2**40, 2**40 + 10**8),
        "test": (2**41, 2**41 + 10**8),
    }
    too_many = {"train": 2**40 + 1, "validation": 1}
    with pytest.raises(ValueError, match="share scenes"):
        splits.ranges(too_many)


def sizes(text, n):
    return {name: stop - start for name, (start, stop) in splits.parse(text, n).items()}


def test_shares_add_up_to_all_images():
    assert sizes("train:0.8,validation:0.1,test:0.1", 99) == {
        "train": 79,
        "validation": 10,
        "test": 10,
    }
    assert sizes("train:70,test:29", 99) == sizes("train:70,test:29", None)
    for n in range(10, 60):
        assert sum(sizes("train:0.7,validation:0.15,test:0.15", n).values()) == n
    assert sizes("train:1.0", 7) == {"train": 7}


@pytest.mark.parametrize(
    ("text", "n", "message"),
    [
        ("train", 9, "expected each name once with a share or a number"),
        ("train:5,train:4", 9, "each name once"),
        ("train:0.5,test:0.4", 9, "add up to 0.9, expected 1"),
        ("train:5,test:5", 9, "hold 10 images, expected 9"),
        ("train:x", 9, "expected numbers such as 0.8"),
        ("training:1.0", 9, "split is 'training', expected one of train, validation, test"),
        ("train:0.9,test:0.1", 3, "split 'test' would hold 0 images"),
        ("train:1.0", None, "the number of images is missing"),
        ("train:1.5,test:-0.5", 10, "expected 1 and none below 0"),
    ],
)
def test_splits_that_make_no_sense_are_refused(text, n, message):
    with pytest.raises(ValueError, match=message):
        splits.parse(text, n)


def test_memory_does_not_grow_with_the_number_of_images(tmp_path):
    def peak(n):
        tracemalloc.start()
        write_missing(tmp_path / str(n), make_plan(splits={"train": (0, n)}, shard_images=256))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(512)  # what is loaded once
    one, sixteen = peak(1024), peak(16384)
    # How many shards are in the air at once is up to the threads, sixteen times as many are not.
    assert sixteen < 2.5 * one


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file"
    atomic.write_text(path, "first")

    def write_half():
        with atomic.replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert path.read_text() == "first"
    atomic.write_text(path, "second")
    assert path.read_text() == "second"
    assert names(tmp_path) == ["file"]


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    def write_half():
        with atomic.new_folder(tmp_path / "out") as temporary:
            (temporary / "half").touch()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert names(tmp_path) == []
    with atomic.new_folder(tmp_path / "out") as temporary:
        (temporary / "whole").touch()
    assert names(tmp_path / "out") == ["whole"]
    with (
        pytest.raises(FileExistsError, match="out exists already"),
        atomic.new_folder(tmp_path / "out"),
    ):
        pass
