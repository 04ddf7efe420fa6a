"""Film and support around the particles: level, gradient, roughness and how far it reaches.

The thickness of a film is a random field of power ∝ (1 + q²ξ²)^−(1+H); its covariance falls to 1/e
at about ξ, and its structure function grows as r^2H at distances r ≪ ξ (G. Palasantzas, Phys. Rev.
B 48 (1993) 14472). Covariances are those between pixels that lie outside of particles, by Fourier
transforms of the image and of the mask. White noise adds to distance 0 alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfast.matching.estimate import Estimate, told, untold

__all__ = ["Background", "background"]

Image = NDArray[np.float64]
Mask = NDArray[np.bool_]

_FEWEST_PX = 400
_MOST_LAG = 96
_FEWEST_LAGS = 4
_CLEAR = 3.0
_HIDDEN = 0.2  # of the structure
_MOST_ERROR = 0.15  # of the level
_NO_FILM = "no film is seen between the particles"


@dataclass(frozen=True)
class Background:
    """Background of an image, lengths in px.

    Attributes
    ----------
    level : Estimate
        Mean [grey].
    gradient : Estimate
        Change from one side of the image to the other along its steepest direction [grey].
    roughness : Estimate
        Standard deviation of its structure, noise and gradient not counted [grey].
    correlation : Estimate
        Distance at which the covariance of the structure is 1/e of its variance [px].
    hurst : Estimate
        H.
    """

    level: Estimate
    gradient: Estimate
    roughness: Estimate
    correlation: Estimate
    hurst: Estimate


def background(image: Image, film: Mask, blur_px: float) -> Background:
    """Measure the background of an image.

    Parameters
    ----------
    image : ndarray of float64, shape (rows, columns)
    film : ndarray of bool, shape (rows, columns)
        Where there is no particle.
    blur_px : float
        Gaussian width of the probe [px], below which the structure is smooth.

    Returns
    -------
    Background

    Examples
    --------
    >>> rows, cols = np.indices((64, 64))
    >>> image = np.random.default_rng(1).poisson(20.0 + 0.25 * cols).astype(float)
    >>> seen = background(image, np.ones((64, 64), bool), 0.5)
    >>> bool(abs(seen.gradient.value - 16.0) < 3.0 * seen.gradient.error)
    True
    """
    count = int(np.count_nonzero(film))
    if count < _FEWEST_PX:
        no = untold(_NO_FILM, "grey")
        return Background(no, no, no, untold(_NO_FILM, "px"), untold(_NO_FILM))
    plane, slopes, slope_sd = _plane(image, film)
    left = np.where(film, image - plane, 0.0)
    noise = float(np.std(left[film]))
    level = float(image[film].mean())
    roughness, correlation, hurst = _texture(left, film, noise, blur_px)
    # Particles that were not found, and the tails of those that were, belong to the structure.
    error = math.hypot(
        noise / math.sqrt(count),
        0.5 * (level - _trimmed(image[film])),
        _HIDDEN * (roughness.value or 0.0),
    )
    change = np.array(slopes) * np.array(image.shape)
    reach = math.hypot(*change.tolist())
    gradient = told(reach, slope_sd * max(image.shape), "grey")
    return Background(_known(told(level, error, "grey")), gradient, roughness, correlation, hurst)


def _known(level: Estimate) -> Estimate:
    """The level of the background, if what hides in it leaves it known well enough."""
    if level.spread <= _MOST_ERROR * abs(level.number):
        return level
    return untold(f"particles that were not found hide in it: about {level}", level.unit)


def _trimmed(values: NDArray[np.float64]) -> float:
    """Mean of all but the highest and lowest hundredth."""
    low, high = np.quantile(values, (0.01, 0.99))
    return float(values[(values >= low) & (values <= high)].mean())


def _plane(image: Image, film: Mask) -> tuple[Image, tuple[float, float], float]:
    """Plane through the film, its slopes by row and column, and their error [grey/px]."""
    rows, cols = image.shape
    y = np.arange(rows)[:, None] - 0.5 * (rows - 1)
    x = np.arange(cols)[None, :] - 0.5 * (cols - 1)
    ones = np.ones(image.shape)
    table = np.stack([ones[film], (y * ones)[film], (x * ones)[film]], axis=1)
    inverse = np.linalg.pinv(table.T @ table)
    fit = inverse @ (table.T @ image[film])
    # Structure is alike over some distance: errors from blocks rather than from pixels.
    plane = fit[0] + fit[1] * y + fit[2] * x
    left = np.where(film, image - plane, 0.0)
    blocks = [part.sum() for half in np.array_split(left, 6) for part in np.array_split(half, 6, 1)]
    sums = np.array(blocks)
    variance = float(sums @ sums) / np.count_nonzero(film)
    error = math.sqrt(max(float(inverse[1, 1]), float(inverse[2, 2])) * variance)
    return plane, (float(fit[1]), float(fit[2])), error


def _texture(
    left: Image, film: Mask, spread: float, blur_px: float
) -> tuple[Estimate, Estimate, Estimate]:
    """Roughness, correlation length and Hurst exponent."""
    covariance, pairs = _covariance(left, film)
    first = max(1, round(1.5 * blur_px))
    if len(covariance) < first + _FEWEST_LAGS:
        why = "the image is too small"
        return untold(why, "grey"), untold(why, "px"), untold(why)
    error = spread**2 / math.sqrt(max(float(pairs[first]), 1.0)) + 1e-30
    near = covariance[first : first + 3]
    # Straight on to distance 0, where white noise adds to it.
    variance = float(near[0] + first * max(float(near[0] - near[2]) / 2.0, 0.0))
    if variance < _CLEAR * error:
        most = math.sqrt(max(variance, 0.0) + error)
        why = "the background has no structure above its noise"
        return told(0.0, most, "grey"), untold(why, "px"), untold(why)
    rough = math.sqrt(variance)
    below = np.flatnonzero(covariance < variance / math.e)
    below = below[below >= first]
    if not len(below):
        why = "the structure reaches farther than a quarter of the image"
        return told(rough, 0.1 * rough, "grey"), untold(why, "px"), untold(why)
    k = int(below[0])
    at, before = float(covariance[k]), float(covariance[k - 1]) if k > first else variance
    length = k - (variance / math.e - at) / max(before - at, 1e-30) * (1 if k > first else k)
    # A patch of structure fits so often into the film.
    patches = max(float(np.count_nonzero(film)) / (math.pi * length**2), 1.0)
    share = math.hypot(1.0 / math.sqrt(patches), error / variance, 0.05)
    return (
        told(rough, 0.5 * share * rough, "grey"),
        told(length, max(share * length, 0.5), "px"),
        _hurst(covariance, variance, first, length, share),
    )


def _hurst(
    covariance: NDArray[np.float64], variance: float, first: int, length: float, share: float
) -> Estimate:
    """H from the growth of the structure function between the blur and the correlation length."""
    last = int(0.7 * length)
    if last - first < _FEWEST_LAGS:
        return untold("the structure is hardly wider than the probe")
    lags = np.arange(first, last + 1)
    grown = 2.0 * (variance - covariance[lags])
    lags, grown = lags[grown > 0], grown[grown > 0]
    if len(lags) < _FEWEST_LAGS:
        return untold("the structure is hidden by noise")
    slope, _ = np.polyfit(np.log(lags), np.log(grown), 1)
    if not 0.1 <= 0.5 * slope <= 1.0:
        return untold("the structure is not that of a rough film")
    return told(0.5 * float(slope), math.hypot(0.15, share))


def _covariance(left: Image, film: Mask) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Covariance of the film against the distance, 0, 1, … px, and the pairs of each."""
    rows, cols = left.shape
    most = min(_MOST_LAG, min(rows, cols) // 4)
    shape = tuple(n + most for n in left.shape)
    seen = np.abs(np.fft.rfft2(left, shape)) ** 2
    mask = np.abs(np.fft.rfft2(film.astype(np.float64), shape)) ** 2
    product, pairs = np.fft.irfft2(seen, shape), np.fft.irfft2(mask, shape)
    axis = [np.fft.fftfreq(n, 1.0 / n) for n in shape]
    lag = np.rint(np.hypot(axis[0][:, None], axis[1][None, :])).astype(np.int64)
    use = (lag <= most) & (pairs > 0.5)
    total = np.bincount(lag[use], product[use], minlength=most + 1)
    number = np.bincount(lag[use], pairs[use], minlength=most + 1)
    return np.asarray(total / np.maximum(number, 1.0)), np.asarray(0.5 * number, np.float64)
