"""Label image whose particles end where their outlines say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["painted_labels"]

Floats = NDArray[np.float64]
Labels = NDArray[np.int32]

#: Share of a particle's pixels that it has to keep; with fewer, its label stays as it is.
_LEAST_KEPT = 0.5


def painted_labels(labels: Labels, outlines: Sequence[Floats | None]) -> Labels:
    """Give each particle the pixels inside its outline.

    A pixel inside several outlines stays with the particle that has it; else the smallest of them
    gets it.

    Parameters
    ----------
    labels : (rows, columns) int32
        Label k + 1 is particle k.
    outlines : sequence of (n, 2) ndarray or None
        x, y of each particle's outline [px], the first pixel's centre being 0; None keeps its
        pixels as they are.

    Returns
    -------
    (rows, columns) int32
        The same particles; none is left without a pixel.

    Examples
    --------
    >>> labels = np.zeros((5, 6), np.int32)
    >>> labels[2, 2] = 1
    >>> painted_labels(labels, [np.array([(0.5, 0.5), (3.5, 0.5), (3.5, 3.5), (0.5, 3.5)])]).sum()
    np.int64(9)
    """
    from scipy.ndimage import find_objects
    from skimage.draw import polygon

    covered: list[tuple[NDArray[np.intp], NDArray[np.intp]]] = []
    pixels: list[tuple[NDArray[np.intp], NDArray[np.intp]]] = []
    for number, (box, outline) in enumerate(zip(find_objects(labels), outlines, strict=True), 1):
        rows, columns = np.nonzero(labels[box] == number)
        own = rows + box[0].start, columns + box[1].start
        pixels.append(own)
        inside = None if outline is None else polygon(outline[:, 1], outline[:, 0], labels.shape)
        covered.append(own if inside is None else inside)
    result = np.zeros_like(labels)
    for k in np.argsort([-len(rows) for rows, _ in covered], kind="stable").tolist():
        result[covered[k]] = k + 1
    for number, (rows, columns) in enumerate(covered, 1):
        had = labels[rows, columns] == number
        result[rows[had], columns[had]] = number
    whole = np.array([len(rows) for rows, _ in pixels])
    while True:
        left = np.array([np.count_nonzero(result[own] == k) for k, own in enumerate(pixels, 1)])
        lost = np.flatnonzero(left < _LEAST_KEPT * whole)
        if len(lost) == 0:
            return result
        for k in lost.tolist():
            result[pixels[k]] = k + 1
