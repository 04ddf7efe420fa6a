"""The training run of a ground-truth network, in two or three stages.

First the reader learns single images, simulated while it learns. Then it stays as it is: the
images of some thousands of particles are read once, and the set network learns from the readings,
with any number of them, and with turns hidden or known. What a known spin says, a part of the
reader learns that leaves all else as it is (:mod:`stemfast.training.reconstruction.spin`). All
stages go through the loop that classifiers are trained with, and can be stopped and resumed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from numpy.typing import NDArray

from stemfast import atomic
from stemfast.models.predict import compiled
from stemfast.models.reconstructor import GroundTruthNetwork
from stemfast.pretrained import reconstructor as weights
from stemfast.pretrained import shipped
from stemfast.pretrained.store import rounded_to_float16
from stemfast.training.corners.points import corner_points, point_loss
from stemfast.training.devices import ExecutionSettings
from stemfast.training.reconstruction.card import card_text
from stemfast.training.reconstruction.experiment import GroundTruthExperiment
from stemfast.training.reconstruction.loss import set_loss
from stemfast.training.reconstruction.reader_loss import (
    ReaderTruth,
    first_look,
    reader_loss,
    reader_truth,
)
from stemfast.training.reconstruction.sets import (
    ReadSets,
    batch_of,
    load_sets,
    read_sets,
    save_sets,
    some_of,
)
from stemfast.training.reconstruction.spin import SpinRun, learn_spin
from stemfast.training.run import begin, earlier_record, loop
from stemfast.training.step import Seen, State, Step, optimised, padded_size
from stemfast.training.task import Run

__all__ = ["ReaderRun", "SetRun", "train"]

#: First share of the steps in which some images are looked at about where their corners truly are.
SHOWN = 0.4


class ReaderRun(Run):
    """First stage."""

    @property
    def judging(self) -> int:
        """None: the stages after it judge."""
        return 0

    def start(self, total_steps: int) -> tuple[State, Step]:
        """First state and step: images, pixel sizes, the truth and corner points."""
        size, padded = self.recipe.image_px, padded_size(self.model.trunk)
        key, map_weight = jax.random.key(self.experiment.seed), self.experiment.corner_weight

        def loss_of(
            reader: Any,
            number: jax.Array,
            images: jax.Array,
            pixel: jax.Array,
            truth: ReaderTruth,
            points: jax.Array,
        ) -> tuple[jax.Array, Seen]:
            shown = first_look(truth, jax.random.fold_in(key, number), number < SHOWN * total_steps)
            found = reader.look(images.astype(jnp.float32), pixel, shown=shown, dtype=self.dtype)
            loss, parts = reader_loss(found, truth, pixel)
            maps = [point_loss(one, points, size, padded) for one in found.maps]
            total = loss + map_weight * jnp.stack(maps).mean()
            right = jnp.round(parts["count"] * len(images)).astype(jnp.int32)
            return total, Seen(parts["mask"], total - parts["mask"], right)

        state, step = optimised(self.model, self.experiment, total_steps, loss_of)
        return self.place(state), step

    def arguments(
        self, images: NDArray[Any], labels: NDArray[np.int64], columns: dict[str, NDArray[Any]]
    ) -> tuple[Any, ...]:
        """Images, pixel sizes, the truth and corner points, shared out over the devices."""
        size, pixel = self.recipe.image_px, self.recipe.pixel_size_nm
        parts = (
            images.reshape(len(images), size, size, 1),
            np.full(len(images), pixel, np.float32),
            reader_truth(columns, pixel),
            corner_points(columns, image_px=size, pixel_size_nm=pixel),
        )
        return tuple(jax.device_put(part, self.sharding) for part in parts)

    def watched(self) -> Any:
        """Validation images with their truth."""
        batch = self.first_validation()
        return self.arguments(batch.images, batch.labels, batch.columns)

    def watch(self, model: Any, watched: Any) -> dict[str, float]:
        """Mean parts of the loss."""
        images, pixel, truth, _ = watched
        found = []
        for begin_at in range(0, len(images), 250):
            part = slice(begin_at, begin_at + 250)
            own = ReaderTruth(*(entry[part] for entry in truth))
            found.append(_parts(model, images[part], pixel[part], own))
        means = {name: float(np.mean([one[name] for one in found])) for name in found[0]}
        count = means.pop("count")
        return {"validation_accuracy": count, "validation_loss": means.pop("mask")} | {
            f"validation_{name}": value for name, value in means.items()
        }


@compiled
def _parts(
    model: Any, images: jax.Array, pixel: jax.Array, truth: ReaderTruth
) -> dict[str, jax.Array]:
    return reader_loss(model.look(images.astype(jnp.float32), pixel), truth, pixel)[1]


@dataclass
class SetRun(Run):
    """Second stage; its model is a :class:`SetNetwork`."""

    sets: ReadSets | None = None
    held_out: ReadSets | None = None

    @property
    def metrics(self) -> Path:
        """Lines of the second stage."""
        return self.folder / "metrics-sets.jsonl"

    @property
    def checkpoints(self) -> Path:
        """States of the second stage."""
        return self.folder / "checkpoints-sets"

    def start(self, total_steps: int) -> tuple[State, Step]:
        """First state and step: readings, what is known of the views, the truth."""

        def loss_of(network: Any, number: jax.Array, *batch: Any) -> tuple[jax.Array, Seen]:
            return set_loss(network, *batch)

        state, step = optimised(self.model, self.experiment, total_steps, loss_of)
        return self.place(state), step

    def batches(self, first_step: int, steps: int) -> Iterator[tuple[Any, ...]]:
        """Sets of random size from the readings, turns hidden or known."""
        assert self.sets is not None
        for number in range(first_step, steps):
            rng = np.random.default_rng([self.experiment.seed, number])
            made = batch_of(self.sets, self.experiment.batch_size, rng)
            yield tuple(jax.device_put(part, self.sharding) for part in made)

    def watched(self) -> Any:
        """Held-out sets of all views, turns known where there are any."""
        assert self.held_out is not None
        return [
            some_of(self.held_out, np.arange(start, min(start + 250, len(self.held_out))))
            for start in range(0, len(self.held_out), 250)
        ]

    def watch(self, model: Any, watched: Any) -> dict[str, float]:
        """Loss of the orbits, and share of the numbers of corners that are right."""
        found = [_set_parts(model, *batch) for batch in watched]
        loss, right = (float(np.mean([float(one[k]) for one in found])) for k in (0, 1))
        return {"validation_loss": loss, "validation_accuracy": right}


@compiled
def _set_parts(model: Any, reading: Any, views: Any, truth: Any) -> tuple[jax.Array, jax.Array]:
    seen = set_loss(model, reading, views, truth)[1]
    return seen.loss, seen.right / len(views.there)


def train(
    experiment: GroundTruthExperiment,
    folder: str | Path,
    *,
    minutes: float | None = None,
    resume: bool = False,
    device: str = "auto",
    n_threads: int = 0,
    checkpoint_s: float = 120.0,
    tensorboard: bool = False,
    command: str = "",
) -> Any:
    """Train a ground-truth network, judge it on test particles, and write everything down.

    Parameters
    ----------
    experiment : GroundTruthExperiment
        What to train. When resuming, what the folder says holds.
    folder : str or Path
        Gets what :func:`stemfast.training.train` writes, for all stages.
    minutes, resume, device, n_threads, checkpoint_s, tensorboard, command
        As for :func:`stemfast.training.train`; `minutes` are those of the first stage.

    Returns
    -------
    GroundTruthJudgement
    """
    called = time.perf_counter()
    execution = ExecutionSettings(Path(folder), device, n_threads, checkpoint_s, tensorboard)
    earlier = earlier_record(execution.folder, resume, minutes)
    if earlier is not None:
        experiment = GroundTruthExperiment.model_validate(earlier["experiment"])
    if (origin := _whole(experiment.start_from)) is not None:
        return _add_spin(experiment, origin, execution, earlier, minutes, command)
    first = ReaderRun(
        experiment=experiment,
        recipe=experiment.make_recipe(),
        model=experiment.make_reader(),
        **execution.of_run(experiment.batch_size),
    )
    if earlier is not None:
        first.record = earlier
    else:
        begin(first, minutes, command, called)
    state, seconds = loop(first)
    reader = rounded_to_float16(first.averaged(state))
    experiment = GroundTruthExperiment.model_validate(first.experiment.model_dump())
    network, more = _train_sets(experiment, reader, execution)
    card = {
        **first.record,
        "images_seen": int(state.step) * experiment.batch_size,
        "seconds": seconds,
        "seconds_sets": more,
    }
    if experiment.spin_images:
        spent = learn_spin(experiment, network, execution)
        card["seconds_spin"] = spent
    return _finish(weights.TrainedReconstructor(network, card), execution)


def _finish(trained: weights.TrainedReconstructor, execution: ExecutionSettings) -> Any:
    """Judge on test particles, write network, figures and card."""
    from stemfast.training.reconstruction.judge import judge

    found = judge(trained, n_threads=execution.n_threads)
    trained.card["test"] = found.to_dict()
    weights.save(execution.folder, trained)
    atomic.write_text(
        execution.folder / "evaluation.json", json.dumps(found.to_dict(), indent=2) + "\n"
    )
    atomic.write_text(execution.folder / "model_card.md", card_text(trained))
    return found


def _whole(name: str | None) -> Path | None:
    """The folder of the ground-truth network of this name, if it is one."""
    if name is None:
        return None
    return next((one for one in (Path(name), shipped.folder(name)) if weights.is_model(one)), None)


def _add_spin(
    experiment: GroundTruthExperiment,
    origin: Path,
    execution: ExecutionSettings,
    earlier: dict[str, Any] | None,
    minutes: float | None,
    command: str,
) -> Any:
    """The third stage alone, for a network that comes along or of an earlier run."""
    if not experiment.spin_images or minutes is not None:
        raise ValueError(
            f"start_from is the ground-truth network {origin.name!r}, spin_images is "
            f"{experiment.spin_images} and minutes is {minutes}: expected spin_images above 0 and "
            "no minutes, as nothing but what a known spin says is learnt anew"
        )
    trained = weights.load(origin)
    experiment.check_third_stage(trained.card["experiment"])
    first = SpinRun(
        experiment=experiment,
        recipe=experiment.of_spins().make_recipe(),
        model=trained.model.encoder,
        **execution.of_run(experiment.spin_batch),
    )
    if earlier is None:
        begin(first, None, command, 0.0)
    spent = learn_spin(experiment, trained.model, execution)
    third = ("spin_images", "spin_steps", "spin_batch", "spin_learning_rate", "test_particles")
    known = {key: getattr(experiment, key) for key in third}
    card = {
        **trained.card,
        "experiment": {**trained.card["experiment"], **known},
        "seconds_spin": spent,
        "command_spin": (earlier or first.record)["command"],
    }
    return _finish(weights.TrainedReconstructor(trained.model, card), execution)


def _train_sets(
    experiment: GroundTruthExperiment, reader: Any, execution: ExecutionSettings
) -> tuple[GroundTruthNetwork, float]:
    """The second stage: the whole network, and the time it took [s]."""
    made = {"seed": experiment.seed, "n_threads": execution.n_threads}
    numbers = {"train": experiment.set_particles, "validation": min(1000, experiment.set_particles)}
    for split, particles in numbers.items():
        path = execution.folder / f"readings-{split}.npz"
        if not path.exists():
            save_sets(path, read_sets(experiment, reader, split, particles, **made))
    whole = GroundTruthNetwork(reader, experiment.make_config(), rngs=nnx.Rngs(experiment.seed + 2))
    second = experiment.of_sets()
    run = SetRun(
        experiment=second,
        recipe=second.make_recipe(),
        model=whole.sets,
        sets=load_sets(execution.folder / "readings-train.npz"),
        held_out=load_sets(execution.folder / "readings-validation.npz"),
        **execution.of_run(second.batch_size),
    )
    run.metrics.touch()
    state, seconds = loop(run)
    trained: Any = rounded_to_float16(run.averaged(state))
    whole.sets = trained
    return whole, seconds
