"""Thickness of thousands of cuboids at once, by the core."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast import _core

__all__ = ["projections"]

Float: TypeAlias = NDArray[np.float64]

_EXACT = 0


def projections(
    matrices: Float,
    edges: Float,
    cuts: Float,
    offset_nm: Float,
    shape: tuple[int, int],
    pixel_nm: float,
) -> NDArray[np.float32]:
    """Thickness of cuboids in the middle of a grid, (n, rows, columns) [nm].

    Parameters
    ----------
    matrices : (n, 3, 3) float64
        Rotations.
    edges : (n, 3) float64
        [nm].
    cuts : (n, 8) float64
        Cut fraction of each corner.
    offset_nm : (2,) float64
        x and y of all of them, from the middle of the grid [nm].
    shape : (int, int)
        Rows and columns of the grid.
    pixel_nm : float
        Distance of its points [nm].

    Examples
    --------
    >>> t = projections(
    ...     np.eye(3)[None], np.array([[8.0, 6, 4]]), np.zeros((1, 8)), np.zeros(2), (3, 3), 1.0
    ... )
    >>> float(t[0, 1, 1])
    4.0
    """
    from scipy.spatial.transform import Rotation

    from stemfast.particles.geometry.cuboid_arrays import cuboids

    n = len(matrices)
    solids = cuboids(edges, cuts)
    position = np.tile([float(offset_nm[0]), float(offset_nm[1]), 0.0], (n, 1))
    scenes = _core.Scenes(
        kind=solids.kind,
        plane_offset=solids.plane_offset,
        planes=solids.planes,
        vertex_offset=solids.vertex_offset,
        vertices=solids.vertices,
        triangle_offset=solids.triangle_offset,
        triangles=solids.triangles,
        image_offset=np.arange(n + 1),
        shape=solids.row,
        position=position,
        orientation=np.ascontiguousarray(Rotation.from_matrix(matrices).as_quat()),
        weight=np.ones(n),
    )
    steady = _core.Scanning(
        oversample=1,
        pose_per_pixel=False,
        pixel_size=np.full(n, pixel_nm),
        dwell=np.full(n, 1e-6),
        flyback=np.zeros(n),
        stray=np.zeros(n, _core.stray_dtype),
        frame=np.zeros(n, np.int64),
        spin=np.zeros((n, 3)),
        path_offset=np.zeros(n + 1, np.int64),
        path_time=np.zeros(0),
        path_turn=np.zeros((0, 4)),
    )
    out = np.empty((n, *shape), np.float32)
    _core.thickness(
        scenes, steady, out, seed=0, first_index=0, frames=1, engine=_EXACT, n_threads=1
    )
    return out
