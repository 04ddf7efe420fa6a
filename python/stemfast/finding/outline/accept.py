"""Acceptance of an outline that brightness tells, beside that of the finder.

Edges are read off how brightness falls across them, which is right to a fraction of a pixel on a
film. On a support the structure behind a particle bends them, and the finder's own outline, which
has seen the particle as a whole, is nearer to it. Measured in docs/find.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stemfast.image.distances import distance_to

__all__ = ["accepted"]

#: Overlap (intersection over union) with the finder's outline from which both mean the same.
_SAME = 0.8
#: Height of a particle over the structure around it from which its edges are clear, and the least
#: overlap even then.
_CLEAR, _ALIKE = 6.0, 0.5
# The ring around a particle that tells the structure: where it begins and how wide it is, in
# particle widths and px; and the Gaussian width that noise is smoothed by [px].
_BEGINS, _WIDE, _FINE_PX = (0.1, 2.0), (0.5, 2.0), 1.0
_FEWEST_PX = 20

Box = tuple[int, int, int, int]


def accepted(
    bright: NDArray[np.float32],
    labels: NDArray[np.int32],
    number: int,
    box: Box,
    points: NDArray[np.float64],
    *,
    clear: bool = True,
) -> bool:
    """True if an outline agrees with a particle's label, or the particle stands out clearly.

    Parameters
    ----------
    bright : (rows, columns) float32
        Image in which particles are bright.
    labels : (rows, columns) int32
    number : int
        The particle's label.
    box : (int, int, int, int)
        First row and column, and one past the last, of the label.
    points : (n, 2) float64
        x, y of the outline [px].
    clear : bool
        Whether standing out is enough.

    Examples
    --------
    >>> labels = np.zeros((20, 20), np.int32)
    >>> labels[5:15, 5:15] = 1
    >>> square = np.array([(4.5, 4.5), (14.5, 4.5), (14.5, 14.5), (4.5, 14.5)])
    >>> bright = np.random.default_rng(0).normal(size=(20, 20)).astype(np.float32)
    >>> accepted(bright, labels, 1, (5, 5, 15, 15), square)
    True
    >>> accepted(bright, labels, 1, (5, 5, 15, 15), square + 3.0)
    False
    """
    from skimage.draw import polygon

    rows, columns = polygon(points[:, 1], points[:, 0], labels.shape)
    whole = np.count_nonzero(labels[box[0] : box[2], box[1] : box[3]] == number)
    both = int(np.count_nonzero(labels[rows, columns] == number))
    overlap = both / (len(rows) + int(whole) - both)
    if overlap >= _SAME:
        return True
    return clear and overlap >= _ALIKE and _height(bright, labels, number, box) >= _CLEAR


def _height(bright: NDArray[np.float32], labels: NDArray[np.int32], number: int, box: Box) -> float:
    """Brightness of a particle over its surroundings, over their standard deviation."""
    from scipy import ndimage

    width = max(box[2] - box[0], box[3] - box[1])
    begins = _BEGINS[0] * width + _BEGINS[1]
    ends = begins + _WIDE[0] * width + _WIDE[1]
    reach = int(ends) + 1
    near = tuple(
        slice(max(0, low - reach), high + reach) for low, high in zip(box[:2], box[2:], strict=True)
    )
    image, own = bright[near].astype(np.float64), labels[near]
    apart = distance_to(own == number)
    ring = (apart > begins) & (apart < ends) & (own == 0)
    if np.count_nonzero(ring) < _FEWEST_PX:
        return 0.0
    level = float(np.median(image[ring]))
    smooth = ndimage.gaussian_filter(np.where(own == 0, image, level), _FINE_PX)
    height = float(np.median(image[own == number])) - level
    return height / max(float(smooth[ring].std()), 1e-9)
