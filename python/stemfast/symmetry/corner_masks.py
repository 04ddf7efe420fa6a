"""Corner masks of a cuboid under its own rotations and mirrors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from itertools import permutations, product
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.symmetry.class_names import class_names

ByteArray: TypeAlias = NDArray[np.uint8]
SignedPermutations: TypeAlias = NDArray[np.int8]
_Scalar = TypeVar("_Scalar", bound=np.generic)

#: (8, 3) the side (-1 or 1) of x, y, z that each corner is on: bit 0, 1, 2 of its number.
CORNER_SIGNS: NDArray[np.int8] = np.array(
    [[1 if corner >> k & 1 else -1 for k in range(3)] for corner in range(8)], dtype=np.int8
)
CORNER_SIGNS.flags.writeable = False

_ALL_MASKS = np.arange(256, dtype=np.uint8)


def mask_corners(mask: int) -> tuple[int, ...]:
    """The corners in a mask.

    Examples
    --------
    >>> mask_corners(0b10000001)
    (0, 7)
    """
    return tuple(corner for corner in range(8) if mask >> corner & 1)


def corner_permutation(matrix: ArrayLike) -> ByteArray:
    """(8,) where each corner goes under a 3x3 signed permutation matrix.

    Raises
    ------
    ValueError
        When the matrix is not a signed permutation.

    Examples
    --------
    >>> corner_permutation([[0, -1, 0], [1, 0, 0], [0, 0, 1]])  # a quarter turn, x to y
    array([1, 3, 0, 2, 5, 7, 4, 6], dtype=uint8)
    """
    array = np.asarray(matrix)
    if array.shape != (3, 3) or not (
        np.isin(array, (-1, 0, 1)).all()
        and (np.abs(array).sum(axis=0) == 1).all()
        and (np.abs(array).sum(axis=1) == 1).all()
    ):
        raise ValueError(f"matrix must be a 3x3 signed permutation, got {array.tolist()}")
    images = CORNER_SIGNS @ array.T
    corners: ByteArray = ((images > 0) @ np.array([1, 2, 4])).astype(np.uint8)
    return corners


@dataclass(frozen=True, eq=False)
class CuboidSymmetry:
    """The rotations and mirrors of an undeformed cuboid, and what they do to corner masks.

    Made by `cuboid_symmetry`. A class is an orbit of masks under the rotations; its
    canonical mask is the smallest of the orbit. Classes are numbered by how many corners they
    have, then by canonical mask, so class 0 is "none" and the last one is "all".

    Attributes
    ----------
    group : str
        Schoenflies symbol with mirrors: "Oh", "D4h" or "D2h".
    rotation_group : str
        Without: "O", "D4" or "D2".
    unique_axis : int or None
        The axis whose edge differs from the other two, equal ones; None otherwise.
    operations : (n, 3, 3) int8
        All signed permutation matrices of the group; the first half are its rotations, the
        first is the identity.
    permutations : (n, 8) uint8
        Where each operation takes each corner.
    """

    group: str
    rotation_group: str
    unique_axis: int | None
    operations: SignedPermutations
    permutations: ByteArray

    @property
    def rotations(self) -> SignedPermutations:
        """(n/2, 3, 3) the proper rotations."""
        return self.operations[: len(self.operations) // 2]

    @property
    def rotation_permutations(self) -> ByteArray:
        """(n/2, 8) where each rotation takes each corner."""
        return self.permutations[: len(self.permutations) // 2]

    @cached_property
    def _images(self) -> ByteArray:
        """(n, 256) the mask that each operation makes of each mask."""
        images = np.zeros((len(self.permutations), 256), dtype=np.uint8)
        for corner in range(8):
            targets = self.permutations[:, corner].astype(np.uint8)[:, None]
            images |= ((_ALL_MASKS >> corner & 1)[None, :] << targets).astype(np.uint8)
        return _read_only(images)

    @cached_property
    def canonical_table(self) -> ByteArray:
        """(256,) canonical mask of every mask under the rotations."""
        return _read_only(self._images[: len(self.rotations)].min(axis=0))

    @cached_property
    def canonical_table_up_to_mirror(self) -> ByteArray:
        """(256,) canonical mask of every mask when mirror images count as the same."""
        return _read_only(self._images.min(axis=0))

    @cached_property
    def mirror_table(self) -> ByteArray:
        """(256,) canonical mask of the mirror image of every mask."""
        inversion = self._images[len(self.rotations)]
        return _read_only(self.canonical_table[inversion])

    @cached_property
    def classes(self) -> ByteArray:
        """(K,) canonical masks of the classes: 23, 43 or 76 of them."""
        return _ordered(self.canonical_table)

    @cached_property
    def classes_up_to_mirror(self) -> ByteArray:
        """(K,) canonical masks when mirror images count as the same: 22, 34 or 46."""
        return _ordered(self.canonical_table_up_to_mirror)

    @cached_property
    def class_table(self) -> ByteArray:
        """(256,) class number of every mask."""
        return _numbers(self.canonical_table, self.classes)

    @cached_property
    def class_table_up_to_mirror(self) -> ByteArray:
        """(256,) class number of every mask when mirror images count as the same."""
        return _numbers(self.canonical_table_up_to_mirror, self.classes_up_to_mirror)

    def orbit(self, mask: int, *, mirror: bool = False) -> tuple[int, ...]:
        """All masks that a mask can be turned into, ascending.

        Parameters
        ----------
        mask : int
            Corners as 8 bits.
        mirror : bool
            Whether mirror images count as the same.

        Examples
        --------
        >>> cuboid_symmetry((3, 2, 1), tolerance_nm=0).orbit(0b00000011)
        (3, 12, 48, 192)
        """
        checked = checked_masks(mask)
        if checked.ndim:
            raise TypeError(f"mask must be one integer in 0…255, got {mask!r}")
        images = self._images[:, checked]
        return tuple(np.unique(images if mirror else images[: len(self.rotations)]).tolist())

    def canonical(self, masks: ArrayLike, *, mirror: bool = False) -> ByteArray:
        """The canonical mask of each mask, in the shape of ``masks``."""
        table = self.canonical_table_up_to_mirror if mirror else self.canonical_table
        return table[checked_masks(masks)]

    def class_index(self, masks: ArrayLike, *, mirror: bool = False) -> ByteArray:
        """The class number of each mask, in the shape of ``masks``.

        Parameters
        ----------
        masks : array_like of int
            Corners as 8 bits.
        mirror : bool
            Whether mirror images count as the same class.

        Raises
        ------
        TypeError, ValueError
            When the masks are not integers in 0…255.

        Examples
        --------
        >>> cuboid_symmetry((1, 1, 1), tolerance_nm=0).class_index([0, 1, 128, 255])
        array([ 0,  1,  1, 22], dtype=uint8)
        """
        table = self.class_table_up_to_mirror if mirror else self.class_table
        return table[checked_masks(masks)]

    def mirror_partner(self, masks: ArrayLike) -> ByteArray:
        """The canonical mask of each mask's mirror image; its own if it is not chiral."""
        return self.mirror_table[checked_masks(masks)]

    def is_chiral(self, masks: ArrayLike) -> NDArray[np.bool_]:
        """True if no rotation turns a mask into its mirror image."""
        checked = checked_masks(masks)
        return np.asarray(self.mirror_table[checked] != self.canonical_table[checked])

    @cached_property
    def class_hands(self) -> tuple[str, ...]:
        """Handedness of each class, in the order of `classes`; "" of its own mirror image.

        Of two mirror partners the one with the smaller canonical mask is called
        "left-handed": a convention, nothing more. On a cuboid with three different edges
        even a single corner has a hand: the order of the edges turns one way or the other.
        """
        return tuple(
            "" if partner == mask else "left-handed" if mask < partner else "right-handed"
            for mask, partner in zip(
                self.classes.tolist(), self.mirror_table[self.classes].tolist(), strict=True
            )
        )

    def hand(self, mask: int) -> str:
        """Handedness of a mask: "left-handed", "right-handed", or "" of its own mirror image.

        Examples
        --------
        >>> cuboid_symmetry((3, 2, 1), tolerance_nm=0).hand(0b10000000)
        'right-handed'
        """
        return self.class_hands[int(self.class_index(mask))]

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """A name for each class, in the order of `classes`, with its hand; all different."""
        kind = {"Oh": "cube", "D4h": "two equal", "D2h": "all different"}[self.group]
        return class_names(self.classes.tolist(), self.class_hands, kind, self.unique_axis)

    @cached_property
    def class_names_up_to_mirror(self) -> tuple[str, ...]:
        """A name for each class when mirror images count as the same."""
        masks = self.classes_up_to_mirror.tolist()
        kind = {"Oh": "cube", "D4h": "two equal", "D2h": "all different"}[self.group]
        return class_names(masks, [""] * len(masks), kind, self.unique_axis)

    def class_name(self, mask: int, *, mirror: bool = False) -> str:
        """The name of a mask's class.

        Examples
        --------
        >>> cuboid_symmetry((1, 1, 1), tolerance_nm=0).class_name(0b00001001)
        'face diagonal'
        >>> cuboid_symmetry((1, 1, 2), tolerance_nm=0).class_name(0b00001001)
        'face diagonal of an xy face'
        >>> cuboid_symmetry((3, 2, 1), tolerance_nm=0).class_name(0b11101111)
        'all but one corner, left-handed'
        """
        number = int(self.class_index(mask, mirror=mirror))
        return (self.class_names_up_to_mirror if mirror else self.class_names)[number]


def cuboid_symmetry(edges: ArrayLike, *, tolerance_nm: float) -> CuboidSymmetry:
    """The symmetry of an undeformed cuboid.

    Parameters
    ----------
    edges : (3,) array_like
        Along x, y, z [nm].
    tolerance_nm : float
        Edges that differ by no more than this [nm] count as equal.

    Raises
    ------
    TypeError, ValueError
        For edges that are not three finite numbers larger than 0, a negative tolerance, or
        one that makes a and b as well as b and c equal, but not a and c.

    Examples
    --------
    >>> cuboid_symmetry((24, 20, 20.05), tolerance_nm=0.1).group
    'D4h'
    """
    from stemfast.arguments import finite_number, three_lengths

    a, b, c = three_lengths("edges", np.asarray(edges).tolist(), "(x, y, z) [nm]")
    tolerance = finite_number("tolerance_nm", tolerance_nm)
    if tolerance < 0:
        raise ValueError(f"tolerance_nm must be at least 0, got {tolerance:g}")
    equal = (abs(b - c) <= tolerance, abs(a - c) <= tolerance, abs(a - b) <= tolerance)
    if sum(equal) == 2:
        raise ValueError(
            f"tolerance_nm = {tolerance:g} leaves open which of the edges {(a, b, c)} are equal: "
            "two pairs of them are, the third is not"
        )
    return _symmetry_of(equal)


@cache
def _symmetry_of(equal: tuple[bool, bool, bool]) -> CuboidSymmetry:
    """The group when the edges beside axis k are equal (``equal[k]``)."""
    unique_axis = equal.index(True) if sum(equal) == 1 else None
    group, rotation_group = {0: ("D2h", "D2"), 1: ("D4h", "D4"), 3: ("Oh", "O")}[sum(equal)]
    matrices = []
    for order in permutations(range(3)):
        moved = [k for k in range(3) if order[k] != k]
        allowed = not moved or all(equal) or (len(moved) == 2 and unique_axis not in moved)
        if not allowed or (len(moved) == 2 and not any(equal)):
            continue
        for signs in product((1, -1), repeat=3):
            matrix = np.zeros((3, 3), dtype=np.int8)
            matrix[list(order), range(3)] = signs
            matrices.append(matrix)
    matrices = [m for m in matrices if round(np.linalg.det(m)) == 1]
    # Every one of the three groups is its rotations and these after the inversion.
    operations = np.concatenate([np.array(matrices), -np.array(matrices)]).astype(np.int8)
    table = np.array([corner_permutation(m) for m in operations])
    return CuboidSymmetry(
        group, rotation_group, unique_axis, _read_only(operations), _read_only(table)
    )


def checked_masks(masks: ArrayLike) -> NDArray[np.intp]:
    """``masks`` as integers in 0…255, ready to index a table of 256 entries."""
    array = np.asarray(masks)
    if array.dtype.kind not in "iu":
        raise TypeError(f"masks must be integers in 0…255, got dtype {array.dtype}")
    if array.size and (array.min() < 0 or array.max() > 255):
        raise ValueError(f"masks must be in 0…255, got {array.min()} … {array.max()}")
    return array.astype(np.intp)


def _ordered(canonical: ByteArray) -> ByteArray:
    """The distinct canonical masks, by number of corners, then by value."""
    masks = sorted(set(canonical.tolist()), key=lambda mask: (mask.bit_count(), mask))
    return _read_only(np.array(masks, dtype=np.uint8))


def _numbers(canonical: ByteArray, classes: ByteArray) -> ByteArray:
    number = np.zeros(256, dtype=np.uint8)
    number[classes] = np.arange(len(classes))
    return _read_only(number[canonical])


def _read_only(array: NDArray[_Scalar]) -> NDArray[_Scalar]:
    array.flags.writeable = False
    return array
