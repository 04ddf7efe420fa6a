"""Recipe ``shapes``: tetrahedra, cuboids and spheres."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from stemfast import draws, elementary
from stemfast.particles.geometry.cuboid_arrays import cuboids
from stemfast.particles.geometry.solid_arrays import choose, ellipsoids, tetrahedra
from stemfast.recipes import conditions as tables
from stemfast.recipes.boxes import free_proportions, widest
from stemfast.recipes.distributions import Floats, Ints, Stage
from stemfast.recipes.exposure import Exposure
from stemfast.recipes.particles import Drawn, ShapeSettings
from stemfast.recipes.recipe import Recipe
from stemfast.recipes.settings import Positive

__all__ = ["Shapes"]

# Twice the circumradius √6/4 of a regular tetrahedron with edge 1, and V = 1/(6√2).
_TETRAHEDRON = math.sqrt(6.0) / 2.0
_EDGE_OF_DIAMETER = float(elementary.cbrt(math.sqrt(2.0) * math.pi))


class Shapes(Recipe):
    """Tetrahedra, cuboids and spheres, one to an image, equally often: scene i has class i mod 3.

    In `standard` conditions the ranges reach down to those of an overview micrograph: particles a
    few pixels across, blurred over a pixel, on a film that is not much darker than the smallest.
    Further parameters are those of :class:`stemfast.recipes.Recipe`.

    Parameters
    ----------
    particle : ShapeSettings
        Size, place, material and proportions.

    Examples
    --------
    >>> from stemfast import recipes
    >>> recipes.get("shapes", particle={"diameter_nm": (10, 20)}).particle.diameter_nm
    (10.0, 20.0)
    """

    name: ClassVar[str] = "shapes"

    field_nm: Positive = 64.0
    particle: ShapeSettings

    @classmethod
    def _presets(cls, conditions: str) -> dict[str, dict[str, Any]]:
        imaging = tables.settings(tables.IMAGING, conditions)
        return {"imaging": imaging | tables.settings(tables.SHAPES, conditions), "particle": {}}

    @property
    def class_names(self) -> tuple[str, ...]:
        """Meaning of the labels."""
        return ("tetrahedron", "cuboid", "sphere")

    @property
    def particle_settings(self) -> ShapeSettings:
        """The group `particle`."""
        return self.particle

    @property
    def extent(self) -> float:
        """Largest ratio of a particle's bounding sphere to the sphere of its volume."""
        r = self.particle.edge_ratio
        box = widest([(1.0, 1.0, r), (1.0, r, r)])
        ball = math.cbrt(self.particle.sphere_ratio) ** 2
        return max(_TETRAHEDRON * _EDGE_OF_DIAMETER, box, ball)

    def draw_particles(
        self, seed: int, indices: Ints, diameter_nm: Floats, exposure: Exposure
    ) -> tuple[Ints, Drawn]:
        """Labels of scenes, and their particles of the given volumes."""
        labels = indices % len(self.class_names)
        u = draws.uniform(seed, indices, Stage.PARTICLE, 3)
        edge = _EDGE_OF_DIAMETER * diameter_nm
        cube = float(elementary.cbrt(math.pi / 6.0)) * diameter_nm
        box = _of_product_one(free_proportions(u, self.particle.edge_ratio)) * cube[:, None]
        axes = _of_product_one(free_proportions(u, self.particle.sphere_ratio))
        axes = axes * diameter_nm[:, None]
        sizes = np.where((labels == 0)[:, None], edge[:, None], box)
        sizes = np.where((labels == 2)[:, None], axes, sizes)
        solids = choose(
            labels,
            [
                tetrahedra(edge[labels == 0]),
                cuboids(box[labels == 1], np.zeros((int((labels == 1).sum()), 8))),
                ellipsoids(0.5 * axes[labels == 2]),
            ],
        )
        a, b, c = (box[:, k] for k in range(3))
        diagonal = np.sqrt(a * a + b * b + c * c)
        reach = 0.5 * np.maximum(np.maximum(_TETRAHEDRON * edge, diagonal), axes.max(axis=1))
        return labels, Drawn(solids, reach, {"size_nm": sizes})


def _of_product_one(sizes: Floats) -> Floats:
    mean = elementary.cbrt(sizes[:, 0] * sizes[:, 1] * sizes[:, 2])
    return np.asarray(sizes / mean[:, None])
