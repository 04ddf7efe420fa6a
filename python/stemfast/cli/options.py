"""Options that several commands share: of micrographs, of data sets, lists of numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar

import typer

if TYPE_CHECKING:
    from stemfast.studies.record import Entry

IMAGES_PANEL, WRITING_PANEL = "Images", "Writing"  # headings in the help of `dataset`
DEFAULT_SPLITS = "train:0.8,validation:0.1,test:0.1"

Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        rich_help_panel=IMAGES_PANEL,
        help="Change a setting of the recipe. Repeat for more.",
    ),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=IMAGES_PANEL,
        help="Settings of the recipe, .toml or .yaml; --set goes over them.",
    ),
]
Splits = Annotated[
    str,
    typer.Option(
        metavar="NAME:SHARE,...",
        rich_help_panel=IMAGES_PANEL,
        help="Shares of train, validation and test, or numbers of images.",
    ),
]

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

Contrast = Annotated[
    str,
    typer.Option(
        metavar="bright|dark|auto",
        help="Particles brighter or darker than what is around them. Default: seen in the image.",
    ),
]
ScaleBarOption = Annotated[
    str | None,
    typer.Option(
        "--scale-bar",
        metavar="LENGTH",
        help="What the scale bar burnt into the image stands for, such as 50nm; its length is "
        "found in the image.",
    ),
]
Method = Annotated[
    str,
    typer.Option(
        metavar="auto|network|classical",
        help="Who finds the particles. Default: the network, where it is installed; on an even "
        "film, where both find the same, the classical finder.",
    ),
]

Labels = Annotated[
    Path | None,
    typer.Option(
        metavar="LABELS.tif",
        help="Particles that are known, 0 = none: those of 'stemfast find', corrected by hand.",
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


def dask_option(panel: str | None = None) -> Any:
    """Option for the address of a Dask cluster."""
    return typer.Option(
        "--dask",
        metavar="ADDRESS",
        rich_help_panel=panel,
        help="Share the work out on a Dask cluster: tcp://host:8786, or local:N for N processes.",
    )


DaskAddress = Annotated[str | None, dask_option()]
AsJson = Annotated[
    bool,
    typer.Option("--json", help="Print the results as JSON; all else goes to standard error."),
]

T = TypeVar("T", int, float)


def say_results(results: Any, text: object, *, as_json: bool) -> None:
    """Print results: as JSON, with the words on standard error, or the words alone.

    Parameters
    ----------
    results : list, dict
        For other programs.
    text : object
        For people.
    as_json : bool
    """
    typer.echo(text, err=as_json)
    if as_json:
        from stemfast import tables

        typer.echo(tables.as_json(results))


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


def length_nm(option: str, text: str | None) -> float | None:
    """A length with its unit in nm, None for None.

    Examples
    --------
    >>> length_nm("--scale-bar", "0.2 µm")
    200.0
    """
    if text is None:
        return None
    from stemfast import units

    parts = re.fullmatch(r"\s*([0-9]*[.,]?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*([^\d\s]+)\s*", text)
    expected = "expected a length with its unit, such as 50nm, 0.2um or 5A"
    if parts is None:
        raise ValueError(f"{option} is {text!r}, {expected}")
    try:
        length = units.to_nm(float(parts[1].replace(",", ".")), parts[2])
    except ValueError as error:
        raise ValueError(f"{option} is {text!r}, {expected}") from error
    if not 0 < length < math.inf:
        raise ValueError(f"{option} is {text!r}, expected a length above 0")
    return length


def checked_search(
    pixel_size_nm: float | None,
    scale_bar: str | None,
    contrast: str,
    method: str = "auto",
    labels: Path | Sequence[Path] | None = None,
) -> float | None:
    """Refuse what cannot be meant by the options of a search; return the scale bar's length [nm].

    Raises
    ------
    ValueError
        Naming the option.
    """
    from stemfast.finding.find import check_choice

    check_choice("--contrast", contrast, "--method", method)
    bar_nm = length_nm("--scale-bar", scale_bar)
    if bar_nm is not None and pixel_size_nm is not None:
        raise ValueError("--scale-bar and --pixel-size-nm: got both, expected one of them")
    if pixel_size_nm is not None and not 0 < pixel_size_nm < math.inf:
        raise ValueError(f"--pixel-size-nm is {pixel_size_nm:g}, expected a positive number of nm")
    for file in [labels] if isinstance(labels, Path) else labels or []:
        if not file.is_file():
            raise ValueError(f"--labels is {file}: there is no such file")
    return bar_nm


def record_option(command: str) -> Any:
    """Option for the file in which a command records each image."""
    return typer.Option(
        metavar="FILE",
        help="JSON lines, one for each image; a run that was stopped goes on from there. "
        f"Default {command}-TASK-CONDITIONS.jsonl.",
    )


class ReadingProgress:
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
