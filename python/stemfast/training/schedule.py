"""Learning-rate schedule of AdamW: a linear warm-up, then a cosine to zero."""

from __future__ import annotations

from typing import Protocol

import optax

__all__ = ["OptimiserSettings", "schedule"]


class OptimiserSettings(Protocol):
    """Settings of the optimiser and of augmentation that a training step reads.

    :class:`stemfast.training.TrainingSettings` and :class:`stemfast.training.Experiment` have them.
    """

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


def schedule(settings: OptimiserSettings, total_steps: int) -> optax.Schedule:
    """Learning rate as a function of the step.

    It rises from 0 to `learning_rate` over the share `warmup` of the steps, and falls to 0 with
    the last (Loshchilov & Hutter 2017, arXiv:1608.03983). Without warm-up it starts at its highest.
    """
    warmup = min(round(settings.warmup * total_steps), total_steps - 1)
    return optax.warmup_cosine_decay_schedule(
        init_value=settings.learning_rate if warmup == 0 else 0.0,
        peak_value=settings.learning_rate,
        warmup_steps=warmup,
        decay_steps=total_steps,
    )
