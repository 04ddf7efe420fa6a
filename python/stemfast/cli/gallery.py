"""``stemfast gallery``: pictures of what stemfast can simulate."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from stemfast.cli.errors import require


class Only(StrEnum):
    """Pictures that can be drawn alone."""

    FIELDS = "fields"


def gallery(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder for the pictures; made if missing.")
    ],
    seed: Annotated[
        int, typer.Option(metavar="N", help="Another seed, other poses and electrons.")
    ] = 0,
    only: Annotated[
        Only | None, typer.Option(help="Draw this picture alone; so far of fields.")
    ] = None,
) -> None:
    """Draw every shape, deformation and effect, doses, fields of particles, and a turning cube.

    Example: [bold]stemfast gallery pictures[/bold]

    Writes gallery.png (a choice of the rest), shapes.png, corners.png, spin.png, three count_….png
    (cuboids with 0 to 8 deformed corners, also spinning), resting.png (in any pose and at rest on a
    face), effects.png, dose.png, fields.png (many particles on every kind of support, with and
    without outlines) and rotation.gif.
    """
    require("matplotlib")
    from stemfast.gallery import write
    from stemfast.gallery.fields import field_sheet

    if only is not None:
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"folder must be a folder, and {folder} is a file")
        folder.mkdir(parents=True, exist_ok=True)
        typer.echo(f"wrote {field_sheet(folder / 'fields.png', seed=seed)}")
        return
    for path in write(folder, seed=seed):
        typer.echo(f"wrote {path}")
