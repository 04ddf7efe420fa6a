"""The threshold that parts an image into dark and bright pixels, their contrast and their noise."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemfast import _core

__all__ = ["grain", "otsu_threshold"]


def otsu_threshold(image: NDArray[np.floating[Any]]) -> float:
    """Otsu's threshold: the split of the histogram with the least variance within the parts.

    Parameters
    ----------
    image : ndarray
        Finite numbers, at least one.

    References
    ----------
    N. Otsu, IEEE Trans. Syst. Man Cybern. 9 (1979) 62-66.

    Examples
    --------
    >>> 1.0 <= otsu_threshold(np.array([[0.0, 1.0], [9.0, 10.0]])) < 9.0
    True
    """
    return _core.otsu_threshold(np.asarray(image, np.float64).ravel())


def grain(image: NDArray[np.floating[Any]], threshold: float) -> tuple[float, float]:
    """Noise of one pixel and contrast of the pixels above a threshold.

    The noise is the median response of a mixed second difference, which flat and slowly curving
    intensity does not excite.

    Parameters
    ----------
    image : ndarray, shape (rows, columns)
    threshold : float

    Returns
    -------
    noise : float
        Standard deviation, from the median absolute response.
    contrast : float
        Median of the pixels above the threshold less that of the others. Both are 0 where nothing
        is above it, or all is.

    References
    ----------
    J. Immerkaer, Comput. Vis. Image Underst. 64 (1996) 300-302.

    Examples
    --------
    >>> image = np.zeros((9, 9))
    >>> image[2:7, 3:8] = 5.0
    >>> grain(image, 2.0)[1]
    5.0
    """
    response, contrast = _core.grain(np.asarray(image, np.float64), threshold)
    return 1.4826 * response / 6.0, contrast
