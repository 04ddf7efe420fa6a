"""The ground-truth network on particles that spin while they are scanned.

Everywhere the poses are unknown. What is known of the spin is the spin itself, only its axis and
sense, or nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stemfast.models.corner_evidence import mirrors
from stemfast.models.reconstructor import Answer
from stemfast.pretrained.reconstructor import TrainedGroundTruth
from stemfast.training.reconstruction.experiment import GroundTruthExperiment
from stemfast.training.reconstruction.judge import ask, figures_of, more, share_of
from stemfast.training.reconstruction.sets import ReadSets, as_they_are, read_recipe

__all__ = ["SPIN_VIEWS", "against_spin", "hand_of", "only_the_sense"]

OURS = "ground truth"
#: Numbers of images.
SPIN_VIEWS = (1, 2, 4, 8)
#: Turn during a frame that is believed where only its sense is known [degrees].
GUESS_DEG = 35.0


class Table(Protocol):
    """Gets rows of figures."""

    def add(self, against: str, method: str, poses: str, at: float, figures: Any) -> None:
        """Add a row."""
        ...


def only_the_sense(spin: NDArray[np.float32]) -> NDArray[np.float32]:
    """Spins (P, K, 3) of whose angle nothing is known, but of their axis and sense."""
    length = np.linalg.norm(spin, axis=-1, keepdims=True)
    return np.asarray(np.radians(GUESS_DEG) * spin / np.maximum(length, 1e-9), np.float32)


def hand_of(answer: Answer, sets: ReadSets) -> dict[str, Any]:
    """Left or right, of chiral particles: which hand has more of the probability."""
    table = np.asarray(answer.orbit, np.float64)
    partner = mirrors()
    left = np.arange(len(partner)) < partner
    right = np.arange(len(partner)) > partner
    says_left = more(*(np.logaddexp.reduce(table[:, own], axis=1) for own in (left, right)))
    return share_of(says_left == left[np.asarray(sets.truth.orbit)])


def against_spin(
    made: Table,
    trained: TrainedGroundTruth,
    experiment: GroundTruthExperiment,
    particles: int,
    few: int,
    *,
    n_threads: int = 0,
    say: Callable[[str], object] = print,
) -> None:
    """Measure against the number of images, and on the recipe of handedness.

    Parameters
    ----------
    made : Comparison
        Gets the rows.
    trained : TrainedGroundTruth
        The network; it knows spins.
    experiment : GroundTruthExperiment
        How it was trained.
    particles, few : int
        Test particles where the spin is known, and where it is not or only its sense.
    n_threads : int
        Threads of the simulation.
    say : callable
        Told what is done.
    """
    spinning, most = experiment.model_copy(update={"spin": True}), max(SPIN_VIEWS)
    network = trained.model.sets
    cases: tuple[tuple[str, int, Any], ...] = (
        ("known spin", particles, as_they_are),
        ("known sense of spin", few, only_the_sense),
        ("unknown spin", few, None),
    )
    for recipe in (None, "handedness"):
        for poses, count, believed in cases:
            number = count if recipe is None else few
            say(f"reading {number} particles, {most} images each, {poses} {recipe or ''}".rstrip())
            sets = read_recipe(
                spinning.views_recipe(most, kind="static", recipe=recipe),
                trained.model.encoder,
                "test",
                number,
                seed=experiment.seed,
                believed=believed,
                n_threads=n_threads,
            )
            if recipe is not None:
                made.add(recipe, OURS, poses, most, {"hand": hand_of(ask(network, sets), sets)})
                continue
            for views in SPIN_VIEWS:
                answer = ask(network, sets, which=np.arange(views))
                found = figures_of(answer, sets.truth, hand_known=believed is not None)
                made.add("views", OURS, poses, views, found)
