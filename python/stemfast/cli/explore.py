"""``stemfast explore``: a page in the browser to simulate, read and reconstruct."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def explore(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE…]", help="Micrographs to open on the page Read."),
    ] = None,
    port: Annotated[
        int, typer.Option(metavar="N", help="Where the page is; the next one if that is taken.")
    ] = 5006,
    browser: Annotated[
        bool, typer.Option(help="Open the page in a browser, or only print its address.")
    ] = True,
) -> None:
    """Look at images, particles and fits in the browser, on this machine alone.

    Example: [bold]stemfast explore micrograph.dm4[/bold]

    Prints the address of the page, which holds a token: nobody else gets in. Ctrl-C ends it.
    """
    for file in files or []:
        if not file.exists():
            raise ValueError(f"there is no file {file}")
    from stemfast.explore.server import Explorer, open_browser

    explorer = Explorer(files or [], port)
    if explorer.port != port:
        typer.echo(f"port {port} is taken, using {explorer.port}")
    typer.echo(f"explorer at {explorer.address}\nCtrl-C ends it")

    def started() -> None:
        if browser and not open_browser(explorer.address):
            typer.echo("no browser was found: open that address in one")

    explorer.run(started)
