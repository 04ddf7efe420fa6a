"""Lines of metrics: what steps and validation images say, and the file that keeps them."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from stemfast import atomic
from stemfast.models import Classifier, logits
from stemfast.training.experiment import Experiment
from stemfast.training.step import Seen

__all__ = ["EventLog", "append", "check_installed", "forget_after", "of_steps", "of_validation"]


def of_steps(seen: Sequence[Seen], experiment: Experiment, done: int) -> dict[str, Any]:
    """Means over the latest steps.

    Parameters
    ----------
    seen : sequence of Seen
        What each of them saw.
    experiment : Experiment
    done : int
        Steps since the run began.

    Raises
    ------
    FloatingPointError
        If a loss is not a finite number.
    """
    losses = [float(one.loss) + float(one.corner_loss) for one in seen]
    for back, loss in enumerate(losses):
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the loss became {loss} at step {done - len(losses) + back + 1}: training "
                f"stopped. A learning_rate below {experiment.learning_rate} may help"
            )
    size = experiment.batch_size
    return {
        "images": done * size,
        "loss": float(np.mean([float(one.loss) for one in seen])),
        "corner_loss": float(np.mean([float(one.corner_loss) for one in seen])),
        "accuracy": sum(int(one.right) for one in seen) / (len(seen) * size),
    }


def of_validation(
    model: Classifier, images: NDArray[Any], labels: NDArray[np.int64]
) -> dict[str, float]:
    """Loss and accuracy of a network on images that it does not learn from.

    Parameters
    ----------
    model : Classifier
    images : (N, H, W) array
    labels : (N,) int64
    """
    table = logits(model, images).astype(np.float64)
    surprise = np.logaddexp.reduce(table, axis=1) - table[np.arange(len(table)), labels]
    return {
        "validation_loss": float(surprise.mean()),
        "validation_accuracy": float((table.argmax(axis=1) == labels).mean()),
    }


def append(path: Path, line: dict[str, Any]) -> None:
    """Add a line to a file."""
    with path.open("a", encoding="utf-8") as log:
        log.write(json.dumps(line) + "\n")


def forget_after(path: Path, images: int) -> None:
    """Drop the lines of steps that will be done again.

    Parameters
    ----------
    path : Path
    images : int
        Those learnt from at the checkpoint that the run goes on from.
    """
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["images"] <= images:
                kept.append(line + "\n")
        except ValueError:  # cut short when the run was killed
            continue
    atomic.write_text(path, "".join(kept))


def check_installed() -> None:
    """Refuse if TensorBoard's events cannot be written.

    Raises
    ------
    ImportError
        If tensorboardX is not installed.
    """
    try:
        import tensorboardX  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "--tensorboard needs tensorboardX, which is not installed: "
            "pip install 'stemfast[tensorboard]'"
        ) from error


class EventLog:
    """Writes every number of a line as a curve against the images seen.

    The lines are what counts: a log is made anew from them whenever a run begins or goes on, so
    that no step stands in it twice.

    Parameters
    ----------
    metrics : Path
        Lines that were written before. The events go into a folder ``tensorboard`` beside them,
        each file of lines into one of its own.
    """

    def __init__(self, metrics: Path) -> None:
        from tensorboardX import SummaryWriter

        folder = metrics.parent / "tensorboard" / metrics.stem
        shutil.rmtree(folder, ignore_errors=True)
        self._writer = SummaryWriter(str(folder))
        if metrics.exists():
            for line in metrics.read_text(encoding="utf-8").splitlines():
                self.add(json.loads(line))

    def add(self, line: dict[str, Any]) -> None:
        """Add a line; it has a number of ``images``."""
        for name, value in line.items():
            if name != "images":
                self._writer.add_scalar(name, value, line["images"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.close()
