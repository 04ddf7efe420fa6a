"""Training run on portraits: batches from worker processes, figures, card."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from stemfast import atomic
from stemfast.evaluation.judge import Judgement, judged
from stemfast.evaluation.metrics import fit_temperature
from stemfast.fields import FieldRecipe
from stemfast.models import logits
from stemfast.models.predict import softmax
from stemfast.pretrained import classifier as weights
from stemfast.pretrained.novelty import NoveltyModel
from stemfast.pretrained.prediction_sets import SetThresholds, calibrate
from stemfast.pretrained.store import rounded_to_float16
from stemfast.training import learnt_range, processes
from stemfast.training.finish import origin_lines, row, write_figures
from stemfast.training.portraits.experiment import PortraitExperiment
from stemfast.training.portraits.samples import Samples, some
from stemfast.training.portraits.sitters import CLASS_NAMES, Portraits
from stemfast.training.step import State
from stemfast.training.task import WATCHED, Run

__all__ = ["PortraitRun", "add_sets_to", "card_text", "judge", "novelty_of"]

_CHUNK = 512


@dataclass
class PortraitRun(Run):
    """Experiment on portraits with its fields, network, devices and folder."""

    experiment: PortraitExperiment
    recipe: FieldRecipe  # type: ignore[assignment]

    def batches(self, first_step: int, steps: int) -> Iterator[tuple[jax.Array, ...]]:
        """Images and labels of the steps `first_step` … `steps` − 1.

        Each of several processes draws all fields, as portraits of one are in many batches.
        """
        own = self.experiment
        rows = processes.rows(self.sharding, own.batch_size)
        samples = Samples(
            self.recipe,
            own.seed,
            batch_size=own.batch_size,
            fresh=own.fresh,
            ring=own.ring,
            most=own.most,
        )
        with samples.batches(first_step, max(self.n_threads, 1)) as stream:
            for _ in range(first_step, steps):
                batch = next(stream)
                parts = (batch.images[rows, ..., None], batch.labels[rows].astype(np.int32))
                yield processes.spread(parts, self.sharding)

    def portraits(self, split: str, images: int) -> Portraits:
        """The first portraits of a split."""
        own = self.experiment
        return some(self.recipe, own.seed, split, images, own.most)

    def watched(self) -> Any:
        """Validation portraits that are looked at again and again."""
        return self.portraits("validation", min(WATCHED, self.experiment.validation_images))

    def finish(self, state: State, seconds: float) -> Judgement:
        """Calibrate on validation portraits, judge on test portraits, write network and card."""
        own = self.experiment
        model = rounded_to_float16(self.averaged(state))
        known = self.portraits("validation", own.validation_images)
        table = _logits(model, known.images)
        card = {
            **self.record,
            "images_seen": int(state.step) * own.batch_size,
            "fields_seen": int(state.step) * own.fresh + own.ring,
            "seconds": seconds,
            "portraits": True,
        }
        temperature = fit_temperature(table, known.labels)
        trained = weights.TrainedClassifier(
            model,
            CLASS_NAMES,
            temperature,
            card,
            novelty_of(model, known),
            calibrate(softmax(table, temperature), known.labels),
        )
        found = judge(trained, own, seed=own.seed, images=own.test_images)
        card["test"] = found.to_dict()
        weights.save(self.folder, trained)
        write_figures(self, found)
        atomic.write_text(self.folder / "model_card.md", card_text(trained))
        return found


def judge(
    trained: weights.TrainedClassifier, experiment: PortraitExperiment, *, seed: int, images: int
) -> Judgement:
    """Classify portraits of the test split and compare with the truth.

    Parameters
    ----------
    trained : TrainedClassifier
        A network of portraits.
    experiment : PortraitExperiment
        Says which fields the portraits are from.
    seed : int
        Of the fields.
    images : int
        Portraits.
    """
    began = time.perf_counter()
    asked = some(experiment.make_recipe(), seed, "test", images, experiment.most)
    table = _logits(trained.model, asked.images)
    seconds = time.perf_counter() - began
    return judged(table, asked.labels, CLASS_NAMES, trained.temperature, seconds=seconds)


def _logits(model: Any, images: NDArray[np.float16]) -> NDArray[np.float32]:
    parts = range(0, len(images), _CHUNK)
    return np.concatenate([logits(model, images[k : k + _CHUNK].astype(np.float32)) for k in parts])


def novelty_of(model: Any, known: Portraits) -> NoveltyModel | None:
    """Novelty model of portraits that a network learnt the like of; None of too few."""
    half = known.labels[: len(known.labels) // 2]
    if np.bincount(half, minlength=len(CLASS_NAMES)).min() < 2:
        return None
    parts = range(0, len(known.labels), _CHUNK)
    return learnt_range.novelty_of(
        model,
        (
            (known.images[k : k + _CHUNK].astype(np.float32), known.labels[k : k + _CHUNK])
            for k in parts
        ),
    )


def add_sets_to(folder: str | Path) -> SetThresholds:
    """Add thresholds of prediction sets to a network of portraits that was stored without them.

    The validation portraits of its own experiment are drawn again; weights, calibration, novelty
    and card stay as they are.

    Parameters
    ----------
    folder : str or Path
        With a network that :class:`PortraitRun` made.

    Raises
    ------
    ValueError
        If it was calibrated with too few portraits.
    """
    trained = weights.load(folder)
    own = PortraitExperiment.model_validate(trained.card["experiment"])
    known = some(own.make_recipe(), own.seed, "validation", own.validation_images, own.most)
    return learnt_range.store_sets(
        folder, trained, _logits(trained.model, known.images), known.labels
    )


def card_text(trained: weights.TrainedClassifier) -> str:
    """Model card in Markdown, from the records of the run.

    Parameters
    ----------
    trained : TrainedClassifier
        A network that :class:`PortraitRun` made.
    """
    made = trained.card
    experiment, machine, test = (made[key] for key in ("experiment", "machine", "test"))
    config = trained.model.config
    confusion = np.array(test["confusion"], float)
    each = np.diag(confusion) / np.maximum(confusion.sum(axis=1), 1.0)
    lines = [
        f"# Model card: {experiment['name']}",
        "",
        f"Names the shapes of found particles: {', '.join(trained.class_names)}. Reads portraits "
        f"of {config.image_shape[0]} × {config.image_shape[1]} px: particles cut out of a "
        "micrograph of any pixel size and scaled to one size "
        "(`stemfast.micrograph.portrait`).",
        "",
        "## Figures",
        "",
        f"On {test['images']:,} portraits from simulated fields that it never saw, with outlines "
        "as far off as a finder's:",
        "",
        "| figure | value | 95 % interval |",
        "|---|---|---|",
        row("balanced accuracy", test["balanced_accuracy"], test["balanced_interval"]),
        f"| calibration error | {100 * test['calibration_error']:.2f} % | |",
        f"| the same without temperature | {100 * test['calibration_error_before']:.2f} % | |",
        f"| temperature | {test['temperature']:.3f} | |",
        *(
            f"| right, {name} | {100 * share:.1f} % | |"
            for name, share in zip(trained.class_names, each.tolist(), strict=True)
        ),
        "",
        "## How it was made",
        "",
        f"- Command: `{made['command'] or 'stemfast.training.train'}`",
        f"- Machine: {machine['devices']} ({machine['processor']}, {machine['cores']} cores), "
        f"JAX {machine['jax']}, stemfast {machine['stemfast']}; convolutions in {made['dtype']}.",
        f"- {made['images_seen']:,} portraits from {made['fields_seen']:,} simulated fields in "
        f"{made['seconds'] / 3600:.2f} h.",
        f"- Network: {config.variant}, widths {'–'.join(map(str, config.widths))}, "
        f"{config.blocks} blocks a stage, {made['parameters']:,} weights.",
        *origin_lines(made.get("started_from")),
        *([f"- {made['remark']}"] if "remark" in made else []),
        f"- Seed {experiment['seed']}; training, validation and test fields come from ranges that "
        "never meet.",
        "",
        "## Limits",
        "",
        "- Many projections do not tell which solid they are of: a sphere and an icosahedron a "
        "few pixels across, or a cube on a corner and a truncated octahedron. Then several classes "
        "share the probability.",
        "- It learnt from simulated fields alone; what it says of real images is in "
        "docs/open_world.md.",
        "",
        "## Settings",
        "",
        "```json",
        json.dumps({"experiment": experiment, "fields": made["recipe"]}, indent=1),
        "```",
        "",
    ]
    return "\n".join(lines)
