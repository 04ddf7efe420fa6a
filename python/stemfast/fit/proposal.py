"""The network's proposal for a fit: deformed corners, laid on a particle in a pose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit.cuboid.axes import sorted_axes
from stemfast.fit.cuboid.shape import CutCuboid
from stemfast.symmetry import cuboid_symmetry

Float: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Proposal:
    """Proposal of a network.

    Attributes
    ----------
    mask : int
        Deformed corners in the axes of the sorted edges, longest along x.
    severity : (8,) float64
        Of each, in the same axes.
    share : (K,) float64
        How much each image had to say.
    """

    mask: int
    severity: Float
    share: Float


def placed(proposal: Proposal, shapes: Sequence[CutCuboid]) -> list[tuple[CutCuboid, ...]]:
    """The network's corners on a particle whose poses are known: every way to lay them.

    The network knows its corners up to half turns of the cuboid, and up to a mirror image where
    poses were not known to it.

    Parameters
    ----------
    proposal : Proposal
    shapes : sequence of K CutCuboid
        The particle in each view.
    """
    symmetry = cuboid_symmetry((3.0, 2.0, 1.0), tolerance_nm=0.0)
    sorted_shapes = sorted_axes(shapes)
    found: dict[int, tuple[CutCuboid, ...]] = {}
    for permutation in symmetry.permutations:
        cuts = np.zeros(8)
        for corner in range(8):
            if proposal.mask >> corner & 1:
                cuts[permutation[corner]] = float(np.clip(proposal.severity[corner], 0.1, 0.5))
        laid = tuple(replace(shape, cuts=cuts) for shape in sorted_shapes)
        found.setdefault(laid[0].mask, laid)
    return list(found.values())
