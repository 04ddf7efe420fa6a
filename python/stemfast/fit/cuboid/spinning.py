"""Thickness of a cut cuboid that turns while it is scanned, and its derivatives.

Every row of the scan sees the particle in a pose of its own, R(row) times that in the middle of the
frame. Its planes are those of `stemfast.fit.cuboid.thickness`, turned about the particle's
centre: row by row the same minimum over the planes the beam leaves by and maximum over those it
enters by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast import _core
from stemfast.fit.cuboid.shape import CutCuboid
from stemfast.fit.cuboid.thickness import faces, planes

__all__ = [
    "checked_turned",
    "row_turns",
    "spinning_thickness",
    "spinning_thickness_and_jacobian",
]

Float: TypeAlias = NDArray[np.float64]

_PLACE = slice(3, 5)


def row_turns(
    spin_deg: ArrayLike, rows: int, *, of: float | None = None, first: float = 0
) -> Float:
    """Rotation of a spinning particle in each row from its pose in the middle of the frame.

    Parameters
    ----------
    spin_deg : (3,) array_like
        Rotation vector of the turn during one frame, x right, y down, z along the beam [degrees].
    rows : int
        Rows that are wanted.
    of : float, optional
        Rows of the frame; without it, these.
    first : float
        The first of them that is wanted.

    Returns
    -------
    (rows, 3, 3) float64

    Examples
    --------
    >>> turns = row_turns([0, 0, 90], 3)
    >>> turns[1].tolist() == np.eye(3).tolist()
    True
    >>> (turns[2] @ [1, 0, 0]).round(3).tolist()  # by 30° more, from x towards y
    [0.866, 0.5, 0.0]
    """
    from scipy.spatial.transform import Rotation

    total = rows if of is None else of
    share = (first + np.arange(rows) - 0.5 * (total - 1)) / total
    vector = np.radians(np.asarray(spin_deg, np.float64))
    return np.asarray(Rotation.from_rotvec(share[:, None] * vector).as_matrix())


def checked_turned(turned: Sequence[Float | None] | None, k: int) -> Sequence[Float | None]:
    """One for each of k images: its rows' turns, or None where the particle rests.

    Raises
    ------
    ValueError
        If their number is another.
    """
    if turned is None:
        return [None] * k
    if len(turned) != k:
        raise ValueError(f"turned are {len(turned)}, expected one for each of {k} images")
    return turned


def spinning_thickness(shape: CutCuboid, turned: Float, x_nm: Float, y_nm: Float) -> Float:
    """Thickness along the beam where it passes (x, y) [nm], (rows, columns).

    Parameters
    ----------
    shape : CutCuboid
        In the middle of the frame.
    turned : (rows, 3, 3) float64
        From `row_turns`.
    x_nm, y_nm : (rows, columns) float64
        Where the beam passes [nm].
    """
    normals, heights = faces(replace(shape, position_nm=np.zeros(2)))
    heights = np.tile(heights, (len(turned), 1))
    x, y = _from_centre(shape, x_nm, y_nm)
    return _core.chords(normals @ turned.transpose(0, 2, 1), heights, x, y)[0]


def spinning_thickness_and_jacobian(
    shape: CutCuboid, turned: Float, x_nm: Float, y_nm: Float
) -> tuple[Float, Float]:
    """Thickness of a spinning cuboid and its derivatives, as `thickness_and_jacobian` gives them.

    Parameters
    ----------
    shape, turned, x_nm, y_nm
        As for `spinning_thickness`.

    Returns
    -------
    thickness : (rows, columns) float64
    jacobian : (rows, columns, parameters) float64
    """
    normals, heights, d_normals, d_heights = planes(replace(shape, position_nm=np.zeros(2)))
    back = turned.transpose(0, 2, 1)
    normals = normals @ back
    d_turned = (d_normals.reshape(-1, 3) @ back).reshape(len(turned), *d_normals.shape)
    d_heights = np.tile(d_heights, (len(turned), 1, 1))
    d_heights[:, :, _PLACE] = normals[:, :, :2]
    heights = np.tile(heights, (len(turned), 1))
    x, y = _from_centre(shape, x_nm, y_nm)
    t, jacobian = _core.chords(normals, heights, x, y, d_turned, d_heights)
    assert jacobian is not None
    return t, jacobian


def _from_centre(shape: CutCuboid, x_nm: Float, y_nm: Float) -> tuple[Float, Float]:
    return x_nm - shape.position_nm[0], y_nm - shape.position_nm[1]
