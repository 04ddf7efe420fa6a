"""The point group of a solid: its operations as matrices, and their Schoenflies symbol."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

FloatArray: TypeAlias = NDArray[np.float64]


class Surface(Protocol):
    """Closed surface of flat polygons."""

    @property
    def vertices(self) -> FloatArray:
        """Points (V, 3) [nm]."""

    @property
    def faces(self) -> Sequence[tuple[int, ...]]:
        """Indices of the vertices around each face."""

    @property
    def centroid(self) -> FloatArray:
        """Centre of the volume (3,) [nm]."""

    @property
    def is_convex(self) -> bool:
        """True if the surface is convex."""

    @property
    def flats(self) -> tuple[FloatArray, NDArray[np.int64]]:
        """Planes (P, 4) of the flat parts, and the part of each face (F,)."""


# Two points are the same when closer than this fraction of the solid's radius. Wider than
# rounding on purpose: meshes often come from float32 files.
_SAME = 1e-6


def schoenflies(operations: FloatArray) -> str:
    """The Schoenflies symbol of a finite group of rotations and mirrors.

    Parameters
    ----------
    operations : (n, 3, 3) float64
        All orthogonal matrices of the group.

    Returns
    -------
    str
        Such as "C1", "Cs", "C2v", "D4h", "Td", "Oh" or "Ih".

    Examples
    --------
    >>> import numpy as np
    >>> schoenflies(np.stack([np.eye(3), -np.eye(3)]))
    'Ci'
    """
    proper = np.linalg.det(operations) > 0
    rotations, improper = operations[proper], operations[~proper]
    count = len(rotations)
    traces = np.trace(rotations, axis1=1, axis2=2)
    mirrors = improper[np.abs(np.trace(improper, axis1=1, axis2=2) - 1) < 1e-3]
    inversion = bool(np.any(np.abs(np.trace(improper, axis1=1, axis2=2) + 3) < 1e-3))
    if count == 1:
        return "Ci" if inversion else "Cs" if len(mirrors) else "C1"
    cosines = np.clip((traces - 1) / 2, -1, 1)
    turning = np.flatnonzero(cosines < 1 - 1e-3)
    sharpest = turning[cosines[turning].argmax()]
    order = round(2 * math.pi / math.acos(cosines[sharpest]))
    if (count, order) in ((12, 3), (24, 4), (60, 5)):
        letter = {12: "T", 24: "O", 60: "I"}[count]
        suffix = "h" if inversion else "d" if len(improper) else ""
        return letter + suffix
    axis = _axis(rotations[sharpest])
    family = f"C{order}" if order == count else f"D{order}"
    if not len(improper):
        return family
    # A mirror is I - 2nnᵀ: it is horizontal when it turns the axis round.
    if any(axis @ mirror @ axis < -1 + 1e-3 for mirror in mirrors):
        return family + "h"
    if family.startswith("D"):
        return family + "d"
    return family + "v" if len(mirrors) else f"S{2 * order}"


def _axis(rotation: FloatArray) -> FloatArray:
    """The direction that a rotation leaves alone."""
    values, vectors = np.linalg.eig(rotation)
    axis: FloatArray = np.real(vectors[:, np.abs(values - 1).argmin()])
    return axis / np.linalg.norm(axis)


def rotation_quaternions(operations: FloatArray) -> FloatArray:
    """(n, 4) quaternions (x, y, z, w) of the proper rotations, w >= 0, identity first.

    Parameters
    ----------
    operations : (n, 3, 3) float64
        Orthogonal matrices; improper ones are left out.
    """
    from scipy.spatial.transform import Rotation

    proper = operations[np.linalg.det(operations) > 0]
    proper = proper[np.argsort(-np.trace(proper, axis1=1, axis2=2).round(9), kind="stable")]
    quaternions: FloatArray = Rotation.from_matrix(proper).as_quat(canonical=True)
    return quaternions


def solid_operations(solid: Surface) -> FloatArray:
    """(n, 3, 3) orthogonal matrices that map a solid onto itself about its centroid.

    True corners (where three or more planes meet) must map onto corners; for a solid that is
    not convex, so must the flat parts of the surface, by position, direction and area.
    """
    radius = float(np.linalg.norm(solid.vertices - solid.centroid, axis=1).max())
    groups = [_corners(solid) / radius]
    if not solid.is_convex:
        groups += _flat_marks(solid, radius)
    groups = [shell for group in groups for shell in _by_distance(group)]
    groups.sort(key=len)
    return _mappings(groups)


def _corners(solid: Surface) -> FloatArray:
    """Vertices (relative to the centroid) at which three or more different planes meet."""
    member = solid.flats[1]
    planes_at: list[set[int]] = [set() for _ in solid.vertices]
    for face, plane in zip(solid.faces, member.tolist(), strict=True):
        for i in face:
            planes_at[i].add(plane)
    keep = [len(planes) >= 3 for planes in planes_at]
    corners: FloatArray = solid.vertices[keep] - solid.centroid
    return corners


def _flat_marks(solid: Surface, radius: float) -> list[FloatArray]:
    """Points that stand for the flat parts: middles and tips of normals, by equal area."""
    planes, member = solid.flats
    middles = np.zeros((len(planes), 3))
    areas = np.zeros(len(planes))
    for face, plane in zip(solid.faces, member.tolist(), strict=True):
        points = solid.vertices[list(face)] - solid.centroid
        for i in range(1, len(face) - 1):
            a, b, c = points[0], points[i], points[i + 1]
            area = float(np.linalg.norm(np.cross(b - a, c - a))) / 2
            areas[plane] += area
            middles[plane] += area * (a + b + c) / 3
    middles /= areas[:, None] * radius
    level = np.cumsum(np.diff(np.sort(areas), prepend=0) > _SAME * areas.max())
    level = level[np.argsort(np.argsort(areas, kind="stable"), kind="stable")]
    marks: list[FloatArray] = []
    for number in np.unique(level):
        chosen = level == number
        marks += [middles[chosen], middles[chosen] + planes[chosen, :3]]
    return marks


def _by_distance(points: FloatArray) -> list[FloatArray]:
    """Points split into shells of equal distance from the origin; those at it are dropped."""
    distances = np.linalg.norm(points, axis=1)
    order = np.argsort(distances, kind="stable")
    breaks = np.flatnonzero(np.diff(distances[order]) > _SAME) + 1
    return [points[part] for part in np.split(order, breaks) if distances[part[0]] > 10 * _SAME]


def _mappings(shells: list[FloatArray]) -> FloatArray:
    """Orthogonal matrices that map each shell of points onto itself.

    Two points that are not on one line through the origin fix a rotation and a mirror image
    of it, so all pairs of images of two such points are tried.
    """
    from scipy.spatial import cKDTree

    trees = [cKDTree(shell) for shell in shells]
    first, second, others = _reference(shells)
    frame = np.linalg.inv(np.stack([first, second, np.cross(first, second)], axis=1))
    found: list[FloatArray] = []
    for image in shells[0]:
        near = np.abs(others @ image - second @ first) < 10 * _SAME
        for partner in others[near]:
            across = np.cross(image, partner)
            for side in (across, -across):
                matrix = np.stack([image, partner, side], axis=1) @ frame
                if _keeps(matrix, shells, trees):
                    found.append(_orthogonal(matrix))
    return np.array(found)


def _reference(shells: list[FloatArray]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Two reference points off one line, and the shell that the second belongs to."""
    first = shells[0][0]
    for shell in shells:
        away = np.linalg.norm(np.cross(shell, first), axis=1)
        if away.max() > 0.1 * np.linalg.norm(first) * np.linalg.norm(shell[0]):
            return first, shell[away.argmax()], shell
    raise ValueError("the solid has all of its corners on one line")


def _keeps(matrix: FloatArray, shells: list[FloatArray], trees: list[cKDTree]) -> bool:
    return all(
        float(tree.query(shell @ matrix.T)[0].max()) < 100 * _SAME
        for shell, tree in zip(shells, trees, strict=True)
    )


def _orthogonal(matrix: FloatArray) -> FloatArray:
    """The nearest orthogonal matrix, which takes the vertices' rounding out."""
    u, _, vt = np.linalg.svd(matrix)
    nearest: FloatArray = u @ vt
    return nearest
