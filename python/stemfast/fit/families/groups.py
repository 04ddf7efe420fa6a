"""Point groups as matrices, by their symbols, and as a family's facets have them.

Symbols are Schoenflies', or the crystallographer's of `stemfast.Wulff`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import cache
from itertools import combinations
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["GROUPS", "is_closed", "point_group", "relabellings"]

Float: TypeAlias = NDArray[np.float64]

_SAME = 1e-6
_LEAST_VOLUME = 1e-2  # of the three normals that others are told by
_ALIASES = {
    "m-3m": "Oh",
    "-43m": "Td",
    "432": "O",
    "m-3": "Th",
    "23": "T",
    "4/mmm": "D4h",
    "mmm": "D2h",
    "6/mmm": "D6h",
    "1": "C1",
    "-1": "Ci",
}
#: Names of point groups; n is a number from 1 to 12.
GROUPS = ("Cn", "Cnv", "Cnh", "Dn", "Dnh", "Ci", "T", "Th", "Td", "O", "Oh", "I", "Ih", *_ALIASES)
_MOST = 120


@cache
def point_group(name: str) -> Float:
    """Elements (G, 3, 3) of a point group, its highest axis along z.

    The axes of the cubic groups are x, y and z; those of I and Ih have two-fold axes there. The
    two-fold axes of Dn include x, the mirrors of Cnv and Dnh include that of y.

    Parameters
    ----------
    name : str
        Such as "Oh", "Td", "D5h", "C3v", or "m-3m" and the other groups of `stemfast.Wulff`.

    Raises
    ------
    ValueError
        If there is no such group.

    Examples
    --------
    >>> [len(point_group(name)) for name in ("Oh", "-43m", "D5h", "Ih", "C3v", "C1")]
    [48, 24, 20, 120, 6, 1]
    """
    generators = _generators(_ALIASES.get(name, name))
    if generators is None:
        raise ValueError(f"symmetry is {name!r}, expected one of {', '.join(GROUPS)}")
    found = {_key(np.eye(3)): np.eye(3)}
    fresh = [np.eye(3)]
    while fresh:
        products = [g @ element for element in fresh for g in generators]
        fresh = []
        for product in products:
            if _key(product) not in found:
                found[_key(product)] = product
                fresh.append(product)
        assert len(found) <= _MOST
    group = np.array(list(found.values()))
    group.flags.writeable = False
    return group


def _key(matrix: Float) -> tuple[float, ...]:
    return tuple((np.round(matrix, 5) + 0.0).ravel().tolist())


def is_closed(group: Float) -> bool:
    """True if the product of any two elements (G, 3, 3) is one of them.

    Examples
    --------
    >>> is_closed(point_group("D3")), is_closed(point_group("D3")[:4])
    (True, False)
    """
    products = np.einsum("aij,bjk->abik", group, group).reshape(-1, 9)
    apart = np.abs(products[:, None, :] - group.reshape(1, -1, 9)).max(axis=2)
    return bool((apart.min(axis=1) < _SAME).all())


def _about_z(angle: float) -> Float:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def _generators(name: str) -> list[Float] | None:
    half_x, half_z = np.diag([1.0, -1.0, -1.0]), np.diag([-1.0, -1.0, 1.0])
    third = np.roll(np.eye(3), 1, axis=0)  # about (1, 1, 1)
    mirror_xy = np.eye(3)[[1, 0, 2]]
    golden = (1.0 + math.sqrt(5.0)) / 2.0
    # A fifth of a turn about (0, 1, φ), a corner of the icosahedron.
    axis = np.array([0.0, 1.0, golden]) / math.hypot(1.0, golden)
    cross = np.array([[0.0, -axis[2], axis[1]], [axis[2], 0.0, -axis[0]], [-axis[1], axis[0], 0.0]])
    angle = 2.0 * math.pi / 5.0
    fifth = np.eye(3) + math.sin(angle) * cross + (1.0 - math.cos(angle)) * cross @ cross
    special = {
        "Ci": [-np.eye(3)],
        "T": [half_z, third],
        "Th": [half_z, third, -np.eye(3)],
        "Td": [half_z, third, mirror_xy],
        "O": [half_z, third, -mirror_xy],
        "Oh": [half_z, third, mirror_xy, -np.eye(3)],
        "I": [half_z, third, fifth],
        "Ih": [half_z, third, fifth, -np.eye(3)],
    }
    if name in special:
        return special[name]
    match = re.fullmatch(r"([CD])(\d+)([vh]?)", name)
    if match is None or not 1 <= int(match[2]) <= 12 or (match[1] == "D" and match[3] == "v"):
        return None
    found = [_about_z(2.0 * math.pi / int(match[2]))]
    if match[1] == "D":
        found.append(half_x)
    if match[3] == "v":
        found.append(np.diag([1.0, -1.0, 1.0]))
    if match[3] == "h":
        found.append(np.diag([1.0, 1.0, -1.0]))
    return found


def relabellings(
    normals: Float, depths: Float, types: Sequence[str]
) -> tuple[tuple[Float, NDArray[np.intp]], ...]:
    """Rotations and reflections that make members of a family of its members.

    Parameters
    ----------
    normals, depths : (F, 3), (F, P) float64
        Unit normals, and distances of the facets for each parameter.
    types : sequence of F str

    Returns
    -------
    tuple of ((3, 3) float64, (P,) int64)
        Each takes the member of sizes p to that of ``p[order]``. The identity comes first.

    Examples
    --------
    >>> faces, each = np.concatenate([np.eye(3), -np.eye(3)]), np.tile(np.eye(3), (2, 1))
    >>> len(relabellings(faces, each, ["100"] * 6))
    48
    >>> orders = [order.tolist() for _, order in relabellings(faces, each, ["100"] * 6)]
    >>> orders.count([0, 1, 2])
    8
    """
    kinds = _kinds(depths, types)
    basis = _basis(normals, kinds)
    inverse = np.linalg.inv(normals[basis].T)
    gram = normals @ normals.T
    choices = [np.flatnonzero(kinds == kinds[k]) for k in basis]
    found = [(np.eye(3), np.arange(depths.shape[1]))]
    for a in choices[0].tolist():
        for b in choices[1].tolist():
            if abs(gram[a, b] - gram[basis[0], basis[1]]) > _SAME:
                continue
            near = np.abs(gram[a, choices[2]] - gram[basis[0], basis[2]]) < _SAME
            near &= np.abs(gram[b, choices[2]] - gram[basis[1], basis[2]]) < _SAME
            for c in choices[2][near].tolist():
                matrix = normals[[a, b, c]].T @ inverse
                if np.abs(matrix - np.eye(3)).max() < _SAME:
                    continue
                order = _order(matrix, normals, depths, kinds)
                if order is not None:
                    found.append((matrix, order))
    return tuple(found)


def _kinds(depths: Float, types: Sequence[str]) -> NDArray[np.intp]:
    """Number of a facet's kind: its type, and its distances in whatever order."""
    rows = [(kind, *np.round(np.sort(row), 6).tolist()) for kind, row in
            zip(types, depths, strict=True)]  # fmt: skip
    names = {row: k for k, row in enumerate(dict.fromkeys(rows))}
    return np.array([names[row] for row in rows])


def _basis(normals: Float, kinds: NDArray[np.intp]) -> list[int]:
    """Three normals that span space, of kinds as rare as can be."""
    count = np.bincount(kinds)[kinds]
    ranked = np.argsort(count, kind="stable").tolist()
    for three in sorted(combinations(range(min(len(ranked), 12)), 3), key=sum):
        own = [ranked[k] for k in three]
        if abs(np.linalg.det(normals[own])) > _LEAST_VOLUME:
            return own
    for three in combinations(ranked, 3):
        if abs(np.linalg.det(normals[list(three)])) > _LEAST_VOLUME:
            return list(three)
    raise ValueError("normals: got facets of one plane, expected some that enclose a volume")


def _order(
    matrix: Float, normals: Float, depths: Float, kinds: NDArray[np.intp]
) -> NDArray[np.intp] | None:
    """Order of the parameters after a rotation or reflection; None if it is no symmetry."""
    if np.abs(matrix @ matrix.T - np.eye(3)).max() > _SAME:
        return None
    images = normals @ matrix.T
    there = (images @ normals.T).argmax(axis=1)
    if np.abs(normals[there] - images).max() > _SAME or (kinds[there] != kinds).any():
        return None
    # Facet f goes to facet there[f], whose new distance is the old one of f.
    wanted = np.empty_like(depths)
    wanted[there] = depths  # by old parameters
    order = []
    for column in depths.T:  # by new ones
        same = np.flatnonzero(np.abs(wanted.T - column).max(axis=1) < _SAME)
        match = [k for k in same.tolist() if k not in order]
        if not match:
            return None
        order.append(match[0])
    return np.array(order)
