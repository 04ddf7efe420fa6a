"""End of a classifier's training: calibration, judgement, stored network and model card."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from stemfast import atomic
from stemfast.evaluation.judge import Judgement, answers, judge
from stemfast.evaluation.metrics import fit_temperature
from stemfast.models.predict import softmax
from stemfast.pretrained import classifier as weights
from stemfast.pretrained.prediction_sets import calibrate
from stemfast.pretrained.store import rounded_to_float16
from stemfast.training import learnt_range
from stemfast.training import log as metrics
from stemfast.training.step import State

if TYPE_CHECKING:
    from pathlib import Path

    from stemfast.models import Classifier, ClassifierConfig
    from stemfast.recipes import Recipe
    from stemfast.training.experiment import Experiment
    from stemfast.training.task import Run

__all__ = ["card_text", "finish", "origin_lines", "row", "store", "write_figures"]


def finish(run: Run, state: State, seconds: float) -> Judgement:
    """Calibrate on validation images, judge on test images, write network and card.

    Parameters
    ----------
    run : Run
    state : State
        After the last step.
    seconds : float
        Training took [s].
    """
    record = {
        **run.record,
        "images_seen": int(state.step) * run.experiment.batch_size,
        "seconds": seconds,
    }
    model = rounded_to_float16(run.averaged(state))
    found = store(run.folder, model, run.experiment, run.recipe, record, run.n_threads)
    write_figures(run, found)
    return found


def store(
    folder: Path,
    model: Classifier,
    experiment: Experiment,
    recipe: Recipe,
    record: dict[str, Any],
    n_threads: int = 0,
) -> Judgement:
    """Calibrate a network, judge it, and write it with its card.

    Parameters
    ----------
    folder : Path
    model : Classifier
    experiment : Experiment
        Its numbers of validation and test images, and its seed.
    recipe : Recipe
        Of these images.
    record : dict
        What the card says of the training.
    n_threads : int
        Threads of the simulation, 0 for all cores.
    """
    seed, images = experiment.seed, experiment.validation_images
    table, labels = answers(
        model, recipe, seed=seed, split="validation", images=images, n_threads=n_threads
    )
    temperature = fit_temperature(table, labels)
    trained = weights.TrainedClassifier(
        model,
        recipe.class_names,
        temperature,
        dict(record),
        learnt_range.measure(model, recipe, seed=seed, images=images, n_threads=n_threads),
        calibrate(softmax(table, temperature), labels),
    )
    found = judge(trained, recipe, seed=seed, images=experiment.test_images, n_threads=n_threads)
    trained.card["test"] = found.to_dict()
    weights.save(folder, trained)
    atomic.write_text(folder / "model_card.md", card_text(trained))
    return found


def write_figures(run: Run, found: Judgement) -> None:
    """Write the pictures of a run and its figures, and tell of a network that only guesses."""
    from stemfast.evaluation import figures

    name, chance = run.experiment.name, 1.0 / len(found.evaluation.class_names)
    figures.write(run.folder, found, title=name)
    lines = metrics.read(run.metrics)
    figures.write_curves(run.folder / "learning_curves.png", lines, title=name, chance=chance)
    if found.at_chance:
        low, high = (100 * end for end in found.evaluation.balanced_interval)
        metrics.tell(
            f"{name}: the network does no better than a guess ({low:.1f} to {high:.1f} % right, "
            f"chance is {100 * chance:.1f} %). More images, or weights to start from "
            "(--set start_from=NAME), may help; learning_curves.png shows whether it still learns"
        )


def card_text(trained: weights.TrainedClassifier) -> str:
    """Model card of a trained classifier in Markdown, from the records of its run.

    Parameters
    ----------
    trained : TrainedClassifier
        A network that :func:`stemfast.training.run.train` made.
    """
    made = trained.card
    experiment, recipe, machine, test = (
        made[key] for key in ("experiment", "recipe", "machine", "test")
    )
    config = trained.model.config
    spin = ", particles turning during the scan" if experiment["spin"] else ""
    hours = made["seconds"] / 3600
    lines = [
        f"# Model card: {experiment['name']}",
        "",
        f"Tells apart: {', '.join(trained.class_names)}. Reads single images of "
        f"{config.image_shape[0]} × {config.image_shape[1]} px of a field of "
        f"{recipe['field_nm']:g} nm.",
        "",
        "## Figures",
        "",
        f"On {test['images']:,} simulated test images that it never saw "
        f"(`{experiment['conditions']}` conditions{spin}):",
        "",
        "| figure | value | 95 % interval |",
        "|---|---|---|",
        row("balanced accuracy", test["balanced_accuracy"], test["balanced_interval"]),
    ]
    if test["within_one"] is not None:
        lines.append(row("within one", test["within_one"], test["within_one_interval"], 2))
    lines += [
        f"| calibration error | {100 * test['calibration_error']:.2f} % | |",
        f"| the same without temperature | {100 * test['calibration_error_before']:.2f} % | |",
        f"| temperature | {test['temperature']:.3f} | |",
        "",
        "## How it was made",
        "",
        f"- Command: `{made['command'] or 'stemfast.training.train'}`",
        f"- Machine: {machine['devices']} ({machine['processor']}, {machine['cores']} cores), "
        f"JAX {machine['jax']}, stemfast {machine['stemfast']}; convolutions in {made['dtype']}.",
        f"- {made['images_seen']:,} training images, none twice, in {hours:.2f} h "
        f"({made['images_seen'] / made['seconds']:.0f} images/s with their simulation).",
        *origin_lines(made.get("started_from")),
        f"- Network: {config.variant}, widths {_list(config.widths)}, {config.blocks} blocks a "
        f"stage{_corners(config)}{_poses(config)}, {made['parameters']:,} weights.",
        f"- Images: recipe `{experiment['recipe']}`, seed {experiment['seed']}; training, "
        "validation and test scenes come from ranges that never meet.",
        "",
        "## Limits",
        "",
        "- It learnt from simulated images of single particles under the settings below. For "
        "other films, detectors, doses, shapes or pixel sizes its answers and its probabilities "
        "are not backed by these figures: measure with `stemfast evaluate`. What such images do to "
        "the networks that come with stemfast is in docs/off_distribution.md.",
        "- It always names one of its classes, whatever the image shows. A low probability says "
        "that it is not sure; a high one does not prove that the particle is of the kind it "
        "learnt from.",
        "",
        "## Settings",
        "",
        "```json",
        json.dumps({"experiment": experiment, "recipe": recipe}, indent=1, ensure_ascii=False),
        "```",
        "",
    ]
    return "\n".join(lines)


def origin_lines(origin: dict[str, Any] | None) -> list[str]:
    """Line about the network that a run started from, if there was one."""
    if origin is None:
        return []
    before = ""
    if "images_seen" in origin:
        hours = origin["seconds"] / 3600
        before = f", which had seen {origin['images_seen']:,} images in {hours:.2f} h before"
    return [f"- It started from the weights of `{origin['name']}`{before}."]


def _corners(config: ClassifierConfig) -> str:
    return "" if config.question is None else ", corners found and looked at one by one"


def _poses(config: ClassifierConfig) -> str:
    return "" if config.poses == 1 else f", read in {config.poses} orientations"


def row(name: str, share: float, interval: list[float], digits: int = 1) -> str:
    """Row of a table of figures: a share with its 95 % interval."""
    low, high = (f"{100 * end:.{digits + 1}f}" for end in interval)
    return f"| {name} | {100 * share:.{digits}f} % | {low} … {high} % |"


def _list(values: tuple[Any, ...]) -> str:
    return "–".join(map(str, values))
