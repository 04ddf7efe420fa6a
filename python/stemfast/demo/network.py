"""One labelled set to one trained, calibrated and judged network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from flax import nnx
from numpy.typing import NDArray

from stemfast import micrograph, models, pretrained, training
from stemfast.dataset import Dataset
from stemfast.models import Classifier, ClassifierConfig

__all__ = ["Outcome", "prepare", "train_network"]


@dataclass(frozen=True)
class Outcome:
    """A network's figures on the test images, which it met once, at the very end.

    Attributes
    ----------
    evaluation : Evaluation
        Accuracy with its interval, confusion matrix, calibration.
    temperature : float
        Calibration found on the validation images.
    images_seen : int
        Training images shown, repetitions counted.
    seconds : float
        Time that the training took [s].
    """

    evaluation: training.Evaluation
    temperature: float
    images_seen: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The same, of plain Python types for JSON."""
        return {
            **self.evaluation.to_dict(),
            "temperature": self.temperature,
            "images_seen": self.images_seen,
            "seconds": self.seconds,
        }


def prepare(data: Dataset) -> NDArray[np.float32]:
    """Each image's particle, found, cut out and standardised like those of a micrograph.

    Returns
    -------
    ndarray, (N, 48, 48) float32
    """
    return np.stack([micrograph.prepare_single(data[i].images) for i in range(len(data))])


def train_network(
    data: Dataset, settings: training.TrainingSettings, folder: Path, *, title: str
) -> Outcome:
    """Train on the split ``train``, calibrate on ``validation``, judge on ``test``, and save.

    Parameters
    ----------
    data : Dataset
        With these three splits.
    settings : TrainingSettings
        How to train; its seed also draws the first weights.
    folder : Path
        Gets the network and ``training.jsonl``; made if missing.
    title : str
        Words in front of the progress bar.

    Returns
    -------
    Outcome
    """
    parts = {name: data.split(name) for name in ("train", "validation", "test")}
    crops = {name: prepare(part) for name, part in parts.items()}
    shape = (crops["train"].shape[1], crops["train"].shape[2])
    config = ClassifierConfig(n_classes=len(data.class_names), image_shape=shape)
    model = Classifier(config, rngs=nnx.Rngs(settings.seed))
    folder.mkdir(parents=True, exist_ok=True)
    began = perf_counter()
    records = training.fit(
        model,
        crops["train"],
        parts["train"].labels,
        settings,
        validation=(crops["validation"], parts["validation"].labels),
        log_path=folder / "training.jsonl",
        title=title,
    )
    seconds = perf_counter() - began
    temperature = training.fit_temperature(
        models.logits(model, crops["validation"]), parts["validation"].labels
    )
    chances = models.probabilities(model, crops["test"], temperature=temperature)
    outcome = Outcome(
        evaluation=training.evaluate(chances, parts["test"].labels, data.class_names),
        temperature=temperature,
        images_seen=int(records[-1]["step"]) * settings.batch_size,
        seconds=seconds,
    )
    card = {
        "recipe": data.manifest.recipe,
        "recipe_settings": data.manifest.settings,
        "seed": data.manifest.seed,
        "splits": {name: list(limits) for name, limits in data.manifest.splits.items()},
        "training": settings.model_dump(mode="json"),
        "test": outcome.to_dict(),
    }
    pretrained.save(
        folder, pretrained.TrainedClassifier(model, data.class_names, temperature, card)
    )
    return outcome
