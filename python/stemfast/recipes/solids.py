"""Many solids at once as a structure of arrays, in the form that the C++ core takes.

This is how recipes make particles: a hundred thousand of them with a few dozen NumPy calls and no
Python object each. `Solids.particle` gives the friendly object of any one of them; that both are
the same solid is tested. Only + − × ÷, square roots and comparisons are used, so that the solids
have the same bits on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.particles.clipping import box_face
from stemfast.scene import KIND_CONVEX, KIND_ELLIPSOID, KIND_MESH
from stemfast.symmetry import CORNER_SIGNS

if TYPE_CHECKING:
    from stemfast.particles import Particle

__all__ = ["Solids", "choose", "cuboids", "ellipsoids", "tetrahedra"]

Float: TypeAlias = NDArray[np.float64]
Int: TypeAlias = NDArray[np.int64]
#: Makes the particle of one scene of a given material.
Maker: TypeAlias = Callable[[int, str], "Particle"]

_SIGNS = CORNER_SIGNS.astype(np.float64)
_BOX_NORMALS = np.array([[s * (k == axis) for k in range(3)] for axis in range(3) for s in (-1, 1)])


@dataclass(frozen=True, eq=False)
class Solids:
    """One solid for each of n scenes.

    Attributes
    ----------
    row : (n,) int32
        Where each scene's solid stands in the table that follows.
    kind : (m,) uint8
        Convex, ellipsoid or mesh.
    plane_offset, planes : (m + 1,) int64, (P, 4) float64
        Solid s has planes plane_offset[s] … plane_offset[s + 1]: normal and distance [nm].
    vertex_offset, vertices : (m + 1,) int64, (V, 3) float64
        Likewise its vertices [nm].
    triangle_offset, triangles : (m + 1,) int64, (T, 3) int32
        Likewise its triangles, as indices into its vertices.
    volume_nm3, bounding_radius_nm : (n,) float64
        Of each scene's solid, the radius about its origin.
    maker : callable
        maker(scene, material) gives the same solid as a particle.
    """

    row: NDArray[np.int32]
    kind: NDArray[np.uint8]
    plane_offset: Int
    planes: Float
    vertex_offset: Int
    vertices: Float
    triangle_offset: Int
    triangles: NDArray[np.int32]
    volume_nm3: Float
    bounding_radius_nm: Float
    maker: Maker = field(repr=False)

    def __len__(self) -> int:
        return len(self.row)

    def particle(self, scene: int, material: str) -> Particle:
        """The solid of one scene as a particle.

        Examples
        --------
        >>> tetrahedra([10.0, 20.0]).particle(1, "Pt")
        Tetrahedron(edge=20 nm, material='Pt')
        """
        return self.maker(scene, material)


def _offsets(counts: NDArray[np.integer]) -> Int:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])


def _norm(x: Float) -> Float:
    return np.sqrt(x[..., 0] * x[..., 0] + x[..., 1] * x[..., 1] + x[..., 2] * x[..., 2])


def ellipsoids(semi_axes_nm: ArrayLike) -> Solids:
    """Ellipsoids about the origin.

    Parameters
    ----------
    semi_axes_nm : (n, 3) array_like
        Half-lengths along x, y and z [nm].

    Examples
    --------
    >>> ellipsoids([[5.0, 5.0, 5.0]]).particle(0, "Au")
    Sphere(radius=5 nm, material='Au')
    """
    axes = _positive_rows("semi_axes_nm", semi_axes_nm, 3)
    n = len(axes)
    planes = np.zeros((n, 3, 4))
    planes[:, :, :3] = np.eye(3)
    planes[:, :, 3] = axes

    def maker(scene: int, material: str) -> Particle:
        from stemfast.particles import Ellipsoid, Sphere

        a, b, c = axes[scene].tolist()
        if a == b == c:
            return Sphere(a, material=material)
        return Ellipsoid((a, b, c), material=material)

    return Solids(
        row=np.arange(n, dtype=np.int32),
        kind=np.full(n, KIND_ELLIPSOID, np.uint8),
        plane_offset=np.arange(0, 3 * n + 1, 3),
        planes=planes.reshape(-1, 4),
        vertex_offset=np.arange(n + 1),
        vertices=np.zeros((n, 3)),
        triangle_offset=np.zeros(n + 1, np.int64),
        triangles=np.zeros((0, 3), np.int32),
        volume_nm3=(4.0 / 3.0 * np.pi) * (axes[:, 0] * axes[:, 1] * axes[:, 2]),
        bounding_radius_nm=axes.max(axis=1),
        maker=maker,
    )


def _regular_tetrahedron() -> tuple[Float, Float]:
    """Planes (4, 4) and vertices (4, 3) of the one with edge 1, placed as `Tetrahedron` is."""
    root3, height = 3.0**0.5, (2.0 / 3.0) ** 0.5
    radius = 1.0 / root3
    vertices = np.array(
        [
            (radius, 0.0, -height / 4),
            (-radius / 2, 0.5, -height / 4),
            (-radius / 2, -0.5, -height / 4),
            (0.0, 0.0, 3 * height / 4),
        ]
    )
    # A face lies opposite its vertex, a third as far from the centre on the other side.
    distance = _norm(vertices)[:, None]
    return np.concatenate([-vertices / distance, distance / 3], axis=1), vertices


def tetrahedra(edge_nm: ArrayLike) -> Solids:
    """Regular tetrahedra with their centre of mass at the origin.

    Parameters
    ----------
    edge_nm : (n,) array_like
        Edges [nm].

    Examples
    --------
    >>> print(f"{tetrahedra([20.0]).volume_nm3[0]:.3f}")
    942.809
    """
    edge = _positive_rows("edge_nm", np.asarray(edge_nm, np.float64)[:, None], 1)[:, 0]
    n = len(edge)
    unit_planes, unit_vertices = _regular_tetrahedron()
    planes = np.repeat(unit_planes[None], n, axis=0)
    planes[:, :, 3] *= edge[:, None]

    def maker(scene: int, material: str) -> Particle:
        from stemfast.particles import Tetrahedron

        return Tetrahedron(float(edge[scene]), material=material)

    return Solids(
        row=np.arange(n, dtype=np.int32),
        kind=np.full(n, KIND_CONVEX, np.uint8),
        plane_offset=np.arange(0, 4 * n + 1, 4),
        planes=planes.reshape(-1, 4),
        vertex_offset=np.arange(0, 4 * n + 1, 4),
        vertices=(unit_vertices[None] * edge[:, None, None]).reshape(-1, 3),
        triangle_offset=np.zeros(n + 1, np.int64),
        triangles=np.zeros((0, 3), np.int32),
        volume_nm3=edge * edge * edge / (6.0 * 2.0**0.5),
        bounding_radius_nm=edge * float(_norm(unit_vertices[3])),
        maker=maker,
    )


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
    edges = _positive_rows("edges_nm", edges_nm, 3)
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
    return _side_by_side([whole, folded], list(part), n)


def _cut_cuboids(edges: Float, fraction: Float) -> Solids:
    n = len(edges)
    half = 0.5 * edges
    is_cut = fraction > 0.0
    planes = np.empty((n, 14, 4))
    planes[:, :6, :3] = _BOX_NORMALS
    planes[:, :6, 3] = np.repeat(half, 2, axis=1)
    inverse = 1.0 / edges
    length = _norm(inverse)
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
    farthest = np.where(seen, _norm(vertices), 0.0).reshape(n, 24).max(axis=1)

    def maker(scene: int, material: str) -> Particle:
        from stemfast.particles import Cuboid, Truncation

        cuts = {c: Truncation(f) for c, f in enumerate(fraction[scene].tolist()) if f > 0}
        return Cuboid(tuple(edges[scene].tolist()), corners=cuts, material=material)

    return Solids(
        row=np.arange(n, dtype=np.int32),
        kind=np.full(n, KIND_CONVEX, np.uint8),
        plane_offset=_offsets(keep.sum(axis=1)),
        planes=planes[keep],
        vertex_offset=_offsets(seen.reshape(n, 24).sum(axis=1)),
        vertices=vertices[seen],
        triangle_offset=np.zeros(n + 1, np.int64),
        triangles=np.zeros((0, 3), np.int32),
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
    share = depth / _norm(edges)[:, None]
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
        kind=np.full(n, KIND_MESH, np.uint8),
        plane_offset=np.zeros(n + 1, np.int64),
        planes=np.zeros((0, 4)),
        vertex_offset=np.arange(0, 14 * n + 1, 14),
        vertices=vertices.reshape(-1, 3),
        triangle_offset=_offsets(count),
        triangles=triangles[keep],
        volume_nm3=volume,
        bounding_radius_nm=_norm(vertices).max(axis=1),
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


def choose(which: ArrayLike, parts: Sequence[Solids]) -> Solids:
    """For each scene the solid of one of several kinds.

    Parameters
    ----------
    which : (n,) array_like of int
        Number of the part that each scene's solid comes from.
    parts : sequence of Solids
        Each with n solids, or with those alone that `which` asks of it, in order.

    Examples
    --------
    >>> both = choose([1, 0], [tetrahedra([10.0, 20.0]), ellipsoids([[1.0, 2.0, 3.0]] * 2)])
    >>> both.particle(1, "Au")
    Tetrahedron(edge=20 nm, material='Au')
    """
    number = np.asarray(which)
    scenes = [np.flatnonzero(number == k) for k in range(len(parts))]
    if sum(map(len, scenes)) != len(number):
        raise ValueError(f"which must be from 0 to {len(parts) - 1}, got {number.tolist()}")
    for k, (part, own) in enumerate(zip(parts, scenes, strict=True)):
        if len(part) not in (len(number), len(own)):
            raise ValueError(
                f"parts[{k}] has {len(part)} solids, expected {len(number)} or {len(own)}"
            )
    return _side_by_side(parts, scenes, len(number))


def _side_by_side(parts: Sequence[Solids], scenes: Sequence[Int], n: int) -> Solids:
    """Tables one after the other; part k holds the solids of scenes[k], or of all n scenes."""
    first = np.concatenate([[0], np.cumsum([len(part.kind) for part in parts])])
    row, volume, radius = np.empty(n, np.int32), np.empty(n), np.empty(n)
    home, local = np.empty(n, np.int64), np.empty(n, np.int64)
    for k, (part, own) in enumerate(zip(parts, scenes, strict=True)):
        at = np.arange(len(own)) if len(part) == len(own) else own
        row[own] = first[k] + part.row[at]
        volume[own], radius[own] = part.volume_nm3[at], part.bounding_radius_nm[at]
        home[own], local[own] = k, at

    def maker(scene: int, material: str) -> Particle:
        return parts[int(home[scene])].particle(int(local[scene]), material)

    def joined(offsets: Sequence[Int]) -> Int:
        ends = np.concatenate([[0], np.cumsum([own[-1] for own in offsets])])
        shifted = [own[:-1] + start for own, start in zip(offsets, ends[:-1], strict=True)]
        return np.concatenate([*shifted, ends[-1:]])

    return Solids(
        row=row,
        kind=np.concatenate([part.kind for part in parts]),
        plane_offset=joined([part.plane_offset for part in parts]),
        planes=np.concatenate([part.planes for part in parts]),
        vertex_offset=joined([part.vertex_offset for part in parts]),
        vertices=np.concatenate([part.vertices for part in parts]),
        triangle_offset=joined([part.triangle_offset for part in parts]),
        triangles=np.concatenate([part.triangles for part in parts]),
        volume_nm3=volume,
        bounding_radius_nm=radius,
        maker=maker,
    )


def _positive_rows(name: str, values: ArrayLike, width: int) -> Float:
    rows = np.ascontiguousarray(values, np.float64)
    if rows.ndim != 2 or rows.shape[1] != width:
        raise ValueError(f"{name} has shape {rows.shape}, expected (n, {width})")
    if not ((rows > 0) & (rows < np.inf)).all():
        raise ValueError(f"{name} must be positive and finite")
    return rows


def _per_corner(name: str, values: ArrayLike, n: int) -> Float:
    rows = np.ascontiguousarray(values, np.float64)
    if rows.shape != (n, 8):
        raise ValueError(f"{name} has shape {rows.shape}, expected ({n}, 8): one per corner")
    if not ((rows >= 0) & (rows < np.inf)).all():
        raise ValueError(f"{name} must be at least 0 and finite")
    return rows
