"""Backbones: weights from everywhere, what they are shown, and what goes wrong."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from stemfast import transfer
from stemfast.transfer import choice, keras_backbone, normalise
from stemfast.transfer.architectures import ARCHITECTURES, Architecture
from stemfast.transfer.keras_backbone import KerasBackbone, load_keras

# Keras 3.15 reads JAX arrays for saving in a way that NumPy 2 frowns on.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@dataclass(frozen=True)
class Tiny(Architecture):
    """A network that Keras builds in a blink."""

    def build(self, keras):
        inputs = keras.Input((self.side_px, self.side_px, 3))
        x = keras.layers.Conv2D(4, 3, strides=2, activation="relu", name="stem")(inputs)
        x = keras.layers.BatchNormalization(name="norm")(x)
        x = keras.layers.Conv2D(self.n_features, 3, activation="relu", name="last")(x)
        return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))


def tiny(n_features=6, pixels="-1…1"):
    return Tiny(
        name="tiny",
        keras_name="Tiny",
        side_px=24,
        n_features=n_features,
        pixels=pixels,
        url="https://weights.invalid/tiny_notop.h5",
        md5="0" * 32,
        source="this test",
    )


@pytest.fixture
def images():
    return np.random.default_rng(5).integers(50, 4000, (3, 32, 32)).astype(np.uint16)


def test_importing_transfer_does_not_load_keras():
    code = "import sys, stemfast, stemfast.transfer; print('keras' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_keras_with_another_backend_is_refused(monkeypatch):
    config = SimpleNamespace(backend=lambda: "tensorflow", image_data_format=lambda: "")
    monkeypatch.setitem(sys.modules, "keras", SimpleNamespace(config=config))
    with pytest.raises(ValueError, match="KERAS_BACKEND=jax before the first 'import keras'"):
        load_keras()


def test_a_wish_for_another_backend_is_not_overruled(monkeypatch):
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    with pytest.raises(ValueError, match="KERAS_BACKEND is 'torch', expected 'jax'"):
        load_keras()


def test_channels_first_is_refused(monkeypatch):
    config = SimpleNamespace(backend=lambda: "jax", image_data_format=lambda: "channels_first")
    monkeypatch.setitem(sys.modules, "keras", SimpleNamespace(config=config))
    with pytest.raises(ValueError, match="expected 'channels_last'"):
        load_keras()


def test_the_table_says_what_keras_says():
    keras = load_keras()
    for name, architecture in ARCHITECTURES.items():
        function = getattr(keras.applications, architecture.keras_name)
        source = inspect.getsource(sys.modules[function.__module__])
        joined = re.sub(r'"\s*"', "", source)
        assert architecture.md5 in joined, name
        assert architecture.url.rpartition("/")[0] in joined, name


@pytest.mark.parametrize("name", ["inception-v3", "resnet50"])
def test_keras_builds_what_the_table_promises(name):
    model = KerasBackbone(ARCHITECTURES[name], "random").model
    assert model.output_shape == (None, ARCHITECTURES[name].n_features)
    assert all(np.asarray(kernel.value).any() for kernel in keras_backbone._kernels(model))


def test_efficientnet_from_a_file_that_the_test_writes(tmp_path, images):
    drawn = transfer.backbone("efficientnet-b0", "random")
    drawn.model.save_weights(tmp_path / "own.weights.h5")
    read = transfer.backbone("efficientnet-b0", tmp_path / "own.weights.h5")
    expected = drawn.features(images)
    assert expected.shape == (3, 1280)
    np.testing.assert_allclose(read.features(images), expected, rtol=1e-4, atol=1e-6)
    assert read.identity != drawn.identity

    # What follows its own normalisation has mean 0 and spread 1 for any statistics in the file.
    keras = load_keras()
    layer = next(x for x in read.model.layers if type(x).__name__ == "Normalization")
    layer.mean, layer.variance = np.array([0.4, 0.5, 0.6]), np.array([0.2, 0.3, 0.1])
    shown = normalise.normalised(images)
    seen = layer(keras.ops.convert_to_tensor(read.encode(shown)) / 255.0)
    np.testing.assert_allclose(seen, np.repeat(shown[..., None], 3, axis=3), atol=1e-5)


@pytest.mark.parametrize(("pixels", "mode"), [("-1…1", "tf"), ("bgr", "caffe")])
def test_photographs_and_haadf_images_meet_alike(pixels, mode):
    """Our pixels are Keras's own preprocessing of a grey photograph of the same statistics."""
    keras = load_keras()
    shown = np.random.default_rng(2).normal(size=(2, 24, 24)).astype(np.float32)
    photograph = 255.0 * (normalise.PHOTOGRAPH_MEAN + normalise.PHOTOGRAPH_SPREAD * shown)
    photograph = np.repeat(photograph[..., None], 3, axis=3)
    module = sys.modules[keras.applications.InceptionV3.__module__].imagenet_utils
    expected = module.preprocess_input(photograph, mode=mode)
    got = KerasBackbone(tiny(pixels=pixels), "random").encode(shown)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-3)


def test_gain_and_offset_of_a_detector_change_nothing(images):
    backbone = KerasBackbone(tiny(), "random")
    np.testing.assert_allclose(
        backbone.features(3.0 * images + 700.0), backbone.features(images), rtol=1e-3, atol=1e-5
    )


def test_random_weights_are_the_seeds_alone(images):
    first, again, other = (KerasBackbone(tiny(), "random", seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.features(images), again.features(images))
    assert not np.allclose(first.features(images), other.features(images))
    assert first.identity == again.identity != other.identity
    assert "RANDOM" in str(first)
    assert not first.pretrained


@pytest.mark.parametrize("name", ["a.weights.h5", "a.h5", "a.keras"])
def test_every_kind_of_weights_file(tmp_path, images, name):
    source = KerasBackbone(tiny(), "random", seed=4)
    if name.endswith(".weights.h5"):
        source.model.save_weights(tmp_path / name)
    else:
        source.model.save(tmp_path / name)
    read = KerasBackbone(tiny(), tmp_path / name)
    np.testing.assert_allclose(read.features(images), source.features(images), rtol=1e-5)
    assert read.pretrained


def with_top(model, classes=3):
    keras = load_keras()
    outputs = keras.layers.Dense(classes, name="answers")(model.output)
    return keras.Model(model.input, outputs)


@pytest.mark.parametrize("name", ["a.weights.h5", "a.h5", "a.keras"])
def test_the_last_layer_of_a_file_is_left_aside(tmp_path, images, name):
    source = KerasBackbone(tiny(), "random", seed=4)
    whole = with_top(source.model)
    if name.endswith(".weights.h5"):
        whole.save_weights(tmp_path / name)
    else:
        whole.save(tmp_path / name)
    read = KerasBackbone(tiny(), tmp_path / name)
    np.testing.assert_allclose(read.features(images), source.features(images), rtol=1e-5)


@pytest.mark.parametrize("top", [False, True])
@pytest.mark.parametrize(("name", "other"), [("a.weights.h5", "b.h5"), ("a.h5", "b.weights.h5")])
def test_a_file_is_read_by_its_layout_whatever_it_is_called(tmp_path, images, name, other, top):
    source = KerasBackbone(tiny(), "random", seed=4)
    model = with_top(source.model) if top else source.model
    (model.save_weights if "weights" in name else model.save)(tmp_path / name)
    (tmp_path / name).rename(tmp_path / other)
    read = KerasBackbone(tiny(), tmp_path / other)
    np.testing.assert_allclose(read.features(images), source.features(images), rtol=1e-5)


@pytest.mark.parametrize("name", ["a.weights.h5", "a.h5", "a.keras"])
def test_a_file_that_was_cut_is_refused(tmp_path, images, name):
    source = KerasBackbone(tiny(), "random")
    (source.model.save_weights if "weights" in name else source.model.save)(tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="or is cut short"):
        KerasBackbone(tiny(), tmp_path / name).features(images)


def test_weights_of_another_network_are_refused(tmp_path, images):
    KerasBackbone(tiny(n_features=5), "random").model.save_weights(tmp_path / "a.weights.h5")
    with pytest.raises(
        ValueError, match="does not hold the weights of tiny, with or without its last"
    ):
        KerasBackbone(tiny(), tmp_path / "a.weights.h5").features(images)


def test_files_that_are_no_weights(tmp_path, images):
    with pytest.raises(FileNotFoundError, match="there is no file .*missing.h5"):
        KerasBackbone(tiny(), tmp_path / "missing.h5")
    with pytest.raises(ValueError, match=r"expected imagenet, random, or a file \(.h5"):
        KerasBackbone(tiny(), "imagenette")
    (tmp_path / "text.h5").write_text("no weights")
    with pytest.raises(ValueError, match="text.h5 does not hold the weights"):
        KerasBackbone(tiny(), tmp_path / "text.h5").features(images)


def test_broken_weights_are_refused(tmp_path, images):
    source = KerasBackbone(tiny(), "random")
    kernel = keras_backbone._kernels(source.model)[0]
    for value, words in ((np.nan, "NaN or infinity"), (0.0, "at zero: not all weights")):
        kernel.assign(np.full(kernel.shape, value, np.float32))
        source.model.save_weights(tmp_path / "a.weights.h5")
        with pytest.raises(ValueError, match=words):
            KerasBackbone(tiny(), tmp_path / "a.weights.h5").features(images)


def test_without_internet_the_way_on_is_said(monkeypatch):
    def no_internet(*args, **kwargs):
        raise Exception("URL fetch failure: Name or service not known")

    monkeypatch.setattr(load_keras().utils, "get_file", no_internet)
    with pytest.raises(OSError, match=r"fetch https://weights.invalid/tiny_notop.h5 elsewhere"):
        KerasBackbone(tiny(), "imagenet")
    with pytest.raises(OSError, match="--weights random"):
        transfer.backbone("inception-v3")


def test_downloaded_weights_are_those_of_the_file(monkeypatch, tmp_path, images):
    source = KerasBackbone(tiny(), "random", seed=9)
    source.model.save(tmp_path / "tiny_notop.h5")
    monkeypatch.setattr(
        load_keras().utils, "get_file", lambda *a, **k: str(tmp_path / "tiny_notop.h5")
    )
    got = KerasBackbone(tiny(), "imagenet")
    np.testing.assert_allclose(got.features(images), source.features(images), rtol=1e-5)
    assert got.reference["weights"] == "imagenet"
    assert got.reference["file"] is None


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.ones((2, 16, 16)), "is 1.0 everywhere"),
        (np.full((1, 16, 16), np.nan), "NaN or infinity"),
        (np.zeros((16, 16)), "expected .N, side, side."),
        (np.zeros((1, 16, 12)), "square"),
    ],
)
def test_images_that_show_nothing(images, words):
    with pytest.raises(ValueError, match=words):
        KerasBackbone(tiny(), "random").features(images)


def test_shrinking_does_not_alias():
    """A pattern finer than the new pixels becomes grey, not moiré."""
    rows, columns = np.indices((64, 64))
    board = np.asarray((rows + columns) % 2, np.float32)[None]
    small = np.asarray(normalise.resample(board, (24, 24)))
    assert np.ptp(small[:, 2:-2, 2:-2]) < 0.05
    assert small[:, 2:-2, 2:-2].mean() == pytest.approx(0.5, abs=0.01)


def test_resampling_keeps_a_ramp():
    ramp = np.broadcast_to(np.arange(32.0, dtype=np.float32), (1, 32, 32))
    for side in (24, 48):
        got = np.asarray(normalise.resample(ramp, (side, side)))[0, 8]
        expected = (np.arange(side) + 0.5) * 32 / side - 0.5
        np.testing.assert_allclose(got[5:-5], expected[5:-5], atol=0.03)


def test_unknown_names(tmp_path):
    with pytest.raises((ValueError, FileNotFoundError), match="inception-v4"):
        choice.backbone("inception-v4")
    with pytest.raises(ValueError, match="brings its weights"):
        choice.backbone(tmp_path, "random")
    with pytest.raises(FileNotFoundError, match="no trained network"):
        choice.backbone(tmp_path)
