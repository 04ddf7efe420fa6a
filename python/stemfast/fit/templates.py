"""Thousands of cuboids compared with an image on a coarse grid: where a fit should start.

The sum of the particle's thickness is its volume, and its second moments in the image are those of
the cuboid's projection, (R diag(e²/12) Rᵀ) restricted to x and y. So for a direction of the beam in
the cuboid's frame and a ratio of its edges, scale and turn about the beam follow from the image;
what has other moments is left out, and the rest is projected by the core and compared. Cut
corners change volume and moments by a few per cent only: two kinds of candidates, whole ones and
ones with all corners cut, are near enough to all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast import _core
from stemfast.fit.cuboid.shape import CORNERS
from stemfast.fit.image.blur import blur_matrix
from stemfast.fit.image.charge import RIGHT
from stemfast.fit.image.film import FilmWaves
from stemfast.fit.image.likelihood import Observation
from stemfast.microscope import Microscope
from stemfast.symmetry import CORNER_SIGNS

__all__ = [
    "Candidates",
    "Outline",
    "binned",
    "candidates",
    "even_directions",
    "misfits",
    "outline",
    "seen_thickness",
]

Float: TypeAlias = NDArray[np.float64]

_DIRECTIONS = 110  # of the beam in the cuboid's octant
_RATIO_STEP = 0.1  # of the logarithms of edges
_TURN_STEP = math.radians(9.0)
_TOLERANCE = 0.13  # of the moments
_ROUND = 1e-9  # difference of principal moments, as a share of their mean, that is none
_LEAST = 100  # that are compared where none has the moments


@dataclass(frozen=True, eq=False)
class Outline:
    """Volume, centre and second moments of a projection, to compare with templates.

    Attributes
    ----------
    volume_nm3 : float
        Sum of its thickness.
    centre_nm : (2,) float64
        x and y of its centre of mass [nm].
    moments_nm2 : (2, 2) float64
        Second central moments of its projection, the probe taken off [nm^2].
    """

    volume_nm3: float
    centre_nm: Float
    moments_nm2: Float


def outline(image: ArrayLike, microscope: Microscope, material: str) -> Outline:
    """Volume, centre and second moments of the particle in an image.

    Parameters
    ----------
    image : (rows, columns) array_like
        Pixel values; of several particles, the largest is taken.
    microscope : Microscope
        What took it.
    material : str
        What the particle is made of.

    Raises
    ------
    ValueError
        If no particle stands out of the image.

    Examples
    --------
    >>> import stemfast as sf
    >>> image = sf.simulate(sf.Cuboid(edges=(14, 12, 10)), None, seed=1)
    >>> seen = outline(image, sf.Microscope(), "Au")
    >>> bool(abs(seen.volume_nm3 / 1680 - 1) < 0.02)
    True
    """
    thickness, x, y = seen_thickness(image, microscope, material)
    pixel = microscope.scan.pixel_size_nm
    total = float(thickness.sum())
    if total <= 0:
        raise ValueError("no particle stands out of the image")
    along_x, along_y = thickness.sum(axis=0) / total, thickness.sum(axis=1) / total
    centre = np.array([along_x @ x, along_y @ y])
    dx, dy = x - centre[0], y - centre[1]
    mixed = float(dy @ thickness @ dx) / total
    moments = np.array([[along_x @ dx**2, mixed], [mixed, along_y @ dy**2]])
    moments -= np.eye(2) * microscope.probe.sigma_nm**2
    return Outline(total * pixel**2, centre, moments)


def seen_thickness(
    image: ArrayLike, microscope: Microscope, material: str
) -> tuple[Float, Float, Float]:
    """Thickness of the particle of an image as its brightness tells, 0 away from it.

    Parameters
    ----------
    image, microscope, material
        As for `outline`.

    Returns
    -------
    thickness : (rows, columns) float64
        Of the part of the image around the particle [nm].
    x, y : (columns,), (rows,) float64
        Where these are from the centre of the scan [nm].

    Raises
    ------
    ValueError
        If no particle stands out of the image.
    """
    from scipy import ndimage

    from stemfast.micrograph.calibrated_thickness import Calibration, thickness_nm
    from stemfast.micrograph.isolate import isolate

    found = isolate(image)
    calibration = Calibration.of(microscope, material)
    pixel = microscope.scan.pixel_size_nm
    noise = np.where(found.mask, found.pixel_noise, 0.0)
    # A dose or a material that is not the image's makes pixels brighter than any thickness: how
    # badly that fits is for the fit to say.
    signal = np.minimum(found.signal, calibration.brightest(found.film))
    thickness = thickness_nm(signal, found.film, calibration, pixel_noise=noise)
    reach = 2 + math.ceil(3.0 * microscope.probe.sigma_nm / pixel)
    thickness = np.where(ndimage.binary_dilation(found.mask, iterations=reach), thickness, 0.0)
    rows, columns = thickness.shape
    y = (np.arange(rows) + found.first[0] - (microscope.scan.shape[0] - 1) / 2) * pixel
    x = (np.arange(columns) + found.first[1] - (microscope.scan.shape[1] - 1) / 2) * pixel
    return np.asarray(thickness, np.float64), np.asarray(x, np.float64), np.asarray(y, np.float64)


def binned(observation: Observation, factor: int, most_waves: int) -> Observation:
    """An observation with pixels joined in squares, so that fits to it are quick.

    The model is taken at the middle of each square, blurred by the square as well.

    Parameters
    ----------
    observation : Observation
    factor : int
        Rows and columns of a square [px].
    most_waves : int
        Waves of the film that are kept, the strongest.
    """
    rows, columns = (n // factor for n in observation.counts.shape)

    def joined(values: NDArray[np.floating[Any]]) -> Float:
        part = values[: rows * factor, : columns * factor]
        return np.asarray(part.reshape(rows, factor, columns, factor, *part.shape[2:]))

    size = joined(observation.weight).sum(axis=(1, 3))
    share = factor**2 / np.maximum(size, 1.0)
    waves, turned = observation.waves, observation.turned
    maps = joined(waves.maps[:, :, :most_waves]).mean(axis=(1, 3))
    sigma = math.hypot(_blur_px(observation), math.sqrt((factor**2 - 1) / 12.0)) / factor
    return replace(
        observation,
        counts=joined(observation.weight * observation.counts).sum(axis=(1, 3)) * share,
        weight=(size >= 0.5 * factor**2).astype(np.float64),
        x_nm=joined(observation.x_nm).mean(axis=(1, 3)),
        y_nm=joined(observation.y_nm).mean(axis=(1, 3)),
        blur_rows=blur_matrix(rows, sigma),
        blur_columns=blur_matrix(columns, sigma),
        dose=observation.dose * factor**2,
        noise=observation.noise * factor**2,
        reading=RIGHT,
        film_nm=joined(observation.film_nm).mean(axis=(1, 3)),
        waves=FilmWaves(maps, waves.variance[:most_waves], waves.rest),
        turned=None if turned is None else turned[factor // 2 :: factor][:rows],
    )


def _blur_px(observation: Observation) -> float:
    """Standard deviation of the probe [px], from the matrix that blurs."""
    rows = len(observation.blur_rows)
    middle = observation.blur_rows[rows // 2]
    return math.sqrt(float(middle @ (np.arange(rows) - rows // 2) ** 2))


def even_directions(count: int) -> Float:
    """(count, 3) unit vectors, evenly over the sphere: a Fibonacci lattice.

    Examples
    --------
    >>> bool(np.allclose(even_directions(100).mean(axis=0), 0.0, atol=0.01))
    True
    """
    number = np.arange(count) + 0.5
    z = 1.0 - 2.0 * number / count
    turn = np.pi * (1.0 + math.sqrt(5.0)) * number
    radius = np.sqrt(1.0 - z * z)
    return np.stack([radius * np.cos(turn), radius * np.sin(turn), z], axis=1)


@cache
def _directions(count: int) -> Float:
    """(n, 3) unit vectors, evenly over the octant of positive x, y and z."""
    points = even_directions(8 * count)
    return np.asarray(points[(points > 0).all(axis=1)])


@cache
def _ratios(step: float, most: float) -> Float:
    """(m, 3) edges of product 1, sorted from long to short, at most `most` apart."""
    n = math.ceil(math.log(most) / step)
    logs = np.array([(0.0, -i * step, -j * step) for j in range(n + 1) for i in range(j + 1)])
    return np.asarray(np.exp(logs - logs.mean(axis=1, keepdims=True)))


@cache
def _frames(count: int) -> Float:
    """Rotations (n, 3, 3) that lay each direction along z."""
    n = _directions(count)
    helper = np.where((np.abs(n[:, 2]) < 0.9)[:, None], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0])
    u = np.cross(helper, n)
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    return np.stack([u, np.cross(n, u), n], axis=1)


@dataclass(frozen=True, eq=False)
class Candidates:
    """Poses and edges, and how well they explain the image.

    Attributes
    ----------
    matrices : (n, 3, 3) float64
    edges_nm : (n, 3) float64
    misfit : (n,) float64
        χ² on the coarse grid.
    """

    matrices: Float
    edges_nm: Float
    misfit: Float

    @classmethod
    def joined(cls, parts: Sequence[Candidates], most: int) -> Candidates:
        """The best of several, the best first."""
        misfit = np.concatenate([part.misfit for part in parts])
        best = np.argsort(misfit, kind="stable")[:most]
        matrices = np.concatenate([part.matrices for part in parts])[best]
        return cls(matrices, np.concatenate([part.edges_nm for part in parts])[best], misfit[best])


def candidates(
    coarse: Observation,
    seen: Outline,
    pixel_nm: float,
    *,
    cut: float = 0.0,
    most_ratio: float = 1.6,
) -> Candidates:
    """Poses and edges that have the outline's volume and moments, by how well they fit the image.

    Parameters
    ----------
    coarse : Observation
        The image on a coarse grid, from `binned`.
    seen : Outline
    pixel_nm : float
        Distance of the grid's points [nm].
    cut : float
        Of all eight corners of the candidates.
    most_ratio : float
        Most that one edge is longer than another.
    """
    frames = _frames(_DIRECTIONS)
    # What eight cuts take away of the volume and of the second moments of a cuboid.
    left = 1.0 - 8.0 * cut**3 / 6.0
    inner = 1.0 - 16.0 * cut**3 * ((0.5 - cut / 4.0) ** 2 + 3.0 * cut**2 / 80.0)
    shapes = _ratios(_RATIO_STEP, most_ratio) * np.cbrt(seen.volume_nm3 / left)
    flat = frames[:, :2, :]
    tensor = np.einsum("dik,sk,djk->dsij", flat, shapes**2 * (inner / left / 12.0), flat)
    mean, spread, axis = _moments(tensor)
    wanted_mean, wanted_spread, wanted_axis = (float(x) for x in _moments(seen.moments_nm2))
    off = np.maximum(np.abs(mean - wanted_mean), np.abs(spread - wanted_spread)) / wanted_mean
    least = min(_LEAST, off.size - 1)
    nearest = float(np.partition(off, least, axis=None)[least]) * 1.000001
    which, sizes = np.nonzero(off < max(_TOLERANCE, nearest))
    # The rounder the projection, the less its moments say of the turn about the beam.
    clear = np.maximum(np.maximum(wanted_spread, spread[which, sizes]), 1e-9)
    doubt = np.minimum(0.5 * _TOLERANCE * wanted_mean / clear, np.pi / 2)
    number = np.maximum(np.ceil(2.0 * doubt / _TURN_STEP).astype(int), 1)
    index = np.repeat(np.arange(len(which)), number)
    within = np.arange(len(index)) - np.repeat(np.cumsum(number) - number, number)
    angle = (wanted_axis - axis[which, sizes])[index]
    angle += doubt[index] * ((2 * within + 1) / number[index] - 1.0)
    spin = np.zeros((len(index), 3, 3))
    spin[:, 0, 0], spin[:, 0, 1] = np.cos(angle), -np.sin(angle)
    spin[:, 1, 0], spin[:, 1, 1] = np.sin(angle), np.cos(angle)
    spin[:, 2, 2] = 1.0
    matrices, edges = spin @ frames[which[index]], shapes[sizes[index]]
    cuts = np.full(CORNERS, cut)
    misfit = misfits(coarse, matrices, edges, cuts, seen.centre_nm, pixel_nm)
    return Candidates(matrices, edges, misfit)


def _moments(tensor: Float) -> tuple[Float, Float, Float]:
    """Mean and half the difference of the principal moments, and the long axis's angle [rad]."""
    half = 0.5 * (tensor[..., 0, 0] - tensor[..., 1, 1])
    mean = 0.5 * (tensor[..., 0, 0] + tensor[..., 1, 1])
    mixed = tensor[..., 0, 1]
    spread = np.hypot(half, mixed)
    # A cube's projection has no long axis: from what rounding leaves, its angle would be at random.
    axis = np.where(spread > _ROUND * mean, 0.5 * np.arctan2(mixed, half), 0.0)
    return mean, spread, np.asarray(axis)


def misfits(
    coarse: Observation,
    matrices: Float,
    edges: Float,
    cuts: Float,
    centre: Float,
    pixel_nm: float,
) -> Float:
    """χ² of each cuboid's projection on the grid of the observation.

    Parameters
    ----------
    coarse : Observation
    matrices, edges : (n, 3, 3), (n, 3) float64
        Poses and edges [nm].
    cuts : (8,) float64
        Of all.
    centre : (2,) float64
        Place of all [nm].
    pixel_nm : float
        Distance of the grid's points [nm].
    """
    rows, columns = coarse.counts.shape
    y = coarse.y_nm.mean() + pixel_nm * (np.arange(rows) - 0.5 * (rows - 1))
    x = coarse.x_nm.mean() + pixel_nm * (np.arange(columns) - 0.5 * (columns - 1))
    root = coarse.weight / np.sqrt(np.maximum(coarse.counts, 1.0)) / coarse.excess
    seen = coarse.dose + coarse.noise / coarse.excess - coarse.counts * coarse.excess
    return _core.misfits(
        *_faces(matrices, edges, cuts, centre),
        x=np.tile(x, rows),
        y=np.repeat(y, columns),
        film=(coarse.film_nm / coarse.film_path_nm).ravel(),
        scale=(coarse.dose * root).ravel(),
        seen=(seen * root).ravel(),
        path=coarse.path_nm,
        curve=coarse.curve.numbers,
    )


def _faces(matrices: Float, edges: Float, cuts: Float, centre: Float) -> tuple[Float, Float]:
    """Normals (n, F, 3) and heights (n, F) of cuboids in one place, corners cut alike."""
    corners = np.flatnonzero(cuts > 0)
    own = np.empty((len(edges), 6 + len(corners), 3))
    own[:, :3], own[:, 3:6] = np.eye(3), -np.eye(3)
    own[:, 6:] = CORNER_SIGNS[corners] / edges[:, None]
    normals = own @ matrices.transpose(0, 2, 1)
    heights = np.empty(own.shape[:2])
    heights[:, :3] = heights[:, 3:6] = 0.5 * edges
    heights[:, 6:] = 1.5 - cuts[corners]
    return normals, heights + normals[:, :, :2] @ centre
