"""A simulated field of many particles, written like a microscope's file.

It stands in for a real micrograph where there is none, and its truth is known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from stemfast.micrograph.files.error import MicrographError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scipy.spatial.transform import Rotation

    from stemfast.microscope import Microscope
    from stemfast.particles import Particle

Floats = npt.NDArray[np.float64]

SHAPES = ("tetrahedron", "cuboid", "sphere")
_DIAMETERS_NM = (14.0, 24.0)
_GAP_NM = 4.0
_TRIES = 2000
_CUTS = (0.2, 0.5)
_STAGE_PARTICLES, _STAGE_PLACES, _STAGE_CARBON, _STAGE_CORNERS = 64_000, 64_001, 64_002, 64_003


@dataclass(frozen=True, eq=False)
class SimulatedField:
    """A simulated micrograph and what is in it.

    Parameters
    ----------
    image : ndarray, shape (rows, columns)
        The image.
    pixel_size_nm : float
        Pixel size [nm].
    shapes : tuple of str, length n
        Shape of each particle: one of `SHAPES`.
    positions_nm : ndarray of float64, shape (n, 2)
        x and y of each particle's centre of mass from the centre of the image [nm].
    diameters_nm : ndarray of float64, shape (n,)
        Diameter of the sphere of the same volume [nm].
    corners : tuple of int, length n
        Number of cut corners of each particle.
    """

    image: npt.NDArray[Any] = field(repr=False)
    pixel_size_nm: float
    shapes: tuple[str, ...]
    positions_nm: Floats = field(repr=False)
    diameters_nm: Floats = field(repr=False)
    corners: tuple[int, ...] = field(default=(), repr=False)

    @property
    def centres_px(self) -> Floats:
        """Row and column of each particle [px], shape (n, 2)."""
        middle = 0.5 * (np.array(self.image.shape) - 1.0)
        result: Floats = middle + self.positions_nm[:, ::-1] / self.pixel_size_nm
        return result


def simulated_field(
    seed: int,
    *,
    n_particles: int = 25,
    carbon_nm: float | None = None,
    deformed: float = 0.0,
    microscope: Microscope | None = None,
) -> SimulatedField:
    """Simulate tetrahedra, cuboids and spheres on one film or on carbon black, some touching.

    Particles of 14 to 24 nm lie alone, in pairs or in threes; within a pair or three, neighbours
    touch. The same seed gives the same field.

    Parameters
    ----------
    seed : int
        Seed of shapes, sizes, orientations, places and noise.
    n_particles : int
        Number of particles; about equally many of each shape.
    carbon_nm : float, optional
        Diameter of the primary spheres of an aggregate of carbon black behind them [nm].
    deformed : float
        Chance, 0 … 1, that a cuboid has 1 to 8 corners cut by 0.2 to 0.5 of its edges.
    microscope : Microscope, optional
        By default 400 x 400 pixels of 0.8 nm, a probe of 1.2 nm, 200 keV, on 5 nm of carbon.

    Returns
    -------
    SimulatedField

    Raises
    ------
    MicrographError
        When `n_particles` is below 1 or they do not fit into the field, `carbon_nm` is not
        positive, or `deformed` not within 0 and 1.

    Examples
    --------
    >>> field = simulated_field(1, n_particles=6)
    >>> field.image.shape, len(field.shapes), field.shapes.count("sphere")
    ((400, 400), 6, 2)
    """
    from scipy.spatial.transform import Rotation

    from stemfast import Cuboid, Specimen, Sphere
    from stemfast.orientation import random
    from stemfast.simulation.simulate import simulate

    if isinstance(n_particles, bool) or n_particles < 1:
        raise MicrographError(f"n_particles: got {n_particles!r}, expected at least 1")
    if carbon_nm is not None and not carbon_nm > 0.0:
        raise MicrographError(f"carbon_nm: got {carbon_nm!r}, expected a diameter above 0 nm")
    if not 0.0 <= deformed <= 1.0:
        raise MicrographError(f"deformed: got {deformed!r}, expected a chance of 0 … 1")
    used = _default_microscope() if microscope is None else microscope
    particles, shapes, diameters = _draw_particles(seed, n_particles)
    particles = _with_cut_corners(seed, particles, deformed)
    corners = tuple(len(one.corners) if isinstance(one, Cuboid) else 0 for one in particles)
    for n in np.flatnonzero(corners):
        diameters[n] = np.cbrt(6.0 / math.pi * particles[n].volume)
    orientations = random(n_particles, seed=seed)
    size = used.scan.pixel_size_nm
    extent = 0.5 * size * np.array([used.scan.shape[1], used.scan.shape[0]], dtype=np.float64)
    positions = _place(seed, particles, orientations, extent)
    places = np.column_stack([positions, np.zeros(n_particles)])
    bodies, poses = particles, orientations
    if carbon_nm is not None:
        behind = _aggregate(seed, carbon_nm, extent)
        places = np.concatenate([places, behind])
        bodies = [*particles, *[Sphere(0.5 * carbon_nm, material="C")] * len(behind)]
        poses = Rotation.concatenate([orientations, Rotation.identity(len(behind))])
    image = simulate(
        Specimen(particles=bodies, positions_nm=places, orientations=poses),
        microscope=used,
        seed=seed,
    )
    return SimulatedField(
        image=image,
        pixel_size_nm=size,
        shapes=shapes,
        positions_nm=positions,
        diameters_nm=diameters,
        corners=corners,
    )


def _aggregate(seed: int, diameter: float, extent: Floats) -> Floats:
    """Centres (n, 3) of spheres that cover a third of the field, each fused with an earlier one."""
    n = max(2, math.ceil(4.0 / 3.0 * extent.prod() / (math.pi / 4.0 * diameter**2)))
    from stemfast import draws

    u = draws.uniform(seed, np.arange(n), _STAGE_CARBON, 3)
    centres = np.zeros((n, 3))
    centres[:, 2] = diameter  # behind the particles
    centres[0, :2] = (u[0, :2] - 0.5) * extent
    for k in range(1, n):
        angle = 2.0 * math.pi * u[k, 0]
        step = 0.8 * diameter * np.array([math.cos(angle), math.sin(angle)])
        # Toward the middle of the field where the step would leave it.
        place = centres[int(u[k, 1] * k), :2]
        outside = np.abs(place + step) > extent
        centres[k, :2] = place + np.where(outside, -step, step)
    return centres


def _default_microscope() -> Microscope:
    from stemfast import Microscope, Probe, Scan

    return Microscope(
        scan=Scan(shape=(400, 400), pixel_size_nm=0.8, dwell_us=8.0), probe=Probe(fwhm_nm=1.2)
    )


def _draw_particles(seed: int, n: int) -> tuple[list[Particle], tuple[str, ...], Floats]:
    from stemfast import Cuboid, Sphere, Tetrahedron, draws

    u = draws.uniform(seed, np.arange(n), _STAGE_PARTICLES, 4)
    low, high = _DIAMETERS_NM
    diameters = low + (high - low) * u[:, 0]
    # Shuffled thirds: every shape about equally often, in no order along the clusters.
    kinds = np.argsort(np.argsort(u[:, 1])) % len(SHAPES)
    particles: list[Particle] = []
    for diameter, kind, ratios in zip(diameters, kinds, u[:, 2:], strict=True):
        volume = math.pi / 6.0 * diameter**3
        if SHAPES[kind] == "sphere":
            particles.append(Sphere(diameter / 2.0))
        elif SHAPES[kind] == "tetrahedron":
            particles.append(Tetrahedron(edge=(6.0 * math.sqrt(2.0) * volume) ** (1.0 / 3.0)))
        else:
            edges = np.array([1.0, *(1.0 + 0.3 * ratios)])
            edges *= (volume / edges.prod()) ** (1.0 / 3.0)
            particles.append(Cuboid(edges=tuple(edges.tolist())))
    return particles, tuple(SHAPES[k] for k in kinds), diameters


def _with_cut_corners(seed: int, particles: list[Particle], chance: float) -> list[Particle]:
    """The same, with corners of some cuboids cut; other draws stay as they are."""
    from stemfast import Cuboid, Truncation, draws

    u = draws.uniform(seed, np.arange(len(particles)), _STAGE_CORNERS, 18)
    low, high = _CUTS
    cut: list[Particle] = []
    for particle, (whether, number, *places_and_depths) in zip(particles, u, strict=True):
        if isinstance(particle, Cuboid) and whether < chance:
            where = np.argsort(places_and_depths[:8])[: 1 + int(8.0 * number)]
            depths = low + (high - low) * np.array(places_and_depths[8:])
            corners = {int(k): Truncation(float(depths[k])) for k in np.sort(where)}
            particle = Cuboid(edges=particle.edges, corners=corners, material=particle.material)
        cut.append(particle)
    return cut


def _place(
    seed: int, particles: Sequence[Particle], orientations: Rotation, extent: Floats
) -> Floats:
    """Places (x, y) [nm] of the particles: clusters of one to three, apart from each other."""
    outlines = [
        orientations[n].apply(np.array(p.vertices))[:, :2] if len(p.vertices) else np.empty((0, 2))
        for n, p in enumerate(particles)
    ]
    positions = np.zeros((len(particles), 2))
    radii = np.array([p.bounding_radius for p in particles])
    start, number = 0, 0
    while start < len(particles):
        end = min(start + 1 + number % 3, len(particles))
        angles = _uniform(seed, number, end - start)
        for n in range(start + 1, end):
            turn = 2.0 * math.pi * angles[0] + (angles[n - start] - 0.5) * math.pi / 2.0
            u = np.array([math.cos(turn), math.sin(turn)])
            positions[n] = positions[n - 1] + _support(particles[n - 1], outlines[n - 1], u)
            positions[n] -= _support(particles[n], outlines[n], -u)
        for shift in _shifts(seed, number, positions[start:end], radii[start:end], extent):
            moved = positions[start:end] + shift
            apart = np.linalg.norm(moved[:, np.newaxis] - positions[np.newaxis, :start], axis=2)
            if np.all(apart > radii[start:end, np.newaxis] + radii[np.newaxis, :start] + _GAP_NM):
                positions[start:end] = moved
                break
        else:
            raise MicrographError(
                f"n_particles: {len(particles)} do not fit into {2 * extent[0]:g} x "
                f"{2 * extent[1]:g} nm, no place after {start}; expected fewer particles or a "
                "larger field"
            )
        start, number = end, number + 1
    return positions


def _support(particle: Particle, outline: Floats, direction: Floats) -> Floats:
    """The point of the particle's outline farthest along `direction`."""
    if not len(outline):
        return particle.bounding_radius * direction
    result: Floats = outline[int(np.argmax(outline @ direction))]
    return result


def _shifts(
    seed: int, number: int, positions: Floats, radii: Floats, extent: Floats
) -> Iterator[Floats]:
    """Random shifts that keep a cluster inside the field."""
    reach = radii[:, np.newaxis] + _GAP_NM
    low = (-extent - (positions - reach)).max(axis=0)
    high = (extent - (positions + reach)).min(axis=0)
    if np.all(low <= high):
        for u in _uniform(seed, number, 2 * _TRIES + 3)[3:].reshape(-1, 2):
            shift: Floats = low + (high - low) * u
            yield shift


def _uniform(seed: int, index: int, n: int) -> Floats:
    from stemfast import draws

    result: Floats = draws.uniform(seed, [index], _STAGE_PLACES, n)[0]
    return result
