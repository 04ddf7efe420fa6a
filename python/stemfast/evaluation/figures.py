"""Confusion matrix and reliability diagram of a judged network, and its figures as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stemfast import atomic
from stemfast.evaluation.judge import Judgement
from stemfast.plots.figure import new_figure, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["confusion_table", "reliability", "write", "write_curves"]

EVALUATION_FILE = "evaluation.json"
_DPI = 120


def confusion_table(found: Judgement) -> str:
    """The confusion matrix as text: rows truth, columns answer."""
    names = found.evaluation.class_names
    rows = [["", *names]] + [
        [name, *map(str, row)]
        for name, row in zip(names, found.evaluation.confusion.tolist(), strict=True)
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )


def reliability(
    confidence: NDArray[np.float64], right: NDArray[np.bool_], bins: int = 15
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Mean confidence, share right and number of images in equal bins of confidence.

    Parameters
    ----------
    confidence : (N,) float64
        Probability of each answer.
    right : (N,) bool
        Whether it is.
    bins : int
        Equal ones from 0 to 1; those that stay empty are left out.

    Examples
    --------
    >>> import numpy as np
    >>> reliability(np.array([0.9, 0.9]), np.array([True, False]), bins=2)
    (array([0.9]), array([0.5]), array([2]))
    """
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    count = np.bincount(which, minlength=bins)
    held = count > 0
    mean = np.bincount(which, weights=confidence, minlength=bins)[held] / count[held]
    share = np.bincount(which, weights=right, minlength=bins)[held] / count[held]
    return mean, share, count[held]


def write(
    folder: Path, found: Judgement, *, title: str, more: dict[str, Any] | None = None
) -> None:
    """Write ``evaluation.json``, and if matplotlib is there the two pictures.

    Parameters
    ----------
    folder : Path
        Made if missing.
    found : Judgement
        What to show.
    title : str
        Over the pictures.
    more : dict, optional
        What else to put into the JSON.
    """
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write_json(folder / EVALUATION_FILE, {**found.to_dict(), **(more or {})})
    if find_spec("matplotlib") is None:
        return
    save(_confusion(found, title), folder / "confusion.png")
    save(_reliability(found, title), folder / "reliability.png")


def write_curves(
    path: Path, lines: Sequence[Mapping[str, Any]], *, title: str, chance: float
) -> None:
    """Draw loss and accuracy against the images seen, if matplotlib is there.

    Parameters
    ----------
    path : Path
        The picture.
    lines : sequence of dict
        Of a run's ``metrics.jsonl``; some have a ``validation_loss`` and a
        ``validation_accuracy``.
    title : str
        Over the picture.
    chance : float
        Accuracy of a guess, drawn as a line.
    """
    if find_spec("matplotlib") is None:
        return
    figure = new_figure(7, 3.2, dpi=_DPI)
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for key, label, style in (
            (name, "training", "-"),
            (f"validation_{name}", "validation", "o-"),
        ):
            some = [(line["images"], line[key]) for line in lines if key in line]
            axes.plot(*np.array(some).reshape(-1, 2).T, style, markersize=3, label=label)
        axes.set_xlabel("images seen")
        axes.set_ylabel(name)
        axes.set_ylim(bottom=0)
    axes.axhline(chance, color="grey", linestyle="--", linewidth=1, label="chance")
    axes.legend(fontsize=8)
    figure.suptitle(title, fontsize=10)
    save(figure, path)


def _confusion(found: Judgement, title: str) -> Figure:
    names, matrix = found.evaluation.class_names, found.evaluation.confusion
    share = matrix / matrix.sum(axis=1, keepdims=True)
    side = 2.0 + 0.55 * len(names)
    figure = new_figure(side, side, dpi=_DPI)
    axes = figure.subplots()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row in range(len(names)):
        for column in range(len(names)):
            colour = "white" if share[row, column] > 0.5 else "black"
            text = f"{100 * share[row, column]:.1f}"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(names)), names, rotation=30 if max(map(len, names)) > 3 else 0)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("answer")
    axes.set_ylabel("truth")
    accuracy = 100 * found.evaluation.balanced_accuracy
    axes.set_title(f"{title}: {accuracy:.1f} % [% of the row]", fontsize=10)
    return figure


def _reliability(found: Judgement, title: str) -> Figure:
    mean, share, count = reliability(found.confidence, found.right)
    error = np.sqrt(np.maximum(share * (1 - share), 0.25 / count) / count)
    figure = new_figure(4, 4, dpi=_DPI)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    axes.errorbar(mean, share, yerr=error, fmt="o", capsize=2)
    axes.set_xlabel("probability given")
    axes.set_ylabel("share right")
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.02)
    gap = 100 * found.evaluation.calibration_error
    axes.set_title(f"{title}: calibration error {gap:.2f} %", fontsize=10)
    return figure
