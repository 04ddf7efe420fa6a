"""Thickness of a cut cuboid and its derivatives, worked out by hand: one pass over its planes.

A convex body is the common part of half-spaces n·r <= d. Along the beam a plane is met at
z = (d − n_x x − n_y y)/n_z: where n_z > 0 the beam leaves the half-space, where n_z < 0 it enters.
The thickness is t = min(exits) − max(entries), or 0. At a pixel only the plane it leaves by and
the one it enters by matter, and each z is affine in x and y, so the derivatives are six numbers a
parameter and pair of planes.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast import _core
from stemfast.fit.cuboid.shape import CORNERS, CutCuboid, rotation_matrix
from stemfast.symmetry import CORNER_SIGNS

__all__ = [
    "SHAPE_PARAMETERS",
    "Planes",
    "chords",
    "chords_and_jacobian",
    "faces",
    "planes",
    "shape_parameters",
    "thickness",
    "thickness_and_jacobian",
]

Float: TypeAlias = NDArray[np.float64]
Int: TypeAlias = NDArray[np.intp]
#: Normals n (F, 3) and heights d (F,) of half-spaces n·r <= d, and the derivatives of both by
#: every parameter, (F, P, 3) and (F, P).
Planes: TypeAlias = tuple[Float, Float, Float, Float]

#: Rotation vector, position, edges; the cuts of the cut corners follow.
SHAPE_PARAMETERS = 8
_SIGNS = CORNER_SIGNS.astype(np.float64)
_BOX = np.concatenate([np.eye(3), -np.eye(3)])  # normals of the faces of a cuboid
# Derivatives of heights: of faces by edges, and of cuts by themselves.
_HALVES, _BY_CUT = 0.5 * np.abs(_BOX), -np.eye(CORNERS)


def shape_parameters(mask: int) -> tuple[str, ...]:
    """Names of the parameters of a shape with these cut corners, in their order.

    Examples
    --------
    >>> shape_parameters(0b10000001)[5:]
    ('edge_x_nm', 'edge_y_nm', 'edge_z_nm', 'cut_0', 'cut_7')
    """
    first = ("turn_x_rad", "turn_y_rad", "turn_z_rad", "x_nm", "y_nm")
    edges = ("edge_x_nm", "edge_y_nm", "edge_z_nm")
    return (*first, *edges, *(f"cut_{corner}" for corner in range(CORNERS) if mask >> corner & 1))


def planes(shape: CutCuboid) -> Planes:
    """All faces, and their derivatives.

    Normals are not of length 1: a cut is Σ s_k r_k/e_k <= 3/2 − f in the cuboid's frame.
    """
    matrix = rotation_matrix(shape.quaternion)
    corners = np.flatnonzero(shape.cuts > 0)
    normals, heights = _faces(shape, matrix, corners)
    n_cuts = len(corners)
    d_normals = np.zeros((len(normals), SHAPE_PARAMETERS + n_cuts, 3))
    d_heights = np.zeros((len(normals), SHAPE_PARAMETERS + n_cuts))
    x, y, z = normals.T
    d_normals[:, 0, 1], d_normals[:, 0, 2] = -z, y  # of a turn about x: (1, 0, 0) × n
    d_normals[:, 1, 0], d_normals[:, 1, 2] = z, -x
    d_normals[:, 2, 0], d_normals[:, 2, 1] = -y, x
    slope = -_SIGNS[corners] / shape.edges_nm**2
    d_normals[6:, 5:SHAPE_PARAMETERS] = slope[:, :, None] * matrix.T
    d_heights[:, 3:5] = normals[:, :2]  # n·(r − r0) <= d
    d_heights[:6, 5:SHAPE_PARAMETERS] = _HALVES
    d_heights[6:, SHAPE_PARAMETERS:] = _BY_CUT[:n_cuts, :n_cuts]
    # The position moves the plane by n_x x0 + n_y y0, so what turns n moves it too.
    x0, y0 = shape.position_nm.tolist()
    d_heights += d_normals[:, :, 0] * x0 + d_normals[:, :, 1] * y0
    return normals, heights, d_normals, d_heights


def faces(shape: CutCuboid) -> tuple[Float, Float]:
    """Normals (F, 3) and heights (F,) of all faces, those of the cuboid first.

    Examples
    --------
    >>> cube = CutCuboid(np.full(3, 8.0), np.zeros(8), np.array([0, 0, 0, 1]), np.zeros(2))
    >>> faces(cube)[1].tolist()
    [4.0, 4.0, 4.0, 4.0, 4.0, 4.0]
    """
    return _faces(shape, rotation_matrix(shape.quaternion), np.flatnonzero(shape.cuts > 0))


def _faces(shape: CutCuboid, matrix: Float, corners: Int) -> tuple[Float, Float]:
    """Normals and heights of all faces."""
    half = 0.5 * shape.edges_nm
    normals = np.concatenate([_BOX, _SIGNS[corners] / shape.edges_nm]) @ matrix.T
    heights = np.concatenate([half, half, 1.5 - shape.cuts[corners]])
    return normals, heights + normals[:, :2] @ shape.position_nm


def thickness(shape: CutCuboid, x_nm: Float, y_nm: Float) -> Float:
    """Thickness along the beam where it passes (x, y) [nm], in their shape.

    Examples
    --------
    >>> cube = CutCuboid(np.full(3, 10.0), np.zeros(8), np.array([0, 0, 0, 1]), np.zeros(2))
    >>> thickness(cube, np.array([0.0, 4.9, 5.1]), np.zeros(3)).round(9).tolist()
    [10.0, 10.0, 0.0]
    """
    return chords(*faces(shape), x_nm, y_nm)


def chords(normals: Float, heights: Float, x_nm: Float, y_nm: Float) -> Float:
    """Thickness [nm] of the common part of half-spaces n·r <= d along the beam at (x, y) [nm].

    Examples
    --------
    >>> faces = np.concatenate([np.eye(3), -np.eye(3)])
    >>> chords(faces, np.full(6, 5.0), np.array([0.0, 5.1]), np.zeros(2)).tolist()
    [10.0, 0.0]
    """
    x, y = x_nm.reshape(1, -1), y_nm.reshape(1, -1)
    return _core.chords(normals[None], heights[None], x, y)[0].reshape(x_nm.shape)


def thickness_and_jacobian(shape: CutCuboid, x_nm: Float, y_nm: Float) -> tuple[Float, Float]:
    """Thickness at points (x, y), and its derivatives by every parameter of the shape.

    Parameters
    ----------
    shape : CutCuboid
    x_nm, y_nm : ndarray
        Where the beam passes [nm].

    Returns
    -------
    thickness : float64, the shape of x_nm
        [nm]
    jacobian : float64, the shape of x_nm and an axis of parameters
        By `shape_parameters(shape.mask)`: the rotation vector of a further small turn [nm/rad],
        the position [1], the edges [1], the cut fractions [nm].

    Examples
    --------
    >>> cube = CutCuboid(np.full(3, 10.0), np.zeros(8), np.array([0, 0, 0, 1]), np.zeros(2))
    >>> _, jacobian = thickness_and_jacobian(cube, np.array([1.0]), np.array([2.0]))
    >>> jacobian.round(6)[0, 5:].tolist()
    [0.0, 0.0, 1.0]
    """
    return chords_and_jacobian(planes(shape), x_nm, y_nm)


def chords_and_jacobian(planes: Planes, x_nm: Float, y_nm: Float) -> tuple[Float, Float]:
    """The same of half-spaces that have derivatives, by the parameters of these.

    Examples
    --------
    >>> faces, apart = np.concatenate([np.eye(3), -np.eye(3)]), np.full(6, 5.0)
    >>> wider = (faces, apart, np.zeros((6, 1, 3)), np.ones((6, 1)))
    >>> thickness_nm, jacobian = chords_and_jacobian(wider, np.zeros(1), np.zeros(1))
    >>> thickness_nm.tolist(), jacobian.tolist()
    ([10.0], [[2.0]])
    """
    x, y = x_nm.reshape(1, -1), y_nm.reshape(1, -1)
    normals, heights, d_normals, d_heights = (part[None] for part in planes)
    t, jacobian = _core.chords(normals, heights, x, y, d_normals, d_heights)
    assert jacobian is not None
    return t.reshape(x_nm.shape), jacobian.reshape(*x_nm.shape, -1)
