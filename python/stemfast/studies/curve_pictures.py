"""Pictures of accuracies: against a condition of the images, or of finished runs.

They are drawn from the records that commands write, so that a picture can be made anew from JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from stemfast.plots.figure import new_figure, save

__all__ = ["COLOURS", "draw", "draw_chance", "figure_and_axes", "percent_axis"]

#: Told apart by readers who see few colours too (Okabe & Ito 2008).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_GREY = "#666666"


def draw(curves: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw curves against the same condition into one picture.

    Parameters
    ----------
    curves : sequence of dict
        What ``Curve.to_dict`` gives.
    path : Path
        PNG to write.

    Raises
    ------
    ValueError
        If there are none, or they are against different conditions.
    """
    if len({one["against"] for one in curves}) != 1:
        raise ValueError("curves must be at least one, all against the same condition")
    figure, axes = figure_and_axes(6.0, 4.0)
    first = curves[0]
    ranges = {tuple(one["trained_range"]) for one in curves if one["trained_range"]}
    for place, one in enumerate(curves):
        label = _RIGHT if len(curves) == 1 else _name(one, say_range=len(ranges) > 1)
        _line(axes, one, COLOURS[place % len(COLOURS)], label)
    for share in sorted({one["chance"] for one in curves}):
        guessed = ", ".join(_name(one) for one in curves if one["chance"] == share)
        all_alike = all(one["chance"] == share for one in curves)
        draw_chance(axes, share, "chance" if all_alike else f"chance for {guessed}")
    if first["against"] == "dose":
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.grid(axis="x", color="0.92", linewidth=0.8)
    if len(ranges) == 1:
        _shade(axes, *ranges.pop())
    axes.set_xlabel(first["label"])
    percent_axis(axes, 0.0, 1.0)
    axes.set_title(_title(curves), fontsize=10)
    lines, names = axes.get_legend_handles_labels()
    order = sorted(range(len(names)), key=lambda k: (names[k] == _LEARNT, names[k] == _NEAR))
    axes.legend(
        [lines[k] for k in order],
        [names[k] for k in order],
        fontsize=9,
        loc="best",
        edgecolor="none",
        framealpha=0.85,
    )
    save(figure, path)


_RIGHT, _NEAR, _LEARNT = "right", "at most one off", "range learnt from"
_WORDS = {"dose": "dose", "severity": "depth of the cuts", "turn": "turn during the scan"}


def _title(curves: Sequence[dict[str, Any]]) -> str:
    what = f"accuracy against {_WORDS[curves[0]['against']]}"
    if len(curves) == 1:
        what = f"{_name(curves[0])}: {what}"
    numbers = " or ".join(f"{n:,}" for n in sorted({one["images_per_point"] for one in curves}))
    conditions = " or ".join(dict.fromkeys(one["recipe"]["conditions"] for one in curves))
    return f"{what}\n{numbers} test images a point, {conditions} conditions, 95 % intervals"


def _name(one: dict[str, Any], *, say_range: bool = False) -> str:
    """The network's name, or its task's; and what it learnt from where networks differ in that."""
    name = str(one.get("network", one["task"]))
    if not say_range or not one["trained_range"]:
        return name
    low, high = one["trained_range"]
    learnt = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    return f"{name} (learnt from {learnt})"


def _line(axes: Any, one: dict[str, Any], colour: str, label: str) -> None:
    points = one["points"]
    x = [point["value"] for point in points]
    y = [point["accuracy"] for point in points]
    low, high = ([abs(p["interval"][k] - p["accuracy"]) for p in points] for k in (0, 1))
    axes.errorbar(
        x, y, yerr=[low, high], color=colour, marker="o", ms=4.5, lw=1.6, capsize=3, label=label
    )
    if label == _RIGHT and points[0]["within_one"] is not None:
        near = [point["within_one"] for point in points]
        axes.plot(x, near, color=colour, marker="o", ms=3, lw=1, ls="--", label=_NEAR)


def draw_chance(axes: Any, share: float, name: str = "chance", colour: str = _GREY) -> None:
    """A dotted line where guessing would be."""
    axes.axhline(share, color=colour, lw=1, ls=":", zorder=1)
    axes.annotate(
        f"{name}, {100 * share:.3g} %",
        (1, share),
        xycoords=("axes fraction", "data"),
        xytext=(-4, 3),
        textcoords="offset points",
        ha="right",
        fontsize=8,
        color=colour,
    )


def _shade(axes: Any, low: float, high: float) -> None:
    """Show the range that the network learnt from."""
    if low == high:
        axes.axvline(low, color=COLOURS[4], lw=5, alpha=0.35, zorder=0, label=_LEARNT)
    else:
        axes.axvspan(low, high, color=COLOURS[4], alpha=0.16, lw=0, label=_LEARNT)


def percent_axis(axes: Any, low: float, high: float) -> None:
    """Shares as percentages, with a quiet grid."""
    pad = 0.02 * (high - low)
    axes.set_ylim(low, high + pad)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}"))
    axes.set_ylabel("accuracy [%]")
    axes.grid(axis="y", color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)


def figure_and_axes(width: float, height: float) -> tuple[Figure, Any]:
    """A figure of some inches with one pair of axes."""
    figure = new_figure(width, height)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
