"""A trained classifier on images it never saw: figures, and how far its probabilities hold."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stemfast.dataset.streaming.stream import stream
from stemfast.evaluation.metrics import Evaluation, calibration_error, evaluate, wilson_interval
from stemfast.models import logits
from stemfast.models.predict import softmax

if TYPE_CHECKING:
    from stemfast.models import Classifier
    from stemfast.pretrained.classifier import TrainedClassifier
    from stemfast.recipes import Recipe

__all__ = ["Judgement", "answers", "judge", "judged"]

CHUNK = 512
#: Recipes whose classes are numbers, where the next one is only half wrong.
ORDINAL = ("count",)

Floats = NDArray[np.float64]


def answers(
    model: Classifier, recipe: Recipe, *, seed: int, split: str, images: int, n_threads: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Logits and labels of the first images of a split, simulated as they are read.

    Parameters
    ----------
    model : Classifier
    recipe : Recipe
        Where images and labels come from.
    seed : int
        Of the scenes.
    split : str
        "train", "validation" or "test".
    images : int
        How many.
    n_threads : int
        Threads of the simulation, 0 for all cores.
    """
    tables, labels = [], []
    with stream(
        recipe, seed=seed, batch_size=CHUNK, stop=images, split=split, n_threads=n_threads
    ) as batches:
        for batch in batches:
            tables.append(logits(model, batch.images))
            labels.append(batch.labels)
    return np.concatenate(tables), np.concatenate(labels)


@dataclass(frozen=True, repr=False)
class Judgement:
    """Accuracy and calibration of a trained classifier on test images.

    Attributes
    ----------
    evaluation : Evaluation
        Of the calibrated probabilities.
    temperature : float
        What the logits were divided by.
    calibration_error_before : float
        Expected calibration error of the plain logits.
    within_one, within_one_interval
        Share of answers that are at most one off with its 95 % interval, where classes are
        numbers; else None.
    confidence, right : ndarray, (N,)
        Highest probability of each image, and whether the answer was right.
    seconds : float
        Time it took, simulation counted [s].
    """

    evaluation: Evaluation
    temperature: float
    calibration_error_before: float
    within_one: float | None
    within_one_interval: tuple[float, float] | None
    confidence: Floats
    right: NDArray[np.bool_]
    seconds: float

    @property
    def images(self) -> int:
        """Images judged."""
        return len(self.right)

    @property
    def at_chance(self) -> bool:
        """True if a guess may do as well: its accuracy lies in the 95 % interval, or above it."""
        return self.evaluation.balanced_interval[0] <= 1.0 / len(self.evaluation.class_names)

    def to_dict(self) -> dict[str, Any]:
        """The same, of plain Python types for JSON, without the single images."""
        return {
            **self.evaluation.to_dict(),
            "within_one": self.within_one,
            "within_one_interval": (
                None if self.within_one_interval is None else list(self.within_one_interval)
            ),
            "temperature": self.temperature,
            "calibration_error_before": self.calibration_error_before,
            "images": self.images,
            "seconds": self.seconds,
        }

    def __repr__(self) -> str:
        """The figures on a few lines, as in :meth:`__str__`."""
        return str(self)

    def __str__(self) -> str:
        found = self.evaluation
        low, high = found.balanced_interval
        lines = [
            f"balanced accuracy {_percent(found.balanced_accuracy)}"
            f" (95 % interval {100 * low:.2f} to {100 * high:.2f}), {self.images} images"
        ]
        if self.within_one is not None:
            lines.append(f"within one {_percent(self.within_one, 2)}")
        lines.append(
            f"calibration error {_percent(self.calibration_error_before, 2)}, with temperature "
            f"{self.temperature:.2f}: {_percent(found.calibration_error, 2)}"
        )
        rate = self.images / max(self.seconds, 1e-9)
        lines.append(f"{self.seconds:.0f} s, {rate:.0f} images/s simulated and read")
        return "\n".join(lines)


def _percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"


def judge(
    trained: TrainedClassifier,
    recipe: Recipe,
    *,
    seed: int,
    images: int = 10_000,
    n_threads: int = 0,
) -> Judgement:
    """Classify test images of a recipe and compare with the truth.

    Parameters
    ----------
    trained : TrainedClassifier
        The network.
    recipe : Recipe
        What the images are; its classes and image size must be the network's.
    seed : int
        Seed of the images. The test split never meets the training images of the same seed.
    images : int
        How many, at least one of each class.
    n_threads : int
        Threads of the simulation, 0 for all cores.

    Raises
    ------
    ValueError
        If the network reads other images or tells other classes apart.
    """
    fits(trained, recipe)
    if images < len(recipe.class_names):
        raise ValueError(
            f"images is {images}, expected at least {len(recipe.class_names)}, one of each class"
        )
    began = time.perf_counter()
    table, labels = answers(
        trained.model, recipe, seed=seed, split="test", images=images, n_threads=n_threads
    )
    return judged(
        table,
        labels,
        recipe.class_names,
        trained.temperature,
        seconds=time.perf_counter() - began,
        ordinal=recipe.name in ORDINAL,
    )


def judged(
    table: NDArray[Any],
    labels: NDArray[np.int64],
    class_names: tuple[str, ...],
    temperature: float,
    *,
    seconds: float,
    ordinal: bool = False,
) -> Judgement:
    """Accuracy and calibration of logits (N, C) whose labels are known.

    Parameters
    ----------
    table : (N, C) array
        Logits.
    labels : (N,) int64
    class_names : tuple of str
    temperature : float
        Divides the logits.
    seconds : float
        Time it took [s].
    ordinal : bool
        Classes are numbers, of which the next one is only half wrong.
    """
    chances = softmax(table, temperature)
    answer = chances.argmax(axis=1)
    near = int((np.abs(answer - labels) <= 1).sum()) if ordinal else None
    return Judgement(
        evaluation=evaluate(chances, labels, class_names),
        temperature=temperature,
        calibration_error_before=calibration_error(softmax(table), labels),
        within_one=None if near is None else near / len(labels),
        within_one_interval=None if near is None else wilson_interval(near, len(labels)),
        confidence=chances.max(axis=1),
        right=answer == labels,
        seconds=seconds,
    )


def fits(trained: TrainedClassifier, recipe: Recipe) -> None:
    """Refuse a recipe whose images or classes are not the network's."""
    if tuple(recipe.class_names) != trained.class_names:
        raise ValueError(
            f"the network tells {', '.join(trained.class_names)} apart, expected the classes of "
            f"recipe {recipe.name}: {', '.join(recipe.class_names)}"
        )
    if tuple(recipe.image_shape) != tuple(trained.model.config.image_shape):
        raise ValueError(
            f"the network reads images of {trained.model.config.image_shape} px, but the recipe "
            f"gives {recipe.image_shape}: a network is trained for one image size"
        )
