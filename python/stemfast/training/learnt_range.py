"""Novelty models and thresholds of prediction sets, from the validation images of a training."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stemfast.models.predict import softmax
from stemfast.pretrained import classifier, imaging_limits
from stemfast.pretrained.class_gaussians import fit
from stemfast.pretrained.imaging_limits import ImagingLimits
from stemfast.pretrained.novelty import NoveltyModel, features_and_logits, texture
from stemfast.pretrained.prediction_sets import FEWEST, SetThresholds, calibrate
from stemfast.pretrained.sharpness import SMALLEST_PX, sharpness

__all__ = [
    "add_sets_to",
    "add_to",
    "imaging_limits_of",
    "measure",
    "novelty_of",
    "store_sets",
    "widened",
]

if TYPE_CHECKING:
    from stemfast.dataset.streaming.stream import Stream
    from stemfast.models import Classifier
    from stemfast.pretrained import TrainedClassifier
    from stemfast.recipes import Recipe


Floats = NDArray[np.float64]

#: Widest probe of the regression in widest learnt ones; with jitter, and without.
_PROBE, _PROBE_WITH_JITTER = 3.0, 1.5
_SHARPEST = 0.8  # of the sharpest learnt
_DOSE = 6.0  # the lowest dose lies so many times below the learnt ones
_FILM = 2.0  # of the thickest
_READ_NOISE_E = 3.0
_JITTER_PX = 2.0
_BATCH = 512


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
    if images < 4 * len(recipe.class_names):
        return None
    with _validation(recipe, seed, 0, images, n_threads) as batches:
        known = novelty_of(model, ((batch.images, batch.labels) for batch in batches))
    return replace(known, imaging=imaging_limits_of(recipe, seed, images, n_threads))


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


def widened(recipe: Recipe) -> tuple[Recipe, Recipe]:
    """The recipe with wider probes and lower doses, once still and once with shifted rows."""
    own = recipe.imaging
    sharp, blunt = own.probe_fwhm_nm
    most = 0.49 * recipe.field_nm
    shifted = max(own.row_jitter_pm[1], 1e3 * _JITTER_PX * recipe.pixel_size_nm)
    common: dict[str, tuple[float, float]] = {
        "signal_e_px": (own.signal_e_px[0] / _DOSE, own.signal_e_px[1]),
        "film_nm": (own.film_nm[0], _FILM * own.film_nm[1]),
        "read_noise_e": (own.read_noise_e[0], max(own.read_noise_e[1], _READ_NOISE_E)),
    }

    def wide(reach: float, jitter: tuple[float, float]) -> Recipe:
        probe = (_SHARPEST * sharp, max(min(reach * blunt, most), blunt))
        return recipe.replace(imaging={**common, "probe_fwhm_nm": probe, "row_jitter_pm": jitter})

    return wide(_PROBE, own.row_jitter_pm), wide(_PROBE_WITH_JITTER, (0.0, shifted))


def imaging_limits_of(
    recipe: Recipe, seed: int, images: int, n_threads: int = 0
) -> ImagingLimits | None:
    """Limits of a recipe's imaging conditions, from validation images.

    Parameters
    ----------
    recipe : Recipe
        What a network learnt from.
    seed : int
        Seed of its training.
    images : int
        Validation images like the learnt ones; as many of wider ranges follow these.
    n_threads : int
        Threads of the simulation, 0 for all cores.

    Returns
    -------
    ImagingLimits or None
        None if the images are too few, or too small.
    """
    if recipe.image_px < SMALLEST_PX or images < 2:
        return None
    half = images // 2
    known = _read(recipe, seed, 0, images, n_threads)
    wide = [
        _read(other, seed, images + k * half, images + (k + 1) * half, n_threads)
        for k, other in enumerate(widened(recipe))
    ]
    seen, truth = (np.concatenate(parts) for parts in zip(*wide, strict=True))
    return imaging_limits.fit(*known, seen, truth)


def _read(
    recipe: Recipe, seed: int, start: int, stop: int, n_threads: int
) -> tuple[Floats, Floats]:
    """Sharpness of validation images, and the probe [px], row jitter [px] and electrons of each."""
    seen, truth = [], []
    with _validation(recipe, seed, start, stop, n_threads) as batches:
        for batch in batches:
            seen.append(sharpness(batch.images))
            truth.append(_truth(batch.columns, recipe.pixel_size_nm))
    return np.concatenate(seen), np.concatenate(truth)


def _validation(recipe: Recipe, seed: int, start: int, stop: int, n_threads: int) -> Stream:
    from stemfast.dataset.streaming.stream import stream

    return stream(
        recipe,
        seed=seed,
        batch_size=_BATCH,
        start=start,
        stop=stop,
        split="validation",
        n_threads=n_threads,
    )


def _truth(columns: dict[str, NDArray[Any]], pixel_size_nm: float) -> Floats:
    return np.stack(
        [
            columns["probe_fwhm_nm"] / pixel_size_nm,
            1e-3 * columns["row_jitter_pm"] / pixel_size_nm,
            columns["signal_e_px"],
        ],
        axis=1,
    )


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
