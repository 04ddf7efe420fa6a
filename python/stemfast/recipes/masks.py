"""Corner masks by class, drawn from tables; and the turns that carry a cuboid onto other axes.

Where edges differ, classes are named for a cuboid that lies with its longest edge along x and its
shortest along z. A turned cuboid has its edges in another order and its corners under other
numbers: `turned` carries both along by a proper rotation, which keeps the class and its hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.recipes.distributions import Floats, Ints, pick
from stemfast.symmetry import CuboidSymmetry, cuboid_symmetry, mask_corners

__all__ = ["CORNERS", "MaskTable", "bits", "by_count", "by_orbit", "cube", "cuboid", "turned"]

Bytes: TypeAlias = NDArray[np.uint8]

CORNERS = 8
_COUNTS = np.array([mask.bit_count() for mask in range(256)])


@dataclass(frozen=True, eq=False)
class MaskTable:
    """For each class the masks that belong to it.

    Attributes
    ----------
    size : (C,) ndarray of int
        Masks of each class.
    masks : (C, M) ndarray of uint8
        The masks, each row filled up with zeros.
    """

    size: Ints
    masks: Bytes

    @classmethod
    def of(cls, groups: Sequence[Sequence[int]]) -> MaskTable:
        """The table of these masks, class by class.

        Examples
        --------
        >>> MaskTable.of([[0], [1, 2, 4]]).size
        array([1, 3])
        """
        masks = np.zeros((len(groups), max(map(len, groups))), np.uint8)
        for row, group in zip(masks, groups, strict=True):
            row[: len(group)] = group
        return cls(np.array([len(group) for group in groups]), masks)

    def draw(self, classes: Ints, u: Floats) -> Bytes:
        """Masks (N,) of these classes, all masks of a class equally likely."""
        chosen = (u * self.size[classes]).astype(np.int64)
        return np.asarray(self.masks[classes, chosen])


def bits(masks: Bytes) -> NDArray[np.bool_]:
    """Corners (N, 8) in each mask (N,), as booleans."""
    return np.asarray((masks[:, None] >> np.arange(CORNERS, dtype=np.uint8) & 1).astype(bool))


@cache
def by_count() -> MaskTable:
    """Masks by how many corners they have, 0 … 8."""
    return MaskTable.of([np.flatnonzero(count == _COUNTS).tolist() for count in range(CORNERS + 1)])


def by_orbit(symmetry: CuboidSymmetry, classes: Sequence[int], *, mirror: bool) -> MaskTable:
    """Masks by class of a symmetry, for the classes listed by a mask of each."""
    return MaskTable.of([symmetry.orbit(mask, mirror=mirror) for mask in classes])


@cache
def cube() -> CuboidSymmetry:
    """The symmetry of a cube."""
    return cuboid_symmetry((1.0, 1.0, 1.0), tolerance_nm=0.0)


@cache
def cuboid() -> CuboidSymmetry:
    """The symmetry of a cuboid with three different edges."""
    return cuboid_symmetry((3.0, 2.0, 1.0), tolerance_nm=0.0)


@cache
def _turns() -> tuple[Ints, Bytes]:
    """For each rotation of the cube, which old axis each new one shows, and what masks become."""
    symmetry = cube()
    axes = np.abs(symmetry.rotations).argmax(axis=2)
    images = np.zeros((len(axes), 256), np.uint8)
    for turn, permutation in enumerate(symmetry.rotation_permutations.tolist()):
        for mask in range(256):
            images[turn, mask] = sum(1 << permutation[corner] for corner in mask_corners(mask))
    return axes, images


def turned(edges: Floats, masks: Bytes, u: Floats) -> tuple[Floats, Bytes]:
    """Cuboids laid along other axes by one of the 24 rotations of a cube, all equally likely.

    Parameters
    ----------
    edges : (N, 3) ndarray
    masks : (N,) ndarray of uint8
    u : (N,) ndarray
        Uniform draws in [0, 1).

    Returns
    -------
    (N, 3) ndarray, (N,) ndarray of uint8
        Edges and masks of the same cuboids, turned.
    """
    axes, images = _turns()
    turn = pick(len(axes), u)
    return np.take_along_axis(edges, axes[turn], axis=1), images[turn, masks]
