"""Particles of a field in windows of their own: exact chords and masks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fields.bodies import Bodies
from stemfast.particles.geometry.body_table import BodyTable, offsets_of

__all__ = ["Window", "windows_of"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Map: TypeAlias = NDArray[np.float32]

_SMALLEST = 16  # px


@dataclass(frozen=True, eq=False, repr=False)
class Window:
    """One particle's part of the field.

    Attributes
    ----------
    particle : int
    rows, columns : slice
        The part of the field.
    depth : ndarray of float32
        Weighted chords there.
    inside : ndarray of bool
        Pixels whose centre the particle covers.
    cut : bool
        It covers pixels beyond the border of the field.
    """

    particle: int
    rows: slice
    columns: slice
    depth: Map
    inside: NDArray[np.bool_]
    cut: bool

    def __repr__(self) -> str:
        return f"Window of particle {self.particle}: {self.inside.sum()} px"


def windows_of(
    bodies: Bodies, first: Ints, shape: tuple[int, int], pixel_nm: float
) -> Iterator[Window]:
    """Windows of all particles that reach into the field, those of the same size together.

    Parameters
    ----------
    bodies : Bodies
        Of the particles; the first body of each is its outside.
    first : (n + 1,) int64
        Particle i is bodies first[i] … first[i + 1] − 1.
    shape : (int, int)
        Rows and columns of the field.
    pixel_nm : float
        [nm].
    """
    n = len(first) - 1
    if n == 0:
        return
    table = bodies.table()
    outer = first[:-1]
    reach = bodies.reach_nm()[outer] / pixel_nm
    middle = bodies.position[outer, :2] / pixel_nm + 0.5 * (np.array(shape[::-1]) - 1.0)
    powers = _SMALLEST * 2 ** np.arange(12)
    sides = powers[np.minimum(np.searchsorted(powers, 2.0 * reach + 3.0), 11)]
    corner = np.round(middle).astype(np.int64) - sides[:, None] // 2
    for side in np.unique(sides).tolist():
        group = np.flatnonzero(sides == side)
        low, high = corner[group], corner[group] + side
        seen = (high > 0).all(1) & (low < np.array(shape[::-1])).all(1)
        group = group[seen]
        # Some thousands of small windows at a time, or a few large ones.
        share = max(1, (1 << 22) // (side * side))
        for start in range(0, len(group), share):
            part = group[start : start + share]
            yield from _rendered(bodies, table, first, part, corner[part], side, shape, pixel_nm)


def _rendered(
    bodies: Bodies,
    table: BodyTable,
    first: Ints,
    part: Ints,
    corner: Ints,
    side: int,
    shape: tuple[int, int],
    pixel_nm: float,
) -> Iterator[Window]:
    count = first[part + 1] - first[part]
    rows = np.repeat(first[part] - np.cumsum(count) + count, count) + np.arange(count.sum())
    half = 0.5 * (np.array(shape[::-1]) - 1.0)
    centre = (corner + 0.5 * (side - 1) - half) * pixel_nm
    depth = bodies.windows(table, rows, offsets_of(count), centre, side, pixel_nm)
    alone = first[part]
    if (count > 1).any():
        chord = bodies.windows(
            table,
            alone,
            np.arange(len(part) + 1),
            centre,
            side,
            pixel_nm,
        )
    else:
        chord = depth
    for k, particle in enumerate(part.tolist()):
        left, top = int(corner[k, 0]), int(corner[k, 1])
        r0, r1 = max(top, 0), min(top + side, shape[0])
        c0, c1 = max(left, 0), min(left + side, shape[1])
        inner = slice(r0 - top, r1 - top), slice(c0 - left, c1 - left)
        inside = chord[k][inner] > 0.0
        if not inside.any():
            continue
        whole = inside.shape == (side, side)
        covers = int(np.count_nonzero(chord[k] > 0.0))
        cut = not whole and covers > int(np.count_nonzero(inside))
        yield Window(particle, slice(r0, r1), slice(c0, c1), depth[k][inner], inside, cut)
