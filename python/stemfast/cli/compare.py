"""``stemfast study runs``: comparison of finished training runs."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from stemfast.cli.options import AsJson, say_results


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN…", help="Folders of finished runs, or networks that ship."),
    ],
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where to write table, figures and picture.")
    ] = Path("compared-runs"),
    json: AsJson = False,
) -> None:
    """Put finished training runs side by side: variants, seeds, numbers of images.

    Example: [bold]stemfast study runs runs/plain runs/hessian runs/p4m[/bold]

    Prints a table; writes it as runs.md, the figures as runs.json, and runs.png: accuracy against
    images seen, a line for each kind of network, or where all saw as many, a row for each. All
    must have learnt from the same kind of images. Nothing is simulated: the figures are those that
    the runs ended with.
    """
    from stemfast.studies import runs as finished

    found = finished.read(runs)
    files = finished.write(out, found, more={"command": shlex.join(["stemfast", *sys.argv[1:]])})
    say_results(found.to_dict(), f"{found}\n" + "\n".join(map(str, files)), as_json=json)
