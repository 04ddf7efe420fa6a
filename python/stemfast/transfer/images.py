"""Labelled images in three parts: to fit, to choose and calibrate, and to judge once at the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemfast.dataset import splits
from stemfast.recipes import Recipe

__all__ = ["Labelled", "SplitImages", "from_recipe"]

#: Share of the labelled images that choose and calibrate instead of fitting.
VALIDATION_SHARE = 0.2


@dataclass(frozen=True, eq=False, repr=False)
class Labelled:
    """Images (N, H, W) and their classes (N,) int64."""

    images: NDArray[Any]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        """Shape and type of the images."""
        return f"Labelled(images {self.images.shape} {self.images.dtype})"


@dataclass(frozen=True, eq=False, repr=False)
class SplitImages:
    """Labelled images of one source.

    Attributes
    ----------
    train, validation, test : Labelled
        Of one image size and type, with every class in each.
    class_names : tuple of str
        Meaning of the labels.
    source : dict
        Where they come from, of plain types.
    notes : tuple of str
        What to know about them.
    """

    train: Labelled
    validation: Labelled
    test: Labelled
    class_names: tuple[str, ...]
    source: dict[str, Any]
    notes: tuple[str, ...] = field(default=())

    @property
    def image_shape(self) -> tuple[int, int]:
        """Rows and columns of every image [px]."""
        return (int(self.train.images.shape[1]), int(self.train.images.shape[2]))

    def __repr__(self) -> str:
        """The figures on a few lines, as in :meth:`__str__`."""
        return str(self)

    def __str__(self) -> str:
        counts = (
            f"{len(self.train)} train, {len(self.validation)} validation, {len(self.test)} test"
        )
        rows, columns = self.image_shape
        return f"{counts} images of {rows} x {columns} px in {len(self.class_names)} classes"


def from_recipe(
    recipe: Recipe, *, per_class: int = 1000, test_images: int = 2000, seed: int = 0
) -> SplitImages:
    """Simulate the labelled images of a recipe.

    Parameters
    ----------
    recipe : Recipe
        Of single images.
    per_class : int
        Labelled images of each class that a method may use: four of five to fit, one to choose
        and calibrate.
    test_images : int
        Images to judge by, rounded up to as many of each class. They are other scenes of the seed.
    seed : int
        Seed of everything that is drawn.

    Returns
    -------
    SplitImages

    Raises
    ------
    ValueError
        If a number is too small, or the recipe gives several views of a particle.

    Examples
    --------
    >>> from stemfast import recipes
    >>> print(from_recipe(recipes.get("deformed"), per_class=5, test_images=3))
    8 train, 2 validation, 4 test images of 128 x 128 px in 2 classes
    """
    if per_class < 5:
        raise ValueError(f"per_class is {per_class}, expected at least 5")
    if test_images < 1:
        raise ValueError(f"test_images is {test_images}, expected at least 1")
    if len(recipe.image_shape) != 2:
        raise ValueError(
            f"recipe {recipe.name!r} gives images of shape {recipe.image_shape}, expected one view "
            "of a particle (rows, columns)"
        )
    classes = len(recipe.class_names)
    held_out = classes * round(VALIDATION_SHARE * per_class)
    counts = {
        "train": classes * per_class - held_out,
        "validation": held_out,
        "test": classes * -(-test_images // classes),
    }
    ranges = splits.ranges(counts)
    source = {
        "recipe": recipe.name,
        "settings": recipe.model_dump(mode="json"),
        "seed": seed,
        "scenes": {name: list(limits) for name, limits in ranges.items()},
    }
    train, validation, test = (_simulated(recipe, seed, *limits) for limits in ranges.values())
    return SplitImages(train, validation, test, tuple(recipe.class_names), source)


def _simulated(recipe: Recipe, seed: int, start: int, stop: int) -> Labelled:
    scenes = recipe.sample(seed, start, stop)
    return Labelled(scenes.simulate(), scenes.labels)
