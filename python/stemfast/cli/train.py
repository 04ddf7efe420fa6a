"""``stemfast train``: an experiment in, a network, its figures and its card out."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer


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
        typer.Option(metavar="N", help="Fit the number of images to about this time."),
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
) -> None:
    """Train a network on images that are simulated while it learns.

    Example: [bold]stemfast train count --minutes 60[/bold]

    Leaves in the folder: the network, evaluation.json, a confusion matrix, a reliability diagram,
    model_card.md, metrics.jsonl, and run.json, which says exactly what was run.
    """
    from stemfast.training import experiment as experiments
    from stemfast.training import run
    from stemfast.training.reconstruction.experiment import GroundTruthExperiment

    if experiment is None:
        typer.echo("experiments: " + ", ".join(experiments.names()))
        return
    if resume and sets:
        raise ValueError("--set cannot change a run that is resumed: its settings are in run.json")
    chosen = experiments.get(experiment).changed(sets or [])
    folder = out if out is not None else Path("runs") / chosen.name
    start = run.train
    if isinstance(chosen, GroundTruthExperiment):
        from stemfast.training.reconstruction.run import train as start  # type: ignore[assignment]
    found = start(
        chosen,
        folder,
        minutes=minutes,
        resume=resume,
        device=device,
        n_threads=threads,
        tensorboard=tensorboard,
        command=shlex.join(["stemfast", *sys.argv[1:]]),
    )
    typer.echo(f"{found}\n{folder}/")
