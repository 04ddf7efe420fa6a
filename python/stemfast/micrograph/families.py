"""Families of shapes: what is certain where one projection does not tell which solid it is of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["FAMILIES", "families_of", "holds", "names_of"]

_ROUND = ("sphere", "ellipsoid", "irregular")
_FACETED = ("octahedron", "truncated octahedron", "decahedron", "icosahedron")
#: Families and the shapes in them, then wider ones. A shape may stand alone, without a family.
FAMILIES: dict[str, tuple[str, ...]] = {
    "round": _ROUND,
    "faceted": _FACETED,
    "triangular": ("tetrahedron", "triangular plate"),
    "with a core or void": ("core-shell", "hollow"),
    "elongated or flat": ("rod", "hexagonal plate"),
    "compact": _ROUND + _FACETED,
}


def families_of(class_names: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    """Families of which a network has at least two shapes, as masks over its classes.

    Examples
    --------
    >>> families_of(["sphere", "cuboid", "ellipsoid"])["round"].tolist()
    [True, False, True]
    """
    found: dict[str, NDArray[np.bool_]] = {}
    for name, shapes in FAMILIES.items():
        mask = np.isin(np.array(class_names), shapes)
        if mask.sum() > 1 and not any((mask == other).all() for other in found.values()):
            found[name] = mask
    return found


def names_of(
    class_names: Sequence[str], chances: NDArray[np.float64], least: float
) -> list[tuple[str, float]]:
    """Name and probability of each particle: its shape, else its family, else its likeliest shape.

    Parameters
    ----------
    class_names : sequence of str, length k
    chances : (n, k) array
        Probabilities.
    least : float
        Smallest probability of a shape that is named; below it the first family that reaches it is,
        and where none does, the shape's name and probability come all the same.

    Examples
    --------
    >>> names_of(["sphere", "ellipsoid", "cuboid"], np.array([[0.5, 0.4, 0.1], [0, 0, 1.0]]), 0.8)
    [('round', 0.9), ('cuboid', 1.0)]
    """
    families = families_of(class_names)
    found = []
    for row in np.asarray(chances, np.float64):
        best = int(row.argmax())
        name, chance = class_names[best], float(row[best])
        if chance < least:
            for family, mask in families.items():
                together = min(float(row[mask].sum()), 1.0)
                if together >= least:
                    name, chance = family, round(together, 12)
                    break
        found.append((name, chance))
    return found


def holds(name: str, shape: str) -> bool:
    """True if a name is that of a shape or of a family that the shape belongs to.

    Examples
    --------
    >>> holds("round", "sphere"), holds("round", "cuboid"), holds("rod", "rod")
    (True, False, True)
    """
    return name == shape or shape in FAMILIES.get(name, ())
