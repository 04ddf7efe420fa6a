"""``stemfast report``: the report of a folder that was classified, written anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stemfast.cli.errors import as_options
from stemfast.cli.options import AsJson, say_results


def report(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Results of 'stemfast classify FOLDER'.")
    ],
    json: AsJson = False,
) -> None:
    """Report what is classified so far: shares of shapes with intervals, sizes, pictures.

    Example: [bold]stemfast report session-shapes[/bold]

    Writes report.html, a page that opens without a network; report.json, its numbers; and
    particles.csv, all particles. It may be run while stemfast classify still works.
    """
    from stemfast.populations import write_report

    report = write_report(folder)
    say_results(report.content, as_options(str(report)), as_json=json)
