"""One optimisation step as a pure function: (state, images, labels) → (state, what it saw)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from stemfast.models import Classifier
from stemfast.training.augment import random_symmetry
from stemfast.training.corners.points import point_loss
from stemfast.training.schedule import OptimiserSettings, schedule

__all__ = ["Seen", "State", "Step", "make_step", "optimised", "padded_size"]


class State(NamedTuple):
    """All that changes from step to step."""

    step: jax.Array
    params: Any
    average: Any
    optimiser: Any


class Seen(NamedTuple):
    """Mean losses of a step before its update, and the number of right answers."""

    loss: jax.Array
    corner_loss: jax.Array
    right: jax.Array


Step = Callable[..., tuple[State, Seen]]


def padded_size(model: Classifier) -> int:
    """Side of a square image inside the network, its margin counted [px]."""
    size, unit = model.config.image_shape[0], model.config.binning * model.config.total_stride
    return size + -size % unit


def make_step(
    model: Classifier,
    settings: OptimiserSettings,
    total_steps: int,
    *,
    corner_weight: float = 0.0,
    dtype: Any = jnp.float32,
) -> tuple[State, Step]:
    """The first state and the jitted step that advances it.

    Parameters
    ----------
    model : Classifier
        Supplies architecture and initial weights; it is not changed.
    settings : OptimiserSettings
        Optimiser and augmentation.
    total_steps : int
        Length of the learning-rate schedule.
    corner_weight : float
        Weight of the loss of the network's corner maps; above 0 the step needs corners.
    dtype : dtype
        Type of the convolutions: bfloat16 on hardware that is fast at it. Weights, sums and
        optimiser are always in float32.

    Returns
    -------
    state : State
    step : callable
        step(state, images (B, H, W, 1), labels (B,) int, corners (B, 8, 3)) → state, Seen; without
        corners where `corner_weight` is 0. The state that goes in is donated.
    """
    size, padded = model.config.image_shape[0], padded_size(model)
    key = jax.random.key(settings.seed)

    def loss_of(
        network: Classifier,
        number: jax.Array,
        images: jax.Array,
        labels: jax.Array,
        corners: jax.Array | None = None,
    ) -> tuple[jax.Array, Seen]:
        images = images.astype(jnp.float32)
        if settings.symmetries:
            images, corners = random_symmetry(jax.random.fold_in(key, number), images, corners)
        logits, maps = network.read(images, dtype=dtype)
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
        corner_loss = jnp.zeros(())
        if corner_weight > 0.0 and corners is not None:
            for found in maps:
                corner_loss += point_loss(found, corners, size, padded) / len(maps)
        seen = Seen(loss, corner_loss, jnp.sum(jnp.argmax(logits, axis=1) == labels))
        return loss + corner_weight * corner_loss, seen

    return optimised(model, settings, total_steps, loss_of)


def optimised(
    model: nnx.Module,
    settings: OptimiserSettings,
    total_steps: int,
    loss_of: Callable[..., tuple[jax.Array, Seen]],
) -> tuple[State, Step]:
    """The first state and the jitted step for any network and loss.

    Parameters
    ----------
    model : flax.nnx.Module
        Supplies architecture and initial weights; it is not changed.
    settings : OptimiserSettings
        Optimiser.
    total_steps : int
        Length of the learning-rate schedule.
    loss_of : callable
        loss_of(network, number of the step, ...) → loss, Seen; what follows is a batch.
    """
    graph, params = nnx.split(model)
    optimiser = optax.chain(
        optax.clip_by_global_norm(settings.clip_norm),
        optax.adamw(schedule(settings, total_steps), weight_decay=settings.weight_decay),
    )

    def of_weights(params: Any, number: jax.Array, *batch: Any) -> tuple[jax.Array, Seen]:
        return loss_of(nnx.merge(graph, params), number, *batch)

    def step(state: State, *batch: Any) -> tuple[State, Seen]:
        gradient, seen = jax.grad(of_weights, has_aux=True)(state.params, state.step, *batch)
        update, optimiser_state = optimiser.update(gradient, state.optimiser, state.params)
        params = optax.apply_updates(state.params, update)
        average = params
        if settings.ema_decay is not None:
            # Early on the average forgets faster, or it would remember the random start.
            t = state.step.astype(jnp.float32)
            decay = jnp.minimum(settings.ema_decay, (1.0 + t) / (10.0 + t))
            average = optax.incremental_update(params, state.average, 1.0 - decay)
        return State(state.step + 1, params, average, optimiser_state), seen

    @jax.jit  # one program, where each shape of a weight would be one
    def begin(params: Any) -> State:
        # Own copies: the donated buffers must belong neither to the model nor to each other. Their
        # types are strong, as those of all later states: the step would be compiled twice.
        own, average = (jax.tree.map(lambda x: jnp.array(x, x.dtype), params) for _ in range(2))
        return State(jnp.zeros((), jnp.int32), own, average, optimiser.init(own))

    return begin(params), jax.jit(step, donate_argnums=0)
