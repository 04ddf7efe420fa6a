"""Fine-tuning: every layer of one of our networks goes on learning, on labelled images."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from stemfast import models, training
from stemfast.models import Classifier
from stemfast.models.layers import Linear
from stemfast.pretrained.classifier import TrainedClassifier
from stemfast.training import TrainingSettings
from stemfast.transfer.bottleneck import Store, default_folder
from stemfast.transfer.head import Head
from stemfast.transfer.images import SplitImages
from stemfast.transfer.model import TransferModel
from stemfast.transfer.own_backbone import OwnBackbone
from stemfast.transfer.train import Figures, Say, fit_last, notes_on

__all__ = ["FINE_TUNING", "FineTuned", "fine_tune"]

#: A tenth of the usual learning rate: the weights are near a good place already.
FINE_TUNING = TrainingSettings(epochs=30, learning_rate=3e-4)


@dataclass(frozen=True, eq=False, repr=False)
class FineTuned(Figures):
    """A fine-tuned network and its figures.

    Attributes
    ----------
    epochs : tuple of dict
        A record for each: loss, accuracy, validation_loss, validation_accuracy, images_per_s.
    """

    epochs: tuple[dict[str, float], ...]

    def lines(self) -> list[str]:
        """The figures in words, without the notes."""
        last = self.epochs[-1]
        return [
            f"{self.model.backbone}, all layers: {self.evaluation}",
            f"train {100 * last['accuracy']:.1f} %, validation "
            f"{100 * last['validation_accuracy']:.1f} % after {len(self.epochs)} epochs; "
            f"{self.images_seen} training images shown, {self.seconds:.0f} s",
        ]

    def to_dict(self) -> dict[str, Any]:
        """The figures, of plain Python types for JSON."""
        return {**super().to_dict(), "layers": "all", "epochs": list(self.epochs)}


def fine_tune(
    images: SplitImages,
    network: OwnBackbone,
    settings: TrainingSettings = FINE_TUNING,
    *,
    cache: str | Path | None = None,
    say: Say | None = None,
) -> FineTuned:
    """Train every layer of one of our networks further on labelled images.

    The last layer is fitted to the features first, as :func:`stemfast.transfer.train` does it: a
    random one would spoil the layers before it in its first steps (Kumar et al. 2022,
    arXiv:2202.10054). Then all layers learn, and validation images calibrate the result.

    Parameters
    ----------
    images : SplitImages
        From :func:`from_recipe` or :func:`from_folder`.
    network : OwnBackbone
        Stays as it is; the model has a copy with other weights.
    settings : TrainingSettings, optional
        Epochs, learning rate, augmentation. ``symmetries`` shows each image turned and mirrored:
        switch it off where classes differ by handedness.
    cache : str or Path, optional
        Where features are kept; the user's cache folder if None.
    say : callable, optional
        Is told what goes on and what it costs.

    Returns
    -------
    FineTuned

    Raises
    ------
    ValueError
        If features cannot be computed or do not differ between images.
    FloatingPointError
        If the loss stops being finite.
    """
    tell = say or (lambda _: None)
    store = Store(default_folder() if cache is None else cache, network)
    parts = images.train, images.validation
    tell(store.forecast(*(part.images for part in parts)))
    fit, seconds = fit_last(images, [store.features(part.images) for part in parts], tell)
    began = time.perf_counter()
    model = _with_head(network, fit.head, fit.chosen.temperature)
    plan = settings.model_copy(update={"batch_size": min(settings.batch_size, len(images.train))})
    tell(f"all layers: {plan.epochs} epochs of {len(images.train)} images")
    shown, judged = (network.resampled(part.images) for part in parts)
    records = training.fit(
        model,
        shown,
        images.train.labels,
        plan,
        validation=(judged, images.validation.labels),
        title="all layers",
    )
    temperature = training.fit_temperature(models.logits(model, judged), images.validation.labels)
    seconds += time.perf_counter() - began
    tuned = TransferModel(
        _with_weights(network, model),
        _head_of(model),
        images.class_names,
        images.image_shape,
        temperature,
    )
    chances = tuned.probabilities(images.test.images)
    result = FineTuned(
        model=tuned,
        evaluation=training.evaluate(chances, images.test.labels, images.class_names),
        epochs=tuple(records),
        images_seen=int(records[-1]["step"]) * plan.batch_size,
        seconds=seconds,
        notes=(*notes_on(network, images), *fit.notes),
    )
    tuned.card.update(
        images=images.source, settings=plan.model_dump(mode="json"), result=result.to_dict()
    )
    return result


def _with_head(network: OwnBackbone, head: Head, temperature: float) -> Classifier:
    """A copy with another last layer: standardisation of its inputs and calibration included."""
    model = nnx.clone(network.trained.model)
    weights = head.weights / head.scale[:, None] / np.float32(temperature)
    bias = head.bias / np.float32(temperature) - head.mean @ weights
    model.head = Linear(*weights.shape, rngs=nnx.Rngs(0))
    nnx.update(model.head, {"kernel": jnp.asarray(weights), "bias": jnp.asarray(bias)})
    changes = {"n_classes": len(head.bias), "poses": 1}
    # Not validated: a network that finds corners keeps its question, which has other classes.
    model.config = model.config.model_copy(update=changes)
    return model


def _head_of(model: Classifier) -> Head:
    layer = nnx.to_pure_dict(nnx.state(model.head))
    weights, bias = (np.asarray(layer[name], np.float32) for name in ("kernel", "bias"))
    ones = np.ones(len(weights), np.float32)
    return Head(0 * ones, ones, weights, bias)


def _with_weights(network: OwnBackbone, model: Classifier) -> OwnBackbone:
    """The backbone with the layers of a trained model in front of its own last layer."""
    own = network.trained.model
    copy = nnx.clone(model)
    copy.head, copy.config = nnx.clone(own.head), own.config
    trained = TrainedClassifier(
        copy, network.trained.class_names, card={"fine_tuned_from": network.name}
    )
    return OwnBackbone(network.name, trained)
