"""What is done when a classifier has been trained: calibration, judgement, network and card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stemfast import atomic
from stemfast.evaluation.judge import Judgement, answers, judge
from stemfast.evaluation.metrics import fit_temperature
from stemfast.pretrained import classifier as weights
from stemfast.training import card, learnt_range
from stemfast.training.start import halved
from stemfast.training.step import State

if TYPE_CHECKING:
    from stemfast.training.task import Run

__all__ = ["finish"]


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
    from stemfast.evaluation import figures

    experiment, recipe = run.experiment, run.recipe
    model = halved(run.averaged(state))
    table, labels = answers(
        model,
        recipe,
        seed=experiment.seed,
        split="validation",
        images=experiment.validation_images,
        n_threads=run.n_threads,
    )
    trained = weights.TrainedClassifier(
        model,
        recipe.class_names,
        fit_temperature(table, labels),
        {
            **run.record,
            "images_seen": int(state.step) * experiment.batch_size,
            "seconds": seconds,
        },
        learnt_range.measure(
            model,
            recipe,
            seed=experiment.seed,
            images=experiment.validation_images,
            n_threads=run.n_threads,
        ),
    )
    found = judge(
        trained,
        recipe,
        seed=experiment.seed,
        images=experiment.test_images,
        n_threads=run.n_threads,
    )
    trained.card["test"] = found.to_dict()
    weights.save(run.folder, trained)
    figures.write(run.folder, found, title=experiment.name)
    atomic.write_text(run.folder / "model_card.md", card.text(trained))
    return found
