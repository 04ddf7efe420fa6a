"""The picture of finished runs: accuracy against images seen, or kinds of networks side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.ticker import FuncFormatter, NullLocator

from stemfast.plots.figure import save
from stemfast.studies.curve_pictures import COLOURS, draw_chance, figure_and_axes, percent_axis

__all__ = ["draw"]

_ASIDE = 1.03


def draw(found: Any, path: Path) -> None:
    """Draw runs into one picture.

    With several budgets, a line for each kind of network against the images that it saw; with one
    budget, a row for each kind. Seeds are dots, lines go through their means.

    Parameters
    ----------
    found : stemfast.studies.runs.Runs
        What to show.
    path : Path
        PNG to write.
    """
    kinds = list(dict.fromkeys(row.kind for row in found.rows))
    budgets = {row.images for row in found.rows}
    if len(budgets) > 1:
        figure, axes = figure_and_axes(6.0, 4.0)
        for place, (kind, colour) in enumerate(zip(kinds, _colours(len(kinds)), strict=True)):
            # A little aside, or the dots of one budget would hide each other.
            aside = _ASIDE ** (place - 0.5 * (len(kinds) - 1))
            _line(axes, found, kind, colour, aside)
        axes.set_xscale("log")
        marks = _marks(sorted(budgets))
        axes.set_xticks(marks, [f"{mark:,}" for mark in marks])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("training images seen")
        _limits(axes, found)
        if len(kinds) > 1:
            axes.legend(frameon=False, fontsize=9, loc="best")
        what = f"{found.task}: accuracy against training images"
        if len(kinds) == 1:
            what += f" ({kinds[0]})"
    else:
        figure, axes = figure_and_axes(6.0, 1.5 + 0.45 * len(kinds))
        _rows(axes, found, kinds)
        what = f"{found.task}: {budgets.pop():,} training images each"
    tested = sorted({row.test_images for row in found.rows})
    images = " or ".join(f"{number:,}" for number in tested)
    axes.set_title(
        f"{what}\n{images} test images, {found.conditions} conditions, 95 % intervals", fontsize=10
    )
    save(figure, path)


def _colours(number: int) -> list[str]:
    return [COLOURS[k % len(COLOURS)] for k in range(number)]


def _marks(budgets: list[int]) -> list[int]:
    """Budgets to write below the axis, none over another."""
    least = (budgets[-1] / budgets[0]) ** 0.14
    marks = budgets[:1]
    for budget in budgets[1:]:
        if budget >= least * marks[-1]:
            marks.append(budget)
    return marks


def _line(axes: Any, found: Any, kind: str, colour: str, aside: float) -> None:
    groups = {
        images * aside: rows for (own, images), rows in found.grouped().items() if own == kind
    }
    means = [sum(r.balanced_accuracy for r in rows) / len(rows) for rows in groups.values()]
    axes.plot(list(groups), means, color=colour, lw=1.6, label=kind)
    for images, rows in groups.items():
        for row in rows:
            low, high = _reach(row)
            axes.errorbar(
                images,
                row.balanced_accuracy,
                yerr=[[low], [high]],
                color=colour,
                marker="o",
                ms=4,
                lw=1.0,
                capsize=2,
            )


def _rows(axes: Any, found: Any, kinds: list[str]) -> None:
    for place, (kind, colour) in enumerate(zip(kinds, _colours(len(kinds)), strict=True)):
        rows = [row for row in found.rows if row.kind == kind]
        for number, row in enumerate(rows):
            low, high = _reach(row)
            height = place + 0.14 * (number - 0.5 * (len(rows) - 1))
            axes.errorbar(
                row.balanced_accuracy,
                height,
                xerr=[[low], [high]],
                color=colour,
                marker="o",
                ms=5,
                lw=1.2,
                capsize=3,
            )
    axes.set_yticks(range(len(kinds)), kinds)
    axes.set_ylim(len(kinds) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}"))
    axes.set_xlabel("balanced accuracy [%]")
    axes.grid(axis="x", color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)


def _reach(row: Any) -> tuple[float, float]:
    """Reach of the interval below and above."""
    low, high = row.interval
    return max(0.0, row.balanced_accuracy - low), max(0.0, high - row.balanced_accuracy)


def _limits(axes: Any, found: Any) -> None:
    """From chance up where runs come near it, else as close as the intervals allow."""
    low = min(row.interval[0] for row in found.rows)
    high = max(row.interval[1] for row in found.rows)
    if low - found.chance < 0.5 * (high - found.chance):
        percent_axis(axes, 0.0, 1.0)
        draw_chance(axes, found.chance)
    else:
        room = 0.1 * (high - low)
        percent_axis(axes, low - room, min(1.0, high + room))
    axes.set_ylabel("balanced accuracy [%]")
