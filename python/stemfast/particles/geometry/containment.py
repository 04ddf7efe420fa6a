"""Containment of one body in another, and the width of the gap around it.

Exact where the outer body is convex: a polyhedron keeps the inner one if each of its planes does,
an ellipsoid if the farthest point of the inner one, in units in which it is the unit sphere, does.
In a mesh the convex hull of the inner body must be apart from every triangle, which is exact
for a convex inner body and on the safe side for any other.
"""

from __future__ import annotations

import math

import numpy as np

from stemfast.particles.geometry.body import Body, ConvexBody, EllipsoidBody, MeshBody
from stemfast.particles.geometry.mesh_checks import winding_number
from stemfast.particles.geometry.placement import quaternion_matrix
from stemfast.particles.geometry.solid import FLAT, FloatArray

# Products of triangles, edges and points looked at together: some 50 MB of float64.
_AT_ONCE = 6_000_000


def clearance_nm(inner: Body, outer: Body) -> float:
    """Clearance of a body inside ``outer``.

    Parameters
    ----------
    inner, outer : Body
        In one frame.

    Returns
    -------
    float
        The narrowest gap between them [nm], or a lower bound of it. When ``inner`` touches
        ``outer`` or sticks out, 0 or less: by that much at least.

    Examples
    --------
    >>> import stemfast as sf
    >>> (ball,), (cube,) = sf.Sphere(3).bodies(), sf.Cuboid((8, 9, 10)).bodies()
    >>> clearance_nm(ball, cube), round(clearance_nm(cube, ball), 6)
    (1.0, -4.826238)
    """
    if isinstance(outer, ConvexBody):
        return float((outer.planes[:, 3] - _reach(inner, outer.planes[:, :3])).min())
    if isinstance(outer, EllipsoidBody):
        return (1.0 - _farthest(inner, outer)) * float(np.min(outer.semi_axes))
    return _clearance_in_mesh(inner, outer)


def lies_inside(inner: Body, outer: Body) -> bool:
    """True if there is a gap between them, wider than rounding."""
    size = inner.semi_axes if isinstance(inner, EllipsoidBody) else np.ptp(inner.vertices, axis=0)
    return clearance_nm(inner, outer) > FLAT * float(np.max(size))


def _axes(body: EllipsoidBody) -> FloatArray:
    """(3, 3): the semi-axes as columns [nm]; the body is the unit ball under it, shifted."""
    return quaternion_matrix(body.quaternion) * body.semi_axes


def _reach(body: Body, directions: FloatArray) -> FloatArray:
    """Support function of a body along unit vectors (n, 3) [nm]."""
    if isinstance(body, EllipsoidBody):
        half = np.sqrt(((directions @ _axes(body)) ** 2).sum(axis=1))
        reach: FloatArray = directions @ body.centre + half
    else:
        reach = (directions @ body.vertices.T).max(axis=1)
    return reach


def _farthest(inner: Body, outer: EllipsoidBody) -> float:
    """Distance of the farthest point of ``inner`` where ``outer`` is the unit sphere."""
    to_ball = np.linalg.inv(_axes(outer))
    if not isinstance(inner, EllipsoidBody):
        return float(np.linalg.norm((inner.vertices - outer.centre) @ to_ball.T, axis=1).max())
    left, lengths, _ = np.linalg.svd(to_ball @ _axes(inner))
    return farthest_of_ellipsoid(lengths, left.T @ (to_ball @ (inner.centre - outer.centre)))


def farthest_of_ellipsoid(semi_axes: FloatArray, centre: FloatArray) -> float:
    """Largest distance from the origin of an ellipsoid with axes along x, y and z.

    Of any μ above the largest squared semi-axis, μ + Σ w²μ/(μ − s²) is at least the squared
    distance of every point w + s·y with |y| = 1 (Lagrange's function, largest over y); the
    least of these bounds is attained, where Σ s²w²/(μ − s²)² = 1. So every step of the search
    is on the safe side.

    Parameters
    ----------
    semi_axes, centre : (3,) float64

    Examples
    --------
    >>> farthest_of_ellipsoid(np.array([2.0, 2.0, 2.0]), np.array([3.0, 0.0, 4.0]))
    7.0
    """
    longest = float(semi_axes.max())
    offset = float(np.linalg.norm(centre))
    if offset == 0.0:
        return longest
    below = longest**2 - semi_axes**2
    low, high = 0.0, longest * offset
    for _ in range(100):
        middle = (low + high) / 2
        if ((semi_axes * centre / (below + middle)) ** 2).sum() > 1:
            low = middle
        else:
            high = middle
    bound = longest**2 + high
    return math.sqrt(bound + float((centre**2 * bound / (below + high)).sum()))


def _clearance_in_mesh(inner: Body, outer: MeshBody) -> float:
    corners = outer.vertices[outer.triangles]
    if isinstance(inner, EllipsoidBody):
        ball = np.linalg.inv(_axes(inner))
        nearest = distances_from_origin((corners - inner.centre) @ ball.T).min()
        gap = (float(nearest) - 1.0) * float(np.min(inner.semi_axes))
        middle = inner.centre
    else:
        gap = float(_gaps(corners, inner.vertices).min())
        middle = inner.vertices[0]
    if gap > 0 and winding_number(middle, outer.vertices, outer.triangles) < 0.5:
        return -gap
    return gap


def distances_from_origin(corners: FloatArray) -> FloatArray:
    """(T,) distances of triangles (T, 3, 3) from the origin.

    Examples
    --------
    >>> distances_from_origin(np.array([[(0, 0, 2.0), (1, 0, 2), (0, 1, 2)]])).tolist()
    [2.0]
    """
    following = np.roll(corners, -1, axis=1)
    side = following - corners
    along = -(corners * side).sum(axis=2) / (side**2).sum(axis=2)
    nearest = corners + np.clip(along, 0.0, 1.0)[:, :, None] * side
    distance: FloatArray = np.sqrt((nearest**2).sum(axis=2)).min(axis=1)
    normal = np.cross(side[:, 0], side[:, 1])
    # The foot of the perpendicular is inside if it lies to the left of all three sides.
    turns = np.einsum("tk,tsk->ts", normal, np.cross(side, -corners))
    height = np.abs((normal * corners[:, 0]).sum(axis=1)) / np.linalg.norm(normal, axis=1)
    return np.where((turns >= 0).all(axis=1), height, distance)


def _gaps(corners: FloatArray, points: FloatArray) -> FloatArray:
    """(T,) widest gaps between triangles (T, 3, 3) and the convex hull of points, by direction.

    Two convex solids are apart exactly when they are so along the normal of a face of one of them
    or along the common perpendicular of an edge of each (S. Gottschalk, M. Lin and D. Manocha,
    SIGGRAPH 1996). 0 or less where a triangle touches the hull.
    """
    from scipy.spatial import ConvexHull, QhullError

    try:
        hull = ConvexHull(points)
    except QhullError as error:
        raise ValueError(
            "a body inside another must span a volume, but it is flat to within rounding"
        ) from error
    points = points[hull.vertices]
    across = np.unique(hull.equations[:, :3].round(12), axis=0)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    sides = np.concatenate([hull.simplices[:, [0, 1]], hull.simplices[:, [1, 2]]])
    sides = np.unique(np.sort(np.concatenate([sides, hull.simplices[:, [2, 0]]]), axis=1), axis=0)
    edges = hull.points[sides[:, 1]] - hull.points[sides[:, 0]]
    gap = np.full(len(corners), -np.inf)
    step = max(1, _AT_ONCE // (3 * len(edges) * (len(points) + 3)))
    for start in range(0, len(corners), step):
        part = corners[start : start + step]
        side = np.roll(part, -1, axis=1) - part
        mixed = np.cross(side[:, :, None, :], edges).reshape(len(part), -1, 3)
        directions = np.concatenate(
            [
                np.broadcast_to(across, (len(part), *across.shape)),
                np.cross(side[:, :1], side[:, 1:2]),
                mixed,
            ],
            axis=1,
        )
        length = np.linalg.norm(directions, axis=2)
        parallel = length <= FLAT * length.max(axis=1, keepdims=True)
        directions = directions / np.where(parallel, 1.0, length)[:, :, None]
        mine, others = directions @ part.transpose(0, 2, 1), directions @ points.T
        between = np.maximum(
            mine.min(axis=2) - others.max(axis=2), others.min(axis=2) - mine.max(axis=2)
        )
        gap[start : start + step] = np.where(parallel, -np.inf, between).max(axis=1)
    return gap
