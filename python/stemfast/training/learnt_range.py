"""Novelty models and thresholds of prediction sets, from the validation images of a training."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stemfast.models.predict import softmax
from stemfast.pretrained import classifier
from stemfast.pretrained.class_gaussians import fit
from stemfast.pretrained.novelty import NoveltyModel, features_and_logits, texture
from stemfast.pretrained.prediction_sets import FEWEST, SetThresholds, calibrate

__all__ = ["add_sets_to", "add_to", "measure", "novelty_of", "store_sets"]

if TYPE_CHECKING:
    from stemfast.models import Classifier
    from stemfast.pretrained import TrainedClassifier
    from stemfast.recipes import Recipe


def measure(
    model: Classifier, recipe: Recipe, *, seed: int, images: int, n_threads: int = 0
) -> NoveltyModel | None:
    """Fit the novelty model of a network to the first validation images of a recipe.

    None if these are fewer than four of each class, too few to describe anything.

    Parameters
    ----------
    model : Classifier
        The network, with the weights that are kept.
    recipe : Recipe
        What it learnt from.
    seed : int
        Seed of its training.
    images : int
        How many.
    n_threads : int
        Threads of the simulation, 0 for all cores.
    """
    from stemfast.dataset.streaming.stream import stream

    if images < 4 * len(recipe.class_names):
        return None
    with stream(
        recipe, seed=seed, batch_size=512, stop=images, split="validation", n_threads=n_threads
    ) as batches:
        return novelty_of(model, ((batch.images, batch.labels) for batch in batches))


def novelty_of(
    model: Classifier, batches: Iterable[tuple[NDArray[Any], NDArray[np.int64]]]
) -> NoveltyModel:
    """Novelty model of a network from images and labels of validation, batch by batch.

    Parameters
    ----------
    model : Classifier
        The network, with the weights that are kept.
    batches : iterable of (images, labels)
    """
    features, textures, labels = [], [], []
    for images, own in batches:
        features.append(features_and_logits(model, images, poses=1)[0])
        textures.append(texture(images))
        labels.append(own)
    truth = np.concatenate(labels)
    # Textures overlap so much that classes would only split them into smaller heaps.
    one = np.zeros(len(truth), np.int64)
    return NoveltyModel(fit(np.concatenate(features), truth), fit(np.concatenate(textures), one))


def add_to(folder: str | Path, *, n_threads: int = 0) -> NoveltyModel:
    """Add a novelty model to a network on disk that was stored without one.

    Validation images of its own recipe and seed are simulated again, as many as it was calibrated
    with. Weights, calibration and card stay as they are.

    Parameters
    ----------
    folder : str or Path
        With a network that ``stemfast train`` made.
    n_threads : int
        Threads of the simulation, 0 for all cores.

    Raises
    ------
    ValueError
        If its card does not say what it learnt from, or names too few validation images.
    """
    trained, recipe, made = _trained(folder)
    novelty_model = measure(
        trained.model,
        recipe,
        seed=made["seed"],
        images=made["validation_images"],
        n_threads=n_threads,
    )
    if novelty_model is None:
        raise ValueError(
            f"{folder} was calibrated with {made['validation_images']} images: too few"
        )
    classifier.save(folder, replace(trained, novelty_model=novelty_model))
    return novelty_model


def add_sets_to(folder: str | Path, *, n_threads: int = 0) -> SetThresholds:
    """Add the thresholds of prediction sets to a network on disk that was stored without them.

    Validation images of its own recipe and seed are simulated again, as many as it was calibrated
    with. Weights, calibration, novelty and card stay as they are.

    Parameters
    ----------
    folder : str or Path
        With a network that ``stemfast train`` made.
    n_threads : int
        Threads of the simulation, 0 for all cores.

    Raises
    ------
    ValueError
        If its card does not say what it learnt from, or names too few validation images.
    """
    from stemfast.evaluation.judge import answers

    trained, recipe, made = _trained(folder)
    table, labels = answers(
        trained.model,
        recipe,
        seed=made["seed"],
        split="validation",
        images=made["validation_images"],
        n_threads=n_threads,
    )
    return store_sets(folder, trained, table, labels)


def store_sets(
    folder: str | Path,
    trained: TrainedClassifier,
    table: NDArray[np.float32],
    labels: NDArray[np.int64],
) -> SetThresholds:
    """Calibrate thresholds by validation images, and store the network with them.

    Parameters
    ----------
    folder : str or Path
        Of the network.
    trained : TrainedClassifier
    table : (N, n_classes) float32
        Its logits.
    labels : (N,) int64

    Raises
    ------
    ValueError
        If the images are too few.
    """
    thresholds = calibrate(softmax(table, trained.temperature), labels)
    if thresholds is None:
        raise ValueError(
            f"{folder} was calibrated with {len(labels)} images, expected at least {FEWEST} for "
            "prediction sets"
        )
    classifier.save(folder, replace(trained, set_thresholds=thresholds))
    return thresholds


def _trained(folder: str | Path) -> tuple[TrainedClassifier, Recipe, dict[str, Any]]:
    """A network on disk, what it learnt from, and the settings of its training."""
    from stemfast import recipes

    trained = classifier.load(folder)
    made = trained.card.get("experiment")
    if made is None:
        raise ValueError(f"{folder} was not made by 'stemfast train': it does not say from what")
    return trained, recipes.from_dump(made["recipe"], trained.card["recipe"]), made
