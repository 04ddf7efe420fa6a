"""What a person sees while a network trains: a live table, or now and then a line."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

__all__ = ["Progress"]


def clock(seconds: float) -> str:
    """Hours, minutes and seconds.

    Examples
    --------
    >>> clock(3725)
    '1:02:05'
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


class Progress:
    """Loss, accuracy, images/s and time left, on standard error.

    Parameters
    ----------
    title : str
        Name of the experiment.
    total, first : int
        Steps altogether, and those done in earlier sittings.
    batch_size : int
        Images in a step.
    """

    def __init__(self, title: str, total: int, first: int, batch_size: int) -> None:
        self._title, self._size = title, batch_size
        self._total, self._first = total * batch_size, first * batch_size
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, refresh_per_second=2)
        self._watched: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._began = time.perf_counter()
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
        """Show a line of metrics; where nobody watches, only those with a validation."""
        watched = "validation_accuracy" in line
        if watched:
            self._watched = line
        elapsed = time.perf_counter() - self._began
        speed = (line["images"] - self._first) / max(elapsed, 1e-9)
        left = clock((self._total - line["images"]) / max(speed, 1e-9))
        if self._console.is_terminal:
            self._live.update(self._table(line, speed, left))
        elif watched:
            self._console.print(
                f"{self._title}: {line['images']} of {self._total} images, loss "
                f"{line['loss']:.3f}, accuracy {100 * line['accuracy']:.1f} %, validation "
                f"{100 * line['validation_accuracy']:.1f} %, {speed:.0f} images/s, {left} left",
                highlight=False,
                soft_wrap=True,
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
