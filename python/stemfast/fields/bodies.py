"""Bodies of a field: arrays that supports and particles add to, and their projections."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fields.shapes import library, scaled, sphere_outline
from stemfast.particles.geometry.body_table import BodyTable
from stemfast.simulation.batch import Batch, rotated

__all__ = ["Bodies", "corners", "outline"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

_UPRIGHT = np.array([0.0, 0.0, 0.0, 1.0])


@dataclass(eq=False, repr=False)
class Bodies:
    """Placed bodies of a field as growing arrays.

    Attributes
    ----------
    shape : (n,) int64
        Row in the library of shapes.
    scale : (n, 3) float64
        Stretch along the shape's axes [nm].
    position : (n, 3) float64
        Centre about the middle of the field [nm].
    orientation : (n, 4) float64
        Quaternion (x, y, z, w).
    weight : (n,) float64
        Mean free paths of thickness a nm of chord counts; negative for a void [1/nm].
    """

    shape: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    scale: Floats = field(default_factory=lambda: np.zeros((0, 3)))
    position: Floats = field(default_factory=lambda: np.zeros((0, 3)))
    orientation: Floats = field(default_factory=lambda: np.zeros((0, 4)))
    weight: Floats = field(default_factory=lambda: np.zeros(0))

    def __len__(self) -> int:
        return len(self.shape)

    def __repr__(self) -> str:
        return f"Bodies: {len(self)}"

    def add(
        self,
        shape: Ints,
        scale: Floats,
        position: Floats,
        weight: Floats,
        orientation: Floats | None = None,
    ) -> None:
        """Append bodies; upright ones if no orientation is given."""
        n = len(shape)
        turned = np.tile(_UPRIGHT, (n, 1)) if orientation is None else orientation
        self.shape = np.concatenate([self.shape, shape])
        self.scale = np.concatenate([self.scale, scale])
        self.position = np.concatenate([self.position, position])
        self.orientation = np.concatenate([self.orientation, turned])
        self.weight = np.concatenate([self.weight, weight])

    def add_spheres(self, diameter: Floats, position: Floats, weight: Floats) -> None:
        """Append spheres."""
        n = len(diameter)
        self.add(np.zeros(n, np.int64), np.repeat(diameter[:, None], 3, 1), position, weight)

    def taken(self, rows: NDArray[np.bool_] | Ints) -> Bodies:
        """Some of the bodies."""
        return Bodies(
            self.shape[rows],
            self.scale[rows],
            self.position[rows],
            self.orientation[rows],
            self.weight[rows],
        )

    def table(self) -> BodyTable:
        """The bodies as the core takes them."""
        return scaled(self.shape, self.scale)

    def reach_nm(self) -> Floats:
        """Radius of a ball about each body's place that holds all of it, (n,) [nm]."""
        shapes = library()
        unit = np.array(
            [0.5 if len(v) == 0 else np.sqrt((v * v).sum(1).max()) for v in shapes.vertices]
        )
        return np.asarray(unit[self.shape] * self.scale.max(axis=1))

    def depth(
        self, shape: tuple[int, int], pixel_nm: float, table: BodyTable | None = None
    ) -> NDArray[np.float32]:
        """Sum of weighted chords over the whole field, (rows, columns).

        `table`, if given, has other shapes in place of those of the bodies.
        """
        if len(self) == 0:
            return np.zeros(shape, np.float32)
        offset = np.array([0, len(self)])
        batch = self._batch(self.table() if table is None else table, offset, self.position)
        whole: NDArray[np.float32] = batch.steady_thickness(shape, pixel_nm)[0]
        return whole

    def windows(
        self, table: BodyTable, rows: Ints, offset: Ints, centre: Floats, side: int, pixel_nm: float
    ) -> NDArray[np.float32]:
        """Weighted chords of groups of bodies, each group in a square window of its own.

        Parameters
        ----------
        table : BodyTable
            That of all bodies.
        rows : (m,) int64
            Bodies, group by group.
        offset : (k + 1,) int64
            Where each group begins in `rows`.
        centre : (k, 2) float64
            x and y of the middle of each window [nm].
        side : int
            Pixels of a window's side.
        pixel_nm : float
            [nm].

        Returns
        -------
        (k, side, side) float32
        """
        group = np.repeat(np.arange(len(offset) - 1), np.diff(offset))
        position = self.position[rows].copy()
        position[:, :2] -= centre[group]
        own = self.taken(rows)
        batch = own._batch(table, offset, position, rows.astype(np.int32))
        return batch.steady_thickness((side, side), pixel_nm)

    def _batch(
        self,
        table: BodyTable,
        offset: Ints,
        position: Floats,
        row: NDArray[np.int32] | None = None,
    ) -> Batch:
        n = len(self)
        nothing = np.zeros(n, np.int64)
        return Batch(
            table=table,
            image_offset=offset,
            shape=np.arange(n, dtype=np.int32) if row is None else row,
            position=np.ascontiguousarray(position),
            orientation=np.ascontiguousarray(self.orientation),
            weight=self.weight,
            materials=("C",),
            material=nothing,
            particle=nothing,
        )


def outline(bodies: Bodies, row: int) -> Floats:
    """Outline of one body along the beam: corners (m, 2) of its convex projection, x and y [nm].

    An ellipsoid has 48 of them on its ellipse.

    Examples
    --------
    >>> one = Bodies()
    >>> one.add_spheres(np.array([4.0]), np.zeros((1, 3)), np.ones(1))
    >>> bool(np.allclose(np.hypot(*outline(one, 0).T), 2.0))
    True
    """
    q = bodies.orientation[row]
    centre = bodies.position[row, :2]
    points = corners(bodies, row)
    if len(points) == 0:
        axes = rotated(np.tile(q, (3, 1)), np.eye(3) * (0.5 * bodies.scale[row])[:, None])
        form = axes[:, :2].T @ axes[:, :2]
        return np.asarray(sphere_outline() @ np.linalg.cholesky(form).T + centre)
    return _hull(points - centre) + centre


def corners(bodies: Bodies, row: int) -> Floats:
    """Corners of one body along the beam, in front and behind: (m, 2), x and y [nm].

    Ellipsoids have none.

    Examples
    --------
    >>> one = Bodies()
    >>> one.add_spheres(np.array([4.0]), np.zeros((1, 3)), np.ones(1))
    >>> corners(one, 0).shape
    (0, 2)
    """
    points = library().vertices[int(bodies.shape[row])] * bodies.scale[row]
    turned = rotated(np.tile(bodies.orientation[row], (len(points), 1)), points)
    return np.asarray(turned[:, :2] + bodies.position[row, :2])


def _hull(points: Floats) -> Floats:
    """Corners of the convex hull in order; A. M. Andrew, Inf. Process. Lett. 9 (1979) 216."""
    order = sorted(map(tuple, points.tolist()))

    def chain(walk: list[tuple[float, ...]]) -> list[tuple[float, ...]]:
        kept: list[tuple[float, ...]] = []
        for p in walk:
            while (
                len(kept) > 1
                and (
                    (kept[-1][0] - kept[-2][0]) * (p[1] - kept[-2][1])
                    - (kept[-1][1] - kept[-2][1]) * (p[0] - kept[-2][0])
                )
                <= 1e-9
            ):
                kept.pop()
            kept.append(p)
        return kept[:-1]

    return np.array(chain(order) + chain(order[::-1]))
