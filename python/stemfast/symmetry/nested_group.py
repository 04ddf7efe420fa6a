"""The point group of solids that are nested in one another, each with a group of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.symmetry.point_group import schoenflies

FloatArray: TypeAlias = NDArray[np.float64]

# Wider than rounding, as in `point_group`, whose matrices come from vertices of meshes.
_SAME = 1e-4


@dataclass(frozen=True)
class Own:
    """The symmetry of one solid in its place: that of a sphere unless it says otherwise.

    Attributes
    ----------
    centre : (3,) float64
        The point that every operation leaves alone [nm].
    axis : (3,) float64 or None
        Unit vector of a spheroid's axis.
    operations : (n, 3, 3) float64 or None
        All rotations and mirrors, if they are finitely many.
    """

    centre: FloatArray
    axis: FloatArray | None = None
    operations: FloatArray | None = None

    def keeps(self, matrix: FloatArray) -> bool:
        """True if an orthogonal matrix about the centre maps the solid onto itself."""
        if self.operations is not None:
            return bool((np.abs(self.operations - matrix).max(axis=(1, 2)) < _SAME).any())
        if self.axis is not None:
            return bool(abs(abs(self.axis @ matrix @ self.axis) - 1) < _SAME)
        return True


def nested_group(solids: Sequence[Own], size: float) -> tuple[str, FloatArray | None]:
    """Schoenflies symbol and matrices of what maps every one of the solids onto itself.

    Parameters
    ----------
    solids : sequence of Own
        Different from one another, so that none is mapped onto another one.
    size : float
        A length [nm] against which two centres are the same.

    Returns
    -------
    str, (n, 3, 3) float64 or None
        None with "Kh", "Dinfh" and "Cinfv", which have infinitely many.

    Examples
    --------
    >>> ball, spheroid = Own(np.zeros(3)), Own(np.array([0, 0, 2.0]), axis=np.array([0, 0, 1.0]))
    >>> nested_group([ball, spheroid], size=9.0)
    ('Cinfv', None)
    """
    shifts = [(solid.centre - solids[0].centre) / size for solid in solids[1:]]
    shifts = [shift for shift in shifts if np.linalg.norm(shift) > _SAME]
    finite = [solid.operations for solid in solids if solid.operations is not None]
    if finite:
        candidates = min(finite, key=len)
    else:
        lines = [shift / np.linalg.norm(shift) for shift in shifts]
        lines += [solid.axis for solid in solids if solid.axis is not None]
        if all(np.linalg.norm(np.cross(line, lines[0])) < _SAME for line in lines):
            return ("Cinfv" if shifts else "Dinfh" if lines else "Kh"), None
        candidates = _keeping_lines(lines)
    kept = np.array(
        [
            matrix
            for matrix in candidates
            if all(np.linalg.norm(matrix @ shift - shift) < _SAME for shift in shifts)
            and all(solid.keeps(matrix) for solid in solids)
        ]
    )
    return schoenflies(kept), kept


def _keeping_lines(lines: Sequence[FloatArray]) -> FloatArray:
    """Orthogonal matrices that map each of two lines, the first two not parallel, onto itself."""
    first = lines[0]
    second = max(lines, key=lambda line: float(np.linalg.norm(np.cross(line, first))))
    across = np.cross(first, second)
    frame = np.linalg.inv(np.stack([first, second, across], axis=1))
    found = [
        np.stack([a * first, b * second, c * across], axis=1) @ frame
        for a, b, c in product((1, -1), repeat=3)
    ]
    return np.array([m for m in found if np.abs(m @ m.T - np.eye(3)).max() < _SAME])
