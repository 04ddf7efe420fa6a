"""Samples of simulated fields: drawn by workers, kept in a ring, turned at random."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stemfast.dataset.streaming.in_order import in_order, worker_processes
from stemfast.fields import FieldRecipe
from stemfast.finding.network.scaling import as_seen
from stemfast.models.finder import RAYS
from stemfast.training.finder.own_images import Labelled, sample_of
from stemfast.training.finder.targets import Sample, Targets, targets

__all__ = ["SampleBatch", "Samples", "drawn", "turned"]

#: Share of samples shown in the wrong contrast, where nothing is to be found.
WRONG_CONTRAST = 0.1


class SampleBatch(NamedTuple):
    """Arrays (B, …) float32 as the training step takes them."""

    seen: NDArray[np.float32]
    middle: NDArray[np.float32]
    foreground: NDArray[np.float32]
    boundary: NDArray[np.float32]
    distance: NDArray[np.float32]
    weight: NDArray[np.float32]


def drawn(recipe: FieldRecipe, seed: int, index: int) -> Sample:
    """Sample of one field: its image with particles bright, or, one in ten, wrongly inverted."""
    field = recipe.draw(seed, index)
    image = field.image.astype(np.float32)
    wrong = np.random.default_rng((seed, index)).random() < WRONG_CONTRAST
    found = targets(field)
    if field.bright_field != wrong:
        image = -image
    if wrong:
        nothing = np.zeros_like(found.middle)
        found = Targets(
            nothing, nothing, nothing, np.zeros_like(found.distance), np.ones_like(nothing)
        )
    return Sample(as_seen(image).astype(np.float16), found)


def turned(sample: Sample, pose: int) -> Sample:
    """The sample in one of the eight poses of a square: bits 0, 1, 2 flip rows, columns, both axes.

    Examples
    --------
    >>> from stemfast.fields import FieldRecipe
    >>> one = drawn(FieldRecipe(kinds=("sparse",), rows=64, columns=64), 1, 0)
    >>> bool((turned(one, 1).seen[0] == one.seen[-1]).all())
    True
    """

    def posed(x: NDArray[Any]) -> NDArray[Any]:
        x = x[::-1] if pose & 1 else x
        x = x[:, ::-1] if pose & 2 else x
        return x.swapaxes(0, 1) if pose & 4 else x

    own = sample.targets
    ray = np.arange(RAYS)
    # The ray that comes to lie along ray k.
    if pose & 4:
        ray = (RAYS // 4 - ray) % RAYS
    if pose & 2:
        ray = (RAYS // 2 - ray) % RAYS
    if pose & 1:
        ray = -ray % RAYS
    return Sample(
        posed(sample.seen),
        Targets(
            posed(own.middle),
            posed(own.foreground),
            posed(own.boundary),
            posed(own.distance)[..., ray],
            posed(own.weight),
        ),
    )


def _work(task: tuple[FieldRecipe, int, int]) -> Sample:
    return drawn(*task)


class Samples:
    """Batches without end; batch k is the same whenever training comes to it.

    Parameters
    ----------
    recipe : FieldRecipe
    seed : int
    batch_size, fresh : int
        Samples of a batch, and new fields drawn for each.
    ring : int
        Fields kept.
    first_step : int
        Batch to begin with: the ring is filled with what was drawn before it.
    own : sequence of Labelled
        Images of the user's, of which half of every batch is made, if there are any.
    """

    def __init__(
        self,
        recipe: FieldRecipe,
        seed: int,
        *,
        batch_size: int,
        fresh: int,
        ring: int,
        first_step: int = 0,
        own: Sequence[Labelled] = (),
    ) -> None:
        self._recipe, self._seed = recipe, seed
        self._batch_size, self._fresh, self._ring = batch_size, fresh, ring
        self._first_step = first_step
        self._own = own

    @contextmanager
    def batches(self, workers: int) -> Iterator[Iterator[SampleBatch]]:
        """Batches in order, with so many worker processes that draw fields."""
        with worker_processes(workers) as pool:
            yield self._stream(pool)

    def _stream(self, pool: Executor) -> Iterator[SampleBatch]:
        step, fresh, ring = self._first_step, self._fresh, self._ring
        # Step k draws from fields 0 … ring + k·fresh − 1, the last `ring` of them.
        begin = step * fresh

        def tasks() -> Iterator[tuple[FieldRecipe, int, int]]:
            index = begin
            while True:
                yield self._recipe, self._seed, index
                index += 1

        source = in_order(pool, _work, tasks(), 4 * fresh + 16)
        first = [next(source) for _ in range(ring)]
        # Field j has place j modulo the ring's length, wherever training began.
        oldest = begin % ring
        kept = first[ring - oldest :] + first[: ring - oldest]
        while True:
            rng = np.random.default_rng((self._seed, step))
            rows = rng.integers(0, ring, self._batch_size)
            # All of the newest are shown at once.
            newest = [(oldest - 1 - k) % ring for k in range(min(fresh, self._batch_size))]
            rows[: len(newest)] = newest
            poses = rng.integers(0, 8, self._batch_size)
            chosen = [
                turned(kept[row], pose)
                for row, pose in zip(rows.tolist(), poses.tolist(), strict=True)
            ]
            if self._own:
                side = chosen[0].seen.shape[0]
                for k in range(self._batch_size // 2):
                    image = self._own[int(rng.integers(len(self._own)))]
                    chosen[-1 - k] = turned(sample_of(image, side, rng), int(poses[k]))
            yield _together(chosen)
            for _ in range(fresh):
                kept[oldest] = next(source)
                oldest = (oldest + 1) % ring
            step += 1


def _together(chosen: list[Sample]) -> SampleBatch:
    def stacked(arrays: list[NDArray[Any]]) -> NDArray[np.float32]:
        return np.stack(arrays).astype(np.float32)

    own = [sample.targets for sample in chosen]
    return SampleBatch(
        stacked([sample.seen for sample in chosen]),
        stacked([t.middle for t in own]),
        stacked([t.foreground for t in own]),
        stacked([t.boundary for t in own]),
        stacked([t.distance for t in own]),
        stacked([t.weight for t in own]),
    )
