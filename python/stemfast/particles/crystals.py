"""The shapes that face-centred cubic nanocrystals and nanoplates grow into.

All of them have their centre of mass at the origin and their highest axis along z, except
the icosahedron, whose two-fold axes are along x, y and z.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np

from stemfast.arguments import finite_number, length_nm, positive_number
from stemfast.particles.base import Faceted
from stemfast.particles.geometry.body import Body
from stemfast.particles.geometry.clipping import intersect_halfspaces
from stemfast.particles.geometry.grains import pyramids, wedges
from stemfast.particles.geometry.solid import FloatArray, Solid

_GOLDEN = (1 + math.sqrt(5)) / 2


@dataclass(frozen=True, repr=False)
class _FromEdge(Faceted):
    """A crystal measured by one edge [nm] first."""

    edge: float

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "edge", length_nm("edge", self.edge))

    def _description(self) -> str:
        return f"edge={self.edge:.6g} nm"


@dataclass(frozen=True, repr=False)
class Octahedron(_FromEdge):
    """A regular octahedron with its corners on the x, y and z axes: eight {111} faces.

    Parameters
    ----------
    edge : float
        Edge [nm]; the corners are edge/√2 from the centre.
    material : str or Material
        What it is made of.

    Raises
    ------
    TypeError, ValueError
        When ``edge`` is not a finite number larger than 0.

    Examples
    --------
    >>> particle = Octahedron(edge=20)
    >>> particle, particle.symmetry_group
    (Octahedron(edge=20 nm, material='Au'), 'Oh')
    >>> round(particle.volume, 6)  # √2/3 · 20^3
    3771.236166
    """

    def _build(self) -> Solid:
        return intersect_halfspaces(_octahedron_planes(self.edge))


@dataclass(frozen=True, repr=False)
class TruncatedOctahedron(_FromEdge):
    """An octahedron with its six corners cut off: eight {111} and six {100} faces.

    Parameters
    ----------
    edge : float
        Edge [nm] of the octahedron **before** its corners are cut off, so that
        ``TruncatedOctahedron(edge=20)`` fits into ``Octahedron(edge=20)``.
    truncation : float
        Where the cuts meet the edges, as a fraction of ``edge`` from each corner. 1/3 makes
        the Archimedean truncated octahedron, 1/2 the cuboctahedron; 0 < truncation <= 1/2.
    material : str or Material
        What it is made of.

    Raises
    ------
    TypeError, ValueError
        For an edge that is not larger than 0 or a truncation outside (0, 1/2].

    Examples
    --------
    >>> particle = TruncatedOctahedron(edge=21)
    >>> particle
    TruncatedOctahedron(edge=21 nm, truncation=0.333333, material='Au')
    >>> round(particle.volume, 6)  # 8 √2 · 7^3
    3880.602015
    """

    truncation: float = 1 / 3

    def __post_init__(self) -> None:
        super().__post_init__()
        truncation = positive_number("truncation", self.truncation)
        if truncation > 0.5:
            raise ValueError(
                f"truncation must be at most 0.5, where the cuts meet, got {truncation:g}"
            )
        object.__setattr__(self, "truncation", truncation)

    def _build(self) -> Solid:
        half = self.edge / math.sqrt(2) * (1 - self.truncation)
        cube = np.array([(*(s * row), half) for row in np.eye(3) for s in (-1.0, 1.0)])
        return intersect_halfspaces(np.concatenate([_octahedron_planes(self.edge), cube]))

    def _description(self) -> str:
        return f"{super()._description()}, truncation={self.truncation:.6g}"


@dataclass(frozen=True, repr=False)
class Icosahedron(_FromEdge):
    """A regular icosahedron: twenty {111} faces, as of a multiply twinned particle.

    Its two-fold axes are along x, y and z.

    Parameters
    ----------
    edge : float
        Edge [nm].
    material : str or Material
        What it is made of.

    Raises
    ------
    TypeError, ValueError
        When ``edge`` is not a finite number larger than 0.

    Examples
    --------
    >>> particle = Icosahedron(edge=10)
    >>> len(particle.faces), particle.symmetry_group
    (20, 'Ih')
    >>> round(particle.volume, 6)  # 5 (3 + √5)/12 · 10^3
    2181.694991
    """

    def _build(self) -> Solid:
        # The normals are the corners of a regular dodecahedron.
        normals = [np.array(signs) for signs in product((-1.0, 1.0), repeat=3)]
        for a, b in product((-1.0, 1.0), repeat=2):
            corner = np.array((0.0, a / _GOLDEN, b * _GOLDEN))
            normals += [np.roll(corner, k) for k in range(3)]
        inradius = _GOLDEN**2 / (2 * math.sqrt(3)) * self.edge
        planes = [(*(normal / math.sqrt(3)), inradius) for normal in normals]
        return intersect_halfspaces(np.array(planes))

    @property
    def n_grains(self) -> int:
        """Twenty twins, tetrahedra from the centre to each face."""
        return 20

    def _grains(self) -> tuple[Body, ...]:
        return pyramids(self._solid)


@dataclass(frozen=True, repr=False)
class Decahedron(_FromEdge):
    """A pentagonal bipyramid, five-fold axis along z; with a waist, Ino's decahedron.

    Ten {111} faces, equilateral triangles, and, with a waist, five {100} faces around it.

    Parameters
    ----------
    edge : float
        Edge [nm] of the triangles; the pentagon has one corner on the positive x axis.
    waist : float
        Height [nm] of the {100} faces, inserted between the two pyramids; 0 for none.
    material : str or Material
        What it is made of.

    Raises
    ------
    TypeError, ValueError
        For an edge that is not larger than 0, or a waist smaller than 0.

    Examples
    --------
    >>> Decahedron(edge=20).symmetry_group
    'D5h'
    >>> particle = Decahedron(edge=20, waist=5)
    >>> particle
    Decahedron(edge=20 nm, waist=5 nm, material='Au')
    >>> len(particle.faces)
    15
    """

    waist: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        waist = finite_number("waist", self.waist)
        if waist < 0:
            raise ValueError(f"waist must be at least 0, got {waist:g}")
        object.__setattr__(self, "waist", waist)

    def _build(self) -> Solid:
        radius = self.edge / (2 * math.sin(math.pi / 5))
        inradius = radius * math.cos(math.pi / 5)
        height = math.sqrt(self.edge**2 - radius**2)
        planes = []
        slant = math.hypot(height, inradius)
        for k in range(5):
            angle = (2 * k + 1) * math.pi / 5
            x, y = math.cos(angle), math.sin(angle)
            for side in (-1.0, 1.0):
                normal = np.array((height * x, height * y, side * inradius)) / slant
                planes.append((*normal, inradius * (height + self.waist / 2) / slant))
            if self.waist:
                planes.append((x, y, 0.0, inradius))
        return intersect_halfspaces(np.array(planes))

    @property
    def n_grains(self) -> int:
        """Five twins about the axis."""
        return 5

    def _grains(self) -> tuple[Body, ...]:
        return wedges(self._solid, 5)

    def _description(self) -> str:
        waist = f", waist={self.waist:.6g} nm" if self.waist else ""
        return super()._description() + waist


@dataclass(frozen=True, repr=False)
class HexagonalPrism(_FromEdge):
    """A prism on a regular hexagon, six-fold axis along z: a nanoplate or a rod.

    Parameters
    ----------
    edge : float
        Edge [nm] of the hexagon, one corner of which is on the positive x side.
    height : float
        Length [nm] along z.
    material : str or Material
        What it is made of.

    Raises
    ------
    TypeError, ValueError
        When ``edge`` or ``height`` is not a finite number larger than 0.

    Examples
    --------
    >>> plate = HexagonalPrism(edge=15, height=5)
    >>> plate, plate.symmetry_group
    (HexagonalPrism(edge=15 nm, height=5 nm, material='Au'), 'D6h')
    >>> round(plate.volume, 6)  # 3 √3/2 · 15^2 · 5
    2922.835738
    """

    height: float

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "height", length_nm("height", self.height))

    def _build(self) -> Solid:
        angles = np.arange(6) * math.pi / 3
        ring = np.stack([self.edge * np.cos(angles), self.edge * np.sin(angles)], axis=1)
        vertices = np.empty((12, 3))
        vertices[:6, :2] = vertices[6:, :2] = ring
        vertices[:6, 2], vertices[6:, 2] = -self.height / 2, self.height / 2
        sides = tuple((k, (k + 1) % 6, (k + 1) % 6 + 6, k + 6) for k in range(6))
        return Solid.from_faces(vertices, (tuple(range(5, -1, -1)), tuple(range(6, 12)), *sides))

    def _description(self) -> str:
        return f"{super()._description()}, height={self.height:.6g} nm"


def _octahedron_planes(edge: float) -> FloatArray:
    """(8, 4) planes of a regular octahedron with its corners on the axes."""
    distance = edge / math.sqrt(6)
    return np.array(
        [(*(np.array(signs) / math.sqrt(3)), distance) for signs in product((-1.0, 1.0), repeat=3)]
    )
