"""Particles of an image as any finder gives them: labels, confidence, contrast."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["CONTRASTS", "Contrast", "Detection", "keep_labels", "pixels_of_labels"]

Contrast = Literal["bright", "dark"]
#: What a caller can say of the contrast.
CONTRASTS = ("bright", "dark", "auto")


def pixels_of_labels(labels: NDArray[np.int32], n: int) -> NDArray[np.int64]:
    """Pixels of each label 0 … n.

    Row by row: labels of 8192² px take a quarter of a gigabyte, and half a one more as indices.

    Examples
    --------
    >>> pixels_of_labels(np.array([[0, 2], [2, 0]], np.int32), 3)
    array([2, 0, 2, 0])
    """
    count = np.zeros(n + 1, np.int64)
    for row in labels:
        count += np.bincount(row, minlength=n + 1)
    return count


def keep_labels(labels: NDArray[np.int32], kept: NDArray[np.bool_]) -> None:
    """Number some of the labels from 1 again and clear the others, in place and row by row.

    Parameters
    ----------
    labels : (rows, columns) int32
        0 … n.
    kept : (n,) bool
        True for the labels 1 … n that stay.

    Examples
    --------
    >>> labels = np.array([[0, 2], [2, 1]], np.int32)
    >>> keep_labels(labels, np.array([False, True]))
    >>> labels
    array([[0, 1],
           [1, 0]], dtype=int32)
    """
    number = np.zeros(len(kept) + 1, np.int32)
    number[1:][kept] = np.arange(1, np.count_nonzero(kept) + 1)
    for row in labels:
        np.take(number, row, out=row, mode="clip")


@dataclass(frozen=True, eq=False)
class Detection:
    """The particles of one image.

    Parameters
    ----------
    labels : ndarray of int32, shape (rows, columns)
        0 outside, 1 … n on the particles.
    confidence : ndarray of float64, shape (n,)
        How sure the finder is of each, from 0 to 1.
    overlapped : ndarray of bool, shape (n,)
        Whether each touches or overlaps another.
    contrast : {"bright", "dark"}
        Whether particles are brighter or darker than what is around them.

    Raises
    ------
    ValueError
        If labels, confidence and overlapped do not belong together.

    Examples
    --------
    >>> labels = np.zeros((9, 9), np.int32)
    >>> labels[2:5, 2:5] = 1
    >>> len(Detection(labels, np.array([0.9]), np.array([False]), "bright"))
    1
    """

    labels: NDArray[np.int32] = field(repr=False)
    confidence: NDArray[np.float64]
    overlapped: NDArray[np.bool_]
    contrast: Contrast

    def __post_init__(self) -> None:
        n = len(self.confidence)
        if self.labels.ndim != 2 or self.labels.min(initial=0) < 0 or self.labels.max() > n:
            raise ValueError(
                f"labels: got shape {self.labels.shape} and values up to {self.labels.max()}, "
                f"expected (rows, columns) and 0 … {n}, one label for each confidence"
            )
        if self.overlapped.shape != (n,):
            raise ValueError(f"overlapped: got shape {self.overlapped.shape}, expected {(n,)}")

    def __len__(self) -> int:
        return len(self.confidence)

    def keep(self, which: NDArray[np.bool_]) -> Detection:
        """The detection with some of its particles only, numbered from 1 again.

        Parameters
        ----------
        which : ndarray of bool, shape (n,)
        """
        labels = self.labels.copy()
        keep_labels(labels, which)
        return Detection(labels, self.confidence[which], self.overlapped[which], self.contrast)
