"""Wulff shapes: the form of least surface energy at a given volume."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations, product
from typing import TypeAlias

import numpy as np

from stemfast.arguments import length_nm, positive_number
from stemfast.particles.base import Faceted
from stemfast.particles.geometry.clipping import CutError, intersect_halfspaces
from stemfast.particles.geometry.solid import FloatArray, Solid, triangle_areas

__all__ = ["Wulff"]

Miller: TypeAlias = tuple[int, int, int]

_SAME = 1e-9
_EVEN = ((0, 1, 2), (1, 2, 0), (2, 0, 1))
#: Point groups: permutations of the axes, and whether signs may change freely, only in pairs, or
#: so that no mirror is left.
_GROUPS: dict[str, tuple[tuple[tuple[int, ...], ...], str]] = {
    "m-3m": (tuple(permutations(range(3))), "all"),
    "-43m": (tuple(permutations(range(3))), "pairs"),
    "432": (tuple(permutations(range(3))), "proper"),
    "m-3": (_EVEN, "all"),
    "23": (_EVEN, "pairs"),
    "4/mmm": (((0, 1, 2), (1, 0, 2)), "all"),
    "mmm": (((0, 1, 2),), "all"),
}


@dataclass(frozen=True, repr=False)
class Wulff(Faceted):
    """The equilibrium form of a crystal: a face's distance is proportional to its surface energy.

    G. Wulff, Z. Kristallogr. 34 (1901) 449. Of each face all equivalents under the point group
    count; faces of too high an energy do not appear.

    Parameters
    ----------
    energies : mapping of str or (int, int, int) to float
        Surface energy of each form by its Miller indices, such as ``{"100": 1.0, "111": 0.87}``, in
        any one unit: only their ratios count.
    diameter : float
        Diameter of the sphere of the same volume [nm].
    symmetry : str
        Point group: "m-3m", "-43m", "432", "m-3", "23", "4/mmm" or "mmm".
    lattice : (float, float, float)
        Lattice constants along x, y, z, of which only the ratios count; equal ones for the cubic
        groups, equal along x and y for "4/mmm".
    material : str or Material
        What it is made of.

    Raises
    ------
    TypeError, ValueError
        If the indices cannot be read, an energy is not a positive number, there is no such group,
        the lattice does not have its symmetry, or the faces do not close.

    Examples
    --------
    >>> gold = Wulff({"100": 1.0, "111": 3**0.5 / 2}, diameter=10)
    >>> len(gold.vertices), gold.symmetry_group, round(gold.volume, 3)
    (24, 'Oh', 523.599)
    >>> {form: round(share, 3) for form, share in gold.facet_shares.items()}
    {'100': 0.224, '111': 0.776}
    """

    energies: Mapping[str | Miller, float] | tuple[tuple[str, float], ...]
    diameter: float
    symmetry: str = "m-3m"
    lattice: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        given = self.energies
        if not isinstance(given, Mapping | tuple) or not given:
            raise TypeError(
                f"energies must be a mapping of Miller indices to energies, got {given!r}"
            )
        pairs = given.items() if isinstance(given, Mapping) else given
        own: dict[str, float] = {}
        for form, energy in pairs:
            name = _named(_indices(form))
            if name in own:
                raise ValueError(f"energies names the form {name} twice")
            own[name] = positive_number(f"energies[{name!r}]", energy)
        if self.symmetry not in _GROUPS:
            raise ValueError(f"symmetry is {self.symmetry!r}, expected one of {', '.join(_GROUPS)}")
        axes = _axes(self.lattice)
        free = {"mmm": (), "4/mmm": ((0, 1),)}.get(self.symmetry, ((0, 1), (1, 2)))
        if any(abs(axes[i] - axes[j]) > _SAME * axes[i] for i, j in free):
            raise ValueError(
                f"lattice is {self.lattice}, expected the symmetry of {self.symmetry!r}"
            )
        object.__setattr__(self, "energies", tuple(own.items()))
        object.__setattr__(self, "diameter", length_nm("diameter", self.diameter))
        object.__setattr__(self, "lattice", axes)
        _ = self._solid  # faces that do not close are refused at once

    @property
    def _forms(self) -> tuple[tuple[str, float], ...]:
        assert isinstance(self.energies, tuple)
        return self.energies

    def _build(self) -> Solid:
        planes = []
        for form, energy in self._forms:
            normals = _normals(_indices(form), self.symmetry, self.lattice)
            planes.append(np.column_stack([normals, np.full(len(normals), energy)]))
        every = np.concatenate(planes)
        scale = float(every[:, 3].min())  # the core's tolerances are relative, numbers of order 1
        every[:, 3] /= scale
        try:
            solid = intersect_halfspaces(every)
        except (CutError, ValueError) as error:
            raise ValueError(
                f"energies: the faces {', '.join(form for form, _ in self._forms)} do not close "
                f"under {self.symmetry}"
            ) from error
        every[:, 3] *= self.diameter * float(np.cbrt(np.pi / 6.0 / solid.volume))
        return intersect_halfspaces(every)

    @cached_property
    def facet_areas(self) -> dict[str, float]:
        """Area of each form [nm^2]; 0 for one that does not appear."""
        solid = self._solid
        areas = []
        for face in solid.faces:
            fan = np.array([(face[0], face[k], face[k + 1]) for k in range(1, len(face) - 1)])
            areas.append(float(triangle_areas(solid.vertices, fan).sum()))
        found: dict[str, float] = {}
        for form, _ in self._forms:
            normals = _normals(_indices(form), self.symmetry, self.lattice)
            near = solid.face_planes[:, :3] @ normals.T > 1.0 - 1e-9
            found[form] = float(np.array(areas)[near.any(axis=1)].sum())
        return found

    @property
    def facet_shares(self) -> dict[str, float]:
        """Share of the surface that each form has."""
        return {form: area / self.surface_area for form, area in self.facet_areas.items()}

    def _description(self) -> str:
        said = ", ".join(f"{form!r}: {energy:.6g}" for form, energy in self._forms)
        lattice = "" if len(set(self.lattice)) == 1 else f", lattice={self.lattice}"
        return f"{{{said}}}, diameter={self.diameter:.6g} nm, symmetry={self.symmetry!r}{lattice}"


def _indices(form: object) -> Miller:
    """Miller indices from ``"111"``, ``"1 1 -2"`` or (1, 1, -2)."""
    if isinstance(form, str):
        parts: Sequence[object] = re.findall(
            r"-?\d+" if re.search(r"[ ,]", form) else r"-?\d", form
        )
        if "".join(map(str, parts)) != re.sub(r"[ ,]+", "", form):
            parts = ()
    else:
        parts = form if isinstance(form, tuple) else ()
    try:
        indices = tuple(int(str(part)) for part in parts)
    except ValueError:
        indices = ()
    if len(indices) != 3 or not any(indices) or max(map(abs, indices)) > 99:
        raise ValueError(
            f"energies: {form!r} is no form, expected three Miller indices such as '111' or "
            "(1, 1, -2)"
        )
    return indices[0], indices[1], indices[2]


def _named(indices: Miller) -> str:
    return (" " if any(abs(i) > 9 for i in indices) else "").join(map(str, indices))


def _axes(lattice: object) -> tuple[float, float, float]:
    if not isinstance(lattice, Sequence) or isinstance(lattice, str) or len(lattice) != 3:
        raise ValueError(f"lattice is {lattice!r}, expected three lattice constants")
    a, b, c = (positive_number(f"lattice[{k}]", value) for k, value in enumerate(lattice))
    return a, b, c


def _normals(form: Miller, symmetry: str, lattice: tuple[float, float, float]) -> FloatArray:
    """(n, 3) unit normals of a form: its equivalents under a point group, each once."""
    orders, signs = _GROUPS[symmetry]
    found = set()
    for order in orders:
        odd = order not in _EVEN
        for flips in product((1, -1), repeat=3):
            mirrored = (flips[0] * flips[1] * flips[2] < 0) != odd
            if (signs == "pairs" and np.prod(flips) < 0) or (signs == "proper" and mirrored):
                continue
            found.add(tuple(flip * form[axis] for flip, axis in zip(flips, order, strict=True)))
    normals = np.array(sorted(found), np.float64) / np.array(lattice)
    unit: FloatArray = normals / np.sqrt((normals**2).sum(axis=1, keepdims=True))
    return unit
