"""``stemfast ceiling``: how well anyone could read a task's images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stemfast.cli.options import (
    Conditions,
    DaskAddress,
    Images,
    ReadingProgress,
    Seed,
    Sets,
    Size,
    record_option,
)

if TYPE_CHECKING:
    from stemfast.studies.ceiling import Ceiling

_WIDEST = 12  # classes that a confusion table is printed for


def ceiling(
    task: Annotated[
        str, typer.Argument(metavar="TASK", help="shapes, deformed, count, pairs-cube, …")
    ] = "count",
    conditions: Conditions = "standard",
    n: Images = 300,
    size: Size = 128,
    seed: Seed = 0,
    sets: Sets = None,
    out: Annotated[Path | None, record_option("ceiling")] = None,
    dask: DaskAddress = None,
) -> None:
    """Have an ideal observer read test images: the most that any network could reach.

    Example: [bold]stemfast ceiling count --conditions hard -n 100[/bold]

    It knows the physics, starts from the true particle, fits the rivals, and compares their
    evidence: those with one corner more, one less or one elsewhere, or the other two shapes. Takes
    about a second for each image in standard conditions, several in hard ones, on one core.
    """
    from stemfast import recipes
    from stemfast.fit.tasks import TASKS
    from stemfast.studies.ceiling import ceiling as have_it_read

    if task not in TASKS:
        raise ValueError(f"task is {task!r}, expected one of {', '.join(TASKS)}")
    recipe = recipes.resolve(task, conditions=conditions, image_px=size, sets=sets or ())
    path = out or Path(f"ceiling-{task}-{conditions}.jsonl")
    with ReadingProgress(n) as progress:
        score = have_it_read(recipe, n, seed=seed, path=path, report=progress, dask=dask)
    typer.echo(_table(score))
    typer.echo(f"wrote {path}")


def _table(score: Ceiling) -> str:
    lines = [str(score)]
    if score.task == "count":
        lines.append(f"within one corner: {100 * score.within_one:.1f} %")
    lines.append(f"mean probability of its answers: {score.mean_probability:.3f}")
    names, confusion = score.class_names, score.confusion
    if len(names) <= _WIDEST:
        width = max(5, *(len(name) for name in names))
        lines.append(" " * width + "  answered")
        lines.append("true".rjust(width) + "".join(name.rjust(width + 1) for name in names))
        for name, row in zip(names, confusion.tolist(), strict=True):
            cells = "".join((str(count) if count else "·").rjust(width + 1) for count in row)
            lines.append(name.rjust(width) + cells)
        return "\n".join(lines)
    wrong = [
        (int(confusion[i, j]), names[i], names[j])
        for i in range(len(names))
        for j in range(len(names))
        if i != j and confusion[i, j]
    ]
    for count, true, answer in sorted(wrong, reverse=True)[:_WIDEST]:
        lines.append(f"{count:5d}  {true}, read as {answer}")
    return "\n".join(lines)
