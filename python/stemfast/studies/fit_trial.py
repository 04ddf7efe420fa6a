"""Trial of the fit on a task's test images, from the images alone, next to the network.

Each image is read as a user's would be: the microscope and the recipe's ranges are known, the
particle, its pose and the beam's straying are not. What the shipped network says of the same image
stands beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stemfast.fit.cuboid.equivalents import aligned
from stemfast.fit.cuboid.shape import CutCuboid
from stemfast.fit.decide import decide
from stemfast.fit.image.goodness import LEAST_P
from stemfast.fit.prior import prior_of
from stemfast.fit.tasks import CORNER_TASKS
from stemfast.studies.record import Entry, Record
from stemfast.studies.trials.reading import read_test_images

if TYPE_CHECKING:
    from stemfast.pretrained.classifier import TrainedClassifier
    from stemfast.recipes import Recipe
    from stemfast.recipes.scenes import Scenes

__all__ = ["FitTrial", "Reading", "read_scene", "trial"]

_DIGITS = 6
_POSE_DEG, _POSE_EDGES = 5.0, 0.05


@dataclass(frozen=True)
class Reading(Entry):
    """Record of one image; see `Entry` for the fit's answer, `FitTrial` for the sums.

    Attributes
    ----------
    network : tuple of float
        What the network says of each class; empty without one.
    mask, true_mask : int
        Cut corners of the best fit, and the true ones under the names that the fit gave them.
    pose_deg, edge_error : float
        Angle to the true pose, up to symmetry, and largest relative error of an edge.
    off, error : tuple of float
        True value less the fitted one, and its error bar: three edges [nm], then the cuts of the
        corners that are cut in both, then three turns [rad].
    n_cuts : int
        How many cuts these hold.
    volume_error : float
        Relative.
    misfit, p_value : float
        See `Goodness`.
    fits : int
        Sets of corners that were fitted.
    seconds, core_seconds : float
        By the clock, and of one core.
    """

    network: tuple[float, ...]
    mask: int
    true_mask: int
    pose_deg: float
    edge_error: float
    off: tuple[float, ...]
    error: tuple[float, ...]
    n_cuts: int
    volume_error: float
    misfit: float
    p_value: float
    fits: int
    seconds: float
    core_seconds: float

    @property
    def explained(self) -> bool:
        """True if the best fit explains the image."""
        return self.p_value >= LEAST_P

    def said(self, who: str) -> int:
        """Answer of the "fit", the "network", or both "together".

        Together it is the fit's where it explains the image, or else the network's. To multiply
        the probabilities of both would count what they saw in one image twice.
        """
        alone = who == "fit" or (who == "together" and self.explained) or not self.network
        return self.answer if alone else int(np.argmax(self.network))

    @property
    def pose_found(self) -> bool:
        """True if pose and edges are those of the true particle, within 5° and 5 %."""
        return self.pose_deg < _POSE_DEG and self.edge_error < _POSE_EDGES


@dataclass(frozen=True, eq=False)
class FitTrial:
    """Summary of a task's test images."""

    task: str
    class_names: tuple[str, ...]
    readings: tuple[Reading, ...]

    def share(self, who: str) -> tuple[float, float, float]:
        """Share read right by "fit", "network" or "together", and its 95 % interval (Wilson)."""
        from stemfast.evaluation.metrics import wilson_interval

        right = sum(reading.said(who) == reading.label for reading in self.readings)
        n = len(self.readings)
        return right / n, *wilson_interval(right, n)

    @property
    def poses_found(self) -> float:
        """Share of the images whose pose and edges were found."""
        return float(np.mean([r.pose_found for r in self.readings]))

    def covered(self) -> dict[str, tuple[float, int]]:
        """Share of edges, cuts and turns within one error bar, and their number.

        Of images whose corners and pose were read right: an error bar tells nothing of those
        that were taken for others.
        """
        inside: dict[str, list[bool]] = {"edges": [], "cuts": [], "turns": []}
        for r in self.readings:
            if r.mask != r.true_mask or not r.pose_found:
                continue
            within = (np.abs(r.off) < np.array(r.error)).tolist()
            inside["edges"] += within[:3]
            inside["cuts"] += within[3 : 3 + r.n_cuts]
            inside["turns"] += within[3 + r.n_cuts :]
        return {
            name: (float(np.mean(found)) if found else float("nan"), len(found))
            for name, found in inside.items()
        }


def read_scene(recipe: Recipe, scenes: Scenes, i: int) -> Reading:
    """Read one image of a recipe by the fit.

    Parameters
    ----------
    recipe : Recipe
    scenes : Scenes
        Of that recipe.
    i : int
        Which of them, counted from the first.
    """
    image = scenes.simulate(n_threads=1)[i]
    microscope = scenes.microscope(i)
    begun, worked = time.perf_counter(), time.process_time()
    found = decide(
        image,
        microscope,
        recipe.name,
        material=scenes.materials[i].decode(),
        prior=prior_of(recipe),
    )
    seconds, core = time.perf_counter() - begun, time.process_time() - worked
    best = found.best
    truth = CutCuboid.of(scenes.particle(i), scenes.orientation(i), scenes.positions_nm[i, 0])
    truth = aligned(truth, best.shape)
    turn = (truth.orientation() * best.shape.orientation().inv()).as_rotvec()
    both = np.flatnonzero((truth.cuts > 0) & (best.shape.cuts > 0))
    off = [truth.edges_nm - best.shape.edges_nm, (truth.cuts - best.shape.cuts)[both], turn]
    error = [best.edges_sd_nm, best.cuts_sd[both], best.poses_sd_rad[0]]
    return Reading(
        index=scenes.start + i,
        label=int(scenes.labels[i]),
        answer=found.answer,
        probability=_rounded(found.probability),
        network=(),
        mask=best.shape.mask,
        true_mask=truth.mask,
        pose_deg=round(float(np.degrees(np.linalg.norm(turn))), 3),
        edge_error=round(float(np.abs(best.shape.edges_nm / truth.edges_nm - 1).max()), _DIGITS),
        off=_rounded(np.concatenate(off)),
        error=_rounded(np.concatenate(error)),
        n_cuts=len(both),
        volume_error=round(best.shape.volume_nm3 / truth.volume_nm3 - 1.0, _DIGITS),
        misfit=round(best.goodness[0].misfit, _DIGITS),
        p_value=best.goodness[0].p_value,
        fits=sum(compared.n_fits for compared in found.comparisons),
        seconds=round(seconds, 3),
        core_seconds=round(core, 3),
    )


def _with_network(network: TrainedClassifier | None, scenes: Scenes, reading: Reading) -> Reading:
    """The reading of the first scene, with what the network says of it."""
    if network is None:
        return reading
    said = network.probabilities(scenes.simulate(n_threads=1)[:1])[0]
    return replace(reading, network=_rounded(said))


def _rounded(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(round(float(value), _DIGITS) for value in values)


def trial(
    recipe: Recipe,
    n: int = 300,
    *,
    seed: int = 0,
    network: TrainedClassifier | None = None,
    path: str | Path | None = None,
    report: Callable[[Reading, int], None] | None = None,
    dask: str | None = None,
) -> FitTrial:
    """Read test images of a recipe.

    Parameters
    ----------
    recipe : Recipe
        One of `stemfast.fit.tasks.CORNER_TASKS`.
    n : int
        Images, from the first of the test split on.
    seed : int
        Of the scenes.
    network : TrainedClassifier, optional
        What is to be asked as well.
    path : str or Path, optional
        File of JSON lines, one for each image, after one that says of what. What is there already
        is not done again.
    report : callable, optional
        Called as ``report(reading, done)`` for each image.
    dask : str, optional
        Address of a Dask scheduler, or ``"local:N"`` for N processes on this machine, for the fits.

    Raises
    ------
    ValueError
        If there is no model for the recipe, or the file is of another run.

    Examples
    --------
    >>> from stemfast import recipes
    >>> trial(recipes.get("count", conditions="clean"), 2).share("fit")[0]
    1.0
    """
    if recipe.name not in CORNER_TASKS:
        raise ValueError(f"task is {recipe.name!r}: the fit reads {', '.join(CORNER_TASKS)}")
    record = None if path is None else Record(Path(path), "refine", Reading)
    readings = read_test_images(
        partial(read_scene, i=0),
        recipe,
        n,
        seed=seed,
        record=record,
        report=report,
        dask=dask,
        complete=partial(_with_network, network),
        network=network is not None,
    )
    return FitTrial(recipe.name, tuple(recipe.class_names), readings)
