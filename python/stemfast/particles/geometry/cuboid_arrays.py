"""Many cuboids at once with corners cut off or moved, as arrays."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.particles.geometry.body import KIND_CONVEX, KIND_MESH
from stemfast.particles.geometry.body_table import BodyTable, offsets_of
from stemfast.particles.geometry.clipping import box_face
from stemfast.particles.geometry.solid_arrays import Solids, norm, positive_rows, side_by_side
from stemfast.symmetry import CORNER_SIGNS

if TYPE_CHECKING:
    from stemfast.particles import Particle

__all__ = ["cuboids"]

Float: TypeAlias = NDArray[np.float64]
Int: TypeAlias = NDArray[np.int64]

_SIGNS = CORNER_SIGNS.astype(np.float64)
_BOX_NORMALS = np.array([[s * (k == axis) for k in range(3)] for axis in range(3) for s in (-1, 1)])


def cuboids(edges_nm: ArrayLike, cut: ArrayLike, moved_nm: ArrayLike | None = None) -> Solids:
    """Cuboids with corners cut off, or with corners moved inwards.

    Parameters
    ----------
    edges_nm : (n, 3) array_like
        Edges along x, y and z [nm].
    cut : (n, 8) array_like
        How far from each corner a plane cuts its three edges, as a fraction of their lengths: 0
        leaves the corner whole, 0.5 reaches the next corner's cut. `Truncation` of the particles.
    moved_nm : (n, 8) array_like, optional
        How far each corner is moved towards the centre [nm], 0 for not. `Displacement` of the
        particles.

    Raises
    ------
    ValueError
        For wrong shapes or values, corners both cut and moved in one cuboid, or corners moved so
        far that the solid turns inside out.

    Examples
    --------
    >>> solids = cuboids([[24.0, 20.0, 16.0]], [[0, 0, 0, 0, 0, 0, 0, 0.3]])
    >>> solids.particle(0, "Au")
    Cuboid(edges=(24, 20, 16) nm, corners={7: Truncation(0.3)}, material='Au')
    >>> print(f"{solids.volume_nm3[0] / (24 * 20 * 16):.4f}")  # 1 − 0.3³/6
    0.9955
    """
    edges = positive_rows("edges_nm", edges_nm, 3)
    n = len(edges)
    fraction = _per_corner("cut", cut, n)
    if (fraction > 0.5).any():
        raise ValueError(f"cut must be at most 0.5, got {fraction.max():g}")
    if moved_nm is None:
        return _cut_cuboids(edges, fraction)
    depth = _per_corner("moved_nm", moved_nm, n)
    moves = (depth > 0).any(axis=1)
    if not moves.any():
        return _cut_cuboids(edges, fraction)
    if (moves & (fraction > 0).any(axis=1)).any():
        raise ValueError("cut and moved_nm both edit a cuboid, expected one of them")
    # Every cuboid is made both ways only where it is asked for.
    part = np.flatnonzero(~moves), np.flatnonzero(moves)
    whole = _cut_cuboids(edges[part[0]], fraction[part[0]])
    folded = _folded_cuboids(edges[part[1]], depth[part[1]])
    return side_by_side([whole, folded], list(part), n)


def _cut_cuboids(edges: Float, fraction: Float) -> Solids:
    n = len(edges)
    half = 0.5 * edges
    is_cut = fraction > 0.0
    planes = np.empty((n, 14, 4))
    planes[:, :6, :3] = _BOX_NORMALS
    planes[:, :6, 3] = np.repeat(half, 2, axis=1)
    inverse = 1.0 / edges
    length = norm(inverse)
    planes[:, 6:, :3] = _SIGNS * (inverse / length[:, None])[:, None, :]
    planes[:, 6:, 3] = (1.5 - fraction) / length[:, None]
    keep = np.ones((n, 14), bool)
    keep[:, 6:] = is_cut

    # A cut corner leaves a vertex on each of its edges, a whole one only itself: the first.
    corners = _SIGNS * half[:, None, :]
    vertices = np.repeat(corners[:, :, None, :], 3, axis=2)
    for axis in range(3):
        vertices[:, :, axis, axis] -= _SIGNS[:, axis] * fraction * edges[:, axis, None]
    seen = np.repeat(is_cut[:, :, None], 3, axis=2)
    seen[:, :, 0] = True
    left = 1.0 - (fraction * fraction * fraction).sum(axis=1) / 6.0
    farthest = np.where(seen, norm(vertices), 0.0).reshape(n, 24).max(axis=1)

    def maker(scene: int, material: str) -> Particle:
        from stemfast.particles import Cuboid, Truncation

        cuts = {c: Truncation(f) for c, f in enumerate(fraction[scene].tolist()) if f > 0}
        return Cuboid(tuple(edges[scene].tolist()), corners=cuts, material=material)

    return Solids(
        row=np.arange(n, dtype=np.int32),
        table=BodyTable(
            kind=np.full(n, KIND_CONVEX, np.uint8),
            plane_offset=offsets_of(keep.sum(axis=1)),
            planes=planes[keep],
            vertex_offset=offsets_of(seen.reshape(n, 24).sum(axis=1)),
            vertices=vertices[seen],
            triangle_offset=np.zeros(n + 1, np.int64),
            triangles=np.zeros((0, 3), np.int32),
        ),
        volume_nm3=edges[:, 0] * edges[:, 1] * edges[:, 2] * left,
        bounding_radius_nm=farthest,
        maker=maker,
    )


@cache
def _folds() -> tuple[NDArray[np.int32], Int]:
    """Triangles (256, 24, 3) of a cuboid whose corners of a mask are moved, and their number.

    Vertices 0 … 7 are the corners, 8 … 13 the middles of the faces. A face with one moved corner is
    split along the diagonal beside it, one where neighbours moved along both, as `Displacement`
    says.
    """
    triangles = np.zeros((256, 24, 3), np.int32)
    count = np.zeros(256, np.int64)
    for mask in range(256):
        made: list[tuple[int, int, int]] = []
        for number, (axis, sign) in enumerate((a, s) for a in range(3) for s in (-1, 1)):
            ring = box_face(axis, sign)
            moved = [bool(mask >> corner & 1) for corner in ring]
            if any(moved[i - 1] and moved[i] for i in range(4)):
                made += [(ring[i - 1], ring[i], 8 + number) for i in range(4)]
            else:
                i = moved.index(True) if any(moved) else 0
                a, b, c, d = ring[i:] + ring[:i]
                made += [(d, a, b), (b, c, d)]
        triangles[mask, : len(made)] = made
        count[mask] = len(made)
    return triangles, count


def _folded_cuboids(edges: Float, depth: Float) -> Solids:
    n = len(edges)
    half = 0.5 * edges
    share = depth / norm(edges)[:, None]
    vertices = np.empty((n, 14, 3))
    vertices[:, :8] = _SIGNS * (half[:, None, :] - share[:, :, None] * edges[:, None, :])
    vertices[:, 8:] = _BOX_NORMALS * half[:, None, :]
    mask = ((depth > 0) * (1 << np.arange(8))).sum(axis=1)
    all_triangles, counts = _folds()
    triangles, count = all_triangles[mask], counts[mask]
    keep = np.arange(24) < count[:, None]
    a, b, c = (np.take_along_axis(vertices, triangles[:, :, k, None], axis=1) for k in range(3))
    six_volumes = np.where(keep, _triple(a, b, c), 1.0)
    if not (six_volumes > 0).all():
        scene = int(np.flatnonzero((six_volumes <= 0).any(axis=1))[0])
        raise ValueError(
            f"moved_nm turns cuboid {scene} inside out: edges {edges[scene].tolist()} nm, corners "
            f"moved by {depth[scene].tolist()} nm"
        )
    volume = np.where(keep, six_volumes, 0.0).sum(axis=1) / 6.0

    def maker(scene: int, material: str) -> Particle:
        from stemfast.particles import Cuboid, Displacement

        moves = {c: Displacement(nm=d) for c, d in enumerate(depth[scene].tolist()) if d > 0}
        return Cuboid(tuple(edges[scene].tolist()), corners=moves, material=material)

    return Solids(
        row=np.arange(n, dtype=np.int32),
        table=BodyTable(
            kind=np.full(n, KIND_MESH, np.uint8),
            plane_offset=np.zeros(n + 1, np.int64),
            planes=np.zeros((0, 4)),
            vertex_offset=np.arange(0, 14 * n + 1, 14),
            vertices=vertices.reshape(-1, 3),
            triangle_offset=offsets_of(count),
            triangles=triangles[keep],
        ),
        volume_nm3=volume,
        bounding_radius_nm=norm(vertices).max(axis=1),
        maker=maker,
    )


def _triple(a: Float, b: Float, c: Float) -> Float:
    """The triple product a · (b × c) of rows."""
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    cx, cy, cz = c[..., 0], c[..., 1], c[..., 2]
    return np.asarray(
        ax * (by * cz - bz * cy) + ay * (bz * cx - bx * cz) + az * (bx * cy - by * cx)
    )


def _per_corner(name: str, values: ArrayLike, n: int) -> Float:
    rows = np.ascontiguousarray(values, np.float64)
    if rows.shape != (n, 8):
        raise ValueError(f"{name} has shape {rows.shape}, expected ({n}, 8): one per corner")
    if not ((rows >= 0) & (rows < np.inf)).all():
        raise ValueError(f"{name} must be at least 0 and finite")
    return rows
