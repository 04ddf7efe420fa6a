"""The level of what is around the particles, everywhere, also under them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["level_under"]

Image = NDArray[np.float32]

_STEP_PX = 4
_WIDTHS = (2.0, 4.0, 8.0, 16.0, 32.0)  # of the averages, in steps
_CLEAR_PX = 3
_MAD_TO_SIGMA = 1.4826


def level_under(image: Image, labels: NDArray[np.int32]) -> tuple[Image, float]:
    """Average what lies around the particles, over as small a reach as holds enough of it.

    Parameters
    ----------
    image : ndarray of float32, shape (rows, columns)
    labels : ndarray of int32, shape (rows, columns)
        0 where there is no particle.

    Returns
    -------
    level : ndarray of float32, shape (rows, columns)
    noise : float
        Standard deviation of what is around the particles, averaged over 4 × 4 pixels.

    Examples
    --------
    >>> rows, cols = np.indices((64, 64))
    >>> disc = np.hypot(rows - 20, cols - 30) < 9
    >>> level, _ = level_under(np.float32(10 + 40 * disc), disc.astype(np.int32))
    >>> float(level[20, 30]).__round__(3)
    10.0
    """
    from scipy import ndimage

    free = ~ndimage.binary_dilation(labels != 0, iterations=_CLEAR_PX)
    if not free.any():
        free = labels == 0
    if not free.any():
        return np.full(image.shape, np.float32(image.min())), 0.0
    rows, cols = (-(-n // _STEP_PX) for n in image.shape)
    pad = ((0, rows * _STEP_PX - image.shape[0]), (0, cols * _STEP_PX - image.shape[1]))
    blocks = (rows, _STEP_PX, cols, _STEP_PX)
    share = np.pad(free, pad).reshape(blocks).mean(axis=(1, 3), dtype=np.float32)
    total = np.pad(np.where(free, image, 0), pad).reshape(blocks).mean(axis=(1, 3))
    typical = float(
        np.median(
            image[::_STEP_PX, ::_STEP_PX][free[::_STEP_PX, ::_STEP_PX]]
            if free[::_STEP_PX, ::_STEP_PX].any()
            else image[free]
        )
    )
    level = np.full((rows, cols), typical, np.float32)
    for width in reversed(_WIDTHS):
        weight = ndimage.gaussian_filter(share, width, mode="constant")
        value = ndimage.gaussian_filter(total, width, mode="constant")
        trust = weight / (weight + 0.05)
        level = trust * value / np.maximum(weight, 1e-6) + (1.0 - trust) * level
    known = share > 0.5
    left = (total / np.maximum(share, 1e-6) - level)[known]
    noise = _MAD_TO_SIGMA * float(np.median(np.abs(left - np.median(left)))) if left.size else 0.0
    fine = np.repeat(np.repeat(level, _STEP_PX, axis=0), _STEP_PX, axis=1)
    whole = ndimage.uniform_filter(fine[: image.shape[0], : image.shape[1]], _STEP_PX)
    return np.asarray(whole, np.float32), noise
