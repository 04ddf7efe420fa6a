"""Data sets: what HyperSpy sees, what comes back, and what an interruption leaves behind."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from stemfast import atomic, dataset, recipes
from stemfast.dataset import shard as shard_module
from stemfast.dataset.manifest import file_sha256
from stemfast.recipes import Scenes

_SMALL = {"image_px": 32, "field_nm": 40, "dtype": "uint16"}
RECIPE = recipes.get("shapes", **_SMALL, particle={"diameter_nm": (6, 12)})
SPLITS = {"train": (0, 9), "test": (9, 15)}


def write(folder, **changes):
    arguments = {"seed": 4, "splits": SPLITS, "shard_images": 4, **changes}
    return dataset.write(folder, arguments.pop("recipe", RECIPE), **arguments)


def names(folder):
    return sorted(file.name for file in folder.iterdir())


SHARDS = [
    "test-00000.hspy",
    "test-00001.hspy",
    "train-00000.hspy",
    "train-00001.hspy",
    "train-00002.hspy",
]


def test_what_was_simulated_comes_back(tmp_path):
    data = write(tmp_path / "set")
    assert names(tmp_path / "set") == ["manifest.json", *SHARDS]
    scenes = RECIPE.sample(4, 0, 15)
    assert len(data) == 15
    images, labels = data[:]
    assert images.dtype == np.uint16
    assert np.array_equal(images, scenes.simulate())
    assert np.array_equal(labels, scenes.labels)
    assert np.array_equal(data.indices, np.arange(15))
    for name, column in scenes.columns.items():
        assert np.array_equal(data.columns[name], column), name
    assert data.class_names == ("tetrahedron", "cuboid", "sphere")
    assert data.pixel_size_nm == 1.25


def test_samples_can_be_taken_in_any_way(tmp_path):
    data = write(tmp_path / "set")
    whole = data[:]
    one = data[7]
    assert one.images.shape == (32, 32)
    assert np.array_equal(one.images, whole.images[7])
    assert one.labels == whole.labels[7]
    for index in ([14, 0, 5, 5], [], np.arange(15) % 2 == 0, slice(3, 12, 4), -1, np.int64(3)):
        got = data[index]
        assert np.array_equal(got.images, whole.images[index])
        assert np.array_equal(got.labels, whole.labels[index])
    with pytest.raises(IndexError):
        data[15]
    with pytest.raises(IndexError, match="2 dimensions"):
        data[np.zeros((2, 2), int)]


def test_splits_are_disjoint_parts(tmp_path):
    data = write(tmp_path / "set")
    train, test = data.split("train"), dataset.open(tmp_path / "set", "test")
    assert np.array_equal(train.indices, np.arange(9))
    assert np.array_equal(test.indices, np.arange(9, 15))
    assert np.array_equal(test[:].images, data[9:].images)
    with pytest.raises(ValueError, match="split is 'tests', expected one of train, test"):
        data.split("tests")


def test_a_pickled_set_opens_again_without_carrying_its_images(tmp_path):
    train = write(tmp_path / "set").split("train")
    packed = pickle.dumps(train)
    assert len(packed) < 1000
    assert np.array_equal(pickle.loads(packed)[:].images, train[:].images)


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the lazy reader keeps its file open
@pytest.mark.parametrize("lazy", [False, True])
def test_hyperspys_reader_sees_images_in_nm(tmp_path, lazy):
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


def test_images_are_one_run_of_bytes_on_a_page_of_its_own(tmp_path):
    write(tmp_path / "set")
    path = tmp_path / "set" / "train-00001.hspy"
    mapped = shard_module.map_images(path)
    assert isinstance(mapped, np.memmap)
    assert mapped.offset % 4096 == 0
    with h5py.File(path) as file:
        (group,) = file["Experiments"].values()
        assert group["data"].chunks == group["data"].shape
        assert group["data"].compression is None
        assert np.array_equal(group["data"][...], mapped)
        assert json.loads(file["stemfast"].attrs["json"])["first_index"] == 4


def test_the_same_call_gives_the_same_bytes_and_writes_once(tmp_path):
    write(tmp_path / "one")
    write(tmp_path / "two", n_threads=1)
    for name in names(tmp_path / "one"):
        assert file_sha256(tmp_path / "one" / name) == file_sha256(tmp_path / "two" / name)
    before = (tmp_path / "one" / "train-00000.hspy").stat().st_mtime_ns
    assert len(write(tmp_path / "one")) == 15
    assert (tmp_path / "one" / "train-00000.hspy").stat().st_mtime_ns == before


def test_another_set_in_the_same_place_is_refused_with_what_differs(tmp_path):
    write(tmp_path / "set")
    other = recipes.get("shapes", **_SMALL, particle={"diameter_nm": (6, 11)})
    with pytest.raises(ValueError, match="different settings, seed, splits:"):
        write(tmp_path / "set", recipe=other, seed=5, splits={"train": (0, 9)})


def test_the_manifest_says_how_to_make_it_again(tmp_path):
    data = write(tmp_path / "set")
    manifest = data.manifest
    recipe = recipes.get(manifest.recipe, **manifest.settings)
    again = recipe.sample(manifest.seed, 5, 8).simulate()
    assert np.array_equal(again, data[5:8].images)
    assert [entry.file for entry in manifest.shards] == [*SHARDS[2:], *SHARDS[:2]]
    data.verify()


def flip_last_byte(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_damage_is_found(tmp_path):
    folder = tmp_path / "set"
    data = write(folder)
    flip_last_byte(folder / SHARDS[0])
    with pytest.raises(ValueError, match=r"test-00000\.hspy differs from its checksum"):
        data.verify()
    os.truncate(folder / SHARDS[3], 1000)
    with pytest.raises(ValueError, match=r"train-00001\.hspy has 1000 bytes, expected"):
        dataset.open(folder)
    (folder / SHARDS[3]).unlink()
    with pytest.raises(FileNotFoundError, match=r"train-00001\.hspy is missing"):
        dataset.open(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"format_version": 9}))
    with pytest.raises(ValueError, match="format_version 9"):
        dataset.open(folder)
    (folder / "manifest.json").write_text("{}")
    with pytest.raises(ValueError, match="not a manifest"):
        dataset.open(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(FileNotFoundError, match="interrupted"):
        dataset.open(folder)


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({}, "splits is empty"),
        ({"train": (0, 9), "test": (8, 12)}, "'train' and 'test' share scenes"),
        ({"train": (9, 9)}, "expected 0 <= start < stop"),
        ({"train": (-3, 9)}, "expected 0 <= start < stop"),
        ({"../train": (0, 9)}, "letters, digits"),
    ],
)
def test_impossible_splits_are_refused_before_anything_is_made(tmp_path, splits, message):
    with pytest.raises(ValueError, match=message):
        write(tmp_path / "set", splits=splits)
    assert not (tmp_path / "set").exists()


def test_an_interruption_between_shards_leaves_whole_shards_and_no_manifest(tmp_path, monkeypatch):
    simulate = Scenes.simulate

    def stop_at_the_third(self, n_threads=0):
        if self.start == 8:
            raise KeyboardInterrupt
        return simulate(self, n_threads)

    with monkeypatch.context() as patch:
        patch.setattr(Scenes, "simulate", stop_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / "set")
    assert names(tmp_path / "set") == ["train-00000.hspy", "train-00001.hspy"]
    write(tmp_path / "set").verify()


def test_an_interruption_within_a_shard_leaves_no_trace_of_it(tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    for module, function in ((shard_module, "_write_signal"), (os, "replace")):
        with monkeypatch.context() as patch:
            patch.setattr(module, function, stop)
            with pytest.raises(KeyboardInterrupt):
                write(tmp_path / "set")
        assert names(tmp_path / "set") == []


ENDLESS = """
from stemfast import dataset, recipes
print("ready", flush=True)
dataset.write({folder!r}, recipes.get("shapes"), seed=0, splits={{"train": (0, 900000)}},
              shard_images=60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")
def test_ctrl_c_leaves_only_whole_shards(tmp_path):
    folder = tmp_path / "set"
    script = ENDLESS.format(folder=str(folder))
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        while not folder.exists() or len(list(folder.glob("*.hspy"))) < 3:
            assert process.poll() is None, process.stderr
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors
    assert all(name.endswith(".hspy") and not name.startswith(".") for name in names(folder))
    for path in folder.glob("*.hspy"):
        assert shard_module.map_images(path).shape == (60, 64, 64)


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


def test_shards_of_disagreeing_lengths_are_refused(tmp_path):
    content = shard_module.ShardContent(
        title="t",
        images=np.zeros((3, 4, 4), np.uint16),
        pixel_size_nm=1.0,
        labels=np.zeros(2, np.int64),
        columns={"dose": np.zeros(3)},
        attributes={},
    )
    with pytest.raises(ValueError, match=r"'labels': 2.*expected 3"):
        shard_module.write_shard(tmp_path / "x.hspy", content)
    assert names(tmp_path) == []
