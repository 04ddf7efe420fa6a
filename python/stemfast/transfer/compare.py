"""Like for like: the same images for transfer learning and for our own networks, in one table."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flax import nnx

from stemfast import atomic, models, recipes, training
from stemfast.evaluation.metrics import Evaluation
from stemfast.models import Classifier, ClassifierConfig
from stemfast.recipes import Recipe
from stemfast.training import TrainingSettings
from stemfast.transfer.backbone import Backbone
from stemfast.transfer.choice import backbone as backbone_by_name
from stemfast.transfer.finetune import FINE_TUNING, FineTuned, fine_tune
from stemfast.transfer.images import SplitImages, from_recipe
from stemfast.transfer.own_backbone import OwnBackbone
from stemfast.transfer.train import TransferResult, train

__all__ = ["BackboneComparison", "Row", "compare"]

TABLE_FILE = "comparison.md"
NUMBERS_FILE = "comparison.json"
LARGEST_BATCH = 64

Say = Callable[[str], None]


@dataclass(frozen=True)
class Row:
    """One method and what it reached.

    Attributes
    ----------
    method : str
        In words.
    accuracy : float
        Share of test images right.
    interval : tuple of float
        Its 95 % interval (Wilson).
    balanced_accuracy : float
        Mean over classes of the share right.
    test_images : int
        Images judged.
    images_seen : int
        Training images shown, repetitions counted.
    pretraining : str
        What the network had seen before.
    seconds : float
        Time for training, features included, wherever they were computed [s].
    """

    method: str
    accuracy: float
    interval: tuple[float, float]
    balanced_accuracy: float
    test_images: int
    images_seen: int
    pretraining: str
    seconds: float


@dataclass(frozen=True, eq=False, repr=False)
class BackboneComparison:
    """Rows of the same images, and which images those were."""

    rows: tuple[Row, ...]
    images: SplitImages
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        """The figures on a few lines, as in :meth:`__str__`."""
        return str(self)

    def __str__(self) -> str:
        """Markdown, aligned so that it reads well as plain text too."""
        head = ("method", "accuracy", "95 % interval", "images seen", "seconds", "seen before")
        cells = [head, *(_cells(row) for row in self.rows)]
        widths = [max(len(line[k]) for line in cells) for k in range(len(head))]
        lines = [
            "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |"
            for line in cells
        ]
        lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
        what = self.images.source.get("recipe", "")
        title = f"{what}: {self.images}, the same for every row"
        return "\n".join([title, "", *lines, *(["", *self.notes] if self.notes else [])])

    def to_dict(self) -> dict[str, Any]:
        """The same, of plain Python types for JSON."""
        return {
            "images": self.images.source,
            "rows": [asdict(row) for row in self.rows],
            "notes": list(self.notes),
        }

    def write(self, folder: Path) -> None:
        """Write the table and its numbers into a folder, made if missing."""
        folder.mkdir(parents=True, exist_ok=True)
        atomic.write_json(folder / NUMBERS_FILE, self.to_dict())
        atomic.write_text(folder / TABLE_FILE, f"{self}\n")


def check_free(folder: Path) -> None:
    """Refuse a folder that holds a table already."""
    for name in (TABLE_FILE, NUMBERS_FILE):
        if (folder / name).exists():
            raise FileExistsError(
                f"{folder / name} exists already: remove it, or give another folder with --out"
            )


def _cells(row: Row) -> tuple[str, ...]:
    low, high = row.interval
    return (
        row.method,
        f"{100 * row.accuracy:.1f} %",
        f"{100 * low:.1f} % to {100 * high:.1f} %",
        f"{row.images_seen:,}",
        f"{row.seconds:.0f}",
        row.pretraining,
    )


def compare(
    recipe: str | Recipe = "deformed",
    *,
    per_class: int = 1000,
    test_images: int = 2000,
    backbones: Sequence[str | Path] = ("inception-v3",),
    weights: str | Path | None = None,
    pretrained: str | Path | None = None,
    epochs: int = 60,
    seed: int = 0,
    cache: str | Path | None = None,
    say: Say | None = None,
) -> BackboneComparison:
    """Transfer learning, our network from scratch, and ours pretrained, last layer and all layers.

    Every method may use the same labelled images, four fifths to fit and one fifth to choose and
    calibrate, and is judged by the same test images. Our network from scratch has the pretrained
    one's architecture, or the default one where there is none.

    Parameters
    ----------
    recipe : str or Recipe
        What to tell apart.
    per_class : int
        Labelled images of each class.
    test_images : int
        Images to judge by.
    backbones : sequence of str
        Keras networks for transfer learning, by name.
    weights : str or Path, optional
        Their weights: ``"imagenet"`` (if None), ``"random"``, or a file, which fits one backbone.
    pretrained : str or Path, optional
        Our pretrained network: its shipped name or its folder. Without it its rows are missing.
    epochs : int
        How often our network from scratch is shown each training image.
    seed : int
        Seed of images, first weights and training.
    cache : str or Path, optional
        Where features are kept.
    say : callable, optional
        Is told what goes on.

    Returns
    -------
    BackboneComparison

    Raises
    ------
    ValueError, OSError
        As :func:`from_recipe`, :func:`backbone` and :func:`train`; before any work where possible.
    """
    chosen = recipes.get(recipe) if isinstance(recipe, str) else recipe
    # Ours first: a wrong name should not cost a download.
    own = None if pretrained is None else backbone_by_name(pretrained)
    if own is not None and not isinstance(own, OwnBackbone):
        raise ValueError(f"pretrained is {str(pretrained)!r}, expected a network of stemfast's own")
    keras_ones = [backbone_by_name(name, weights) for name in backbones]
    images = from_recipe(chosen, per_class=per_class, test_images=test_images, seed=seed)
    batch_size = min(LARGEST_BATCH, len(images.train))
    plan = TrainingSettings(epochs=epochs, batch_size=batch_size, seed=seed)
    config = _scratch_config(own, images)
    rows, notes = [], []
    for network in [*keras_ones, *([] if own is None else [own])]:
        result = train(images, network, cache=cache, say=say)
        rows.append(_transfer_row(network, result))
        notes += [f"{network.name}: {note}" for note in result.notes]
    if own is not None:
        tuned = fine_tune(
            images, own, FINE_TUNING.model_copy(update={"seed": seed}), cache=cache, say=say
        )
        rows.append(_row_of_all_layers(own, tuned))
    if say is not None:
        say(f"our network from scratch: {plan.epochs} epochs of {len(images.train)} images")
    rows.insert(len(keras_ones), _scratch_row(config, images, plan))
    return BackboneComparison(tuple(rows), images, tuple(dict.fromkeys(notes)))


def _scratch_config(own: OwnBackbone | None, images: SplitImages) -> ClassifierConfig:
    classes, shape = len(images.class_names), images.image_shape
    if own is None:
        return ClassifierConfig(n_classes=classes, image_shape=shape)
    changes = {"n_classes": classes, "image_shape": shape}
    return own.trained.model.config.model_copy(update=changes)


def _row(
    method: str, evaluation: Evaluation, images_seen: int, pretraining: str, seconds: float
) -> Row:
    return Row(
        method=method,
        accuracy=evaluation.accuracy,
        interval=evaluation.accuracy_interval,
        balanced_accuracy=evaluation.balanced_accuracy,
        test_images=evaluation.n_images,
        images_seen=images_seen,
        pretraining=pretraining,
        seconds=seconds,
    )


def _transfer_row(network: Backbone, result: TransferResult) -> Row:
    method = f"{network.name}, last layer retrained"
    before = network.weights
    if isinstance(network, OwnBackbone):
        method = f"ours, pretrained ({network.name}), last layer retrained"
        before = _pretraining(network.trained.card)
    return _row(method, result.evaluation, result.images_seen, before, result.seconds)


def _row_of_all_layers(network: OwnBackbone, tuned: FineTuned) -> Row:
    method = f"ours, pretrained ({network.name}), all layers fine-tuned"
    before = _pretraining(network.trained.card)
    return _row(method, tuned.evaluation, tuned.images_seen, before, tuned.seconds)


def _pretraining(card: dict[str, Any]) -> str:
    """Training images as a model card tells them."""
    seen, experiment = card.get("images_seen"), card.get("experiment")
    count = f"{seen:,} simulated images" if isinstance(seen, int) else "simulated images"
    return f"{count} of {experiment['recipe']}" if isinstance(experiment, dict) else count


def _scratch_row(config: ClassifierConfig, images: SplitImages, plan: TrainingSettings) -> Row:
    began = time.perf_counter()
    model = Classifier(config, rngs=nnx.Rngs(plan.seed))
    records = training.fit(
        model,
        images.train.images,
        images.train.labels,
        plan,
        validation=(images.validation.images, images.validation.labels),
        title="from scratch",
    )
    temperature = training.fit_temperature(
        models.logits(model, images.validation.images), images.validation.labels
    )
    seconds = time.perf_counter() - began
    chances = models.probabilities(model, images.test.images, temperature=temperature)
    evaluation = training.evaluate(chances, images.test.labels, images.class_names)
    seen = int(records[-1]["step"]) * plan.batch_size
    return _row("ours, from scratch", evaluation, seen, "nothing", seconds)
