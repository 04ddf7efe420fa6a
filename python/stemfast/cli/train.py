"""``stemfast train``: an experiment in, a network, its figures and its card out."""

from __future__ import annotations

import shlex
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from stemfast.cli.errors import advise

SEVERAL = "Several processes"


def train(
    experiment: Annotated[
        str | None,
        typer.Argument(metavar="EXPERIMENT", help="Its name; without one, they are listed."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where to write. Default: runs/EXPERIMENT."),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            help="Fit the number of images to this time, compiling and judging included.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where an interrupted run stopped.")
    ] = False,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a setting: batch_size=32, model.variant=plain, "
            "recipe.particle.severity=[0.3,0.5]. May be repeated.",
        ),
    ] = None,
    device: Annotated[str, typer.Option(metavar="auto|cpu|gpu", help="What to compute on.")] = (
        "auto"
    ),
    threads: Annotated[
        int, typer.Option(metavar="N", help="Threads that simulate; 0 means all cores.")
    ] = 0,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write events for TensorBoard as well.")
    ] = False,
    like: Annotated[
        Path | None,
        typer.Option(
            metavar="CONDITIONS.toml",
            help="Images like a micrograph, by the file that 'stemfast match' wrote; starts with "
            "the weights that come along. --set goes over it.",
        ),
    ] = None,
    own: Annotated[
        Path | None,
        typer.Option(
            "--with",
            metavar="FOLDER",
            help="finder only: labelled images of your own to learn from besides simulated ones.",
        ),
    ] = None,
    processes: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            rich_help_panel=SEVERAL,
            help="Train with others: tcp://host:port of the first process, or slurm.",
        ),
    ] = None,
    rank: Annotated[
        int | None,
        typer.Option(metavar="N", rich_help_panel=SEVERAL, help="Which one this is, from 0."),
    ] = None,
    world_size: Annotated[
        int | None,
        typer.Option(metavar="N", rich_help_panel=SEVERAL, help="How many there are."),
    ] = None,
) -> None:
    """Train a network on images that are simulated while it learns.

    Example: [bold]stemfast train count --minutes 60[/bold]

    Leaves in the folder: the network, evaluation.json, a confusion matrix, a reliability diagram,
    model_card.md, metrics.jsonl, learning_curves.png, and run.json, which says exactly what was
    run. Ctrl-C stops a run, and --resume goes on from its last checkpoint, two minutes old at most.

    With --processes, the same command runs in several processes, on one machine or many, which
    share every batch; the first one writes and prints.
    """
    if experiment is not None:
        typer.echo(f"{experiment}: loading JAX", err=True)
    from stemfast.training import by_name
    from stemfast.training.processes import joined

    if processes is None and (rank, world_size) != (None, None):
        raise ValueError("--rank and --world-size: got no --processes, expected its address")

    if experiment is None:
        typer.echo(f"experiments: {', '.join(by_name.names())}")
        return
    folder = out if out is not None else Path("runs") / experiment
    again = ["stemfast", "train", experiment, *(["--out", str(folder)] if out else []), "--resume"]
    shared = {"--processes": processes, "--rank": rank, "--world-size": world_size}
    for option, value in shared.items():
        again += [] if value is None else [option, str(value)]
    advise(f"to go on: {shlex.join(again)}", folder / "run.json")
    with nullcontext() if processes is None else joined(processes, rank, world_size):
        found = by_name.train(
            experiment,
            folder,
            changes=sets or (),
            like=like,
            own=own,
            minutes=minutes,
            resume=resume,
            device=device,
            n_threads=threads,
            tensorboard=tensorboard,
            command=shlex.join(["stemfast", *sys.argv[1:]]),
            say=typer.echo,
        )
    if found is None:  # of another process than the first
        return
    if experiment == "finder":
        test = found.card["test"]
        typer.echo(f"AP50 {test['ap50']:.3f}, F1 {test['f1']:.3f} on {test['fields']} test fields")
        typer.echo(f"{folder}/")
    else:
        typer.echo(f"{found}\n{folder}/")
