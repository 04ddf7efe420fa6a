"""The finder without a network: a film, a threshold, and touching particles apart.

It is `stemfast.micrograph.find_particles` for either contrast, in tiles where the image is large.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemfast.finding.detection import Contrast, Detection
from stemfast.image.brightness import otsu_threshold
from stemfast.micrograph.background import above_film
from stemfast.micrograph.files.error import NothingFoundError
from stemfast.micrograph.find import FoundParticles, find_particles

__all__ = ["choose_contrast", "detect", "seen_above", "touching"]

Image = NDArray[np.float32]

_ONE_TILE_PX, _TILE_PX, _OVERLAP_PX = 2304, 1536, 256
_GRAIN_SIDE_PX, _LEAST_JOINED_PX, _ALIKE = 2048, 128, 0.7
_LEAST_SIGMAS = 5.0
_SMALL_SIDE_PX = 256
_WIDTHS = (0.03, 0.1)  # of a pixel's surroundings, in sides of the image
_CLEARLY = 0.15
_LEAST_PIECE_PX, _SOLID = 20, 0.85


def detect(
    image: Image, contrast: str = "auto", *, progress: Callable[[float], None] | None = None
) -> Detection:
    """Find particles by a threshold above the film, and part those that touch.

    Parameters
    ----------
    image : ndarray of float32, shape (rows, columns)
    contrast : {"bright", "dark", "auto"}
    progress : callable, optional
        Called with the share that is done, 0 … 1.

    Returns
    -------
    Detection
        The confidence is 1 − t / 2 s, t being the threshold and s the particle's summit, both
        above the film: ½ for what is just seen.

    Examples
    --------
    >>> rows, cols = np.indices((64, 64))
    >>> image = 10.0 + 40.0 * (np.hypot(rows - 20, cols - 30) < 9)
    >>> found = detect(np.float32(image))
    >>> len(found), found.contrast
    (1, 'bright')
    """
    chosen: Contrast = choose_contrast(image) if contrast == "auto" else _known(contrast)
    sign = np.float32(1.0 if chosen == "bright" else -1.0)
    step = _grain_px(image)
    joined = _joined(image, step)
    labels = np.zeros(joined.shape, np.int32)
    confidence: list[float] = []
    windows = list(_tiles(joined.shape))
    for done, (window, own) in enumerate(windows, start=1):
        part = sign * joined[window]
        with suppress(NothingFoundError):
            _paste(labels[window], confidence, find_particles(part, 1.0), part, own)
        if progress is not None:
            progress(done / len(windows))
    if step > 1:
        fine = np.zeros(image.shape, np.int32)
        height, width = joined.shape
        rows, cols = step * height, step * width
        fine[:rows, :cols] = labels.repeat(step, axis=0).repeat(step, axis=1)
        fine[rows:], fine[:, cols:] = fine[rows - 1], fine[:, cols - 1 : cols]
        labels = fine
    return Detection(labels, np.array(confidence), touching(labels, len(confidence)), chosen)


def seen_above(image: Image, contrast: Contrast) -> tuple[NDArray[np.bool_], int]:
    """Mask of pixels above the threshold of `detect`, which holds all particles that it finds.

    Returns
    -------
    mask : ndarray of bool, shape (rows / step, columns / step)
    step : int
        Pixels of the image that make one of the mask, along a side.

    Examples
    --------
    >>> rows, cols = np.indices((64, 64))
    >>> image = 10.0 + 40.0 * (np.hypot(rows - 20, cols - 30) < 9)
    >>> mask, step = seen_above(np.float32(image), "bright")
    >>> step, bool(mask[20, 30]), bool(mask[50, 50])
    (1, True, False)
    """
    step = _grain_px(image)
    joined = np.float32(1.0 if contrast == "bright" else -1.0) * _joined(image, step)
    mask = np.zeros(joined.shape, np.bool_)
    for window, own in _tiles(joined.shape):
        mask[window][own] = above_film(joined[window].astype(np.float64)).mask[own]
    return mask, step


def _grain_px(image: Image) -> int:
    """Pixels to join, 1, 2 or 4, so that their noise is nearly independent.

    A JPEG, a drawn-out picture or a probe wider than a pixel have neighbours that are alike: the
    difference between them is well below that of pixels twice as far away.
    """
    sample = image[:_GRAIN_SIDE_PX, :_GRAIN_SIDE_PX].astype(np.float64)
    film = sample <= otsu_threshold(sample)
    differences = []
    for lag in (1, 2, 4):
        use = film[:, lag:] & film[:, :-lag]
        off = np.abs(sample[:, lag:] - sample[:, :-lag])[use]
        if not off.size or not off.any():
            return 1
        most = 5.0 * float(np.median(off)) + 1e-3 * float(off.mean())
        differences.append(float(np.sqrt(np.mean(np.minimum(off, max(most, 1e-30)) ** 2))))
    one, two, four = differences
    if one > _ALIKE * two or min(image.shape) < _LEAST_JOINED_PX:
        return 1
    return 2 if two > _ALIKE * four else 4


def _joined(image: Image, step: int) -> Image:
    """Means of squares of pixels."""
    if step == 1:
        return image
    rows, cols = (n // step for n in image.shape)
    cut = image[: rows * step, : cols * step]
    return np.asarray(cut.reshape(rows, step, cols, step).mean(axis=(1, 3)), np.float32)


def choose_contrast(image: Image) -> Contrast:
    """The contrast of the particles: bright on dark, or dark on bright.

    Of the two sides of Otsu's threshold, particles are the one that falls into compact pieces
    that the image's edge does not cut; the other one holds together around them. Where neither
    does, as on a support, it is the sign in which the few stand out: the third moment of the
    image, and of the image less its surroundings.

    Examples
    --------
    >>> rows, cols = np.indices((64, 64))
    >>> disc = (np.hypot(rows - 20, cols - 30) < 9).astype(np.float32)
    >>> choose_contrast(disc), choose_contrast(-disc)
    ('bright', 'dark')
    """
    from scipy import ndimage

    step = max(1, max(image.shape) // _SMALL_SIDE_PX)
    rows, cols = (n - n % step for n in image.shape)
    small = image[:rows, :cols].reshape(rows // step, step, cols // step, step).mean(axis=(1, 3))
    smooth = ndimage.gaussian_filter(ndimage.median_filter(small.astype(np.float64), 3), 1.0)
    smooth = np.clip(smooth, *np.percentile(smooth, [1.0, 99.0]))
    bright = smooth > otsu_threshold(smooth)
    compact = _compact_share(bright) - _compact_share(~bright)
    if abs(compact) > _CLEARLY:
        return "bright" if compact > 0 else "dark"
    total = _skewness(smooth)
    for width in _WIDTHS:
        sigma = max(width * max(small.shape), 1.0)
        total += _skewness(small - ndimage.gaussian_filter(small, sigma))
    return "bright" if total >= 0 else "dark"


def _compact_share(side: NDArray[np.bool_]) -> float:
    """Share of the area in pieces that are nearly convex and touch at most one edge."""
    from scipy import ndimage
    from skimage.measure import label, regionprops

    whole = compact = 0.0
    for piece in regionprops(label(ndimage.binary_opening(side, iterations=2))):
        if piece.area < _LEAST_PIECE_PX:
            continue
        top, left, bottom, right = piece.bbox
        edges = (top == 0) + (left == 0) + (bottom == side.shape[0]) + (right == side.shape[1])
        whole += piece.area
        compact += piece.area * (piece.solidity > _SOLID and edges < 2)
    return compact / max(whole, 1.0)


def _skewness(values: NDArray[Any]) -> float:
    off = values - values.mean()
    scale = float(off.std())
    return float(np.mean(np.clip(off / scale, -5.0, 5.0) ** 3)) if scale > 0 else 0.0


def _known(contrast: str) -> Contrast:
    if contrast == "bright":
        return "bright"
    if contrast == "dark":
        return "dark"
    raise ValueError(f"contrast: got {contrast!r}, expected 'bright', 'dark' or 'auto'")


Window = tuple[slice, slice]


def _tiles(shape: tuple[int, ...]) -> Iterator[tuple[Window, Window]]:
    """Windows of the image with an overlap, and the part of each that only it answers for."""

    def along(n: int) -> Iterator[tuple[slice, slice]]:
        count = -(-n // _TILE_PX) if n > _ONE_TILE_PX else 1
        edges = [round(k * n / count) for k in range(count + 1)]
        for low, high in pairwise(edges):
            first = max(0, low - _OVERLAP_PX)
            yield slice(first, min(n, high + _OVERLAP_PX)), slice(low - first, high - first)

    for rows, own_rows in along(shape[0]):
        for cols, own_cols in along(shape[1]):
            yield (rows, cols), (own_rows, own_cols)


def _paste(
    labels: NDArray[np.int32],
    confidence: list[float],
    found: FoundParticles,
    image: Image,
    own: Window,
) -> None:
    """Put the particles whose centre lies in a tile's own part into the whole label image."""
    least = max(_LEAST_SIGMAS * found.noise, 1e-30)
    for particle in found:
        row, col = particle.centroid
        if not (own[0].start <= row < own[0].stop and own[1].start <= col < own[1].stop):
            continue
        window, mask = particle.window, particle.mask
        free = mask & (labels[window] == 0)
        if np.count_nonzero(free) < 0.5 * np.count_nonzero(mask):
            continue
        above = (image[window] - found.background[window])[mask]
        summit = float(np.percentile(above, 95.0))
        confidence.append(float(np.clip(1.0 - 0.5 * least / max(summit, least), 0.5, 1.0)))
        labels[window][free] = len(confidence)


def touching(labels: NDArray[np.int32], n: int) -> NDArray[np.bool_]:
    """True for each of n labels that has another one beside it or one pixel away.

    Examples
    --------
    >>> touching(np.array([[1, 0, 2, 0, 0, 3]], np.int32), 3)
    array([ True,  True, False])
    """
    result = np.zeros(n + 1, bool)
    for step in (1, 2):
        for a, b in (
            (labels[step:], labels[:-step]),
            (labels[:, step:], labels[:, :-step]),
        ):
            beside = (a != b) & (a > 0) & (b > 0)
            result[a[beside]] = result[b[beside]] = True
    return result[1:]
