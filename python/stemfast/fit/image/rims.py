"""Observation of a particle whose faces stand along the beam: what its rims can tell.

The model then has rims as wide as a pixel (`stemfast.fit.cuboid.steep`). Whether the beam met a
given point of such a pixel is left open: the variance of the scattered electrons over the pixel,
blurred by the probe, adds to that of the counts, so that the likelihood of the pixel is weighted by
the share of the counts in both. Of gentle slopes this takes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit.cuboid.shape import CutCuboid, rotation_matrix
from stemfast.fit.cuboid.steep import rim_widths_nm
from stemfast.fit.cuboid.thickness import thickness
from stemfast.fit.image.likelihood import Observation

__all__ = ["has_sharp_rims", "pixel_nm", "sampling_variance_nm2", "softened"]

Float: TypeAlias = NDArray[np.float64]

_SHARP_PX = 3.0  # width of a rim below which sampling matters
_WITHIN = 4  # places across a pixel


def pixel_nm(observation: Observation) -> float:
    """Width of the pixels [nm]."""
    x, y = observation.x_nm, observation.y_nm
    return float(
        np.sqrt(
            abs((x[0, -1] - x[0, 0]) * (y[-1, 0] - y[0, 0])) / ((x.shape[1] - 1) * (x.shape[0] - 1))
        )
    )


def has_sharp_rims(seen: Sequence[Observation], shapes: Sequence[CutCuboid]) -> bool:
    """True if a face of a particle at rest is so near the beam that its rim is a few pixels wide.

    Parameters
    ----------
    seen : sequence of Observation
    shapes : sequence of CutCuboid
        The particle in each.
    """
    return any(
        one.turned is None and bool((rim_widths_nm(shape) < _SHARP_PX * pixel_nm(one)).any())
        for one, shape in zip(seen, shapes, strict=True)
    )


def softened(observation: Observation, shape: CutCuboid) -> Observation:
    """The observation with rims that are as wide as its pixels, and say as much as they can.

    Parameters
    ----------
    observation : Observation
        Of a particle at rest; that of one that spins comes back as it is.
    shape : CutCuboid
        Where the rims are.
    """
    if observation.turned is not None:
        return observation
    pixel = pixel_nm(observation)
    film = observation.film_nm / observation.film_path_nm
    places = pixel * ((np.arange(_WITHIN) + 0.5) / _WITHIN - 0.5)
    total, squares = np.zeros(film.shape), np.zeros(film.shape)
    for dx in places:
        for dy in places:
            t = thickness(shape, observation.x_nm + dx, observation.y_nm + dy)
            depth = t / observation.path_nm + film
            electrons = observation.dose * observation.curve.fraction(depth)
            total += electrons
            squares += electrons**2
    variance = np.maximum(squares - total**2 / _WITHIN**2, 0.0) / _WITHIN**2
    blurred = observation.blur_rows**2 @ variance @ (observation.blur_columns**2).T
    blurred /= observation.excess**2
    expected = observation.blur_rows @ (total / _WITHIN**2) @ observation.blur_columns.T
    mean = observation.means(expected)
    whole = (observation.weight > 0).astype(np.float64)
    return replace(observation, weight=whole * mean / (mean + blurred), rim_nm=pixel)


def sampling_variance_nm2(seen: Sequence[Observation], shapes: Sequence[CutCuboid]) -> Float:
    """(3,) variances of the edges that the sampling of rims leaves [nm²], of the best image each.

    A rim is seen where pixels fall on one side or the other of it, so that its place is even within
    the distance between two rows of pixels, of variance p²/12; a rim that crosses N rows tells it N
    times, and an edge lies between two rims.

    Parameters
    ----------
    seen : sequence of Observation
        Those with sharp rims take part; others leave nothing open.
    shapes : sequence of CutCuboid
        The particle in each.
    """
    variance = np.full(3, np.inf)
    for one, shape in zip(seen, shapes, strict=True):
        if one.rim_nm == 0:
            return np.zeros(3)
        matrix = rotation_matrix(shape.quaternion)
        across = matrix[:2] / np.maximum(np.sqrt((matrix[:2] ** 2).sum(axis=0)), 1e-9)
        tangents = np.array([-across[1], across[0]]).T  # (3, 2): along each face's rim
        lengths = np.abs(tangents @ matrix[:2]) @ shape.edges_nm
        rows = 1.0 + lengths * np.abs(across).min(axis=0) / one.rim_nm
        sharp = one.rim_nm**2 / (one.rim_nm**2 + rim_widths_nm(shape) ** 2)
        variance = np.minimum(variance, sharp * one.rim_nm**2 / 6.0 / rows)
    return variance
