"""``stemfast match``: a micrograph in, the conditions it was taken under out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from stemfast.cli.errors import as_options
from stemfast.cli.options import (
    AsJson,
    Contrast,
    DatasetChoice,
    File,
    Index,
    Labels,
    Method,
    PixelSize,
    ScaleBarOption,
    checked_search,
    say_results,
)


def match(
    file: File,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where to write. Default: the file's name + -match."),
    ] = None,
    pixel_size_nm: PixelSize = None,
    scale_bar: ScaleBarOption = None,
    contrast: Contrast = "auto",
    method: Method = "auto",
    labels: Labels = None,
    index: Index = None,
    dataset: DatasetChoice = None,
    json: AsJson = False,
) -> None:
    """Tell the conditions of a micrograph: pixel size, blur, dose, noise, background, sizes.

    Example: [bold]stemfast match particles.dm4 --out like-mine[/bold]

    Writes conditions.toml, each setting with its error bar or the reason why it could not be told,
    and match.png, crops of the micrograph beside simulated ones with power spectra and grey
    levels. [bold]stemfast train shapes --like like-mine/conditions.toml[/bold] trains a network on
    images like it.
    """
    from stemfast.finding.files import checked_folder
    from stemfast.finding.source import source_of
    from stemfast.matching.match import CONDITIONS, PICTURE, match_in

    bar_nm = checked_search(pixel_size_nm, scale_bar, contrast, method, labels)
    target = checked_folder(Path(f"{file.stem}-match") if out is None else out)
    if not file.exists():
        raise ValueError(f"there is no file {file}")
    source = source_of(file, pixel_size_nm, scale_bar_nm=bar_nm, index=index, dataset=dataset)
    matched = match_in(source, contrast, method, labels=labels)
    matched.save(target)
    for note in matched.notes:
        typer.echo(as_options(f"note: {note}"), err=True)
    words = f"{matched.conditions}\nwrote {target}: {CONDITIONS}, {PICTURE}"
    say_results(asdict(matched.conditions), words, as_json=json)
