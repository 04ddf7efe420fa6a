"""Labels from outside: drawn or corrected by hand in napari, ImageJ or another program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.finding.classical import touching
from stemfast.finding.detection import Contrast, Detection
from stemfast.finding.surroundings import level_under
from stemfast.micrograph.files.error import MicrographError
from stemfast.micrograph.files.formats import read_datasets
from stemfast.micrograph.files.read import checked_path

__all__ = ["detection_of", "read_labels"]


def read_labels(path: str | Path) -> NDArray[Any]:
    """Read a label image from a ``.tif``, ``.png``, ``.npy`` or any other file with images.

    Raises
    ------
    MicrographError
        If the file cannot be read or holds several images.
    """
    file = checked_path(path)
    try:
        datasets, _ = read_datasets(file)
    except MicrographError as error:
        raise MicrographError(f"{file}: {error}") from error
    if len(datasets) != 1:
        raise MicrographError(f"{file}: holds {len(datasets)} images, expected one of labels")
    return datasets[0].data


def detection_of(
    labels: ArrayLike, image: NDArray[np.float32], contrast: str = "auto"
) -> tuple[Detection, list[str]]:
    """Detection that a label image stands for, and what to tell of it.

    Parameters
    ----------
    labels : array_like, shape (rows, columns)
        Whole numbers, 0 = none. One value alone marks all particles: its pieces are counted.
    image : ndarray of float32, shape (rows, columns)
        The image that it belongs to.
    contrast : {"auto", "bright", "dark"}
        By default as the labelled pixels differ from those around them.

    Returns
    -------
    Detection
        Every confidence is 1: a person said so.
    notes : list of str
        Where numbers differ from those in the file.

    Raises
    ------
    MicrographError
        If it is no label image, or one of another shape.

    Examples
    --------
    >>> image = np.zeros((16, 16), np.float32)
    >>> image[2:6, 3:8] = 9.0
    >>> labels = np.where(image > 0, 7, 0)
    >>> found, notes = detection_of(labels, image)
    >>> len(found), found.contrast
    (1, 'bright')
    """
    from scipy import ndimage

    array = np.squeeze(np.asarray(labels))
    if array.shape != image.shape:
        raise MicrographError(
            f"labels: got shape {array.shape}, expected {image.shape}, the image's rows and columns"
        )
    if array.dtype.kind not in "buif" or not np.all(np.isfinite(array)):
        raise MicrographError(f"labels: got {array.dtype} values, expected whole numbers")
    whole = np.rint(array).astype(np.int64)
    if array.dtype.kind == "f" and np.any(whole != array):
        raise MicrographError("labels: got fractions, expected whole numbers, 0 = none")
    whole[whole < 0] = 0
    values = np.unique(whole)
    values = values[values > 0]
    notes: list[str] = []
    numbered: NDArray[np.int32]
    if len(values) == 1:
        pieces, count = ndimage.label(whole > 0, structure=np.ones((3, 3)))
        numbered = pieces.astype(np.int32)
        if count > 1:
            notes.append(f"the labels are one value alone: its {count} pieces are the particles")
    else:
        count = len(values)
        numbered = np.searchsorted(values, whole).astype(np.int32) + 1
        numbered[whole == 0] = 0
        if count and values[-1] != count:
            notes.append(f"labels are numbered 1 to {count} anew, in the order of their numbers")
    seen = _contrast(numbered, image) if contrast == "auto" else contrast
    known: Contrast = "dark" if seen == "dark" else "bright"
    return Detection(numbered, np.ones(count), touching(numbered, count), known), notes


def _contrast(labels: NDArray[np.int32], image: NDArray[np.float32]) -> Contrast:
    inside = labels > 0
    if not inside.any():
        return "bright"
    level, _ = level_under(image, labels)
    return "bright" if float(np.median((image - level)[inside])) >= 0 else "dark"
