"""Ceiling of a task: accuracy of an ideal observer on its test images.

It knows the microscope, the family of shapes and how often each class comes, and what no network
is told: it starts from the true particle. From there it fits the rivals, and its answer is the
class with the highest probability. A wrong answer is one where another class explains the image
better than the truth does.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit.cuboid.shape import CutCuboid
from stemfast.fit.image.likelihood import observe
from stemfast.fit.kinds.kind import Placement
from stemfast.fit.kinds.shapes import REACH, compare, shape_kinds
from stemfast.fit.kinds.solids import Box
from stemfast.fit.one_thread import one_thread
from stemfast.fit.prior import prior_of
from stemfast.fit.search import search
from stemfast.fit.tasks import question
from stemfast.studies.record import Record, Verdict
from stemfast.studies.trials.reading import read_test_images

if TYPE_CHECKING:
    from stemfast.recipes import Recipe
    from stemfast.recipes.scenes import Scenes

__all__ = ["Ceiling", "Verdict", "ceiling", "judge"]

Float: TypeAlias = NDArray[np.float64]
Int: TypeAlias = NDArray[np.int64]

_DIGITS = 6


@dataclass(frozen=True, eq=False)
class Ceiling:
    """The observer's score.

    Attributes
    ----------
    task : str
    class_names : tuple of str
    verdicts : tuple of Verdict
    """

    task: str
    class_names: tuple[str, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def labels(self) -> Int:
        """True classes (n,)."""
        return np.array([verdict.label for verdict in self.verdicts], np.int64)

    @property
    def answers(self) -> Int:
        """The observer's (n,)."""
        return np.array([verdict.answer for verdict in self.verdicts], np.int64)

    @property
    def right(self) -> int:
        """Images read right."""
        return int((self.labels == self.answers).sum())

    @property
    def share(self) -> float:
        """Share of the images read right."""
        return self.right / len(self.verdicts)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the share (Wilson)."""
        from stemfast.evaluation.metrics import wilson_interval

        return wilson_interval(self.right, len(self.verdicts))

    @property
    def within_one(self) -> float:
        """Share of the images whose answer is at most one class off: for `count`."""
        return float((np.abs(self.labels - self.answers) <= 1).mean())

    @property
    def mean_probability(self) -> float:
        """Mean probability that the observer gave its answers: near its share if it is honest."""
        return float(np.mean([max(verdict.probability) for verdict in self.verdicts]))

    @property
    def confusion(self) -> Int:
        """(C, C) images by true class and by answer."""
        n = len(self.class_names)
        table = np.zeros((n, n), np.int64)
        np.add.at(table, (self.labels, self.answers), 1)
        return table

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"the ideal observer reads {100 * self.share:.1f} % of {len(self.verdicts)} images "
            f"of {self.task} right (95 % interval {100 * low:.1f} % to {100 * high:.1f} %)"
        )


@one_thread
def judge(recipe: Recipe, scenes: Scenes, i: int) -> Verdict:
    """Have the observer read one image.

    Parameters
    ----------
    recipe : Recipe
    scenes : Scenes
        Of that recipe.
    i : int
        Which of them, counted from the first.

    Returns
    -------
    Verdict

    Raises
    ------
    ValueError
        If the scene's label is not the one that its corners have.
    """
    from stemfast.simulation.simulate import simulate

    if recipe.name == "shapes":
        return judge_shape(recipe, scenes, i)
    begun = time.perf_counter()
    microscope = scenes.microscope(i)
    pose, position = scenes.orientation(i), scenes.positions_nm[i].reshape(3)
    particle = scenes.particle(i)
    truth = CutCuboid.of(particle, pose, position)
    label, mask = int(scenes.labels[i]), truth.mask
    own = question(recipe.name, truth.edges_nm)
    if own.class_of_mask[mask] != label:
        raise ValueError(f"scene {scenes.start + i} has label {label}, not that of mask {mask}")
    taken = simulate(
        particle,
        pose,
        microscope,
        seed=scenes.seed,
        first_index=scenes.start + i,
        positions_nm=position,
        return_truth=True,
    )
    image = observe(taken.images, microscope, truth, beam_nm=taken.truth.beam_nm)
    least = scenes.columns.get("least_severity")
    prior = prior_of(recipe, least_cut=None if least is None else float(least[i]))
    found = search(
        image,
        truth,
        log_prior=own.log_prior,
        prior=replace(prior, equal_edges=own.equal_edges),
        elsewhere=own.elsewhere,
        starts=3,
        quick=False,
    )
    fit = found.enantiomers[0].fits[mask]
    deviance, pixels = image.deviance(fit.electrons[0])
    probability = found.probabilities(own.class_of_mask, len(recipe.class_names))
    return Verdict(
        index=scenes.start + i,
        label=label,
        answer=int(probability.argmax()),
        probability=tuple(round(float(p), _DIGITS) for p in probability),
        mask=mask,
        best_mask=found.best.mask,
        fits=found.n_fits,
        deviance_per_pixel=round(deviance / max(pixels, 1), _DIGITS),
        seconds=round(time.perf_counter() - begun, 3),
    )


def ceiling(
    recipe: Recipe,
    n: int = 300,
    *,
    seed: int = 0,
    path: str | Path | None = None,
    report: Callable[[Verdict, int], None] | None = None,
    dask: str | None = None,
) -> Ceiling:
    """Have the observer read test images of a recipe.

    Parameters
    ----------
    recipe : Recipe
        One of `stemfast.fit.tasks.TASKS`.
    n : int
        Images, from the first of the test split on.
    seed : int
        Of the scenes.
    path : str or Path, optional
        File of JSON lines, one for each image, after one that says of what. What is there already
        is not done again.
    report : callable, optional
        Called as ``report(verdict, done)`` for each image.
    dask : str, optional
        Address of a Dask scheduler, or ``"local:N"`` for N processes on this machine.

    Returns
    -------
    Ceiling

    Raises
    ------
    ValueError
        If the observer has no model for the recipe, or the file is of another run.

    Examples
    --------
    >>> from stemfast import recipes
    >>> score = ceiling(recipes.get("count", conditions="clean"), 3)
    >>> score.share
    1.0
    """
    record = None if path is None else Record(Path(path), "ceiling", Verdict)
    verdicts = read_test_images(
        partial(judge, i=0),
        recipe,
        n,
        seed=seed,
        record=record,
        report=report,
        dask=dask,
    )
    return Ceiling(recipe.name, tuple(recipe.class_names), verdicts)


def truth_of(recipe: Recipe, scenes: Scenes, i: int) -> Placement:
    """Placement of a scene's solid; of an ellipsoid, without proportions.

    Parameters
    ----------
    recipe, scenes, i
        As for `stemfast.studies.ceiling.judge`.
    """
    settings = recipe.particle  # type: ignore[attr-defined]
    kinds = shape_kinds(settings.edge_ratio, settings.sphere_ratio)
    label = int(scenes.labels[i])
    size = math.log(float(scenes.columns["diameter_nm"][i]))
    own = kinds[label].mean
    if isinstance(kinds[label], Box):
        own = kinds[label].proportions(scenes.columns["size_nm"][i])  # type: ignore[attr-defined]
    position = scenes.positions_nm[i].reshape(3)
    return Placement(scenes.orientations[i].reshape(4), np.concatenate([position[:2], [size], own]))


def judge_shape(recipe: Recipe, scenes: Scenes, i: int) -> Verdict:
    """Have the observer read one image of `shapes`.

    Parameters
    ----------
    recipe, scenes, i
        As for `stemfast.studies.ceiling.judge`.
    """
    from stemfast.simulation.simulate import simulate

    begun = time.perf_counter()
    microscope, label = scenes.microscope(i), int(scenes.labels[i])
    start = truth_of(recipe, scenes, i)
    taken = simulate(
        scenes.particle(i),
        scenes.orientation(i),
        microscope,
        seed=scenes.seed,
        first_index=scenes.start + i,
        positions_nm=scenes.positions_nm[i].reshape(3),
        return_truth=True,
    )
    # The part of the image that any of the three could reach, so that it tells nothing of which.
    widest = 2 * REACH * math.exp(float(start.values[2]))
    around = CutCuboid(
        np.full(3, widest),
        np.zeros(8),
        np.array([0.0, 0.0, 0.0, 1.0]),
        start.values[:2],
        scenes.materials[i].decode(),
    )
    image = observe(taken.images, microscope, around, beam_nm=taken.truth.beam_nm)
    settings = recipe.particle  # type: ignore[attr-defined]
    found = compare(image, shape_kinds(settings.edge_ratio, settings.sphere_ratio), start, label)
    probability = found.probability
    deviance, pixels = image.deviance(found.fits[label][0].electrons)
    return Verdict(
        index=scenes.start + i,
        label=label,
        answer=int(probability.argmax()),
        probability=tuple(round(float(p), _DIGITS) for p in probability),
        mask=0,
        best_mask=0,
        fits=sum(len(fits) for fits in found.fits),
        deviance_per_pixel=round(deviance / pixels, _DIGITS),
        seconds=round(time.perf_counter() - begun, 3),
    )
