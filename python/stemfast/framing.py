"""Framing of a particle in an image of its own, for networks that read at one scale.

Images of a single particle may have any size and any pixel size: what stands out of the level of
the rim is taken for the particle, and framed as `stemfast.micrograph.portrait` frames those that
were found in a micrograph.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.image.central_piece import central_piece
from stemfast.image.median import median

__all__ = ["framed", "resample", "standardised", "standing_out", "window_side"]

Image: TypeAlias = NDArray[np.float64]

#: Side of the window over the diameter of the circle of the particle's area, and over the longer
#: side of its bounding box, whichever window is larger.
_DIAMETERS, _BOXES = 2.1, 1.3
_SMALLEST_PX = 8.0
_SMOOTH = 1.0 / 90.0  # Gaussian width over the image's shorter side
_RIM = 0.08  # of each side
_LEVEL, _NOISE = 0.4, 4.0  # share of the height, standard deviations of the rim
_MAD_TO_SIGMA = 1.4826
_FEWEST_PX = 9
_FLAT = 1e-6


def window_side(area_px: float, box_px: float) -> float:
    """Side of the square window that a particle is shown in [px].

    Parameters
    ----------
    area_px : float
        Area of the particle [px²].
    box_px : float
        Longer side of its bounding box [px].

    Examples
    --------
    >>> round(window_side(314.2, 20.0), 1)
    42.0
    """
    return max(_DIAMETERS * float(np.sqrt(4.0 / np.pi * area_px)), _BOXES * box_px, _SMALLEST_PX)


def framed(image: NDArray[Any], size: int) -> NDArray[np.float32]:
    """The particle of an image in the middle of a square, bright, standardised.

    Whether it is brighter or darker than the rim is told from the image. An image of which nothing
    stands out is shown whole.

    Parameters
    ----------
    image : (rows, columns) array
    size : int
        Rows and columns of the result.

    Examples
    --------
    >>> rows, columns = np.indices((200, 300))
    >>> dark = 90.0 - 50.0 * (np.hypot(rows - 60, columns - 210) < 30)
    >>> seen = framed(dark, 80)
    >>> seen.shape, bool(seen[40, 40] > 1.0), bool(seen[0, 0] < 0.0)
    ((80, 80), True, True)
    """
    values = np.asarray(image, np.float64)
    found = standing_out(values)
    if found is None:
        side = float(max(values.shape))
        centre = (0.5 * (values.shape[0] - 1), 0.5 * (values.shape[1] - 1))
        sign = 1.0
    else:
        mask, sign = found
        rows, columns = np.nonzero(mask)
        box = (rows.min(), rows.max(), columns.min(), columns.max())
        side = window_side(len(rows), max(box[1] - box[0], box[3] - box[2]) + 1)
        centre = (0.5 * (box[0] + box[1]), 0.5 * (box[2] + box[3]))
    return standardised(resample(sign * values, centre, side, size, order=1))


def standardised(image: Image) -> NDArray[np.float32]:
    """The image with a mean of 0 and a standard deviation of 1; a flat one becomes 0."""
    centred = image - image.mean()
    return np.asarray(centred / max(float(centred.std()), _FLAT), np.float32)


def resample(
    window: Image, centre: tuple[float, float], side: float, size: int, *, order: int
) -> Image:
    """Sample the square of `side` px around `centre` at the centres of size × size pixels.

    Parameters
    ----------
    window : (rows, columns) float64
    centre : (float, float)
        Row and column [px].
    side : float
        [px]
    size : int
        Rows and columns of the result.
    order : int
        Of the splines.
    """
    from scipy import ndimage

    step = side / size
    smooth = window
    if step > 1.0:
        # A box of one output pixel has this variance; the input's own pixel is taken off.
        smooth = ndimage.gaussian_filter(window, math.sqrt((step**2 - 1.0) / 12.0))
    first = [c - 0.5 * side + 0.5 * step for c in centre]
    result: Image = ndimage.affine_transform(
        smooth, [step, step], offset=first, output_shape=(size, size), order=order, mode="nearest"
    )
    return result


def standing_out(values: Image) -> tuple[NDArray[np.bool_], float] | None:
    """The largest piece, near the middle, that stands out of the rim's level, and its sign.

    Parameters
    ----------
    values : (rows, columns) float64

    Returns
    -------
    (rows, columns) bool, float
        Its pixels, and 1 for brighter or −1 for darker than the rim; None if nothing stands out.

    Examples
    --------
    >>> rows, columns = np.indices((64, 64))
    >>> mask, sign = standing_out(1.0 * (np.hypot(rows - 30, columns - 40) < 10))
    >>> bool(mask[30, 40]), sign
    (True, 1.0)
    """
    from scipy import ndimage

    smooth = ndimage.gaussian_filter(values, max(0.8, _SMOOTH * min(values.shape)))
    rows, columns = (max(2, round(_RIM * n)) for n in values.shape)
    inner = np.zeros(values.shape, bool)
    inner[rows:-rows, columns:-columns] = True
    rim = smooth[~inner]
    level = median(rim)
    noise = _MAD_TO_SIGMA * median(np.abs(rim - level))
    low, high = np.percentile(smooth[inner], [1.0, 99.0]) if inner.any() else (level, level)
    sign = 1.0 if high - level >= level - low else -1.0
    above = sign * (smooth - level)
    height = max(float(high - level), float(level - low))
    least = max(_LEVEL * height, _NOISE * noise)
    mask = central_piece(above > least, fewest=_FEWEST_PX)
    return None if mask is None else (mask, sign)
