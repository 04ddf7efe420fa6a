"""Signs that the grey levels of a file are no longer those of the detector.

Clipping, JPEG blocks and smoothing each leave a mark: many pixels at one end of the scale, larger
steps at every eighth pixel, and noise whose neighbours are alike. Where one is seen, noise tells
little or nothing of the electrons.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["GreyLevels", "grey_levels"]

Image = NDArray[np.float32]

_CLIPPED = 2e-3
_BLOCK = 8
_BLOCKY = 1.08
_BLOCK_SIGMAS = 5.0


@dataclass(frozen=True, eq=False)
class GreyLevels:
    """Grey levels of an image.

    Attributes
    ----------
    whole : bool
        All values are whole numbers.
    step : float
        Median distance between neighbouring levels that occur.
    levels : int
        Levels that occur.
    saturated : float
        Share of the pixels at the highest level, 0 where that is no more than chance.
    clipped : float
        The same of the lowest level.
    at_top, at_bottom : ndarray of bool, shape (rows, columns)
        Pixels at the highest and at the lowest level, empty where their share is 0.
    blocky : bool
        Steps are larger at every eighth row and column: JPEG.
    """

    whole: bool
    step: float
    levels: int
    saturated: float
    clipped: float
    at_top: NDArray[np.bool_] = field(repr=False)
    at_bottom: NDArray[np.bool_] = field(repr=False)
    blocky: bool

    @property
    def rounding(self) -> float:
        """Variance of the rounding to levels [grey²]."""
        return self.step**2 / 12.0 if self.whole and self.step <= 1.0 else 0.0


def grey_levels(image: Image) -> GreyLevels:
    """Look at the grey levels of an image.

    Parameters
    ----------
    image : ndarray of float32, shape (rows, columns)

    Returns
    -------
    GreyLevels

    Examples
    --------
    >>> image = np.random.default_rng(1).normal(200, 60, (64, 64)).clip(0, 255).round()
    >>> seen = grey_levels(np.float32(image))
    >>> seen.whole, 0.15 < seen.saturated < 0.25, seen.blocky
    (True, True, False)
    """
    values, counts = np.unique(image, return_counts=True)
    whole = bool(np.all(values == np.rint(values)))
    step = float(np.median(np.diff(values))) if len(values) > 1 else 0.0
    top = _piled(counts[::-1])
    # Files of whole numbers clip at 0; any other lowest level is that of no electrons.
    bottom = _piled(counts) and not (whole and values[0] != 0)
    none = np.zeros(image.shape, bool)
    return GreyLevels(
        whole=whole,
        step=step,
        levels=len(values),
        saturated=float(counts[-1] / image.size) if top else 0.0,
        clipped=float(counts[0] / image.size) if bottom else 0.0,
        at_top=image == values[-1] if top else none,
        at_bottom=image == values[0] if bottom else none,
        blocky=_is_blocky(image),
    )


def _piled(counts: NDArray[np.int64]) -> bool:
    """True if the outermost level holds far more pixels than the ones next to it."""
    if len(counts) < 3 or counts[0] < _CLIPPED * counts.sum():
        return False
    return bool(counts[0] > 2.0 * counts[1:3].mean())


def _is_blocky(image: Image) -> bool:
    """True if differences across the borders of 8 × 8 blocks are larger than those within.

    Medians of rows and columns, so that particles' edges do not count (Z. Wang, A. C. Bovik and
    B. L. Evans, Proc. ICIP 2000, vol. 3, p. 981, compare the same differences).
    """
    ratios, errors = [], []
    for turned in (image, image.T):
        steps = np.abs(np.diff(turned.astype(np.float64), axis=1))
        most = float(np.quantile(steps, 0.9))
        mean = np.minimum(steps, most).mean(axis=0)
        if len(mean) < 4 * _BLOCK or most <= 0:
            return False
        border = np.arange(len(mean)) % _BLOCK == _BLOCK - 1
        inside = mean[~border]
        ratios.append(float(mean[border].mean() / max(inside.mean(), 1e-30)))
        around = np.abs(np.diff(inside)).mean() / max(inside.mean(), 1e-30)
        errors.append(around / np.sqrt(np.count_nonzero(border)))
    ratio, error = float(np.mean(ratios)), float(np.hypot(*errors)) / 2.0
    return ratio > _BLOCKY and ratio - 1.0 > _BLOCK_SIGMAS * error
