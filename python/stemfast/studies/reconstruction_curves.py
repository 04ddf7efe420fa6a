"""Accuracy of the ground-truth network and of baselines against images, dose, tilts and spins.

Every method sees the same test particles. What pools images in another way is trained here as long
as the network was, on the same readings.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import jax
import numpy as np
from flax import nnx
from numpy.typing import NDArray

from stemfast import atomic
from stemfast.dataset.streaming.stream import stream
from stemfast.models import logits
from stemfast.models.corner_evidence import mirrors
from stemfast.models.reconstructor import Answer, GroundTruthConfig, SetNetwork
from stemfast.pretrained.reconstructor import TrainedReconstructor
from stemfast.training.reconstruction.experiment import GroundTruthExperiment
from stemfast.training.reconstruction.judge import ask, figures_of, more, share_of, spread
from stemfast.training.reconstruction.loss import set_loss
from stemfast.training.reconstruction.sets import (
    ReadSets,
    as_they_are,
    batch_of,
    load_sets,
    read_recipe,
)
from stemfast.training.step import Seen, optimised

__all__ = [
    "BASELINES",
    "SPIN_VIEWS",
    "FigureTable",
    "against_spin",
    "compare",
    "handedness_of",
    "only_the_sense",
]

#: Numbers of images, and how many each particle of the first test set has; numbers above that are
#: asked of a smaller set of particles with the largest number of images.
VIEWS, USUAL = (1, 2, 4, 8, 16), 8
DOSES_E_PX = (5.0, 15.0, 50.0)
TILT_ERRORS_DEG = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0)
#: Numbers of images of spinning particles.
SPIN_VIEWS = (1, 2, 4, 8)
#: Turn during a frame that is believed where only its sense is known [degrees].
GUESS_DEG = 35.0
RESULT_FILE = "comparison.json"
#: Other ways to put images together: pooling, and whether likelihoods are multiplied.
BASELINES: dict[str, tuple[str, bool]] = {
    "Deep Sets, mean": ("mean", False),
    "Deep Sets, maximum": ("max", False),
    "GRU": ("gru", False),
    "set attention without evidence": ("attention", False),
}
OURS = "ground truth"
AVERAGED = "count, averaged"
UNTRAINED = "evidence alone"


class Table(Protocol):
    """Gets rows of figures."""

    def add(self, against: str, method: str, poses: str, at: float, figures: Any) -> None:
        """Add a row."""
        ...


@dataclass
class FigureTable:
    """Rows of figures, written to a file whenever one is added.

    Attributes
    ----------
    path : Path
        Where to.
    rows : list of dict
        ``against`` ("views", "dose", "tilt-error" or "handedness"), ``method``, ``poses``
        ("unknown" or "known tilts"; of particles that spin, at unknown poses, "known spin", "known
        sense of spin" or "unknown spin"), ``at`` (the number, dose [e-/px] or error [degrees]) and
        ``figures``.
    """

    path: Path
    rows: list[dict[str, Any]]

    def add(self, against: str, method: str, poses: str, at: float, figures: Any) -> None:
        """Add a row."""
        row = {"against": against, "method": method, "poses": poses, "at": at, "figures": figures}
        self.rows.append(row)
        atomic.write_text(self.path, json.dumps({"rows": self.rows}, indent=1) + "\n")


def compare(
    trained: TrainedReconstructor,
    folder: str | Path,
    *,
    run: str | Path | None = None,
    particles: int = 5000,
    few: int = 1500,
    n_threads: int = 0,
    say: Callable[[str], object] = print,
) -> FigureTable:
    """Measure the figures of the table and of the curves.

    Parameters
    ----------
    trained : TrainedReconstructor
        The network.
    folder : str or Path
        Gets ``comparison.json``.
    run : str or Path, optional
        Folder of the training run, whose readings the baselines learn from; without, they are left
        out.
    particles, few : int
        Test particles for the table, and for each point of the other curves.
    n_threads : int
        Threads of the simulation.
    say : callable
        Told what is done.
    """
    experiment = GroundTruthExperiment.model_validate(trained.card["experiment"])
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    made = FigureTable(target / RESULT_FILE, [])
    networks: dict[str, Any] = {OURS: trained.model.sets, UNTRAINED: _untrained(trained)}

    def read(kind: str, count: int, views: int, *more: str, recipe: str | None = None) -> ReadSets:
        say(f"reading {count} particles, {views} images each, {kind} {' '.join(more)}")
        chosen = experiment.views_recipe(views, kind=kind, more=more, recipe=recipe)
        return read_recipe(
            chosen, trained.model.encoder, "test", count, seed=experiment.seed, n_threads=n_threads
        )

    sets = {
        (kind, views): read(kind, count, views)
        for count, views in ((particles, USUAL), (few, max(VIEWS)))
        for kind in ("static", "tilts")
    }
    _against_views(made, networks, sets)
    _against_tilt_error(made, trained, sets["tilts", USUAL], experiment.seed)
    for kind, poses in (("static", "unknown"), ("tilts", "known tilts")):
        hands = read(kind, few, USUAL, recipe="handedness")
        made.add(
            "handedness",
            OURS,
            poses,
            USUAL,
            {"hand": handedness_of(ask(networks[OURS], hands), hands)},
        )
    if trained.knows_spin:
        against_spin(made, trained, experiment, particles, few, n_threads=n_threads, say=say)
    for dose in DOSES_E_PX:
        own = read("tilts", few, USUAL, f"imaging.signal_e_px=[{dose},{dose}]")
        for known, poses in ((True, "known tilts"), (False, "unknown")):
            answer = ask(networks[OURS], own, known=known)
            made.add("dose", OURS, poses, dose, figures_of(answer, own.truth, handed=known))
    say(f"averaging {AVERAGED}")
    _averaged(made, experiment, few, n_threads)
    readings = None if run is None else Path(run) / "readings-train.npz"
    if readings is not None and readings.is_file():
        learnt = load_sets(readings)
        for name, (pooling, evidence) in BASELINES.items():
            say(f"training {name}")
            own_config = GroundTruthConfig(pooling=pooling, evidence=evidence)  # type: ignore[arg-type]
            network = train_sets(experiment, own_config, trained.model.encoder.channels, learnt)
            _against_views(made, {name: network}, sets)
    return made


def _untrained(trained: TrainedReconstructor) -> SetNetwork:
    """Evidence of all images multiplied, nothing learnt from sets."""
    config = GroundTruthConfig(pooling="mean")
    return SetNetwork(trained.model.encoder.channels, config, rngs=nnx.Rngs(0))


def train_sets(
    experiment: GroundTruthExperiment, config: GroundTruthConfig, channels: int, sets: ReadSets
) -> SetNetwork:
    """A set network that learns from the same batches as the run's second stage."""
    network = SetNetwork(channels, config, rngs=nnx.Rngs(experiment.seed + 2))
    settings = experiment.of_sets()

    def loss_of(network: Any, number: jax.Array, *batch: Any) -> tuple[jax.Array, Seen]:
        return set_loss(network, *batch)

    state, step = optimised(network, settings, settings.steps, loss_of)
    for number in range(settings.steps):
        rng = np.random.default_rng([experiment.seed, number])
        state, _ = step(state, *batch_of(sets, settings.batch_size, rng))
    graph, _ = nnx.split(network)
    merged: SetNetwork = nnx.merge(graph, state.average)
    return merged


def _against_views(
    made: FigureTable, networks: dict[str, Any], sets: dict[tuple[str, int], ReadSets]
) -> None:
    for method, network in networks.items():
        for count in VIEWS:
            views = USUAL if count <= USUAL else max(VIEWS)
            for kind, poses in (("static", "unknown"), ("tilts", "known tilts")):
                which = np.arange(count) if kind == "static" else spread(views, count)
                own = sets[kind, views]
                found = figures_of(
                    ask(network, own, which=which),
                    own.truth,
                    handed=kind == "tilts" and count > 1,
                )
                made.add("views", method, poses, count, found)


def _against_tilt_error(
    made: FigureTable, trained: TrainedReconstructor, sets: ReadSets, seed: int
) -> None:
    """The goniometer says each tilt with an error: the turns believed are not the true ones."""
    from scipy.spatial.transform import Rotation

    axis = np.array([1.0, 0.0, 0.0])
    rng = np.random.default_rng([seed, 1])
    normal = rng.standard_normal(sets.turn.shape[:2])
    for degrees in TILT_ERRORS_DEG:
        off = Rotation.from_rotvec(np.radians(degrees) * normal.reshape(-1, 1) * axis).as_matrix()
        turn = (off.reshape(sets.turn.shape) @ sets.turn).astype(np.float32)
        answer = ask(trained.model.sets, sets, turn=turn)
        found = figures_of(answer, sets.truth, handed=True)
        made.add("tilt-error", OURS, "known tilts", degrees, found)


def _averaged(
    made: FigureTable, experiment: GroundTruthExperiment, particles: int, n_threads: int
) -> None:
    """Logarithms of what the classifier `count` says of single images, added up."""
    from stemfast.pretrained.shipped import load_pretrained

    most = max(VIEWS)
    recipe = experiment.views_recipe(most)
    trained = load_pretrained("count")
    if trained.model.config.image_shape != recipe.image_shape[1:]:
        return  # it reads images of another size
    tables: list[NDArray[Any]] = []
    truth: list[NDArray[Any]] = []
    batch = 16
    with stream(
        recipe,
        seed=experiment.seed,
        split="test",
        batch_size=batch,
        stop=-(-particles // batch) * batch,
        n_threads=n_threads,
    ) as simulated:
        for one in simulated:
            images = one.images.reshape(-1, *one.images.shape[2:])
            table = logits(trained.model, images).astype(np.float64) / trained.temperature
            table -= np.logaddexp.reduce(table, axis=1, keepdims=True)
            tables.append(table.reshape(batch, most, -1))
            truth.append(np.asarray(one.columns["corner_count"]))
    chances, numbers = np.concatenate(tables), np.concatenate(truth)
    for count in VIEWS:
        answer = chances[:, :count].mean(axis=1).argmax(axis=1)
        made.add("views", AVERAGED, "unknown", count, {"count": share_of(answer == numbers)})


def only_the_sense(spin: NDArray[np.float32]) -> NDArray[np.float32]:
    """Spins (P, K, 3) of whose angle nothing is known, but of their axis and sense."""
    length = np.linalg.norm(spin, axis=-1, keepdims=True)
    return np.asarray(np.radians(GUESS_DEG) * spin / np.maximum(length, 1e-9), np.float32)


def handedness_of(answer: Answer, sets: ReadSets) -> dict[str, Any]:
    """Share of chiral particles whose handedness, left or right, is estimated correctly."""
    table = np.asarray(answer.orbit, np.float64)
    partner = mirrors()
    left = np.arange(len(partner)) < partner
    right = np.arange(len(partner)) > partner
    is_left = more(*(np.logaddexp.reduce(table[:, own], axis=1) for own in (left, right)))
    return share_of(is_left == left[np.asarray(sets.truth.orbit)])


def against_spin(
    made: Table,
    trained: TrainedReconstructor,
    experiment: GroundTruthExperiment,
    particles: int,
    few: int,
    *,
    n_threads: int = 0,
    say: Callable[[str], object] = print,
) -> None:
    """Measure particles that spin: against the number of images, and their handedness.

    Parameters
    ----------
    made : FigureTable
        Gets the rows.
    trained : TrainedReconstructor
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
                made.add(
                    recipe, OURS, poses, most, {"hand": handedness_of(ask(network, sets), sets)}
                )
                continue
            for views in SPIN_VIEWS:
                answer = ask(network, sets, which=np.arange(views))
                found = figures_of(answer, sets.truth, handed=believed is not None)
                made.add("views", OURS, poses, views, found)
