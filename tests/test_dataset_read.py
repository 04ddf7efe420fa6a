"""Reading data sets: any index, any loader, any process, and little memory."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from stemfast import _core, dataset, recipes
from stemfast.dataset import shard as shard_module
from stemfast.dataset.manifest import Manifest, ShardEntry, file_sha256

RECIPE = recipes.get(
    "shapes", image_px=32, field_nm=40, dtype="uint16", particle={"diameter_nm": (6, 12)}
)
SPLITS = {"train": (0, 90), "test": (2**41, 2**41 + 30)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "set"
    dataset.write(folder, RECIPE, seed=4, splits=SPLITS, shard_images=7)
    return folder


@pytest.fixture(scope="module")
def truth(folder):
    scenes = [RECIPE.sample(4, *limits) for limits in SPLITS.values()]
    return (
        np.concatenate([part.simulate() for part in scenes]),
        np.concatenate([part.labels for part in scenes]),
    )


RNG = np.random.default_rng(3)
INDICES = {
    "shuffled": RNG.permutation(120),
    "repeated": RNG.integers(0, 120, 500),
    "negative": RNG.integers(-120, 120, 50),
    "narrow": np.array([3, 119, 7], np.uint8),
    "list": [14, 0, 5, 5],
    "tuple of one": (2,),
    "none": [],
    "mask": RNG.random(120) < 0.3,
    "slice": slice(3, 112, 4),
    "backwards": slice(None, None, -3),
    "one": 77,
    "last": -1,
    "NumPy's": np.int32(8),
    "an array without axes": np.array(9),
}


@pytest.mark.parametrize("name", INDICES)
@pytest.mark.parametrize("n_threads", [0, 1])
def test_any_index_gives_the_images_with_their_labels(folder, truth, name, n_threads):
    data = dataset.Dataset(folder, n_threads=n_threads)
    index = list(INDICES[name]) if name == "tuple of one" else INDICES[name]
    images, labels = data[INDICES[name]]
    assert np.array_equal(images, truth[0][index])
    assert np.array_equal(labels, truth[1][index])
    assert images.dtype == np.uint16
    assert np.asarray(labels).dtype == np.int64
    assert images.flags.writeable  # a copy, the reader's to change
    images[...] = 0
    assert np.array_equal(data[INDICES[name]].images, truth[0][index])


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (120, "index is 120, expected one of 120 images"),
        (-121, "index is -121"),
        ([3, 120], "index holds 120"),
        ([-121], "index holds -121"),
        (np.zeros((2, 2), int), "2 dimensions"),
        (np.zeros(119, bool), "mask of 119, expected 120"),
        ([0.5], "dtype float64, expected integers"),
        (True, "0 dimensions"),
    ],
)
def test_wrong_indices_are_refused(folder, index, message):
    with pytest.raises(IndexError, match=message):
        dataset.open(folder)[index]


def test_what_is_no_index_is_refused(folder):
    with pytest.raises(TypeError):
        dataset.open(folder)[1.5]
    with pytest.raises(ValueError, match="n_threads is -1"):
        dataset.Dataset(folder, n_threads=-1)


def test_everything_known_about_an_image_comes_with_it(folder):
    data = dataset.open(folder, "test")
    scenes = RECIPE.sample(4, *SPLITS["test"])
    assert list(data.columns) == sorted(scenes.columns)
    assert len(data.columns) == len(scenes.columns)
    for name, column in scenes.columns.items():
        assert np.array_equal(data.columns[name], column), name
        for i in (0, 17, -1):
            assert np.array_equal(data.parameters(i)[name], column[i]), name
    assert data.columns["position_nm"] is data.columns["position_nm"]  # kept
    with pytest.raises(KeyError, match="colour"):
        data.columns["colour"]
    with pytest.raises(IndexError, match="index is 30"):
        data.parameters(30)
    assert data.pixel_size_nm == 1.25
    assert data.image_shape == (32, 32)
    assert np.array_equal(data.indices, np.arange(*SPLITS["test"]))
    assert np.array_equal(data.labels, scenes.labels)


def test_opening_reads_no_shard(folder, monkeypatch):
    def nothing(*arguments, **settings):
        raise AssertionError("opened a shard")

    monkeypatch.setattr("h5py.File", nothing)
    monkeypatch.setattr(_core, "map_file", nothing)
    data = dataset.open(folder)
    assert len(data) == 120
    assert data.indices[-1] == 2**41 + 29
    assert data.split("test").class_names == ("tetrahedron", "cuboid", "sphere")


def test_a_shard_is_mapped_only_when_it_is_used_and_keeps_no_file_open(folder):
    psutil = pytest.importorskip("psutil")
    process = psutil.Process()
    before = process.num_fds() if os.name != "nt" else process.num_handles()
    data = dataset.open(folder)
    data[np.arange(10)]
    assert list(data._mapped) == [0, 1]
    data[:]
    assert len(data._mapped) == 18
    if os.name != "nt":
        assert process.num_fds() == before


def test_more_shards_than_can_be_mapped(folder, truth, monkeypatch):
    monkeypatch.setattr("stemfast.dataset.read.MOST_MAPPED", 3)
    data = dataset.open(folder)
    for _ in range(3):
        index = RNG.permutation(120)
        assert np.array_equal(data[index].images, truth[0][index])
        assert len(data._mapped) <= 3


def test_several_views_of_one_particle_are_one_sample(tmp_path):
    rng = np.random.default_rng(1)
    images = rng.integers(0, 255, (6, 3, 8, 10), dtype=np.uint8)
    labels = np.arange(6) % 2
    (tmp_path / "set").mkdir()
    entries = []
    for k, part in enumerate((slice(0, 4), slice(4, 6))):
        content = shard_module.ShardContent(
            title="pairs",
            images=images[part],
            pixel_size_nm=0.5,
            labels=labels[part],
            columns={},
            attributes={},
        )
        path = tmp_path / "set" / f"train-{k:05d}.hspy"
        shard_module.write_shard(path, content)
        entries.append(
            ShardEntry(
                file=path.name,
                split="train",
                start=part.start,
                stop=part.stop,
                n_bytes=path.stat().st_size,
                sha256=file_sha256(path),
            )
        )
    Manifest(
        recipe="pairs",
        settings={},
        seed=0,
        splits={"train": (0, 6)},
        shard_images=4,
        stemfast_version="0",
        class_names=("a", "b"),
        image_shape=(3, 8, 10),
        dtype="uint8",
        pixel_size_nm=0.5,
        shards=tuple(entries),
    ).write(tmp_path / "set")
    data = dataset.open(tmp_path / "set")
    assert data.image_shape == (3, 8, 10)
    assert np.array_equal(data[5].images, images[5])
    assert np.array_equal(data[[5, 0, 3]].images, images[[5, 0, 3]])
    assert np.array_equal(data[[5, 0, 3]].labels, labels[[5, 0, 3]])
    assert dict(data.columns) == data.parameters(0) == {}


def test_a_shard_cut_short_or_missing_is_found_at_opening(folder, tmp_path):
    for name in sorted(path.name for path in folder.iterdir()):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    victim = tmp_path / "train-00003.hspy"
    whole = victim.read_bytes()
    victim.write_bytes(whole[:-1])
    with pytest.raises(ValueError, match=f"has {len(whole) - 1} bytes, expected {len(whole)}"):
        dataset.open(tmp_path)
    victim.write_bytes(whole)
    data = dataset.open(tmp_path)
    victim.write_bytes(whole[:4096])  # after opening, before the first use
    assert data[0].images.shape == (32, 32)
    with pytest.raises((ValueError, OSError)):
        data[22]
    victim.unlink()
    with pytest.raises(FileNotFoundError, match="train-00003.hspy is missing"):
        dataset.open(tmp_path, "train")
    dataset.open(tmp_path, "test")


def test_many_threads_may_read_at_once(folder, truth):
    data = dataset.open(folder)
    wanted = [RNG.integers(0, 120, 40) for _ in range(64)]
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda index: data[index], wanted))
    for index, (images, labels) in zip(wanted, got, strict=True):
        assert np.array_equal(images, truth[0][index])
        assert np.array_equal(labels, truth[1][index])


def test_a_pickle_is_a_directorys_name(folder, truth, tmp_path, monkeypatch):
    monkeypatch.chdir(folder.parent)
    data = dataset.Dataset("set", "train", n_threads=1)
    data[:]
    packed = pickle.dumps(data)
    assert len(packed) < 500
    monkeypatch.chdir(tmp_path)  # the copy may live elsewhere
    again = pickle.loads(packed)
    assert np.array_equal(again[:].images, truth[0][:90])


def _read_in_child(data, index, answers):
    images, labels = data[index]
    answers.put((images, labels, len(data)))


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*fork:")
def test_other_processes_read_the_same(folder, truth, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    context = multiprocessing.get_context(method)
    data = dataset.open(folder)
    data[:40]  # maps some shards before; the copies of a large batch run in several threads
    index = RNG.integers(0, 120, 3000)
    answers = context.Queue()
    child = context.Process(target=_read_in_child, args=(data, index, answers))
    child.start()
    images, labels, count = answers.get(timeout=120)
    child.join(60)
    assert child.exitcode == 0
    assert count == 120
    assert np.array_equal(images, truth[0][index])
    assert np.array_equal(labels, truth[1][index])


@pytest.mark.parametrize("workers", [0, 2])
def test_a_pytorch_loader_takes_it_as_it_is(folder, truth, workers):
    data_module = pytest.importorskip("torch.utils.data")
    import torch

    loader = data_module.DataLoader(
        dataset.open(folder),
        batch_size=16,
        shuffle=True,
        num_workers=workers,
        generator=torch.Generator().manual_seed(1),
        multiprocessing_context="spawn" if workers else None,
    )
    seen = {}
    for images, labels in loader:
        assert images.dtype == torch.uint16
        assert labels.dtype == torch.int64
        for image, label in zip(images.numpy(), labels.tolist(), strict=True):
            seen[image.tobytes()] = label
    expected = {
        image.tobytes(): label for image, label in zip(truth[0], truth[1].tolist(), strict=True)
    }
    assert seen == expected


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_grain_takes_it_as_it_is(folder, truth):
    grain = pytest.importorskip("grain")
    batches = grain.MapDataset.source(dataset.open(folder)).shuffle(seed=1).batch(32)
    images = np.concatenate([np.asarray(batch.images) for batch in batches])
    labels = np.concatenate([np.asarray(batch.labels) for batch in batches])
    expected = {
        image.tobytes(): label for image, label in zip(truth[0], truth[1].tolist(), strict=True)
    }
    got = {image.tobytes(): label for image, label in zip(images, labels.tolist(), strict=True)}
    assert got == expected
    assert not np.array_equal(labels, truth[1])  # shuffled

    threaded = grain.MapDataset.source(dataset.open(folder)).to_iter_dataset().batch(50)
    first = next(iter(threaded))
    assert np.array_equal(first.images, truth[0][:50])


def test_graceful_answers_of_the_copying_core():
    stack = np.arange(12, dtype=np.int64).reshape(4, 3)
    out = np.zeros((2, 3), np.int64)

    def gather(**changes):
        arguments = {
            "stacks": [stack],
            "which": np.zeros(2, np.int64),
            "rows": np.array([3, 1]),
            "out": out,
            "n_threads": 1,
        }
        _core.gather(**arguments | changes)

    gather()
    assert out.tolist() == [[9, 10, 11], [3, 4, 5]]
    for changes, message in (
        ({"rows": np.array([4, 0])}, "row 4 of stack 0"),
        ({"rows": np.array([-1, 0])}, "row -1 of stack 0"),
        ({"which": np.array([0, 1])}, "of stack 1"),
        ({"rows": np.array([1])}, "rows has shape"),
        ({"stacks": [stack.astype(np.int32)]}, "stacks holds an array"),
        ({"stacks": [stack[:, :2]]}, "stacks holds an array"),
        ({"stacks": [stack.T[:, :3]]}, "stacks holds an array"),
        ({"stacks": ["no"]}, "stacks holds something that is no array"),
        ({"out": np.zeros((4, 3), np.int64)[::2]}, "out is not C-contiguous"),
        ({"n_threads": -1}, "n_threads must be"),
    ):
        with pytest.raises(ValueError, match=message):
            gather(**changes)
    assert out.tolist() == [[9, 10, 11], [3, 4, 5]]


@pytest.mark.skipif(sys.platform == "win32", reason="NumPy maps files there")
def test_files_that_cannot_be_mapped(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing here"):
        _core.map_file(os.fsencode(tmp_path / "nothing here"))
    (tmp_path / "empty").touch()
    with pytest.raises(ValueError, match="is empty"):
        _core.map_file(os.fsencode(tmp_path / "empty"))
    with pytest.raises(OSError, match=r".+"):
        _core.map_file(os.fsencode(tmp_path))
    (tmp_path / "file").write_bytes(b"stem")
    mapped = _core.map_file(os.fsencode(tmp_path / "file"))
    assert bytes(mapped) == b"stem"
    assert not mapped.flags.writeable


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")  # of HyperSpy's own
def test_a_set_is_a_lazy_signal_of_hyperspy_that_reads_what_is_asked_for(
    folder, truth, monkeypatch
):
    pytest.importorskip("hyperspy", reason="needs HyperSpy, the extra [test]")
    data, taken = dataset.open(folder), []
    take = dataset.Dataset._take
    monkeypatch.setattr(dataset.Dataset, "_take", lambda self, n: taken.append(n) or take(self, n))
    signal = data.to_hyperspy()
    assert signal._lazy
    assert sum(map(len, taken)) == 0
    axes = signal.axes_manager
    assert [axis.name for axis in axes._axes] == ["image", "y", "x"]
    assert axes.signal_axes[0].scale == pytest.approx(data.pixel_size_nm)
    assert axes.signal_axes[0].offset == pytest.approx(-15.5 * data.pixel_size_nm)
    assert np.array_equal(signal.inav[77].data.compute(), truth[0][77])
    assert sum(map(len, taken)) <= 7
    assert np.array_equal(signal.data.compute(), truth[0])
    whole = data.split("test").to_hyperspy(lazy=False)
    assert not whole._lazy
    assert np.array_equal(whole.data, truth[0][90:])
