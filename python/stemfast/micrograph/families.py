"""Families of shapes: what is certain where one projection does not tell which solid it is of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from stemfast.micrograph.find import FoundParticle

__all__ = ["COARSE", "FAMILIES", "coarse_shapes", "families_of", "holds", "names_of"]

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
_INSIDES = FAMILIES["with a core or void"]
#: Coarse shapes of outlines, and the shapes that have them; those of all others are "other".
COARSE: dict[str, tuple[str, ...]] = {
    "round": _ROUND,
    "square": ("cuboid",),
    "rod": ("rod",),
    "plate": ("hexagonal plate", "triangular plate"),
}
#: Share of the smallest rectangle around them that pixels fill: half way between those of a disc,
#: 0.79, and of a square of 24 px whose corners are rounded by a third of its side, 0.85.
_SQUARE = 0.82
_ROD = 1.7  # length over width of that rectangle
_TELLS_PX = 113  # pixels, those of a disc 12 px wide: fewer do not tell it from a square


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


def coarse_shapes(
    class_names: Sequence[str],
    chances: NDArray[np.float64],
    particles: Sequence[FoundParticle],
) -> list[tuple[str, float]]:
    """Coarse shape of each particle's outline, and its probability.

    Probabilities of shapes with the same outline are summed. A core or a void says nothing of the
    outline, so there the particle's pixels decide between round, square and rod; where they are too
    few, the probabilities of the other shapes do.

    Parameters
    ----------
    class_names : sequence of str, length k
    chances : (n, k) array
        Probabilities.
    particles : sequence of FoundParticle, length n

    Returns
    -------
    list of (str, float)
        Names of `COARSE`, or "other".

    Examples
    --------
    >>> from stemfast.micrograph import FoundParticle
    >>> labels = np.zeros((20, 20), np.int32)
    >>> labels[4:18, 5:18] = 1
    >>> box = FoundParticle(1, (4, 5, 18, 18), 0.5, False, labels)
    >>> coarse_shapes(["sphere", "cuboid", "hollow"], np.array([[0.2, 0.3, 0.5]]), [box])
    [('square', 0.8)]
    """
    of = {shape: name for name, shapes in COARSE.items() for shape in shapes}
    inside = np.isin(np.array(class_names), _INSIDES)
    outsides = [of.get(name, "other") for name in np.array(class_names)[~inside].tolist()]
    found = []
    for row, particle in zip(np.asarray(chances, np.float64), particles, strict=True):
        sums = dict.fromkeys((*COARSE, "other"), 0.0)
        for name, chance in zip(outsides, row[~inside].tolist(), strict=True):
            sums[name] += chance
        within = float(row[inside].sum())
        if within > 0.0 and (particle.area_px >= _TELLS_PX or within == 1.0):
            sums[_outline(particle.mask)] += within
        best = max(sums, key=sums.__getitem__)
        found.append((best, min(round(sums[best] / sum(sums.values()), 12), 1.0)))
    return found


def _outline(mask: NDArray[np.bool_]) -> str:
    """Round, square or rod, by the smallest rectangle around a particle's pixels.

    A side of it lies on the convex hull (H. Freeman, R. Shapira, Commun. ACM 18, 409, 1975).
    """
    from scipy.spatial import ConvexHull

    pixels = np.argwhere(mask).astype(np.float64)
    hull = pixels[ConvexHull(pixels).vertices]
    side = np.roll(hull, -1, axis=0) - hull
    along = side / np.linalg.norm(side, axis=1, keepdims=True)
    across = np.stack([along[:, 1], -along[:, 0]], axis=1)
    # From the middles of pixels to their far sides it is another pixel.
    length, width = np.ptp(hull @ along.T, axis=0) + 1.0, np.ptp(hull @ across.T, axis=0) + 1.0
    k = int((length * width).argmin())
    if max(length[k], width[k]) > _ROD * min(length[k], width[k]):
        return "rod"
    return "square" if len(pixels) > _SQUARE * length[k] * width[k] else "round"


def holds(name: str, shape: str) -> bool:
    """True if a name is that of a shape or of a family that the shape belongs to.

    Examples
    --------
    >>> holds("round", "sphere"), holds("round", "cuboid"), holds("rod", "rod")
    (True, False, True)
    """
    return name == shape or shape in FAMILIES.get(name, ())
