"""Noise of single pixels: measured in an image, and made anew where enlarging left none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Noise", "measure_noise", "missing_noise"]

Image = npt.NDArray[np.float64]

_SEED = 20_240_607
_FEWEST_PX = 30
# Second differences along rows and columns: blind to planes and, nearly, to smooth hills
# (J. Immerkær, Comput. Vis. Image Underst. 64 (1996) 300).
_DIFFERENCE = np.array([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]]) / 6.0
# A quarter of a normal distribution lies within this many standard deviations. On particles the
# quarter of the flattest pixels, rather than half, keeps the edges of small ones out.
_QUARTER = 0.318639


@dataclass(frozen=True)
class Noise:
    """Variance of a pixel's noise, linear in its intensity above the film.

    Attributes
    ----------
    film : float
        On the film.
    slope : float
        Increase for one unit of intensity.
    """

    film: float
    slope: float

    def deviation(self, above_film: npt.ArrayLike) -> Image:
        """Standard deviation where the image is so much brighter than the film."""
        above = np.maximum(np.asarray(above_film, np.float64), 0.0)
        return np.asarray(np.sqrt(self.film + self.slope * above))


def measure_noise(signal: Image, labels: npt.NDArray[np.int32]) -> Noise:
    """Estimate the noise of single pixels on the film and on the particles.

    Parameters
    ----------
    signal : ndarray, shape (rows, columns)
        Intensity above the film.
    labels : ndarray of int32, shape (rows, columns)
        0 on the film, above 0 on particles.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels = np.zeros((200, 200), np.int32)
    >>> labels[50:150, 50:150] = 1
    >>> signal = 75.0 * labels + rng.normal(0.0, np.where(labels, 10.0, 5.0))
    >>> noise = measure_noise(signal, labels)
    >>> noise.deviation([0.0, 75.0]).round()
    array([ 5., 10.])
    """
    from scipy import ndimage

    rough = np.abs(ndimage.convolve(signal, _DIFFERENCE, mode="nearest"))
    film = ~ndimage.binary_dilation(labels != 0, iterations=2)
    inside = ndimage.binary_erosion(labels > 0)
    if np.count_nonzero(film) < _FEWEST_PX:
        film = labels == 0
    # Of the few counts of a film at a low dose, most differences are 0: their mean square it is.
    low = float(np.mean(rough[film] ** 2)) if film.any() else 0.0
    if np.count_nonzero(inside) < _FEWEST_PX:
        return Noise(low, 0.0)
    height = float(np.median(signal[inside]))
    rise = _variance(rough[inside]) - low
    return Noise(low, max(rise / height, 0.0) if height > 0 else 0.0)


def _variance(differences: Image) -> float:
    return (float(np.quantile(differences, 0.25)) / _QUARTER) ** 2


def missing_noise(image: Image, step: float, noise: Noise, key: int = 0) -> Image:
    """Noise of the frequencies that an enlarged image lacks.

    Interpolated pixels have no noise finer than the pixels that they came from. White noise of the
    finer frequencies alone, as strong as the image's own is at the others, makes them those of a
    finer scan with the same electrons per area.

    Parameters
    ----------
    image : ndarray, shape (rows, columns)
        Enlarged, intensity above the film.
    step : float
        Width of its pixels in units of those before; nothing is missing from 1 on.
    noise : Noise
        Of the pixels before.
    key : int
        Another key, other noise.

    Examples
    --------
    >>> wide = missing_noise(np.zeros((64, 64)), 0.5, Noise(4.0, 0.0))
    >>> round(float(wide.std()), 1)  # of 2 / 0.5 = 4, the three quarters that were missing
    3.5
    """
    if step >= 1.0:
        return np.zeros_like(image)
    draw = np.random.default_rng([_SEED, key, 1])
    # White noise has the same power in an area however many pixels share it.
    white = noise.deviation(image) / step * draw.standard_normal(image.shape)
    spectrum = np.fft.rfft2(white)
    rows = np.abs(np.fft.fftfreq(image.shape[0]))[:, np.newaxis]
    spectrum[np.maximum(rows, np.fft.rfftfreq(image.shape[1])) < 0.5 * step] = 0.0
    result: Image = np.fft.irfft2(spectrum, image.shape)
    return result
