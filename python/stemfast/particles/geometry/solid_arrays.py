"""Many solids at once as a structure of arrays, in the form that the C++ core takes.

This is how recipes make particles: a hundred thousand of them with a few dozen NumPy calls and no
Python object each. `Solids.particle` gives the friendly object of any one of them; that both are
the same solid is tested. Only + − × ÷, square roots and comparisons are used, so that the solids
have the same bits on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.particles.geometry.body import KIND_CONVEX, KIND_ELLIPSOID
from stemfast.particles.geometry.body_table import BodyTable

if TYPE_CHECKING:
    from stemfast.particles import Particle

__all__ = [
    "Solids",
    "choose",
    "ellipsoids",
    "norm",
    "positive_rows",
    "side_by_side",
    "tetrahedra",
]

Float: TypeAlias = NDArray[np.float64]
Int: TypeAlias = NDArray[np.int64]
#: Makes the particle of one scene of a given material.
Maker: TypeAlias = Callable[[int, str], "Particle"]


@dataclass(frozen=True, eq=False, repr=False)
class Solids:
    """Solids of n scenes, or of n bodies of them.

    Attributes
    ----------
    row : (n,) int32
        Row of each solid in the table.
    table : BodyTable
        The bodies themselves.
    volume_nm3, bounding_radius_nm : (n,) float64
        Of each scene's solid, the radius about its origin.
    maker : callable
        maker(scene, material) gives the same solid as a particle.
    """

    row: NDArray[np.int32]
    table: BodyTable
    volume_nm3: Float
    bounding_radius_nm: Float
    maker: Maker

    def __len__(self) -> int:
        return len(self.row)

    def __repr__(self) -> str:
        return f"Solids of {len(self)}, in a table of {len(self.table)}"

    def particle(self, scene: int, material: str) -> Particle:
        """The solid of one scene as a particle.

        Examples
        --------
        >>> tetrahedra([10.0, 20.0]).particle(1, "Pt")
        Tetrahedron(edge=20 nm, material='Pt')
        """
        return self.maker(scene, material)

    def taken(self, which: ArrayLike) -> Solids:
        """Solids by index, any of them any number of times; they share rows of the table.

        Examples
        --------
        >>> tetrahedra([10.0, 20.0]).taken([1, 1, 0]).volume_nm3.round(3).tolist()
        [942.809, 942.809, 117.851]
        """
        index = np.asarray(which)

        def maker(scene: int, material: str) -> Particle:
            return self.maker(int(index[scene]), material)

        return Solids(
            row=self.row[index],
            table=self.table,
            volume_nm3=self.volume_nm3[index],
            bounding_radius_nm=self.bounding_radius_nm[index],
            maker=maker,
        )


def norm(x: Float) -> Float:
    """Length of vectors (..., 3), the same bits on every machine."""
    return np.sqrt(x[..., 0] * x[..., 0] + x[..., 1] * x[..., 1] + x[..., 2] * x[..., 2])


def ellipsoids(semi_axes_nm: ArrayLike) -> Solids:
    """Ellipsoids about the origin.

    Parameters
    ----------
    semi_axes_nm : (n, 3) array_like
        Half-lengths along x, y and z [nm].

    Examples
    --------
    >>> ellipsoids([[5.0, 5.0, 5.0]]).particle(0, "Au")
    Sphere(radius=5 nm, material='Au')
    """
    axes = positive_rows("semi_axes_nm", semi_axes_nm, 3)
    n = len(axes)
    planes = np.zeros((n, 3, 4))
    planes[:, :, :3] = np.eye(3)
    planes[:, :, 3] = axes

    def maker(scene: int, material: str) -> Particle:
        from stemfast.particles import Ellipsoid, Sphere

        a, b, c = axes[scene].tolist()
        if a == b == c:
            return Sphere(a, material=material)
        return Ellipsoid((a, b, c), material=material)

    return Solids(
        row=np.arange(n, dtype=np.int32),
        table=BodyTable(
            kind=np.full(n, KIND_ELLIPSOID, np.uint8),
            plane_offset=np.arange(0, 3 * n + 1, 3),
            planes=planes.reshape(-1, 4),
            vertex_offset=np.arange(n + 1),
            vertices=np.zeros((n, 3)),
            triangle_offset=np.zeros(n + 1, np.int64),
            triangles=np.zeros((0, 3), np.int32),
        ),
        volume_nm3=(4.0 / 3.0 * np.pi) * (axes[:, 0] * axes[:, 1] * axes[:, 2]),
        bounding_radius_nm=axes.max(axis=1),
        maker=maker,
    )


def _regular_tetrahedron() -> tuple[Float, Float]:
    """Planes (4, 4) and vertices (4, 3) of the one with edge 1, placed as `Tetrahedron` is."""
    root3, height = 3.0**0.5, (2.0 / 3.0) ** 0.5
    radius = 1.0 / root3
    vertices = np.array(
        [
            (radius, 0.0, -height / 4),
            (-radius / 2, 0.5, -height / 4),
            (-radius / 2, -0.5, -height / 4),
            (0.0, 0.0, 3 * height / 4),
        ]
    )
    # A face lies opposite its vertex, a third as far from the centre on the other side.
    distance = norm(vertices)[:, None]
    return np.concatenate([-vertices / distance, distance / 3], axis=1), vertices


def tetrahedra(edge_nm: ArrayLike) -> Solids:
    """Regular tetrahedra with their centre of mass at the origin.

    Parameters
    ----------
    edge_nm : (n,) array_like
        Edges [nm].

    Examples
    --------
    >>> print(f"{tetrahedra([20.0]).volume_nm3[0]:.3f}")
    942.809
    """
    edge = positive_rows("edge_nm", np.asarray(edge_nm, np.float64)[:, None], 1)[:, 0]
    n = len(edge)
    unit_planes, unit_vertices = _regular_tetrahedron()
    planes = np.repeat(unit_planes[None], n, axis=0)
    planes[:, :, 3] *= edge[:, None]

    def maker(scene: int, material: str) -> Particle:
        from stemfast.particles import Tetrahedron

        return Tetrahedron(float(edge[scene]), material=material)

    return Solids(
        row=np.arange(n, dtype=np.int32),
        table=BodyTable(
            kind=np.full(n, KIND_CONVEX, np.uint8),
            plane_offset=np.arange(0, 4 * n + 1, 4),
            planes=planes.reshape(-1, 4),
            vertex_offset=np.arange(0, 4 * n + 1, 4),
            vertices=(unit_vertices[None] * edge[:, None, None]).reshape(-1, 3),
            triangle_offset=np.zeros(n + 1, np.int64),
            triangles=np.zeros((0, 3), np.int32),
        ),
        volume_nm3=edge * edge * edge / (6.0 * 2.0**0.5),
        bounding_radius_nm=edge * float(norm(unit_vertices[3])),
        maker=maker,
    )


def choose(which: ArrayLike, parts: Sequence[Solids]) -> Solids:
    """For each scene the solid of one of several kinds.

    Parameters
    ----------
    which : (n,) array_like of int
        Number of the part that each scene's solid comes from.
    parts : sequence of Solids
        Each with n solids, or with those alone that `which` asks of it, in order.

    Examples
    --------
    >>> both = choose([1, 0], [tetrahedra([10.0, 20.0]), ellipsoids([[1.0, 2.0, 3.0]] * 2)])
    >>> both.particle(1, "Au")
    Tetrahedron(edge=20 nm, material='Au')
    """
    number = np.asarray(which)
    scenes = [np.flatnonzero(number == k) for k in range(len(parts))]
    if sum(map(len, scenes)) != len(number):
        raise ValueError(f"which must be from 0 to {len(parts) - 1}, got {number.tolist()}")
    for k, (part, own) in enumerate(zip(parts, scenes, strict=True)):
        if len(part) not in (len(number), len(own)):
            raise ValueError(
                f"parts[{k}] has {len(part)} solids, expected {len(number)} or {len(own)}"
            )
    return side_by_side(parts, scenes, len(number))


def side_by_side(parts: Sequence[Solids], scenes: Sequence[Int], n: int) -> Solids:
    """Tables one after the other; part k holds the solids of scenes[k], or of all n scenes."""
    first = np.concatenate([[0], np.cumsum([len(part.table) for part in parts])])
    row, volume, radius = np.empty(n, np.int32), np.empty(n), np.empty(n)
    home, local = np.empty(n, np.int64), np.empty(n, np.int64)
    for k, (part, own) in enumerate(zip(parts, scenes, strict=True)):
        at = np.arange(len(own)) if len(part) == len(own) else own
        row[own] = first[k] + part.row[at]
        volume[own], radius[own] = part.volume_nm3[at], part.bounding_radius_nm[at]
        home[own], local[own] = k, at

    def maker(scene: int, material: str) -> Particle:
        return parts[int(home[scene])].particle(int(local[scene]), material)

    return Solids(
        row=row,
        table=BodyTable.joined([part.table for part in parts]),
        volume_nm3=volume,
        bounding_radius_nm=radius,
        maker=maker,
    )


def positive_rows(name: str, values: ArrayLike, width: int) -> Float:
    """Values as (n, width) positive finite numbers.

    Raises
    ------
    ValueError
        If they are not.
    """
    rows = np.ascontiguousarray(values, np.float64)
    if rows.ndim != 2 or rows.shape[1] != width:
        raise ValueError(f"{name} has shape {rows.shape}, expected (n, {width})")
    if not ((rows > 0) & (rows < np.inf)).all():
        raise ValueError(f"{name} must be positive and finite")
    return rows
