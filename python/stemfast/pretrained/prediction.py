"""Answers of a classifier: class probabilities, and how far they can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Prediction"]

_SHOWN = 5  # images whose answers the representation shows


@dataclass(frozen=True, eq=False, repr=False)
class Prediction:
    """Calibrated class probabilities of N images.

    Attributes
    ----------
    probabilities : ndarray, (N, C)
        Of each class, calibrated.
    classes : ndarray, (N,) int
        The most probable one.
    class_names : tuple of str
        Meaning of the classes.
    novelty : ndarray, (N,), or None
        Above 1 is unlike the images learnt from (:meth:`TrainedClassifier.novelty`); None for a
        network that does not know.
    outside : ndarray, (N,) bool
        True where the pixel size or the particle's size is beyond those learnt.
    notes : tuple of str
        How the images were resampled, and what is beyond the learnt range.
    """

    probabilities: NDArray[np.float64]
    classes: NDArray[np.intp]
    class_names: tuple[str, ...]
    novelty: NDArray[np.float64] | None = None
    outside: NDArray[np.bool_] | None = None
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Name of the most probable class of each image."""
        return tuple(self.class_names[c] for c in self.classes)

    @property
    def confidence(self) -> NDArray[np.float64]:
        """Probability of the most probable class of each image, (N,)."""
        return np.asarray(self.probabilities.max(axis=1))

    def __len__(self) -> int:
        return len(self.classes)

    def __repr__(self) -> str:
        """Most probable classes with their probabilities, those of the first images."""
        shown = [
            f"{name} {100 * chance:.0f} %"
            for name, chance in zip(self.names[:_SHOWN], self.confidence[:_SHOWN], strict=True)
        ]
        more = ", …" if len(self) > _SHOWN else ""
        return f"Prediction of {len(self)} images: {', '.join(shown)}{more}"
