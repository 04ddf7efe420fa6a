"""Cuboids of many sizes and poses with a given number of deformed corners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stemfast import draws, orientation, recipes
from stemfast.gallery.shapes import MICROSCOPE
from stemfast.particles import Cuboid, Truncation
from stemfast.simulation.simulate import simulate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Panels = tuple[list[NDArray[Any]], list[str]]

#: The panels that are drawn: numbers of deformed corners, and whether the particles spin.
COUNTS = (((0, 2, 4), False), ((5, 6, 7, 8), False), ((0, 2, 4), True))

_ACROSS, _EDGE_NM, _CUT = 6, (14.0, 24.0), (0.3, 0.5)


def cuboid(seed: int, index: int, deformed: int) -> Cuboid:
    """Return cuboid number `index` of a seed, with so many of its corners cut.

    Parameters
    ----------
    seed, index : int
    deformed : int
        Number of cut corners, 0 … 8.

    Examples
    --------
    >>> len(cuboid(0, 3, deformed=5).corners)
    5
    """
    u = draws.uniform(seed, [index], 100, 3 + 16)[0]
    edges = _EDGE_NM[0] + (_EDGE_NM[1] - _EDGE_NM[0]) * u[:3]
    chosen = np.argsort(u[3:11])[:deformed].tolist()
    depths = _CUT[0] + (_CUT[1] - _CUT[0]) * u[11:]
    corners = {corner: Truncation(float(depths[corner])) for corner in sorted(chosen)}
    return Cuboid(tuple(edges.tolist()), corners=corners)


def count_scenes(seed: int, counts: tuple[int, ...], *, spinning: bool = False) -> Panels:
    """Six cuboids for each number of deformed corners, each with its size and pose.

    Parameters
    ----------
    seed : int
    counts : tuple of int
        Numbers of deformed corners.
    spinning : bool
        Whether each turns about an axis of its own, by up to 60 degrees while it is scanned.

    Returns
    -------
    images : list of (H, W) arrays
    titles : list of str

    Examples
    --------
    >>> images, titles = count_scenes(0, (0, 2))
    >>> len(images), titles[0], titles[-1]
    (12, '0 deformed', '2 deformed')
    """
    numbers = [count for count in counts for _ in range(_ACROSS)]
    first = 1000 * counts[0] + (500 if spinning else 0)
    particles = [cuboid(seed, first + i, count) for i, count in enumerate(numbers)]
    poses = orientation.random(len(numbers), seed=seed, first_index=first)
    spin = np.zeros((len(numbers), 3))
    if spinning:
        axes = orientation.random(len(numbers), seed=seed, first_index=first + 250).apply([0, 0, 1])
        share = 0.3 + 0.7 * draws.uniform(seed, np.arange(first, first + len(numbers)), 101, 1)
        spin = axes * share * np.radians(60) / (MICROSCOPE.scan.frame_us * 1e-6)
    images = simulate(
        particles,
        poses,
        MICROSCOPE,
        seed=seed,
        first_index=first,
        spin_rad_s=spin,
        pose_per="pixel",
    )
    titles = [f"{count} deformed{', spinning' if spinning else ''}" for count in numbers]
    return list(images), titles


#: Poses that particles are drawn in: the rows of the picture.
_POSES: dict[str, dict[str, Any]] = {
    "any pose": {"pose": "random"},
    "resting": {"pose": "resting"},
    "resting, tilts of 5°": {"pose": "resting", "tilt_spread_deg": 5.0},
}


def resting_scenes(seed: int) -> Panels:
    """Six cuboids with 0 to 5 cut corners, in any pose, at rest on a face, and tilted from it.

    Parameters
    ----------
    seed : int

    Returns
    -------
    images : list of (H, W) arrays
    titles : list of str

    Examples
    --------
    >>> images, titles = resting_scenes(0)
    >>> len(images), titles[0], titles[-1]
    (18, 'any pose', 'resting, tilts of 5°')
    """
    side = MICROSCOPE.scan.shape[0]
    images: list[NDArray[Any]] = []
    for pose in _POSES.values():
        recipe = recipes.get(
            "count",
            conditions="clean",
            image_px=side,
            field_nm=side * MICROSCOPE.scan.pixel_size_nm,
            particle={"diameter_nm": (18.0, 24.0), "shift_nm": 0.0, **pose},
        )
        images += list(recipe.sample(seed, 0, _ACROSS).simulate())
    return images, [title for title in _POSES for _ in range(_ACROSS)]
