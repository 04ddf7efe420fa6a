"""Pixels that a labelled particle reaches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stemfast import _core

__all__ = ["extent"]


def extent(
    above: NDArray[np.float64],
    own: NDArray[np.bool_],
    mine: NDArray[np.bool_],
    beyond: NDArray[np.float64],
    levels: NDArray[np.float64],
    *,
    limit: float,
    most_leaks: float,
) -> tuple[NDArray[np.bool_], int]:
    """Pixels of a particle above the lowest level that still bounds it, without holes.

    Of the pieces above a level the one counts that shares most pixels with the label. A level
    bounds it where the piece holds few of the outermost pixels that it may reach.

    Parameters
    ----------
    above : ndarray, shape (rows, columns)
        Intensity above the film.
    own, mine : ndarray of bool, shape (rows, columns)
        Pixels of its label, and pixels that no other particle claims.
    beyond : ndarray, shape (rows, columns)
        Distance from the label [px].
    levels : ndarray, shape (n,)
        Levels to try, in this order.
    limit : float
        Distance that it may not pass [px].
    most_leaks : float
        Share of the pixels within one of that limit.

    Returns
    -------
    mask : ndarray of bool, shape (rows, columns)
    level : int
        Number of the level; −1 where none bounds it and the label itself is returned.

    Examples
    --------
    >>> above = np.zeros((9, 9))
    >>> above[2:7, 3:8] = 5.0
    >>> own, far = above > 0, np.where(above > 0, 0.0, 1.0)
    >>> mask, level = extent(above, own, ~own | own, far, np.array([1.0]), limit=2, most_leaks=0.1)
    >>> bool((mask == own).all()), level
    (True, 0)
    """
    return _core.extent(above, own, mine, beyond, levels, limit=limit, most_leaks=most_leaks)
