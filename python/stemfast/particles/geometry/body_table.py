"""Table of bodies as a structure of arrays, in the form that the C++ core takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.particles.geometry.body import (
    KIND_CONVEX,
    KIND_ELLIPSOID,
    KIND_MESH,
    Body,
    ConvexBody,
    EllipsoidBody,
)

__all__ = ["BodyTable", "offsets_of"]

Float: TypeAlias = NDArray[np.float64]
Int: TypeAlias = NDArray[np.int64]
_Row: TypeAlias = tuple[int, Float, Float, NDArray[np.int32]]


@dataclass(frozen=True, eq=False, repr=False)
class BodyTable:
    """Bodies 0 … m − 1, their planes, vertices and triangles one after the other.

    Attributes
    ----------
    kind : (m,) uint8
        Convex, ellipsoid or mesh.
    plane_offset, planes : (m + 1,) int64, (P, 4) float64
        Body s has planes plane_offset[s] … plane_offset[s + 1] − 1: normal and distance [nm]; an
        ellipsoid has its axes and half-lengths there.
    vertex_offset, vertices : (m + 1,) int64, (V, 3) float64
        Likewise its vertices, or its centre [nm].
    triangle_offset, triangles : (m + 1,) int64, (T, 3) int32
        Likewise its triangles, as indices into its vertices.
    """

    kind: NDArray[np.uint8]
    plane_offset: Int
    planes: Float
    vertex_offset: Int
    vertices: Float
    triangle_offset: Int
    triangles: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.kind)

    def __repr__(self) -> str:
        return f"BodyTable of {len(self)} bod{'y' if len(self) == 1 else 'ies'}"

    @classmethod
    def of(cls, bodies: Sequence[Body]) -> BodyTable:
        """Lay out bodies, their ellipsoids upright.

        Examples
        --------
        >>> BodyTable.of([EllipsoidBody((3.0, 2.0, 1.0))]).planes[:, 3].tolist()
        [3.0, 2.0, 1.0]
        """
        kind, planes, vertices, triangles = zip(*map(_row, bodies), strict=True)
        return cls(
            kind=np.array(kind, np.uint8),
            plane_offset=_ends(planes),
            planes=np.concatenate(planes),
            vertex_offset=_ends(vertices),
            vertices=np.concatenate(vertices),
            triangle_offset=_ends(triangles),
            triangles=np.concatenate(triangles),
        )

    @classmethod
    def joined(cls, tables: Sequence[BodyTable]) -> BodyTable:
        """Tables one after the other."""

        def shifted(offsets: Sequence[Int]) -> Int:
            ends = np.concatenate([[0], np.cumsum([own[-1] for own in offsets])])
            moved = [own[:-1] + start for own, start in zip(offsets, ends[:-1], strict=True)]
            return np.concatenate([*moved, ends[-1:]])

        return cls(
            kind=np.concatenate([table.kind for table in tables]),
            plane_offset=shifted([table.plane_offset for table in tables]),
            planes=np.concatenate([table.planes for table in tables]),
            vertex_offset=shifted([table.vertex_offset for table in tables]),
            vertices=np.concatenate([table.vertices for table in tables]),
            triangle_offset=shifted([table.triangle_offset for table in tables]),
            triangles=np.concatenate([table.triangles for table in tables]),
        )

    def farthest(self, body: int, axes: Float, centre: Float) -> Float:
        """Farthest that a body reaches from the origin along x, y and z, (3,) [nm].

        Parameters
        ----------
        body : int
        axes : (3, 3) float64
            Rotation that turns it first.
        centre : (3,) float64
            Where it then stands [nm].
        """
        vertices = self.vertices[self.vertex_offset[body] : self.vertex_offset[body + 1]]
        if self.kind[body] != KIND_ELLIPSOID:
            return np.asarray(np.abs(vertices @ axes.T + centre).max(axis=0))
        start = self.plane_offset[body]
        middle = axes @ vertices[0] + centre
        half = np.linalg.norm(axes * self.planes[start : start + 3, 3], axis=1)
        return np.asarray(np.maximum(np.abs(middle - half), np.abs(middle + half)))


def offsets_of(counts: NDArray[np.integer]) -> Int:
    """Start of each entry of these lengths, and the end of the last: (m + 1,).

    Examples
    --------
    >>> offsets_of(np.array([2, 3])).tolist()
    [0, 2, 5]
    """
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])


def _ends(rows: Sequence[NDArray[np.float64] | NDArray[np.int32]]) -> Int:
    return offsets_of(np.array([len(r) for r in rows]))


def _row(body: Body) -> _Row:
    no_planes, no_triangles = np.zeros((0, 4)), np.zeros((0, 3), np.int32)
    if isinstance(body, ConvexBody):
        return KIND_CONVEX, body.planes, body.vertices, no_triangles
    if isinstance(body, EllipsoidBody):
        principal = np.concatenate([np.eye(3), np.reshape(body.semi_axes, (3, 1))], axis=1)
        return KIND_ELLIPSOID, principal, np.reshape(body.centre, (1, 3)), no_triangles
    return KIND_MESH, no_planes, body.vertices, body.triangles
