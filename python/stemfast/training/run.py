"""The training run of an experiment, from the first image to the model card.

Everything that decides the result is fixed by the experiment: batch k holds the same images
whenever it is made, so a run that was stopped and resumed ends with the same bits as one that was
not.
"""

from __future__ import annotations

import json
import math
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from stemfast import atomic
from stemfast.evaluation.judge import Judgement
from stemfast.pretrained.store import CONFIG_FILE
from stemfast.training import checkpoint, processes
from stemfast.training import log as metrics
from stemfast.training.devices import ExecutionSettings, machine
from stemfast.training.experiment import Experiment
from stemfast.training.finish import finish
from stemfast.training.log import EventLog, TrainingProgress
from stemfast.training.start import origin
from stemfast.training.step import Seen, State
from stemfast.training.task import METRICS_FILE, REPORT, RUN_FILE, WATCHED, Run

__all__ = ["Pilot", "Run", "fitted", "train"]

_PILOT_S, _FILES_S = 20.0, 5.0
_LOOKING = 0.1  # of the time


def train(
    experiment: Experiment,
    folder: str | Path,
    *,
    minutes: float | None = None,
    resume: bool = False,
    device: str = "auto",
    n_threads: int = 0,
    checkpoint_s: float = 120.0,
    tensorboard: bool = False,
    command: str = "",
) -> Judgement | None:
    """Train, calibrate, judge on test images, and write everything down.

    Parameters
    ----------
    experiment : Experiment
        What to train. When resuming, what the folder says holds.
    folder : str or Path
        Gets ``run.json`` (the experiment as it was run, and the machine), ``metrics.jsonl``,
        ``checkpoints``, and at the end the network (``config.json``, ``weights.safetensors``),
        ``evaluation.json`` with its pictures, and ``model_card.md``.
    minutes : float, optional
        Fit the number of images to about this time, by the speed of a short pilot; the number is
        written to ``run.json``.
    resume : bool
        Go on from the latest checkpoint in `folder`.
    device : str
        ``"auto"``, ``"cpu"`` or ``"gpu"``.
    n_threads : int
        Threads of the simulation, 0 for all cores. Does not change the result.
    checkpoint_s : float
        Time between checkpoints [s]. Does not change the result.
    tensorboard : bool
        Write the metrics as events for TensorBoard as well, into ``tensorboard`` in `folder`.
    command : str
        What the user typed, for the model card.

    Returns
    -------
    Judgement or None
        None in all of several processes but the first, which judges.

    Raises
    ------
    FileExistsError
        If `folder` holds a run and `resume` is False.
    FileNotFoundError
        If there is nothing to resume.
    FloatingPointError
        If the loss stops being finite. The last checkpoint stays.
    ValueError
        If the experiment is impossible, or there is no such device.
    ImportError
        If TensorBoard's events cannot be written.
    """
    from stemfast.training.corners.run import CornerRun
    from stemfast.training.portraits.experiment import PortraitExperiment
    from stemfast.training.portraits.run import PortraitRun

    called = time.perf_counter()
    execution = ExecutionSettings(Path(folder), device, n_threads, checkpoint_s, tensorboard)
    earlier = processes.agreed(lambda: earlier_record(execution.folder, resume, minutes))
    if earlier is not None:
        experiment = type(experiment).model_validate(earlier["experiment"])
    recipe = experiment.make_recipe()
    given: dict[str, Any] = {
        "recipe": recipe,
        "model": experiment.make_model(recipe),
        **execution.of_run(experiment.batch_size),
    }
    if isinstance(experiment, PortraitExperiment):
        run: Run = PortraitRun(experiment=experiment, **given)
    else:
        run = (CornerRun if experiment.model.reader else Run)(experiment=experiment, **given)
    if earlier is not None:
        run.record = earlier
    else:
        begin(run, minutes, command, called)
    state, seconds = loop(run)
    if not processes.is_first():
        return None
    metrics.tell(f"{run.experiment.name}: judging, {run.judging} images are read")
    if isinstance(run, PortraitRun):
        return run.finish(state, seconds)
    return finish(run, state, seconds)


def earlier_record(folder: Path, resume: bool, minutes: float | None) -> dict[str, Any] | None:
    """Record of the run that is resumed; None if one begins.

    Parameters
    ----------
    folder : Path
        Of the run.
    resume : bool
        Whether it is to go on.
    minutes : float or None
        As the user said: a run that goes on keeps its schedule.

    Raises
    ------
    FileExistsError
        If a run is to begin where there is one.
    FileNotFoundError
        If there is none to go on with.
    ValueError
        If minutes are given for one that goes on.
    """
    path = folder / RUN_FILE
    if not resume:
        if path.exists() or (folder / CONFIG_FILE).exists():
            raise FileExistsError(
                f"{folder} holds a run already: go on with --resume, or choose another --out"
            )
        return None
    if not path.is_file():
        raise FileNotFoundError(f"{folder} holds no run to resume")
    if minutes is not None:
        raise ValueError("minutes cannot change when resuming: the schedule is in run.json")
    earlier: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return earlier


class Pilot(NamedTuple):
    """Times that parts of a run take on this machine.

    Attributes
    ----------
    images_per_s : float
        Images learnt from, simulation counted, after compilation [1/s].
    compile_s : float
        The first step takes more than the others [s].
    look_s : float
        One look at the validation images that are watched [s].
    read_s : float
        An image takes to be simulated and read, not learnt from [s].
    """

    images_per_s: float
    compile_s: float
    look_s: float
    read_s: float


def fitted(run: Run, pilot: Pilot, seconds: float) -> dict[str, int]:
    """Settings ``images`` and ``evaluations`` of a run that ends in so many seconds, judged.

    Looks at the validation images take a tenth of the time at most.

    Raises
    ------
    ValueError
        If the time is too short for a single step.
    """
    own = run.experiment
    around = pilot.compile_s + run.judging * pilot.read_s + _FILES_S
    left = seconds - around
    looks = max(1, min(own.evaluations, int(_LOOKING * left / max(pilot.look_s, 1e-9))))
    images = int(pilot.images_per_s * (left - looks * pilot.look_s)) // own.batch_size
    if images < 1:
        raise ValueError(
            f"minutes leaves {max(seconds, 0.0):.0f} s after the start, expected at least "
            f"{around + pilot.look_s + own.batch_size / pilot.images_per_s:.0f} s: to compile, to "
            f"learn, and to read {run.judging} images for calibration and judgement; fewer of "
            "these are set by validation_images and test_images"
        )
    return {"images": images * own.batch_size, "evaluations": looks}


def begin(run: Run, minutes: float | None, command: str, called: float) -> None:
    """Settle the number of images and write down what will be run.

    Parameters
    ----------
    run : Run
    minutes : float or None
        Time that the number of images is fitted to, if it is.
    command : str
        What the user typed.
    called : float
        When the minutes began, as `time.perf_counter` has it [s].

    Raises
    ------
    ValueError
        If `minutes` is not a positive number, or too few.
    """
    speed = None
    if minutes is not None:
        if not (math.isfinite(minutes) and minutes > 0):
            raise ValueError(f"minutes is {minutes}, expected a positive number")
        if processes.is_first():
            metrics.tell(f"{run.experiment.name}: measuring how many images {minutes:g} min are")
        pilot = _pilot(run, min(_PILOT_S, 6.0 * minutes))
        speed = processes.agreed(lambda: pilot.images_per_s)
        left = 60.0 * minutes - (time.perf_counter() - called)
        settings = processes.agreed(lambda: fitted(run, pilot, left))
        run.experiment = run.experiment.changed([f"{k}={v}" for k, v in settings.items()])
    run.record = {
        "command": command,
        "experiment": run.experiment.model_dump(mode="json"),
        "recipe": run.recipe.model_dump(mode="json"),
        "machine": machine(run.sharding),
        "dtype": jnp.dtype(run.dtype).name,
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(nnx.state(run.model, nnx.Param))),
        "started_from": origin(run.experiment.start_from),
        "minutes": minutes,
        "pilot_images_per_s": speed,
    }
    if not processes.is_first():
        return
    run.folder.mkdir(parents=True, exist_ok=True)
    atomic.write_json(run.folder / RUN_FILE, run.record)
    (run.folder / METRICS_FILE).write_text("")


def _pilot(run: Run, seconds: float) -> Pilot:
    """Take some steps and one look, to see what they cost."""
    state, step = run.start(1000)
    times = [time.perf_counter()]

    def enough() -> bool:
        # From the fourth step on all is compiled, and the stream runs.
        return len(times) > 4 and (times[-1] - times[3] > seconds or len(times) > 200)

    for batch in run.batches(0, 10**9):
        state, seen = step(state, *batch)
        float(seen.loss)
        times.append(time.perf_counter())
        if processes.agreed(enough):
            break
    each = (times[-1] - times[3]) / (len(times) - 4)
    before = time.perf_counter()
    watched = run.watched()
    drawn = time.perf_counter() - before
    model = run.averaged(state)
    run.watch(model, watched)
    before = time.perf_counter()
    run.watch(model, watched)
    look = time.perf_counter() - before
    return Pilot(
        images_per_s=run.experiment.batch_size / each,
        compile_s=max(times[1] - times[0] - each, 0.0),
        look_s=look,
        read_s=(drawn + look) / min(WATCHED, run.experiment.validation_images),
    )


def loop(run: Run) -> tuple[State, float]:
    """Step until the budget is used up; what the whole project turns around.

    Parameters
    ----------
    run : Run
        Begun, or with checkpoints of a run that was stopped.

    Returns
    -------
    state : State
        After the last step.
    seconds : float
        The whole run took, stops not counted [s].

    Raises
    ------
    FloatingPointError
        If the loss stops being finite. The last checkpoint stays.
    """
    total = run.experiment.steps
    state, step = run.start(total)
    state, before = _resumed(run, state)
    first, writes = int(state.step), processes.is_first()
    if writes:
        metrics.forget_after(run.metrics, first * run.experiment.batch_size)
    watched = run.watched() if writes and first < total else None
    every = max(1, total // run.experiment.evaluations)
    began = saved_at = time.perf_counter()
    pending: list[Seen] = []
    events = EventLog(run.metrics) if run.tensorboard and writes else nullcontext()
    shown = TrainingProgress(
        run.experiment.name, total, first, run.experiment.batch_size, quiet=not writes
    )
    with shown as progress, events as log:
        for number, batch in enumerate(run.batches(first, total) if first < total else (), first):
            state, seen = step(state, *batch)
            pending.append(seen)
            done = number + 1
            if len(pending) == REPORT or done % every == 0 or done == total:
                line = metrics.of_steps(pending, run.experiment, done)
                pending = []
                if not writes:
                    continue
                now = time.perf_counter()
                line["seconds"] = before + now - began
                if watched is not None and (done % every == 0 or done == total):
                    line |= run.watch(run.averaged(state), watched)
                metrics.append(run.metrics, line)
                if log is not None:
                    log.add(line)
                progress.show(line)
                if now - saved_at > run.checkpoint_s or done == total:
                    checkpoint.save(run.checkpoints, state, before + time.perf_counter() - began)
                    saved_at = time.perf_counter()
    return state, before + time.perf_counter() - began


def _resumed(run: Run, state: State) -> tuple[State, float]:
    """The latest state that was saved, else the one given, and how long it took to get there."""
    at = processes.agreed(lambda: checkpoint.latest(run.checkpoints))
    if at is None:
        return state, 0.0
    saved = checkpoint.Checkpoint(state, 0.0)
    if processes.is_first():
        saved = checkpoint.restore(run.checkpoints, state)
    return run.place(processes.same(saved.state)), saved.seconds
