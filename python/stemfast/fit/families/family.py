"""Families of convex polyhedra: half-spaces whose depths are linear in a few lengths.

A member is the set of all r with n_f·r <= d_f, d = M p, with fixed unit normals n_f and parameters
p >= 0. With columns of M that are the depths of single shapes, members are Minkowski sums of those
shapes, and every facet shows for any p: a truncated octahedron is one part cuboctahedron and one
part octahedron. That is how the families of `stemfast.fit.families.shipped` are made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.fit.cuboid.shape import rotation_matrix
from stemfast.fit.cuboid.thickness import Planes, chords, chords_and_jacobian
from stemfast.fit.families.claims import check_symmetry, depths_of, group_of, orbit
from stemfast.fit.families.groups import relabellings
from stemfast.fit.families.halfspaces import checked_closed, is_member, measures_of, solid_of
from stemfast.fit.families.shape_family import POSE, Placed, ShapeFamily
from stemfast.particles import Polyhedron
from stemfast.particles.geometry.solid import Solid

__all__ = ["Family"]

Float: TypeAlias = NDArray[np.float64]

_SAME = 1e-6
_TRIED = 64  # members among which every form must show somewhere
_GRID = 3  # of each pair of parameters, to start fits from
_MOST_SHAPES = 24
_MOST_FREE, _CUTS = 3, (0.1, 0.4, 0.8)


class Family(ShapeFamily):
    """Convex polyhedra of fixed normals whose facets' distances are linear in a few lengths.

    Parameters
    ----------
    name : str
        What its members are called.
    forms : mapping of str to (3,) array_like
        A direction of each form, of any length; the symmetry makes its facets. A form is named by
        the type of its facets, such as "111"; what follows a blank tells forms of one type apart.
    symmetry : str or (G, 3, 3) array_like
        Point group that every member has, see `stemfast.fit.families.groups.point_group`.
    shapes : sequence of mapping of str to float, optional
        Distances of all forms [1] that each parameter stands for. Without it, the distance of each
        form is a parameter.
    parameters : sequence of str, optional
        Names of the parameters.

    Attributes
    ----------
    normals : (F, 3) float64
        Unit normals of the facets.
    depths : (F, P) float64
        Distances of the facets [nm] for each nm of each parameter.
    types : tuple of F str

    Raises
    ------
    TypeError, ValueError
        If a form's direction or a distance cannot be used, the symmetry is no group, the
        half-spaces do not close, or a form shows in no member.

    Examples
    --------
    >>> plates = Family(
    ...     "cut plate",
    ...     forms={"001": (0, 0, 1), "100": (1, 0, 0), "110": (1, 1, 0)},
    ...     symmetry="4/mmm",
    ... )
    >>> plates.parameters, len(plates.normals), len(plates.group)
    (('001', '100', '110'), 10, 16)
    >>> round(plates.measures(np.array([1.0, 5.0, 6.0]))["volume"], 3)
    190.823
    >>> Family("open", {"100": (1, 0, 0)}, "4/mmm")
    Traceback (most recent call last):
        ...
    ValueError: forms: the half-spaces of 'open' do not close: no facet faces along (0, 0, 1)
    """

    def __init__(
        self,
        name: str,
        forms: Mapping[str, ArrayLike],
        symmetry: str | ArrayLike = "C1",
        shapes: Sequence[Mapping[str, float]] | None = None,
        parameters: Sequence[str] | None = None,
    ) -> None:
        group = group_of(symmetry)
        if not isinstance(forms, Mapping) or not forms:
            raise TypeError(f"forms: got {forms!r}, expected a mapping of names to directions")
        normals, names = [], []
        for form, direction in forms.items():
            for normal in orbit(form, direction, group):
                normals.append(normal)
                names.append(form)
        self._set(name, np.array(normals), depths_of(names, list(forms), shapes), names)
        given = list(forms) if shapes is None else [f"part {k + 1}" for k in range(len(shapes))]
        self.parameters = tuple(given if parameters is None else parameters)
        if len(self.parameters) != self.depths.shape[1]:
            raise ValueError(
                f"parameters: got {len(self.parameters)} names, expected {self.depths.shape[1]}"
            )
        self._check()

    @classmethod
    def from_halfspaces(
        cls,
        name: str,
        normals: ArrayLike,
        depths: ArrayLike | None = None,
        types: Sequence[str] | None = None,
        symmetry: str | ArrayLike = "C1",
    ) -> Family:
        """A family of facets that are all given, with the symmetry it claims to have.

        Parameters
        ----------
        name : str
        normals : (F, 3) array_like
            Outward, of any length.
        depths : (F, P) array_like, optional
            Distances for each nm of each parameter; without it, each is a parameter.
        types : sequence of F str, optional
            Type of each facet; without it, all are one.
        symmetry : str or (G, 3, 3) array_like
            Point group that every member has.

        Raises
        ------
        ValueError
            If an element of the group takes a facet to none, or to one of another distance; and as
            for the class.

        Examples
        --------
        >>> faces = np.concatenate([np.eye(3), -np.eye(3)])
        >>> Family.from_halfspaces("box", faces, np.tile(np.eye(3), (2, 1)), symmetry="D2h").n
        3
        >>> Family.from_halfspaces("box", faces, np.tile(np.eye(3), (2, 1)), symmetry="Oh")
        Traceback (most recent call last):
            ...
        ValueError: symmetry: 'box' has not the symmetry it claims: an element of 'Oh' takes \
facet 0 (1, 0, 0) to (0, 1, 0), of another distance
        """
        directions = np.array(normals, np.float64)
        if directions.ndim != 2 or directions.shape[1] != 3 or not np.isfinite(directions).all():
            raise ValueError(f"normals: got shape {directions.shape}, expected finite (F, 3)")
        lengths = np.linalg.norm(directions, axis=1, keepdims=True)
        if not lengths.min() > 0:
            raise ValueError(f"normals: number {int(lengths.argmin())} has length 0")
        matrix = np.eye(len(directions)) if depths is None else np.array(depths, np.float64)
        if matrix.ndim != 2 or len(matrix) != len(directions) or not np.isfinite(matrix).all():
            raise ValueError(
                f"depths: got shape {matrix.shape}, expected finite ({len(directions)}, P)"
            )
        named = ["facet"] * len(directions) if types is None else list(types)
        if len(named) != len(directions):
            raise ValueError(f"types: got {len(named)}, expected {len(directions)}, one a facet")
        family = cls.__new__(cls)
        family._set(name, directions / lengths, matrix, named)
        family.parameters = tuple(f"depth {k}" for k in range(matrix.shape[1]))
        check_symmetry(family, group_of(symmetry), symmetry)
        family._check()
        return family

    @classmethod
    def wulff(
        cls,
        forms: Sequence[str],
        symmetry: str = "m-3m",
        lattice: tuple[float, float, float] = (1.0, 1.0, 1.0),
    ) -> Family:
        """Equilibrium shapes of a crystal, whose surface energies are the parameters.

        The distance of a facet is proportional to its energy (G. Wulff, Z. Kristallogr. 34 (1901)
        449), so that ratios of the fitted distances are ratios of energies, see
        `stemfast.fit.families.measures.energies`.

        Parameters
        ----------
        forms : sequence of str
            Miller indices, such as ["100", "111"], each a digit with or without a minus.
        symmetry : str
            Point group.
        lattice : (float, float, float)
            Lattice constants along x, y and z, of which the ratios count.

        Examples
        --------
        >>> shape = Family.wulff(["100", "111"]).measures(np.array([1.0, 3**0.5 / 2]))
        >>> round(shape["111"] / shape["surface"], 3)
        0.776
        """
        directions = {}
        for form in forms:
            indices = [int(one) for one in re.findall(r"-?\d", form)]
            if len(indices) != 3 or "".join(map(str, indices)) != form or not any(indices):
                raise ValueError(f"forms: got {form!r}, expected Miller indices such as '111'")
            directions[form] = np.array(indices, np.float64) / np.array(lattice)
        return cls(f"Wulff {{{', '.join(forms)}}}", directions, symmetry)

    def _set(self, name: str, normals: Float, depths: Float, names: Sequence[str]) -> None:
        self.name = str(name)
        self.normals, self.depths = normals, depths
        self.types = tuple(str(one).split()[0] for one in names)
        self.forms = tuple(names)

    def _check(self) -> None:
        apart = self.normals @ self.normals.T - 2.0 * np.eye(len(self.normals))
        if apart.max() > 1.0 - _SAME:
            one, other = np.unravel_index(int(apart.argmax()), apart.shape)
            raise ValueError(
                f"forms: facets {one} and {other} of {self.name!r} have the same normal, "
                "expected each once"
            )
        checked_closed(self.name, self.normals)
        shown: set[str] = set()
        closed = False
        for sizes in _samples(self.n):
            solid = solid_of(self.normals, self.depths @ sizes)
            if solid is None:
                continue
            closed = True
            areas = measures_of(solid, self.normals, self.forms)
            shown |= {form for form in self.forms if areas[form] > 1e-6 * areas["surface"]}
            if len(shown) == len(set(self.forms)):
                break
        if not closed:
            raise ValueError(
                f"shapes: the half-spaces of {self.name!r} enclose no volume for any sizes tried"
            )
        hidden = [form for form in dict.fromkeys(self.forms) if form not in shown]
        if hidden:
            raise ValueError(
                f"forms: facets {hidden[0]!r} of {self.name!r} never show: for all sizes tried "
                "they lie outside of what the others enclose"
            )
        self.relabellings = relabellings(self.normals, self.depths, self.types)
        same = np.arange(self.n)
        self.group = np.array([q for q, order in self.relabellings if (order == same).all()])

    def _planes(self, at: Placed) -> Planes:
        normals = self.normals @ rotation_matrix(at.quaternion).T
        d_normals = np.zeros((len(normals), POSE + self.n, 3))
        x, y, z = normals.T
        d_normals[:, 0, 1], d_normals[:, 0, 2] = -z, y  # of a turn about x: (1, 0, 0) × n
        d_normals[:, 1, 0], d_normals[:, 1, 2] = z, -x
        d_normals[:, 2, 0], d_normals[:, 2, 1] = -y, x
        d_heights = np.zeros((len(normals), POSE + self.n))
        d_heights[:, 3:5] = normals[:, :2]
        d_heights[:, POSE:] = self.depths
        d_heights += d_normals[:, :, :2] @ at.position_nm
        heights = self.depths @ at.sizes_nm + normals[:, :2] @ at.position_nm
        return normals, heights, d_normals, d_heights

    def thickness(self, at: Placed, x_nm: Float, y_nm: Float) -> Float:
        """Thickness along the beam at (x, y) [nm], in the shape of x_nm."""
        normals = self.normals @ rotation_matrix(at.quaternion).T
        heights = self.depths @ at.sizes_nm + normals[:, :2] @ at.position_nm
        return chords(normals, heights, x_nm, y_nm)

    def thickness_and_jacobian(self, at: Placed, x_nm: Float, y_nm: Float) -> tuple[Float, Float]:
        """The same and its derivatives: by a further turn [nm/rad], the place and the sizes [1]."""
        return chords_and_jacobian(self._planes(at), x_nm, y_nm)

    def measures(self, sizes_nm: Float) -> dict[str, float]:
        """Volume [nm³], surface [nm²], areas by type [nm²] and mean edges between types [nm].

        Raises
        ------
        ValueError
            If sizes enclose no volume.
        """
        return measures_of(self._solid(sizes_nm), self.normals, self.types)

    def areas(self, sizes_nm: Float) -> Float:
        """Area of each facet (F,) [nm²]; 0 for one that does not show."""
        numbered = [str(k) for k in range(len(self.normals))]
        found = measures_of(self._solid(sizes_nm), self.normals, numbered)
        return np.array([found[one] for one in numbered])

    def _solid(self, sizes_nm: Float) -> Solid:
        solid = solid_of(self.normals, self.depths @ np.asarray(sizes_nm, np.float64))
        if solid is None:
            raise ValueError(f"sizes_nm: {np.asarray(sizes_nm).tolist()} enclose no volume")
        return solid

    def holds(self, other: ShapeFamily) -> bool:
        """True if the shapes that stand for another family are members of this one, axes alike.

        Examples
        --------
        >>> from stemfast.fit.families.shipped import family_of
        >>> general, simple = family_of("truncated octahedron"), family_of("octahedron")
        >>> general.holds(simple), simple.holds(general)
        (True, False)
        """
        if not isinstance(other, Family):
            return False
        if (other.normals @ self.normals.T).max(axis=1).min() < 1.0 - _SAME:
            return False  # of a facet that this one has not
        solids = (other._solid(sizes) for sizes in other.shapes())
        return all(is_member(solid, self.normals, self.depths) for solid in solids)

    def particle(self, sizes_nm: Float, material: str = "Au") -> Polyhedron:
        """A member as a particle."""
        return Polyhedron(solid=self._solid(sizes_nm), material=material)

    @cached_property
    def _shapes(self) -> Float:
        found: list[Float] = []
        seen: set[tuple[float, ...]] = set()
        for sizes in _grid(self.depths):
            if tuple(sizes.tolist()) in seen:
                continue
            seen |= {tuple(sizes[order].tolist()) for _, order in self.relabellings}
            solid = solid_of(self.normals, self.depths @ sizes)
            if solid is not None:
                found.append(sizes / np.cbrt(solid.volume))
        return np.array(found)

    def shapes(self) -> Float:
        """Sizes (m, P) of members of volume 1 nm³ that stand for all, to start fits from."""
        return self._shapes


def _grid(depths: Float) -> Float:
    """Sizes (m, P) that stand for all: each parameter large or small, or cuts shallow or deep."""
    n = depths.shape[1]
    if n == 1:
        return np.ones((1, 1))
    if n > _MOST_FREE:
        cuts = depths.sum(axis=0) < 0
        return np.array([np.where(cuts, share, 1.0) for share in _CUTS])
    steps = np.exp(np.linspace(-1.0, 1.0, _GRID))
    every = np.stack(np.meshgrid(*[steps] * n, indexing="ij"), axis=-1).reshape(-1, n)
    every = every[np.isclose(every.max(axis=1), steps[-1])]
    return np.asarray(every[:_MOST_SHAPES])


def _samples(n: int) -> Float:
    """Sizes (m, n) among which every form must show: all alike, then at random."""
    rng = np.random.default_rng(0)
    return np.concatenate([np.ones((1, n)), np.exp(rng.uniform(-1.0, 1.0, (_TRIED - 1, n)))])
