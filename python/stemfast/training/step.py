"""One optimisation step as a pure function: (state, images, labels) → (state, loss, right)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from stemfast.models import Classifier
from stemfast.training.settings import TrainingSettings
from stemfast.training.symmetry import random_symmetry

__all__ = ["State", "Step", "make_step"]


class State(NamedTuple):
    """All that changes from step to step."""

    step: jax.Array
    params: Any
    average: Any
    optimiser: Any


Step = Callable[[State, jax.Array, jax.Array], tuple[State, jax.Array, jax.Array]]


def _schedule(settings: TrainingSettings, total_steps: int) -> optax.Schedule:
    warmup = min(round(settings.warmup * total_steps), total_steps - 1)
    return optax.warmup_cosine_decay_schedule(
        init_value=settings.learning_rate if warmup == 0 else 0.0,
        peak_value=settings.learning_rate,
        warmup_steps=warmup,
        decay_steps=total_steps,
    )


def make_step(
    model: Classifier, settings: TrainingSettings, total_steps: int
) -> tuple[State, Step]:
    """The first state and the jitted step that advances it.

    Parameters
    ----------
    model : Classifier
        Supplies architecture and initial weights; it is not changed.
    settings : TrainingSettings
        Optimiser and augmentation.
    total_steps : int
        Length of the learning-rate schedule.

    Returns
    -------
    state : State
    step : callable
        step(state, images (B, H, W, 1) float32, labels (B,) int) → state, mean loss, number right.
        The state that goes in is donated.
    """
    graph, params = nnx.split(model)
    optimiser = optax.chain(
        optax.clip_by_global_norm(settings.clip_norm),
        optax.adamw(_schedule(settings, total_steps), weight_decay=settings.weight_decay),
    )
    key = jax.random.key(settings.seed)

    def loss_of(params: Any, images: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
        logits = nnx.merge(graph, params)(images)
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
        return loss, jnp.sum(jnp.argmax(logits, axis=1) == labels)

    def step(
        state: State, images: jax.Array, labels: jax.Array
    ) -> tuple[State, jax.Array, jax.Array]:
        if settings.symmetries:
            images = random_symmetry(jax.random.fold_in(key, state.step), images)
        (loss, right), gradient = jax.value_and_grad(loss_of, has_aux=True)(
            state.params, images, labels
        )
        update, optimiser_state = optimiser.update(gradient, state.optimiser, state.params)
        params = optax.apply_updates(state.params, update)
        average = params
        if settings.ema_decay is not None:
            # Early on the average forgets faster, or it would remember the random start.
            t = state.step.astype(jnp.float32)
            decay = jnp.minimum(settings.ema_decay, (1.0 + t) / (10.0 + t))
            average = optax.incremental_update(params, state.average, 1.0 - decay)
        return State(state.step + 1, params, average, optimiser_state), loss, right

    # Own copies, because the donated buffers must belong neither to the model nor to each other.
    first = State(
        jnp.zeros((), jnp.int32),
        jax.tree.map(jnp.copy, params),
        jax.tree.map(jnp.copy, params),
        optimiser.init(params),
    )
    return first, jax.jit(step, donate_argnums=0)
