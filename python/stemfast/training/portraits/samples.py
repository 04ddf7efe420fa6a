"""Batches of portraits, drawn by worker processes, the same whenever training comes to them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

import numpy as np

from stemfast.dataset.splits import first_index
from stemfast.dataset.streaming.in_order import in_order, worker_processes
from stemfast.fields import FieldRecipe
from stemfast.training.portraits.sitters import Portraits, drawn

__all__ = ["Samples", "some"]


class Samples:
    """Batches without end.

    Step k draws fields k·fresh … (k + 1)·fresh − 1 of the training split and shows all of their
    particles, or as many as the batch holds; the rest are particles of the `ring` fields before.

    Parameters
    ----------
    recipe : FieldRecipe
    seed : int
    batch_size, fresh, ring, most : int
        As :class:`stemfast.training.portraits.experiment.PortraitExperiment`.
    """

    def __init__(
        self, recipe: FieldRecipe, seed: int, *, batch_size: int, fresh: int, ring: int, most: int
    ) -> None:
        self._recipe, self._seed, self._most = recipe, seed, most
        self._batch_size, self._fresh, self._ring = batch_size, fresh, ring

    @contextmanager
    def batches(self, first_step: int, workers: int) -> Iterator[Iterator[Portraits]]:
        """Batches from a step on, with so many processes that draw fields."""
        with worker_processes(workers) as pool:
            yield self._stream(pool, first_step)

    def _stream(self, pool: Executor, step: int) -> Iterator[Portraits]:
        # Before its first fields a run has those of the far end of the split.
        start = step * self._fresh
        tasks = iter(range(start - self._ring, 2**40))
        first = first_index("train")

        def asked() -> Iterator[tuple[FieldRecipe, int, int, int]]:
            for index in tasks:
                place = first + (index if index >= 0 else 2**40 + index)
                yield self._recipe, self._seed, place, self._most

        source = in_order(pool, _work, asked(), 4 * self._fresh + 16)
        kept = deque((next(source) for _ in range(self._ring)), maxlen=self._ring)
        while True:
            rng = np.random.default_rng((self._seed, step))
            fresh = [next(source) for _ in range(self._fresh)]
            new, old = _joined(fresh), _joined([kept[k] for k in self._chosen(rng, len(kept))])
            rows = rng.permutation(len(new.labels))[: self._batch_size]
            more = rng.integers(0, max(len(old.labels), 1), self._batch_size - len(rows))
            yield _joined([_rows(new, rows), _rows(old, more)])
            kept.extend(fresh)
            step += 1

    def _chosen(self, rng: np.random.Generator, count: int) -> list[int]:
        """Fields of the ring that a batch is filled up from, enough of them to be unlike."""
        number = min(count, self._batch_size)
        return [int(k) for k in rng.choice(count, number, replace=False)]


def some(recipe: FieldRecipe, seed: int, split: str, images: int, most: int) -> Portraits:
    """The first portraits of a split.

    Parameters
    ----------
    recipe : FieldRecipe
    seed : int
    split : {"train", "validation", "test"}
    images : int
        Portraits.
    most : int
        Of one field.
    """
    parts: list[Portraits] = []
    index, have = first_index(split), 0
    while have < images:
        parts.append(drawn(recipe, seed, index, most))
        have += len(parts[-1].labels)
        index += 1
    return _rows(_joined(parts), np.arange(images))


def _work(task: tuple[FieldRecipe, int, int, int]) -> Portraits:
    return drawn(*task)


def _joined(parts: list[Portraits]) -> Portraits:
    return Portraits(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.labels for part in parts]),
    )


def _rows(whole: Portraits, rows: Any) -> Portraits:
    return Portraits(whole.images[rows], whole.labels[rows])
