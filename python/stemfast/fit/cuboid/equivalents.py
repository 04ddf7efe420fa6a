"""Equivalent cuboids of one image: axes renamed, mirrored along the beam."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import permutations, product
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit.cuboid.shape import CORNERS, CutCuboid, rotation_matrix
from stemfast.symmetry import CORNER_SIGNS

__all__ = ["aligned", "apart", "axis_turns", "mirror_corners", "mirrored", "renamed"]

Float: TypeAlias = NDArray[np.float64]

_MIRROR = np.diag([1.0, 1.0, -1.0])
_BEYOND = 1 << 2  # the bit of a corner on the positive side of z
#: What counts as one step apart, of poses and of the logarithms of edges.
APART_DEG, APART_EDGES = 9.0, 0.09


@cache
def axis_turns() -> Float:
    """The 24 rotations (24, 3, 3) that lay axes on axes.

    Examples
    --------
    >>> axis_turns().shape
    (24, 3, 3)
    """
    found = []
    for order in permutations(range(3)):
        for signs in product((1.0, -1.0), repeat=3):
            matrix = np.zeros((3, 3))
            matrix[np.arange(3), order] = signs
            if np.linalg.det(matrix) > 0:
                found.append(matrix)
    return np.array(found)


def renamed(shape: CutCuboid, turn: Float) -> CutCuboid:
    """The same particle in the same pose with its axes named anew: by one of `axis_turns`.

    Examples
    --------
    >>> shape = CutCuboid(np.array([9.0, 8, 7]), np.eye(8)[0] / 3, np.eye(4)[3], np.zeros(2))
    >>> quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    >>> renamed(shape, quarter).edges_nm.tolist()
    [8.0, 9.0, 7.0]
    """
    from scipy.spatial.transform import Rotation

    own = turn.T
    corners = ((CORNER_SIGNS @ own.T > 0) @ np.array([1, 2, 4])).astype(int)
    cuts = np.zeros(CORNERS)
    cuts[corners] = shape.cuts
    pose = Rotation.from_matrix(rotation_matrix(shape.quaternion) @ turn)
    edges = np.abs(own) @ shape.edges_nm
    return replace(shape, edges_nm=edges, cuts=cuts, quaternion=pose.as_quat())


def mirror_corners() -> NDArray[np.int64]:
    """Corner of the particle that each corner of `mirrored` is the mirror image of: (8,).

    Examples
    --------
    >>> mirror_corners().tolist()
    [4, 5, 6, 7, 0, 1, 2, 3]
    """
    return np.arange(CORNERS) ^ _BEYOND


def mirrored(shape: CutCuboid) -> CutCuboid:
    """The mirror image along the beam, at the pose in which it gives the same image.

    Examples
    --------
    >>> shape = CutCuboid(np.full(3, 9.0), np.eye(8)[7] / 3, np.eye(4)[3], np.zeros(2))
    >>> mirrored(shape).mask == 1 << 3
    True
    """
    from scipy.spatial.transform import Rotation

    matrix = _MIRROR @ rotation_matrix(shape.quaternion) @ _MIRROR
    cuts = shape.cuts[mirror_corners()]
    return replace(shape, cuts=cuts, quaternion=Rotation.from_matrix(matrix).as_quat())


def apart(matrices: Float, edges: Float, matrix: Float, edges_nm: Float) -> tuple[Float, Float]:
    """Distances of whole cuboids from one, up to names of axes and the mirror.

    Parameters
    ----------
    matrices, edges : (n, 3, 3), (n, 3) float64
        Poses and edges.
    matrix, edges_nm : (3, 3), (3,) float64
        Of the one.

    Returns
    -------
    (n,) float64, (n,) float64
        Angles [degrees], and the largest differences of the logarithms of edges, under the names
        that bring both together.

    Examples
    --------
    >>> angle, edge = apart(
    ...     np.eye(3)[None, [1, 0, 2]] * [1, 1, -1.0],
    ...     np.array([[8.0, 9.0, 7.0]]),
    ...     np.eye(3),
    ...     np.array([9.0, 8.0, 7.0]),
    ... )
    >>> angle.tolist(), edge.tolist()
    ([0.0], [0.0])
    """
    turns = axis_turns()
    both = np.stack([matrices, _MIRROR @ matrices @ _MIRROR])
    inner = np.swapaxes(both, 2, 3) @ matrix
    trace = inner.reshape(2, -1, 9) @ turns.reshape(-1, 9).T
    angle = np.degrees(np.arccos(np.clip(0.5 * (trace - 1.0), -1.0, 1.0)))
    order = np.abs(turns).argmax(axis=1)  # (24, 3): the axis that each name stands for
    edge = np.abs(np.log(edges)[:, order] - np.log(edges_nm)).max(axis=2)
    scaled = np.hypot(angle / APART_DEG, (edge / APART_EDGES)[None])
    n = len(matrices)
    mirror, name = np.divmod(np.moveaxis(scaled, 1, 0).reshape(n, -1).argmin(axis=1), len(turns))
    rows = np.arange(n)
    return angle[mirror, rows, name], edge[rows, name]


def aligned(truth: CutCuboid, found: CutCuboid) -> CutCuboid:
    """The truth under the names that a fit gave its axes, mirrored along the beam if need be.

    Examples
    --------
    >>> truth = CutCuboid(np.array([10.0, 12, 14]), np.eye(8)[0] / 3, np.eye(4)[3], np.zeros(2))
    >>> other = renamed(mirrored(truth), axis_turns()[7])
    >>> aligned(truth, other).mask == other.mask
    True
    """
    target = rotation_matrix(found.quaternion)
    cut = found.cuts > 0

    def strange(shape: CutCuboid) -> float:
        trace = float(np.trace(rotation_matrix(shape.quaternion).T @ target))
        angle = np.degrees(np.arccos(np.clip(0.5 * (trace - 1.0), -1.0, 1.0)))
        edge = np.abs(np.log(shape.edges_nm / found.edges_nm)).max()
        return float(angle / 3.0 + edge / 0.03 + 0.5 * ((shape.cuts > 0) != cut).sum())

    enantiomers = (truth, mirrored(truth))
    return min((renamed(one, turn) for one in enantiomers for turn in axis_turns()), key=strange)
