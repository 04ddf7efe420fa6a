"""Particles without corners: the sphere and the ellipsoid."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stemfast.arguments import Vector, length_nm, three_lengths
from stemfast.particles.arguments import numbers_text
from stemfast.particles.base import Particle
from stemfast.particles.geometry.body import Body, EllipsoidBody
from stemfast.particles.geometry.solid import Face, FloatArray


@dataclass(frozen=True, repr=False)
class _Round(Particle):
    """An ellipsoid about the origin, or the sphere as its special case."""

    @property
    @abstractmethod
    def _half_lengths(self) -> Vector:
        """Half-lengths along x, y and z [nm]."""

    @property
    def volume(self) -> float:
        a, b, c = self._half_lengths
        return 4 / 3 * math.pi * a * b * c

    @property
    def centroid(self) -> FloatArray:
        return np.zeros(3)

    @property
    def vertices(self) -> FloatArray:
        return np.empty((0, 3))

    @property
    def faces(self) -> tuple[Face, ...]:
        return ()

    @property
    def bounding_radius(self) -> float:
        return max(self._half_lengths)

    def _surface(self) -> tuple[FloatArray, tuple[Face, ...]]:
        from stemfast.particles.picture import ellipsoid_mesh

        return ellipsoid_mesh(self._half_lengths)

    @cached_property
    def _bodies(self) -> tuple[Body, ...]:
        return (EllipsoidBody(np.array(self._half_lengths)),)


@dataclass(frozen=True, repr=False)
class Sphere(_Round):
    """A sphere about the origin.

    Parameters
    ----------
    radius : float
        Radius [nm].
    material : str or Material
        What it is made of.

    Raises
    ------
    TypeError, ValueError
        When the radius is not a finite number larger than 0.

    Examples
    --------
    >>> sphere = Sphere(radius=10)
    >>> sphere
    Sphere(radius=10 nm, material='Au')
    >>> round(sphere.volume, 3)
    4188.79
    """

    radius: float

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "radius", length_nm("radius", self.radius))

    @property
    def _half_lengths(self) -> Vector:
        return self.radius, self.radius, self.radius

    @property
    def surface_area(self) -> float:
        return 4 * math.pi * self.radius**2

    @property
    def symmetry_group(self) -> str:
        return "Kh"

    @property
    def symmetry_rotations(self) -> FloatArray:
        raise ValueError("symmetry_rotations: a sphere looks the same after every rotation")

    @property
    def symmetry_order(self) -> float:
        return math.inf

    def _description(self) -> str:
        return f"radius={self.radius:.6g} nm"


@dataclass(frozen=True, repr=False)
class Ellipsoid(_Round):
    """An ellipsoid about the origin with its axes along x, y and z.

    Parameters
    ----------
    semi_axes : (float, float, float)
        Half-lengths along x, y and z [nm].
    material : str or Material
        What it is made of.

    Raises
    ------
    TypeError, ValueError
        When the semi-axes are not three finite numbers larger than 0.

    Examples
    --------
    >>> Ellipsoid(semi_axes=(12, 8, 6))
    Ellipsoid(semi_axes=(12, 8, 6) nm, material='Au')
    >>> Ellipsoid(semi_axes=(12, 8, 8)).symmetry_group
    'Dinfh'
    """

    semi_axes: Vector

    def __post_init__(self) -> None:
        super().__post_init__()
        semi_axes = three_lengths("semi_axes", self.semi_axes, "(x, y, z) [nm]")
        object.__setattr__(self, "semi_axes", semi_axes)

    @property
    def _half_lengths(self) -> Vector:
        return self.semi_axes

    @cached_property
    def surface_area(self) -> float:
        """Surface area [nm^2]: 4π abc R_G(a⁻², b⁻², c⁻²), B. C. Carlson's elliptic integral.

        NIST Digital Library of Mathematical Functions, section 19.33(i).
        """
        from scipy.special import elliprg

        a, b, c = self.semi_axes
        return float(4 * math.pi * a * b * c * elliprg(a**-2, b**-2, c**-2))

    @property
    def _equal_axes(self) -> int:
        """Number of pairs of equal semi-axes: 0, 1 or 3."""
        a, b, c = self.semi_axes
        return (a == b) + (b == c) + (a == c)

    @property
    def odd_axis(self) -> int:
        """Axis (0, 1, 2) of a spheroid that is unlike the other two."""
        a, b, c = self.semi_axes
        return 2 if a == b else 1 if a == c else 0

    @property
    def symmetry_group(self) -> str:
        return {0: "D2h", 1: "Dinfh", 3: "Kh"}[self._equal_axes]

    @property
    def symmetry_rotations(self) -> FloatArray:
        if self._equal_axes:
            raise ValueError(
                "symmetry_rotations: an ellipsoid with equal semi-axes "
                f"{numbers_text(self.semi_axes)} has infinitely many"
            )
        return np.array([[0, 0, 0, 1], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], dtype=np.float64)

    @property
    def symmetry_order(self) -> float:
        return math.inf if self._equal_axes else 4.0

    def _description(self) -> str:
        return f"semi_axes={numbers_text(self.semi_axes)} nm"
