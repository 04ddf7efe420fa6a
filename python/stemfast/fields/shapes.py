"""Shapes of the particles of fields, each of the volume of a sphere of diameter 1, any scale of it.

Spheres and ellipsoids are ellipsoids in the core; all others are convex solids given by planes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast import draws, elementary
from stemfast.particles import crystals
from stemfast.particles.geometry.body import KIND_CONVEX, KIND_ELLIPSOID, ConvexBody
from stemfast.particles.geometry.body_table import BodyTable, offsets_of
from stemfast.particles.geometry.clipping import intersect_halfspaces
from stemfast.particles.geometry.layer import DIRECTIONS, covered
from stemfast.recipes.distributions import isotropic

__all__ = ["CLASSES", "COMPOSITES", "SHAPES", "Shapes", "prism", "scaled", "sphere_outline"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

_IRREGULAR = 24
# Distance of the planes that cut edges and corners of a cube, as shares of theirs.
_ROUNDED = ((0.93, 0.86), (0.87, 0.78), (0.81, 0.7))
_SPHERE_VOLUME = np.pi / 6.0

#: Classes of particles in fields, and how many shapes of the library each has.
SHAPES: dict[str, int] = {
    "sphere": 1,
    "ellipsoid": 1,
    "cuboid": 1,
    "tetrahedron": 1,
    "octahedron": 1,
    "truncated octahedron": 1,
    "icosahedron": 1,
    "decahedron": 1,
    "hexagonal plate": 1,
    "triangular plate": 1,
    "rod": 1,
    "irregular": _IRREGULAR,
    "cuboctahedron": 1,
    "rounded cuboid": len(_ROUNDED),
    "truncated tetrahedron": 1,
    "snipped triangular plate": 1,
    "capped rod": 1,
}
#: Classes of particles of two bodies: a solid of the library, and another of its form inside.
COMPOSITES = ("core-shell", "hollow")
#: All classes, in the order of the numbers in `stemfast.fields.truth.Truth.kind`.
CLASSES = (*SHAPES, *COMPOSITES)


@dataclass(frozen=True, eq=False, repr=False)
class Shapes:
    """Convex solids of volume π/6 as planes and vertices, the sphere with neither.

    Attributes
    ----------
    names : tuple of str
        Class of each.
    planes, vertices : tuple of (F, 4), (V, 3) float64
        Unit outward normals and offsets, and corners; those of the sphere are empty.
    """

    names: tuple[str, ...]
    planes: tuple[Floats, ...]
    vertices: tuple[Floats, ...]

    def __repr__(self) -> str:
        return f"Shapes: {len(self.names)} of {len(SHAPES)} classes"

    def rows(self, name: str) -> Ints:
        """Indices of the shapes of one class."""
        return np.array([k for k, own in enumerate(self.names) if own == name])


@cache
def library() -> Shapes:
    """The shapes that fields are made of, built once.

    Examples
    --------
    >>> library().names[:3]
    ('sphere', 'ellipsoid', 'cuboid')
    """
    names, planes, vertices = [], [], []
    for name, count in SHAPES.items():
        for number in range(count):
            own = _planes(name, number)
            corners = np.zeros((0, 3))
            if len(own):
                solid = intersect_halfspaces(own)
                size = float(f"{float(elementary.cbrt(solid.volume / _SPHERE_VOLUME)):.12g}")
                own = np.concatenate([own[:, :3], own[:, 3:] / size], axis=1)
                corners = solid.vertices / size
            names.append(name)
            planes.append(own)
            vertices.append(corners)
    return Shapes(tuple(names), tuple(planes), tuple(vertices))


def _planes(name: str, number: int) -> Floats:
    if name in ("sphere", "ellipsoid"):
        return np.zeros((0, 4))
    if name == "irregular":
        return _irregular(number)
    if name == "cuboid":
        axes = np.concatenate([np.eye(3), -np.eye(3)])
        return np.concatenate([axes, np.ones((6, 1))], axis=1)
    if name == "tetrahedron":
        normals = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3.0)
        return np.concatenate([normals, np.ones((4, 1))], axis=1)
    if name == "hexagonal plate":
        return prism(6, 1.0, 0.35)
    if name == "triangular plate":
        return prism(3, 1.0, 0.3)
    if name == "rod":
        return prism(12, 1.0, 3.0)
    if name in _WORN:
        return _worn(name, number)
    solid = {
        "octahedron": crystals.Octahedron(1.0),
        "truncated octahedron": crystals.TruncatedOctahedron(1.0),
        "cuboctahedron": crystals.TruncatedOctahedron(1.0, truncation=0.5),
        "icosahedron": crystals.Icosahedron(1.0),
        "decahedron": crystals.Decahedron(1.0),
    }[name]
    body = solid.bodies()[0]
    assert isinstance(body, ConvexBody)
    return body.planes


_WORN = ("rounded cuboid", "truncated tetrahedron", "snipped triangular plate", "capped rod")


def _worn(name: str, number: int) -> Floats:
    """Planes of a solid that lost some of its corners, as most crystals have."""
    if name == "truncated tetrahedron":
        whole = _planes("tetrahedron", 0)
        return np.concatenate([whole, whole * (-1.0, -1.0, -1.0, 2.4)])
    if name == "snipped triangular plate":
        whole = prism(3, 1.0, 0.3)
        return np.concatenate([whole, whole[:3] * (-1.0, -1.0, 1.0, 1.6)])
    if name == "capped rod":
        whole = prism(12, 1.0, 3.0)
        around = np.repeat(whole[:12, :2], 2, axis=0)
        ends = np.tile([1.0, -1.0], 12)
        caps = np.concatenate([around, ends[:, None], np.full((24, 1), 3.55)], axis=1)
        return np.concatenate([whole, caps / np.sqrt(2.0)])
    whole = _planes("cuboid", 0)
    signs = np.array([[x, y, z] for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1)], float)
    count = np.abs(signs).sum(axis=1)
    cut = signs[count > 1] / np.sqrt(count[count > 1])[:, None]
    edge, corner = _ROUNDED[number]
    depth = np.where(count == 2, edge * np.sqrt(2.0), corner * np.sqrt(3.0))[count > 1]
    return np.concatenate([whole, np.concatenate([cut, depth[:, None]], axis=1)])


def prism(sides: int, inner_radius: float, half_height: float) -> Floats:
    """Planes of an upright prism with a regular base, (sides + 2, 4).

    Examples
    --------
    >>> prism(4, 1.0, 2.0)[-1].tolist()
    [0.0, 0.0, -1.0, 2.0]
    """
    sine, cosine = elementary.sin_cos_turns(np.arange(sides) / sides)
    around = np.stack([cosine, sine, np.zeros(sides), np.full(sides, inner_radius)], axis=1)
    around[:, :3] /= np.sqrt((around[:, :3] ** 2).sum(axis=1, keepdims=True))
    ends = np.array([[0.0, 0.0, 1.0, half_height], [0.0, 0.0, -1.0, half_height]])
    return np.concatenate([around, ends])


def _irregular(number: int) -> Floats:
    """A roundish solid of 18 to 33 facets at random."""
    count = 18 + (number * 7) % 16
    u = draws.uniform(20231, [number], 0, 3 * count)[0].reshape(3, count)
    normals = isotropic(u[0], u[1])
    normals[:6] = np.concatenate([np.eye(3), -np.eye(3)])  # bounded whatever was drawn
    stretch = 1.0 + (number % 5) * 0.12
    offset = 0.9 + 0.25 * u[2]
    longer = np.sqrt(1.0 + (stretch * stretch - 1.0) * normals[:, 0] * normals[:, 0])
    return np.concatenate([normals, (offset * longer)[:, None]], axis=1)


def scaled(which: Ints, scale: Floats, layer_nm: float = 0.0) -> BodyTable:
    """Table of shapes of the library, each stretched along its own axes.

    Parameters
    ----------
    which : (n,) int64
        Index in the library of each body.
    scale : (n, 3) float64
        Factors along x, y, z; for the sphere its diameters [nm].
    layer_nm : float
        Thickness of a layer that grows each of them (:func:`stemfast.contaminated`) [nm].

    Returns
    -------
    BodyTable

    Examples
    --------
    >>> len(scaled(np.array([0, 2]), np.array([[4.0, 4, 4], [4, 5, 6]])))
    2
    """
    shapes = library()
    around = len(DIRECTIONS) if layer_nm > 0.0 else 0
    faces = np.array([len(own) + around if len(own) else 3 for own in shapes.planes])
    corners = np.array([len(own) or 1 for own in shapes.vertices])
    plane_offset, vertex_offset = offsets_of(faces[which]), offsets_of(corners[which])
    kind = np.full(len(which), KIND_CONVEX, np.uint8)
    planes = np.zeros((int(plane_offset[-1]), 4))
    vertices = np.zeros((int(vertex_offset[-1]), 3))
    for shape in np.unique(which).tolist():
        own = np.flatnonzero(which == shape)
        rows = plane_offset[own][:, None] + np.arange(faces[shape])
        if len(shapes.planes[shape]) == 0:
            kind[own] = KIND_ELLIPSOID
            planes[rows, :3] = np.eye(3)
            planes[rows, 3] = 0.5 * scale[own] + layer_nm
            continue
        solid = _stretched(shapes.planes[shape], scale[own])
        points = shapes.vertices[shape] * scale[own][:, None]
        if around:
            # The solid enlarged until its nearest face is a layer away holds all of the layer.
            enlarged = points * (1.0 + layer_nm / solid[..., 3].min(axis=1))[:, None, None]
            solid, points = covered(solid[..., :3], points, layer_nm), enlarged
        planes[rows] = solid
        at = vertex_offset[own][:, None] + np.arange(corners[shape])
        vertices[at] = points
    return BodyTable(
        kind=kind,
        plane_offset=plane_offset,
        planes=planes,
        vertex_offset=vertex_offset,
        vertices=vertices,
        triangle_offset=np.zeros(len(kind) + 1, np.int64),
        triangles=np.zeros((0, 3), np.int32),
    )


def _stretched(planes: Floats, scale: Floats) -> Floats:
    """Planes (F, 4) of one shape for bodies stretched by `scale` (n, 3): (n, F, 4)."""
    even = (scale[:, 0] == scale[:, 1]) & (scale[:, 1] == scale[:, 2])
    factor = np.where(even[:, None], 1.0, scale)[:, None]
    normal = planes[:, :3] / factor
    x, y, z = normal[..., 0], normal[..., 1], normal[..., 2]
    length = np.where(even[:, None], 1.0, np.sqrt(x * x + y * y + z * z))
    offset = planes[:, 3] * np.where(even, scale[:, 0], 1.0)[:, None]
    return np.concatenate([normal, offset[..., None]], axis=2) / length[..., None]


@cache
def sphere_outline(points: int = 48) -> Floats:
    """Unit circle (points, 2), the outline of a sphere of radius 1."""
    sine, cosine = elementary.sin_cos_turns(np.arange(points) / points)
    return np.stack([cosine, sine], axis=1)
