"""Training runs of every kind, by the name of what is to be trained."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import jax

from stemfast.arguments import did_you_mean
from stemfast.dataset.lock import alone
from stemfast.training import experiment as experiments
from stemfast.training import processes, run
from stemfast.training.experiment import Experiment

__all__ = ["chosen_experiment", "names", "train"]

FINDER = "finder"
_FINE_TUNING = 0.3  # of the usual learning rate, from weights that are nearly right


def names() -> tuple[str, ...]:
    """Names of all that can be trained.

    Examples
    --------
    >>> names()[-1]
    'finder'
    """
    return (*experiments.names(), FINDER)


def train(
    experiment: str | Experiment,
    folder: str | Path | None = None,
    *,
    changes: Sequence[str] = (),
    like: str | Path | None = None,
    own: str | Path | None = None,
    minutes: float | None = None,
    resume: bool = False,
    device: str = "auto",
    n_threads: int = 0,
    checkpoint_s: float = 120.0,
    tensorboard: bool = False,
    command: str = "",
    say: Callable[[str], None] = print,
) -> Any:
    """Train a network on images that are simulated while it learns, judge it, and store it.

    Parameters
    ----------
    experiment : str or Experiment
        Name of what to train, one of `stemfast.training.names()`, or its settings.
    folder : str or Path, optional
        Where to write; ``runs/NAME`` if None. Gets ``run.json``, ``metrics.jsonl``, checkpoints,
        and at the end the network, its figures and its card.
    changes : sequence of str
        Settings to change: ``"batch_size=32"``, ``"recipe.particle.severity=[0.3,0.5]"``.
    like : str or Path, optional
        ``conditions.toml`` of :func:`stemfast.match`: images like a micrograph's, and the shipped
        weights to start from.
    own : str or Path, optional
        Finder only: folder of labelled images to learn from besides simulated ones.
    minutes : float, optional
        Fit the number of images to about this time.
    resume : bool
        Go on from the latest checkpoint in `folder`.
    device : str
        ``"auto"``, ``"cpu"`` or ``"gpu"``.
    n_threads : int
        Threads of the simulation, 0 for all cores. Does not change the result.
    checkpoint_s : float
        Time between checkpoints [s].
    tensorboard : bool
        Write the metrics as events for TensorBoard as well.
    command : str
        What the user typed, for the model card.
    say : callable
        Takes lines of progress of the finder.

    Returns
    -------
    Judgement, GroundTruthJudgement, TrainedFinder or None
        How good it is; of the finder, the network with its figures in its card. None in all of
        several processes but the first.

    Raises
    ------
    ValueError
        If there is no such experiment, or an argument has no effect on it.
    FileExistsError
        If `folder` holds a run and `resume` is False, or another run writes to it now.
    FileNotFoundError
        If there is nothing to resume.
    """
    if isinstance(experiment, str) and experiment not in names():
        hint = did_you_mean(experiment, names())
        raise ValueError(
            f"experiment is {experiment!r}, expected one of {', '.join(names())}{hint}"
        )
    if resume and (changes or like is not None):
        given = "changes" if changes else "like"
        raise ValueError(
            f"{given} cannot change a run that is resumed: its settings are in run.json"
        )
    name = experiment if isinstance(experiment, str) else experiment.name
    place = Path("runs") / name if folder is None else Path(folder)
    if experiment == FINDER:
        _refuse_if_several(name)
        _refuse_for_finder(minutes, device, tensorboard, like)
        with alone(place):
            return _train_finder(
                place, changes, own, resume=resume, workers=n_threads, command=command, say=say
            )
    if own is not None:
        raise ValueError(f"own is for the finder, expected it left out for {name!r}")
    if isinstance(experiment, str):
        experiment = chosen_experiment(experiment, None if like is None else Path(like), changes)
    elif changes or like is not None:
        raise ValueError("changes, like: are for an experiment by name, expected none")
    from stemfast.training.reconstruction.experiment import GroundTruthExperiment

    start: Callable[..., Any] = run.train
    if isinstance(experiment, GroundTruthExperiment):
        _refuse_if_several(name)
        from stemfast.training.reconstruction.run import train as start
    with alone(place) if processes.is_first() else nullcontext():
        return start(
            experiment,
            place,
            minutes=minutes,
            resume=resume,
            device=device,
            n_threads=n_threads,
            checkpoint_s=checkpoint_s,
            tensorboard=tensorboard,
            command=command,
        )


def chosen_experiment(name: str, like: Path | None, sets: Sequence[str]) -> Any:
    """The experiment of a name, with the conditions of a file and then with single settings.

    Parameters
    ----------
    name : str
        One of :func:`names`, but the finder.
    like : Path or None
        `conditions.toml` of ``stemfast match``.
    sets : sequence of str
        As for ``--set``.

    Raises
    ------
    ValueError
        If the file is none, or the experiment draws no single simulated images.
    """
    found = experiments.get(name)
    if like is not None:
        found = found.changed(_like(found, like))
    return found.changed(list(sets))


def _like(experiment: Any, file: Path) -> list[str]:
    """Settings that make an experiment's images like those of a file, from the shipped weights."""
    from stemfast import pretrained
    from stemfast.matching import settings_like

    if type(experiment) is not Experiment:
        raise ValueError(
            f"like is for networks that read single simulated images, expected it left out for "
            f"{experiment.name!r}"
        )
    settings = settings_like(file, experiment.make_recipe())
    sets = [f"recipe.{key}={json.dumps(value)}" for key, value in settings.items()]
    if experiment.name in pretrained.pretrained_names():
        rate = _FINE_TUNING * experiment.learning_rate
        sets += [f"start_from={experiment.name}", f"learning_rate={rate:g}"]
    return sets


def _refuse_if_several(name: str) -> None:
    if jax.distributed.is_initialized():
        raise ValueError(f"{name} is trained by one process, expected no processes to join")


def _refuse_for_finder(
    minutes: float | None, device: str, tensorboard: bool, like: str | Path | None
) -> None:
    refused = {
        "minutes": minutes is not None,
        "device": device != "auto",
        "tensorboard": tensorboard,
        "like": like is not None,
    }
    for name, given in refused.items():
        if given:
            raise ValueError(f"{name} has no effect on the finder, expected it left out")


def _train_finder(
    folder: Path,
    changes: Sequence[str],
    own: str | Path | None,
    *,
    resume: bool,
    workers: int,
    command: str,
    say: Callable[[str], None],
) -> Any:
    from stemfast.training.finder.experiment import FinderExperiment
    from stemfast.training.finder.own_images import read_folder
    from stemfast.training.finder.run import train_finder

    images = read_folder(Path(own)) if own is not None else None
    # From the shipped weights on, a tenth of the steps is plenty.
    start = FinderExperiment()
    if own is not None:
        start = FinderExperiment(steps=400, learning_rate=3e-4, start_from=FINDER)
    return train_finder(
        start.changed(list(changes)),
        folder,
        resume=resume,
        workers=max(workers, 1),
        own=images,
        command=command,
        say=say,
    )
