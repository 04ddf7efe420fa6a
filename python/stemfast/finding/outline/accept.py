"""Acceptance of an outline that brightness tells, beside that of the finder.

Edges are read off how brightness falls across them, which is right to a fraction of a pixel on a
film. On a support the structure behind a particle bends them, and the finder's own outline, which
has seen the particle as a whole, is nearer to it. Measured in docs/find.md.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from stemfast.image.distances import distance_to
from stemfast.image.median import median

__all__ = ["accepted"]

#: Overlap (intersection over union) with the finder's outline from which both mean the same.
_SAME = 0.8
#: How much more brightness falls across an outline than across the finder's if it is the clearer of
#: the two. Thin edges, as of tetrahedra, fall less where they end than further in: there a particle
#: has to stand so many times higher than the structure around it. And the least overlap even then.
_CLEARER, _CLEAR, _ALIKE = 1.5, 12.0, 0.5
# Distance from the outline at which brightness is compared: a share of the square root of the area,
# and at least so many px.
_BESIDE, _LEAST_PX = 0.08, 1.5
# The ring around a particle that tells the structure: where it begins and how wide it is, in
# particle widths and px; and the Gaussian width that noise is smoothed by [px].
_BEGINS, _WIDE, _FINE_PX = (0.1, 2.0), (0.5, 2.0), 1.0
_FEWEST_PX = 20

Box = tuple[int, int, int, int]
Points = NDArray[np.float64]


def accepted(
    bright: NDArray[np.float32],
    labels: NDArray[np.int32],
    number: int,
    box: Box,
    points: Points,
    own: Points,
    *,
    clear: bool = True,
) -> bool:
    """True if an outline agrees with a particle's label, or the particle ends clearly there.

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
    own : (m, 2) float64
        x, y around the label's pixels [px].
    clear : bool
        Whether a clear end is enough.

    Examples
    --------
    >>> labels = np.zeros((20, 20), np.int32)
    >>> labels[5:15, 5:15] = 1
    >>> box, square = (5, 5, 15, 15), np.array([(4.5, 4.5), (14.5, 4.5), (14.5, 14.5), (4.5, 14.5)])
    >>> bright = labels + np.random.default_rng(0).normal(0.0, 0.5, (20, 20)).astype(np.float32)
    >>> accepted(bright, labels, 1, box, square, square)
    True
    >>> aside = square + [2.0, 0.0]
    >>> accepted(bright, labels, 1, box, aside, square)
    False
    >>> accepted(np.roll(bright, 2, axis=1), labels, 1, box, aside, square)
    True
    """
    from skimage.draw import polygon

    rows, columns = polygon(points[:, 1], points[:, 0], labels.shape)
    whole = np.count_nonzero(labels[box[0] : box[2], box[1] : box[3]] == number)
    both = int(np.count_nonzero(labels[rows, columns] == number))
    overlap = both / (len(rows) + int(whole) - both)
    if overlap >= _SAME:
        return True
    if not clear or overlap < _ALIKE:
        return False
    beside = max(_LEAST_PX, _BESIDE * math.sqrt(whole))
    if _fall(bright, points, beside) > _CLEARER * _fall(bright, own, beside):
        return True
    return _height(bright, labels, number, box) >= _CLEAR


def _fall(bright: NDArray[np.float32], points: Points, beside: float) -> float:
    """Mean brightness at a distance within an outline less that at the same distance outside."""
    from scipy.ndimage import map_coordinates

    following = np.roll(points, -1, axis=0)
    side = following - points
    length = np.hypot(side[:, 0], side[:, 1])
    # One sample a pixel, in the middle of each part of a side.
    count = np.maximum(np.round(length).astype(np.int64), 1)
    owner = np.repeat(np.arange(len(points)), count)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    at = points[owner] + side[owner] * ((place + 0.5) / count[owner])[:, None]
    outwards = np.stack([side[:, 1], -side[:, 0]], axis=1) / np.maximum(length, 1e-9)[:, None]
    turn = (points[:, 0] * following[:, 1] - points[:, 1] * following[:, 0]).sum()
    step = math.copysign(beside, turn) * outwards[owner]

    def brightness(where: Points) -> float:
        seen = map_coordinates(bright, where.T[::-1], np.float64, order=1, mode="nearest")
        return float(seen.mean())

    return brightness(at - step) - brightness(at + step)


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
    level = median(image[ring])
    smooth = ndimage.gaussian_filter(np.where(own == 0, image, level), _FINE_PX)
    height = median(image[own == number]) - level
    return height / max(float(smooth[ring].std()), 1e-9)
