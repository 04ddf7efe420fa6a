"""Reading data sets: what comes back, and in which ways it can be asked for."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from stemfast import dataset, recipes

_SMALL = {"image_px": 32, "field_nm": 40, "dtype": "uint16"}
RECIPE = recipes.get("shapes", **_SMALL, particle={"diameter_nm": (6, 12)})
SPLITS = {"train": (0, 9), "test": (9, 15)}


def write(folder, **changes):
    arguments = {"seed": 4, "splits": SPLITS, "shard_images": 4, **changes}
    return dataset.write(folder, arguments.pop("recipe", RECIPE), **arguments)


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
