"""Progress of the writing: a bar for people, lines for log files."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich import progress as bars
from rich.console import Console

__all__ = ["Progress", "duration"]

LINE_EVERY_S = 10.0


def duration(seconds: float) -> str:
    """A length of time in words.

    Examples
    --------
    >>> duration(0.4), duration(75), duration(3600 * 50)
    ('1 s', '1 min 15 s', '2 d 2 h')
    """
    left = max(1, round(seconds))
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


class Progress:
    """Images done, images per second and time left, on standard error.

    Parameters
    ----------
    title : str
        What is being done.
    total : int
        Images altogether.
    done : int
        Images that are there already.
    plain : bool
        Whether to print lines now and then where standard error is not a terminal; otherwise
        nothing is shown there.

    Examples
    --------
    >>> with Progress("simulating", 100, plain=False) as progress:
    ...     progress.advance(60, 60)
    >>> progress.done
    60
    """

    def __init__(self, title: str, total: int, done: int = 0, *, plain: bool = True) -> None:
        self.title, self.total, self.done, self.made = title, total, done, 0
        console = Console(stderr=True)
        self._lines = plain and not console.is_terminal
        self._console = console
        self._bar = bars.Progress(
            bars.TextColumn(title),
            bars.BarColumn(),
            bars.TextColumn("{task.completed}/{task.total} images"),
            bars.TextColumn("{task.fields[rate]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=total, completed=done, rate="")

    def __enter__(self) -> Self:
        self._began = self._said = time.monotonic()
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()
        if self._lines and kind is None and self.made:
            self._say()

    def _rate(self) -> str:
        elapsed = time.monotonic() - self._began
        if not self.made or elapsed <= 0.0:
            return ""
        per_second = self.made / elapsed
        left = (self.total - self.done) / per_second
        rest = f", {duration(left)} left" if self.done < self.total else ""
        rate = f"{per_second:.0f}" if per_second >= 10.0 else f"{per_second:.2g}"
        return f"{rate} images/s{rest}"

    def _say(self) -> None:
        words = f"{self.title}: {self.done}/{self.total} images, {self._rate()}"
        self._console.print(words, highlight=False, markup=False, soft_wrap=True)

    def advance(self, done: int, made: int) -> None:
        """Note that so many more images are done, and how many of them were made here."""
        self.done += done
        self.made += made
        self._bar.update(self._task, completed=self.done, rate=self._rate())
        if self._lines and time.monotonic() - self._said >= LINE_EVERY_S:
            self._said = time.monotonic()
            self._say()
