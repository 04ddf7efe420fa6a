"""The particle of a micrograph alone: bright, with film in place of all the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.finding.artefacts.damage import repair
from stemfast.finding.find import search
from stemfast.finding.hand_labels import detection_of

__all__ = ["alone", "only"]

Image = NDArray[np.float32]

_RIM_PX = 3  # that blur adds to a label
_AROUND = 0.75  # of the particle's size, on each side
_NEIGHBOURS = 1.5  # the same, where particles may be whose corners reach into what is kept
_LEAST_AROUND_PX = 12
_CENTRAL = 0.2
_FEW_PIXELS = 30
_BRIGHTEST, _CLIP_ROUNDS = 6.0, 3  # of film, in standard deviations above its mean
_SMOOTHING_PX = 1.5  # of noise, where pieces hang together


def alone(
    image: Image, contrast: str = "auto", method: str = "auto", labels: ArrayLike | None = None
) -> tuple[Image, list[str]]:
    """Find the particles of an image as `stemfast find` does, and leave the largest one alone.

    Damage is mended, and of a dark particle the negative is taken. Where there are several, the
    largest whole one is kept (of two that are nearly as large, the more central one), and film
    drawn from around it takes the place of what is farther away than three quarters of its size,
    and of all that does not touch it. What touches it stays: a long particle may be found in
    pieces. With labels, the label alone is kept.

    Parameters
    ----------
    image : ndarray of float32, shape (rows, columns)
    contrast, method : str
        As for `stemfast.find`.
    labels : array_like of int, shape (rows, columns), optional
        Particles that are known; none is looked for then.

    Returns
    -------
    image : ndarray of float32, shape (rows, columns)
    notes : list of str
        What the user should be told.

    Raises
    ------
    MicrographError
        If the labels are none, or of another shape.

    Examples
    --------
    >>> rows, cols = np.indices((96, 96))
    >>> large, small = np.hypot(rows - 30, cols - 30) < 12, np.hypot(rows - 75, cols - 75) < 7
    >>> left, notes = alone(np.float32(90.0 - 40.0 * (large | small)), method="classical")
    >>> left[30, 30] > left[75, 75], notes[-1]
    (np.True_, '2 particles found; the largest one is taken')
    """
    mended = repair(image)
    notes = list(mended.notes)
    if labels is None:
        _, detection = search(mended, contrast, method)
    else:
        detection, told = detection_of(labels, mended.image, contrast)
        notes += told
    bright = _bright(mended.image, detection.contrast)
    if detection.contrast == "dark" and contrast == "auto":
        notes.append("the particle is dark, its negative is taken (contrast)")
    n = len(detection)
    if n < 1 or (n == 1 and labels is None):
        return bright, notes
    if n > 1:
        word = "labelled" if labels is not None else "found"
        notes.append(f"{n} particles {word}; the largest one is taken")
    own = detection.labels == _largest(detection.labels, n)
    if labels is None:
        own = _with_touching(bright, detection.labels, own)
    return _film_elsewhere(bright, detection.labels, own), notes


def only(image: Image, labels: NDArray[np.int32], label: int, contrast: str) -> Image:
    """One of the particles that were found: bright, and film in place of the others.

    Parameters
    ----------
    image : ndarray of float32, shape (rows, columns)
        Without damage.
    labels : ndarray of int32, shape (rows, columns)
    label : int
        Which of them is kept.
    contrast : {"bright", "dark"}
        Of a dark particle the negative is taken.

    Returns
    -------
    ndarray of float32
        The part of the image that holds the particle and three quarters of its size on each side.

    Examples
    --------
    >>> rows, cols = np.indices((96, 96))
    >>> labels = np.int32((np.hypot(rows - 30, cols - 30) < 12) + 2 * (rows > 48) * (cols > 30))
    >>> left = only(np.float32(40.0 * (labels > 0)), labels, 1, "bright")
    >>> left.shape, float(left[20, 20]), float(left[-1, -1])
    ((57, 57), 40.0, 0.0)
    """
    own = labels == label
    wide = _around_it(own, _NEIGHBOURS)
    left = _film_elsewhere(_bright(image[wide], contrast), labels[wide], own[wide])
    return left[_around_it(own[wide], _AROUND)]


def _bright(image: Image, contrast: str) -> Image:
    """The image, or its negative where particles are dark."""
    if contrast == "bright":
        return image
    return np.asarray(image.max() + image.min() - image, np.float32)


def _film_elsewhere(image: Image, labels: NDArray[np.int32], own: NDArray[np.bool_]) -> Image:
    """The image with film in place of everything but one particle."""
    from scipy import ndimage

    window = _around_it(own, _NEIGHBOURS)
    own, values = own[window], image[window]
    near = np.zeros(own.shape, np.bool_)
    near[_around_it(own, _AROUND)] = True
    beyond = ndimage.distance_transform_edt(~own)
    other = (labels[window] > 0) & ~own
    apart = ndimage.distance_transform_edt(~other) if other.any() else np.full(own.shape, np.inf)
    film = values[(apart > _RIM_PX) & (beyond > _RIM_PX) & near]
    if film.size < _FEW_PIXELS:
        return image
    for _ in range(_CLIP_ROUNDS):  # thin corners of neighbours reach beyond their labels
        film = film[film <= film.mean() + _BRIGHTEST * film.std()]
    result = np.random.default_rng(1).choice(film, size=image.shape)
    # Its own blurred rim belongs to it, also where a neighbour's reaches.
    kept = (apart > np.maximum(beyond, _RIM_PX)) | ((beyond <= _RIM_PX) & ~other)
    result[window] = np.where(kept & near, values, result[window])
    return np.asarray(result, np.float32)


def _around_it(own: NDArray[np.bool_], share: float) -> tuple[slice, slice]:
    """Rows and columns of a particle and what is around it, on each side a share of its size."""
    sides = [np.flatnonzero(own.any(axis=axis)) for axis in (1, 0)]
    size = max(int(np.ptp(side)) + 1 for side in sides)
    around = max(round(share * size), round(share / _AROUND * _LEAST_AROUND_PX))
    rows, columns = (slice(max(0, int(s[0]) - around), int(s[-1]) + 1 + around) for s in sides)
    return rows, columns


def _largest(labels: NDArray[np.int32], n: int) -> int:
    """Number of the largest whole particle; of the largest where none is whole."""
    from scipy import ndimage

    boxes = ndimage.find_objects(labels)
    areas = np.bincount(labels.ravel(), minlength=n + 1)[1:]
    worth = np.zeros(n)
    whole = np.zeros(n, np.bool_)
    for k, box in enumerate(boxes):
        ends = zip(box, labels.shape, strict=True)
        off = [0.5 * (side.start + side.stop - 1) - 0.5 * (m - 1) for side, m in ends]
        worth[k] = areas[k] * (1.0 - _CENTRAL * np.hypot(*off) / max(labels.shape))
        whole[k] = all(
            side.start > 0 and side.stop < m for side, m in zip(box, labels.shape, strict=True)
        )
    return 1 + int(np.argmax(np.where(whole, worth, 0.0 if whole.any() else worth)))


def _with_touching(
    image: Image, labels: NDArray[np.int32], own: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """A particle and all that hangs together with it: other labels, or pixels half as bright."""
    from scipy import ndimage

    if (labels > 0).all():
        return own
    film, particle = float(np.median(image[labels == 0])), float(np.median(image[own]))
    smooth = ndimage.gaussian_filter(image, _SMOOTHING_PX)
    seen = (labels > 0) | (smooth > 0.5 * (film + particle))
    near = ndimage.binary_dilation(seen)
    pieces, _ = ndimage.label(near, structure=np.ones((3, 3), int))
    return np.asarray((pieces == pieces[own].max()) & seen, np.bool_)
