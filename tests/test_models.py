"""The classifier: shapes, invariances that must hold, images that must be refused."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from stemfast.models import Classifier, ClassifierConfig, logits, probabilities


def network(*, trained_head: bool = True) -> Classifier:
    config = ClassifierConfig(n_classes=3, image_shape=(16, 20), widths=(4, 8))
    model = Classifier(config, rngs=nnx.Rngs(3))
    if trained_head:  # the head starts at zero, which would hide everything before it
        kernel = np.random.default_rng(0).normal(size=model.head.kernel[...].shape)
        model.head.kernel[...] = jnp.asarray(kernel, jnp.float32)
    return model


def images(n: int = 5) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 500, size=(n, 16, 20)).astype(np.uint16)


def test_gain_and_offset_of_the_detector_do_not_change_the_answer():
    model, batch = network(), images().astype(np.float32)
    answer = logits(model, batch)
    np.testing.assert_allclose(logits(model, 17.0 * batch + 4000.0), answer, atol=2e-3)
    assert np.ptp(answer, axis=0).min() > 0.05  # the images themselves do change it


@pytest.mark.parametrize("batch_size", [1, 2, 5, 7])
def test_answers_do_not_depend_on_the_batch(batch_size):
    model, batch = network(), images()
    alone = logits(model, batch, batch_size=64)
    np.testing.assert_allclose(logits(model, batch, batch_size=batch_size), alone, atol=1e-5)


def test_probabilities_are_the_softmax_and_soften_with_temperature():
    from scipy.special import softmax

    model, batch = network(), images()
    table = logits(model, batch).astype(float)
    np.testing.assert_allclose(probabilities(model, batch), softmax(table, axis=1), atol=1e-12)
    hot = probabilities(model, batch, temperature=3.0)
    np.testing.assert_allclose(hot, softmax(table / 3.0, axis=1), atol=1e-12)


def test_at_the_start_every_class_is_equally_likely():
    chances = probabilities(network(trained_head=False), images())
    np.testing.assert_allclose(chances, 1 / 3, atol=1e-7)


def test_each_stage_after_the_first_halves_the_image():
    model = network()
    x = jnp.zeros((1, 16, 20, 1))
    x = model.stem(x)
    shapes = []
    for block in model.blocks:
        x = block(x)
        shapes.append(x.shape[1:])
    assert shapes == [(8, 10, 4), (4, 5, 8)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_shape": (12, 48)}, "at least 16 px"),
        ({"widths": (6,)}, "multiples of 4"),
        ({"n_classes": 1}, "n_classes"),
        ({"depth": 3}, "depth"),
    ],
)
def test_impossible_architectures_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ClassifierConfig(**{"n_classes": 3, "image_shape": (48, 48), **settings})


def bad_images():
    nan, flat = images().astype(float), images()
    nan[2, 3, 4] = np.nan
    flat[1] = 7
    return [
        (images()[:, :10], ValueError, r"shape \(5, 10, 20\), expected \(N, 16, 20\)"),
        (images()[0], ValueError, "expected"),
        (nan, ValueError, r"images\[2\] holds NaN"),
        (flat, ValueError, r"images\[1\] is 7 everywhere"),
        (images().astype(complex), TypeError, "complex"),
    ]


@pytest.mark.parametrize(("batch", "error", "message"), bad_images())
def test_unreadable_images_are_refused(batch, error, message):
    with pytest.raises(error, match=message):
        logits(network(), batch)


@pytest.mark.parametrize("temperature", [0.0, -1.0, np.nan, np.inf])
def test_impossible_temperatures_are_refused(temperature):
    with pytest.raises(ValueError, match="temperature"):
        probabilities(network(), images(), temperature=temperature)


def test_a_batch_of_the_wrong_shape_is_refused_by_the_network_itself():
    with pytest.raises(ValueError, match=r"expected \(B, 16, 20, 1\)"):
        network()(jnp.zeros((2, 16, 16, 1)))
