"""The network's view of one particle: centred, alone, at a fixed size and a fixed contrast.

Simulated training images go through `prepare_single`, which is the same finding, cropping and
standardising, so that a real particle and a simulated one reach the network alike.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from stemfast.framing import resample
from stemfast.micrograph.files.error import MicrographError
from stemfast.micrograph.files.read import Micrograph, checked_image
from stemfast.micrograph.find import FoundParticle, find_particles

Image = npt.NDArray[np.float64]
Image32 = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

SIZE = 48
CONTEXT = 1.5

_RIM_PX = 2
_CUT_BLUR_PX = 0.8
_MIN_FILM_PX = 8
FILL_SEED = 20_240_607
_HIGH_PERCENTILE = 95.0


def crop(
    image: Micrograph | npt.ArrayLike,
    found: FoundParticle,
    *,
    size: int = SIZE,
    context: float = CONTEXT,
) -> Image32:
    """Cut one particle out of a micrograph, as the networks take it.

    A square window around the middle of the particle's bounding box, `context` times its longer
    side wide. Pixels of other particles (with a rim of 2 px, up to half way to this one) and
    pixels beyond the image's edge are replaced by pixels of the film drawn at random from the
    same window, so the film keeps its level and its noise; the cut edge is softened like the
    probe softens a real one. The window is resampled to
    `size` x `size` by cubic splines, after a Gaussian against aliasing where it shrinks, and
    standardised.

    Parameters
    ----------
    image : Micrograph or array_like, shape (rows, columns)
        The image in which `found` was found.
    found : FoundParticle
    size : int
        Side of the result [px].
    context : float
        Side of the window over the longer side of the bounding box, at least 1.

    Returns
    -------
    ndarray of float32, shape (size, size)
        Film about 0, particle's bright parts about 1 (`standardise`).

    Raises
    ------
    MicrographError
        An image of another shape than the one searched, or arguments out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from stemfast.micrograph import find_particles
    >>> rows, cols = np.indices((64, 64))
    >>> image = 10.0 + 40.0 * (np.hypot(rows - 20, cols - 30) < 9)
    >>> particle = find_particles(image, pixel_size_nm=0.5)[0]
    >>> crop(image, particle).shape
    (48, 48)
    """
    pixels = image.image if isinstance(image, Micrograph) else checked_image(image)
    _check(pixels, found, size, context)
    side = context * max(found.bbox[2] - found.bbox[0], found.bbox[3] - found.bbox[1])
    centre = (
        0.5 * (found.bbox[0] + found.bbox[2] - 1),
        0.5 * (found.bbox[1] + found.bbox[3] - 1),
    )
    window, labels, first = padded_window(pixels, found, centre, side)
    filled = fill(window, labels, found.label)
    own = (labels == found.label).astype(np.float64)
    offset = (centre[0] - first[0], centre[1] - first[1])
    return standardise(
        resample(filled, offset, side, size, order=3),
        resample(own, offset, side, size, order=1) > 0.5,
    )


def crops(
    image: Micrograph | npt.ArrayLike,
    found: Sequence[FoundParticle],
    *,
    size: int = SIZE,
    context: float = CONTEXT,
) -> Image32:
    """Cut out every particle in `found`; see `crop`.

    Returns
    -------
    ndarray of float32, shape (len(found), size, size)

    Examples
    --------
    >>> import numpy as np
    >>> crops(np.eye(16), []).shape
    (0, 48, 48)
    """
    pixels = image.image if isinstance(image, Micrograph) else checked_image(image)
    result = np.empty((len(found), size, size), dtype=np.float32)
    for n, particle in enumerate(found):
        result[n] = crop(pixels, particle, size=size, context=context)
    return result


def prepare_single(image: npt.ArrayLike, *, size: int = SIZE, context: float = CONTEXT) -> Image32:
    """Find the one particle of a simulated image, cut it out and standardise it.

    The same search and the same `crop` as for a micrograph, without parting touching particles;
    of several pieces the largest is taken.

    Parameters
    ----------
    image : array_like, shape (rows, columns)
        An image of one particle, of any dose and pixel size.
    size, context
        As for `crop`.

    Returns
    -------
    ndarray of float32, shape (size, size)

    Raises
    ------
    MicrographError
        When there is no particle to be seen.

    Examples
    --------
    >>> import numpy as np
    >>> rows, cols = np.indices((64, 64))
    >>> image = 10.0 + 40.0 * (np.hypot(rows - 20, cols - 30) < 9)
    >>> ready = prepare_single(image)
    >>> ready.shape, bool(abs(ready[0, 0]) < 0.1), bool(ready[24, 24] > 0.9)
    ((48, 48), True, True)
    """
    found = find_particles(image, 1.0, background_degree=0, separate_touching=False)
    return crop(image, max(found, key=lambda p: p.area_px), size=size, context=context)


def standardise(window: npt.ArrayLike, particle: Mask) -> Image32:
    """Scale a window so that the film's median is 0 and the particle's bright parts are 1.

    Parameters
    ----------
    window : array_like, shape (rows, columns)
        Intensity.
    particle : ndarray of bool, shape (rows, columns)
        The particle's pixels. The film is what is more than 2 px away from them, or, where the
        particle fills the window, whatever is not particle.

    Returns
    -------
    ndarray of float32, shape (rows, columns)
        ``(window - film) / (high - film)``, `high` being the 95th percentile on the particle.

    Raises
    ------
    MicrographError
        When the particle is empty, fills the window, or is no brighter than the film.

    Examples
    --------
    >>> import numpy as np
    >>> window = np.full((9, 9), 5.0)
    >>> window[3:6, 3:6] = 25.0
    >>> out = standardise(window, window > 10)
    >>> float(out[0, 0]), float(out[4, 4])
    (0.0, 1.0)
    """
    values = np.asarray(window, dtype=np.float64)
    if particle.shape != values.shape or not particle.any() or particle.all():
        raise MicrographError(
            f"particle: {np.count_nonzero(particle)} of its {particle.shape} pixels are set for "
            f"a window of shape {values.shape}; expected the same shape and some but not all"
        )
    film = _film(values, particle)
    low = float(np.median(film))
    high = float(np.percentile(values[particle], _HIGH_PERCENTILE))
    if not high > low:
        raise MicrographError(
            f"the particle ({high:g}) is no brighter than the film around it ({low:g})"
        )
    return ((values - low) / (high - low)).astype(np.float32)


def _film(values: Image, particle: Mask) -> Image:
    film = values[far_from(particle, _RIM_PX)]
    return film if film.size >= _MIN_FILM_PX else values[~particle]


def _check(pixels: Image32, found: FoundParticle, size: int, context: float) -> None:
    if pixels.shape != found.labels.shape:
        raise MicrographError(
            f"image: shape {pixels.shape}, expected {found.labels.shape}, in which the particle "
            "was found"
        )
    if isinstance(size, bool) or not hasattr(size, "__index__") or operator.index(size) < 8:
        raise MicrographError(f"size: got {size!r}, expected a whole number of at least 8 px")
    if not (math.isfinite(context) and 1.0 <= context <= 10.0):
        raise MicrographError(f"context: got {context!r}, expected 1 ... 10 bounding boxes")


def padded_window(
    pixels: Image | Image32, found: FoundParticle, centre: tuple[float, float], side: float
) -> tuple[Image, npt.NDArray[np.int32], tuple[int, int]]:
    """The window with a margin for the resampling, its labels (-1 beyond the image), its corner.

    Labels are grown by the rim, so that a neighbour takes its blurred edge with it.
    """
    reach = 0.5 * side + 3.0
    first = (math.floor(centre[0] - reach), math.floor(centre[1] - reach))
    last = (math.ceil(centre[0] + reach) + 1, math.ceil(centre[1] + reach) + 1)
    shape = (last[0] - first[0], last[1] - first[1])
    window = np.zeros(shape)
    labels = np.full(shape, -1, dtype=np.int32)
    source = tuple(
        slice(max(0, a), min(n, b)) for a, b, n in zip(first, last, pixels.shape, strict=True)
    )
    target = tuple(slice(s.start - a, s.stop - a) for s, a in zip(source, first, strict=True))
    window[target] = pixels[source]
    near = found.labels[source]
    others = (near != 0) & (near != found.label)
    labels[target] = near
    if others.any():
        from skimage.segmentation import expand_labels

        grown = expand_labels(near, distance=_RIM_PX)
        labels[target] = np.where((near == 0) & (grown != found.label), grown, near)
    return window, labels, first


def fill(window: Image, labels: npt.NDArray[np.int32], label: int) -> Image:
    """Put film in place of other particles and of what lies beyond the image."""
    from scipy import ndimage

    replace = (labels != 0) & (labels != label)
    if not replace.any():
        return window
    known = labels >= 0
    own = labels[known] == label
    film = window[(labels == 0) & far_from(labels == label, _RIM_PX)]
    if film.size < _MIN_FILM_PX:
        film = window[labels == 0]
    if film.size < _MIN_FILM_PX:
        film = np.array([window[known].min() if own.all() else np.percentile(window[known], 5.0)])
    draw = np.random.default_rng([FILL_SEED, label])
    result = window.copy()
    result[replace] = draw.choice(film, size=int(np.count_nonzero(replace)))
    # A step between two pixels is something no probe draws, and cubic splines overshoot at it.
    cut = ~far_from(replace, 1) & ~far_from(labels == label, 1)
    return np.where(cut, ndimage.gaussian_filter(result, _CUT_BLUR_PX), result)


def far_from(mask: Mask, distance_px: int) -> Mask:
    """Pixels more than this many steps away from the mask."""
    from scipy import ndimage

    result: Mask = ~ndimage.binary_dilation(mask, iterations=distance_px)
    return result
