"""Cuboids with deformed corners: proportions, depth of the deformation, and the volume wanted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast import elementary
from stemfast.particles.geometry.clipping import box_face
from stemfast.particles.geometry.cuboid_arrays import cuboids
from stemfast.recipes.distributions import Floats, Ints, Stage, between_log, numbered
from stemfast.recipes.exposure import Exposure
from stemfast.recipes.masks import CORNERS, Bytes, bits
from stemfast.recipes.particles import CornerSettings, Drawn
from stemfast.recipes.visibility import Corner, least_severity

__all__ = ["deformed_cuboids", "free_proportions", "stepped_proportions", "widest"]

Columns: TypeAlias = dict[str, NDArray[Any]]
Bools: TypeAlias = NDArray[np.bool_]


def free_proportions(u: Floats, largest_ratio: float) -> Floats:
    """Three sizes (N, 3), none more than `largest_ratio` times another, in no order.

    `u` holds three uniform draws for each; the logarithms are drawn evenly.
    """
    return between_log((1.0, largest_ratio), u[:, :3])


def stepped_proportions(u: Floats, step: tuple[float, float]) -> Floats:
    """Three sizes (N, 3), each so many times the next, the longest first."""
    middle = between_log(step, u[:, 0])
    longest = middle * between_log(step, u[:, 1])
    return np.stack([longest, middle, np.ones(len(u))], axis=1)


def widest(proportions: list[tuple[float, float, float]]) -> float:
    """The largest space diagonal of some cuboids over the diameter of the sphere of their volume.

    Examples
    --------
    >>> round(widest([(1, 1, 1)]), 3)
    1.396
    """
    return max(
        math.hypot(a, b, c) / math.cbrt(6.0 / math.pi * a * b * c) for a, b, c in proportions
    )


@dataclass(frozen=True, eq=False)
class _Deformation:
    mask: Bytes
    deformed: Bools
    displaced: Bools
    severity: Floats
    least: Floats

    def cut(self) -> Floats:
        return np.where(self.displaced[:, None], 0.0, self.severity)

    def moved_nm(self, edges: Floats) -> Floats | None:
        if not self.displaced.any():
            return None
        shortest = np.minimum(np.minimum(edges[:, 0], edges[:, 1]), edges[:, 2])
        return np.where(self.displaced[:, None], self.severity * shortest[:, None], 0.0)

    def share(self, edges: Floats) -> Floats:
        """Volumes (N,) of cuboids with these edges, in units of the whole ones'."""
        cut = self.cut()
        cubes = cut * cut * cut
        lost = cubes[:, 0].copy()
        for corner in range(1, CORNERS):
            lost += cubes[:, corner]
        left = np.asarray(1.0 - lost / 6.0)
        moved = self.moved_nm(edges)
        if moved is not None:
            own = np.flatnonzero(self.displaced)
            a, b, c = (edges[own, k] for k in range(3))
            left[own] = _folded_share(1.0 - 2.0 * moved[own] / _length(a, b, c)[:, None])
        return left


def _length(a: Floats, b: Floats, c: Floats) -> Floats:
    return np.sqrt(a * a + b * b + c * c)


def _folded_share(out: Floats) -> Floats:
    """Volumes (N,) of cuboids with displaced corners, in units of the whole ones'.

    Parameters
    ----------
    out : (N, 8) ndarray
        How far each corner is still out on its diagonal: 1 for not displaced, 0 for the centre.

    Notes
    -----
    A face folded along one diagonal makes two tetrahedra with the centre, with volumes in
    proportion to the corners off the diagonal; one folded along both makes four, in proportion to
    the products of neighbours.
    """
    k = out.T
    total = np.zeros(len(out))
    for axis in range(3):
        for sign in (-1, 1):
            a, b, c, d = (k[corner] for corner in box_face(axis, sign))
            neighbours = (np.minimum(a, c) < 1.0) & (np.minimum(b, d) < 1.0)
            twice = 0.5 * (a + c) * (b + d)
            total += np.where(neighbours, twice, a + b + c + d - 2.0)
    return total / 12.0


def deformed_cuboids(
    settings: CornerSettings,
    seed: int,
    indices: Ints,
    *,
    proportions: Floats,
    masks: Bytes,
    diameter_nm: Floats,
    exposure: Exposure,
) -> Drawn:
    """Cuboids of these proportions and volumes, the corners of these masks deformed.

    Deformation takes volume away: the edges grow until the wanted volume is back, or deformed
    particles would be dimmer and dimness would give them away.

    Parameters
    ----------
    settings : CornerSettings
    seed : int
    indices : (N,) ndarray of int
        Of the scenes.
    proportions : (N, 3) ndarray
        Edges up to a common factor.
    masks : (N,) ndarray of uint8
        Corners to deform.
    diameter_nm : (N,) ndarray
        Diameter of the sphere of the same volume [nm].
    exposure : Exposure
        How the images are taken, which decides how visible corners are.
    """
    wanted = np.pi / 6.0 * (diameter_nm * diameter_nm * diameter_nm)
    whole = proportions * _factor(wanted, proportions)
    deformation = _deformation(settings, seed, indices, whole, masks, exposure)
    edges = proportions * _factor(wanted, proportions, deformation)
    solids = cuboids(edges, deformation.cut(), deformation.moved_nm(edges))
    seen = _visibility(edges, deformation, exposure)
    hidden = deformation.deformed & (seen < settings.least_visibility)
    # A bound that whole and deformed cuboids share: what depends on it tells nothing of them.
    a, b, c = (whole[:, k] for k in range(3))
    reach = 0.5 * settings.growth * _length(a, b, c)
    return Drawn(
        solids=solids,
        reach_nm=reach,
        columns={
            "edges_nm": edges,
            "corner_mask": masks,
            "corner_count": deformation.deformed.sum(axis=1),
            "severity": deformation.severity,
            "displaced": deformation.displaced,
            "least_severity": deformation.least,
            "visibility": seen,
            "visible": np.asarray(~hidden.any(axis=1)),
        },
    )


def _factor(wanted: Floats, edges: Floats, deformation: _Deformation | None = None) -> Floats:
    """Factor (N, 1) of edges (N, 3) that gives the wanted volume."""
    volume = edges[:, 0] * edges[:, 1] * edges[:, 2]
    if deformation is not None:
        volume = volume * deformation.share(edges)
    return elementary.cbrt(wanted / volume)[:, None]


def _deformation(
    settings: CornerSettings,
    seed: int,
    indices: Ints,
    whole: Floats,
    masks: Bytes,
    exposure: Exposure,
) -> _Deformation:
    u = numbered(seed, indices, Stage.CORNERS, 1 + CORNERS)
    deformed = bits(masks)
    displaced = (next(u) < settings.displaced_share) & (masks > 0)
    cut_low, cut_high = settings.severity
    moved_low, moved_high = settings.displacement
    low = np.where(displaced, moved_low, cut_low)
    high = np.where(displaced, moved_high, cut_high)
    if settings.least_visibility > 0.0:
        corner = Corner(whole, displaced, exposure)
        low = least_severity(corner, settings.least_visibility, (low, high))
    drawn = np.stack([low + (high - low) * next(u) for _ in range(CORNERS)], axis=1)
    return _Deformation(masks, deformed, displaced, np.where(deformed, drawn, 0.0), low)


def _visibility(edges: Floats, deformation: _Deformation, exposure: Exposure) -> Floats:
    """D' (N, 8) of each deformed corner, 0 of the whole ones."""
    corner = Corner(edges, deformation.displaced, exposure)
    seen = np.zeros(deformation.severity.shape)
    for k in range(CORNERS):
        severity, deformed = deformation.severity[:, k], deformation.deformed[:, k]
        seen[:, k] = np.where(deformed, corner.visibility(np.where(deformed, severity, 0.1)), 0.0)
    return seen
