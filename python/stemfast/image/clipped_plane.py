"""A plane through some pixels of an image, without those that stand out of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stemfast import _core

__all__ = ["clipped_plane"]


def clipped_plane(
    image: NDArray[np.float64],
    mask: NDArray[np.bool_],
    *,
    enough: int = 1500,
    rounds: int = 3,
    fewest: int = 20,
) -> tuple[NDArray[np.float64], float]:
    """Plane of least squares, and the standard deviation of the pixels about it.

    Fit and clipping at three deviations, from the median absolute one, alternate. A slope of which
    the pixels say nothing is 0.

    Parameters
    ----------
    image : ndarray, shape (rows, columns)
    mask : ndarray of bool, shape (rows, columns)
        Pixels to fit, at least one.
    enough : int
        Of more than this number every n-th pixel is used.
    rounds : int
        Number of fits at most.
    fewest : int
        Pixels below which it ends.

    Returns
    -------
    plane : ndarray, shape (rows, columns)
    deviation : float

    Examples
    --------
    >>> image = np.add.outer(np.arange(9.0), np.zeros(12))
    >>> plane, deviation = clipped_plane(image, np.ones((9, 12), bool))
    >>> bool(np.allclose(plane, image)), deviation < 1e-9
    (True, True)
    """
    height, down, across, sigma = _core.clipped_plane(
        image, mask, enough=enough, rounds=rounds, fewest=fewest
    )
    rows, columns = (np.arange(n) / max(image.shape) - 0.5 for n in image.shape)
    return (height + down * rows)[:, None] + (across * columns)[None, :], sigma
