"""Write a data set: drawing, simulating and storing go on at the same time."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from stemfast import atomic
from stemfast.dataset import folder
from stemfast.dataset.lock import FileLock
from stemfast.dataset.manifest import ShardEntry, entry_path
from stemfast.dataset.plan import Plan
from stemfast.dataset.progress import Progress
from stemfast.dataset.read import Dataset
from stemfast.dataset.shard import ShardContent, write_shard
from stemfast.dataset.splits import ShardPlan

if TYPE_CHECKING:
    from stemfast.recipes import Recipe, Scenes

__all__ = ["make_shard", "write", "write_missing"]

#: Time that simulating a piece of a shard should take [s]: Ctrl-C waits no longer than that, and
#: pieces much smaller would spend their time in Python. Pixels of the first piece.
PIECE_S = (0.15, 0.4)
FIRST_PIECE_PIXELS = 2**20
#: Shards in memory: one being simulated while the one before goes to the disk.
BUFFERS = 2

_T = TypeVar("_T")


class _Claim:
    """A shard that this process has taken on, and what has been simulated of it."""

    def __init__(self, shard: ShardPlan, lock: FileLock) -> None:
        self.shard = shard
        self.lock = lock
        self.images: NDArray[Any] | None = None
        self.done = 0
        self.labels: list[NDArray[np.int64]] = []
        self.columns: list[dict[str, NDArray[Any]]] = []

    def next_images(self, count: int) -> NDArray[Any]:
        """View of the buffer that receives the next images."""
        assert self.images is not None
        return self.images[self.done : self.done + count]

    def add(self, scenes: Scenes) -> None:
        """Note that these scenes have been simulated."""
        self.done += len(scenes)
        self.labels.append(scenes.labels)
        self.columns.append(scenes.columns)

    def content(self, recipe: Recipe, seed: int) -> ShardContent:
        """Content of the file."""
        assert self.images is not None
        shard = self.shard
        return ShardContent(
            title=f"{recipe.name} {shard.split}",
            images=self.images[: len(shard)],
            pixel_size_nm=recipe.pixel_size_nm,
            labels=np.concatenate(self.labels),
            columns={
                name: np.concatenate([part[name] for part in self.columns])
                for name in self.columns[0]
            },
            attributes={
                "recipe": recipe.name,
                "class_names": list(recipe.class_names),
                "seed": seed,
                "first_index": shard.start,
                "split": shard.split,
            },
        )


class _Writer:
    """Writes shards of a plan: one thread draws ahead, one simulates, one stores.

    The calling thread only waits, so that Ctrl-C reaches it at once.
    """

    def __init__(
        self, directory: Path, plan: Plan, n_threads: int, advance: Callable[[int, int], None]
    ) -> None:
        self.directory, self.plan = directory, plan
        self.n_threads, self.advance = n_threads, advance
        self._stopped = Event()
        self._held: set[FileLock] = set()
        self._stored: list[ShardPlan] = []
        self._buffers: list[NDArray[Any]] = []
        self._piece = max(1, FIRST_PIECE_PIXELS // math.prod(plan.recipe.image_shape))

    def run(self, missing: Iterable[ShardPlan]) -> None:
        """Write these shards, except those that another writer writes meanwhile."""
        with ThreadPoolExecutor(3, thread_name_prefix="stemfast-dataset") as pool:
            try:
                self._run(pool, missing)
            finally:
                self._stopped.set()
                pool.shutdown(wait=True, cancel_futures=True)
                for lock in tuple(self._held):
                    self._release(lock)

    def _run(self, pool: ThreadPoolExecutor, missing: Iterable[ShardPlan]) -> None:
        storing: deque[Future[None]] = deque()
        for claim, scenes in _ahead(pool, self._drawn(missing)):
            if claim.images is None:
                claim.images = self._buffer()
            out = claim.next_images(len(scenes))
            began = time.perf_counter()
            pool.submit(scenes.simulate, self.n_threads, out).result()
            self._resize_pieces(time.perf_counter() - began)
            claim.add(scenes)
            self.advance(len(scenes), len(scenes))
            if claim.done == len(claim.shard):
                storing.append(pool.submit(self._store, claim))
                if len(storing) == BUFFERS:
                    storing.popleft().result()
        for future in storing:
            future.result()
        self._check_there()

    def _resize_pieces(self, took_s: float) -> None:
        """Make the next pieces larger or smaller. The images do not depend on it."""
        if took_s < PIECE_S[0]:
            self._piece = min(2 * self._piece, self.plan.shard_images)
        elif took_s > PIECE_S[1]:
            self._piece = max(1, self._piece // 2)

    def _buffer(self) -> NDArray[Any]:
        if self._buffers:
            return self._buffers.pop()
        shape = (self.plan.shard_images, *self.plan.recipe.image_shape)
        return np.empty(shape, dtype=self.plan.recipe.dtype)

    def _drawn(self, missing: Iterable[ShardPlan]) -> Iterator[tuple[_Claim, Scenes]]:
        plan = self.plan
        for claim in self._claims(missing):
            start = claim.shard.start
            while start < claim.shard.stop:
                stop = min(start + self._piece, claim.shard.stop)
                yield claim, plan.recipe.sample(plan.seed, start, stop)
                start = stop

    def _claims(self, missing: Iterable[ShardPlan]) -> Iterator[_Claim]:
        """Take shards that nobody is writing; come back for the others, in case they fail."""
        waiting = deque(missing)
        busy = 0
        while waiting:
            shard = waiting.popleft()
            lock = FileLock(self.directory / f".{shard.file}.lock")
            if not lock.acquire():
                waiting.append(shard)
                busy += 1
                if busy >= len(waiting):
                    if self._stopped.wait(0.1):
                        return
                    busy = 0
                continue
            busy = 0
            self._held.add(lock)
            if folder.entry(self.directory, shard) is not None:
                self._release(lock)
                self.advance(len(shard), 0)
                continue
            atomic.remove_leftovers(self.directory / shard.file)
            yield _Claim(shard, lock)

    def _release(self, lock: FileLock) -> None:
        lock.release()
        self._held.discard(lock)

    def _store(self, claim: _Claim) -> None:
        """Put a shard on disk. Its checksum comes first: a shard is never there without one."""
        shard, path = claim.shard, self.directory / claim.shard.file
        content = claim.content(self.plan.recipe, self.plan.seed)
        try:
            with atomic.replacing(path) as temporary:
                n_bytes, sha256 = write_shard(temporary, content)
                entry = ShardEntry(
                    file=shard.file,
                    split=shard.split,
                    start=shard.start,
                    stop=shard.stop,
                    n_bytes=n_bytes,
                    sha256=sha256,
                )
                entry.write_to(entry_path(self.directory, shard))
        except FileNotFoundError:
            # Where there are no locks, another writer may have finished the set under our hands.
            if folder.entry(self.directory, shard) is None:
                raise
        self._stored.append(shard)
        self._check_there()
        assert claim.images is not None
        self._buffers.append(claim.images)
        self._release(claim.lock)

    def _check_there(self) -> None:
        """Take back the shards of this run if somebody removed the set: they would be nobody's."""
        try:
            folder.check_there(self.directory)
        except FileNotFoundError:
            for shard in self._stored:
                (self.directory / shard.file).unlink(missing_ok=True)
                entry_path(self.directory, shard).unlink(missing_ok=True)
            raise


def _ahead(pool: ThreadPoolExecutor, items: Iterator[_T]) -> Iterator[_T]:
    """The same items, the next one being made while the last one is used."""
    coming = pool.submit(next, items, None)
    while (item := coming.result()) is not None:
        coming = pool.submit(next, items, None)
        yield item


def write_missing(
    directory: str | Path,
    plan: Plan,
    chosen: Sequence[int] | None = None,
    *,
    n_threads: int = 0,
    advance: Callable[[int, int], None] = lambda done, made: None,
) -> bool:
    """Write those shards of a plan that are not there yet.

    Several processes may do so in one directory at the same time: they share the work.

    Parameters
    ----------
    directory : str or Path
        Made if missing.
    plan : Plan
        What to write.
    chosen : sequence of int, optional
        Numbers of the shards to care for; all if None.
    n_threads : int
        Threads of the simulation; 0 means all cores. Does not change the images.
    advance : callable
        Called with images that are done, and how many of them were simulated here.

    Returns
    -------
    bool
        Whether the data set is now complete.

    Raises
    ------
    ValueError
        If the directory holds another data set, or a number is not that of a shard.
    OSError
        If the directory cannot be written to, or the disk is full.
    """
    where = Path(directory)
    missing = folder.missing(where, plan, chosen)
    if missing:
        folder.join(where, plan)
        _Writer(where, plan, n_threads, advance).run(missing)
    return folder.finish(where, plan)


def make_shard(directory: str | Path, plan: Plan, k: int, n_threads: int = 0) -> ShardEntry:
    """Write shard `k` of a plan unless it is there, and say what it is.

    Does not depend on any other shard, and may be called from any process of any machine that
    shares the directory.

    Parameters
    ----------
    directory : str or Path
        Made if missing.
    plan : Plan
    k : int
        Number of the shard, 0 … ``len(plan.shards) - 1``.
    n_threads : int
        Threads of the simulation; 0 means all cores.

    Returns
    -------
    ShardEntry
        File, scenes, size and SHA-256.

    Raises
    ------
    ValueError
        If the directory holds another data set, or there is no such shard.
    OSError
        If it cannot be written.
    """
    where = Path(directory)
    missing = folder.missing(where, plan, [k])
    if missing:
        folder.join(where, plan)
        _Writer(where, plan, n_threads, lambda done, made: None).run(missing)
    entry = folder.entry(where, plan.shards[k])
    if entry is None:
        raise FileNotFoundError(f"shard {where / plan.shards[k].file} was removed by somebody else")
    return entry


def write(
    directory: str | Path,
    recipe: Recipe,
    *,
    seed: int,
    splits: Mapping[str, tuple[int, int]],
    shard_images: int | None = None,
    n_threads: int = 0,
) -> Dataset:
    """Simulate a labelled data set onto disk.

    Shards and manifest appear under their names only when complete, the manifest last. The same
    call after Ctrl-C, or whatever else stopped it, writes only what is missing; a directory that
    already holds exactly this data set is opened. On a terminal a bar on standard error shows
    images/s and time left.

    Parameters
    ----------
    directory : str or Path
        Made if missing.
    recipe : Recipe
        What to draw; see :mod:`stemfast.recipes`.
    seed : int
        Seed of the scenes and of the images.
    splits : mapping of str to (int, int)
        Disjoint ranges [start, stop) of scene indices, for example
        ``{"train": (0, 3000), "test": (3000, 4500)}``. Scene i is the same in any range.
    shard_images : int, optional
        Images in a shard. If None, as many as fit into 32 MiB.
    n_threads : int
        Threads of the simulation; 0 means all cores. Does not change the images.

    Returns
    -------
    Dataset
        The whole set, opened.

    Raises
    ------
    ValueError
        If the splits overlap or are empty, or the directory holds another data set.
    OSError
        If the directory cannot be written to, or the disk is full.
    """
    plan = Plan(recipe, seed, splits, shard_images)
    there = sum(len(plan.shards[k]) for k in folder.present(Path(directory), plan))
    with Progress(f"simulating {recipe.name}", plan.n_images, there, plain=False) as progress:
        write_missing(directory, plan, n_threads=n_threads, advance=progress.advance)
    return Dataset(directory)
