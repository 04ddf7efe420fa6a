"""Slopes and curvatures of images at four scales, from which blur, jitter and dose are read.

A probe that is wide against a scale leaves no curvature there; rows that are shifted against each
other curve along the slow direction alone; shot noise curves at the finest scale. So a few high
quantiles of the gradient and of the Hessian's eigenvalues, on a pyramid of halved images, tell how
an image was taken whatever particle it shows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import correlate1d

from stemfast.pretrained.chunks import in_chunks

__all__ = ["SMALLEST_PX", "sharpness"]

Floats = NDArray[np.float64]
Maps = NDArray[np.float32]

#: Sides of the pixels that the scales have, in pixels of the image.
SCALES = (1, 2, 4, 8)
QUANTILES = (0.8, 0.9, 0.95, 0.98, 0.995)
_BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
_BRIGHT = 0.98  # quantile that stands for the particle's height
_ON_IT = 0.3  # of that height, from which a pixel is on the particle
_FLOOR = 1e-6  # of an image without any noise, so that the logarithm is finite
#: Least side of an image, for three pixels at the coarsest scale.
SMALLEST_PX = 24


def sharpness(images: ArrayLike) -> Floats:
    """Logarithms of quantiles of slopes and curvatures, one row for each image.

    Parameters
    ----------
    images : (N, H, W) array_like
        Of at least 24 × 24 pixels.

    Returns
    -------
    ndarray, (N, 101)
        For each scale, quantiles of the gradient's length, of the Hessian's two eigenvalues and of
        the curvatures along rows and columns; and the particle's share of the image. Heights are
        in units of the particle's, so that gain and offset do not matter.

    Raises
    ------
    ValueError
        If images are smaller.

    Examples
    --------
    >>> rows, columns = np.indices((64, 64))
    >>> disc = (np.hypot(rows - 31, columns - 33) < 15).astype(float)[None]
    >>> sharpness(disc).shape, np.allclose(sharpness(7 * disc + 3), sharpness(disc), atol=1e-4)
    ((1, 101), True)
    """
    array = np.asarray(images)
    if array.ndim != 3 or min(array.shape[1:]) < SMALLEST_PX:
        raise ValueError(
            f"images has shape {array.shape}, expected (N, H, W) of at least {SMALLEST_PX} pixels "
            "a side"
        )
    return in_chunks(_sharpness, array)


def _sharpness(images: NDArray[Any]) -> Floats:
    level = _standing_alone(images)
    found = []
    for scale in SCALES:
        if scale > 1:
            level = _halved(level)
        smooth = correlate1d(correlate1d(level, _BINOMIAL, axis=1), _BINOMIAL, axis=2)
        # At full size every second pixel tells as much in a quarter of the time.
        found.append(_quantiles(_slopes(smooth, 2 if scale == 1 else 1)))
        if scale == 4:
            found.append(np.log((smooth > _ON_IT).mean(axis=(1, 2)) + 1e-3)[:, None])
    return np.concatenate(found, axis=1).astype(np.float64)


def _standing_alone(images: NDArray[Any]) -> Maps:
    """Images less what is at their border, in units of the particle's height."""
    array = images.astype(np.float32)
    border = np.concatenate([array[:, 0], array[:, -1], array[:, :, 0], array[:, :, -1]], axis=1)
    array -= np.median(border, axis=1)[:, None, None]
    flat = array[:, ::2, ::2].reshape(len(array), -1)
    place = int(_BRIGHT * flat.shape[1])
    height = np.partition(flat, place, axis=1)[:, place]
    # Of an empty film the noise is the height.
    spread = array.std(axis=(1, 2))
    array /= np.maximum(np.maximum(height, spread), np.finfo(np.float32).tiny)[:, None, None]
    return array


def _halved(level: Maps) -> Maps:
    """Means of two by two pixels."""
    rows, columns = (2 * (side // 2) for side in level.shape[1:])
    level = level[:, :rows, :columns]
    level = level[:, ::2] + level[:, 1::2]
    return np.float32(0.25) * (level[:, :, ::2] + level[:, :, 1::2])


def _slopes(smooth: Maps, step: int) -> Maps:
    """Gradient, minus and plus the eigenvalues of the Hessian, curvatures: (5, N, pixels)."""

    def at(down: int, right: int) -> Maps:
        rows, columns = smooth.shape[1:]
        return smooth[:, 1 + down : rows - 1 + down : step, 1 + right : columns - 1 + right : step]

    middle = np.float32(2.0) * at(0, 0)
    half, quarter = np.float32(0.5), np.float32(0.25)
    along_x, along_y = half * (at(0, 1) - at(0, -1)), half * (at(1, 0) - at(-1, 0))
    xx, yy = at(0, 1) + at(0, -1) - middle, at(1, 0) + at(-1, 0) - middle
    xy = quarter * (at(1, 1) + at(-1, -1) - at(1, -1) - at(-1, 1))
    mean, apart = half * (xx + yy), np.hypot(half * (xx - yy), xy)
    gradient = np.hypot(along_x, along_y)
    maps = np.stack([gradient, apart - mean, apart + mean, np.abs(xx), np.abs(yy)])
    return maps.reshape(5, len(smooth), -1)


def _quantiles(maps: Maps) -> Maps:
    """Logarithms of quantiles (N, 5 · quantiles) of maps (5, N, pixels)."""
    places = [int(share * maps.shape[2]) for share in QUANTILES]
    # Those above the lowest quantile are few: the others are parted among these alone.
    first = places[0]
    upper = np.partition(maps, first, axis=2)[:, :, first:]
    upper.sort(axis=2)
    chosen = upper[:, :, [place - first for place in places]]
    table = np.log(np.maximum(chosen, _FLOOR)).transpose(1, 0, 2)
    return table.reshape(table.shape[0], -1)
