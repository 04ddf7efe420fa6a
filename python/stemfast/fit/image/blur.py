"""The probe's blur of an image as a matrix along each axis."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bands", "bands", "blur_matrix"]

Float: TypeAlias = NDArray[np.float64]
#: A matrix with few entries beside the diagonal: row i is weight[i, k] at the columns first[i] + k.
Bands: TypeAlias = tuple[NDArray[np.int64], Float]


def blur_matrix(n: int, sigma: float) -> Float:
    """(n, n) that blurs n pixels by a Gaussian [px] cut at four standard deviations.

    What lies beyond is taken to be like the outermost pixel.

    Examples
    --------
    >>> blur_matrix(3, 0.5).sum(axis=1).round(12).tolist()
    [1.0, 1.0, 1.0]
    """
    if sigma == 0:
        return np.eye(n)
    radius = int(4 * sigma + 0.5)
    offset = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offset / sigma) ** 2)
    kernel /= kernel.sum()
    matrix = np.zeros((n, n))
    for k, weight in zip(offset.tolist(), kernel.tolist(), strict=True):
        np.add.at(matrix, (np.arange(n), np.clip(np.arange(n) + k, 0, n - 1)), weight)
    return matrix


def bands(matrix: Float) -> Bands:
    """A square matrix without the zeros beside its diagonal.

    Examples
    --------
    >>> first, weight = bands(np.array([[1.0, 0, 0], [0.5, 0.5, 0], [0, 0, 1]]))
    >>> first.tolist(), weight.tolist()
    ([0, 0, 1], [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    """
    filled = matrix != 0.0
    first, last = filled.argmax(axis=1), len(matrix) - filled[:, ::-1].argmax(axis=1)
    taps = int((last - first).max())
    first = np.minimum(first, len(matrix) - taps)
    weight = np.take_along_axis(matrix, first[:, None] + np.arange(taps), axis=1)
    return first.astype(np.int64), weight
