"""Recipe ``deformed``: cuboids with no corner, or with some, cut off or displaced."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from stemfast import draws
from stemfast.recipes.recipe import (
    Columns,
    Floats,
    LogRange,
    NotNegative,
    Positive,
    Range,
    Recipe,
    Stage,
    between,
)
from stemfast.recipes.shapes import three_sizes
from stemfast.recipes.solids import Solids, cuboids

__all__ = ["Deformed"]

CORNERS = 8


def _cuts_stay_apart(severity: tuple[float, float]) -> tuple[float, float]:
    if not 0.0 < severity[0] <= severity[1] < 0.5:
        raise ValueError("expected a range above 0 and below 0.5, where neighbouring cuts meet")
    return severity


def _draw_masks(u_count: Floats, u_order: Floats) -> NDArray[np.bool_]:
    """Masks (N, 8): 1 to 8 corners, each number equally likely, each choice of them too."""
    count = 1 + (u_count * CORNERS).astype(int)
    rank = u_order.argsort(axis=1).argsort(axis=1)
    return np.asarray(rank < count[:, None])


class Deformed(Recipe):
    """Cuboids, half of them with 1 to 8 corners deformed, one to an image.

    The deformed corners of a particle are either all cut off by a plane or all displaced inwards
    along their diagonals. Further parameters are those of :class:`stemfast.recipes.Recipe`.

    Parameters
    ----------
    edge_ratio : float
        Most that one edge is longer than another.
    severity : (float, float)
        Depth of the deformation, uniform for each corner: the cut fraction of each of the three
        edges, or the displacement in units of the shortest edge. Below 0.5, where cuts would meet.
    displaced_share : float
        Share of the deformed cuboids whose corners are displaced; those of the others are cut.

    Examples
    --------
    >>> Deformed().class_names
    ('undeformed', 'deformed')
    """

    name: ClassVar[str] = "deformed"
    class_names: ClassVar[tuple[str, ...]] = ("undeformed", "deformed")
    extent: ClassVar[float] = 1.75  # space diagonal of a cuboid, edges up to 2 : 1

    pixel_size_nm: Positive = 0.5
    diameter_nm: LogRange = (11.0, 18.0)
    signal_e_px: LogRange = (50.0, 500.0)
    probe_fwhm_nm: Range = (0.4, 0.9)
    film_nm: Range = (0.0, 20.0)
    read_noise: Range = (0.0, 2.0)
    shift_nm: NotNegative = 2.0
    edge_ratio: Annotated[float, Field(ge=1, le=2)] = 1.5
    severity: Annotated[Range, AfterValidator(_cuts_stay_apart)] = (0.25, 0.48)
    displaced_share: Annotated[float, Field(ge=0, le=1)] = 0.5

    def draw_particles(
        self, seed: int, indices: NDArray[np.int64], labels: NDArray[np.int64], given: Columns
    ) -> tuple[Solids, Columns]:
        """Solids of the given classes and volumes, and their deformations."""
        u = draws.uniform(seed, indices, Stage.PARTICLE, 5)
        ratios = three_sizes(u, self.edge_ratio)
        more = draws.uniform(seed, indices, Stage.CORNERS, 2 * CORNERS)
        masks = _draw_masks(u[:, 3], more[:, :CORNERS]) & (labels == 1)[:, None]
        displaced = (u[:, 4] < self.displaced_share) & (labels == 1)
        severity = np.where(masks, between(self.severity, more[:, CORNERS:]), 0.0)
        cut = np.where(displaced[:, None], 0.0, severity)
        moved = np.where(displaced[:, None], severity, 0.0)
        # Deformation takes volume away; the edges grow until the wanted volume is back, or
        # deformed particles would be dimmer and dimness would give them away.
        shortest = ratios.min(axis=1)[:, None]
        first = cuboids(ratios, cut, moved * shortest)
        wanted = np.pi / 6.0 * given["diameter_nm"] ** 3
        edges = ratios * np.cbrt(wanted / first.volume_nm3)[:, None]
        made = cuboids(edges, cut, moved * edges.min(axis=1)[:, None])
        return made, {
            "edges_nm": edges,
            "corner_mask": np.packbits(masks, axis=1, bitorder="little")[:, 0],
            "severity": severity,
            "displaced": displaced,
        }
