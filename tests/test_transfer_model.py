"""From images to a model that can be written, read and trusted to refuse what it cannot read."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from flax import nnx

from stemfast import models, pretrained, recipes, transfer
from stemfast.models import Classifier, ClassifierConfig
from stemfast.transfer.finetune import FINE_TUNING
from stemfast.transfer.keras_backbone import KerasBackbone
from stemfast.transfer.own_backbone import OwnBackbone
from test_transfer_backbone import tiny

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.usefixtures("quickly_compiled"),
]


SHAPES = recipes.get("shapes", image_px=32)
TEXTURES = ("rows", "columns", "board")


def textures(count, seed):
    """Faint rows, columns or a chequered board in noise, class i mod 3."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((32, 32)) // 2 % 2
    patterns = np.stack([y, x, (x + y) % 2])
    labels = np.arange(count) % 3
    images = rng.poisson(100.0 + 20.0 * patterns[labels]).astype(np.uint16)
    return transfer.Labelled(images, labels)


@pytest.fixture(scope="module")
def images():
    parts = (textures(n, seed) for n, seed in ((96, 1), (24, 2), (90, 3)))
    return transfer.SplitImages(*parts, TEXTURES, {"textures": "of this test"})


@cache
def network(side=32, classes=3):
    config = ClassifierConfig(n_classes=classes, image_shape=(side, side), widths=(8,))
    names = tuple(f"class {k}" for k in range(classes))
    return pretrained.TrainedClassifier(Classifier(config, rngs=nnx.Rngs(3)), names)


@pytest.fixture
def known_tiny(monkeypatch):
    """The tiny network among the architectures that a saved model may name."""
    monkeypatch.setitem(transfer.choice.ARCHITECTURES, "tiny", tiny())


def saved_and_read(model, images, folder, **tolerances):
    """The model from its folder, which says the same of the test images."""
    transfer.save(folder, model)
    read = transfer.load(folder)
    said, before = (one.probabilities(images.test.images) for one in (read, model))
    np.testing.assert_allclose(said, before, **tolerances)
    return read


def test_images_of_a_recipe_are_disjoint_and_whole_classes():
    images = transfer.from_recipe(SHAPES, per_class=40, test_images=90)
    parts = (images.train, images.validation, images.test)
    assert [len(p) for p in parts] == [96, 24, 90]
    for part in parts:
        assert len(set(np.bincount(part.labels).tolist())) == 1
    whole = np.concatenate([p.images for p in parts])
    assert len({image.tobytes() for image in whole}) == len(whole)
    again = transfer.from_recipe(SHAPES, per_class=40, test_images=90)
    np.testing.assert_array_equal(again.test.images, images.test.images)
    other = transfer.from_recipe(SHAPES, per_class=40, test_images=90, seed=1)
    assert not np.array_equal(other.test.images, images.test.images)


def test_recipe_sizes_are_checked():
    with pytest.raises(ValueError, match="per_class is 4, expected at least 5"):
        transfer.from_recipe(recipes.get("shapes"), per_class=4)
    with pytest.raises(ValueError, match="test_images is 0"):
        transfer.from_recipe(recipes.get("shapes"), test_images=0)


def test_our_features_are_what_the_last_layer_sees(images):
    trained = replace(network(), model=nnx.clone(network().model))
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=trained.model.head.kernel.shape).astype(np.float32)
    trained.model.head.kernel[...] = kernel
    backbone = OwnBackbone("ours", trained)
    some = images.test.images[:7]
    expected = models.logits(trained.model, some)
    got = backbone.features(some) @ kernel + np.asarray(trained.model.head.bias)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def test_our_network_learns_new_classes_and_comes_back_the_same(images, tmp_path):
    """Random convolutions tell textures apart: of 90 images 30 ± 4.5 are right by chance."""
    told = []
    result = transfer.train(
        images, OwnBackbone("ours", network()), cache=tmp_path / "cache", say=told.append
    )
    assert np.diag(result.evaluation.confusion).sum() > 80
    assert result.images_seen == 96
    assert (result.computed, result.reused) == (210, 0)
    assert any("features of 210 images, 0 of them stored" in line for line in told)

    read = saved_and_read(result.model, images, tmp_path / "model", rtol=1e-5, atol=1e-7)
    chances = read.probabilities(images.test.images)
    np.testing.assert_allclose(chances.sum(axis=1), 1.0)
    said = read.predict(images.test.images, batch_size=7)
    confusion = result.evaluation.confusion
    assert (said.classes == images.test.labels).sum() == np.diag(confusion).sum()
    assert read.class_names == images.class_names
    assert read.card["result"]["accuracy"] == result.evaluation.accuracy
    assert read.predict(images.test.images[3]).names == (images.class_names[said.classes[3]],)
    assert len(read.predict(np.empty((0, 32, 32)))) == 0

    again = transfer.train(images, OwnBackbone("ours", network()), cache=tmp_path / "cache")
    assert (again.computed, again.reused) == (0, 210)
    assert again.evaluation.to_dict() == result.evaluation.to_dict()


def test_images_of_another_size_are_resampled_and_it_is_said(images, tmp_path):
    result = transfer.train(images, OwnBackbone("ours", network(side=16)), cache=tmp_path)
    assert any("32 px were resampled to the 16 px" in note for note in result.notes)
    assert result.model.image_shape == (32, 32)


@pytest.mark.parametrize("side", [32, 16])
def test_all_layers_go_on_from_the_retrained_last_one(images, tmp_path, side):
    ours = network(side=side)
    before = np.asarray(ours.model.head.kernel)
    # Turned by a quarter, rows are columns.
    plan = FINE_TUNING.model_copy(update={"epochs": 3, "batch_size": 16, "symmetries": False})
    told = []
    cached = {"cache": tmp_path / "cache"}
    result = transfer.fine_tune(images, OwnBackbone("ours", ours), plan, **cached, say=told.append)
    last = transfer.train(images, OwnBackbone("ours", ours), **cached)
    assert any("all layers: 3 epochs of 96 images" in line for line in told)
    assert result.images_seen == 288
    assert len(result.epochs) == 3
    assert result.epochs[-1]["loss"] < result.epochs[0]["loss"] < 0.2
    assert result.evaluation.accuracy > 0.9
    assert "all layers" in str(result)
    assert any("resampled" in note for note in result.notes) == (side == 16)
    np.testing.assert_array_equal(np.asarray(ours.model.head.kernel), before)

    read = saved_and_read(result.model, images, tmp_path / "model", rtol=1e-5, atol=1e-7)
    assert read.card["settings"]["epochs"] == 3
    idle = plan.model_copy(update={"learning_rate": 1e-30, "weight_decay": 0.0})
    unmoved = transfer.fine_tune(images, OwnBackbone("ours", ours), idle, **cached)
    np.testing.assert_allclose(
        unmoved.model.head.logits(unmoved.model.backbone.features(images.test.images)),
        last.model.head.logits(last.model.backbone.features(images.test.images))
        / last.model.temperature,
        rtol=1e-3,
        atol=1e-3,
    )


def test_a_keras_backbone_with_random_weights_says_so_everywhere(images, tmp_path, known_tiny):
    said = []
    backbone = KerasBackbone(tiny(), "random", seed=6)
    result = transfer.train(images, backbone, cache=tmp_path / "cache", say=said.append)
    assert any(line.startswith("NOTE") and "RANDOM weights" in line for line in said)
    assert "RANDOM weights" in str(result).splitlines()[0]
    assert result.to_dict()["pretrained"] is False
    saved_and_read(result.model, images, tmp_path / "model", rtol=1e-4, atol=1e-6)
    with pytest.raises(FileExistsError, match="holds a model already"):
        transfer.save(tmp_path / "model", result.model)


def test_a_weights_file_is_found_again_or_asked_for(images, tmp_path, known_tiny):
    KerasBackbone(tiny(), "random", seed=1).model.save_weights(tmp_path / "a.weights.h5")
    KerasBackbone(tiny(), "random", seed=2).model.save_weights(tmp_path / "b.weights.h5")
    backbone = KerasBackbone(tiny(), tmp_path / "a.weights.h5")
    result = transfer.train(images, backbone, cache=tmp_path / "cache")
    transfer.save(tmp_path / "model", result.model)
    expected = transfer.load(tmp_path / "model").probabilities(images.test.images)
    moved = (tmp_path / "a.weights.h5").rename(tmp_path / "moved.weights.h5")
    with pytest.raises(FileNotFoundError, match="give the file as weights="):
        transfer.load(tmp_path / "model")
    read = transfer.load(tmp_path / "model", weights=moved)
    np.testing.assert_allclose(read.probabilities(images.test.images), expected, rtol=1e-5)
    with pytest.raises(ValueError, match="is not the one that the last layer"):
        transfer.load(tmp_path / "model", weights=tmp_path / "b.weights.h5")


@pytest.fixture
def model(images, tmp_path):
    backbone = OwnBackbone("ours", network())
    result = transfer.train(images, backbone, cache=tmp_path / "cache")
    transfer.save(tmp_path / "model", result.model)
    return tmp_path / "model"


def test_a_model_refuses_what_it_cannot_read(model):
    read = transfer.load(model)
    for wrong, words in (
        (np.zeros((2, 24, 24)), r"expected \(N, 32, 32\)"),
        (np.zeros((2, 32, 32)), "is 0.0 everywhere"),
        (np.full((1, 32, 32), np.inf), "NaN or infinity"),
    ):
        with pytest.raises(ValueError, match=words):
            read.predict(wrong)
    with pytest.raises(TypeError, match="expected real numbers"):
        read.predict(np.zeros((1, 32, 32), complex))
    with pytest.raises(ValueError, match="batch_size is 0"):
        read.probabilities(np.zeros((1, 32, 32)), batch_size=0)


def test_damaged_models_are_refused(model, tmp_path):
    with pytest.raises(FileNotFoundError, match="no transfer model"):
        transfer.load(tmp_path)
    with pytest.raises(ValueError, match='does not say "format": "stemfast transfer model"'):
        transfer.load(model / "backbone")
    head = model / "head.safetensors"
    content = head.read_bytes()
    head.write_bytes(content[:-4] + b"\0\0\0\0")
    with pytest.raises(ValueError, match="is not the file that config.json was written with"):
        transfer.load(model)
    head.unlink()
    with pytest.raises(FileNotFoundError, match="head.safetensors"):
        transfer.load(model)
    head.write_bytes(content)
    pretrained.save(model / "backbone", network(classes=2))
    with pytest.raises(ValueError, match="is not the one that the last layer"):
        transfer.load(model)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "format_version": 99}))
    with pytest.raises(ValueError, match="format_version 99"):
        transfer.load(model)
