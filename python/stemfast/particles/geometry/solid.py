"""A solid bounded by flat polygons, and what follows from it: volume, area, planes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.particles.geometry.body import ConvexBody, MeshBody

FloatArray: TypeAlias = NDArray[np.float64]
Face: TypeAlias = tuple[int, ...]

# Lengths are compared relative to the size of the solid. Vertices come out of one or two
# plane intersections in float64, so their error is some 1e-15 of the size.
FLAT = 1e-9


@dataclass(frozen=True, eq=False)
class Solid:
    """Vertices and convex planar faces, outward (anticlockwise seen from outside).

    Attributes
    ----------
    vertices : (V, 3) float64
        Points [nm], each used by some face.
    faces : tuple of tuple of int
        Vertex indices around each face. Neighbouring faces may lie in one plane.
    face_planes : (F, 4) float64
        Unit outward normal and offset [nm] of each face.
    """

    vertices: FloatArray
    faces: tuple[Face, ...]
    face_planes: FloatArray

    def __post_init__(self) -> None:
        self.vertices.flags.writeable = False
        self.face_planes.flags.writeable = False

    def __reduce__(self) -> tuple[Any, ...]:
        return Solid, (self.vertices, self.faces, self.face_planes)

    @classmethod
    def from_faces(cls, vertices: FloatArray, faces: tuple[Face, ...]) -> Solid:
        """A solid whose planes are computed from its faces (Newell's normal)."""
        return cls(vertices, faces, newell_planes(vertices, faces))

    @cached_property
    def size(self) -> float:
        """Longest side of the bounding box [nm]."""
        return float(np.ptp(self.vertices, axis=0).max())

    @cached_property
    def triangles(self) -> NDArray[np.int32]:
        """(T, 3) indices: every face as a fan around its first vertex."""
        return np.array(
            [
                (face[0], face[i], face[i + 1])
                for face in self.faces
                for i in range(1, len(face) - 1)
            ],
            dtype=np.int32,
        )

    @cached_property
    def _moments(self) -> tuple[float, FloatArray]:
        """Volume and centroid as sums over the tetrahedra from one point to every triangle."""
        # Measured from the middle of the vertices: no cancellation for a far-away solid.
        middle = self.vertices.mean(axis=0)
        corners = (self.vertices - middle)[self.triangles]
        volumes = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6
        volume = float(volumes.sum())
        return volume, middle + (volumes[:, None] * corners.sum(axis=1) / 4).sum(axis=0) / volume

    @property
    def volume(self) -> float:
        """Enclosed volume [nm^3], by the divergence theorem."""
        return self._moments[0]

    @property
    def centroid(self) -> FloatArray:
        """(3,) centre of mass [nm]."""
        return self._moments[1]

    @cached_property
    def area(self) -> float:
        """Surface area [nm^2]."""
        return float(triangle_areas(self.vertices, self.triangles).sum())

    @cached_property
    def is_convex(self) -> bool:
        """True if every vertex lies on the inner side of every face."""
        heights = self.vertices @ self.face_planes[:, :3].T - self.face_planes[:, 3]
        return bool(heights.max() <= FLAT * self.size)

    @cached_property
    def flats(self) -> tuple[FloatArray, NDArray[np.intp]]:
        """The distinct planes (P, 4), and for each face the plane it lies in (F,)."""
        distinct: list[FloatArray] = []
        member = np.empty(len(self.faces), dtype=np.intp)
        # In units of the size, with the offset measured from the first vertex, so that a
        # solid far from the origin is judged no more strictly than one at it.
        scaled = self.face_planes.copy()
        scaled[:, 3] -= scaled[:, :3] @ self.vertices[0]
        scaled[:, 3] /= self.size
        kept: list[int] = []
        for i, plane in enumerate(scaled):
            if distinct:
                near = np.abs(np.array(distinct) - plane).max(axis=1) < FLAT
                if near.any():
                    member[i] = int(near.argmax())
                    continue
            member[i] = len(distinct)
            distinct.append(plane)
            kept.append(i)
        return self.face_planes[kept], member

    def body(self) -> ConvexBody | MeshBody:
        """Body that the projection engine renders: half-spaces if convex, else triangles."""
        if self.is_convex:
            return ConvexBody(self.flats[0], self.vertices)
        return MeshBody(self.vertices, self.triangles)

    def moved(self, shift: FloatArray) -> Solid:
        """The same solid translated by ``shift`` [nm]."""
        planes = self.face_planes.copy()
        planes[:, 3] += planes[:, :3] @ shift
        return Solid(self.vertices + shift, self.faces, planes)


def newell_planes(vertices: FloatArray, faces: tuple[Face, ...]) -> FloatArray:
    """(F, 4) planes of polygons: the normal is the sum of cross products of its sides."""
    planes = np.empty((len(faces), 4))
    for row, face in zip(planes, faces, strict=True):
        points = vertices[list(face)]
        middle = points.mean(axis=0)
        spokes = points - middle
        normal = np.cross(spokes, np.roll(spokes, -1, axis=0)).sum(axis=0)
        length = float(np.linalg.norm(normal))
        if not length > 0:
            raise ValueError("a face has no area, expected corners that are not all in one line")
        row[:3] = normal / length
        row[3] = row[:3] @ middle
    return planes


def triangle_areas(vertices: FloatArray, triangles: NDArray[np.int32]) -> FloatArray:
    """(T,) areas [nm^2]."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    crossed = np.cross(b - a, c - a)
    areas: FloatArray = 0.5 * np.sqrt(np.einsum("ij,ij->i", crossed, crossed))
    return areas
