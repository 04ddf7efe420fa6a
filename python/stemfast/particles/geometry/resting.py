"""Faces that solids rest on, and how likely each of them is.

A solid is put down at random and rests on a face of its convex hull. The face must be stable: the
centre of mass lies above it, or the solid would roll over an edge. Of the stable faces, each is
taken in proportion to the solid angle that it spans from the centre of mass: a solid that comes
down in a random orientation and does not roll touches first where the direction downwards leaves
its hull (K. Goldberg et al., "Part pose statistics: estimators and experiments", IEEE Trans.
Robot. Autom. 15 (1999) 849, whose estimator also rolls from the unstable faces). An ellipsoid lies
across its shortest axis, on either side.

Arrays throughout, a few thousand solids at a time. :mod:`stemfast.reference.resting` is the slow
twin.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.particles.geometry.body import KIND_ELLIPSOID, KIND_MESH
from stemfast.particles.geometry.body_table import BodyTable
from stemfast.particles.geometry.solid_arrays import norm

__all__ = ["RestingFaces", "resting_faces"]

Float: TypeAlias = NDArray[np.float64]
Int: TypeAlias = NDArray[np.int64]
Bool: TypeAlias = NDArray[np.bool_]

_AT_ONCE, _MESHES_AT_ONCE = 2048, 256
#: Vertices of a mesh whose hull is found by trying all planes through three of them.
_MOST_VERTICES = 16
#: Distance of a vertex from a face that counts as none, in units of the solid's radius.
_FLAT = 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class RestingFaces:
    """Stable faces of n solids, filled up with faces of probability 0.

    Attributes
    ----------
    normals : (n, F, 3) float64
        Outward unit normals in the frame of each solid.
    probabilities : (n, F) float64
        Each row adds up to 1.
    """

    normals: Float
    probabilities: Float

    def __repr__(self) -> str:
        return f"RestingFaces of {len(self.normals)} solids"

    def draw(self, u: Float) -> Float:
        """Normals (n, K, 3) of faces drawn with uniform numbers (n, K) of [0, 1)."""
        upper = np.cumsum(self.probabilities, axis=1)
        # The last face that can be drawn ends at 1, whatever rounding left of the sum.
        upper = np.where(upper >= upper[:, -1:], 2.0, upper)
        face = (u[:, :, None] >= upper[:, None, :]).sum(axis=2)
        return np.take_along_axis(self.normals, face[:, :, None], axis=1)


def resting_faces(table: BodyTable, row: NDArray[np.integer]) -> RestingFaces:
    """Faces that bodies of a table rest on.

    Parameters
    ----------
    table : BodyTable
    row : (n,) int
        Rows of the bodies.

    Returns
    -------
    RestingFaces

    Raises
    ------
    ValueError
        If a mesh has more vertices than those of a cuboid with displaced corners.

    Examples
    --------
    >>> from stemfast.particles.geometry.cuboid_arrays import cuboids
    >>> plate = cuboids([[20.0, 20.0, 5.0]], [[0.0] * 8])
    >>> faces = resting_faces(plate.table, plate.row)
    >>> faces.probabilities.round(3).tolist()
    [[0.055, 0.055, 0.055, 0.055, 0.39, 0.39]]
    """
    rows: Int = np.asarray(row, np.int64)
    n, kind = len(rows), table.kind[rows]
    parts: list[tuple[Int, Float, Float]] = []
    lying = np.flatnonzero(kind == KIND_ELLIPSOID)
    if len(lying):
        parts.append((lying, *_across_the_shortest_axis(table, rows[lying])))
    for is_mesh, at_once in ((False, _AT_ONCE), (True, _MESHES_AT_ONCE)):
        own = np.flatnonzero((kind != KIND_ELLIPSOID) & ((kind == KIND_MESH) == is_mesh))
        for start in range(0, len(own), at_once):
            some = own[start : start + at_once]
            make = _faces_of_meshes if is_mesh else _faces_of_convex
            parts.append((some, *make(table, rows[some])))
    most = max((normals.shape[1] for _, normals, _ in parts), default=1)
    faces, shares = np.zeros((n, most, 3)), np.zeros((n, most))
    for some, normals, share in parts:
        faces[some, : normals.shape[1]], shares[some, : share.shape[1]] = normals, share
    return RestingFaces(faces, shares)


def _across_the_shortest_axis(table: BodyTable, row: Int) -> tuple[Float, Float]:
    axes = table.planes[table.plane_offset[row][:, None] + np.arange(3)]
    short = axes[:, :, 3].argmin(axis=1)
    axis = axes[np.arange(len(row)), short, :3]
    return np.stack([axis, -axis], axis=1), np.full((len(row), 2), 0.5)


def _padded(offset: Int, values: Float, row: Int) -> tuple[Float, Bool]:
    """Values (m, most, …) of rows, side by side, and which of them are there."""
    first, count = offset[row], offset[row + 1] - offset[row]
    place = np.arange(int(count.max()))
    there = place < count[:, None]
    return np.asarray(values[np.where(there, first[:, None] + place, first[:, None])]), there


def _faces_of_convex(table: BodyTable, row: Int) -> tuple[Float, Float]:
    planes, has_plane = _padded(table.plane_offset, table.planes, row)
    vertices, has_vertex = _padded(table.vertex_offset, table.vertices, row)
    rings = _rings(planes, has_plane, vertices, has_vertex)
    # Pyramids from the origin to the faces: their volumes, and centroids at three quarters.
    pieces = _triangles(rings)
    volume = _dot(pieces[..., 0, :], _cross(pieces[..., 1, :], pieces[..., 2, :]))
    centre = _centre_of_mass(volume.reshape(len(row), -1), pieces.reshape(len(row), -1, 3, 3))
    return planes[..., :3], _shares(planes, rings, centre)


def _faces_of_meshes(table: BodyTable, row: Int) -> tuple[Float, Float]:
    vertices, has_vertex = _padded(table.vertex_offset, table.vertices, row)
    if vertices.shape[1] > _MOST_VERTICES:
        raise ValueError(
            f"a mesh has {vertices.shape[1]} vertices, expected at most {_MOST_VERTICES} of one "
            "whose resting faces are looked for"
        )
    planes, has_plane = _hull_planes(vertices, has_vertex)
    rings = _rings(planes, has_plane, vertices, has_vertex)
    first, count = table.triangle_offset[row], np.diff(table.triangle_offset)[row]
    place = np.arange(int(count.max()))
    there = place < count[:, None]
    triangles = table.triangles[np.where(there, first[:, None] + place, first[:, None])]
    pieces = np.take_along_axis(
        vertices, triangles.reshape(len(row), -1)[:, :, None].astype(np.int64), axis=1
    ).reshape(len(row), -1, 3, 3)
    volume = _dot(pieces[..., 0, :], _cross(pieces[..., 1, :], pieces[..., 2, :]))
    centre = _centre_of_mass(np.where(there, volume, 0.0), pieces)
    return planes[..., :3], _shares(planes, rings, centre)


def _centre_of_mass(volume: Float, pieces: Float) -> Float:
    """Of tetrahedra (m, T) that triangles (m, T, 3, 3) make with the origin, signed: (m, 3)."""
    middle = 0.25 * (pieces[..., 0, :] + pieces[..., 1, :] + pieces[..., 2, :])
    return np.asarray((volume[..., None] * middle).sum(axis=1) / volume.sum(axis=1)[:, None])


@cache
def _triples(vertices: int) -> Int:
    return np.array(list(itertools.combinations(range(vertices), 3)))


def _hull_planes(vertices: Float, there: Bool) -> tuple[Float, Bool]:
    """Planes (m, F, 4) of convex hulls: those through three vertices with none beyond."""
    size = _size(vertices)
    corners = vertices[:, _triples(vertices.shape[1])]
    normal = _cross(
        corners[..., 1, :] - corners[..., 0, :], corners[..., 2, :] - corners[..., 0, :]
    )
    length = norm(normal)
    proper = (length > _FLAT * (size * size)[:, None]) & there[:, _triples(vertices.shape[1])].all(
        axis=2
    )
    normal = normal / np.where(proper, length, 1.0)[..., None]
    offset = _dot(normal, corners[..., 0, :])
    beyond = _dot(normal[:, :, None, :], vertices[:, None]) - offset[..., None]
    beyond = np.where(there[:, None], beyond, 0.0)
    flat = (_FLAT * size)[:, None]
    below, above = (beyond.max(axis=2) <= flat), (beyond.min(axis=2) >= -flat)
    # A plane with four and more vertices is found from each three of them: the first counts.
    key = ((np.abs(beyond) <= flat[..., None]) & there[:, None]) @ (1 << np.arange(there.shape[1]))
    key = np.where(proper & (below | above), key, 0)
    order = np.argsort(key, axis=1, kind="stable")
    ranked = np.take_along_axis(key, order, axis=1)
    new = (np.diff(ranked, axis=1, prepend=0) != 0) & (ranked > 0)
    kept = np.argsort(~new, axis=1, kind="stable")[:, : int(new.sum(axis=1).max())]
    chosen = np.take_along_axis(order, kept, axis=1)
    sign = np.where(below, 1.0, -1.0)
    planes = np.concatenate([normal * sign[..., None], (offset * sign)[..., None]], axis=2)
    taken: Float = np.take_along_axis(planes, chosen[..., None], axis=1)
    return taken, np.take_along_axis(new, kept, axis=1)


def _size(vertices: Float) -> Float:
    return np.asarray(norm(vertices).max(axis=1))


def _rings(planes: Float, has_plane: Bool, vertices: Float, has_vertex: Bool) -> Float:
    """Corners (m, F, K, 3) of faces in order around them; the first again where there are fewer."""
    apart = _dot(planes[:, :, None, :3], vertices[:, None]) - planes[..., 3, None]
    on = np.abs(apart) <= (_FLAT * _size(vertices))[:, None, None]
    on &= has_plane[..., None] & has_vertex[:, None]
    # A vertex within a face or an edge of the hull, as meshes have, is no corner of it.
    on &= (on.sum(axis=1) >= 3)[:, None]
    most = max(int(on.sum(axis=2).max()), 1)
    which = np.argsort(~on, axis=2, kind="stable")[..., :most]
    there = np.take_along_axis(on, which, axis=2)
    points = np.take_along_axis(vertices[:, None], which[..., None], axis=2)
    middle = (
        np.where(there[..., None], points, 0.0).sum(axis=2)
        / np.maximum(there.sum(axis=2), 1)[..., None]
    )
    away = points - middle[:, :, None]
    normal = planes[..., :3]
    # Any axis in the plane: across the coordinate that the normal has least of.
    least = np.eye(3)[np.abs(normal).argmin(axis=2)]
    first = _cross(normal, least)
    x = _dot(away, first[:, :, None])
    y = _dot(away, _cross(normal, first)[:, :, None])
    angle = np.where(there, _turning(x, y), np.inf)
    order = np.argsort(angle, axis=2, kind="stable")
    ring = np.take_along_axis(points, order[..., None], axis=2)
    sorted_there = np.take_along_axis(there, order, axis=2)
    return np.asarray(np.where(sorted_there[..., None], ring, ring[:, :, :1]))


def _turning(x: Float, y: Float) -> Float:
    """A number of 0 … 4 that rises with the angle of (x, y): no arc tangent is needed to sort."""
    total = np.abs(x) + np.abs(y)
    part = y / np.where(total > 0.0, total, 1.0)
    return np.asarray(np.where(x < 0.0, 2.0 - part, np.where(y < 0.0, 4.0 + part, part)))


def _triangles(rings: Float) -> Float:
    """The fan of triangles (m, F, K − 2, 3, 3) of each ring."""
    first = np.broadcast_to(rings[:, :, :1], rings[:, :, 1:-1].shape)
    return np.stack([first, rings[:, :, 1:-1], rings[:, :, 2:]], axis=3)


def _shares(planes: Float, rings: Float, centre: Float) -> Float:
    """Probability (m, F) of each face: its solid angle among those of the stable faces."""
    height = planes[..., 3] - _dot(planes[..., :3], centre[:, None])
    foot = centre[:, None] + height[..., None] * planes[..., :3]
    side = np.roll(rings, -1, axis=2) - rings
    inside = _dot(_cross(side, foot[:, :, None] - rings), planes[:, :, None, :3])
    size = _size(rings.reshape(len(rings), -1, 3))
    flat = (_FLAT * size * size)[:, None, None]
    stable: Bool = np.asarray((inside >= -flat).all(axis=2))
    angle = np.zeros(stable.shape)
    pieces = _triangles(rings - centre[:, None, None])
    for corner in range(pieces.shape[2]):
        angle += _solid_angle(*(pieces[:, :, corner, k] for k in range(3)))
    # The face nearest to the centre of mass is stable whatever rounding says.
    proper = angle > _FLAT
    nearest = np.where(proper, height, np.inf).argmin(axis=1)
    stable[np.arange(len(stable)), nearest] = True
    share = np.where(stable & proper, angle, 0.0)
    return np.asarray(share / share.sum(axis=1)[:, None])


def _solid_angle(a: Float, b: Float, c: Float) -> Float:
    """Of triangles seen from the origin: A. van Oosterom, J. Strackee, IEEE Trans. Biomed. Eng.

    BME-30 (1983) 125. It decides between faces only, so the last bit of the arc tangent, which
    machines do not agree on, reaches no pose.
    """
    la, lb, lc = norm(a), norm(b), norm(c)
    below = la * lb * lc + _dot(a, b) * lc + _dot(b, c) * la + _dot(c, a) * lb
    return np.asarray(2.0 * np.arctan2(np.abs(_dot(a, _cross(b, c))), below))


def _dot(a: Float, b: Float) -> Float:
    return np.asarray(a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1] + a[..., 2] * b[..., 2])


def _cross(a: Float, b: Float) -> Float:
    ax, ay, az = (a[..., k] for k in range(3))
    bx, by, bz = (b[..., k] for k in range(3))
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=-1)
