"""Recipes of cuboids with deformed corners: labels are counts or orbits.

The mask of a scene is drawn evenly from those of its class. Where edges differ by a step, classes
are named for a cuboid with its longest edge along x and its shortest along z; the one that is made
lies along any axes, so that their order tells nothing.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import cache
from typing import ClassVar

import numpy as np

from stemfast import draws
from stemfast.recipes.boxes import deformed_cuboids, free_proportions, stepped_proportions, widest
from stemfast.recipes.distributions import Floats, Ints, Stage
from stemfast.recipes.exposure import Exposure
from stemfast.recipes.masks import (
    CORNERS,
    Bytes,
    MaskTable,
    by_count,
    by_orbit,
    cube,
    cuboid,
    turned,
)
from stemfast.recipes.particles import (
    Columns,
    CornerSettings,
    Drawn,
    FreeSettings,
    HalfDisplacedSettings,
    SteppedSettings,
)
from stemfast.recipes.recipe import Recipe

__all__ = ["Corners", "Count", "Deformed", "PairsCube", "PairsCuboid", "SteppedRecipe"]


class CornerRecipe(Recipe):
    """Base class of the recipes of deformed cuboids."""

    particle: CornerSettings

    @property
    def particle_settings(self) -> CornerSettings:
        """The group `particle`."""
        return self.particle

    @property
    def extent(self) -> float:
        """Largest ratio of a particle's bounding sphere to the sphere of its volume."""
        return self.particle.growth * widest(self._extreme_proportions())

    @abstractmethod
    def _extreme_proportions(self) -> list[tuple[float, float, float]]:
        """Proportions among which the longest space diagonal is."""

    @abstractmethod
    def _draw_proportions(self, u: Floats) -> Floats:
        """Edges (N, 3) up to a factor, from three uniform draws for each scene."""

    @abstractmethod
    def _draw_masks(self, indices: Ints, u: Floats, v: Floats) -> tuple[Ints, Bytes]:
        """Labels and masks of scenes, from two uniform draws for each."""

    def _lie(self, edges: Floats, masks: Bytes, u: Floats) -> tuple[Floats, Bytes, Columns]:
        """Axis permutations of cuboids, and columns with their masks before these."""
        return edges, masks, {}

    def draw_particles(
        self, seed: int, indices: Ints, diameter_nm: Floats, exposure: Exposure
    ) -> tuple[Ints, Drawn]:
        """Labels of scenes, and their particles of the given volumes."""
        u = draws.uniform(seed, indices, Stage.PARTICLE, 6)
        labels, masks = self._draw_masks(indices, u[:, 3], u[:, 4])
        proportions = self._draw_proportions(u)
        proportions, masks, columns = self._lie(proportions, masks, u[:, 5])
        drawn = deformed_cuboids(
            self.particle,
            seed,
            indices,
            proportions=proportions,
            masks=masks,
            diameter_nm=diameter_nm,
            exposure=exposure,
        )
        drawn.columns.update(columns)
        return labels, drawn


class FreeRecipe(CornerRecipe):
    """Cuboids of any proportions, where which edge is which makes no difference to the label."""

    particle: FreeSettings

    def _extreme_proportions(self) -> list[tuple[float, float, float]]:
        r = self.particle.edge_ratio
        return [(1.0, 1.0, r), (1.0, r, r)]

    def _draw_proportions(self, u: Floats) -> Floats:
        return free_proportions(u, self.particle.edge_ratio)


class SteppedRecipe(CornerRecipe):
    """Cuboids whose three edges are clearly different."""

    particle: SteppedSettings

    def _extreme_proportions(self) -> list[tuple[float, float, float]]:
        steps = self.particle.edge_step
        return [(r * s, s, 1.0) for r in steps for s in steps]

    def _draw_proportions(self, u: Floats) -> Floats:
        return stepped_proportions(u, self.particle.edge_step)

    def _lie(self, edges: Floats, masks: Bytes, u: Floats) -> tuple[Floats, Bytes, Columns]:
        return *turned(edges, masks, u), {"sorted_mask": masks}


class Deformed(FreeRecipe):
    """Cuboids, half of them with 1 to 8 corners deformed: all of them cut, or all displaced.

    Scene i has class i mod 2. Each number of corners is equally likely, and then each choice of
    them. Further parameters are those of :class:`stemfast.recipes.Recipe`.

    Parameters
    ----------
    particle : HalfDisplacedSettings
        Size, place, material, proportions and deformation.

    Examples
    --------
    >>> from stemfast import recipes
    >>> recipes.get("deformed").class_names
    ('undeformed', 'deformed')
    """

    name: ClassVar[str] = "deformed"

    particle: HalfDisplacedSettings

    @property
    def class_names(self) -> tuple[str, ...]:
        """Meaning of the labels."""
        return ("undeformed", "deformed")

    def _draw_masks(self, indices: Ints, u: Floats, v: Floats) -> tuple[Ints, Bytes]:
        labels = indices % 2
        count = labels * (1 + (CORNERS * u).astype(np.int64))
        return labels, by_count().draw(count, v)


class Count(FreeRecipe):
    """Cuboids with 0 to 8 deformed corners; the label is their number.

    Scene i has i mod 9 deformed corners, each choice of them equally likely. Further parameters
    are those of :class:`stemfast.recipes.Recipe`.

    Parameters
    ----------
    particle : FreeSettings
        Size, place, material, proportions and deformation.

    Examples
    --------
    >>> from stemfast import recipes
    >>> recipes.get("count").sample(seed=1, start=0, stop=9).columns["corner_count"]
    array([0, 1, 2, 3, 4, 5, 6, 7, 8])
    """

    name: ClassVar[str] = "count"

    particle: FreeSettings

    @property
    def class_names(self) -> tuple[str, ...]:
        """Meaning of the labels."""
        return tuple(str(count) for count in range(CORNERS + 1))

    def _draw_masks(self, indices: Ints, u: Floats, v: Floats) -> tuple[Ints, Bytes]:
        labels = indices % (CORNERS + 1)
        return labels, by_count().draw(labels, v)


class PairsCube(CornerRecipe):
    """Cubes with two deformed corners; the label is how these lie to each other.

    Scene i has class i mod 3: on one edge, on the diagonal of a face, on that of the body. Further
    parameters are those of :class:`stemfast.recipes.Recipe`.

    Parameters
    ----------
    particle : CornerSettings
        Size, place, material and deformation.

    Examples
    --------
    >>> from stemfast import recipes
    >>> recipes.get("pairs-cube").class_names
    ('edge', 'face diagonal', 'body diagonal')
    """

    name: ClassVar[str] = "pairs-cube"

    particle: CornerSettings

    @property
    def class_names(self) -> tuple[str, ...]:
        """Meaning of the labels."""
        return tuple(cube().class_name(int(mask)) for mask in _pairs_of_cube())

    def _extreme_proportions(self) -> list[tuple[float, float, float]]:
        return [(1.0, 1.0, 1.0)]

    def _draw_proportions(self, u: Floats) -> Floats:
        return np.ones((len(u), 3))

    def _draw_masks(self, indices: Ints, u: Floats, v: Floats) -> tuple[Ints, Bytes]:
        labels = indices % 3
        return labels, _cube_pair_table().draw(labels, u)


class PairsCuboid(SteppedRecipe):
    """Cuboids a > b > c with two deformed corners; the label is how these lie, up to mirror images.

    Scene i has class i mod 7: on one of three kinds of edges, on the diagonal of one of three kinds
    of faces, on that of the body; x is the longest edge, z the shortest. Further parameters are
    those of :class:`stemfast.recipes.Recipe`.

    Parameters
    ----------
    particle : SteppedSettings
        Size, place, material, proportions and deformation.

    Examples
    --------
    >>> from stemfast import recipes
    >>> recipes.get("pairs-cuboid").class_names[:2]
    ('edge along x', 'edge along y')
    """

    name: ClassVar[str] = "pairs-cuboid"

    @property
    def class_names(self) -> tuple[str, ...]:
        """Meaning of the labels."""
        return tuple(cuboid().class_name(mask, mirror=True) for mask in _pairs_of_cuboid())

    def _draw_masks(self, indices: Ints, u: Floats, v: Floats) -> tuple[Ints, Bytes]:
        labels = indices % len(_pairs_of_cuboid())
        return labels, _cuboid_pair_table().draw(labels, u)


class Corners(SteppedRecipe):
    """Cuboids a > b > c with any corners deformed; the label is their orbit up to mirror images.

    Scene i has class i mod 46; x is the longest edge, z the shortest. A single static image cannot
    tell a particle from its mirror image, so both have one label. Further parameters are those of
    :class:`stemfast.recipes.Recipe`.

    Parameters
    ----------
    particle : SteppedSettings
        Size, place, material, proportions and deformation.

    Examples
    --------
    >>> from stemfast import recipes
    >>> names = recipes.get("corners").class_names
    >>> len(names), names[0], names[-1]
    (46, 'none', 'all corners')
    """

    name: ClassVar[str] = "corners"

    @property
    def class_names(self) -> tuple[str, ...]:
        """Meaning of the labels."""
        return cuboid().class_names_up_to_mirror

    def _draw_masks(self, indices: Ints, u: Floats, v: Floats) -> tuple[Ints, Bytes]:
        labels = indices % len(cuboid().classes_up_to_mirror)
        return labels, _orbit_table().draw(labels, u)


@cache
def _pairs_of_cube() -> list[int]:
    return [mask for mask in cube().classes.tolist() if mask.bit_count() == 2]


@cache
def _cube_pair_table() -> MaskTable:
    return by_orbit(cube(), _pairs_of_cube(), mirror=False)


@cache
def _pairs_of_cuboid() -> list[int]:
    return [mask for mask in cuboid().classes_up_to_mirror.tolist() if mask.bit_count() == 2]


@cache
def _cuboid_pair_table() -> MaskTable:
    return by_orbit(cuboid(), _pairs_of_cuboid(), mirror=True)


@cache
def _orbit_table() -> MaskTable:
    return by_orbit(cuboid(), cuboid().classes_up_to_mirror.tolist(), mirror=True)
