"""The film under the particles: its level, its slow variation and its noise."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from stemfast.image.brightness import grain, otsu_threshold
from stemfast.image.median import median

Image = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

NOISE_SIGMAS, _FAINTEST = 5.0, 0.02
_MAD_TO_SIGMA = 1.4826
_CLIP_SIGMA = 4.0
_MAX_ROUNDS = 30
_FIT_PIXELS = 30_000
_SETTLED = 3e-4
_SMOOTHINGS_PX = (0.7, 1.0, 1.5, 2.0, 3.0)
_NOISE_ON_PARTICLE = 0.03


@dataclass(frozen=True, eq=False)
class AboveFilm:
    """An image above the film.

    Attributes
    ----------
    signal : ndarray of float64, shape (rows, columns)
        Smoothed intensity above the film.
    mask : ndarray of bool, shape (rows, columns)
        Where that is five standard deviations of the film, and 2 % of the brightest.
    background : ndarray of float64, shape (rows, columns)
        The film's intensity.
    noise, pixel_noise : float
        Standard deviation of the smoothed film, and of one pixel before smoothing.
    smoothing_px : float
        Gaussian width of the smoothing [px].
    """

    signal: Image = field(repr=False)
    mask: Mask = field(repr=False)
    background: Image = field(repr=False)
    noise: float
    pixel_noise: float
    smoothing_px: float


def above_film(image: Image, smoothing_px: float | None = None, degree: int = 2) -> AboveFilm:
    """Take the film off an image, and a threshold of what is left: the first step of finding.

    Parameters
    ----------
    image : ndarray of float64, shape (rows, columns)
    smoothing_px : float, optional
        As for `find_particles`.
    degree : int
        Of the film's polynomial.

    Examples
    --------
    >>> import numpy as np
    >>> rows, cols = np.indices((64, 64))
    >>> disc = np.hypot(rows - 20, cols - 30) < 9
    >>> bool((above_film(10.0 + 40.0 * disc).mask >= disc).all())
    True
    """
    from scipy import ndimage

    automatic, pixel_noise = choose_smoothing(image)
    width = automatic if smoothing_px is None else float(smoothing_px)
    smooth = ndimage.gaussian_filter(image, width) if width > 0 else image
    background, noise = estimate_background(smooth, degree=degree)
    signal = smooth - background
    mask = signal > max(NOISE_SIGMAS * noise, _FAINTEST * float(signal.max()))
    return AboveFilm(signal, mask, background, noise, pixel_noise, width)


def estimate_background(image: Image, *, degree: int = 2) -> tuple[Image, float]:
    """Fit a low-order polynomial to the pixels without particles.

    Otsu's threshold makes the first guess of those pixels; then fit and clipping at four
    standard deviations alternate until the set of pixels stays. Works while the particles
    cover less than about three quarters of the image.

    Parameters
    ----------
    image : ndarray of float64, shape (rows, columns)
        Intensity, usually smoothed a little.
    degree : int
        Degree of the polynomial in row and column: 0 a level, 1 a wedge, 2 a bowl.

    Returns
    -------
    background : ndarray of float64, shape (rows, columns)
        The fitted polynomial.
    noise : float
        Standard deviation of the background pixels about it, from their median absolute
        deviation.

    References
    ----------
    N. Otsu, IEEE Trans. Syst. Man Cybern. 9 (1979) 62-66.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.full((32, 32), 5.0)
    >>> image[10:20, 12:20] = 50.0
    >>> background, noise = estimate_background(image, degree=0)
    >>> float(background[0, 0]), noise
    (5.0, 0.0)
    """
    step = max(1, math.isqrt(image.size // _FIT_PIXELS))
    sample = image[::step, ::step]
    rows, cols = (_powers(n, degree) for n in image.shape)
    sample_rows, sample_cols = rows[::step], cols[::step]
    empty = sample <= otsu_threshold(sample)
    span = float(sample.max() - sample.min())
    for _ in range(_MAX_ROUNDS):
        coefficients = _fit(sample, sample_rows, sample_cols, empty)
        residual = sample - sample_rows @ coefficients @ sample_cols.T
        noise = _MAD_TO_SIGMA * median(np.abs(residual[empty]))
        still_empty = np.abs(residual) <= max(_CLIP_SIGMA * noise, 1e-9 * span)
        changed = int(np.count_nonzero(still_empty != empty))
        if changed <= _SETTLED * sample.size or not still_empty.any():
            break
        empty = still_empty
    background: Image = rows @ coefficients @ cols.T
    return background, noise


def choose_smoothing(image: Image) -> tuple[float, float]:
    """Gaussian width that brings the noise on the particles below 3 % of their contrast.

    Returns
    -------
    width : float
        Standard deviation of the Gaussian [px].
    noise : float
        Standard deviation of one pixel on the particles, before smoothing.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.add.outer(np.arange(16.0), np.arange(16.0))
    >>> choose_smoothing(image)
    (0.7, 0.0)
    """
    noise, contrast = grain(image, otsu_threshold(image))
    for width in _SMOOTHINGS_PX:
        # White noise smoothed by a Gaussian of width w shrinks by 1 / (2 sqrt(pi) w).
        if noise / (2.0 * math.sqrt(math.pi) * width) <= _NOISE_ON_PARTICLE * contrast:
            return width, noise
    return _SMOOTHINGS_PX[-1], noise


def _powers(n: int, degree: int) -> Image:
    """Powers 0 ... `degree` of n positions from -1 to 1, shape (n, degree + 1)."""
    return np.vander(np.linspace(-1.0, 1.0, n), degree + 1, increasing=True)


def _fit(image: Image, rows: Image, cols: Image, use: Mask) -> Image:
    """Coefficients of row**i column**j, i + j up to the degree, as a matrix [i, j]."""
    coefficients = np.zeros((rows.shape[1], cols.shape[1]))
    if coefficients.size == 1:
        coefficients[0, 0] = np.median(image[use])
        return coefficients
    at_row, at_col = np.nonzero(use)
    i, j = np.nonzero(
        np.add.outer(np.arange(len(coefficients)), np.arange(len(coefficients))) < len(coefficients)
    )
    design = rows[at_row][:, i] * cols[at_col][:, j]
    # The normal equations: positions lie in -1 ... 1 and the degree is low, so they are sound.
    coefficients[i, j] = np.linalg.lstsq(design.T @ design, design.T @ image[use], rcond=None)[0]
    return coefficients
