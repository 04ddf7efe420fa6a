"""Round families: spheres, ellipsoids and rods with round caps, exact along every ray.

A convex body is known by its support function h(n), the distance of its tangent plane of normal n.
Where a ray leaves it, at a point of normal n, a change of a parameter p moves that point along the
beam by (∂h/∂p)/n_z, as the tangent plane moves (envelope theorem). At the outline, where n_z is 0,
the slope is infinite; pixels and probe smooth that, so it is cut off.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from itertools import permutations, product
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit.cuboid.shape import rotation_matrix
from stemfast.fit.families.groups import point_group
from stemfast.fit.families.shape_family import POSE, Placed, ShapeFamily
from stemfast.fit.templates import even_directions
from stemfast.particles import Ellipsoid, Particle, Polyhedron
from stemfast.particles.arguments import MaterialLike

__all__ = ["Ellipsoids", "Rods", "Round", "Spheres", "faceted"]

Float: TypeAlias = NDArray[np.float64]

_LEAST_SLOPE = 0.1  # of n_z at the outline
_LEAST_SIZE = 1e-3  # nm, so that nothing is divided by 0
_FACETS = 480  # of a round particle, where it needs some


class Round(ShapeFamily):
    """A family of bodies without facets."""

    @abstractmethod
    def crossed(self, sizes: Float, origin: Float, beam: Float) -> tuple[Float, Float, Float]:
        """Places s where rays origin + s·beam leave and enter a member, and which rays do.

        Parameters
        ----------
        sizes : (P,) float64
        origin : (n, 3) float64
            In the member's own frame [nm].
        beam : (3,) float64
            Of length 1.
        """

    @abstractmethod
    def normals(self, sizes: Float, points: Float) -> Float:
        """Outward normals (n, 3) at points of the surface."""

    @abstractmethod
    def support_slopes(self, sizes: Float, normals: Float) -> Float:
        """Derivatives (n, P) of the support function at normals."""

    def _rays(self, at: Placed, x_nm: Float, y_nm: Float) -> tuple[Float, Float, Float]:
        matrix = rotation_matrix(at.quaternion)
        flat = np.stack([x_nm.ravel() - at.position_nm[0], y_nm.ravel() - at.position_nm[1]], 1)
        return matrix, flat @ matrix[:2], matrix[2]

    def thickness(self, at: Placed, x_nm: Float, y_nm: Float) -> Float:
        """Thickness along the beam at (x, y) [nm], in the shape of x_nm."""
        _, origin, beam = self._rays(at, x_nm, y_nm)
        last, first, _ = self.crossed(np.maximum(at.sizes_nm, _LEAST_SIZE), origin, beam)
        return np.asarray((last - first).reshape(x_nm.shape))

    def thickness_and_jacobian(self, at: Placed, x_nm: Float, y_nm: Float) -> tuple[Float, Float]:
        """The same and its derivatives: by a further turn [nm/rad], the place and the sizes [1]."""
        matrix, origin, beam = self._rays(at, x_nm, y_nm)
        sizes = np.maximum(at.sizes_nm, _LEAST_SIZE)
        last, first, hit = self.crossed(sizes, origin, beam)
        on = np.flatnonzero(hit)
        jacobian = np.zeros((x_nm.size, POSE + self.n))
        for sign, s in ((1.0, last), (-1.0, first)):
            points = origin[on] + s[on, None] * beam
            own = self.normals(sizes, points)
            lab, where = own @ matrix.T, points @ matrix.T
            nz = sign * np.maximum(sign * lab[:, 2], _LEAST_SLOPE)
            by = np.concatenate(
                [np.cross(where, lab), lab[:, :2], self.support_slopes(sizes, own)], axis=1
            )
            jacobian[on] += sign * by / nz[:, None]
        thickness = (last - first).reshape(x_nm.shape)
        return thickness, jacobian.reshape(*x_nm.shape, -1)


def _of_volume(points: Float, volume: float, material: MaterialLike) -> Polyhedron:
    """Hull of points, scaled to a volume."""
    hull = Polyhedron.from_vertices(points)
    scale = float(np.cbrt(volume / hull.volume))
    return Polyhedron.from_vertices(scale * hull.vertices, material=material)


def faceted(particle: Ellipsoid) -> Polyhedron:
    """A polyhedron of many facets of the volume of an ellipsoid, such as files of facets need.

    Examples
    --------
    >>> solid = faceted(Ellipsoid(semi_axes=(4, 5, 6)))
    >>> round(solid.volume / Ellipsoid(semi_axes=(4, 5, 6)).volume, 9), len(solid.faces) > 300
    (1.0, True)
    """
    points = even_directions(_FACETS) * np.array(particle.semi_axes)
    return _of_volume(points, particle.volume, particle.material)


class _Quadrics(Round):
    """Ellipsoids whose semi-axes are some of the parameters."""

    which: NDArray[np.intp]  # (3,) parameter of each semi-axis

    def crossed(self, sizes: Float, origin: Float, beam: Float) -> tuple[Float, Float, Float]:
        """Places where rays meet a member: roots of a quadratic equation."""
        axes = sizes[self.which]
        o, k = origin / axes, beam / axes
        a, b, c = float(k @ k), o @ k, (o * o).sum(axis=1) - 1.0
        root = b * b - a * c
        half = np.sqrt(np.maximum(root, 0.0)) / a
        return -b / a + half, -b / a - half, root > 0

    def normals(self, sizes: Float, points: Float) -> Float:
        """Outward normals at points of the surface."""
        along = points / sizes[self.which] ** 2
        return np.asarray(along / np.sqrt((along**2).sum(axis=1, keepdims=True)))

    def support_slopes(self, sizes: Float, normals: Float) -> Float:
        """Of h = √Σ (a_k n_k)²: ∂h/∂a_k = a_k n_k²/h."""
        axes = sizes[self.which]
        height = np.sqrt(((axes * normals) ** 2).sum(axis=1, keepdims=True))
        by_axis = axes * normals**2 / height
        slopes = np.zeros((len(normals), self.n))
        for k, parameter in enumerate(self.which.tolist()):
            slopes[:, parameter] += by_axis[:, k]
        return slopes

    def measures(self, sizes_nm: Float) -> dict[str, float]:
        """Volume [nm³] and surface [nm²]; all of that is of type "round"."""
        axes = np.asarray(sizes_nm, np.float64)[self.which]
        solid = Ellipsoid(semi_axes=tuple(axes.tolist()))
        return {
            "volume": float(4.0 / 3.0 * math.pi * axes.prod()),
            "surface": solid.surface_area,
            "round": solid.surface_area,
        }

    def particle(self, sizes_nm: Float, material: str = "Au") -> Particle:
        """A member as a particle."""
        a, b, c = np.asarray(sizes_nm, np.float64)[self.which].tolist()
        return Ellipsoid(semi_axes=(a, b, c), material=material)


class Spheres(_Quadrics):
    """Spheres.

    Examples
    --------
    >>> at = Placed(np.array([5.0]), np.array([0, 0, 0, 1.0]), np.zeros(2))
    >>> Spheres().thickness(at, np.array([0.0, 3.0, 6.0]), np.zeros(3)).round(9).tolist()
    [10.0, 8.0, 0.0]
    """

    name = "sphere"
    parameters = ("radius",)
    which = np.zeros(3, np.intp)

    def __init__(self) -> None:
        self.group = point_group("Oh")
        self.relabellings = tuple((matrix, np.arange(1)) for matrix in self.group)

    def copies(self, *, turned: bool) -> float:
        """All poses, over what Laplace's method makes of turns that nothing tells, 1 rad each."""
        return float(8.0 * math.pi**2 / (2.0 * math.pi) ** 1.5)

    def shapes(self) -> Float:
        """The sphere of volume 1."""
        return np.array([[(3.0 / (4.0 * math.pi)) ** (1 / 3)]])


class Ellipsoids(_Quadrics):
    """Ellipsoids of three semi-axes."""

    name = "ellipsoid"
    parameters = ("semi-axis x", "semi-axis y", "semi-axis z")
    which = np.arange(3)

    def __init__(self) -> None:
        self.group = point_group("D2h")
        axes = [list(order) for order in permutations(range(3))]
        self.relabellings = tuple(
            (np.eye(3)[axis] @ np.diag(signs), np.array(axis))
            for axis in axes
            for signs in product((1.0, -1.0), repeat=3)
        )

    def holds(self, other: ShapeFamily) -> bool:
        """True of spheres."""
        return isinstance(other, Spheres) or super().holds(other)

    def shapes(self) -> Float:
        """Of volume 1, with axes up to 2 apart."""
        logs = [(0.0, 0.25), (0.0, 0.6), (0.25, 0.25), (0.6, 0.6), (0.25, 0.5)]
        ratios = np.exp([(0.0, *others) for others in logs])
        return np.asarray(ratios / np.cbrt(4.0 / 3.0 * math.pi * ratios.prod(axis=1))[:, None])


class Rods(Round):
    """Rods: cylinders along z with a hemisphere at each end.

    Examples
    --------
    >>> at = Placed(np.array([2.0, 5.0]), np.array([0, 0, 0, 1.0]), np.zeros(2))
    >>> Rods().thickness(at, np.array([0.0, 3.0]), np.zeros(2)).round(9).tolist()
    [14.0, 0.0]
    """

    name = "rod"
    parameters = ("radius", "half length of the straight part")

    def __init__(self) -> None:
        self.group = point_group("D4h")
        self.relabellings = tuple((matrix, np.arange(2)) for matrix in self.group)

    def crossed(self, sizes: Float, origin: Float, beam: Float) -> tuple[Float, Float, Float]:
        """Places where rays meet a member: the hull of what they share with its three pieces."""
        radius, half = sizes.tolist()
        pieces = []
        for end in (-half, half):
            from_end = origin - np.array([0.0, 0.0, end])
            b = from_end @ beam
            root = b * b - (from_end**2).sum(axis=1) + radius**2
            step = np.sqrt(np.maximum(root, 0.0))
            pieces.append((-b + step, -b - step, root > 0))
        a = float(beam[:2] @ beam[:2])
        b = origin[:, :2] @ beam[:2]
        c = (origin[:, :2] ** 2).sum(axis=1) - radius**2
        if a > 1e-12:
            root = b * b - a * c
            step = np.sqrt(np.maximum(root, 0.0)) / a
            first, last, hit = -b / a - step, -b / a + step, root > 0
        else:
            first, last, hit = np.full(len(b), -np.inf), np.full(len(b), np.inf), c < 0
        if abs(beam[2]) > 1e-12:
            ends = (np.array([-half, half])[:, None] - origin[:, 2]) / beam[2]
            first, last = np.maximum(first, ends.min(axis=0)), np.minimum(last, ends.max(axis=0))
        else:
            hit = hit & (np.abs(origin[:, 2]) < half)
        pieces.append((last, first, hit & (last > first)))
        met = np.logical_or.reduce([hit for _, _, hit in pieces])
        leaves = np.max([np.where(hit, last, -np.inf) for last, _, hit in pieces], axis=0)
        enters = np.min([np.where(hit, first, np.inf) for _, first, hit in pieces], axis=0)
        return np.where(met, leaves, 0.0), np.where(met, enters, 0.0), met

    def normals(self, sizes: Float, points: Float) -> Float:
        """Outward normals at points of the surface."""
        away = points.copy()
        away[:, 2] -= np.clip(points[:, 2], -sizes[1], sizes[1])
        return np.asarray(away / np.sqrt(np.maximum((away**2).sum(axis=1, keepdims=True), 1e-300)))

    def support_slopes(self, sizes: Float, normals: Float) -> Float:
        """Of h = r + l |n_z|."""
        return np.stack([np.ones(len(normals)), np.abs(normals[:, 2])], axis=1)

    def measures(self, sizes_nm: Float) -> dict[str, float]:
        """Volume [nm³] and surface [nm²], and of it the caps and the side."""
        radius, half = np.asarray(sizes_nm, np.float64).tolist()
        caps, side = 4.0 * math.pi * radius**2, 4.0 * math.pi * radius * half
        volume = 4.0 / 3.0 * math.pi * radius**3 + 2.0 * math.pi * radius**2 * half
        return {"volume": volume, "surface": caps + side, "cap": caps, "side": side}

    def particle(self, sizes_nm: Float, material: str = "Au") -> Particle:
        """A member as a polyhedron of many facets, of the same volume."""
        radius, half = np.asarray(sizes_nm, np.float64).tolist()
        points = radius * even_directions(_FACETS)
        shift = np.array([0.0, 0.0, half])
        points = np.concatenate([points + shift, points - shift])
        return _of_volume(points, self.measures(sizes_nm)["volume"], material)

    def holds(self, other: ShapeFamily) -> bool:
        """True of spheres, which are rods without a straight part."""
        return isinstance(other, Spheres) or super().holds(other)

    def copies(self, *, turned: bool) -> float:
        """Ends and mirror images, times all turns about the axis over what Laplace's method has."""
        return (2.0 if turned else 4.0) * math.sqrt(2.0 * math.pi)

    def shapes(self) -> Float:
        """Of volume 1, once to five times as long as they are wide."""
        ratios = np.array([(1.0, 0.5), (1.0, 1.0), (1.0, 2.0), (1.0, 4.0)])
        volumes = np.array([self.measures(ratio)["volume"] for ratio in ratios])
        return np.asarray(ratios / np.cbrt(volumes)[:, None])
