"""Training run of the finder: resumable, from the first field to the stored network."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from stemfast import atomic
from stemfast.finding.network.reading import reader_of
from stemfast.models.finder import Finder
from stemfast.pretrained.finder import TrainedFinder, is_finder, load_finder
from stemfast.pretrained.shipped import load_pretrained
from stemfast.training import checkpoint
from stemfast.training.finder.experiment import FinderExperiment
from stemfast.training.finder.finish import finish
from stemfast.training.finder.own_images import Labelled, score_on
from stemfast.training.finder.samples import Samples
from stemfast.training.finder.step import FinderState, make_step
from stemfast.training.log import append

__all__ = ["start", "train_finder"]

_EVERY = 50  # steps between lines of metrics


def start(experiment: FinderExperiment) -> tuple[Any, FinderState]:
    """Structure of the network, and the state before the first step.

    Raises
    ------
    ValueError
        If `start_from` names no finder, or one of another architecture.
    """
    graph, params = nnx.split(_first_network(experiment))
    return graph, FinderState(
        jnp.zeros((), jnp.int32), params, params, experiment.optimiser().init(params)
    )


def _first_network(experiment: FinderExperiment) -> Finder:
    earlier = experiment.start_from
    if not earlier:
        return Finder(experiment.network, rngs=nnx.Rngs(experiment.seed))
    if earlier != "finder" and not is_finder(Path(earlier)):
        raise ValueError(
            f"start_from is {earlier!r}, expected 'finder' or the folder of a trained finder"
        )
    found = load_pretrained("finder") if earlier == "finder" else load_finder(Path(earlier))
    if found.model.config != experiment.network:
        raise ValueError(f"start_from: {earlier} is of another architecture")
    return found.model


def train_finder(
    experiment: FinderExperiment,
    folder: str | Path,
    *,
    resume: bool = False,
    workers: int = 1,
    checkpoint_s: float = 120.0,
    own: list[Labelled] | None = None,
    command: str = "",
    say: Callable[[str], None] = lambda _: None,
) -> TrainedFinder:
    """Train a finder on simulated fields, judge it on others, and write everything down.

    Parameters
    ----------
    experiment : FinderExperiment
        When resuming, what the folder says holds.
    folder : str or Path
        Gets ``run.json``, ``metrics.jsonl``, ``checkpoints``, and at the end ``config.json``,
        ``weights.safetensors`` and ``model_card.md``.
    resume : bool
        Go on from the latest checkpoint in `folder`.
    workers : int
        Processes that draw fields. Does not change the result.
    checkpoint_s : float
        Time between checkpoints [s].
    own : list of Labelled, optional
        Images of the user's. Half of them are learnt from beside simulated fields; the other half
        are held out, and scored before and after.
    command : str
        What the user typed, for the model card.
    say : callable
        Takes lines of progress.

    Raises
    ------
    ValueError
        If the folder holds a run already and `resume` is not set, or none and it is.
    """
    place = Path(folder)
    begun = place / "run.json"
    if begun.is_file() != resume:
        problem = "holds a run already: --resume goes on with it" if not resume else "holds no run"
        raise ValueError(f"{place} {problem}, or choose another --out")
    if resume:
        experiment = FinderExperiment.from_description(json.loads(begun.read_text("utf-8")))
    graph, state = start(experiment)
    place.mkdir(parents=True, exist_ok=True)
    atomic.write_text(begun, json.dumps(experiment.described(), indent=2))
    learnt, held = (own or [])[::2], (own or [])[1::2]
    before = score_on(reader_of(nnx.merge(graph, state.params)), held) if held else None
    seconds = 0.0
    if checkpoint.latest(place / "checkpoints") is not None:
        state, seconds = checkpoint.restore(place / "checkpoints", state)
    state, seconds = _climb(
        experiment, graph, state, place, seconds, (workers, checkpoint_s), learnt, say
    )
    model = nnx.merge(graph, state.mean_params)
    figures = None
    if before is not None:
        after = score_on(reader_of(model), held)
        particles = sum(len(image.outlines) for image in held)
        figures = {"images": len(held), "particles": particles, "before": before, "after": after}
        say(f"held-out images: F1 {before:.3f} before, {after:.3f} after")
    say(f"judging on {experiment.test_fields} test fields")
    return finish(
        experiment,
        model,
        place,
        seconds=seconds,
        command=command,
        own=figures,
    )


def _climb(
    experiment: FinderExperiment,
    graph: Any,
    state: FinderState,
    place: Path,
    seconds: float,
    pace: tuple[int, float],
    learnt: list[Labelled],
    say: Callable[[str], None],
) -> tuple[FinderState, float]:
    """Steps until the last, with metrics and checkpoints on the way; the state and the time."""
    workers, checkpoint_s = pace
    step = make_step(graph, experiment.optimiser(), experiment.ema_decay)
    began = time.monotonic() - seconds
    saved = time.monotonic()
    done = int(state.step)
    samples = Samples(
        experiment.recipe(),
        experiment.seed,
        batch_size=experiment.batch_size,
        fresh=experiment.fresh,
        ring=experiment.ring,
        first_step=done,
        own=learnt,
    )
    summed: dict[str, float] = {}
    counted = 0
    try:
        with samples.batches(workers) as batches:
            while done < experiment.steps:
                state, found = step(state, next(batches))
                done, counted = done + 1, counted + 1
                for name, value in found._asdict().items():
                    summed[name] = summed.get(name, 0.0) + float(value)
                if done % _EVERY == 0 or done == experiment.steps:
                    means = {name: value / counted for name, value in summed.items()}
                    spent = time.monotonic() - began
                    append(place / "metrics.jsonl", {"step": done, "seconds": spent, **means})
                    left = spent / done * (experiment.steps - done)
                    say(
                        f"step {done} of {experiment.steps}, loss {means['total']:.3f}, "
                        f"{left / 60:.0f} min left"
                    )
                    summed, counted = {}, 0
                if time.monotonic() - saved > checkpoint_s:
                    checkpoint.save(place / "checkpoints", state, time.monotonic() - began)
                    saved = time.monotonic()
    except KeyboardInterrupt:
        checkpoint.save(place / "checkpoints", state, time.monotonic() - began)
        raise
    jax.block_until_ready(state.params)
    spent = time.monotonic() - began
    checkpoint.save(place / "checkpoints", state, spent)
    return state, spent
