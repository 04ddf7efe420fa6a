"""What every command that opens a micrograph asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

File = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", help="Micrograph: .dm3, .dm4, .emd, .mrc, .hspy, .tif and more."
    ),
]
PixelSize = Annotated[
    float | None,
    typer.Option(metavar="NM", help="Pixel size, where the file does not say it or is wrong."),
]
Index = Annotated[
    int | None,
    typer.Option(metavar="N", help="Which image of a stack, counted from 0."),
]
DatasetTitle = Annotated[
    str | None,
    typer.Option(metavar="TITLE", help="Which data set, where the file holds several."),
]
