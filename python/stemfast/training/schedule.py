"""Learning rate against the step: linear warm-up, then a cosine to zero."""

from __future__ import annotations

from typing import Protocol

import optax


class OptimiserSettings(Protocol):
    """What a step needs to know; see :class:`stemfast.training.TrainingSettings`."""

    @property
    def learning_rate(self) -> float: ...  # noqa: D102
    @property
    def warmup(self) -> float: ...  # noqa: D102
    @property
    def weight_decay(self) -> float: ...  # noqa: D102
    @property
    def clip_norm(self) -> float: ...  # noqa: D102
    @property
    def ema_decay(self) -> float | None: ...  # noqa: D102
    @property
    def symmetries(self) -> bool: ...  # noqa: D102
    @property
    def seed(self) -> int: ...  # noqa: D102


def _schedule(settings: OptimiserSettings, total_steps: int) -> optax.Schedule:
    warmup = min(round(settings.warmup * total_steps), total_steps - 1)
    return optax.warmup_cosine_decay_schedule(
        init_value=settings.learning_rate if warmup == 0 else 0.0,
        peak_value=settings.learning_rate,
        warmup_steps=warmup,
        decay_steps=total_steps,
    )
