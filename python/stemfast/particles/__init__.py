"""Particles: shapes in nm with their volume, surface, corners and symmetry.

>>> from stemfast.particles import Cuboid, Truncation
>>> Cuboid(edges=(24, 20, 16), corners={7: Truncation(0.3)}, material="Pd").symmetry_group
'C1'
"""

from stemfast.particles.base import Faceted, Particle
from stemfast.particles.core_shell import CoreShell, Hollow, contaminated
from stemfast.particles.corner_edits import CornerEdit, Displacement, Rounding, Severity, Truncation
from stemfast.particles.crystals import (
    Decahedron,
    HexagonalPrism,
    Icosahedron,
    Octahedron,
    TruncatedOctahedron,
)
from stemfast.particles.cuboid import Cuboid
from stemfast.particles.geometry.body import Body, ConvexBody, EllipsoidBody, MeshBody
from stemfast.particles.polyhedron import Polyhedron
from stemfast.particles.round import Ellipsoid, Sphere
from stemfast.particles.tetrahedron import Tetrahedron
from stemfast.particles.wulff import Wulff

__all__ = [
    "Body",
    "ConvexBody",
    "CoreShell",
    "CornerEdit",
    "Cuboid",
    "Decahedron",
    "Displacement",
    "Ellipsoid",
    "EllipsoidBody",
    "Faceted",
    "HexagonalPrism",
    "Hollow",
    "Icosahedron",
    "MeshBody",
    "Octahedron",
    "Particle",
    "Polyhedron",
    "Rounding",
    "Severity",
    "Sphere",
    "Tetrahedron",
    "TruncatedOctahedron",
    "Truncation",
    "Wulff",
    "contaminated",
]
