"""Everything that a training run depends on besides its images."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["TrainingSettings"]


class TrainingSettings(BaseModel):
    """Settings of :func:`stemfast.training.fit`.

    Attributes
    ----------
    epochs : int
        Passes over the training images.
    batch_size : int
        Images in one step.
    learning_rate : float
        Highest learning rate of AdamW, reached after the warm-up; a cosine then takes it to 0.
    warmup : float
        Share of all steps over which the learning rate rises linearly from 0.
    weight_decay : float
        Decoupled weight decay of AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101).
    clip_norm : float
        Longest gradient that is followed; longer ones are shortened to it.
    ema_decay : float or None
        Memory per step of the running average of the weights that is kept in the end; None keeps
        the last weights as they are.
    symmetries : bool
        Show every image in one of its eight in-plane symmetries, drawn anew each time.
    seed : int
        Seed of the order of the images and of their symmetries.

    Examples
    --------
    >>> TrainingSettings(epochs=5).batch_size
    64
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(default=20, ge=1)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0, allow_inf_nan=False)
    warmup: float = Field(default=0.1, ge=0, lt=1)
    weight_decay: float = Field(default=0.02, ge=0, allow_inf_nan=False)
    clip_norm: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    ema_decay: float | None = Field(default=0.99, gt=0, lt=1)
    symmetries: bool = True
    seed: int = Field(default=0, ge=0)
