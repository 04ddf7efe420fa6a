"""Judgement of a training run: its confusion matrix, and test images that it gets wrong."""

from __future__ import annotations

import base64
import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stemfast.explore.job import Tell

if TYPE_CHECKING:
    from stemfast.pretrained import TrainedClassifier

__all__ = ["ANY", "Mistakes", "confusion_png", "find_mistakes", "judged_at"]

ANY = "any"
_EVALUATION = "evaluation.json"
_BATCH = 128

Batches = Iterator[tuple[NDArray[Any], NDArray[np.int64]]]


@dataclass(frozen=True, eq=False)
class Mistakes:
    """Test images that a network gets wrong.

    Attributes
    ----------
    folder : Path
        Of the run.
    read : int
        Images that it read for them.
    class_names : tuple of str
    images : ndarray, shape (n, rows, columns) or (n, views, rows, columns)
    truth, answer : ndarray of int64, shape (n,)
    probability : ndarray, shape (n,)
        Of the answer.
    """

    folder: Path
    read: int
    class_names: tuple[str, ...]
    images: NDArray[Any]
    truth: NDArray[np.int64]
    answer: NDArray[np.int64]
    probability: NDArray[np.float64]

    def __str__(self) -> str:
        share = 100 * len(self.truth) / max(self.read, 1)
        return f"{len(self.truth)} of {self.read} test images are wrong ({share:.1f} %)"

    @property
    def kinds(self) -> list[str]:
        """Truth and answer of each, as "3 → 4".

        Examples
        --------
        >>> one, two = np.array([1]), np.array([0])
        >>> Mistakes(Path("a"), 9, ("x", "y"), np.zeros((1, 4, 4)), one, two, np.ones(1)).kinds
        ['y → x']
        """
        names = self.class_names
        pairs = zip(self.truth.tolist(), self.answer.tolist(), strict=True)
        return [f"{names[t]} → {names[a]}" for t, a in pairs]

    def choices(self) -> list[tuple[str, str]]:
        """Kinds of mistakes and how many there are, the most frequent first; `ANY` before them."""
        counted = Counter(self.kinds).most_common()
        return [(ANY, ANY), *((kind, f"{kind} ({n})") for kind, n in counted)]

    def of_kind(self, kind: str) -> NDArray[np.intp]:
        """Numbers of the mistakes of a kind, or of all, those first that it was surest of."""
        chosen = np.array([kind in (ANY, one) for one in self.kinds], bool)
        order = np.argsort(-self.probability, kind="stable")
        return np.asarray(order[chosen[order]])


def judged_at(folder: Path) -> float:
    """Time at which the judgement of a run was written [s]; 0 before."""
    path = folder / _EVALUATION
    return path.stat().st_mtime if path.is_file() else 0.0


def confusion_png(folder: Path) -> str:
    """Confusion matrix of a run on its test images, a PNG in base64; "" where it has none.

    Raises
    ------
    ValueError
        If what the run wrote is damaged.
    """
    from stemfast.plots import confusion_matrix

    try:
        text = (folder / _EVALUATION).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    try:
        found = json.loads(text)
        if "confusion" not in found:
            return ""
        matrix, names = np.array(found["confusion"], np.int64), list(map(str, found["class_names"]))
        accuracy, n = 100 * float(found["balanced_accuracy"]), int(found["images"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{folder / _EVALUATION} is damaged: {error}") from error
    title = f"{folder.resolve().name}: {accuracy:.1f} % of {n:,} test images"
    with tempfile.TemporaryDirectory() as made:
        path = confusion_matrix(matrix, names, Path(made) / "confusion.png", title=title)
        return base64.b64encode(path.read_bytes()).decode("ascii")


def find_mistakes(folder: Path, images: int, tell: Tell) -> Mistakes:
    """Simulate the first test images of a run again, and keep those that its network gets wrong.

    Parameters
    ----------
    folder : Path
        Of a run that has ended.
    images : int
        How many are read.
    tell : callable
        Told what is being done.

    Raises
    ------
    ValueError, OSError
        If the folder holds no network for single images, or not how it was made.
    """
    from stemfast import pretrained
    from stemfast.models import logits
    from stemfast.models.predict import softmax

    tell("loading the network", -1.0)
    trained = pretrained.load(folder)
    if "experiment" not in trained.card:
        raise ValueError(f"{folder} does not say which images its network is for")
    wrong: list[tuple[NDArray[Any], ...]] = []
    read = 0
    for pictures, labels in _test_images(trained, images):
        tell("reading test images", read / images)
        chances = softmax(logits(trained.model, pictures), trained.temperature)
        answer = chances.argmax(axis=1)
        bad = answer != labels
        wrong.append((pictures[bad], labels[bad], answer[bad], chances.max(axis=1)[bad]))
        read += len(labels)
    kept = [np.concatenate(column) for column in zip(*wrong, strict=True)]
    return Mistakes(folder, read, trained.class_names, *kept)


def _test_images(trained: TrainedClassifier, images: int) -> Batches:
    """The first test images of the network's own experiment, with their labels."""
    own = trained.card["experiment"]
    if trained.reads_portraits:
        from stemfast.training.portraits.experiment import PortraitExperiment
        from stemfast.training.portraits.samples import some

        experiment = PortraitExperiment.model_validate(own)
        drawn = some(experiment.make_recipe(), experiment.seed, "test", images, experiment.most)
        yield drawn.images.astype(np.float32), drawn.labels
        return
    from stemfast import recipes
    from stemfast.dataset.streaming.stream import stream

    recipe = recipes.from_dump(own["recipe"], trained.card["recipe"])
    with stream(recipe, seed=own["seed"], batch_size=_BATCH, stop=images, split="test") as batches:
        for batch in batches:
            yield batch.images, batch.labels
