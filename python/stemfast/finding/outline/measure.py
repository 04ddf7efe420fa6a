"""Lengths, areas and moments of an outline and of the brightness within it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from stemfast import _core
from stemfast.finding.outline.corners import signed_area

__all__ = ["brightness_moments", "centroid", "convexity", "feret", "perimeter"]

Floats = NDArray[np.float64]


def perimeter(outline: Floats) -> float:
    """Length of a closed outline (n, 2).

    Examples
    --------
    >>> perimeter(np.array([[0.0, 0], [3, 0], [3, 4]]))
    12.0
    """
    return float(np.hypot(*(np.roll(outline, -1, axis=0) - outline).T).sum())


def centroid(outline: Floats) -> tuple[float, float]:
    """Centre of the area within a closed outline (n, 2).

    Examples
    --------
    >>> centroid(np.array([[0.0, 0], [2, 0], [2, 1], [0, 1]]))
    (1.0, 0.5)
    """
    after = np.roll(outline, -1, axis=0)
    cross = outline[:, 0] * after[:, 1] - after[:, 0] * outline[:, 1]
    x, y = ((outline + after) * cross[:, None]).sum(axis=0) / (3.0 * cross.sum())
    return float(x), float(y)


def feret(outline: Floats) -> tuple[float, float]:
    """Smallest and largest calliper width of an outline (n, 2): Feret's diameters.

    The smallest lies across a side of the convex hull.

    Examples
    --------
    >>> feret(np.array([[0.0, 0], [4, 0], [4, 3], [0, 3]]))
    (3.0, 5.0)
    """
    return _core.callipers(outline)


def convexity(outline: Floats) -> float:
    """Area over the area of the convex hull: 1 for a convex outline.

    Examples
    --------
    >>> convexity(np.array([[0.0, 0], [2, 0], [2, 2], [1, 1], [0, 2]]))
    0.75
    """
    return abs(signed_area(outline)) / abs(signed_area(_core.convex_hull(outline)))


def brightness_moments(smooth: Floats, inside: NDArray[np.bool_]) -> dict[str, float]:
    """Mean and shape of the brightness over a particle, and how it is spread.

    Returns
    -------
    dict
        ``brightness_mean`` (image's units above the film), ``brightness_cv`` (deviation over
        mean), ``brightness_skewness``, ``brightness_kurtosis`` (0 for a normal one),
        ``brightness_concentration`` (mean squared distance from the brightness' own centre over
        that of an evenly bright particle: 1 for a slab, 0.8 for a sphere), ``brightness_offset``
        (distance of that centre from the area's, over the radius of a disc of the same area).

    Examples
    --------
    >>> slab = brightness_moments(np.full((8, 8), 5.0), np.ones((8, 8), bool))
    >>> slab["brightness_mean"], slab["brightness_cv"], round(slab["brightness_concentration"], 9)
    (5.0, 0.0, 1.0)
    """
    values = smooth[inside]
    mean = float(values.mean())
    off = values - mean
    sigma = float(np.sqrt(np.mean(off * off)))
    scale = sigma if sigma > 1e-12 * abs(mean) else math.inf
    y, x = np.nonzero(inside)
    weight = np.maximum(values, 0.0)
    weight = weight / weight.sum()
    cx, cy = float(weight @ x), float(weight @ y)
    spread = float(weight @ ((x - cx) ** 2 + (y - cy) ** 2))
    even = float(x.var() + y.var())
    shift = math.hypot(cx - float(x.mean()), cy - float(y.mean()))
    return {
        "brightness_mean": mean,
        "brightness_cv": sigma / mean,
        "brightness_skewness": float(np.mean((off / scale) ** 3)),
        "brightness_kurtosis": float(np.mean((off / scale) ** 4)) - 3.0 * (scale < math.inf),
        "brightness_concentration": spread / even,
        "brightness_offset": shift / math.sqrt(values.size / math.pi),
    }
