"""``stemfast demo``: the main job once through."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stemfast.cli.errors import require


def demo(
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder for everything the demo makes.")
    ] = Path("demo"),
    seed: Annotated[int, typer.Option(metavar="N", help="Another seed, other particles.")] = 0,
) -> None:
    """Simulate, train, and classify a micrograph: the main job once through, in minutes.

    Example: [bold]stemfast demo --out demo[/bold]

    Makes labelled images of shapes and of deformed cuboids, trains a classifier on each, then
    finds and classifies the particles of a micrograph, matches and reports a small batch of
    simulated ones beside the truth (report.html), and reconstructs a cuboid from two tilts. Tables
    and pictures land in the folder.
    """
    require("jax", "flax", "sklearn", "rsciio", "skimage", "matplotlib")
    from stemfast.demo import run

    run(out, seed=seed)
