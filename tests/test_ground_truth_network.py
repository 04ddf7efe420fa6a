"""The set network: order and padding change nothing, and what is unknown is no zero."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.spatial.transform import Rotation

from stemfast.models.reconstructor import Answer, GroundTruthConfig, GroundTruthNetwork, Views
from stemfast.models.set_attention import Attention
from stemfast.models.view_reader import ViewReading

pytestmark = pytest.mark.usefixtures("quickly_compiled")

BATCH, COUNT, SIDE = 3, 5, 16


class Encoder(nnx.Module):
    """Any function of the pixels."""

    channels = 12

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.layer = nnx.Linear(SIDE * SIDE, self.channels, rngs=rngs)

    def read(
        self, images: jax.Array, pixel_size_nm: jax.Array, spin: jax.Array | None = None
    ) -> ViewReading:
        token = jnp.tanh(self.layer(images.reshape(len(images), -1)))
        wave = jnp.sin(token @ jnp.arange(12.0 * 289).reshape(12, 289))
        arrows, rest = wave[:, :6].reshape(-1, 3, 2), wave[:, 6:]
        return ViewReading(
            token=token,
            arrows=arrows + jnp.ones((3, 2)),
            arrows_log_sd=rest[:, :3],
            masks=rest[:, 3:259],
            log_edges=2.0 + rest[:, 259:262],
            log_edges_sd=rest[:, 262:265],
            severity=rest[:, 265:273],
            severity_sd=rest[:, 273:281],
            right=jnp.zeros(len(images)) if spin is None else jnp.sin(spin.sum(axis=1)),
        )


def first(pooling: str = "attention", evidence: bool = True) -> GroundTruthNetwork:
    """Before training."""
    config = GroundTruthConfig(
        pooling=pooling, width=16, heads=2, blocks=1, points=4, seeds=2, evidence=evidence
    )
    return GroundTruthNetwork(Encoder(nnx.Rngs(1)), config, rngs=nnx.Rngs(2))


def network(pooling: str = "attention", evidence: bool = True) -> GroundTruthNetwork:
    made = first(pooling, evidence)
    for layer in (made.sets.heads, made.sets.weight):  # zeros would say nothing
        shape = layer.kernel.shape
        layer.kernel.set_value(0.3 * jax.random.normal(jax.random.key(3), shape))
    return made


@nnx.jit
def ask(made: GroundTruthNetwork, views: Views) -> Answer:
    return made(views)


def some_views(count: int = COUNT) -> Views:
    rng = np.random.default_rng(4)
    return Views(
        images=jnp.asarray(rng.normal(size=(BATCH, count, SIDE, SIDE)), jnp.float32),
        there=jnp.ones((BATCH, count), bool),
        pixel_size_nm=jnp.asarray(rng.uniform(0.2, 0.6, (BATCH, count)), jnp.float32),
        turn=jnp.asarray(
            Rotation.random(BATCH * count, rng=5).as_matrix().reshape(BATCH, count, 3, 3),
            jnp.float32,
        ),
        turn_known=jnp.asarray(rng.random((BATCH, count)) < 0.5),
        spin=jnp.asarray(rng.normal(size=(BATCH, count, 3)), jnp.float32),
        spin_known=jnp.asarray(rng.random((BATCH, count)) < 0.5),
    )


def largest_difference(a: tuple, b: tuple) -> float:
    """Of all answers but the share of each image, in units of 1 or their own size."""
    return max(
        float((jnp.abs(x - y) / (1.0 + jnp.abs(x))).max())
        for x, y in zip(a[:-1], b[:-1], strict=True)
    )


@pytest.mark.parametrize("pooling", ["attention", "mean", "max"])
def test_the_order_of_the_images_does_not_matter(pooling):
    made, views = network(pooling), some_views()
    order = jnp.array([3, 0, 4, 1, 2])
    answer = ask(made, views)
    shuffled = ask(made, Views(*(entry[:, order] for entry in views)))
    assert largest_difference(answer, shuffled) < 1e-5
    np.testing.assert_allclose(shuffled.share, answer.share[:, order], atol=1e-6)


def test_the_order_does_matter_to_the_recurrent_baseline():
    made, views = network("gru"), some_views()
    shuffled = ask(made, Views(*(entry[:, ::-1] for entry in views)))
    assert largest_difference(ask(made, views), shuffled) > 1e-3


@pytest.mark.parametrize("pooling", ["attention", "mean", "max", "gru"])
def test_padding_does_not_matter_whatever_it_holds(pooling):
    made, views = network(pooling), some_views()
    nonsense = {"images": jnp.nan, "pixel_size_nm": -1.0}

    def padded(name: str, entry: jax.Array) -> jax.Array:
        shape = (BATCH, 3, *entry.shape[2:])
        fill = False if name == "there" else nonsense.get(name, 7)
        return jnp.concatenate([entry, jnp.full(shape, fill, entry.dtype)], axis=1)

    more = Views(*(padded(name, entry) for name, entry in views._asdict().items()))
    answer = ask(made, more)
    assert largest_difference(ask(made, views), answer) < 1e-5
    assert float(jnp.abs(answer.share[:, COUNT:]).max()) == 0.0


@pytest.mark.parametrize("count", [1, COUNT, 16])
def test_any_number_of_images(count):
    answer = ask(network(), some_views(count))
    assert answer.orbit.shape == (BATCH, 76)
    np.testing.assert_allclose(answer.share.sum(axis=1), 1.0, atol=1e-6)


@pytest.mark.parametrize("what", ["turn", "spin"])
def test_an_unknown_pose_is_not_a_pose_of_zero(what):
    made, views = network(evidence=False), some_views()
    nothing = jnp.zeros_like(getattr(views, what))
    unknown = views._replace(**{what: nothing, f"{what}_known": jnp.zeros((BATCH, COUNT), bool)})
    zero = unknown._replace(**{f"{what}_known": jnp.ones((BATCH, COUNT), bool)})
    assert largest_difference(ask(made, unknown), ask(made, zero)) > 1e-3
    other = unknown._replace(**{what: nothing + 5.0})
    assert largest_difference(ask(made, unknown), ask(made, other)) == 0.0


def test_before_training_every_class_is_as_likely():
    answer = ask(first(evidence=False), some_views())
    for logits, classes in ((answer.orbit, 76), (answer.number, 9)):
        loss = -jax.nn.log_softmax(logits)[:, 0].mean()
        assert float(loss) == pytest.approx(math.log(classes), rel=1e-6)


def test_attention_is_a_weighted_mean_of_those_that_are_there():
    attend = Attention(8, 2, rngs=nnx.Rngs(0))
    rng = np.random.default_rng(1)
    queries, members = (jnp.asarray(rng.normal(size=(2, n, 8)), jnp.float32) for n in (3, 4))
    there = jnp.array([[True, True, False, True], [False, True, False, False]])
    result, weights = attend(queries, members, there)
    q, k, v = (
        np.asarray(layer(x)).reshape(2, -1, 2, 4)
        for layer, x in ((attend.query, queries), (attend.key, members), (attend.value, members))
    )
    for b in range(2):
        for i in range(3):
            heads = []
            for h in range(2):
                score = np.exp(k[b, :, h] @ q[b, i, h] / 2.0) * np.asarray(there[b])
                heads.append((score / score.sum()) @ v[b, :, h])
                np.testing.assert_allclose(weights[b, h, i], score / score.sum(), rtol=1e-5)
            expected = attend.output(jnp.asarray(np.concatenate(heads), jnp.float32))
            np.testing.assert_allclose(result[b, i], expected, rtol=2e-5, atol=1e-6)
