"""The ``stemfast`` command. One file per subcommand; each imports what it needs when it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from stemfast.cli import (
    baselines,
    ceiling,
    classify,
    compare,
    dataset,
    demo,
    evaluate,
    features,
    gallery,
    info,
    predict,
    reconstruct,
    refine,
    simulate,
    train,
    transfer,
)
from stemfast.cli import errors as interrupt
from stemfast.cli.errors import Commands

app = typer.Typer(
    name="stemfast",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("demo")(demo.demo)
app.command("simulate")(simulate.simulate)
app.command("classify")(classify.classify)
app.command("features")(features.features)
app.command("gallery")(gallery.gallery)
app.command("train")(train.train)
app.command("train transfer")(transfer.transfer)
app.command("train compare")(transfer.compare)
app.command("train baselines")(baselines.baselines)
app.command("evaluate")(evaluate.evaluate)
app.command("compare")(compare.compare)
app.command("predict")(predict.predict)
app.command("reconstruct")(reconstruct.reconstruct)
app.command("ceiling")(ceiling.ceiling)
app.command("refine")(refine.refine)
app.command("info")(info.info)
app.add_typer(dataset.app, name="dataset")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(info.version())
        raise typer.Exit


@app.callback()
def _stemfast(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the whole traceback when something fails.")
    ] = False,
) -> None:
    """Simulate HAADF-STEM images of nanoparticles, and let a network read real ones.

    New here? Run [bold]stemfast demo[/bold]: it simulates, trains and classifies a
    micrograph, and leaves tables and pictures to look at in the folder demo.
    """


def main() -> None:
    """Run the command line and end the process with its exit code."""
    interrupt.watch()
    try:
        app(prog_name="stemfast")
    except SystemExit as ended:
        if ended.code == interrupt.STOPPED:
            interrupt.leave()
        raise
