"""The tetrahedron: a pyramid on an equilateral triangle."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from stemfast.arguments import length_nm
from stemfast.particles.arguments import MaterialLike
from stemfast.particles.base import Faceted
from stemfast.particles.geometry.solid import FLAT, Solid

_REGULAR_HEIGHT = math.sqrt(2 / 3)


@dataclass(frozen=True, repr=False, init=False)
class Tetrahedron(Faceted):
    """A triangular pyramid with its centre of mass at the origin.

    The base is an equilateral triangle parallel to x and y with one corner on the side of
    positive x; the apex is on the positive z axis.

    Parameters
    ----------
    edge : float
        Edge [nm] of a regular tetrahedron; or give the next two instead.
    base, height : float
        Edge of the base and height above it [nm].
    material : str or Material
        What it is made of.

    Raises
    ------
    TypeError, ValueError
        When neither ``edge`` alone nor ``base`` and ``height`` are given, or any is not a
        finite number larger than 0.

    Examples
    --------
    >>> regular = Tetrahedron(edge=20)
    >>> regular, regular.symmetry_group
    (Tetrahedron(edge=20 nm, material='Au'), 'Td')
    >>> Tetrahedron(base=20, height=30).symmetry_group
    'C3v'
    >>> round(regular.volume, 6)  # 20^3 / (6 √2)
    942.809042
    """

    base: float
    height: float

    def __init__(
        self,
        edge: float | None = None,
        *,
        base: float | None = None,
        height: float | None = None,
        material: MaterialLike = "Au",
    ) -> None:
        if (edge is None) == (base is None or height is None) or (
            edge is not None and (base is not None or height is not None)
        ):
            raise TypeError(
                "Tetrahedron needs either edge, or base and height; "
                f"got edge={edge!r}, base={base!r}, height={height!r}"
            )
        if edge is not None:
            base = length_nm("edge", edge)
            height = base * _REGULAR_HEIGHT
        object.__setattr__(self, "base", length_nm("base", base))
        object.__setattr__(self, "height", length_nm("height", height))
        object.__setattr__(self, "material", material)
        self.__post_init__()

    @property
    def is_regular(self) -> bool:
        """True if all six edges are equal."""
        return abs(self.height / self.base - _REGULAR_HEIGHT) < FLAT

    def _build(self) -> Solid:
        radius = self.base / math.sqrt(3)
        angles = np.array([0, 2, 4]) * math.pi / 3
        vertices = np.empty((4, 3))
        vertices[:3, 0] = radius * np.cos(angles)
        vertices[:3, 1] = radius * np.sin(angles)
        vertices[:3, 2] = -self.height / 4
        vertices[3] = 0, 0, 3 * self.height / 4
        return Solid.from_faces(vertices, ((2, 1, 0), (0, 1, 3), (1, 2, 3), (2, 0, 3)))

    def _arguments(self) -> dict[str, Any]:
        return {"base": self.base, "height": self.height, "material": self.material}

    def _description(self) -> str:
        if self.is_regular:
            return f"edge={self.base:.6g} nm"
        return f"base={self.base:.6g} nm, height={self.height:.6g} nm"
