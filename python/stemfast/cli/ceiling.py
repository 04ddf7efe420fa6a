"""``stemfast ceiling``: how well anyone could read a task's images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stemfast.fit.ceiling import Ceiling

_WIDEST = 12  # classes that a confusion table is printed for


def ceiling(
    task: Annotated[
        str, typer.Argument(metavar="TASK", help="shapes, deformed, count, pairs-cube, …")
    ] = "count",
    conditions: Annotated[
        str, typer.Option(metavar="NAME", help="clean, standard or hard.")
    ] = "standard",
    n: Annotated[int, typer.Option("-n", metavar="N", min=1, help="Test images to read.")] = 300,
    size: Annotated[
        int, typer.Option(metavar="PX", min=16, help="Rows and columns of the images.")
    ] = 128,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the images.")] = 0,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Change a setting of the recipe. Repeat for more."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="JSON lines, one for each image; a run that was stopped goes on from there. "
            "Default ceiling-TASK-CONDITIONS.jsonl.",
        ),
    ] = None,
) -> None:
    """Have an ideal observer read test images: the most that any network could reach.

    Example: [bold]stemfast ceiling count --conditions hard -n 100[/bold]

    It knows the physics, starts from the true particle, fits the rivals, and compares their
    evidence: those with one corner more, one less or one elsewhere, or the other two shapes. Takes
    about a second for each image in standard conditions, several in hard ones, on one core.
    """
    from stemfast import recipes
    from stemfast.fit.ceiling import ceiling as have_it_read
    from stemfast.fit.tasks import TASKS

    if task not in TASKS:
        raise ValueError(f"task is {task!r}, expected one of {', '.join(TASKS)}")
    recipe = recipes.resolve(task, conditions=conditions, image_px=size, sets=sets or ())
    path = out or Path(f"ceiling-{task}-{conditions}.jsonl")
    with _Progress(n) as progress:
        score = have_it_read(recipe, n, seed=seed, path=path, report=progress)
    typer.echo(_table(score))
    typer.echo(f"wrote {path}")


class _Progress:
    """A bar for people; for files a line at every tenth."""

    def __init__(self, total: int) -> None:
        from rich import progress as bars
        from rich.console import Console

        console = Console(stderr=True)
        self._bar = bars.Progress(
            bars.TextColumn("reading"),
            bars.BarColumn(),
            bars.MofNCompleteColumn(),
            bars.TextColumn("right {task.fields[share]}"),
            bars.TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._quiet, self._total, self._right = not console.is_terminal, total, 0
        self._entry = self._bar.add_task("read", total=total, share="")

    def __enter__(self) -> _Progress:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def __call__(self, verdict: object, done: int) -> None:
        self._right += verdict.label == verdict.answer  # type: ignore[attr-defined]
        share = f"{100 * self._right / done:.1f} %"
        self._bar.update(self._entry, completed=done, share=share)
        if self._quiet and (done % max(self._total // 10, 1) == 0):
            typer.echo(f"{done} of {self._total} images, {share} right", err=True)


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
