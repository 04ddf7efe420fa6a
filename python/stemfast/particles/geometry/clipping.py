"""Cutting a solid by planes: the half-space intersection, exact up to rounding.

A solid is clipped polygon by polygon. What is left open is a ring of edges in the plane,
and the ring, walked the other way round, is the new face. Plain Python numbers on
purpose: a particle has some ten faces, where one NumPy call costs more than the whole cut.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from stemfast.particles.geometry.solid import FLAT, Face, FloatArray, Solid

Point: TypeAlias = tuple[float, float, float]
Plane: TypeAlias = tuple[float, float, float, float]


# Signed areas in a plane are trusted to this fraction of the size squared.
_ROUNDING = 1e-13


class CutError(ValueError):
    """A plane left nothing, or a surface that is no longer one closed sheet."""


class Clipper:
    """A solid being cut, one plane after the other.

    Parameters
    ----------
    vertices : sequence of (x, y, z)
        Points [nm].
    faces : sequence of (plane, vertex indices)
        Convex polygons, outward.
    size : float
        Length [nm] that the tolerance (1e-9 of it) refers to.
    """

    def __init__(
        self, vertices: Iterable[Point], faces: Iterable[tuple[Plane, Face]], size: float
    ) -> None:
        self._points: list[Point] = list(vertices)
        self._faces: list[tuple[Plane, Face]] = list(faces)
        self._live = {i for _, face in self._faces for i in face}
        self._tolerance = FLAT * size

    def cut(self, plane: Plane) -> bool:
        """Keep n·x <= d; return whether the plane took anything away.

        Raises
        ------
        CutError
            When nothing is left, or when the new face is not one simple polygon.
        """
        nx, ny, nz, d = plane
        heights = {}
        for i in self._live:
            x, y, z = self._points[i]
            heights[i] = nx * x + ny * y + nz * z - d
        outside = {i for i, height in heights.items() if height > self._tolerance}
        if not outside:
            return False
        on = {i for i, height in heights.items() if abs(height) <= self._tolerance}
        if len(outside) + len(on) == len(heights):
            raise CutError("nothing of the solid is left")
        crossings: dict[tuple[int, int], int] = {}
        kept: list[tuple[Plane, Face]] = []
        for owner, face in self._faces:
            if not outside.isdisjoint(face):
                face = self._clip(face, heights, outside, on, crossings)
            if not on.issuperset(face):
                kept.append((owner, face))
        self._faces = kept
        self._live -= outside
        self._live.update(crossings.values())
        on.update(crossings.values())
        ring = self._open_ring(on)
        if not ring:
            return False
        cap = convex_pieces([self._points[i] for i in ring], (nx, ny, nz), self._tolerance)
        self._faces.extend((plane, tuple(ring[i] for i in piece)) for piece in cap)
        return True

    def _clip(
        self,
        face: Face,
        heights: dict[int, float],
        outside: set[int],
        on: set[int],
        crossings: dict[tuple[int, int], int],
    ) -> Face:
        """The part of one face on the inner side; empty when none is."""
        if all(i in outside or i in on for i in face):
            return ()
        piece: list[int] = []
        for u, v in zip(face, face[1:] + face[:1], strict=True):
            if u not in outside:
                piece.append(u)
            if (u in outside) != (v in outside) and u not in on and v not in on:
                edge = (u, v) if u < v else (v, u)
                if edge not in crossings:
                    crossings[edge] = self._crossing(edge, heights)
                piece.append(crossings[edge])
        return tuple(piece)

    def _crossing(self, edge: tuple[int, int], heights: dict[int, float]) -> int:
        u, v = edge
        share = heights[u] / (heights[u] - heights[v])
        (x, y, z), (p, q, r) = self._points[u], self._points[v]
        self._points.append((x + share * (p - x), y + share * (q - y), z + share * (r - z)))
        return len(self._points) - 1

    def _open_ring(self, on: set[int]) -> list[int]:
        """The ring of edges in the plane that lost their other face, reversed: the new face."""
        edges = {
            (u, v)
            for _, face in self._faces
            if not on.isdisjoint(face)
            for u, v in zip(face, face[1:] + face[:1], strict=True)
            if u in on and v in on
        }
        following: dict[int, int] = {}
        unmatched = sorted((u, v) for u, v in edges if (v, u) not in edges)
        for u, v in unmatched:
            following[v] = u
        if len(following) != len(unmatched) or set(following) != set(following.values()):
            raise CutError("the cut face touches itself")
        if not following:
            return []
        ring = [unmatched[0][0]]
        while following[ring[-1]] != ring[0]:
            ring.append(following[ring[-1]])
        if len(ring) != len(unmatched):
            raise CutError("the cut falls into separate faces")
        return ring

    def planes_left(self) -> set[Plane]:
        """The planes that still hold a face."""
        return {plane for plane, _ in self._faces}

    def solid(self) -> Solid:
        """Solid that is left."""
        used = sorted({i for _, face in self._faces for i in face})
        place = {old: new for new, old in enumerate(used)}
        return Solid(
            np.array([self._points[i] for i in used]),
            tuple(tuple(place[i] for i in face) for _, face in self._faces),
            np.array([plane for plane, _ in self._faces]),
        )


def convex_pieces(ring: Sequence[Point], normal: Point, tolerance: float) -> list[tuple[int, ...]]:
    """A planar polygon as convex pieces: itself if it is convex, else by clipping ears.

    ``normal`` is the direction from which the ring runs anticlockwise; the pieces hold
    positions in the ring.
    """
    flat = _in_plane(ring, normal)
    n = len(flat)
    size = max(max(abs(x - flat[0][0]), abs(y - flat[0][1])) for x, y in flat)
    least = tolerance * size
    if all(_turn(flat[i - 2], flat[i - 1], flat[i]) >= -least for i in range(n)):
        return [tuple(range(n))]
    left = list(range(n))
    pieces: list[tuple[int, ...]] = []
    while len(left) > 3:
        ears = [k for k in range(len(left)) if _is_ear(flat, left, k, _ROUNDING * size**2)]
        if not ears:
            # What is left of a ring with points along one line may have no area at all.
            if abs(_area(flat, left)) <= least:
                break
            raise CutError("the cut face crosses itself")
        # The largest ear, so that points along one line are not cut off as slivers.
        best = max(ears, key=lambda k: _ear_area(flat, left, k))
        pieces.append((left[best - 1], left[best], left[(best + 1) % len(left)]))
        del left[best]
    pieces.append(tuple(left))
    return pieces


def _in_plane(ring: Sequence[Point], normal: Point) -> list[tuple[float, float]]:
    """Two coordinates per point, right-handed about the normal's largest component."""
    axis = max(range(3), key=lambda k: abs(normal[k]))
    a, b = (axis + 1) % 3, (axis + 2) % 3
    if normal[axis] < 0:
        a, b = b, a
    return [(point[a], point[b]) for point in ring]


def _turn(p: tuple[float, float], q: tuple[float, float], r: tuple[float, float]) -> float:
    """Twice the signed area of the triangle p, q, r."""
    return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])


def _ear_area(flat: list[tuple[float, float]], left: list[int], k: int) -> float:
    return _turn(flat[left[k - 1]], flat[left[k]], flat[left[(k + 1) % len(left)]])


def _area(flat: list[tuple[float, float]], ring: list[int]) -> float:
    """Twice the signed area of a ring."""
    return sum(_turn(flat[ring[0]], flat[i], flat[j]) for i, j in pairwise(ring))


def _is_ear(flat: list[tuple[float, float]], left: list[int], k: int, least: float) -> bool:
    """True if corner k can be cut off: a left turn with no other corner in its triangle."""
    before, here, after = left[k - 1], left[k], left[(k + 1) % len(left)]
    p, q, r = flat[before], flat[here], flat[after]
    if _turn(p, q, r) <= least:
        return False
    return not any(
        _turn(p, q, flat[i]) >= -least
        and _turn(q, r, flat[i]) >= -least
        and _turn(r, p, flat[i]) >= -least
        for i in left
        if i not in (before, here, after)
    )


def box_clipper(half: Point, size: float) -> Clipper:
    """A box about the origin with half-edges ``half``; ``size`` sets the tolerance."""
    points = [tuple(h if c >> k & 1 else -h for k, h in enumerate(half)) for c in range(8)]
    return Clipper(
        [(p[0], p[1], p[2]) for p in points],
        [(face_plane(k, sign, half[k]), box_face(k, sign)) for k in range(3) for sign in (-1, 1)],
        size,
    )


def face_plane(axis: int, sign: int, offset: float) -> Plane:
    """The plane of a box's face on side ``sign`` of ``axis``."""
    normal = [0.0, 0.0, 0.0]
    normal[axis] = float(sign)
    return normal[0], normal[1], normal[2], offset


def box_face(axis: int, sign: int) -> Face:
    """The four corners (bit k set = positive side of axis k) of a face, outward."""
    u, v = 1 << (axis + 1) % 3, 1 << (axis + 2) % 3
    base = (1 << axis) if sign > 0 else 0
    ring = (base, base | u, base | u | v, base | v)
    return ring if sign > 0 else ring[::-1]


def intersect_halfspaces(planes: FloatArray) -> Solid:
    """The bounded solid inside all planes (F, 4): unit outward normals and offsets [nm].

    Raises
    ------
    ValueError
        When the half-spaces share no volume, or leave a direction open.
    """
    largest = float(np.abs(planes[:, 3]).max())
    if largest == 0:
        raise ValueError("planes share no volume: all of them pass through the origin")
    # The vertices of a sensible solid are no further than this many plane distances away.
    reach = 1e3
    half = reach * largest
    clipper = box_clipper((half, half, half), largest)
    outer = clipper.planes_left()
    for i, row in enumerate(planes):
        try:
            clipper.cut((float(row[0]), float(row[1]), float(row[2]), float(row[3])))
        except CutError as error:
            raise ValueError(
                f"planes share no volume: planes[{i}] = {row.tolist()} excludes all that "
                "the planes before it left"
            ) from error
    if outer & clipper.planes_left():
        raise ValueError(
            "planes must enclose a bounded solid, but they leave a direction open "
            f"(or a corner more than {reach:g} times the largest offset away)"
        )
    return _polished(clipper.solid())


def _polished(solid: Solid) -> Solid:
    """Every vertex solved again from its own planes: removes the large box's rounding."""
    vertices = solid.vertices.copy()
    for i in range(len(vertices)):
        rows = [k for k, face in enumerate(solid.faces) if i in face]
        planes = solid.face_planes[rows]
        vertices[i] = np.linalg.lstsq(planes[:, :3], planes[:, 3], rcond=None)[0]
    return Solid(vertices, solid.faces, solid.face_planes)


def unit_normal(vector: Sequence[float]) -> Point:
    """``vector`` scaled to length 1."""
    length = math.sqrt(sum(v * v for v in vector))
    return vector[0] / length, vector[1] / length, vector[2] / length
