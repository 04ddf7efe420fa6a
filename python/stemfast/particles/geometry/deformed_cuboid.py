"""The solid that corner edits leave of a cuboid, or why they leave none.

Displacements come first: they fold the faces beside them. Then the planes of truncations
and roundings cut what is there, at the places they have on the undeformed cuboid. Every
solid made here is star-shaped about the cuboid's centre: a ray from the centre leaves it
once, so it cannot cross itself or turn inside out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from stemfast.arguments import Vector
from stemfast.particles.arguments import numbers_text
from stemfast.particles.corner_edits import CornerEdit, Displacement, corner_signs
from stemfast.particles.geometry.clipping import (
    Clipper,
    CutError,
    Plane,
    Point,
    box_face,
    face_plane,
)
from stemfast.particles.geometry.solid import FLAT, Face, Solid

# A solid angle of 4π, met to this relative accuracy, is one complete turn.
_FULL_TURN = 1e-6


def deformed_cuboid(edges: Vector, edits: Mapping[int, CornerEdit]) -> Solid:
    """The solid of a cuboid with edited corners.

    Parameters
    ----------
    edges : (float, float, float)
        Along x, y, z [nm].
    edits : mapping of corner to edit
        Corners 0…7.

    Raises
    ------
    ValueError
        Naming the corner and the reason, when edits reach past a neighbouring corner,
        swallow one another, turn the solid inside out or leave no closed surface.
    """
    for corner, edit in edits.items():
        _check_reach(corner, edit, edges)
    points = [_corner_point(corner, edges, edits.get(corner)) for corner in range(8)]
    displaced = {c for c, edit in edits.items() if isinstance(edit, Displacement)}
    faces = _folded_faces(points, edges, displaced)
    if displaced:
        _check_star_shaped(points, faces, edits, displaced)
    clipper = Clipper(points, faces, min(edges))
    cuts = {c: edit.planes(c, edges) for c, edit in sorted(edits.items())}
    for corner, planes in cuts.items():
        for plane in planes:
            for other in displaced:
                _check_keeps(plane, corner, other, points[other], edits, edges)
            try:
                clipper.cut(plane)
            except CutError as error:
                raise ValueError(f"{_name(corner, edits)} cannot be made: {error}") from error
    left = clipper.planes_left()
    for corner, planes in cuts.items():
        if planes and left.isdisjoint(planes):
            raise ValueError(
                f"{_name(corner, edits)} leaves no face: "
                "the edits of its neighbours cut away everything that it would"
            )
    return clipper.solid()


def _name(corner: int, edits: Mapping[int, CornerEdit]) -> str:
    return f"corners[{corner}] = {edits[corner]!r}"


def _check_reach(corner: int, edit: CornerEdit, edges: Vector) -> None:
    """A cut may run along an edge as far as the next corner, but not past it."""
    for axis, reach, edge in zip("xyz", edit.reach(edges), edges, strict=True):
        if reach > edge * (1 + FLAT):
            raise ValueError(
                f"corners[{corner}] = {edit!r} reaches {reach:.6g} nm along its {axis} edge, "
                f"past the next corner: that edge is {edge:.6g} nm long"
            )


def _corner_point(corner: int, edges: Vector, edit: CornerEdit | None) -> Point:
    x, y, z = (sign * edge / 2 for sign, edge in zip(corner_signs(corner), edges, strict=True))
    if isinstance(edit, Displacement):
        dx, dy, dz = edit.vector(corner, edges)
        return x + dx, y + dy, z + dz
    return x, y, z


def _folded_faces(
    points: list[Point], edges: Vector, displaced: set[int]
) -> list[tuple[Plane, Face]]:
    """The six faces, split where a corner of theirs is displaced; may append to ``points``."""
    faces: list[tuple[Plane, Face]] = []
    for axis in range(3):
        for sign in (-1, 1):
            ring = box_face(axis, sign)
            moved = [c in displaced for c in ring]
            if not any(moved):
                faces.append((face_plane(axis, sign, edges[axis] / 2), ring))
                continue
            if any(moved[i - 1] and moved[i] for i in range(4)):
                middle = [0.0, 0.0, 0.0]
                middle[axis] = sign * edges[axis] / 2
                points.append((middle[0], middle[1], middle[2]))
                hub = len(points) - 1
                pieces = [(ring[i - 1], ring[i], hub) for i in range(4)]
            else:
                i = moved.index(True)
                a, b, c, d = ring[i:] + ring[:i]
                pieces = [(d, a, b), (b, c, d)]
            faces.extend((_plane_through(points, piece), piece) for piece in pieces)
    return faces


def _plane_through(points: list[Point], face: Face) -> Plane:
    """The outward plane of a triangle; all zero when the triangle has no area."""
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = (points[i] for i in face)
    ux, uy, uz, vx, vy, vz = bx - ax, by - ay, bz - az, cx - ax, cy - ay, cz - az
    nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    length = math.sqrt(nx * nx + ny * ny + nz * nz)
    if length == 0:
        return 0.0, 0.0, 0.0, 0.0
    nx, ny, nz = nx / length, ny / length, nz / length
    return nx, ny, nz, nx * ax + ny * ay + nz * az


def _check_star_shaped(
    points: list[Point],
    faces: list[tuple[Plane, Face]],
    edits: Mapping[int, CornerEdit],
    displaced: set[int],
) -> None:
    """Every face must show its inner side to the centre, and all together fill 4π."""
    scale = max(max(abs(value) for value in point) for point in points)
    for (_, _, _, height), face in faces:
        culprits = [c for c in face if c in displaced]
        if culprits and height <= FLAT * scale:
            corner = max(culprits, key=lambda c: edits[c].depth((1.0, 1.0, 1.0)))
            raise ValueError(
                f"{_name(corner, edits)} turns the solid inside out: the vertex moves to "
                f"{numbers_text(points[corner])} nm, and the face of corners "
                f"{[c for c in face if c < 8]} no longer faces away from the cuboid's centre"
            )
    corners = np.array(
        [
            [points[i] for i in (f[0], f[k], f[k + 1])]
            for _, f in faces
            for k in range(1, len(f) - 1)
        ]
    )
    if abs(_turns(corners) - 1) > _FULL_TURN:
        names = ", ".join(_name(c, edits) for c in sorted(displaced))
        raise ValueError(f"{names} make the surface cross itself")


def _turns(corners: np.ndarray[tuple[int, int, int], np.dtype[np.float64]]) -> float:
    """The solid angle of triangles (T, 3, 3) seen from the origin, over 4π."""
    from stemfast.particles.geometry.mesh_checks import winding_number

    flat = corners.reshape(-1, 3)
    indices = np.arange(len(flat), dtype=np.int32).reshape(-1, 3)
    return winding_number(np.zeros(3), flat, indices)


def _check_keeps(
    plane: Plane,
    corner: int,
    other: int,
    vertex: Point,
    edits: Mapping[int, CornerEdit],
    edges: Vector,
) -> None:
    """A plane of one corner must not cut off the displaced vertex of another."""
    nx, ny, nz, d = plane
    height = nx * vertex[0] + ny * vertex[1] + nz * vertex[2] - d
    if height > -FLAT * min(edges):
        raise ValueError(
            f"{_name(other, edits)} moves its vertex to {numbers_text(vertex)} nm, on or beyond "
            f"the plane of {_name(corner, edits)}, which would cut it off"
        )
