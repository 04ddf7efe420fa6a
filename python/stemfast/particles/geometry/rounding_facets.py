"""Facets of a rounded corner, and their distance from the smooth corner.

Everything is said for a ball of radius 1 that touches the three faces of a corner, with
normals counted positive from the ball towards the corner's faces.

A facet with unit normal n, tangent to the ball, meets the edge along axis i at
(n_x + n_y + n_z - 1)/n_i from the corner. The normals for which this is at most 2 on all
three edges form a triangle on the unit sphere: its corners are the normals of the three
faces, its sides are arcs of the circles n_j + n_k - n_i = 1, and pulling a point p of the
positive octant towards the bisector, n ∝ p + (1, 1, 1) √((|p|₁² - 1)/2), maps the octant
onto it (p_i = 0 gives exactly n_j + n_k - n_i = 1).
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from stemfast.particles.geometry.clipping import Clipper, Point, box_clipper, unit_normal

# A triangular grid of n steps has (n + 1)(n + 2)/2 points; its three corners are the faces.
_STEPS = {(n + 1) * (n + 2) // 2 - 3: n for n in range(2, 9)}
# The square root in the pull spreads the points near the corners of the octant apart; this
# power crowds the grid there again. Of 1, 1.25 … 2.5 it leaves the smallest error.
_CROWDING = 1.75
FACET_COUNTS: tuple[int, ...] = (1, *_STEPS)


@cache
def facet_normals(facets: int) -> tuple[Point, ...]:
    """Unit normals of the facets, in the corner's own words (all components positive)."""
    if facets == 1:
        return (unit_normal((1, 1, 1)),)
    n = _STEPS[facets]
    normals = []
    for i in range(n + 1):
        for j in range(n + 1 - i):
            k = n - i - j
            if max(i, j, k) == n:
                continue
            p = unit_normal([(step / n) ** _CROWDING for step in (i, j, k)])
            pull = math.sqrt((sum(p) ** 2 - 1) / 2)
            normals.append(unit_normal([component + pull for component in p]))
    return tuple(normals)


@cache
def facet_error(facets: int) -> float:
    """Largest distance between the facetted and the smooth corner, in radii.

    The distance of a point from a convex solid is the largest height of the point over
    any of its tangent planes; here those with a normal in the triangle above.
    """
    clipper = _cut_corner(facets)
    vertices = clipper.solid().vertices
    return max(_height(unit_offset) for unit_offset in vertices)


def _cut_corner(facets: int) -> Clipper:
    """A corner at (+, +, +) far from all others, cut by the facets; the ball at the origin."""
    # Edges 12 long with the corner at (1, 1, 1) - no other corner comes near the ball.
    clipper = box_clipper((6.0, 6.0, 6.0), 12.0)
    for k in range(3):
        normal = tuple(float(i == k) for i in range(3))
        clipper.cut((normal[0], normal[1], normal[2], 1.0))
    for x, y, z in facet_normals(facets):
        clipper.cut((x, y, z, 1.0))
    return clipper


def _height(point: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """Largest height of a point over the ball's tangent planes with normals in the triangle."""
    length = float(np.linalg.norm(point))
    direction = point / length
    inside = all(direction.sum() - 2 * direction[i] <= 1 for i in range(3))
    if direction.min() >= 0 and inside:
        return length - 1
    heights = [float(point.max()) - 1]
    for i in range(3):
        # On the circle n·m = 1/√3 about m = (-1, 1, 1)/√3, n is m/√3 plus √(2/3) times the
        # direction of the rest of the point.
        m = np.ones(3) / math.sqrt(3)
        m[i] = -m[i]
        rest = point - (point @ m) * m
        normal = m / math.sqrt(3) + math.sqrt(2 / 3) * rest / np.linalg.norm(rest)
        if normal.min() >= 0:
            heights.append(float(point @ normal) - 1)
    return max(heights)
