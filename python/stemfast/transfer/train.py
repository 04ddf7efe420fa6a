"""Transfer learning from beginning to end: features, last layer, calibration, judgement."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stemfast import training
from stemfast.evaluation.metrics import Evaluation
from stemfast.models.predict import softmax
from stemfast.transfer.backbone import Backbone
from stemfast.transfer.bottleneck import Bottlenecks, Store, default_folder
from stemfast.transfer.head import HeadFit, fit_head
from stemfast.transfer.images import SplitImages
from stemfast.transfer.model import TransferModel

__all__ = ["TransferResult", "train"]

Say = Callable[[str], None]


@dataclass(frozen=True, eq=False, repr=False)
class TransferResult:
    """A model made by transfer learning and its figures.

    Attributes
    ----------
    model : TransferModel
        Ready to use; its card holds the figures too.
    evaluation : Evaluation
        On the test images, which were met once, at the very end.
    head_fit : HeadFit
        Every strength of regularisation that was tried.
    images_seen : int
        Training images; each was shown to the backbone once.
    computed, reused : int
        Images whose features were computed now, and were stored already.
    seconds : float
        Time for the features of training and validation images, when they were computed, and for
        fitting the last layer [s].
    notes : tuple of str
        What to know about the figures.
    """

    model: TransferModel
    evaluation: Evaluation
    head_fit: HeadFit
    images_seen: int
    computed: int
    reused: int
    seconds: float
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        """The figures on a few lines, as in :meth:`__str__`."""
        return str(self)

    def __str__(self) -> str:
        chosen = self.head_fit.chosen
        lines = [
            f"{self.model.backbone}: {self.evaluation}",
            f"train {100 * chosen.train_accuracy:.1f} %, validation "
            f"{100 * chosen.validation_accuracy:.1f} %, C = {chosen.c:g} of "
            f"{len(self.head_fit.trials)} tried; {self.images_seen} training images, "
            f"{self.seconds:.0f} s",
        ]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def to_dict(self) -> dict[str, Any]:
        """The figures, of plain Python types for JSON."""
        return {
            **self.evaluation.to_dict(),
            "backbone": str(self.model.backbone),
            "pretrained": self.model.backbone.pretrained,
            "images_seen": self.images_seen,
            "features_computed": self.computed,
            "features_reused": self.reused,
            "seconds": self.seconds,
            "chosen": asdict(self.head_fit.chosen),
            "trials": [asdict(trial) for trial in self.head_fit.trials],
            "notes": list(self.notes),
        }


def train(
    images: SplitImages,
    backbone: Backbone,
    *,
    cache: str | Path | None = None,
    say: Say | None = None,
) -> TransferResult:
    """Retrain the last layer of a backbone on labelled images.

    Parameters
    ----------
    images : SplitImages
        From :func:`from_recipe` or :func:`from_folder`.
    backbone : Backbone
        Stays as it is.
    cache : str or Path, optional
        Where features are kept; the user's cache folder if None.
    say : callable, optional
        Is told what goes on and what it costs.

    Returns
    -------
    TransferResult

    Raises
    ------
    ValueError
        If the features cannot be computed or do not differ between images.
    """
    store = Store(default_folder() if cache is None else cache, backbone)
    tell = say or (lambda _: None)
    if not backbone.pretrained:
        tell(f"NOTE: {backbone}: this shows what the architecture does, not what pretraining does")
    features = _features(store, images, tell)
    began = time.perf_counter()
    tell(f"fitting the last layer to {len(images.train)} x {backbone.n_features} features")
    fit = fit_head(
        (features["train"].features, images.train.labels),
        (features["validation"].features, images.validation.labels),
        len(images.class_names),
    )
    seconds = time.perf_counter() - began
    temperature = fit.chosen.temperature
    chances = softmax(fit.head.logits(features["test"].features) / temperature)
    result = TransferResult(
        model=TransferModel(
            backbone, fit.head, images.class_names, images.image_shape, temperature
        ),
        evaluation=training.evaluate(chances, images.test.labels, images.class_names),
        head_fit=fit,
        images_seen=len(images.train),
        computed=sum(part.computed for part in features.values()),
        reused=sum(part.reused for part in features.values()),
        seconds=seconds + features["train"].seconds + features["validation"].seconds,
        notes=(*notes_on(backbone, images), *fit.notes),
    )
    result.model.card.update(images=images.source, result=result.to_dict())
    return result


def _features(store: Store, images: SplitImages, tell: Say) -> dict[str, Bottlenecks]:
    """Features of the three parts; what all of them cost is said first."""
    parts = {"train": images.train, "validation": images.validation, "test": images.test}
    tell(store.forecast(*(part.images for part in parts.values())))
    return {name: store.features(part.images) for name, part in parts.items()}


def notes_on(backbone: Backbone, images: SplitImages) -> tuple[str, ...]:
    """What to know about figures of this backbone on these images."""
    notes = list(images.notes)
    if not backbone.pretrained:
        notes.append(f"the backbone has {backbone.weights}")
    if images.image_shape != backbone.input_shape:
        notes.append(
            f"images of {images.image_shape[0]} px were resampled to the {backbone.input_shape[0]} "
            f"px that {backbone.name} reads"
        )
    return tuple(notes)
