"""Recipe ``shapes``: tetrahedra, cuboids and spheres."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from stemfast import draws
from stemfast.recipes import solids
from stemfast.recipes.recipe import (
    Columns,
    Floats,
    LogRange,
    NotNegative,
    Positive,
    Range,
    Recipe,
    Stage,
)
from stemfast.recipes.solids import Solids

__all__ = ["Shapes", "cuboid_edges", "three_sizes"]


def three_sizes(u: Floats, largest_ratio: float) -> Floats:
    """Three sizes (N, 3) with product 1, none more than `largest_ratio` times another.

    `u` holds three uniform draws in [0, 1) for each; the logarithms are drawn evenly.
    """
    logs = u[:, :3] * np.log(largest_ratio)
    return np.asarray(np.exp(logs - logs.mean(axis=1, keepdims=True)))


def cuboid_edges(diameter_nm: Floats, u: Floats, largest_ratio: float) -> Floats:
    """Edges (N, 3) [nm] of cuboids with the volume of spheres of the given diameter."""
    cube = np.cbrt(np.pi / 6.0) * diameter_nm
    return np.asarray(three_sizes(u, largest_ratio) * cube[:, None])


class Shapes(Recipe):
    """Tetrahedra, cuboids and spheres, one to an image, equally often.

    The ranges reach down to conditions such as those of an overview micrograph: particles a few
    pixels across, blurred over a pixel, on a film that is not much darker than the smallest of
    them. Further parameters are those of :class:`stemfast.recipes.Recipe`.

    Parameters
    ----------
    edge_ratio : float
        Most that one edge of a cuboid is longer than another.
    sphere_ratio : float
        Most that one axis of a "sphere" is longer than another; 1 for perfect spheres. No
        particle that grew is perfectly round.

    Examples
    --------
    >>> Shapes(signal_e_px=(100, 100)).signal_e_px
    (100.0, 100.0)
    """

    name: ClassVar[str] = "shapes"
    class_names: ClassVar[tuple[str, ...]] = ("tetrahedron", "cuboid", "sphere")
    extent: ClassVar[float] = 2.02  # twice the circumradius of the regular tetrahedron

    pixel_size_nm: Positive = 1.0
    diameter_nm: LogRange = (5.0, 28.0)
    signal_e_px: LogRange = (50.0, 3000.0)
    probe_fwhm_nm: Range = (0.7, 2.5)
    film_nm: Range = (0.0, 40.0)
    read_noise: Range = (0.0, 3.0)
    shift_nm: NotNegative = 8.0
    edge_ratio: Annotated[float, Field(ge=1, le=2)] = 1.6
    sphere_ratio: Annotated[float, Field(ge=1, le=1.5)] = 1.2

    def draw_particles(
        self, seed: int, indices: NDArray[np.int64], labels: NDArray[np.int64], given: Columns
    ) -> tuple[Solids, Columns]:
        """Solids of the given classes and volumes, and their edges or axes."""
        diameter = given["diameter_nm"]
        u = draws.uniform(seed, indices, Stage.PARTICLE, 3)
        # V = a^3 / (6 sqrt 2) of a regular tetrahedron with edge a.
        tetrahedra = np.repeat((np.cbrt(np.sqrt(2.0) * np.pi) * diameter)[:, None], 3, axis=1)
        edges = cuboid_edges(diameter, u, self.edge_ratio)
        spheres = three_sizes(u, self.sphere_ratio) * diameter[:, None]
        sizes = np.choose(labels[:, None], [tetrahedra, edges, spheres])
        parts = [
            solids.tetrahedra(tetrahedra[:, 0]),
            solids.cuboids(edges, np.zeros((len(edges), 8))),
            solids.ellipsoids(0.5 * spheres),
        ]
        return solids.choose(labels, parts), {"size_nm": sizes}
