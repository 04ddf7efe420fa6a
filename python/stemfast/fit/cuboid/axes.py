"""A particle in the axes of its sorted edges, and what its corners are called there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit.cuboid.shape import CutCuboid
from stemfast.symmetry import CuboidSymmetry, corner_permutation, cuboid_symmetry

__all__ = ["SHAPES", "alike", "axes_of", "sorted_axes"]

Float: TypeAlias = NDArray[np.float64]

#: What the symmetry of the whole cuboid is called.
SHAPES = {"Oh": "cube", "D4h": "cuboid, two edges alike", "D2h": "cuboid, all edges differ"}
_CLOSE = 0.01


def axes_of(edges_nm: Float) -> NDArray[np.int8]:
    """The rotation (3, 3) of a particle that lays its longest edge along x, its shortest along z.

    Examples
    --------
    >>> axes_of(np.array([10.0, 14.0, 12.0])).tolist()
    [[0, 1, 0], [0, 0, 1], [1, 0, 0]]
    """
    matrix = np.zeros((3, 3), np.int8)
    matrix[np.arange(3), np.argsort(-edges_nm, kind="stable")] = 1
    # An exchange of two axes is no rotation; the inversion makes it one.
    return matrix if np.linalg.det(matrix) > 0 else -matrix


def sorted_axes(shapes: Sequence[CutCuboid]) -> tuple[CutCuboid, ...]:
    """The same particle in the axes of its sorted edges, in every view.

    Examples
    --------
    >>> shape = CutCuboid(np.array([10, 14, 12]), np.eye(8)[0] / 4, np.eye(4)[3], np.zeros(2))
    >>> turned = sorted_axes([shape])[0]
    >>> turned.edges_nm.tolist(), turned.mask, round(turned.volume_nm3 - shape.volume_nm3, 9)
    ([14.0, 12.0, 10.0], 1, 0.0)
    """
    from scipy.spatial.transform import Rotation

    matrix = axes_of(shapes[0].edges_nm)
    goes = corner_permutation(matrix)
    back = Rotation.from_matrix(matrix).inv()
    found = []
    for shape in shapes:
        cuts = np.zeros(8)
        cuts[goes] = shape.cuts
        found.append(
            replace(
                shape,
                edges_nm=np.abs(matrix) @ shape.edges_nm,
                cuts=cuts,
                quaternion=(shape.orientation() * back).as_quat(),
            )
        )
    return tuple(found)


def alike(edges_nm: Float, errors_nm: Float) -> CuboidSymmetry:
    """The symmetry of a whole cuboid, edges that do not clearly differ taken as equal.

    Two edges are equal if they differ by no more than two standard deviations, or by one per cent.

    Examples
    --------
    >>> alike(np.array([14.0, 10.05, 10.0]), np.full(3, 0.1)).group
    'D4h'
    """
    a, b, c = edges_nm.tolist()

    def equal(i: int, j: int) -> bool:
        apart = abs(float(edges_nm[i] - edges_nm[j]))
        sd = float(np.hypot(errors_nm[i], errors_nm[j]))
        return apart <= max(2.0 * sd, _CLOSE * float(edges_nm[i]))

    pairs = [equal(0, 1), equal(1, 2), equal(0, 2)]
    if sum(pairs) >= 2:
        edges = (1.0, 1.0, 1.0)
    elif sum(pairs) == 0:
        edges = (a, b, c)
    else:
        edges = {0: (a, a, c), 1: (a, b, b), 2: (a, b, a)}[pairs.index(True)]
    return cuboid_symmetry(edges, tolerance_nm=0.0)
