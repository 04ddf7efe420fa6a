"""Questions about the deformed corners of a cuboid: a class for every choice of them.

A single image shows a cuboid's axes up to their signs, so every question here has the same answer
for a choice of corners and for its images under the eight choices of signs.
"""

from __future__ import annotations

from functools import cache
from itertools import permutations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stemfast.symmetry.corner_masks import CuboidSymmetry, cuboid_symmetry

__all__ = ["CornerQuestion", "any_order", "axis_orders", "classes", "log_prior"]

#: Named like the recipes whose labels they are.
CornerQuestion = Literal["deformed", "count", "pairs-cube", "pairs-cuboid", "corners"]

_MASKS, _CORNERS, _AXES = 256, 8, 3
_COUNT = np.array([mask.bit_count() for mask in range(_MASKS)])


@cache
def classes(question: CornerQuestion) -> NDArray[np.int64]:
    """(256,) class of each choice of corners, −1 for one that is not asked about.

    Corner c of the cuboid, whose axes are sorted by the length of its edges, longest first, is bit
    c of the choice.

    Examples
    --------
    >>> classes("count")[[0, 1, 3, 255]]
    array([0, 1, 2, 8])
    """
    if question == "deformed":
        return (_COUNT > 0).astype(np.int64)
    if question == "count":
        return _COUNT.astype(np.int64)
    edges = (1.0, 1.0, 1.0) if question == "pairs-cube" else (3.0, 2.0, 1.0)
    own = cuboid_symmetry(edges, tolerance_nm=0.0)
    found = own.class_index(np.arange(_MASKS), mirror=True).astype(np.int64)
    return found if question == "corners" else _only_pairs(own, found)


def _only_pairs(own: CuboidSymmetry, found: NDArray[np.int64]) -> NDArray[np.int64]:
    """The classes of two corners, numbered anew in the same order."""
    pairs = np.flatnonzero([mask.bit_count() == 2 for mask in own.classes_up_to_mirror.tolist()])
    number = np.full(len(own.classes_up_to_mirror), -1)
    number[pairs] = np.arange(len(pairs))
    return np.asarray(number[found])


@cache
def log_prior(question: CornerQuestion) -> NDArray[np.float64]:
    """(256, C) logarithm of the chance of each choice of corners within each class.

    In a class every number of corners that it has is alike, and so is every choice of that many;
    -inf for what is not in a class.
    """
    own = classes(question)
    table = np.full((_MASKS, own.max() + 1), -np.inf)
    for column in range(table.shape[1]):
        inside = own == column
        size = np.bincount(_COUNT[inside], minlength=_CORNERS + 1)
        table[inside, column] = -np.log(size[_COUNT[inside]] * np.count_nonzero(size))
    return table


@cache
def axis_orders() -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The six orders of three axes, and the corner (6, 8) that each corner was before.

    Axis i of an order was axis ``orders[k, i]`` before.
    """
    orders = np.array(list(permutations(range(_AXES))), np.intp)
    corner = np.arange(_CORNERS)
    bits = corner[:, None] >> np.arange(_AXES) & 1
    return orders, np.stack([(bits << order).sum(axis=1) for order in orders])


@cache
def any_order(question: CornerQuestion) -> bool:
    """True if the answer does not depend on the order of the axes.

    Examples
    --------
    >>> any_order("count"), any_order("pairs-cuboid")
    (True, False)
    """
    own = classes(question)
    mask = np.arange(_MASKS)
    return all(
        np.array_equal(own, own[((mask[:, None] >> before & 1) << np.arange(_CORNERS)).sum(axis=1)])
        for before in axis_orders()[1]
    )
