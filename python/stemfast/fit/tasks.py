"""What a task asks of the corners: the label of each mask, and how likely it is beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.fit.rivals import MASKS, count_prior
from stemfast.symmetry import corner_permutation, cuboid_symmetry

if TYPE_CHECKING:
    from stemfast.recipes import Recipe

__all__ = ["CORNER_TASKS", "TASKS", "Question", "check_recipe", "question"]

Float: TypeAlias = NDArray[np.float64]
Int: TypeAlias = NDArray[np.int64]

#: Tasks of corners, and all that the observer reads.
CORNER_TASKS = ("deformed", "count", "pairs-cube", "pairs-cuboid", "corners")
TASKS = ("shapes", *CORNER_TASKS)
_COUNTS = np.array([mask.bit_count() for mask in range(MASKS)])


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked of one image.

    Attributes
    ----------
    class_of_mask : (256,) int64
        Label of each mask, -1 for one that cannot be.
    log_prior : (256,) float64
        Logarithm of its probability before the image is seen.
    elsewhere : bool
        Whether a corner elsewhere can be another answer.
    equal_edges : bool
        Whether the particle is known to be a cube.
    """

    class_of_mask: Int
    log_prior: Float
    elsewhere: bool
    equal_edges: bool


def check_recipe(recipe: Recipe) -> None:
    """Refuse what the observer has no model for.

    Raises
    ------
    ValueError
        For tasks other than `TASKS`, displaced corners, particles that spin, several views.

    Examples
    --------
    >>> from stemfast import recipes
    >>> check_recipe(recipes.get("handedness"))
    Traceback (most recent call last):
        ...
    ValueError: task is 'handedness': the observer reads shapes, deformed, count, pairs-cube,
    pairs-cuboid, corners
    """
    if recipe.name not in TASKS:
        raise ValueError(f"task is {recipe.name!r}: the observer reads {', '.join(TASKS)}")
    if getattr(recipe, "spin", False):
        raise ValueError("the observer reads particles at rest, expected no spin")
    particle = recipe.particle  # type: ignore[attr-defined]
    if recipe.name in CORNER_TASKS and particle.displaced_share > 0:
        raise ValueError(
            f"particle.displaced_share is {particle.displaced_share:g}: the observer fits cut "
            "corners, expected --set particle.displaced_share=0"
        )


def question(task: str, edges_nm: ArrayLike) -> Question:
    """What a task asks of a cuboid with these edges.

    Parameters
    ----------
    task : str
        One of `CORNER_TASKS`.
    edges_nm : (3,) array_like
        Where edges matter to a label, x stands for the longest of them, z for the shortest.

    Raises
    ------
    ValueError
        If there is no such task.

    Examples
    --------
    >>> asked = question("pairs-cuboid", (10.0, 12.0, 14.0))
    >>> np.bincount(asked.class_of_mask[asked.class_of_mask >= 0]).tolist()
    [4, 4, 4, 4, 4, 4, 4]
    """
    if task not in CORNER_TASKS:
        raise ValueError(f"task is {task!r}, expected one of {', '.join(CORNER_TASKS)}")
    if task == "count":
        return Question(_COUNTS.astype(np.int64), count_prior(), False, False)
    if task == "deformed":
        # One in two is whole; in the others each count of 1 … 8 is as likely.
        prior = count_prior() + np.where(_COUNTS == 0, np.log(9 / 2), np.log(9 / 16))
        return Question((_COUNTS > 0).astype(np.int64), prior, False, False)
    classes = _orbits(task, np.asarray(edges_nm, np.float64))
    size = np.bincount(classes[classes >= 0])
    log_prior = np.full(MASKS, -np.inf)
    possible = classes >= 0
    log_prior[possible] = -np.log(len(size) * size[classes[possible]])
    return Question(classes, log_prior, True, task == "pairs-cube")


def _orbits(task: str, edges: Float) -> Int:
    if task == "pairs-cube":
        symmetry = cuboid_symmetry((1.0, 1.0, 1.0), tolerance_nm=0.0)
        number = symmetry.class_table.astype(np.int64)
    else:
        symmetry = cuboid_symmetry((3.0, 2.0, 1.0), tolerance_nm=0.0)
        # Lay the longest edge along x and the shortest along z.
        matrix = np.zeros((3, 3), np.int8)
        matrix[np.arange(3), np.argsort(-edges, kind="stable")] = 1
        target = 1 << corner_permutation(matrix).astype(np.int64)
        masks = ((np.arange(MASKS)[:, None] >> np.arange(8) & 1) * target).sum(axis=1)
        number = symmetry.class_table_up_to_mirror[masks].astype(np.int64)
    if task == "corners":
        return number
    pairs = np.unique(number[_COUNTS == 2])
    found = np.full(MASKS, -1, np.int64)
    found[_COUNTS == 2] = np.searchsorted(pairs, number[_COUNTS == 2])
    return found
