"""A particle of a micrograph as if it had been imaged alone, in the field a network learnt from.

Networks of ``stemfast train`` read whole simulated images: one particle in a field of so many nm,
white noise in every pixel. A particle of a micrograph reaches them in such a field, at its true
size, even where the micrograph's pixels are larger. Enlarging an image leaves it without noise of
the finest scales, which no microscope does and no network has seen; `views` puts that noise back.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from stemfast.framing import resample
from stemfast.micrograph.crop import FILL_SEED, far_from, padded_window
from stemfast.micrograph.files.error import MicrographError
from stemfast.micrograph.files.read import Micrograph, checked_image
from stemfast.micrograph.find import FoundParticle, FoundParticles
from stemfast.noise import measure_noise, missing_noise

__all__ = ["electrons_nm2", "views", "widths_nm"]

Image = npt.NDArray[np.float64]

_FEWEST_PX = 30
# Widths over which the film's level is averaged: the narrowest that holds enough film counts.
_LEVEL_PX = (2.0, 4.0, 8.0, 16.0)
_RIM_PX = 1
_CUT_BLUR_PX = 0.8


def electrons_nm2(
    image: Micrograph | npt.ArrayLike, found: FoundParticles
) -> npt.NDArray[np.float64]:
    """Electrons per area that make each particle as noisy as it is [1/nm²], shape (n,).

    The square of the signal-to-noise ratio of its median pixel, over the pixel's area; infinite
    without noise. Of an image whose noise is that of the electrons alone, it is their number.

    Examples
    --------
    >>> from stemfast.micrograph import find_particles
    >>> rows, cols = np.indices((90, 90))
    >>> dose = 100.0 * (np.hypot(rows - 45, cols - 45) < 20)
    >>> image = np.random.default_rng(0).poisson(dose) * 7.0
    >>> found = find_particles(image, pixel_size_nm=0.5)
    >>> bool(abs(electrons_nm2(image, found)[0] / 400.0 - 1) < 0.2)
    True
    """
    pixels = image.image if isinstance(image, Micrograph) else checked_image(image)
    signal = pixels.astype(np.float64) - found.background
    noise = measure_noise(signal, found.labels)
    heights = np.array([np.median(signal[found.labels == particle.label]) for particle in found])
    with np.errstate(divide="ignore"):
        ratio = np.maximum(heights, 0.0) / noise.deviation(heights)
    return np.asarray((ratio / found.pixel_size_nm) ** 2)


def widths_nm(
    found: Sequence[FoundParticle],
    *,
    field_nm: float,
    diameters_nm: tuple[float, float],
    least_nm2: float = 0.0,
    electrons_nm2: npt.ArrayLike = np.inf,
) -> npt.NDArray[np.float64]:
    """Width of the field that each particle is shown in [nm].

    It is `field_nm`, for the particle's true size, unless the particle is larger or smaller than
    all that the network learnt from; then the field grows or shrinks until it is not. It grows as
    well for a particle that is noisier than all of these, until so many electrons share a pixel
    of the view as in the dimmest of them, or the particle is as small as the smallest.

    Parameters
    ----------
    found : sequence of FoundParticle, length n
    field_nm : float
        Width of the field that the network learnt from [nm].
    diameters_nm : (float, float)
        Smallest and largest diameter that it learnt from [nm].
    least_nm2 : float
        Fewest electrons per area that it learnt from [1/nm²].
    electrons_nm2 : array_like, shape (n,)
        Those of the particles, see `electrons_nm2`.

    Returns
    -------
    ndarray of float64, shape (n,)

    Examples
    --------
    >>> labels = np.ones((50, 50), np.int32)
    >>> large = FoundParticle(1, (0, 0, 50, 50), 1.0, True, labels)
    >>> widths_nm([large], field_nm=64.0, diameters_nm=(5.0, 28.0)).round()
    array([129.])
    """
    low, high = diameters_nm
    if not (0.0 < low <= high < field_nm):
        raise MicrographError(
            f"diameters_nm, field_nm: got {diameters_nm}, {field_nm!r}, expected diameters in "
            "ascending order, smaller than the field"
        )
    sizes = np.array([particle.equivalent_diameter_nm for particle in found])
    own = np.maximum(np.broadcast_to(np.asarray(electrons_nm2, np.float64), sizes.shape), 1e-12)
    wanted = sizes / np.maximum(np.sqrt(least_nm2 / own), 1.0)
    return np.asarray(field_nm * sizes / np.clip(wanted, low, high))


def views(
    image: Micrograph | npt.ArrayLike,
    found: FoundParticles,
    *,
    size: int,
    field_nm: float | Sequence[float] | Image,
) -> npt.NDArray[np.float32]:
    """Show every particle alone in the middle of a square field.

    The film's level, as it is around each particle, is subtracted. Other particles, with a rim of
    2 px up to half way to this one, and what lies beyond the image's edge are replaced by pixels
    of the film drawn at random. The field is resampled by cubic splines, after a Gaussian against
    aliasing where it shrinks. Where it is enlarged, it has no noise finer than the micrograph's
    pixels; white noise of those frequencies alone is added, as strong as the micrograph's own is
    at the others, so that the view is that of a finer scan with the same electrons per area.

    Parameters
    ----------
    image : Micrograph or array_like, shape (rows, columns)
        The image in which `found` was found.
    found : FoundParticles, length n
    size : int
        Side of the views [px].
    field_nm : float or sequence of float, length n
        Width of the field [nm], for all or for each.

    Returns
    -------
    ndarray of float32, shape (n, size, size)
        Intensity above the film.

    Raises
    ------
    MicrographError
        An image of another shape than the one searched, or arguments out of range.

    Examples
    --------
    >>> from stemfast.micrograph import find_particles
    >>> rows, cols = np.indices((64, 64))
    >>> image = 10.0 + 40.0 * (np.hypot(rows - 20, cols - 30) < 9)
    >>> seen = views(image, find_particles(image, pixel_size_nm=0.5), size=80, field_nm=40.0)
    >>> seen.shape, round(float(seen[0, 0, 0])), round(float(seen[0, 40, 40]))
    ((1, 80, 80), 0, 40)
    """
    pixels = image.image if isinstance(image, Micrograph) else checked_image(image)
    if pixels.shape != found.labels.shape:
        raise MicrographError(
            f"image: shape {pixels.shape}, expected {found.labels.shape}, in which the particles "
            "were found"
        )
    if isinstance(size, bool) or not hasattr(size, "__index__") or size < 8:
        raise MicrographError(f"size: got {size!r}, expected a whole number of at least 8 px")
    widths = np.broadcast_to(np.asarray(field_nm, np.float64), (len(found),))
    if not np.all(np.isfinite(widths) & (widths > 0)):
        raise MicrographError(f"field_nm: got {field_nm!r}, expected positive numbers of nm")
    signal = pixels.astype(np.float64) - found.background
    noise = measure_noise(signal, found.labels)
    film = far_from(found.labels != 0, _RIM_PX)
    if np.count_nonzero(film) < _FEWEST_PX:
        film = found.labels == 0
    signal = signal - _level(signal, film)
    deviations = signal[film] if film.any() else np.zeros(1)
    result = np.empty((len(found), size, size), dtype=np.float32)
    for n, (particle, width) in enumerate(zip(found, widths, strict=True)):
        side = float(width) / found.pixel_size_nm
        alone, centre = _alone(signal, deviations, particle, side)
        view = resample(alone, centre, side, size, order=3)
        result[n] = view + missing_noise(view, side / size, noise, particle.label)
    return result


def _level(signal: Image, film: npt.NDArray[np.bool_]) -> Image:
    """Level of the film everywhere, under the particles from around them.

    Around particles, above all between them, it is higher by the tails of the probe and by what
    grew on them, of which the networks have seen nothing.
    """
    from scipy import ndimage

    if not film.any():
        return np.zeros_like(signal)
    level = np.full(signal.shape, float(np.median(signal[film])))
    for width in reversed(_LEVEL_PX):
        share = ndimage.gaussian_filter(film.astype(np.float64), width, mode="constant")
        total = ndimage.gaussian_filter(np.where(film, signal, 0.0), width, mode="constant")
        trust = share / (share + 0.01)
        level = trust * total / np.maximum(share, 1e-12) + (1.0 - trust) * level
    return level


def _alone(
    signal: Image, deviations: Image, particle: FoundParticle, side: float
) -> tuple[Image, tuple[float, float]]:
    """A window around a particle without the others, and the particle's middle in it."""
    from scipy import ndimage

    centre = (
        0.5 * (particle.bbox[0] + particle.bbox[2] - 1),
        0.5 * (particle.bbox[1] + particle.bbox[3] - 1),
    )
    window, labels, first = padded_window(signal, particle, centre, side)
    replace = (labels != 0) & (labels != particle.label)
    if replace.any():
        draw = np.random.default_rng([FILL_SEED, particle.label])
        window = np.where(replace, draw.choice(deviations, size=window.shape), window)
        # A step between two pixels is something no probe draws, and splines overshoot at it.
        own = labels == particle.label
        seam = (replace & ~far_from(own, 2)) | (~own & ~replace & ~far_from(replace, 1))
        window = np.where(seam, ndimage.gaussian_filter(window, _CUT_BLUR_PX), window)
    return window, (centre[0] - first[0], centre[1] - first[1])
