"""The cuboid with edited corners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Real
from types import MappingProxyType
from typing import Any

import numpy as np

from stemfast.arguments import Vector, three_lengths
from stemfast.particles.arguments import numbers_text
from stemfast.particles.base import Faceted
from stemfast.particles.corner_edits import CornerEdit, Severity
from stemfast.particles.geometry.deformed_cuboid import deformed_cuboid
from stemfast.particles.geometry.solid import FLAT, FloatArray, Solid


@dataclass(frozen=True, repr=False)
class Cuboid(Faceted):
    """A cuboid about the origin with its edges along x, y and z; any corner may be edited.

    Corner c in 0…7 sits at signs (x: bit 0, y: bit 1, z: bit 2), bit set = positive side:
    corner 0 is at (-, -, -), corner 1 at (+, -, -), corner 7 at (+, +, +).

    Displacements are made first, then the planes of truncations and roundings cut, at their
    places on the undeformed cuboid. Cuts that meet are intersected exactly.

    Parameters
    ----------
    edges : (float, float, float)
        Lengths along x, y and z [nm].
    corners : mapping of int to CornerEdit
        What happened to which corner: `Truncation`, `Displacement` or `Rounding`.
    material : str or Material
        What it is made of.

    Raises
    ------
    TypeError, ValueError
        For wrong edges, corners or edits; and, naming the corner and the reason, for edits
        that run past the next corner, swallow one another, or turn the solid inside out
        (a displaced vertex may move inwards as far as the centre, and any face must keep
        showing its inner side to the centre).

    Examples
    --------
    >>> from stemfast.particles import Displacement, Truncation
    >>> cuboid = Cuboid(edges=(24, 20, 16), corners={7: Truncation(0.3), 0: Displacement(nm=2)})
    >>> cuboid
    Cuboid(edges=(24, 20, 16) nm, corners={0: Displacement(nm=2), 7: Truncation(0.3)},
           material='Au')
    >>> f"{cuboid.deformed_mask:08b}"
    '10000001'
    >>> cube = Cuboid(edges=(10, 10, 10), corners={3: Truncation(0.5)})
    >>> round(1000 - cube.volume, 9)  # 0.5^3 · 10^3 / 6
    20.833333333
    """

    edges: Vector
    corners: Mapping[int, CornerEdit] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.edges, Real):
            raise TypeError(
                f"edges must be three numbers (x, y, z) [nm], got {self.edges}: write "
                f"({self.edges}, {self.edges}, {self.edges}) for a cube"
            )
        edges = three_lengths("edges", self.edges, "(x, y, z) [nm]")
        object.__setattr__(self, "edges", edges)
        object.__setattr__(self, "corners", MappingProxyType(_checked_corners(self.corners)))
        # Built at once, so that impossible edits are refused here and not when it is used.
        _ = self._solid

    def _build(self) -> Solid:
        return deformed_cuboid(self.edges, self.corners)

    @cached_property
    def deformed_mask(self) -> int:
        """The edited corners as 8 bits: bit c is set when corner c is edited."""
        return sum(1 << corner for corner in self.corners)

    def severity(self, corner: int) -> Severity:
        """Depth of the edit of a corner, in nm and as a fraction of the shortest edge.

        Zero for a corner that is not edited.

        Raises
        ------
        TypeError, ValueError
            When ``corner`` is not an integer in 0…7.

        Examples
        --------
        >>> from stemfast.particles import Displacement
        >>> Cuboid((24, 20, 16), {0: Displacement(nm=-2)}).severity(0)
        Severity(nm=2.0, fraction=0.125)
        """
        edit = self.corners.get(_checked_corner("corner", corner))
        return edit.severity(self.edges) if edit else Severity(0.0, 0.0)

    @property
    def symmetry_centre(self) -> FloatArray:
        return np.zeros(3)

    @cached_property
    def _operations(self) -> FloatArray:
        """The box's own operations that map the edits onto edits equally deep.

        About the centre of the box, whatever the edits do to the centre of mass.
        """
        from stemfast.symmetry.corner_masks import cuboid_symmetry

        tolerance = FLAT * min(self.edges)
        box = cuboid_symmetry(self.edges, tolerance_nm=tolerance)
        signatures = {c: edit.signature(c, self.edges) for c, edit in self.corners.items()}
        keep = [
            _maps_onto_itself(signatures, matrix, permutation, tolerance)
            for matrix, permutation in zip(box.operations, box.permutations, strict=True)
        ]
        kept: FloatArray = box.operations[np.array(keep)].astype(np.float64)
        return kept

    def _arguments(self) -> dict[str, Any]:
        return {**super()._arguments(), "corners": dict(self.corners)}

    def _description(self) -> str:
        edges = f"edges={numbers_text(self.edges)} nm"
        if not self.corners:
            return edges
        edits = ", ".join(f"{corner}: {edit!r}" for corner, edit in self.corners.items())
        return f"{edges}, corners={{{edits}}}"


def _checked_corner(name: str, corner: object) -> int:
    if isinstance(corner, (bool, np.bool_)) or not isinstance(corner, (int, np.integer)):
        raise TypeError(f"{name} must be an integer in 0…7, got {corner!r}")
    if not 0 <= corner <= 7:
        raise ValueError(f"{name} must be in 0…7, got {corner}")
    return int(corner)


def _checked_corners(corners: object) -> dict[int, CornerEdit]:
    """The edits by corner, in order of the corners."""
    if not isinstance(corners, Mapping):
        raise TypeError(
            "corners must map corner numbers 0…7 to edits, such as {7: Truncation(0.3)}, "
            f"got {corners!r}"
        )
    checked: dict[int, CornerEdit] = {}
    for key, edit in corners.items():
        corner = _checked_corner("a key of corners", key)
        if not isinstance(edit, CornerEdit):
            raise TypeError(
                f"corners[{corner}] must be a Truncation, Displacement or Rounding, got {edit!r}"
            )
        checked[corner] = edit
    return dict(sorted(checked.items()))


def _maps_onto_itself(
    signatures: Mapping[int, tuple[str, Vector]],
    matrix: np.ndarray[Any, np.dtype[np.int8]],
    permutation: np.ndarray[Any, np.dtype[np.uint8]],
    tolerance: float,
) -> bool:
    """True if every edit is carried onto a corner with the same edit."""
    axes = np.abs(matrix).argmax(axis=0)  # where each axis goes, forgetting its direction
    for corner, (kind, numbers) in signatures.items():
        image = signatures.get(int(permutation[corner]))
        if image is None or image[0] != kind:
            return False
        if kind == "rounding":
            carried = numbers
        else:
            turned = dict(zip(axes.tolist(), numbers, strict=True))
            carried = (turned[0], turned[1], turned[2])
        if any(abs(a - b) > tolerance for a, b in zip(carried, image[1], strict=True)):
            return False
    return True
