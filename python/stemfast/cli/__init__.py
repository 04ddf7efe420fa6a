"""The ``stemfast`` command. One file per subcommand; each imports what it needs when it runs."""

from __future__ import annotations

import atexit
import gc
import warnings
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

from stemfast.cli import (
    baselines,
    ceiling,
    classify,
    compare,
    confidence,
    dataset,
    demo,
    evaluate,
    explore,
    families_study,
    features,
    find,
    gallery,
    info,
    match,
    match_study,
    predict,
    reconstruct,
    refine,
    report,
    simulate,
    train,
    transfer,
)
from stemfast.cli.compiled import keep_compiled
from stemfast.cli.errors import STOPPED, Commands, leave, show_warning, watch

app = typer.Typer(
    name="stemfast",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("demo")(demo.demo)
app.command("simulate")(simulate.simulate)
app.command("find")(find.find)
app.command("match")(match.match)
app.command("classify")(classify.classify)
app.command("report")(report.report)
app.command("features")(features.features)
app.command("gallery")(gallery.gallery)
app.command("train")(train.train)
app.command("train transfer")(transfer.transfer)
app.command("evaluate")(evaluate.evaluate)
app.command("predict")(predict.predict)
app.command("reconstruct")(reconstruct.reconstruct)
app.command("ceiling")(ceiling.ceiling)
app.command("explore")(explore.explore)
app.command("info")(info.info)
app.add_typer(dataset.app, name="dataset")

study = typer.Typer(no_args_is_help=True, help="Compare methods: studies of networks and fits.")
app.add_typer(study, name="study")


def _study(name: str, command: Callable[..., None], *, before: str) -> None:
    """Register a study, and the spelling it had before, hidden and with a warning."""

    @wraps(command)
    def old(*words: Any, **options: Any) -> None:
        typer.echo(f"warning: 'stemfast {before}' is now 'stemfast study {name}'", err=True)
        command(*words, **options)

    study.command(name)(command)
    app.command(before, hidden=True)(old)


study.command("match")(match_study.match_study)
study.command("confidence")(confidence.confidence)
study.command("families")(families_study.families_study)
_study("fit", refine.refine, before="refine")
_study("runs", compare.compare, before="compare")
_study("transfer", transfer.compare, before="train compare")
_study("baselines", baselines.baselines, before="train baselines")


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
    watch()
    # Libraries make a million objects that live as long as the command: looking through them for
    # garbage, again and again and once more at the end, took a fifth of a short command's time.
    gc.set_threshold(50_000, 20, 100)
    atexit.register(gc.freeze)
    warnings.showwarning = show_warning
    keep_compiled()
    try:
        app(prog_name="stemfast")
    except KeyboardInterrupt:  # before there was a command to stop
        leave()
    except SystemExit as ended:
        if ended.code == STOPPED:
            leave()
        raise
