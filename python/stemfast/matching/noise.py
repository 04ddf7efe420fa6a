"""Photon transfer: gain, read noise and black level from the noise of one image.

A detector turns N electrons into g·N + o + r grey levels, r being read noise of variance s². Shot
noise is Poisson, so the variance of a pixel grows linearly with its level m (J. R. Janesick, Photon
Transfer, SPIE 2007, ch. 5):

    v = g·(m − o) + s²

The slope is the gain. The third cumulant is that of the electrons alone, κ₃ = g³ N, for read noise
is symmetric; with it N, and then s² and o, follow from the noise on the film. Levels and noise are
those of the smooth parts, well inside particles and well away from them. Noise is what filters
leave that are blind to planes or, the second one, to cubic surfaces; where the two disagree, there
is more than noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfast.matching.estimate import Estimate, told, untold
from stemfast.matching.grey_levels import GreyLevels
from stemfast.matching.transfer_curve import (
    FEWEST_PX,
    FOURTH,
    INFLATED,
    SECOND,
    Curve,
    filtered,
    grouped,
    transfer_curve,
)

__all__ = ["Noise", "photon_transfer"]

Image = NDArray[np.float64]
Mask = NDArray[np.bool_]

_FEWEST_GROUPS = 3
_LEAST_WHITE = 0.8
_MOST_ERROR, _LEAST_ERROR = 0.25, 0.015
_WIDER = 1.25  # error bars, for structure that looks like noise: from simulated fields
_PARTS = 8  # of the film
_LEAST_ROUNDED = 0.3  # grey²
# Least-squares parabola through five points (A. Savitzky and M. J. E. Golay, Anal. Chem. 36 (1964)
# 1627).
_PARABOLA = np.array([-3.0, 12.0, 17.0, 12.0, -3.0]) / 35.0


@dataclass(frozen=True, eq=False)
class Noise:
    """Noise of an image.

    Attributes
    ----------
    gain : Estimate
        g [grey/e].
    read_noise : Estimate
        s/g [e].
    black_level : Estimate
        o [grey].
    film_variance : float
        Variance of a pixel of the film [grey²], 0 where none is seen.
    film_level : float
        Its mean [grey].
    slope, intercept : float
        Of v = intercept + slope·m; slope 0 where it could not be told [grey, grey²].
    """

    gain: Estimate
    read_noise: Estimate
    black_level: Estimate
    film_variance: float
    film_level: float
    slope: float
    intercept: float

    def variance(self, level: float) -> float:
        """Variance of a pixel of that level [grey²]."""
        return max(self.intercept + self.slope * level, 1e-3 * self.film_variance, 1e-30)

    @property
    def background_variance(self) -> Estimate:
        """Variance of a pixel of the film in electrons, those of the film and of read noise [e]."""
        if self.gain.value is None:
            return untold(self.gain.why_not, "e")
        if self.film_variance <= 0:
            return untold("no film is seen between the particles", "e")
        value = self.film_variance / self.gain.value**2
        return told(value, 2.0 * value * self.gain.spread / self.gain.value, "e")


def photon_transfer(
    image: Image, labels: NDArray[np.int32], blur_px: float, levels: GreyLevels
) -> Noise:
    """Measure gain, read noise and black level.

    Parameters
    ----------
    image : ndarray of float64, shape (rows, columns)
    labels : ndarray of int32, shape (rows, columns)
        0 on the film, above 0 on particles.
    blur_px : float
        Gaussian width of the probe [px].
    levels : GreyLevels
        Of the image.

    Returns
    -------
    Noise

    Examples
    --------
    >>> from stemfast.matching.grey_levels import grey_levels
    >>> rng = np.random.default_rng(1)
    >>> labels = np.zeros((128, 128), np.int32)
    >>> labels[30:90, 30:90] = 1
    >>> image = 50.0 + 3.0 * rng.poisson(np.where(labels, 60.0, 12.0))
    >>> noise = photon_transfer(image, labels, 0.5, grey_levels(np.float32(image)))
    >>> bool(abs(noise.gain.value - 3.0) < 3.0 * noise.gain.error)
    True
    """
    second, fourth = filtered(image, SECOND), filtered(image, FOURTH)
    group, film = grouped(image, labels, blur_px)
    clean = np.zeros(image.shape, bool)
    curve = transfer_curve(image, group, second, clean, levels.rounding)
    spoilt = levels.at_top | (clean if _counts(curve, levels) else levels.at_bottom)
    curve = transfer_curve(image, group, second, spoilt, levels.rounding)
    finer = transfer_curve(image, group, fourth, spoilt, levels.rounding)
    on_film = transfer_curve(image, np.where(film, 1, 0), second, clean, levels.rounding)
    film_level = float(on_film.level[0]) if len(on_film.level) else float(np.median(image))
    film_variance = float(on_film.variance[0]) if len(on_film.level) else 0.0
    why = _why_not(curve, finer, levels)
    if not why:
        intercept, slope, slope_sd = curve.line()
        error = _WIDER * math.hypot(
            max(slope_sd, curve.jackknifed(), _LEAST_ERROR * slope),
            0.5 * (slope - finer.line()[1]),
        )
        if slope <= 0 or error > _MOST_ERROR * slope:
            why = "the noise does not grow with the brightness as that of electrons does"
        elif curve.is_bent():
            why = "the noise does not grow linearly with the brightness: stretched grey levels"
    if why:
        no = (untold(why, "grey/e"), untold(why, "e"), untold(why, "grey"))
        return Noise(*no, film_variance, film_level, 0.0, film_variance)
    gain = told(slope, error, "grey/e")
    read, black = _read_noise(image, film & ~spoilt, gain, levels.rounding)
    return Noise(gain, read, black, film_variance, film_level, slope, intercept)


def _counts(curve: Curve, levels: GreyLevels) -> bool:
    """True if the lowest level is that of no electrons, whose pixels are rightly many."""
    if not levels.clipped or not len(curve.level):
        return False
    if levels.whole and levels.step > 1.0:
        return True  # pulses of equal height
    per_electron = np.maximum(curve.level / max(levels.step, 1e-30), 1e-30)
    return bool(np.median(np.abs(curve.variance / levels.step**2 / per_electron - 1.0)) < 0.2)


def _why_not(curve: Curve, finer: Curve, levels: GreyLevels) -> str:
    """Reason why noise says nothing of the electrons, "" where it does."""
    if levels.blocky:
        return "the image was compressed as JPEG"
    if len(curve.level) < _FEWEST_GROUPS:
        if levels.saturated or levels.clipped:
            return "the image is saturated"
        return "too few pixels are smooth: well inside particles, or away from them"
    if float(np.median(finer.variance / curve.variance)) < _LEAST_WHITE:
        return "the noise is not white: the image was smoothed, resampled or compressed"
    if levels.whole and levels.step >= 1.0 and np.median(curve.variance) < _LEAST_ROUNDED:
        return "the noise is finer than a grey level"
    return ""


def _read_noise(
    image: Image, film: Mask, gain: Estimate, rounding: float
) -> tuple[Estimate, Estimate]:
    """Read noise [e] and black level [grey] from the skewness of the film's noise."""
    from scipy import ndimage

    count = np.count_nonzero(film)
    if count < 50 * FEWEST_PX:
        why = "too little film is seen to tell electrons from electronics"
        return untold(why, "e"), untold(why, "grey")
    rows = ndimage.convolve1d(image, _PARABOLA, axis=0, mode="mirror")
    left = (image - ndimage.convolve1d(rows, _PARABOLA, axis=1, mode="mirror"))[film]
    weights = -np.outer(_PARABOLA, _PARABOLA)
    weights[2, 2] += 1.0
    square, cube = float(np.sum(weights**2)), float(np.sum(weights**3))
    left = left - left.mean()
    variance = max(float(np.mean(left**2)) / square - rounding, 0.0)
    third = float(np.mean(left**3)) / cube
    third_sd = math.sqrt(INFLATED / count) * float(np.std(left**3)) / cube
    # Particles that were not found are skew too, and lie here and there.
    parts = np.array([float(np.mean(part**3)) for part in np.array_split(left, _PARTS)]) / cube
    third_sd = max(third_sd, float(parts.std(ddof=1)) / math.sqrt(_PARTS))
    g = gain.number
    electrons = third / g**3
    share = third_sd / g**3
    # Of a wrong gain, s² = v/g² − κ₃/g³ is off by its derivative.
    slip = abs(2.0 * variance / g**3 - 3.0 * third / g**4) * gain.spread
    square_e, square_sd = variance / g**2 - electrons, math.hypot(share, slip)
    if square_sd > max(0.25 * variance / g**2, 0.25):
        why = "the skewness of the noise is too small to tell electrons from electronics"
        return untold(why, "e"), untold(why, "grey")
    low, high = (math.sqrt(max(square_e + sign * square_sd, 0.0)) for sign in (-1, 1))
    read = told(math.sqrt(max(square_e, 0.0)), 0.5 * (high - low), "e")
    level = float(image[film].mean())
    black = level - g * (variance / g**2 - max(square_e, 0.0))
    # Few electrons a grey level are rounded in a way that is the same in every pixel.
    black_sd = math.hypot(g * square_sd, (level - black) * gain.spread / g, math.sqrt(rounding))
    return read, told(black, black_sd, "grey")
