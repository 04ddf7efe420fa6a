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
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from stemfast.matching.estimate import Estimate, told, untold
from stemfast.matching.grey_levels import GreyLevels

__all__ = ["Noise", "film_mask", "photon_transfer"]

Image = NDArray[np.float64]
Mask = NDArray[np.bool_]

_GROUPS = 8
_FEWEST_PX = 60
_FEWEST_GROUPS = 3
_FILM_SMOOTH_PX, _INSIDE_SMOOTH_PX = 4.0, 2.0
_LEAST_WHITE = 0.8
_MOST_ERROR, _LEAST_ERROR = 0.25, 0.015
_BENT_SIGMAS, _BENT = 4.0, 0.35
_INFLATED = 2.0  # of a filtered pixel's variance: neighbours share noise
_LEAST_ROUNDED = 0.3  # grey²
_WITHIN_3_SD = 0.973336  # of a normal distribution's variance
_LONG_TAILS = 3.1  # a normal distribution's fourth moment is 3
_FEW_OF = 200


def _kernel(*weights: float) -> NDArray[np.float64]:
    k = np.array(weights)
    return k / math.sqrt(float(k @ k))


_SECOND, _FOURTH = _kernel(1.0, -2.0, 1.0), _kernel(1.0, -4.0, 6.0, -4.0, 1.0)
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
        Variance of a pixel of the film [grey²].
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
        value = self.film_variance / self.gain.value**2
        return told(value, 2.0 * value * self.gain.spread / self.gain.value, "e")


def film_mask(labels: NDArray[np.int32], blur_px: float) -> Mask:
    """Pixels of the film, so far from particles that their blur does not reach there.

    Examples
    --------
    >>> labels = np.zeros((32, 32), np.int32)
    >>> labels[12:20, 12:20] = 1
    >>> mask = film_mask(labels, 1.0)
    >>> bool(mask[0, 0]), bool(mask[10, 16])
    (True, False)
    """
    from scipy import ndimage

    if not (labels != 0).any():
        return np.ones(labels.shape, bool)
    away = ndimage.distance_transform_edt(labels == 0)
    return np.asarray(away > 3.0 + 2.5 * blur_px)


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
    second, fourth = _left(image, _SECOND), _left(image, _FOURTH)
    group, film = _grouped(image, labels, blur_px)
    clean = np.zeros(image.shape, bool)
    curve = _curve(image, group, second, clean, levels.rounding)
    spoilt = levels.at_top | (clean if _counts(curve, levels) else levels.at_bottom)
    curve = _curve(image, group, second, spoilt, levels.rounding)
    finer = _curve(image, group, fourth, spoilt, levels.rounding)
    on_film = _curve(image, np.where(film, 1, 0), second, clean, levels.rounding)
    film_level = float(on_film.level[0]) if len(on_film.level) else float(np.median(image))
    film_variance = float(on_film.variance[0]) if len(on_film.level) else float("nan")
    why = _why_not(curve, finer, levels)
    if not why:
        line, other = _line(curve), _line(finer)
        error = math.hypot(
            max(line.slope_sd, _jackknifed(curve), _LEAST_ERROR * line.slope),
            0.5 * (line.slope - other.slope),
        )
        if line.slope <= 0 or error > _MOST_ERROR * line.slope:
            why = "the noise does not grow with the brightness as that of electrons does"
        elif _is_bent(curve):
            why = "the noise does not grow linearly with the brightness: stretched grey levels"
    if why:
        flat = 0.0 if math.isnan(film_variance) else film_variance
        no = untold(why, "grey/e")
        return Noise(no, untold(why, "e"), untold(why, "grey"), flat, film_level, 0.0, flat)
    gain = told(line.slope, error, "grey/e")
    read, black = _read_noise(image, film & ~spoilt, gain, levels.rounding)
    return Noise(gain, read, black, film_variance, film_level, line.slope, line.intercept)


@dataclass(frozen=True, eq=False)
class _Curve:
    """Level, variance and number of pixels of each group."""

    level: NDArray[np.float64]
    variance: NDArray[np.float64]
    count: NDArray[np.float64]

    def without(self, k: int) -> _Curve:
        """All but one group."""
        return _Curve(*(np.delete(one, k) for one in (self.level, self.variance, self.count)))


@dataclass(frozen=True)
class _Line:
    intercept: float
    slope: float
    slope_sd: float


def _left(image: Image, kernel: NDArray[np.float64]) -> Image:
    """The image through a filter of differences; of white noise it keeps the variance."""
    from scipy import ndimage

    rows = ndimage.convolve1d(image, kernel, axis=0, mode="mirror")
    return np.asarray(ndimage.convolve1d(rows, kernel, axis=1, mode="mirror"))


def _grouped(
    image: Image, labels: NDArray[np.int32], blur_px: float
) -> tuple[NDArray[np.int64], Mask]:
    """Groups of pixels of like level, 1 … n, and the film. Edges belong to none."""
    from scipy import ndimage

    film = film_mask(labels, blur_px)
    depth = ndimage.distance_transform_edt(labels != 0)
    inside = depth > 1.0 + 1.5 * blur_px
    group, made = np.zeros(image.shape, np.int64), 0
    for mask, width in ((film, _FILM_SMOOTH_PX), (inside, _INSIDE_SMOOTH_PX)):
        if np.count_nonzero(mask) < _FEWEST_PX:
            continue
        share = ndimage.gaussian_filter(mask.astype(np.float64), width)
        smooth = ndimage.gaussian_filter(np.where(mask, image, 0.0), width)
        level = (smooth / np.maximum(share, 1e-9))[mask]
        # Groups of equally many pixels, and none of so different levels that their noise differs.
        shares = np.linspace(0.0, 1.0, _GROUPS + 1)[1:-1]
        low, high = np.quantile(level, (0.001, 0.999))
        cuts = np.sort([*np.quantile(level, shares), *(low + shares * (high - low))])
        group[mask] = made + 1 + np.searchsorted(cuts, level)
        made += len(cuts) + 1
    return group, film


def _curve(
    image: Image, group: NDArray[np.int64], left: Image, spoilt: Mask, rounding: float
) -> _Curve:
    """The photon transfer curve; groups with clipped pixels or too few are left out.

    Edges that no filter is blind to stand out of the noise. Where it is nearly normal, what is
    beyond three standard deviations does not count.
    """
    order = np.argsort(group, axis=None, kind="stable")
    number = group.ravel()[order]
    starts = np.searchsorted(number, np.arange(1, int(group.max(initial=0)) + 2))
    rows = []
    for first, last in pairwise(starts.tolist()):
        own = order[first:last]
        if len(own) < _FEWEST_PX or np.mean(spoilt.ravel()[own]) > 0.005:
            continue
        variance = _without_edges(left.ravel()[own]) - rounding
        rows.append((float(image.ravel()[own].mean()), max(variance, 1e-12), len(own)))
    return _Curve(*np.array(rows, np.float64).reshape(-1, 3).T)


def _without_edges(left: NDArray[np.float64]) -> float:
    """Mean square within three standard deviations, scaled to that of a normal distribution.

    All of it where the noise itself has so long tails: at fewer than a few electrons.
    """
    square = left * left
    whole = float(square.mean())
    # Electrons that are counted one by one leave most differences at few values.
    few = len(np.unique(left[:_FEW_OF])) < _FEW_OF // 2
    if few and float(np.mean(square * square)) > _LONG_TAILS * whole * whole:
        return whole
    kept = whole
    for _ in range(6):
        kept = float(square[square < 9.0 * kept].mean()) / _WITHIN_3_SD if kept > 0 else 0.0
    return kept


def _counts(curve: _Curve, levels: GreyLevels) -> bool:
    """True if the lowest level is that of no electrons, whose pixels are rightly many."""
    if not levels.clipped or not len(curve.level):
        return False
    if levels.whole and levels.step > 1.0:
        return True  # pulses of equal height
    per_electron = np.maximum(curve.level / max(levels.step, 1e-30), 1e-30)
    return bool(np.median(np.abs(curve.variance / levels.step**2 / per_electron - 1.0)) < 0.2)


def _jackknifed(curve: _Curve) -> float:
    """Standard error of the slope from leaving out one group after the other."""
    n = len(curve.level)
    slopes = np.array([_line(curve.without(k)).slope for k in range(n)])
    return float(np.sqrt((n - 1) / n * np.sum((slopes - slopes.mean()) ** 2)))


def _why_not(curve: _Curve, finer: _Curve, levels: GreyLevels) -> str:
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


def _line(curve: _Curve) -> _Line:
    """Weighted least squares of v = a + g·m; errors grow with the misfit."""
    coefficients, errors, centre, scale, size = _polynomial(curve, 1)
    slope = coefficients[1] * size / scale
    return _Line(
        float(coefficients[0] * size - slope * centre),
        float(slope),
        float(errors[1] * size / scale),
    )


def _is_bent(curve: _Curve) -> bool:
    """True if the curve is clearly not a line."""
    if len(curve.level) < _FEWEST_GROUPS + 2:
        return False
    coefficients, errors, *_ = _polynomial(curve, 2)
    bend = abs(coefficients[2])
    return bool(bend > _BENT_SIGMAS * errors[2] and bend > _BENT * abs(coefficients[1]))


def _polynomial(
    curve: _Curve, degree: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], float, float, float]:
    """Coefficients and errors in units of the curve, and its centre, width and height."""
    centre, scale = float(curve.level.mean()), max(float(np.ptp(curve.level)), 1e-12)
    size = float(curve.variance.mean())
    powers = np.vander((curve.level - centre) / scale, degree + 1, increasing=True)
    seen = curve.variance / size
    model = seen
    for _ in range(8):
        weight = curve.count / (2.0 * _INFLATED * np.maximum(model, 0.02) ** 2)
        inverse = np.linalg.pinv(powers.T @ (powers * weight[:, None]))
        coefficients = inverse @ (powers.T @ (weight * seen))
        model = powers @ coefficients
    freedom = max(len(seen) - degree - 1, 1)
    misfit = max(float(weight @ (seen - model) ** 2) / freedom, 1.0)
    return coefficients, np.sqrt(np.diag(inverse) * misfit), centre, scale, size


def _read_noise(
    image: Image, film: Mask, gain: Estimate, rounding: float
) -> tuple[Estimate, Estimate]:
    """Read noise [e] and black level [grey] from the skewness of the film's noise."""
    from scipy import ndimage

    count = np.count_nonzero(film)
    if count < 50 * _FEWEST_PX:
        why = "too little film is seen to tell electrons from electronics"
        return untold(why, "e"), untold(why, "grey")
    rows = ndimage.convolve1d(image, _PARABOLA, axis=0, mode="mirror")
    left = (image - ndimage.convolve1d(rows, _PARABOLA, axis=1, mode="mirror"))[film]
    weights = -np.outer(_PARABOLA, _PARABOLA)
    weights[2, 2] += 1.0
    square, cube = float(np.sum(weights**2)), float(np.sum(weights**3))
    left = left - left.mean()
    variance = max(float(np.mean(left**2)) / square - rounding, 0.0)
    third, third_sd = float(np.mean(left**3)) / cube, float(np.std(left**3)) / cube
    g = gain.number
    electrons = third / g**3
    share = math.sqrt(_INFLATED) * third_sd / (g**3 * math.sqrt(count))
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
