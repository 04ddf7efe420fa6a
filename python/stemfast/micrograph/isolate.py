"""The particle and the film around it: where the one ends and what the other is like.

The film is a plane fitted to what lies clear of everything bright. Its noise is measured on the
film itself after the same smoothing, so that roughness counts as well as shot noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.image.brightness import otsu_threshold
from stemfast.image.clipped_plane import clipped_plane
from stemfast.image.distances import distance_to
from stemfast.image.extent import extent
from stemfast.image.median import median
from stemfast.micrograph.background import choose_smoothing, estimate_background
from stemfast.micrograph.files.feature_error import FeatureError
from stemfast.micrograph.find import FoundParticle, FoundParticles

__all__ = ["Isolated", "checked_image", "isolate", "isolate_found", "isolate_label"]

Image = NDArray[np.float64]
Mask = NDArray[np.bool_]

_MIN_SIDE_PX = 16
_MIN_AREA_PX = 12
_DETECTION = 5.0  # standard deviations of the smoothed film
_LEVEL_NOISE = 3.5
_LEVEL_SHARE = 0.06  # of the particle's bright parts
_CLEAR_PX = 3
_STRIDE = 2
_MARGIN_PX = 8
_MIN_FILM_PX = 40
_MAD_TO_SIGMA = 1.4826
_SATURATED_SHARE = 0.001
_STANDS_OUT = 2.0
_RIM_SHARE = 0.15
_LEAST_SMOOTHING_PX, _MOST_SMOOTHING = 0.7, 0.12
_SHARES = (_LEVEL_SHARE, 0.12, 0.2, 0.3, 0.45)
_SMALL_PX, _SMALL_FIRST = 10.0, 3
_CLIP_ROUNDS, _ENOUGH_PX = 3, 1500
_FINDER_SHARE, _LEAST_HALO, _HALO_PX = 0.2, 0.02, (1.5, 2.5)
# How far a particle may reach beyond its label, and how much of its surroundings may be as bright.
_BEYOND_PX, _BEYOND_SHARE, _MOST_LEAKS = 4.0, 0.05, 0.05


@dataclass(frozen=True, eq=False)
class Isolated:
    """One particle cut out of an image, the film taken off.

    Attributes
    ----------
    signal : ndarray of float64, shape (h, w)
        Intensity above the film in the particle's window; other particles' pixels are 0.
    smooth : ndarray of float64, shape (h, w)
        The same, smoothed.
    mask : ndarray of bool, shape (h, w)
        The particle: smoothed intensity above `level`.
    film : ndarray of float64, shape (h, w)
        The film's intensity under it, in the image's units.
    first : (int, int)
        Row and column of the window's first pixel in the image.
    level : float
        Intensity above the film at which the outline is drawn first.
    bright : float
        95th percentile of the smoothed particle.
    film_noise, level_noise, pixel_noise : float
        Standard deviation of the smoothed film, of the smoothed image where it crosses `level`,
        and of one pixel on the particle before smoothing.
    smoothing_px : float
        Gaussian width of the smoothing [px].
    flags : tuple of str
        What is doubtful.
    foreign : ndarray of bool, shape (h, w)
        Pixels that belong to other particles, or nearer to them.
    own : ndarray of bool, shape (h, w)
        The pixels of its label; where there was none, what a finder would have labelled.
    """

    signal: Image
    smooth: Image
    mask: Mask
    film: Image
    first: tuple[int, int]
    level: float
    bright: float
    film_noise: float
    level_noise: float
    pixel_noise: float
    smoothing_px: float
    flags: tuple[str, ...]
    foreign: Mask
    own: Mask


def checked_image(image: ArrayLike) -> Image:
    """Return the image as float64, or refuse it.

    Raises
    ------
    FeatureError
        If it is not a finite, real, two-dimensional image of at least 16 px a side that shows
        anything at all.

    Examples
    --------
    >>> checked_image(np.eye(16)).dtype
    dtype('float64')
    """
    pixels = np.asarray(image)
    if pixels.dtype.kind not in "uif":
        raise FeatureError(f"image: got dtype {pixels.dtype}, expected whole or real numbers")
    if pixels.ndim != 2 or min(pixels.shape) < _MIN_SIDE_PX:
        raise FeatureError(
            f"image: got shape {pixels.shape}, expected (rows, columns) of at least "
            f"{_MIN_SIDE_PX} px each"
        )
    values = pixels.astype(np.float64)
    if not np.isfinite(values).all():
        raise FeatureError("image: holds NaN or infinity, expected finite numbers")
    if values.min() == values.max():
        raise FeatureError(f"image: every pixel is {values[0, 0]:g}, there is nothing to describe")
    return values


def isolate(image: ArrayLike) -> Isolated:
    """Find the particle of an image and take the film off.

    Of several particles the largest is taken, the more central one of two equally large, and the
    result is flagged "several particles".

    Parameters
    ----------
    image : array_like, shape (rows, columns)
        A bright particle on a darker film.

    Returns
    -------
    Isolated

    Raises
    ------
    FeatureError
        If the image is not one, or shows no particle.

    Examples
    --------
    >>> rows, cols = np.indices((64, 64))
    >>> found = isolate(10.0 + 40.0 * (np.hypot(rows - 20, cols - 30) < 9))
    >>> found.first, round(float(found.film.mean())), found.flags
    ((3, 13), 10, ())
    """
    from scipy import ndimage

    values = checked_image(image)
    width, pixel_noise = choose_smoothing(values)
    smooth = ndimage.gaussian_filter(values, width)
    film, film_noise = _film(smooth)
    above = smooth - film
    level, bright = _level(above, film_noise)
    labels, count = ndimage.label(above > level, structure=np.ones((3, 3)))
    label, others = _choose(labels, count, above, _DETECTION * film_noise)
    mask = ndimage.binary_fill_holes(labels == label)
    flags = ["several particles"] if others.any() else []
    if mask[[0, -1]].any() or mask[:, [0, -1]].any():
        flags.append("touches the border")
    if _saturated(image, values, mask):
        flags.append("saturated")
    window, first = _window(mask)
    # A neighbour goes together with its blurred rim, so that it adds nothing to the volume.
    other = ndimage.binary_dilation(others, iterations=_CLEAR_PX) & ~mask
    return Isolated(
        signal=np.where(other, 0.0, values - film)[window],
        smooth=np.where(other, 0.0, above)[window],
        mask=mask[window],
        film=film[window],
        first=first,
        level=level,
        bright=bright,
        film_noise=film_noise,
        level_noise=_noise_at(level / bright, film_noise, pixel_noise, width),
        pixel_noise=pixel_noise,
        smoothing_px=width,
        flags=tuple(flags),
        foreign=other[window],
        own=(mask & (above > _FINDER_SHARE * bright))[window],
    )


def isolate_found(image: ArrayLike, particle: FoundParticle, found: FoundParticles) -> Isolated:
    """Cut out one of the particles that `stemfast.micrograph.find_particles` found.

    It may touch others, which then end it: it is flagged "touches a neighbour".

    Raises
    ------
    FeatureError
        If the particle does not stand out of the film's noise.
    """
    values = np.asarray(image, dtype=np.float64)
    return isolate_label(values, found.labels, particle.label, particle.bbox)


def isolate_label(
    image: NDArray[np.floating[Any]],
    labels: NDArray[np.int32],
    label: int,
    bbox: tuple[int, int, int, int],
) -> Isolated:
    """Cut a labelled particle out of an image and take off what is around it.

    The level under it is a plane through the pixels around it that belong to no particle. The
    particle reaches as far as it stands out of their noise, and not much beyond its label.

    Parameters
    ----------
    image : ndarray, shape (rows, columns)
        The particle is bright.
    labels : ndarray of int32, shape (rows, columns)
        Numbers of the particles, 0 where there is none.
    label : int
        Number of this one.
    bbox : tuple of int
        First row, first column, one past the last row, one past the last column.

    Raises
    ------
    FeatureError
        If the particle does not stand out of the noise around it.

    Examples
    --------
    >>> rows, cols = np.indices((64, 64))
    >>> disc = np.hypot(rows - 20, cols - 30) < 9
    >>> one = isolate_label(10.0 + 40.0 * disc, disc.astype(np.int32), 1, (12, 22, 29, 39))
    >>> round(float(one.film.mean())), round(one.bright), one.flags
    (10, 40, ())
    """
    from scipy import ndimage

    # A thin rim may reach beyond the label by a share of the particle's size.
    clear = _CLEAR_PX + _RIM_SHARE * max(bbox[2] - bbox[0], bbox[3] - bbox[1])
    reach = 2 * _MARGIN_PX + int(clear)
    slices = tuple(
        slice(max(0, low - reach), min(n, high + reach))
        for low, high, n in zip(bbox[:2], bbox[2:], image.shape, strict=True)
    )
    values = image[slices].astype(np.float64)
    near = labels[slices]
    own = near == label
    others = (near != 0) & ~own
    width, pixel_noise = choose_smoothing(values)
    width = min(width, max(_LEAST_SMOOTHING_PX, _MOST_SMOOTHING * math.sqrt(np.count_nonzero(own))))
    smooth = ndimage.gaussian_filter(values, width)
    beyond = distance_to(own)
    apart = distance_to(others) if others.any() else None
    away = beyond if apart is None else np.minimum(beyond, apart)
    film, noise = _plane_around(smooth, away, clear)
    above = smooth - film
    bright = float(np.percentile(above[own], 95.0))
    if bright <= _STANDS_OUT * noise:
        raise FeatureError(
            f"particle {label}: its bright parts are {bright / max(noise, 1e-300):.1f} standard "
            f"deviations of the film above it, expected more than {_STANDS_OUT:g}"
        )
    foreign = others if apart is None else apart < beyond
    halo = _halo(above, beyond, foreign, noise, bright)
    film, above, bright = film + halo, above - halo, bright - halo
    mask, level = _extent(above, own, ~foreign, beyond, noise, bright)
    rows, cols = image.shape
    cut = bbox[0] == 0 or bbox[1] == 0 or bbox[2] == rows or bbox[3] == cols
    flags = ["touches the border"] if cut else []
    if (foreign & (beyond <= _CLEAR_PX - 1)).any():
        flags.append("touches a neighbour")
    return Isolated(
        signal=np.where(foreign, 0.0, values - film),
        smooth=np.where(foreign, 0.0, above),
        mask=mask,
        film=film,
        first=(slices[0].start, slices[1].start),
        level=level,
        bright=bright,
        film_noise=noise,
        level_noise=_noise_at(level / bright, noise, pixel_noise, width),
        pixel_noise=pixel_noise,
        smoothing_px=width,
        flags=tuple(flags),
        foreign=foreign,
        own=own,
    )


def _halo(above: Image, beyond: Image, foreign: Mask, noise: float, bright: float) -> float:
    """Brightness just around a particle, where tails of the probe or a shell lift it.

    It is measured `beyond` what a thin rim of the particle itself could reach: a tetrahedron falls
    from a fifth of its height to nothing within a fifth of its radius.
    """
    radius = math.sqrt(np.count_nonzero(beyond == 0) / math.pi)
    first = _FINDER_SHARE * radius + _HALO_PX[0]
    ring = (beyond > first) & (beyond < first + _HALO_PX[1]) & ~foreign
    if np.count_nonzero(ring) < _MIN_FILM_PX // 4:
        return 0.0
    halo = median(above[ring])
    return halo if halo > max(noise, _LEAST_HALO * bright) and halo < 0.5 * bright else 0.0


def _plane_around(smooth: Image, away: Image, clear: float) -> tuple[Image, float]:
    """Plane through the pixels clear of all particles, and their deviation from it."""
    free = away > clear
    for less in (_CLEAR_PX, 1.0):
        if np.count_nonzero(free) < _MIN_FILM_PX:
            free = away > less
    if np.count_nonzero(free) < _MIN_FILM_PX:
        lowest = np.percentile(smooth, 2.0)
        return np.full(smooth.shape, float(lowest)), 0.0
    return clipped_plane(
        smooth, free, enough=_ENOUGH_PX, rounds=_CLIP_ROUNDS, fewest=_MIN_FILM_PX // 2
    )


def _extent(
    above: Image, own: Mask, mine: Mask, beyond: Image, noise: float, bright: float
) -> tuple[Mask, float]:
    """The particle's pixels and the level that bounds them, the lowest that does bound them."""
    size = math.sqrt(np.count_nonzero(own))
    least = _LEVEL_NOISE * noise
    # Of a particle a few px across, the faint parts are the probe's blur.
    shares = _SHARES[_SMALL_FIRST:] if size < _SMALL_PX else _SHARES
    levels = np.maximum(least, np.array(shares) * bright)
    mask, bounds = extent(
        above,
        own,
        mine,
        beyond,
        levels,
        limit=_BEYOND_PX + _BEYOND_SHARE * size,
        most_leaks=_MOST_LEAKS,
    )
    return mask, float(levels[bounds])


def _film(smooth: Image) -> tuple[Image, float]:
    """Plane through what is clear of everything bright, and the deviation of that from it."""
    from scipy import ndimage

    sample = smooth[::_STRIDE, ::_STRIDE]  # neighbours say the same after smoothing
    guess, noise = estimate_background(sample, degree=1)
    high = float(np.percentile(sample - guess, 99.0))
    bright = sample - guess > max(_LEVEL_NOISE * noise, _LEVEL_SHARE * high)
    # Single pixels that noise lifts are film all the same.
    bright = ndimage.binary_opening(bright, structure=np.ones((2, 2)))
    clear = ~ndimage.binary_dilation(bright, iterations=_CLEAR_PX // _STRIDE + 1)
    if np.count_nonzero(clear) < _MIN_FILM_PX:
        clear = ~bright
    rows, cols = np.nonzero(clear)
    scale = _STRIDE / max(smooth.shape)
    design = np.column_stack([np.ones(len(rows)), rows * scale, cols * scale])
    inverse = np.linalg.pinv(design.T @ design)
    values = sample[clear]
    plane = inverse @ (design.T @ values)
    left = values - design @ plane
    sigma = _MAD_TO_SIGMA * median(np.abs(left - median(left)))
    r, c = (np.arange(n) / max(smooth.shape) for n in smooth.shape)
    fitted: Image = plane[0] + plane[1] * r[:, None] + plane[2] * c[None, :]
    return fitted, sigma


def _level(above: Image, film_noise: float) -> tuple[float, float]:
    """Level of the outline, brightness of the particle."""
    split = otsu_threshold(above)
    inside = above[above > split]
    bright = float(np.percentile(inside, 95.0)) if inside.size else float(above.max())
    if bright <= _DETECTION * film_noise:
        raise FeatureError(
            f"image: no particle found: its bright parts are {bright / max(film_noise, 1e-300):.1f}"
            f" standard deviations of the film above it, expected more than {_DETECTION:g}"
        )
    return max(_LEVEL_NOISE * film_noise, _LEVEL_SHARE * bright), bright


def _noise_at(share: float, film_noise: float, pixel_noise: float, width: float) -> float:
    """Noise of the smoothed image at a share of the particle's brightness.

    Shot noise's variance grows in proportion; smoothing shrinks white noise by 1 / (2 √π width).
    """
    of_particle = (pixel_noise / (2.0 * math.sqrt(math.pi) * width)) ** 2
    return math.sqrt(film_noise**2 + share * max(of_particle - film_noise**2, 0.0))


def _choose(labels: NDArray[np.int32], count: int, above: Image, summit: float) -> tuple[int, Mask]:
    """The label of the particle to describe, and where the others are."""
    from scipy import ndimage

    numbers = np.arange(1, count + 1)
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    summits = ndimage.maximum(above, labels, numbers) if count else np.zeros(0)
    keep = (areas >= _MIN_AREA_PX) & (np.asarray(summits) > summit)
    if not keep.any():
        raise FeatureError(
            f"image: no particle found: nothing of at least {_MIN_AREA_PX} px stands out of the "
            f"film by {_DETECTION:g} standard deviations"
        )
    centres = np.array(ndimage.center_of_mass(labels > 0, labels, numbers))
    off = np.hypot(*(centres - 0.5 * (np.array(labels.shape) - 1)).T) / max(labels.shape)
    # Being central decides between particles whose areas are nearly the same.
    best = int(numbers[np.argmax(np.where(keep, areas * (1.0 - 0.2 * off), -1.0))])
    others = np.isin(labels, numbers[keep & (numbers != best)])
    return best, others


def _saturated(image: ArrayLike, values: Image, mask: Mask) -> bool:
    """True if a share of the particle lies at the top of the pixels' type."""
    dtype = np.asarray(image).dtype
    if dtype.kind not in "ui":
        return False
    full = float(np.iinfo(dtype).max)
    return bool(np.mean(values[mask] >= full) > _SATURATED_SHARE)


def _window(mask: Mask) -> tuple[tuple[slice, slice], tuple[int, int]]:
    """The particle's bounding box with a margin, as slices, and its first pixel."""
    slices = []
    for axis in (1, 0):
        along = np.flatnonzero(mask.any(axis=axis))
        low = max(0, int(along[0]) - _MARGIN_PX)
        slices.append(slice(low, min(mask.shape[1 - axis], int(along[-1]) + 1 + _MARGIN_PX)))
    return (slices[0], slices[1]), (slices[0].start, slices[1].start)
