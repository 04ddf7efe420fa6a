"""Every shape, every kind of corner, and a spin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stemfast import orientation
from stemfast.microscope import Microscope, Probe, Scan
from stemfast.particles import (
    Cuboid,
    Decahedron,
    Displacement,
    Ellipsoid,
    HexagonalPrism,
    Icosahedron,
    Octahedron,
    Particle,
    Polyhedron,
    Rounding,
    Sphere,
    Tetrahedron,
    TruncatedOctahedron,
    Truncation,
)
from stemfast.simulation.simulate import simulate

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.spatial.transform import Rotation

    Panels = tuple[list[NDArray[Any]], list[str]]

MICROSCOPE = Microscope(scan=Scan(shape=(128, 128), pixel_size_nm=0.35))


def shape_scenes(seed: int) -> Panels:
    """Every shape, in a random pose.

    Parameters
    ----------
    seed : int

    Returns
    -------
    images : list of (H, W) arrays
    titles : list of str

    Examples
    --------
    >>> images, titles = shape_scenes(0)
    >>> titles[0], images[0].shape
    ('tetrahedron', (128, 128))
    """
    shapes: dict[str, Particle] = {
        "tetrahedron": Tetrahedron(edge=26),
        "cuboid": Cuboid(edges=(24, 20, 16)),
        "sphere": Sphere(radius=11),
        "ellipsoid": Ellipsoid(semi_axes=(15, 10, 8)),
        "octahedron": Octahedron(edge=20),
        "truncated octahedron": TruncatedOctahedron(edge=24),
        "icosahedron": Icosahedron(edge=13),
        "decahedron": Decahedron(edge=16),
        "hexagonal prism": HexagonalPrism(edge=11, height=18),
        "any polyhedron": _half_dome(),
    }
    poses = orientation.random(len(shapes), seed=seed)
    images = simulate(list(shapes.values()), poses, MICROSCOPE, seed=seed)
    return list(images), list(shapes)


def corner_scenes(seed: int) -> Panels:
    """Cuboids with deformed corners, in one pose that shows the corner.

    Parameters
    ----------
    seed : int

    Returns
    -------
    images : list of (H, W) arrays
    titles : list of str

    Examples
    --------
    >>> corner_scenes(0)[1][:2]
    ['undeformed', 'truncated, 50 %']
    """
    edits: dict[str, dict[int, Any]] = {
        "undeformed": {},
        "truncated, 50 %": {7: Truncation(0.5)},
        "cut unequally": {7: Truncation((0.8, 0.3, 0.5))},
        "a {111} cut, 5 nm": {7: Truncation.true_111(depth_nm=5)},
        "pushed in, 7 nm": {7: Displacement(nm=7)},
        "pulled out, 6 nm": {7: Displacement(nm=-6)},
        "moved sideways": {7: Displacement(vector_nm=(4, -4, 0))},
        "rounded, 8 nm": {7: Rounding(radius_nm=8)},
        "two on an edge": {7: Truncation(0.3), 6: Truncation(0.3)},
        "all eight": {corner: Truncation(0.3) for corner in range(8)},
    }
    particles = [Cuboid(edges=(20, 20, 20), corners=corners) for corners in edits.values()]
    images = simulate(particles, _showing_corner(len(particles)), MICROSCOPE, seed=seed)
    return list(images), list(edits)


def spin_scenes(seed: int) -> Panels:
    """One particle at rest, and spinning about the beam either way while the scan runs.

    Parameters
    ----------
    seed : int

    Returns
    -------
    images : list of (H, W) arrays
    titles : list of str

    Examples
    --------
    >>> spin_scenes(0)[1]
    ['at rest', 'spinning, +20 rad/s', 'spinning, −20 rad/s']
    """
    rates = (0.0, 20.0, -20.0)
    microscope = MICROSCOPE.replace(
        scan=MICROSCOPE.scan.replace(dwell_us=4.0), probe=Probe(fwhm_nm=0.5)
    )
    images = simulate(
        Cuboid(edges=(24, 20, 16), corners={7: Truncation(0.5)}),
        _showing_corner(len(rates)),
        microscope,
        seed=seed,
        spin_rad_s=np.array([(0.0, 0.0, rate) for rate in rates]),
    )
    return list(images), ["at rest", "spinning, +20 rad/s", "spinning, −20 rad/s"]


def _showing_corner(count: int) -> Rotation:
    """Corner 7 to the upper right, where a cut takes away much of the image."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_euler("xyz", [[-10.0, 40.0, -110.0]] * count, degrees=True)


def _half_dome() -> Particle:
    """An upper half of an icosphere-like hull, which no named shape is."""
    rings = [(12.0, 0.0), (10.0, 6.0), (5.0, 10.0)]
    points = [
        (radius * np.cos(angle), radius * np.sin(angle), height - 4.0)
        for radius, height in rings
        for angle in np.linspace(0.0, 2.0 * np.pi, 7, endpoint=False)
    ]
    return Polyhedron.from_vertices(points)
