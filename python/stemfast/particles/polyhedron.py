"""Any polyhedron: from half-spaces, from points, or from a closed triangle mesh."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from stemfast.particles.arguments import MaterialLike, points_array
from stemfast.particles.base import Faceted
from stemfast.particles.geometry.clipping import intersect_halfspaces
from stemfast.particles.geometry.mesh_checks import (
    check_closed,
    check_not_crossing,
    check_outward,
    checked_triangles,
)
from stemfast.particles.geometry.solid import FLAT, Face, FloatArray, Solid


@dataclass(frozen=True, repr=False, init=False, eq=False)
class Polyhedron(Faceted):
    """A solid bounded by flat faces, made by one of its three class methods.

    The origin stays where the numbers put it; orientations turn about it. `centred` moves
    the centre of mass there.

    See Also
    --------
    Polyhedron.from_halfspaces, Polyhedron.from_vertices, Polyhedron.from_mesh

    Examples
    --------
    >>> pyramid = Polyhedron.from_vertices(
    ...     [(5, 5, 0), (-5, 5, 0), (-5, -5, 0), (5, -5, 0), (0, 0, 6)]
    ... )
    >>> pyramid
    Polyhedron(5 vertices, 5 faces, size (10, 10, 6) nm, material='Au')
    >>> round(pyramid.volume, 9), pyramid.symmetry_group
    (200.0, 'C4v')
    >>> pyramid.centred().vertices[:, 2].round(9).tolist()
    [-1.5, -1.5, -1.5, -1.5, 4.5]
    """

    solid: Solid = field(repr=False)

    def __init__(self, *, solid: Solid, material: MaterialLike = "Au") -> None:
        if not isinstance(solid, Solid):
            raise TypeError(
                "make a Polyhedron with Polyhedron.from_halfspaces, from_vertices or from_mesh"
            )
        object.__setattr__(self, "solid", solid)
        object.__setattr__(self, "material", material)
        self.__post_init__()

    @classmethod
    def from_halfspaces(cls, planes: ArrayLike, *, material: MaterialLike = "Au") -> Polyhedron:
        """The convex solid inside half-spaces.

        Parameters
        ----------
        planes : (F, 4) array_like
            Rows (nx, ny, nz, d): inside is n·x <= d, with n pointing outwards and of any
            length, d in nm times that length. Planes that touch nothing are left out.
        material : str or Material
            What it is made of.

        Raises
        ------
        TypeError, ValueError
            For a wrong shape, non-finite numbers, a normal of length 0, or planes that
            enclose no volume or an unbounded one.

        Examples
        --------
        >>> Polyhedron.from_halfspaces(
        ...     [
        ...         (1, 0, 0, 5),
        ...         (-1, 0, 0, 5),
        ...         (0, 1, 0, 5),
        ...         (0, -1, 0, 5),
        ...         (0, 0, 1, 5),
        ...         (0, 0, -1, 5),
        ...         (1, 1, 1, 10),
        ...     ]
        ... )
        Polyhedron(10 vertices, 7 faces, size (10, 10, 10) nm, material='Au')
        """
        array = np.array(planes)
        if array.dtype.kind not in "iuf":
            raise TypeError(f"planes must be real numbers of shape (F, 4), got {array.dtype}")
        if array.ndim != 2 or array.shape[1] != 4 or array.shape[0] < 4:
            raise ValueError(f"planes must have shape (F, 4) with F >= 4, got {array.shape}")
        rows = array.astype(np.float64)
        if not np.isfinite(rows).all():
            bad = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
            raise ValueError(f"planes must be finite, but planes[{bad}] is {rows[bad].tolist()}")
        lengths = np.sqrt((rows[:, :3] ** 2).sum(axis=1))
        if not lengths.min() > 0:
            raise ValueError(f"planes[{lengths.argmin()}] has a normal of length 0")
        return cls(solid=intersect_halfspaces(rows / lengths[:, None]), material=material)

    @classmethod
    def from_vertices(cls, points: ArrayLike, *, material: MaterialLike = "Au") -> Polyhedron:
        """The convex hull of points.

        Parameters
        ----------
        points : (n, 3) array_like
            At least four points [nm], not all in one plane. Those inside the hull, or within
            a face or an edge, are left out.
        material : str or Material
            What it is made of.

        Raises
        ------
        TypeError, ValueError
            For a wrong shape, non-finite numbers, or points that enclose no volume.
        """
        array = points_array("points", points, 4)
        size = float(np.ptp(array, axis=0).max())
        spread = np.linalg.svd(array - array.mean(axis=0), compute_uv=False)
        if size == 0 or spread[-1] <= FLAT * spread[0]:
            raise ValueError("points must enclose a volume, but all of them lie in one plane")
        return cls(solid=_hull(array), material=material)

    @classmethod
    def from_mesh(
        cls, vertices: ArrayLike, triangles: ArrayLike, *, material: MaterialLike = "Au"
    ) -> Polyhedron:
        """The solid inside a closed triangle mesh, convex or not, in one or more sheets.

        A sheet inside another one must face inwards: it is the wall of a void.

        Parameters
        ----------
        vertices : (V, 3) array_like
            Points [nm].
        triangles : (T, 3) array_like of int
            Indices into ``vertices``, anticlockwise seen from outside.
        material : str or Material
            What it is made of.

        Raises
        ------
        TypeError, ValueError
            For wrong shapes, triangles without area, unused vertices; and for a mesh that is
            open, inverted, inconsistently oriented, not a manifold, or crossing itself, with
            how many edges are wrong.

        Examples
        --------
        >>> corners = [(0, 0, 0), (6, 0, 0), (0, 6, 0), (0, 0, 6)]
        >>> Polyhedron.from_mesh(corners, [(0, 2, 1), (0, 1, 3), (1, 2, 3), (2, 0, 3)]).volume
        36.0
        >>> Polyhedron.from_mesh(corners, [(0, 2, 1), (0, 1, 3), (1, 2, 3), (0, 2, 3)])
        Traceback (most recent call last):
            ...
        ValueError: the mesh is closed, but its triangles do not turn the same way: at 3 of \
its 6 edges both triangles run in one direction, the first joins vertices [0, 2]
        """
        points = points_array("vertices", vertices, 4)
        checked = checked_triangles(points, triangles)
        check_closed(checked)
        check_not_crossing(points, checked)
        check_outward(points, checked)
        faces = tuple((a, b, c) for a, b, c in checked.tolist())
        return cls(solid=Solid.from_faces(points, faces), material=material)

    def centred(self) -> Polyhedron:
        """The same solid with its centre of mass at the origin."""
        return Polyhedron(solid=self.solid.moved(-self.centroid), material=self.material)

    def _build(self) -> Solid:
        return self.solid

    @cached_property
    def _key(self) -> tuple[bytes, tuple[Face, ...]]:
        return (self.solid.vertices + 0.0).tobytes(), self.solid.faces

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._key == other._key and self.material == other.material

    def __hash__(self) -> int:
        return hash(self._key)

    def _description(self) -> str:
        size = ", ".join(f"{side:.4g}" for side in np.ptp(self.vertices, axis=0))
        return f"{len(self.vertices)} vertices, {len(self.faces)} faces, size ({size}) nm"


def _hull(points: FloatArray) -> Solid:
    """Convex hull with coplanar triangles joined into polygons."""
    from scipy.spatial import ConvexHull, QhullError

    middle = points.mean(axis=0)
    try:
        hull = ConvexHull(points - middle)
    except QhullError as error:
        raise ValueError(
            "points must enclose a volume, but their convex hull is flat to within rounding"
        ) from error
    equations = hull.equations * np.array([1.0, 1.0, 1.0, -1.0])
    tolerance = 10 * FLAT * float(np.ptp(points, axis=0).max())
    candidates = hull.vertices
    heights = (points[candidates] - middle) @ equations[:, :3].T - equations[:, 3]
    on_plane = np.abs(heights) <= tolerance
    faces: dict[frozenset[int], FloatArray] = {}
    for column, equation in zip(on_plane.T, equations, strict=True):
        faces.setdefault(frozenset(np.flatnonzero(column).tolist()), equation[:3])
    rings = [_ring(points[candidates], sorted(group), normal) for group, normal in faces.items()]
    # A corner has at least three faces; a point within a face or an edge has fewer.
    count = np.bincount([i for ring in rings for i in ring], minlength=len(candidates))
    kept = np.flatnonzero(count >= 3)
    place = {int(old): new for new, old in enumerate(kept)}
    trimmed = tuple(tuple(place[i] for i in ring if i in place) for ring in rings)
    if len(kept) < 4 or min(map(len, trimmed)) < 3:
        raise ValueError(
            "points must enclose a volume, but are too thin for their length to tell faces apart"
        )
    return Solid.from_faces(points[candidates][kept], trimmed)


def _ring(points: FloatArray, group: list[int], normal: FloatArray) -> list[int]:
    """Indices of points in a plane, anticlockwise about its normal."""
    spokes = points[group] - points[group].mean(axis=0)
    across = np.cross(normal, spokes[0])
    angles = np.arctan2(
        spokes @ across / np.linalg.norm(across), spokes @ spokes[0] / np.linalg.norm(spokes[0])
    )
    return [group[i] for i in np.argsort(angles, kind="stable")]
