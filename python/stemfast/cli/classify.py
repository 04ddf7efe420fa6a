"""``stemfast classify``: a real micrograph in, a table and a picture out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stemfast.cli.options import (
    Contrast,
    DatasetChoice,
    File,
    Index,
    Labels,
    Method,
    PixelSize,
    ScaleBarOption,
    checked_search,
)


def classify(
    file: File,
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME|FOLDER", help="A network that comes along, or a trained one's folder."
        ),
    ] = "open-shapes",
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where to write. Default: the file's name + -shapes."),
    ] = None,
    pixel_size_nm: PixelSize = None,
    scale_bar: ScaleBarOption = None,
    contrast: Contrast = "auto",
    method: Method = "auto",
    labels: Labels = None,
    index: Index = None,
    dataset: DatasetChoice = None,
    min_probability: Annotated[
        float,
        typer.Option(metavar="P", help="Below this probability a shape is called not sure."),
    ] = 0.8,
    max_novelty: Annotated[
        float,
        typer.Option(
            metavar="X",
            help="Above this novelty as well: it looks unlike all that the network learnt from. "
            "Of images like those, one in a hundred is above 1; inf names every shape.",
        ),
    ] = 1.0,
) -> None:
    """Find the particles of a micrograph and say what shape each one is, with a probability.

    Example: [bold]stemfast classify particles.dm4 --out results[/bold]

    Writes particles.csv, one row per particle (position and size in nm, shape, probability, why
    it is not sure), and overlay.png, the micrograph with every particle outlined and named. The
    scale comes from the file.
    """
    from stemfast.classify import classify as classify_file

    bar_nm = checked_search(pixel_size_nm, scale_bar, contrast, method, labels)
    if not file.exists():
        raise ValueError(f"there is no file {file}")
    typer.echo(
        classify_file(
            file,
            model=model,
            out=out,
            pixel_size_nm=pixel_size_nm,
            scale_bar_nm=bar_nm,
            contrast=contrast,
            method=method,
            labels=labels,
            index=index,
            dataset=dataset,
            min_probability=min_probability,
            max_novelty=max_novelty,
        )
    )
