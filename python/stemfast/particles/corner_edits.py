"""Edits of a corner of a cuboid: truncation, displacement, rounding.

An edit is described in the corner's own words: along each of its three edges, counted
from the corner. Corner c of a cuboid sits at signs (x: bit 0, y: bit 1, z: bit 2), bit
set = positive side.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stemfast.arguments import (
    Vector,
    coordinate_nm,
    length_nm,
    positive_number,
    three_coordinates,
    three_lengths,
    three_positive,
)
from stemfast.particles.arguments import numbers_text
from stemfast.particles.geometry.clipping import Plane, Point
from stemfast.particles.geometry.rounding_facets import FACET_COUNTS, facet_error, facet_normals


@dataclass(frozen=True)
class Severity:
    """Depth of an edit: the distance from the old corner to the new surface.

    Attributes
    ----------
    nm : float
        Distance [nm]: to the plane of a truncation, to the displaced vertex, or to the
        ball of a rounding.
    fraction : float
        The same as a fraction of the cuboid's shortest edge.
    """

    nm: float
    fraction: float


def corner_signs(corner: int) -> tuple[int, int, int]:
    """The side (-1 or 1) of x, y and z that corner 0…7 is on.

    Examples
    --------
    >>> corner_signs(6)
    (-1, 1, 1)
    """
    x, y, z = (1 if corner >> k & 1 else -1 for k in range(3))
    return x, y, z


class CornerEdit(ABC):
    """One edit of one corner; `Truncation`, `Displacement` or `Rounding`."""

    @abstractmethod
    def depth(self, edges: Vector) -> float:
        """Distance [nm] from the old corner to the new surface."""

    def severity(self, edges: Sequence[float]) -> Severity:
        """Depth of the edit on a cuboid with these edges [nm].

        Examples
        --------
        >>> Displacement(nm=2).severity((24, 20, 16))
        Severity(nm=2.0, fraction=0.125)
        """
        checked = three_lengths("edges", edges, "(x, y, z) [nm]")
        depth = self.depth(checked)
        return Severity(nm=depth, fraction=depth / min(checked))

    @abstractmethod
    def planes(self, corner: int, edges: Vector) -> tuple[Plane, ...]:
        """The planes that cut this corner, in the cuboid's frame; none for a displacement."""

    @abstractmethod
    def reach(self, edges: Vector) -> Vector:
        """Length [nm] along x, y, z that the edit takes off the edges at the corner."""

    @abstractmethod
    def signature(self, corner: int, edges: Vector) -> tuple[str, Vector]:
        """Kind and three numbers along the corner's own edges: equal signatures, equal edits."""


def corner_plane(corner: int, edges: Vector, inward: Point, depth: float) -> Plane:
    """The plane at ``depth`` below a corner, ``inward`` its unit normal in the corner's words."""
    signs = corner_signs(corner)
    x, y, z = (sign * n for sign, n in zip(signs, inward, strict=True))
    height = sum(n * edge / 2 for n, edge in zip(inward, edges, strict=True))
    return x, y, z, height - depth


@dataclass(frozen=True, init=False)
class Truncation(CornerEdit):
    """A corner cut off by a plane through its three edges.

    Parameters
    ----------
    fraction : float or (float, float, float)
        How far from the corner the plane meets the edges along x, y and z, as fractions of
        their lengths; 0 < fraction <= 1. One number stands for all three.

    Raises
    ------
    TypeError, ValueError
        For anything but one or three numbers in (0, 1].

    See Also
    --------
    Truncation.true_111 : a cut along {111}, whatever the edges.

    Examples
    --------
    >>> Truncation(0.3)
    Truncation(0.3)
    >>> Truncation((0.2, 0.3, 0.4))
    Truncation((0.2, 0.3, 0.4))
    >>> Truncation.true_111(depth_nm=2.5)
    Truncation.true_111(depth_nm=2.5)
    """

    fractions: Vector | None
    depth_nm: float | None

    def __init__(self, fraction: float | Sequence[float]) -> None:
        if isinstance(fraction, (Sequence, np.ndarray)) and not isinstance(fraction, str):
            fractions = three_positive("fraction", fraction, "along (x, y, z)")
        else:
            fractions = (positive_number("fraction", fraction),) * 3
        if max(fractions) > 1:
            raise ValueError(
                "fraction must be at most 1, the whole edge; "
                f"got {numbers_text(fractions) if len(set(fractions)) > 1 else fractions[0]}"
            )
        object.__setattr__(self, "fractions", fractions)
        object.__setattr__(self, "depth_nm", None)

    @classmethod
    def true_111(cls, *, depth_nm: float) -> Truncation:
        """A cut with its normal along (±1, ±1, ±1)/√3, ``depth_nm`` [nm] below the corner.

        It meets every edge at √3 depth_nm from the corner, so on a cuboid with unequal
        edges it is not the cut that equal fractions make.
        """
        cut = cls.__new__(cls)
        object.__setattr__(cut, "fractions", None)
        object.__setattr__(cut, "depth_nm", length_nm("depth_nm", depth_nm))
        return cut

    def reach(self, edges: Vector) -> Vector:
        if self.depth_nm is not None:
            return (math.sqrt(3) * self.depth_nm,) * 3
        assert self.fractions is not None
        x, y, z = (f * edge for f, edge in zip(self.fractions, edges, strict=True))
        return x, y, z

    def depth(self, edges: Vector) -> float:
        return 1 / math.sqrt(sum(r**-2 for r in self.reach(edges)))

    def planes(self, corner: int, edges: Vector) -> tuple[Plane, ...]:
        depth = self.depth(edges)
        x, y, z = (depth / r for r in self.reach(edges))
        return (corner_plane(corner, edges, (x, y, z), depth),)

    def signature(self, corner: int, edges: Vector) -> tuple[str, Vector]:
        return "truncation", self.reach(edges)

    def __repr__(self) -> str:
        if self.fractions is None:
            return f"Truncation.true_111(depth_nm={self.depth_nm:.6g})"
        if len(set(self.fractions)) == 1:
            return f"Truncation({self.fractions[0]:.6g})"
        return f"Truncation({numbers_text(self.fractions)})"


@dataclass(frozen=True, kw_only=True)
class Displacement(CornerEdit):
    """A corner whose vertex is moved; its faces fold along the diagonals beside it.

    Each of the corner's three faces is split along the diagonal that joins the corner's two
    neighbours in that face. Where two corners of one face that share an edge are both
    displaced, the face is split along both of its diagonals, and their crossing, the middle
    of the face, stays where it is. The solid stays closed and may become concave.

    Give either of the two:

    Parameters
    ----------
    nm : float
        Distance [nm] along the line from the corner to the cuboid's centre.
        **Positive = inwards** (matter is missing), **negative = outwards** (a spike).
    vector_nm : (float, float, float)
        Displacement (x, y, z) [nm] in the particle's frame.

    Raises
    ------
    TypeError, ValueError
        When both or neither are given, or the displacement is zero or not finite.

    Examples
    --------
    >>> Displacement(nm=2.0)
    Displacement(nm=2)
    >>> Displacement(vector_nm=(0, 0, -1.5))
    Displacement(vector_nm=(0, 0, -1.5))
    """

    nm: float | None = None
    vector_nm: Vector | None = None

    def __post_init__(self) -> None:
        if (self.nm is None) == (self.vector_nm is None):
            raise TypeError(
                "Displacement needs either nm or vector_nm, "
                f"got nm={self.nm!r} and vector_nm={self.vector_nm!r}"
            )
        if self.nm is not None:
            object.__setattr__(self, "nm", coordinate_nm("nm", self.nm))
        else:
            vector = three_coordinates("vector_nm", self.vector_nm, "(x, y, z) [nm]")
            object.__setattr__(self, "vector_nm", vector)
        if self.nm == 0 or self.vector_nm == (0, 0, 0):
            raise ValueError("Displacement must not be zero: leave the corner out instead")

    def vector(self, corner: int, edges: Vector) -> Vector:
        """The displacement (x, y, z) [nm] of this corner in the particle's frame."""
        if self.vector_nm is not None:
            return self.vector_nm
        assert self.nm is not None
        share = -self.nm / math.hypot(*edges)
        x, y, z = (share * s * edge for s, edge in zip(corner_signs(corner), edges, strict=True))
        return x, y, z

    def depth(self, edges: Vector) -> float:
        return abs(self.nm) if self.nm is not None else math.hypot(*self.vector(0, edges))

    def planes(self, corner: int, edges: Vector) -> tuple[Plane, ...]:
        return ()

    def reach(self, edges: Vector) -> Vector:
        return 0.0, 0.0, 0.0

    def signature(self, corner: int, edges: Vector) -> tuple[str, Vector]:
        moved = self.vector(corner, edges)
        x, y, z = (sign * v for sign, v in zip(corner_signs(corner), moved, strict=True))
        return "displacement", (x, y, z)

    def __repr__(self) -> str:
        if self.vector_nm is None:
            return f"Displacement(nm={self.nm:.6g})"
        return f"Displacement(vector_nm={numbers_text(self.vector_nm)})"


@dataclass(frozen=True, kw_only=True)
class Rounding(CornerEdit):
    """A corner rounded to a ball that touches its three faces, in flat facets.

    The facets are tangent to the ball; their normals lie around the corner's bisector, as
    far out as keeps every facet within two radii of the corner along each edge. The edges
    beyond stay sharp.

    Parameters
    ----------
    radius_nm : float
        Radius of the ball [nm].
    facets : int
        How many facets: 1, 3, 7, 12, 18, 25, 33 or 42. More facets, smaller `error_nm`.

    Raises
    ------
    TypeError, ValueError
        For a radius that is not larger than 0, or another number of facets.

    Examples
    --------
    >>> edit = Rounding(radius_nm=3)
    >>> edit
    Rounding(radius_nm=3, facets=12)
    >>> edit.error_nm < 0.1 * edit.radius_nm
    True
    """

    radius_nm: float
    facets: int = 12

    def __post_init__(self) -> None:
        object.__setattr__(self, "radius_nm", length_nm("radius_nm", self.radius_nm))
        if isinstance(self.facets, (bool, np.bool_)) or not isinstance(
            self.facets, (int, np.integer)
        ):
            raise TypeError(f"facets must be an integer, got {self.facets!r}")
        if self.facets not in FACET_COUNTS:
            raise ValueError(f"facets must be one of {FACET_COUNTS}, got {self.facets}")
        object.__setattr__(self, "facets", int(self.facets))

    @property
    def error_nm(self) -> float:
        """Largest distance [nm] of the facets from the smooth corner.

        The smooth corner is what infinitely many facets would leave: the ball, and the
        cones from it to the edges at two radii from the corner.
        """
        return self.radius_nm * facet_error(self.facets)

    def reach(self, edges: Vector) -> Vector:
        farthest = max((sum(n) - 1) / min(n) for n in facet_normals(self.facets))
        return (farthest * self.radius_nm,) * 3

    def depth(self, edges: Vector) -> float:
        return (math.sqrt(3) - 1) * self.radius_nm

    def planes(self, corner: int, edges: Vector) -> tuple[Plane, ...]:
        r = self.radius_nm
        return tuple(
            corner_plane(corner, edges, n, r * (sum(n) - 1)) for n in facet_normals(self.facets)
        )

    def signature(self, corner: int, edges: Vector) -> tuple[str, Vector]:
        return "rounding", (self.radius_nm,) * 2 + (float(self.facets),)

    def __repr__(self) -> str:
        return f"Rounding(radius_nm={self.radius_nm:.6g}, facets={self.facets})"
