"""Distances from the pixels of a mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stemfast import _core

__all__ = ["distance_to"]


def distance_to(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Distance of every pixel to the nearest one of a mask [px].

    That of `scipy.ndimage.distance_transform_edt` of the rest, to the last bit, without what that
    takes to begin: of particles of a few dozen pixels thousands are asked for.

    Parameters
    ----------
    mask : (rows, columns) bool

    Returns
    -------
    (rows, columns) float64
        Infinity where the mask holds no pixel.

    Examples
    --------
    >>> distance_to(np.array([[True, False, False], [False, False, False]])).round(2).tolist()
    [[0.0, 1.0, 2.0], [1.0, 1.41, 2.24]]
    """
    return _core.distances(np.ascontiguousarray(mask))
