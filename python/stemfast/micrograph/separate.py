"""Touching particles apart.

The thickness of a convex particle along the beam is a concave function of position, and so is
the distance to the edge of its convex outline. Their geometric mean is then concave too: within
one convex particle it has a single summit. Two summits with a dip between them mean two
particles; noise and pixels only decide how deep a dip must be to count.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int32]

_VALLEY_SIGMAS = 3.0
_VALLEY_FRACTION = 0.02


def separate(
    signal: Image,
    mask: Mask,
    *,
    edge_fraction: float,
    min_dip: float,
    curvature_noise: float = 0.0,
) -> Labels:
    """Label the particles in `mask`, touching ones apart.

    Parameters
    ----------
    signal : ndarray of float64, shape (rows, columns)
        Intensity above the background, smoothed.
    mask : ndarray of bool
        Pixels that belong to some particle.
    edge_fraction : float
        A particle ends where the signal falls below this fraction of its own summit.
    min_dip : float
        Depth of the dip between two summits, as a fraction of the lower one, from which on they
        are two particles.
    curvature_noise : float
        Standard deviation of the signal's second differences.

    Returns
    -------
    ndarray of int32, shape (rows, columns)
        0 outside, 1 ... n inside the particles.

    Examples
    --------
    >>> import numpy as np
    >>> signal = np.zeros((9, 20))
    >>> signal[2:7, 2:8] = 1.0
    >>> signal[2:7, 9:16] = 2.0
    >>> int(separate(signal, signal > 0, edge_fraction=0.2, min_dip=0.1).max())
    2
    """
    from scipy import ndimage

    # First by intensity alone, which gives every pixel a summit to compare with: a faint
    # particle and a bright one need different edges and different valleys.
    regions = split_by_dips(signal, mask, min_dip)
    summit = _summits(signal, regions)[regions]
    inside = mask & (signal > edge_fraction * summit)
    least = np.maximum(_VALLEY_SIGMAS * curvature_noise, _VALLEY_FRACTION * summit)
    cores = inside & ~_reaching_out(largest_curvature(signal) > least, inside)
    distance = ndimage.distance_transform_edt(np.pad(cores, 1, mode="edge"))[1:-1, 1:-1]
    landscape = np.sqrt(np.maximum(signal, 0.0) * ndimage.gaussian_filter(distance, 0.5)) * inside
    return split_by_dips(landscape, inside, min_dip)


def largest_curvature(signal: Image) -> Image:
    """Larger eigenvalue of the matrix of second differences, per pixel squared.

    Not above zero anywhere inside a convex particle; above zero across the valley between two,
    even where the smaller is but a shoulder of the larger.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(5.0)
    >>> largest_curvature(np.add.outer(-(x**2), 3 * x**2))[2, 2]
    np.float64(6.0)
    """
    s = np.pad(signal, 1, mode="edge")
    centre = s[1:-1, 1:-1]
    rr = s[:-2, 1:-1] - 2 * centre + s[2:, 1:-1]
    cc = s[1:-1, :-2] - 2 * centre + s[1:-1, 2:]
    rc = (s[2:, 2:] - s[2:, :-2] - s[:-2, 2:] + s[:-2, :-2]) / 4.0
    result: Image = 0.5 * (rr + cc) + np.sqrt(0.25 * (rr - cc) ** 2 + rc**2)
    return result


def _reaching_out(valley: Mask, inside: Mask) -> Mask:
    """Valleys that run to the outline: one between two particles does, noise seldom."""
    open_ground, _ = _label(valley | ~inside)
    outside = np.unique(open_ground[~inside])
    result: Mask = np.isin(open_ground, outside[outside > 0])
    return result


def trim(signal: Image, labels: Labels, edge_fraction: float, sharp: Image | None = None) -> Labels:
    """Cut every particle at its own edge, keep its largest piece, fill holes, drop thin spurs.

    `sharp`, where given, is the same signal smoothed less: the summit comes from `signal`, the
    edge from `sharp`, which wide smoothing has not moved outwards.

    Examples
    --------
    >>> import numpy as np
    >>> signal = np.full((5, 6), 0.1)
    >>> signal[1:4, 1:4] = 1.0
    >>> int(trim(signal, np.ones((5, 6), np.int32), 0.2).sum())
    9
    """
    from scipy import ndimage

    edges = signal if sharp is None else sharp
    kept = np.where(edges > edge_fraction * _summits(signal, labels)[labels], labels, 0)
    result = np.zeros_like(labels)
    next_label = 1
    for number, window in enumerate(ndimage.find_objects(kept), start=1):
        if window is None:
            continue
        whole = ndimage.binary_fill_holes(_largest_piece(kept[window] == number))
        smooth = _largest_piece(_open(whole))
        result[window][smooth & np.isin(kept[window], (0, number))] = next_label
        next_label += 1
    return result


def _largest_piece(mask: Mask) -> Mask:
    from scipy import ndimage

    pieces, n = ndimage.label(mask)
    if n < 2:
        return mask
    result: Mask = pieces == 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    return result


def _open(mask: Mask) -> Mask:
    """Opening by 2 x 2 squares: what is one pixel thin goes. The image's edge cuts nothing."""
    m = np.pad(mask, 2, mode="edge")
    squares = m[:-1, :-1] & m[1:, :-1] & m[:-1, 1:] & m[1:, 1:]
    s = np.pad(squares, 1)
    result: Mask = (s[:-1, :-1] | s[1:, :-1] | s[:-1, 1:] | s[1:, 1:])[2:-2, 2:-2]
    return result if result.any() else mask


def split_by_dips(landscape: Image, mask: Mask, min_dip: float) -> Labels:
    """Watershed of every summit, then merge neighbours whose dip is shallower than `min_dip`.

    Merging goes from the highest pass down, and compares the height of the pass between two
    regions with the lower of their summits.

    Examples
    --------
    >>> import numpy as np
    >>> line = np.array([[1.0, 4.0, 3.9, 4.1, 2.0, 5.0, 1.0]])
    >>> split_by_dips(line, line > 0, 0.2)
    array([[1, 1, 1, 1, 2, 2, 2]], dtype=int32)
    """
    from skimage.morphology import local_maxima
    from skimage.segmentation import watershed

    summits = local_maxima(landscape, connectivity=2) & mask
    markers, n = _label(summits)
    regions: Labels = watershed(-landscape, markers, mask=mask, connectivity=2).astype(np.int32)
    if n < 2:
        return regions
    height = _summits(landscape, regions)
    parent = np.arange(n + 1)

    def root(region: int) -> int:
        while parent[region] != region:
            parent[region] = parent[parent[region]]
            region = int(parent[region])
        return region

    for first, second, height_of_pass in _passes(landscape, regions):
        a, b = root(first), root(second)
        if a == b:
            continue
        low, high = (a, b) if height[a] < height[b] else (b, a)
        if height_of_pass > (1.0 - min_dip) * height[low]:
            parent[low] = high
    roots = np.array([root(region) for region in range(n + 1)])
    _, compact = np.unique(np.r_[0, roots[1:]], return_inverse=True)
    merged: Labels = compact.astype(np.int32)[regions]
    return merged


def _passes(landscape: Image, regions: Labels) -> list[tuple[int, int, float]]:
    """The highest pass between every two neighbouring regions, highest first."""
    rows, cols = regions.shape
    n = int(regions.max()) + 1
    sides, heights = [], []
    for dr, dc in ((0, 1), (1, 0), (1, 1), (1, -1)):
        near = (slice(0, rows - dr), slice(max(0, -dc), cols - max(0, dc)))
        far = (slice(dr, rows), slice(max(0, dc), cols - max(0, -dc)))
        touching = (regions[near] != regions[far]) & (regions[near] > 0) & (regions[far] > 0)
        a, b = regions[near][touching].astype(np.int64), regions[far][touching]
        sides.append(np.minimum(a, b) * n + np.maximum(a, b))
        heights.append(np.minimum(landscape[near][touching], landscape[far][touching]))
    pairs, which = np.unique(np.concatenate(sides), return_inverse=True)
    best = np.full(len(pairs), -np.inf)
    np.maximum.at(best, which, np.concatenate(heights))
    order = np.lexsort((pairs, -best))
    first, second = np.divmod(pairs[order], n)
    return list(zip(first.tolist(), second.tolist(), best[order].tolist(), strict=True))


def _summits(values: Image, labels: Labels) -> npt.NDArray[np.float64]:
    """Highest value of each label, index 0 (outside) being 0."""
    summits = np.zeros(int(labels.max()) + 1)
    np.maximum.at(summits, labels.ravel(), values.ravel())
    summits[0] = 0.0
    return summits


def _label(mask: Mask) -> tuple[npt.NDArray[Any], int]:
    from scipy import ndimage

    labels, n = ndimage.label(mask, structure=np.ones((3, 3), dtype=int))
    return labels, int(n)
