"""Metrics of a training run: computed, kept as JSON lines or events, and shown on a terminal."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.live import Live
from rich.table import Table

from stemfast import atomic
from stemfast.models import Classifier, logits
from stemfast.training.experiment import Experiment
from stemfast.training.step import Seen

__all__ = [
    "SILENT_S",
    "EventLog",
    "TrainingProgress",
    "append",
    "check_installed",
    "forget_after",
    "of_steps",
    "of_validation",
    "read",
    "tell",
]

#: Longest time without a line where no bar is drawn [s].
SILENT_S = 30.0


def tell(words: str) -> None:
    """Print a line on standard error: what a run does now."""
    Console(stderr=True).print(words, highlight=False, soft_wrap=True)


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
    """Loss and accuracy of a network on images that it does not learn from, each read once.

    Parameters
    ----------
    model : Classifier
    images : (N, H, W) array
    labels : (N,) int64
    """
    table = logits(model, images, poses=1).astype(np.float64)
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
    kept = [json.dumps(line) + "\n" for line in read(path) if line["images"] <= images]
    atomic.write_text(path, "".join(kept))


def read(path: Path) -> list[dict[str, Any]]:
    """Lines of a file, without one that was cut short when the run was killed."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        with suppress(ValueError):
            found.append(json.loads(line))
    return found


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
            'pip install "stemfast[tensorboard]"'
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


def _clock(seconds: float) -> str:
    """Hours, minutes and seconds.

    Examples
    --------
    >>> _clock(3725)
    '1:02:05'
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


class TrainingProgress:
    """Loss, accuracy, images/s and time left, on standard error.

    Parameters
    ----------
    title : str
        Name of the experiment.
    total, first : int
        Steps altogether, and those done before the run was stopped.
    batch_size : int
        Images in a step.
    quiet : bool
        Show nothing.
    """

    def __init__(
        self, title: str, total: int, first: int, batch_size: int, *, quiet: bool = False
    ) -> None:
        self._title, self._size = title, batch_size
        self._total, self._first = total * batch_size, first * batch_size
        self._console = Console(stderr=True, quiet=quiet)
        self._live = Live(console=self._console, refresh_per_second=2)
        self._watched: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._began = self._told = time.perf_counter()
        if not self._console.quiet:
            tell(f"{self._title}: compiling, then {self._total - self._first} images")
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def show(self, line: dict[str, Any]) -> None:
        """Show a line of metrics; in a file, those with a validation and one every half minute."""
        watched = "validation_accuracy" in line
        if watched:
            self._watched = line
        elapsed = time.perf_counter() - self._began
        speed = (line["images"] - self._first) / max(elapsed, 1e-9)
        left = _clock((self._total - line["images"]) / max(speed, 1e-9))
        if self._console.is_terminal:
            self._live.update(self._table(line, speed, left))
        elif watched or time.perf_counter() - self._told > SILENT_S:
            self._told = time.perf_counter()
            seen = f"validation {100 * line['validation_accuracy']:.1f} %, " if watched else ""
            tell(
                f"{self._title}: {line['images']} of {self._total} images, loss "
                f"{line['loss']:.3f}, accuracy {100 * line['accuracy']:.1f} %, {seen}"
                f"{speed:.0f} images/s, {left} left"
            )

    def _table(self, line: dict[str, Any], speed: float, left: str) -> Table:
        table = Table(title=self._title)
        row = {
            "images": f"{line['images']:,} of {self._total:,}",
            "loss": f"{line['loss']:.3f}",
            "accuracy": f"{100 * line['accuracy']:.1f} %",
            "validation": (
                f"{100 * self._watched['validation_accuracy']:.1f} %" if self._watched else "–"
            ),
            "images/s": f"{speed:.0f}",
            "time left": left,
        }
        for name in row:
            table.add_column(name, justify="right")
        table.add_row(*row.values())
        return table
