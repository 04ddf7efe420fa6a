"""The three kinds of body that the projection engine renders.

A particle of any kind is handed over as a few of these. All of them live in the
particle's own frame [nm]; ``weight`` multiplies the thickness a body contributes, so a
negative weight carves a void, and ``material`` of None means the particle's own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.arguments import finite_number, three_coordinates, three_lengths
from stemfast.particles.arguments import MaterialLike, checked_material, points_array

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int32]

#: Codes of the kinds of body at the core's boundary.
KIND_CONVEX, KIND_ELLIPSOID, KIND_MESH = 0, 1, 2


def _check_shared(body: ConvexBody | EllipsoidBody | MeshBody) -> None:
    object.__setattr__(body, "weight", finite_number("weight", body.weight))
    if body.material is not None:
        checked_material(body.material)


@dataclass(frozen=True, eq=False)
class ConvexBody:
    """A convex solid as half-spaces.

    Parameters
    ----------
    planes : (F, 4) float64
        Rows (nx, ny, nz, d): unit outward normal and offset [nm]; inside is n·x <= d.
    vertices : (V, 3) float64
        The corners [nm], for bounding boxes.
    weight : float
        Multiplies the thickness.
    material : str or Material or None
        None means the particle's.

    Raises
    ------
    ValueError
        For wrong shapes, non-finite numbers or normals that are not of length 1.
    """

    planes: FloatArray
    vertices: FloatArray
    weight: float = 1.0
    material: MaterialLike | None = None

    def __post_init__(self) -> None:
        planes = np.array(self.planes, dtype=np.float64)
        if planes.ndim != 2 or planes.shape[1] != 4 or planes.shape[0] < 4:
            raise ValueError(f"planes must have shape (F, 4) with F >= 4, got {planes.shape}")
        if not np.isfinite(planes).all():
            raise ValueError("planes must be finite")
        lengths = np.sqrt(np.einsum("ij,ij->i", planes[:, :3], planes[:, :3]))
        if np.abs(lengths - 1.0).max() > 1e-9:
            worst = int(np.abs(lengths - 1.0).argmax())
            raise ValueError(
                f"planes[{worst}] must have a unit normal, got length {lengths[worst]}"
            )
        planes.flags.writeable = False
        object.__setattr__(self, "planes", planes)
        object.__setattr__(self, "vertices", points_array("vertices", self.vertices, 4))
        _check_shared(self)


@dataclass(frozen=True, eq=False)
class EllipsoidBody:
    """An ellipsoid, its axes along x, y and z of the particle's frame or turned away from them.

    Parameters
    ----------
    semi_axes : (3,) float64
        Half-lengths [nm], along x, y, z before the turn.
    centre : (3,) float64
        Centre [nm].
    weight : float
        Multiplies the thickness.
    material : str or Material or None
        None means the particle's.
    quaternion : (float, float, float, float)
        Unit quaternion (x, y, z, w) that turns the ellipsoid about its centre.

    Raises
    ------
    TypeError, ValueError
        For semi-axes or a centre that are not three finite numbers, or a quaternion that is not
        of length 1.
    """

    semi_axes: FloatArray
    centre: FloatArray = field(default_factory=lambda: np.zeros(3))
    weight: float = 1.0
    material: MaterialLike | None = None
    quaternion: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 1.0)

    def __post_init__(self) -> None:
        semi_axes = np.array(three_lengths("semi_axes", self.semi_axes, "(x, y, z) [nm]"))
        centre = np.array(three_coordinates("centre", self.centre, "(x, y, z) [nm]"))
        semi_axes.flags.writeable = False
        centre.flags.writeable = False
        object.__setattr__(self, "semi_axes", semi_axes)
        object.__setattr__(self, "centre", centre)
        length = math.hypot(*self.quaternion)
        if len(self.quaternion) != 4 or not abs(length - 1.0) <= 1e-9:
            raise ValueError(
                "quaternion must be four numbers (x, y, z, w) of length 1, "
                f"got {self.quaternion} of length {length:.6g}"
            )
        _check_shared(self)


@dataclass(frozen=True, eq=False)
class MeshBody:
    """A solid bounded by a closed triangle mesh, convex or not.

    Parameters
    ----------
    vertices : (V, 3) float64
        Points [nm].
    triangles : (T, 3) int32
        Indices into ``vertices``, outward by the right-hand rule. That the mesh is closed
        is checked by `stemfast.particles.Polyhedron.from_mesh`, not here.
    weight : float
        Multiplies the thickness.
    material : str or Material or None
        None means the particle's.
    """

    vertices: FloatArray
    triangles: IntArray
    weight: float = 1.0
    material: MaterialLike | None = None

    def __post_init__(self) -> None:
        vertices = points_array("vertices", self.vertices, 4)
        triangles = np.array(self.triangles)
        if triangles.ndim != 2 or triangles.shape[1] != 3 or triangles.dtype.kind not in "iu":
            raise ValueError(
                "triangles must be integers of shape (T, 3), "
                f"got dtype {triangles.dtype}, shape {triangles.shape}"
            )
        if triangles.size and (triangles.min() < 0 or triangles.max() >= len(vertices)):
            raise ValueError(
                f"triangles must index the {len(vertices)} vertices, "
                f"got {triangles.min()} … {triangles.max()}"
            )
        triangles = triangles.astype(np.int32)
        triangles.flags.writeable = False
        object.__setattr__(self, "vertices", vertices)
        object.__setattr__(self, "triangles", triangles)
        _check_shared(self)


Body: TypeAlias = ConvexBody | EllipsoidBody | MeshBody
