"""Training run of the finder: resumable, from the first field to the stored network."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from stemfast import atomic
from stemfast.fields import FieldRecipe
from stemfast.models.finder import Finder, FinderConfig
from stemfast.training import checkpoint
from stemfast.training.finder.samples import Samples
from stemfast.training.finder.step import FinderState, make_step

__all__ = ["FinderExperiment", "start", "train_finder"]

_EVERY = 50  # steps between lines of metrics


@dataclass(frozen=True)
class FinderExperiment:
    """Settings of a finder's training.

    Parameters
    ----------
    steps, batch_size : int
        Number of steps, and samples in each.
    fresh, ring : int
        New fields for each step, and fields kept to be shown again in other poses.
    learning_rate, weight_decay, warmup, ema_decay, clip_norm : float
        Of AdamW with a warm-up over a share of the steps, then a cosine to zero.
    seed : int
        Of the fields and of the first weights.
    field_px : int
        Side of the fields [px].
    """

    steps: int = 5000
    batch_size: int = 12
    fresh: int = 4
    ring: int = 600
    learning_rate: float = 1.5e-3
    weight_decay: float = 1e-4
    warmup: float = 0.03
    ema_decay: float = 0.998
    clip_norm: float = 1.0
    seed: int = 1
    field_px: int = 192
    network: FinderConfig = field(default_factory=FinderConfig)

    def recipe(self) -> FieldRecipe:
        """Fields that the network learns from."""
        return FieldRecipe(
            kinds=(
                "monolayer",
                "monolayer",
                "carbon-black",
                "carbon-black",
                "silica",
                "silica",
                "alumina",
                "zeolite",
                "graphene",
                "sparse",
                "large",
            ),
            rows=self.field_px,
            columns=self.field_px,
            diameter_px=(6.0, 90.0),
            cover=(0.01, 0.35),
        )

    def optimiser(self) -> optax.GradientTransformation:
        """AdamW on its schedule."""
        rate = optax.warmup_cosine_decay_schedule(
            0.0, self.learning_rate, max(1, round(self.warmup * self.steps)), self.steps
        )
        return optax.chain(
            optax.clip_by_global_norm(self.clip_norm),
            optax.adamw(rate, weight_decay=self.weight_decay),
        )


def start(experiment: FinderExperiment) -> tuple[Any, FinderState]:
    """Structure of the network, and the state before the first step."""
    model = Finder(experiment.network, rngs=nnx.Rngs(experiment.seed))
    graph, params = nnx.split(model)
    return graph, FinderState(
        jnp.zeros((), jnp.int32), params, params, experiment.optimiser().init(params)
    )


def train_finder(
    experiment: FinderExperiment,
    folder: str | Path,
    *,
    workers: int = 1,
    checkpoint_s: float = 120.0,
) -> FinderState:
    """Train, or go on from the latest checkpoint in `folder`.

    Parameters
    ----------
    experiment : FinderExperiment
    folder : str or Path
        Gets ``run.json``, ``metrics.jsonl`` and ``checkpoints``.
    workers : int
        Processes that draw fields. Does not change the result.
    checkpoint_s : float
        Time between checkpoints [s].

    Returns
    -------
    FinderState
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    graph, state = start(experiment)
    seconds = 0.0
    if checkpoint.latest(place / "checkpoints") is not None:
        state, seconds = checkpoint.restore(place / "checkpoints", state)
    atomic.write_text(place / "run.json", json.dumps(asdict(experiment), indent=2))
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
    )
    summed: dict[str, float] = {}
    with samples.batches(workers) as batches:
        for batch in batches:
            if done >= experiment.steps:
                break
            state, found = step(state, batch)
            done += 1
            for name, value in found._asdict().items():
                summed[name] = summed.get(name, 0.0) + float(value) / _EVERY
            if done % _EVERY == 0:
                line = {"step": done, "seconds": time.monotonic() - began, **summed}
                with (place / "metrics.jsonl").open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
                summed = {}
            if time.monotonic() - saved > checkpoint_s:
                checkpoint.save(place / "checkpoints", state, time.monotonic() - began)
                saved = time.monotonic()
    checkpoint.save(place / "checkpoints", state, time.monotonic() - began)
    jax.block_until_ready(state.params)
    return state
