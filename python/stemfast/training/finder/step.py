"""Loss and training step of the finder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from stemfast.models.finder import FinderReading
from stemfast.training.finder.samples import SampleBatch

__all__ = ["FinderLosses", "FinderState", "losses", "make_step"]

Params: TypeAlias = Any

_BOUNDARY_WEIGHT = 3.0  # of cells on the boundary, which are few


class FinderLosses(NamedTuple):
    """Means over the batch; `total` is what is trained on."""

    total: jax.Array
    middle: jax.Array
    distance: jax.Array
    foreground: jax.Array
    boundary: jax.Array


class FinderState(NamedTuple):
    """State of a run: weights, their running mean, the optimiser's state."""

    step: jax.Array
    params: Params
    mean_params: Params
    optimiser: Any


def losses(reading: FinderReading, batch: SampleBatch) -> FinderLosses:
    """Losses of a reading.

    The distance counts by its logarithm, as a particle of any size is to be outlined equally well,
    and by how far inside the particle the cell lies (Schmidt et al. 2018).
    """
    weight = jnp.asarray(batch.weight)
    total = jnp.maximum(weight.sum(), 1.0)

    def mean(each: jax.Array) -> jax.Array:
        return (each * weight).sum() / total

    entropy = optax.sigmoid_binary_cross_entropy
    middle = mean(entropy(reading.middle, batch.middle))
    foreground = mean(entropy(reading.foreground, batch.foreground))
    rare = 1.0 + _BOUNDARY_WEIGHT * batch.boundary
    boundary = mean(rare * entropy(reading.boundary, batch.boundary))
    apart = jnp.abs(jnp.log1p(reading.distance) - jnp.log1p(batch.distance)).mean(axis=-1)
    inside = batch.middle * weight
    distance = (apart * inside).sum() / jnp.maximum(inside.sum(), 1.0)
    summed = middle + 0.5 * distance + 0.3 * foreground + 0.3 * boundary
    return FinderLosses(summed, middle, distance, foreground, boundary)


def make_step(
    graph: nnx.GraphDef[Any], optimiser: optax.GradientTransformation, ema_decay: float
) -> Callable[[FinderState, SampleBatch], tuple[FinderState, FinderLosses]]:
    """Compiled training step of a network."""

    def loss(params: Params, batch: SampleBatch) -> tuple[jax.Array, FinderLosses]:
        found = losses(nnx.merge(graph, params)(jnp.asarray(batch.seen)), batch)
        return found.total, found

    @jax.jit
    def step(state: FinderState, batch: SampleBatch) -> tuple[FinderState, FinderLosses]:
        (_, found), gradient = jax.value_and_grad(loss, has_aux=True)(state.params, batch)
        updates, optimiser_state = optimiser.update(gradient, state.optimiser, state.params)
        params = optax.apply_updates(state.params, updates)
        # Young means follow faster.
        decay = jnp.minimum(ema_decay, (1.0 + state.step) / (10.0 + state.step))
        mean = jax.tree.map(lambda m, p: decay * m + (1.0 - decay) * p, state.mean_params, params)
        return FinderState(state.step + 1, params, mean, optimiser_state), found

    return step
