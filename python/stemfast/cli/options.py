"""Options that several commands share: of micrographs, of test images, lists of numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar

import typer

if TYPE_CHECKING:
    from stemfast.studies.record import Entry

File = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="Micrograph: .dm3, .dm4, .emd, .mrc, .hspy, .tif, .bcf, .h5, .png and more.",
    ),
]
PixelSize = Annotated[
    float | None,
    typer.Option(metavar="NM", help="Pixel size, in place of whatever the file says."),
]
Index = Annotated[
    int | None,
    typer.Option(metavar="N", help="Which image of a stack, counted from 0."),
]
DatasetChoice = Annotated[
    str | None,
    typer.Option(
        metavar="N|TITLE", help="Which data set, where the file holds several: number or title."
    ),
]

Conditions = Annotated[str, typer.Option(metavar="NAME", help="clean, standard or hard.")]
Images = Annotated[int, typer.Option("-n", metavar="N", min=1, help="Test images to read.")]
Size = Annotated[int, typer.Option(metavar="PX", min=16, help="Rows and columns of the images.")]
Seed = Annotated[int, typer.Option(metavar="N", help="Of the images.")]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="Change a setting of the recipe. Repeat for more."
    ),
]

T = TypeVar("T", int, float)


def numbers(
    option: str, text: str, kind: Callable[[str], T], expected: str, *, count: int | None = None
) -> list[T]:
    """Numbers of an option, separated by commas.

    Parameters
    ----------
    option, text : str
        Its name, and what was given.
    kind : int or float
    expected : str
        What is expected, for the error.
    count : int, optional
        How many there must be.

    Examples
    --------
    >>> numbers("--views", "1,2,4", int, "numbers such as 1,2,4,8")
    [1, 2, 4]
    """
    try:
        found = [kind(word) for word in text.split(",")]
    except ValueError:
        found = []
    if not found or count not in (None, len(found)):
        raise ValueError(f"{option} is {text!r}, expected {expected}")
    return found


def record_option(command: str) -> Any:
    """Option for the file in which a command records each image."""
    return typer.Option(
        metavar="FILE",
        help="JSON lines, one for each image; a run that was stopped goes on from there. "
        f"Default {command}-TASK-CONDITIONS.jsonl.",
    )


class Progress:
    """Progress of reading images: a bar on a terminal, else a line at every tenth.

    Parameters
    ----------
    total : int
        Images to read.
    """

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

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def __call__(self, read: Entry, done: int) -> None:
        """Show that another image was read."""
        self._right += read.label == read.answer
        share = f"{100 * self._right / done:.1f} %"
        self._bar.update(self._entry, completed=done, share=share)
        if self._quiet and (done % max(self._total // 10, 1) == 0):
            typer.echo(f"{done} of {self._total} images, {share} right", err=True)
