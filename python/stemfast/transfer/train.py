"""Transfer learning from beginning to end: features, last layer, calibration, judgement."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
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

__all__ = ["Figures", "Say", "TransferResult", "train"]

Say = Callable[[str], None]


@dataclass(frozen=True, eq=False, repr=False)
class Figures:
    """A model made from labelled images and its figures.

    Attributes
    ----------
    model : TransferModel
        Ready to use; its card holds the figures too.
    evaluation : Evaluation
        On the test images, which were met once, at the very end.
    images_seen : int
        Training images shown, repetitions counted.
    seconds : float
        Time for the features of training and validation images, when they were computed, and for
        fitting and training [s].
    notes : tuple of str
        Remarks on the figures.
    """

    model: TransferModel
    evaluation: Evaluation
    images_seen: int
    seconds: float
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        """The figures on a few lines, as in :meth:`__str__`."""
        return str(self)

    def __str__(self) -> str:
        return "\n".join([*self.lines(), *(f"note: {note}" for note in self.notes)])

    def lines(self) -> list[str]:
        """The figures in words, without the notes."""
        return [f"{self.model.backbone}: {self.evaluation}"]

    def to_dict(self) -> dict[str, Any]:
        """The figures, of plain Python types for JSON."""
        return {
            **self.evaluation.to_dict(),
            "backbone": str(self.model.backbone),
            "pretrained": self.model.backbone.pretrained,
            "images_seen": self.images_seen,
            "seconds": self.seconds,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, eq=False, repr=False)
class TransferResult(Figures):
    """A backbone with its last layer retrained, and its figures.

    Attributes
    ----------
    head_fit : HeadFit
        Every strength of regularisation that was tried.
    computed, reused : int
        Images whose features were computed now, and were stored already.
    """

    head_fit: HeadFit
    computed: int
    reused: int

    def lines(self) -> list[str]:
        """The figures in words, without the notes."""
        chosen = self.head_fit.chosen
        return [
            *super().lines(),
            f"train {100 * chosen.train_accuracy:.1f} %, validation "
            f"{100 * chosen.validation_accuracy:.1f} %, C = {chosen.c:g} of "
            f"{len(self.head_fit.trials)} tried; {self.images_seen} training images, "
            f"{self.seconds:.0f} s",
        ]

    def to_dict(self) -> dict[str, Any]:
        """The figures, of plain Python types for JSON."""
        return {
            **super().to_dict(),
            "features_computed": self.computed,
            "features_reused": self.reused,
            "chosen": asdict(self.head_fit.chosen),
            "trials": [asdict(trial) for trial in self.head_fit.trials],
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
    parts = images.train, images.validation, images.test
    tell(store.forecast(*(part.images for part in parts)))
    features = [store.features(part.images) for part in parts]
    fit, seconds = fit_last(images, features[:2], tell)
    temperature = fit.chosen.temperature
    chances = softmax(fit.head.logits(features[2].features) / temperature)
    result = TransferResult(
        model=TransferModel(
            backbone, fit.head, images.class_names, images.image_shape, temperature
        ),
        evaluation=training.evaluate(chances, images.test.labels, images.class_names),
        head_fit=fit,
        images_seen=len(images.train),
        computed=sum(part.computed for part in features),
        reused=sum(part.reused for part in features),
        seconds=seconds,
        notes=(*notes_on(backbone, images), *fit.notes),
    )
    result.model.card.update(images=images.source, result=result.to_dict())
    return result


def fit_last(
    images: SplitImages, features: Sequence[Bottlenecks], tell: Say
) -> tuple[HeadFit, float]:
    """The last layer for features of training and validation, and the seconds of all that."""
    began = time.perf_counter()
    train, validation = features
    n, width = train.features.shape
    tell(f"fitting the last layer to {n} x {width} features")
    fit = fit_head(
        (train.features, images.train.labels),
        (validation.features, images.validation.labels),
        len(images.class_names),
    )
    return fit, time.perf_counter() - began + train.seconds + validation.seconds


def notes_on(backbone: Backbone, images: SplitImages) -> tuple[str, ...]:
    """Remarks on figures of this backbone on these images."""
    notes = list(images.notes)
    if not backbone.pretrained:
        notes.append(f"the backbone has {backbone.weights}")
    if images.image_shape != backbone.input_shape:
        notes.append(
            f"images of {images.image_shape[0]} px were resampled to the {backbone.input_shape[0]} "
            f"px that {backbone.name} reads"
        )
    return tuple(notes)
