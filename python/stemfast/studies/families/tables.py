"""Tables of a trial of families: confusion, sizes and coverage, and the picture of confusion."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stemfast.fit.families.shipped import FAMILIES
from stemfast.plots.figure import new_figure, save
from stemfast.studies.families.trial import TASKS, FamilyReading
from stemfast.studies.joint_figures import Coverage, Figure

__all__ = ["confusions", "draw_confusion", "table"]

_SURE = 0.9


def confusions(readings: Sequence[FamilyReading]) -> dict[tuple[str, str], int]:
    """Counts of readings by true family and answer; not explained counts as a family.

    Examples
    --------
    >>> one = FamilyReading(0, "cube", "1 image", "cuboid", 1.0, 0.0, True, {}, {}, 1.0)
    >>> confusions([one])
    {('cube', 'cuboid'): 1}
    """
    found: dict[tuple[str, str], int] = {}
    for one in readings:
        pair = (one.family, one.answer if one.explained else "not explained")
        found[pair] = found.get(pair, 0) + 1
    return found


def table(readings: Sequence[FamilyReading]) -> str:
    """Markdown: a row for each task, then what was mistaken for what."""
    lines = [
        "| read | particles | family right [%] | wrong at p > 0.9 [%] | not explained [%] | "
        "sizes, rms [% of ∛volume] | volume, rms [%] | within one error bar [%] | core [s] |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for task in TASKS:
        own = [one for one in readings if one.task == task]
        if not own:
            continue
        right = [one for one in own if one.right]
        wrong = [one.answer != one.family and one.probability > _SURE for one in own]
        lines.append(
            f"| {task} | {len(own)} | {Figure.share([one.right for one in own])} | "
            f"{Figure.share(wrong)} | {Figure.share([not one.explained for one in own])} | "
            f"{_rms([[one.off[name] for name in _sizes(one)] for one in right])} | "
            f"{_rms([[one.off['volume']] for one in right])} | {_covered(right)} | "
            f"{np.median([one.seconds for one in own]):.1f} |"
        )
    for task in TASKS:
        pairs = confusions([one for one in readings if one.task == task])
        said = [f"{a} → {b}: {count}" for (a, b), count in pairs.items() if a != b]
        if said:
            lines += ["", f"Mistaken, {task}: {'; '.join(said)}."]
    return "\n".join(lines)


def _sizes(one: FamilyReading) -> list[str]:
    """Names of the sizes, inner ones too, which come before volumes."""
    return list(itertools.takewhile(lambda name: not name.endswith("volume"), one.off))


def _rms(errors: Sequence[Sequence[float]]) -> str:
    """Figure of relative errors, some of each particle."""
    own = [[np.sqrt(np.mean(np.square(some)))] for some in errors]
    return str(Figure.rms(own)) if own else "–"


def _covered(readings: Sequence[FamilyReading]) -> str:
    groups = [
        [one.off[name] / one.sd[name] for name in _sizes(one) if one.sd[name] > 0]
        for one in readings
    ]
    groups = [group for group in groups if group]
    if not groups:
        return "–"
    found = Coverage.of_groups(groups)
    return f"{100 * found.within[0]:.0f} ± {100 * found.errors[0]:.0f}"


def draw_confusion(readings: Sequence[FamilyReading], path: str | Path) -> Path:
    """Picture of the confusions, a panel for each task.

    Parameters
    ----------
    readings : sequence of FamilyReading
    path : str or Path
    """
    tasks = [task for task in TASKS if any(one.task == task for one in readings)]
    named = dict.fromkeys([*FAMILIES, *(one.family for one in readings)])
    rows = [name for name in named if any(one.family == name for one in readings)]
    columns = [*named, "not explained"]
    figure = new_figure(1.0 + 3.4 * len(tasks), 4.6, dpi=130)
    for k, task in enumerate(tasks):
        pairs = confusions([one for one in readings if one.task == task])
        counts = np.array([[pairs.get((row, column), 0) for column in columns] for row in rows])
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes = figure.add_subplot(1, len(tasks), k + 1)
        axes.imshow(share, cmap="Blues", vmin=0.0, vmax=1.0)
        for i, j in zip(*np.nonzero(counts), strict=True):
            ink = "white" if share[i, j] > 0.5 else "black"
            axes.text(j, i, str(counts[i, j]), ha="center", va="center", fontsize=5, color=ink)
        axes.set_xticks(range(len(columns)), columns, rotation=90, fontsize=6)
        axes.set_yticks(range(len(rows)), rows if k == 0 else [""] * len(rows), fontsize=6)
        axes.set_title(task, fontsize=8)
    return save(figure, path)
