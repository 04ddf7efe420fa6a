"""The classifier: shapes, invariances that must hold, images that must be refused."""

from __future__ import annotations

from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from stemfast.models import Classifier, ClassifierConfig, logits, probabilities
from stemfast.models.classifier import Reading
from stemfast.models.config import Variant
from stemfast.models.hessian import HessianStem, derivative_filters
from stemfast.models.layers import Conv, GroupConv, Norm, group_tables, largest
from stemfast.pretrained.novelty import features_and_logits

pytestmark = pytest.mark.usefixtures("quickly_compiled")


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
    config = ClassifierConfig(n_classes=3, image_shape=(16, 20), widths=(4, 8), corner_maps=(0, 1))
    reading = read(Classifier(config, rngs=nnx.Rngs(0)), jnp.ones((1, 16, 20, 1)))
    assert [corners.shape for corners in reading.corners] == [(1, 8, 10, 2), (1, 4, 5, 2)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_shape": (12, 48)}, "at least 16 px"),
        ({"widths": (6,)}, "multiples of 4"),
        ({"n_classes": 1}, "n_classes"),
        ({"depth": 3}, "depth"),
        ({"variant": "p4m", "widths": (8, 12)}, "multiples of 8"),
        ({"variant": "p4m", "widths": (8,), "image_shape": (48, 50)}, "square"),
        ({"variant": "round"}, "variant"),
        ({"corner_maps": (3,)}, "corner_maps"),
        ({"scales_px": (0.1,)}, "scales_px"),
        ({"stem_stride": 3}, "stem_stride"),
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


@nnx.jit(static_argnames="dtype")
def read(model: Classifier, images: jax.Array, dtype: type = jnp.float32) -> Reading:
    return model.read(images, dtype=dtype)


def made(variant: str, size: int, stride: int) -> Classifier:
    """A network none of whose weights is zero."""
    config = ClassifierConfig(
        n_classes=4,
        image_shape=(size, size),
        variant=variant,
        widths=(16, 24),
        stem_stride=stride,
        corner_maps=(0, 1),
    )
    model = Classifier(config, rngs=nnx.Rngs(1))
    rng = np.random.default_rng(7)
    for linear in (model.head, *(corner_map.dense for corner_map in model.corner_maps)):
        linear.kernel[...] = jnp.asarray(
            0.3 * rng.normal(size=linear.kernel[...].shape), jnp.float32
        )
    return model


def eight(image: np.ndarray) -> np.ndarray:
    turns = [np.rot90(image, k) for k in range(4)]
    return np.stack(turns + [turn[::-1] for turn in turns])


@pytest.mark.parametrize("variant", get_args(Variant))
@pytest.mark.parametrize(("size", "stride"), [(64, 2), (100, 4), (128, 4)])
def test_every_variant_reads_every_size(variant, size, stride):
    image = np.random.default_rng(3).poisson(20.0, size=(1, size, size, 1))
    reading = read(made(variant, size, stride), jnp.asarray(image, jnp.float32))
    assert reading.logits.shape == (1, 4)
    cells = -(-size // (2 * stride)) * 2
    assert [corners.shape for corners in reading.corners] == [
        (1, cells, cells, 2),
        (1, cells // 2, cells // 2, 2),
    ]
    assert all((np.asarray(corners) > 0).all() for corners in reading.corners)


@pytest.mark.parametrize("variant", ["p4m", "hessian-p4m"])
@pytest.mark.parametrize(("size", "stride"), [(32, 2), (52, 4), (96, 8)])
def test_p4m_gives_one_answer_for_all_eight_symmetries(variant, size, stride):
    image = np.random.default_rng(4).poisson(20.0, size=(size, size)).astype(np.float32)
    reading = read(made(variant, size, stride), jnp.asarray(eight(image)[..., None]))
    answers = np.asarray(reading.logits)
    assert np.abs(answers[0]).max() > 0.1
    np.testing.assert_allclose(answers, np.broadcast_to(answers[0], answers.shape), atol=1e-4)
    for corners in reading.corners:  # the maps turn with the image
        found = np.asarray(corners)
        np.testing.assert_allclose(found, eight(found[0]), rtol=1e-3)


def test_the_other_variants_do_see_how_an_image_lies():
    image = np.random.default_rng(4).poisson(20.0, size=(32, 32)).astype(np.float32)
    answers = np.asarray(read(made("hessian", 32, 2), jnp.asarray(eight(image)[..., None])).logits)
    assert np.ptp(answers, axis=0).max() > 1e-2


def test_the_tables_of_the_group_are_a_group():
    _, relative = group_tables(3)
    assert (np.sort(relative, axis=0) == np.arange(8)[:, None]).all()
    assert (np.sort(relative, axis=1) == np.arange(8)).all()
    assert (np.diag(relative) == 0).all()


def test_a_symmetric_layer_has_an_eighth_of_the_weights():
    plain = Conv(16, 24, 3, rngs=nnx.Rngs(0)).kernel[...].size
    assert 8 * GroupConv(16, 24, 3, rngs=nnx.Rngs(0)).kernel[...].size == plain


def test_a_kernel_without_a_centre_is_refused():
    for kind in (Conv, GroupConv):
        with pytest.raises(ValueError, match="even number"):
            kind(8, 8, 3, 2, rngs=nnx.Rngs(0))


def test_normalised_groups_have_mean_zero_and_variance_one():
    x = np.random.default_rng(0).normal(3.0, 5.0, size=(2, 6, 6, 16)).astype(np.float32)
    found = np.asarray(Norm(16)(jnp.asarray(x))).reshape(2, 36, 4, 4)
    np.testing.assert_allclose(found.mean(axis=(1, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(found.std(axis=(1, 3)), 1, atol=1e-4)


def test_the_gradient_of_a_maximum_does_not_depend_on_the_compiler():
    """Not optimised, numbers are computed apart from their maximum, and differ by rounding."""
    x = jnp.asarray(np.random.default_rng(0).normal(size=(4, 8, 8, 8)), jnp.float32)

    def loss(x):
        y = nnx.relu(Norm(8)(x)).reshape(4, 64, 8)
        return jnp.square(largest(y, axis=1)).sum() + y.mean()

    plain = {"xla_backend_optimization_level": 0}
    found = jax.jit(jax.grad(loss)).lower(x).compile(plain)(x)
    np.testing.assert_allclose(found, jax.jit(jax.grad(loss))(x), atol=1e-4)


@pytest.mark.parametrize("sigma", [1.2, 2.0, 3.5])
def test_filters_agree_with_scipy(sigma):
    # SciPy samples the derivative of the Gaussian, we normalise the moments: the two differ by
    # the sampling error of the narrowest Gaussian here.
    from scipy.ndimage import gaussian_filter1d

    signal = np.random.default_rng(2).normal(size=96).astype(np.float32)
    filters = derivative_filters(jnp.asarray(sigma), 96, 1)
    for order, matrix in enumerate(filters):
        expected = sigma**order * gaussian_filter1d(
            signal.astype(float), sigma, order=order, mode="nearest", truncate=8.0
        )
        np.testing.assert_allclose(np.asarray(matrix) @ signal, expected, atol=2e-3)


def test_the_stem_sees_edges_and_not_faces():
    # A roof: two planes that meet in a ridge along x. Its Hessian has one eigenvalue, on the ridge.
    y = np.arange(64.0)
    roof = np.broadcast_to(-np.abs(y - 31.5)[:, None], (64, 64))
    stem = HessianStem((1.5,), stride=1)
    channels = np.asarray(stem(jnp.asarray(roof[None], jnp.float32)))[0]
    gain = float(jnp.exp(stem.log_gain[...][0]))
    ridge = -2.0 * 1.5**2 / (1.5 * np.sqrt(2 * np.pi)) * np.exp(-0.5 * (0.5 / 1.5) ** 2)
    inner = slice(12, 52)
    np.testing.assert_allclose(channels[31, inner, 3] / gain, ridge, rtol=0.03)
    np.testing.assert_allclose(channels[31, inner, 2], 0.0, atol=5e-3)
    np.testing.assert_allclose(channels[14:20, inner, 2:], 0.0, atol=5e-3)


def test_the_scales_of_the_stem_can_be_learnt():
    stem = HessianStem((1.0, 2.0), stride=2)
    image = jnp.asarray(np.random.default_rng(0).normal(size=(1, 32, 32)), jnp.float32)
    graph, params = nnx.split(stem)

    @jax.jit
    def brightness(params):
        return jnp.sum(jnp.square(nnx.merge(graph, params)(image)))

    gradient = jax.jit(jax.grad(brightness))(params)
    slopes = np.asarray(gradient["log_sigma"][...])
    step = 1e-2
    for number in range(2):
        shifted = []
        for sign in (1, -1):
            moved = HessianStem((1.0, 2.0), stride=2)
            moved.log_sigma[...] = moved.log_sigma[...].at[number].add(sign * step)
            shifted.append(float(brightness(nnx.state(moved))))
        assert slopes[number] == pytest.approx((shifted[0] - shifted[1]) / (2 * step), rel=0.05)


def test_half_precision_stays_close():
    model = made("hessian", 32, 2)
    images = jnp.asarray(np.random.default_rng(4).poisson(20.0, size=(4, 32, 32, 1)), jnp.float32)
    exact, coarse = (read(model, images, dtype).logits for dtype in (jnp.float32, jnp.bfloat16))
    assert coarse.dtype == jnp.float32
    assert float(jnp.abs(coarse - exact).max()) < 0.1 * float(jnp.abs(exact).max())


def test_a_binned_image_is_read_like_the_means_of_its_cells():
    rng = np.random.default_rng(8)
    images = rng.random((3, 72, 88)).astype(np.float32)
    means = images.reshape(3, 36, 2, 44, 2).mean(axis=(2, 4))
    large, small = (
        Classifier(
            ClassifierConfig(n_classes=3, image_shape=shape, widths=(8, 8), binning=binning),
            rngs=nnx.Rngs(4),
        )
        for shape, binning in (((72, 88), 2), ((36, 44), 1))
    )
    features = nnx.jit(lambda model, pixels: model.features(pixels))
    seen, expected = (
        np.asarray(features(model, jnp.asarray(pixels)[..., None]))
        for model, pixels in ((large, images), (small, means))
    )
    np.testing.assert_allclose(seen, expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize(("side", "binning"), [(30, 4), (24, 2)])
def test_binning_that_does_not_fit_is_refused(side, binning):
    with pytest.raises(ValueError, match=rf"binning is {binning} for images of \({side}, {side}\)"):
        ClassifierConfig(n_classes=2, image_shape=(side, side), binning=binning)


@pytest.mark.parametrize(("shape", "poses"), [((16, 20), 2), ((16, 20), 4), ((16, 16), 8)])
def test_the_answer_is_the_mean_over_the_orientations(shape, poses):
    config = ClassifierConfig(n_classes=3, image_shape=shape, widths=(4, 8), poses=poses)
    model = Classifier(config, rngs=nnx.Rngs(3))
    kernel = np.random.default_rng(0).normal(size=model.head.kernel[...].shape)
    model.head.kernel[...] = jnp.asarray(kernel, jnp.float32)
    batch = np.random.default_rng(1).normal(size=(3, *shape)).astype(np.float32)
    ways = [batch, batch[:, ::-1, ::-1], batch[:, ::-1], batch[:, :, ::-1]]
    if poses == 8:
        ways += [one.swapaxes(1, 2) for one in ways]
    alone = [logits(model, one, poses=1) for one in ways[:poses]]
    assert np.ptp(alone, axis=0).max() > 0.05
    for way in ways[:poses]:
        np.testing.assert_allclose(logits(model, way), np.mean(alone, axis=0), atol=1e-5)
    seen, answer = features_and_logits(model, batch)
    np.testing.assert_allclose(answer, np.mean(alone, axis=0), atol=1e-5)
    np.testing.assert_array_equal(seen, features_and_logits(model, batch, poses=1)[0])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_shape": (16, 20), "poses": 8}, r"poses is 8 for images of \(16, 20\) px"),
        ({"image_shape": (16, 16), "poses": 2, "variant": "p4m"}, "poses is 2 for a p4m network"),
        ({"image_shape": (16, 16), "poses": 3}, "poses"),
    ],
)
def test_orientations_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ClassifierConfig(n_classes=3, widths=(8, 8), **settings)
