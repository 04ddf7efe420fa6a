"""Questions of the tasks: the label of each mask of corners and its prior probability."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.fit.cuboid.shape import MASKS
from stemfast.symmetry import corner_permutation
from stemfast.symmetry.corner_questions import CornerQuestion, classes, log_prior

if TYPE_CHECKING:
    from stemfast.recipes import Recipe

__all__ = ["CORNER_TASKS", "TASKS", "Question", "check_recipe", "question"]

Float: TypeAlias = NDArray[np.float64]
Int: TypeAlias = NDArray[np.int64]

#: Tasks of corners, and all that the observer reads.
CORNER_TASKS: tuple[CornerQuestion, ...] = get_args(CornerQuestion)
TASKS = ("shapes", *CORNER_TASKS)


@dataclass(frozen=True, eq=False)
class Question:
    """Question about one image.

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
    """Question of a task about a cuboid with these edges.

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
    >>> pairs = question("pairs-cuboid", (10.0, 12.0, 14.0))
    >>> np.bincount(pairs.class_of_mask[pairs.class_of_mask >= 0]).tolist()
    [4, 4, 4, 4, 4, 4, 4]
    """
    if task not in CORNER_TASKS:
        raise ValueError(f"task is {task!r}, expected one of {', '.join(CORNER_TASKS)}")
    laid = _laid(tuple(np.argsort(-np.asarray(edges_nm, np.float64), kind="stable").tolist()))
    own = classes(task)[laid]
    chance = log_prior(task)[laid]
    return Question(
        class_of_mask=own,
        log_prior=chance.max(axis=1) - math.log(chance.shape[1]),
        elsewhere=task not in ("count", "deformed"),
        equal_edges=task == "pairs-cube",
    )


@cache
def _laid(order: tuple[int, ...]) -> Int:
    """(256,) each mask of a cuboid once its longest edge lies along x and its shortest along z."""
    matrix = np.zeros((3, 3), np.int8)
    matrix[np.arange(3), order] = 1
    target = 1 << corner_permutation(matrix).astype(np.int64)
    return np.asarray(((np.arange(MASKS)[:, None] >> np.arange(8) & 1) * target).sum(axis=1))
