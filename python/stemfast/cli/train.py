"""``stemfast train``: an experiment in, a network, its figures and its card out."""

from __future__ import annotations

import difflib
import json
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

_FINE_TUNING = 0.3  # of the usual learning rate, from weights that are nearly right


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
) -> None:
    """Train a network on images that are simulated while it learns.

    Example: [bold]stemfast train count --minutes 60[/bold]

    Leaves in the folder: the network, evaluation.json, a confusion matrix, a reliability diagram,
    model_card.md, metrics.jsonl, and run.json, which says exactly what was run.
    """
    from stemfast.training import run
    from stemfast.training.reconstruction.experiment import GroundTruthExperiment

    if experiment is None:
        typer.echo(f"experiments: {_listed()}")
        return
    if experiment not in _names():
        near = difflib.get_close_matches(experiment, _names(), n=1)
        hint = f": did you mean {near[0]}?" if near else ""
        raise ValueError(f"experiment is {experiment!r}, expected one of {_listed()}{hint}")
    command = shlex.join(["stemfast", *sys.argv[1:]])
    if experiment == "finder":
        refused = {
            "--minutes": minutes,
            "--device": device != "auto",
            "--tensorboard": tensorboard,
            "--like": like is not None,
        }
        for option, given in refused.items():
            if given:
                raise ValueError(f"{option} has no effect on the finder, expected it left out")
        _train_finder(
            out, resume=resume, sets=sets or [], workers=threads, own=own, command=command
        )
        return
    if own is not None:
        raise ValueError(f"--with is for the finder, expected it left out for {experiment!r}")
    if resume and (sets or like is not None):
        option = "--set" if sets else "--like"
        raise ValueError(
            f"{option} cannot change a run that is resumed: its settings are in run.json"
        )
    chosen = chosen_experiment(experiment, like, sets or [])
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
        command=command,
    )
    typer.echo(f"{found}\n{folder}/")


def chosen_experiment(name: str, like: Path | None, sets: list[str]) -> Any:
    """The experiment of a name, with the conditions of a file and then with single settings.

    Parameters
    ----------
    name : str
        One of :func:`stemfast.training.experiment.names`.
    like : Path or None
        `conditions.toml` of ``stemfast match``.
    sets : list of str
        As for ``--set``.

    Raises
    ------
    ValueError
        If the file is none, or the experiment draws no single simulated images.
    """
    from stemfast.training import experiment as experiments

    found = experiments.get(name)
    if like is not None:
        found = found.changed(_like(found, like))
    return found.changed(sets)


def _like(experiment: Any, file: Path) -> list[str]:
    """Settings that make an experiment's images like those of a file, from the shipped weights."""
    from stemfast import pretrained
    from stemfast.matching import settings_like
    from stemfast.training.experiment import Experiment

    if type(experiment) is not Experiment:
        raise ValueError(
            f"--like is for networks that read single simulated images, expected it left out for "
            f"{experiment.name!r}"
        )
    settings = settings_like(file, experiment.make_recipe())
    sets = [f"recipe.{key}={json.dumps(value)}" for key, value in settings.items()]
    if experiment.start_from is None and experiment.name in pretrained.pretrained_names():
        rate = _FINE_TUNING * experiment.learning_rate
        sets += [f"start_from={experiment.name}", f"learning_rate={rate:g}"]
    return sets


def _names() -> list[str]:
    from stemfast.training import experiment as experiments

    return [*experiments.names(), "finder"]


def _listed() -> str:
    return ", ".join(_names())


def _train_finder(
    out: Path | None,
    *,
    resume: bool,
    sets: list[str],
    workers: int,
    own: Path | None,
    command: str,
) -> None:
    from stemfast.training.finder.experiment import FinderExperiment
    from stemfast.training.finder.own_images import read_folder
    from stemfast.training.finder.run import train_finder

    if resume and sets:
        raise ValueError("--set cannot change a run that is resumed: its settings are in run.json")
    images = read_folder(own) if own is not None else None
    # From the shipped weights on, a tenth of the steps is plenty.
    start = FinderExperiment() if own is None else FinderExperiment(steps=400, learning_rate=3e-4)
    folder = out if out is not None else Path("runs") / "finder"
    trained = train_finder(
        start.changed(sets),
        folder,
        resume=resume,
        workers=max(workers, 1),
        own=images,
        command=command,
        say=typer.echo,
    )
    test = trained.card["test"]
    typer.echo(f"AP50 {test['ap50']:.3f}, F1 {test['f1']:.3f} on {test['fields']} test fields")
    typer.echo(f"{folder}/")
