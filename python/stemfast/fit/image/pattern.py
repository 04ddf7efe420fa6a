"""Spatial pattern of a misfit: what noise and an imperfect microscope leave lies nowhere together.

A corner that the model has not, or a face at a wrong angle, leaves its misfit in one place, and can
hide in a root mean square over the whole particle. So residuals of squares of about 1 nm, and their
sums over patches of three by three, are compared with their noise. What a microscope does that is
not quite what it is said to be is taken off first, by weighted least squares: a wrong dose (the
signal), a wrong film (a constant), a wrong place (the gradients), a wrong probe (the Laplacian). Of
what it does otherwise, a stated share of the signal and a stated straying of the beam are allowed
for in every patch.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["joined_squares", "pattern_p"]

Float: TypeAlias = NDArray[np.float64]

_SHARE, _STRAY_NM = 0.004, 0.015
_PATCHES = (1, 3)


def pattern_p(
    off: Float, variance: Float, expected: Float, signal: Float, side: int, pixel_nm: float
) -> float:
    """Probability of a patch so far off, were the model right within what is allowed.

    Parameters
    ----------
    off, variance : (rows, columns) float64
        Counts less their mean, and their variance; 0 for pixels that do not count.
    expected, signal : (rows, columns) float64
        Counts expected, and those of them that are the particle's.
    side : int
        Of a square [px].
    pixel_nm : float
        [nm]

    Examples
    --------
    >>> flat = np.full((40, 40), 1e4)
    >>> pattern_p(np.zeros((40, 40)), flat, flat, flat, 4, 0.25)
    1.0
    >>> dent = np.zeros((40, 40))
    >>> dent[8:20, 8:20] = 300.0
    >>> pattern_p(dent, flat, flat, flat, 4, 0.25) < 1e-3
    True
    """
    from scipy.stats import norm

    inside = variance > 0
    by_y, by_x = np.gradient(expected)
    bent = np.gradient(by_y, axis=0) + np.gradient(by_x, axis=1)
    templates = [np.ones(off.shape), signal, by_x, by_y, bent]
    steep = np.hypot(by_x, by_y) * (_STRAY_NM / pixel_nm)
    joined = [joined_squares(np.where(inside, part, 0.0), side) for part in templates]
    v, r = joined_squares(variance, side), joined_squares(off, side)
    allowed = joined_squares(np.where(inside, _SHARE * signal + steep, 0.0), side)
    counted = v > 0
    root = np.where(counted, 1.0 / np.sqrt(np.where(counted, v, 1.0)), 0.0)
    columns = np.stack([(root * part)[counted] for part in joined], axis=1)
    scale = np.maximum(np.sqrt((columns**2).sum(axis=0)), 1e-12)
    solved = np.linalg.lstsq(columns / scale, (root * r)[counted], rcond=1e-9)[0] / scale
    left = np.where(counted, r - sum(a * part for a, part in zip(solved, joined, strict=True)), 0.0)
    chances = []
    for size in _PATCHES:
        noise = np.sqrt(_patches(np.where(counted, v, 0.0), size) + _patches(allowed, size) ** 2)
        far = float((np.abs(_patches(left, size)) / np.maximum(noise, 1e-12)).max())
        n = int((_patches(counted.astype(np.float64), size) > 0).sum())
        chances.append(2.0 * n * float(norm.sf(far)))
    return float(min(1.0, len(_PATCHES) * min(chances)))


def joined_squares(values: Float, side: int) -> Float:
    """Sums over squares of so many pixels.

    Examples
    --------
    >>> joined_squares(np.ones((3, 4)), 2).tolist()
    [[4.0, 4.0], [2.0, 2.0]]
    """
    rows, columns = (-(-n // side) * side for n in values.shape)
    padded = np.zeros((rows, columns))
    padded[: values.shape[0], : values.shape[1]] = values
    return np.asarray(padded.reshape(rows // side, side, columns // side, side).sum(axis=(1, 3)))


def _patches(values: Float, size: int) -> Float:
    """Sums over patches of so many by so many squares around each."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, size // 2), (size, size))
    return np.asarray(windows.sum(axis=(2, 3)))
