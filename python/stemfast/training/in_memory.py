"""Training of a classifier on labelled images in memory."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from stemfast.models import Classifier
from stemfast.models.predict import check_images
from stemfast.training import log as metrics
from stemfast.training.step import State, Step, make_step

__all__ = ["TrainingSettings", "fit"]

Labelled = tuple[NDArray[np.number], NDArray[np.int64]]


class TrainingSettings(BaseModel):
    """Settings of the optimiser, augmentation and epochs of :func:`stemfast.training.fit`.

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


def _checked(name: str, images: ArrayLike, labels: ArrayLike, model: Classifier) -> Labelled:
    array = check_images(images, model.config.image_shape)
    truth = np.asarray(labels)
    if truth.shape != (len(array),) or not np.issubdtype(truth.dtype, np.integer):
        raise ValueError(
            f"{name} labels have shape {truth.shape} and dtype {truth.dtype}, "
            f"expected ({len(array)},) integers, one per image"
        )
    if len(truth) and not 0 <= truth.min() <= truth.max() < model.config.n_classes:
        raise ValueError(
            f"{name} labels reach from {truth.min()} to {truth.max()}, "
            f"expected 0 … {model.config.n_classes - 1}"
        )
    return array, truth.astype(np.int64)


def _batches(count: int, settings: TrainingSettings, epoch: int) -> Iterator[NDArray[np.intp]]:
    """Indices of whole batches in an order that depends on seed and epoch alone."""
    order = np.random.default_rng([settings.seed, epoch]).permutation(count)
    size = settings.batch_size
    return (order[start : start + size] for start in range(0, count - size + 1, size))


def _progress_bar(title: str) -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn(title),
        BarColumn(),
        TextColumn("{task.fields[state]}"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _run_epoch(
    state: State, step: Step, data: Labelled, settings: TrainingSettings, epoch: int, bar: Progress
) -> tuple[State, dict[str, float]]:
    images, labels = data
    losses: list[float] = []
    right, seen, began = 0, 0, time.perf_counter()
    for chosen in _batches(len(images), settings, epoch):
        batch = jnp.asarray(images[chosen], dtype=jnp.float32)[..., None]
        state, seen_now = step(state, batch, jnp.asarray(labels[chosen], dtype=jnp.int32))
        losses.append(float(seen_now.loss))
        if not math.isfinite(losses[-1]):
            raise FloatingPointError(
                f"the loss became {losses[-1]} in epoch {epoch + 1}, step {len(losses)}: "
                f"training stopped. A learning_rate below {settings.learning_rate} may help"
            )
        right, seen = right + int(seen_now.right), seen + len(chosen)
        speed = seen / (time.perf_counter() - began)
        text = f"loss {np.mean(losses):.3f}  accuracy {100 * right / seen:.1f} %"
        bar.update(bar.task_ids[0], advance=1, state=f"{text}  {speed:.0f} images/s")
    seconds = time.perf_counter() - began
    return state, {
        "epoch": epoch + 1,
        "step": int(state.step),
        "loss": float(np.mean(losses)),
        "accuracy": right / seen,
        "images_per_s": seen / seconds,
        "seconds": seconds,
    }


def fit(
    model: Classifier,
    images: ArrayLike,
    labels: ArrayLike,
    settings: TrainingSettings | None = None,
    *,
    validation: tuple[ArrayLike, ArrayLike] | None = None,
    log_path: str | Path | None = None,
    title: str = "training",
) -> list[dict[str, float]]:
    """Train a classifier; its weights are replaced when the training has ended well.

    The same model, data, settings and machine give the same weights. On a terminal a bar on
    standard error shows loss, accuracy, images/s and time left.

    Parameters
    ----------
    model : Classifier
        The network, changed in place at the end.
    images : array_like, (N, H, W)
        Training images, at least one batch.
    labels : array_like, (N,) int
        Their classes.
    settings : TrainingSettings, optional
        The defaults if None.
    validation : tuple of array_like, optional
        Images and labels on which the averaged weights are measured after each epoch. Nothing is
        chosen by them.
    log_path : str or Path, optional
        File that gets one JSON line per epoch as training goes, replacing an older one.
    title : str
        Words in front of the bar.

    Returns
    -------
    list of dict
        The JSON lines: epoch, step, loss, accuracy, images_per_s, seconds, and with `validation`
        validation_loss and validation_accuracy.

    Raises
    ------
    ValueError, TypeError
        If images or labels do not fit the network, are not finite, or fill no batch.
    FloatingPointError
        If the loss stops being finite; the model keeps the weights it came with.
    """
    settings = settings or TrainingSettings()
    data = _checked("training", images, labels, model)
    held_out = None if validation is None else _checked("validation", *validation, model)
    steps = len(data[0]) // settings.batch_size
    if steps == 0:
        raise ValueError(
            f"images holds {len(data[0])} images, expected at least "
            f"one batch of batch_size = {settings.batch_size}"
        )
    if settings.symmetries and model.config.image_shape[0] != model.config.image_shape[1]:
        raise ValueError(
            f"images have shape {model.config.image_shape}: symmetries=True needs square images"
        )
    state, step = make_step(model, settings, steps * settings.epochs)
    graph, _ = nnx.split(model)
    records: list[dict[str, float]] = []
    if log_path is not None:
        Path(log_path).write_text("")
    with _progress_bar(title) as bar:
        bar.add_task("", total=steps * settings.epochs, state="")
        told = time.monotonic()
        for epoch in range(settings.epochs):
            state, record = _run_epoch(state, step, data, settings, epoch, bar)
            if held_out is not None:
                record |= metrics.of_validation(nnx.merge(graph, state.average), *held_out)
            records.append(record)
            if log_path is not None:
                metrics.append(Path(log_path), record)
            if bar.disable and time.monotonic() - told > metrics.SILENT_S:
                # Into a file or a pipe, where a bar is not drawn.
                told = time.monotonic()
                metrics.tell(
                    f"{title}: epoch {epoch + 1} of {settings.epochs}, "
                    f"loss {record['loss']:.3f}, accuracy {100 * record['accuracy']:.1f} %, "
                    f"{record['images_per_s']:.0f} images/s"
                )
    nnx.update(model, jax.tree.map(jnp.copy, state.average))
    return records
