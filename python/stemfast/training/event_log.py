"""The lines of metrics for TensorBoard as well, for those who have it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["EventLog", "check_installed"]


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
