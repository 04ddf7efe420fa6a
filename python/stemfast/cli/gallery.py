"""``stemfast gallery``: pictures of what stemfast can simulate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def gallery(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder for the pictures; made if missing.")
    ],
    seed: Annotated[
        int, typer.Option(metavar="N", help="Another seed, other poses and electrons.")
    ] = 0,
) -> None:
    """Draw every shape, every kind of deformation, every effect, doses, and a turning cube.

    Example: [bold]stemfast gallery pictures[/bold]

    Writes gallery.png (a choice of the rest), shapes.png, corners.png, spin.png, three count_….png
    (cuboids with 0 to 8 deformed corners, also spinning), effects.png, dose.png and rotation.gif.
    """
    from stemfast.gallery import write

    for path in write(folder, seed=seed):
        typer.echo(f"wrote {path}")
