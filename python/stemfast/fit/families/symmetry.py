"""Symmetry of a family, found from its facets."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["relabellings"]

Float: TypeAlias = NDArray[np.float64]

_SAME = 1e-6
_LEAST_VOLUME = 1e-2  # of the three normals that others are told by


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
