"""Features are computed once, survive a stop, and are never another image's."""

from __future__ import annotations

import numpy as np
import pytest

from stemfast.transfer import Backbone, Store
from stemfast.transfer.bottleneck import PART_IMAGES, image_hashes


class Counting(Backbone):
    """Mean, spread and first pixel; counts the images that it reads and stops where it is told."""

    def __init__(self, version=0, stop_after=None):
        self.name, self.weights, self.version = "counting", "none", version
        self.n_features, self.input_shape = 3, (16, 16)
        self.seen, self.stop_after = 0, stop_after

    @property
    def key(self):
        return {"version": self.version}

    @property
    def reference(self):
        return {}

    def features(self, images):
        self.seen += len(np.unique(image_hashes(images), axis=0))
        if self.stop_after is not None and self.seen > self.stop_after:
            raise KeyboardInterrupt
        x = np.asarray(images, dtype=np.float32)
        columns = [x.mean(axis=(1, 2)), x.std(axis=(1, 2)), x[:, 0, 0]]
        return np.stack(columns, axis=1).astype(np.float32)


def draw(count, seed=0):
    return np.random.default_rng(seed).integers(0, 2**16, (count, 16, 16)).astype(np.uint16)


def truth(images):
    return Counting().features(images)


def test_computed_once_and_reused(tmp_path):
    images = draw(200)
    first = Store(tmp_path, Counting()).features(images)
    assert (first.computed, first.reused) == (200, 0)
    np.testing.assert_array_equal(first.features, truth(images))
    backbone = Counting()
    again = Store(tmp_path, backbone).features(images[::-1])
    assert (again.computed, again.reused, backbone.seen) == (0, 200, 0)
    np.testing.assert_array_equal(again.features, first.features[::-1])
    assert again.seconds == pytest.approx(first.seconds)
    assert first.seconds > 0


def test_only_new_images_cost(tmp_path):
    images = draw(70)
    Store(tmp_path, Counting()).features(images[:50])
    got = Store(tmp_path, Counting()).features(images)
    assert (got.computed, got.reused) == (20, 50)
    np.testing.assert_array_equal(got.features, truth(images))


def test_the_same_image_twice_costs_once(tmp_path):
    images = draw(5)[[0, 1, 1, 0, 4]]
    backbone = Counting()
    got = Store(tmp_path, backbone).features(images)
    assert got.computed == backbone.seen == 3
    np.testing.assert_array_equal(got.features, truth(images))


def test_another_backbone_has_another_folder(tmp_path):
    images = draw(3)
    one, other = Store(tmp_path, Counting(0)), Store(tmp_path, Counting(1))
    one.features(images)
    assert one.folder != other.folder
    assert other.features(images).computed == 3


def test_a_stopped_run_goes_on_where_it_stopped(tmp_path):
    images = draw(3 * PART_IMAGES)
    with pytest.raises(KeyboardInterrupt):
        Store(tmp_path, Counting(stop_after=2 * PART_IMAGES + 10)).features(images)
    assert not list(tmp_path.rglob("*.tmp"))
    backbone = Counting()
    got = Store(tmp_path, backbone).features(images)
    assert (got.computed, got.reused, backbone.seen) == (PART_IMAGES, 2 * PART_IMAGES, PART_IMAGES)
    np.testing.assert_array_equal(got.features, truth(images))


def test_type_and_size_are_part_of_an_image():
    image = np.arange(256, dtype=np.uint16).reshape(1, 16, 16)
    others = (image.astype(np.uint8), image.reshape(1, 8, 32), image.astype(np.float32))
    hashes = {image_hashes(x).tobytes() for x in (image, *others)}
    assert len(hashes) == 4
    swapped = image.astype(image.dtype.newbyteorder(">"))
    assert image_hashes(swapped).tobytes() == image_hashes(image).tobytes()


def test_the_forecast_says_what_is_left(tmp_path):
    store = Store(tmp_path, Counting())
    store.features(draw(4))
    text = store.forecast(draw(6)[:3], draw(6)[3:])
    assert "features of 6 images, 4 of them stored, 2 to compute" in text
    assert str(store.folder) in text


def test_a_forecast_is_measured_and_nothing_is_computed_twice(tmp_path):
    images, backbone = draw(150), Counting()
    store = Store(tmp_path, backbone)
    text = store.forecast(images[:10], images[10:])
    assert "150 to compute, about 1 s by the time that a batch took" in text
    assert backbone.seen == 64
    got = [store.features(images[:10]), store.features(images[10:])]
    assert backbone.seen == 150
    assert [one.computed for one in got] == [10, 140]
    assert [one.reused for one in got] == [0, 0]
    np.testing.assert_array_equal(got[1].features, truth(images[10:]))


def test_a_damaged_part_is_named(tmp_path):
    store = Store(tmp_path, Counting())
    store.features(draw(4))
    (part,) = store.folder.glob("part-*.npz")
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 0xFF
    for damaged in (bytes(content), content[:50], b""):
        part.write_bytes(damaged)
        with pytest.raises(ValueError, match=f"{part.name} is damaged.*delete it"):
            store.features(draw(4))


def test_a_folder_of_something_else_is_refused(tmp_path):
    store = Store(tmp_path, Counting())
    store.features(draw(2))
    (store.folder / "about.json").write_text('{"format": "another"}')
    with pytest.raises(ValueError, match="features of another backbone or version"):
        store.features(draw(2))
    (store.folder / "about.json").write_text("{")
    with pytest.raises(ValueError, match="about.json is damaged"):
        store.features(draw(2))


def test_features_that_are_not_finite_are_not_stored(tmp_path):
    class Broken(Counting):
        def features(self, images):
            return np.full((len(images), 3), np.inf, np.float32)

    store = Store(tmp_path, Broken())
    with pytest.raises(ValueError, match="makes NaN or infinity of image 0"):
        store.features(draw(2))
    assert not list(store.folder.glob("part-*"))
