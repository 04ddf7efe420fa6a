"""Recipes of several images of one particle: the whole truth about it, and its handedness."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from stemfast.recipes.corner_recipes import SteppedRecipe
from stemfast.recipes.distributions import Floats, Ints, pick
from stemfast.recipes.masks import CORNERS, Bytes, MaskTable, by_count, by_orbit, cuboid, turned
from stemfast.recipes.particles import Columns
from stemfast.recipes.poses import SeriesSettings
from stemfast.recipes.settings import Whole

__all__ = ["GroundTruth", "Handedness"]


class SeriesRecipe(SteppedRecipe):
    """Several views of each particle."""

    views: Whole = Field(default=8, ge=1, le=16)
    series: SeriesSettings = SeriesSettings()

    @property
    def series_settings(self) -> SeriesSettings:
        """The group `series`."""
        return self.series

    def _lie(self, edges: Floats, masks: Bytes, u: Floats) -> tuple[Floats, Bytes, Columns]:
        orbit = cuboid().class_table_up_to_mirror[masks].astype(np.int64)
        own: Columns = {"sorted_mask": masks, "orbit_up_to_mirror": orbit}
        return *turned(edges, masks, u), own


class GroundTruth(SeriesRecipe):
    """Views of a cuboid a > b > c with 0 to 8 deformed corners; the label is its orbit.

    Scene i has i mod 9 deformed corners, each choice of them equally likely; so the 76 orbits are
    not equally frequent. Mirror images have labels of their own. Static views carry no information
    on which of the two it is: then learn the column ``orbit_up_to_mirror``. Columns hold
    the edges, the mask and severity of the corners too. Further parameters are those of
    :class:`stemfast.recipes.Recipe`.

    Parameters
    ----------
    views : int
        Images of each particle, 1 … 16.
    series : SeriesSettings
        Independent poses, or one that is tilted by known angles.
    particle : SteppedSettings
        Size, place, material, proportions and deformation.

    Examples
    --------
    >>> from stemfast import recipes
    >>> recipe = recipes.get("ground-truth", views=4, image_px=64)
    >>> recipe.image_shape, len(recipe.class_names)
    ((4, 64, 64), 76)
    """

    name: ClassVar[str] = "ground-truth"

    @property
    def class_names(self) -> tuple[str, ...]:
        """Meaning of the labels."""
        return cuboid().class_names

    def _draw_masks(self, indices: Ints, u: Floats, v: Floats) -> tuple[Ints, Bytes]:
        masks = by_count().draw(indices % (CORNERS + 1), u)
        return cuboid().class_table[masks].astype(np.int64), masks


class Handedness(SeriesRecipe):
    """Cuboids a > b > c that differ from their mirror image by their corners: left or right.

    Scene i has class i mod 2, and the 30 pairs of mirror images are equally likely for both. Which
    of two partners is the left one is :mod:`stemfast.symmetry`'s convention.

    No static image, and no number of them at unknown poses, tells the two apart: mirrored along the
    beam, a particle gives the same image. Known tilts do, so the views are a tilt series; and so
    does a known sense of turning during the scan, so with `spin` a single image is the default and
    the particle turns about x, always the same way round (`imaging.turn_axis`). Turning anyhow, or
    about the beam, would tell nothing. Further parameters are those of
    :class:`stemfast.recipes.Recipe`.

    Parameters
    ----------
    views : int
        Images of each particle, 1 … 16; 8 if not given, and 1 if it spins.
    series : SeriesSettings
        Tilts, if not given.
    particle : SteppedSettings
        Size, place, material, proportions and deformation.

    Examples
    --------
    >>> from stemfast import recipes
    >>> recipes.get("handedness").class_names
    ('left-handed', 'right-handed')
    """

    name: ClassVar[str] = "handedness"

    series: SeriesSettings = SeriesSettings(kind="tilts")

    @classmethod
    def _completed(cls, values: dict[str, Any]) -> dict[str, Any]:
        usual = {"views": 1} if values.get("spin") is True else {}
        return super()._completed(usual | values)

    @classmethod
    def _presets(cls, conditions: str) -> dict[str, dict[str, Any]]:
        presets = super()._presets(conditions)
        turning = {"turn_axis": "x"}
        return presets | {"imaging": presets["imaging"] | turning, "series": {"kind": "tilts"}}

    @property
    def class_names(self) -> tuple[str, ...]:
        """Meaning of the labels."""
        return ("left-handed", "right-handed")

    def _draw_masks(self, indices: Ints, u: Floats, v: Floats) -> tuple[Ints, Bytes]:
        labels = indices % 2
        pairs = _hand_table()
        n = len(pairs.size) // 2
        return labels, pairs.draw(labels * n + pick(n, u), v)


@cache
def _hand_table() -> MaskTable:
    """Masks of the left-handed classes, then of their partners in the same order."""
    symmetry = cuboid()
    partner = symmetry.mirror_table[symmetry.classes]
    left = symmetry.classes[symmetry.classes < partner]
    both = [*left.tolist(), *symmetry.mirror_table[left].tolist()]
    return by_orbit(symmetry, both, mirror=False)
