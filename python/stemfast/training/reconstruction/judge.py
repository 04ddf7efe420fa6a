"""Accuracy of a ground-truth network on test particles."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from stemfast.evaluation.metrics import wilson_interval
from stemfast.models.corner_evidence import mirrors, symmetry
from stemfast.models.predict import compiled
from stemfast.models.reconstructor import Answer
from stemfast.pretrained.reconstructor import TrainedReconstructor
from stemfast.training.reconstruction.coverage import coverage_of
from stemfast.training.reconstruction.experiment import GroundTruthExperiment
from stemfast.training.reconstruction.loss import Targets
from stemfast.training.reconstruction.sets import ReadSets, read_recipe, some_of

__all__ = ["GroundTruthJudgement", "ask", "figures_of", "judge", "more", "share_of", "spread"]

Floats = NDArray[np.float64]
PORTION = 256


@dataclass(frozen=True)
class GroundTruthJudgement:
    """Figures by name: shares with a 95 % interval, relative errors."""

    figures: dict[str, dict[str, Any]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The figures, for JSON."""
        return dict(self.figures)

    def __str__(self) -> str:
        lines = []
        for name, entry in self.figures.items():
            if "share" in entry:
                low, high = (100 * end for end in entry["interval"])
                said = f"{100 * entry['share']:.1f} % (95 % interval {low:.1f} to {high:.1f})"
            else:
                said = f"{100 * entry['rms']:.2f} % rms"
            lines.append(f"{name}: {said}, {entry['of']} particles")
        return "\n".join(lines)


@compiled
def _answers(network: Any, reading: Any, views: Any) -> Answer:
    answer: Answer = network(reading, views)
    return answer


def ask(
    network: Any,
    sets: ReadSets,
    *,
    which: NDArray[np.intp] | None = None,
    known: bool = True,
    turn: NDArray[np.float32] | None = None,
) -> Answer:
    """Answers of a set network for all particles, as NumPy arrays.

    Parameters
    ----------
    network : SetNetwork
        What answers.
    sets : ReadSets
        Question: the particles and their views.
    which, known, turn
        As for :func:`stemfast.training.reconstruction.sets.some_of`.
    """
    found = []
    for start in range(0, len(sets), PORTION):
        # The last portion is filled up, so that one shape is compiled.
        particles = np.minimum(np.arange(start, start + PORTION), len(sets) - 1)
        reading, views, _ = some_of(sets, particles, which=which, known=known, turn=turn)
        answer = jax.tree.map(np.asarray, _answers(network, reading, views))
        found.append([x[: len(sets) - start] for x in answer])
    whole: Any = (np.concatenate(x) for x in zip(*found, strict=True))
    return Answer(*whole)


def share_of(right: NDArray[np.bool_]) -> dict[str, Any]:
    """A share with its 95 % interval."""
    count = int(right.sum())
    interval = list(wilson_interval(count, len(right)))
    return {"share": count / len(right), "interval": interval, "of": len(right)}


def more(one: Floats, other: Floats) -> NDArray[np.bool_]:
    """True where one log-probability is larger; a coin decides between equal ones."""
    coin = np.random.default_rng(0).uniform(-1e-4, 1e-4, len(one))
    return np.asarray(one - other > coin)


def _rms(error: Any) -> dict[str, Any]:
    """Root mean square of a relative error, with its interval by resampling particles."""
    square = np.square(np.asarray(error, np.float64)).reshape(len(error), -1).mean(axis=1)
    rng = np.random.default_rng(0)
    draws = rng.integers(0, len(square), (400, len(square)))
    low, high = np.quantile(np.sqrt(square[draws].mean(axis=1)), [0.025, 0.975])
    return {
        "rms": float(np.sqrt(square.mean())),
        "interval": [float(low), float(high)],
        "of": len(square),
    }


def figures_of(answer: Answer, truth: Targets, *, handed: bool) -> dict[str, dict[str, Any]]:
    """Count, orbit and sizes, against the truth.

    Parameters
    ----------
    answer : Answer
        Of N particles.
    truth : Targets
        Theirs.
    handed : bool
        Whether the images could tell mirror images apart. Where they could not, the share of
        chiral particles whose hand comes out right is that of a coin.
    """
    own, partner = symmetry(), mirrors()
    table = np.asarray(answer.orbit, np.float64)
    chance = np.exp(table - np.logaddexp.reduce(table, axis=1)[:, None])
    up_to_mirror = own.class_index(own.classes, mirror=True)
    folded = chance @ np.eye(len(own.classes_up_to_mirror))[up_to_mirror]
    orbit = np.asarray(truth.orbit)
    chiral = partner[orbit] != orbit
    # Of the two hands of the true class, which has more.
    rows = np.arange(len(orbit))[chiral]
    hand = more(table[rows, orbit[chiral]], table[rows, partner[orbit[chiral]]])
    found = {
        "count": share_of(np.asarray(answer.number).argmax(axis=1) == truth.number),
        "orbit of 46": share_of(folded.argmax(axis=1) == up_to_mirror[orbit]),
        "hand": share_of(hand),
        "edges": _rms(np.expm1(np.asarray(answer.log_edges) - truth.log_edges)),
        "volume": _rms(np.expm1(np.asarray(answer.log_volume) - truth.log_volume)),
    }
    if handed:
        found["orbit of 76"] = share_of(table.argmax(axis=1) == orbit)
    return found | coverage_of(answer, truth, handed=handed)


def spread(views: int, count: int) -> NDArray[np.intp]:
    """`count` of so many views, evenly spread from first to last; the middle one if it is one.

    Examples
    --------
    >>> spread(16, 4).tolist()
    [0, 5, 10, 15]
    """
    if count == 1:
        return np.array([views // 2])
    return np.round(np.linspace(0, views - 1, count)).astype(np.intp)


def judge(
    trained: TrainedReconstructor, *, particles: int | None = None, n_threads: int = 0
) -> GroundTruthJudgement:
    """Figures at as many images as it learnt with.

    At unknown poses, with known tilts and, if it has the part for it, of spinning particles at
    unknown poses, with known spins.
    """
    experiment = GroundTruthExperiment.model_validate(trained.card["experiment"])
    number = particles or experiment.test_particles
    figures = {}
    cases = {"unknown poses": experiment, "known tilts": experiment}
    if trained.knows_spin:
        cases["known spin"] = experiment.model_copy(update={"spin": True})
    for said, own in cases.items():
        kind = "tilts" if said == "known tilts" else "static"
        sets = read_recipe(
            own.views_recipe(experiment.set_views, kind=kind),
            trained.model.encoder,
            "test",
            number,
            seed=experiment.seed,
            n_threads=n_threads,
        )
        answer = ask(trained.model.sets, sets)
        told = said != "unknown poses"
        for name, entry in figures_of(answer, sets.truth, handed=told).items():
            figures[f"{experiment.set_views} images, {said}: {name}"] = entry
    return GroundTruthJudgement(figures)
