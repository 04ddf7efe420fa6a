"""A training run as its folder shows it, while it goes on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Run", "read_run"]

METRICS, RECORD = "metrics.jsonl", "run.json"


@dataclass(frozen=True)
class Run:
    """Metrics that a run has written so far.

    Attributes
    ----------
    name : str
        Of its folder.
    curves : dict of str to (list of float, list of float)
        By the name of a figure: images learnt from (steps where a run counts those), and values.
    images : int or None
        How many images it will learn from, where that is written down.
    """

    name: str
    curves: dict[str, tuple[list[float], list[float]]]
    images: int | None

    def __str__(self) -> str:
        if not self.curves:
            return f"{self.name}: nothing is written down yet"
        done = max(x[-1] for x, _ in self.curves.values())
        share = f" of {self.images:,} ({100 * done / self.images:.0f} %)" if self.images else ""
        last = ", ".join(f"{name} {y[-1]:.4g}" for name, (_, y) in self.curves.items())
        return f"{self.name}: {done:,.0f}{share}; {last}"


def read_run(folder: Path) -> Run:
    """Read what a run has written down; a line that is being written is left for the next time.

    Parameters
    ----------
    folder : Path
        Of the run, as ``stemfast train`` made it.

    Raises
    ------
    FileNotFoundError
        If it holds no run.
    """
    path = folder / METRICS
    if not path.is_file() and not (folder / RECORD).is_file():
        raise FileNotFoundError(
            f"{folder} holds no run: expected {METRICS}, which 'stemfast train' writes"
        )
    curves: dict[str, tuple[list[float], list[float]]] = {}
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    for line in text.splitlines():
        try:
            figures = json.loads(line)
        except ValueError:
            continue
        at = figures.get("images", figures.get("step"))
        for name, value in figures.items():
            if at is None or not _is_figure(name, value):
                continue
            x, y = curves.setdefault(name, ([], []))
            x.append(float(at))
            y.append(float(value))
    return Run(folder.resolve().name, curves, _planned(folder / RECORD))


def _is_figure(name: str, value: object) -> bool:
    return ("loss" in name or "accuracy" in name) and isinstance(value, int | float)


def _planned(path: Path) -> int | None:
    try:
        record: Any = json.loads(path.read_text(encoding="utf-8"))
        return int(record["experiment"]["images"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
