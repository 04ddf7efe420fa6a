"""Images simulated while they are used: no disk, no end, the same bits as on disk."""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from stemfast import arguments
from stemfast.dataset import forking, splits
from stemfast.dataset.pool import Pool

if TYPE_CHECKING:
    from stemfast.recipes import Recipe, Scenes

__all__ = ["Batch", "Stream", "stream"]

#: Scenes drawn and simulated at a time, at most: what a stream that is closed may have to finish.
PART = 512
#: Scenes in a split: the next one starts there.
LARGEST = 2**40


@dataclass(frozen=True, eq=False)
class Batch:
    """Simulated images with their labels; ``images, labels = batch`` unpacks it.

    Attributes
    ----------
    images : ndarray, (N, H, W) or (N, K, H, W)
        The images. They stay as they are for as long as this array, or any view of it, is held.
    labels : ndarray, (N,) int64
        Their classes.
    columns : dict of str to ndarray, (N, ...)
        Everything drawn for them, by name with its unit.
    start, next_index : int
        The batch holds scenes [start, next_index) of its split; a stream that starts at
        `next_index` continues where this batch ends.
    first_scene : int
        Scene index of the first image: ``recipe.sample(seed, first_scene, first_scene + N)``.
    """

    images: NDArray[Any]
    labels: NDArray[np.int64]
    columns: dict[str, NDArray[Any]]
    start: int
    next_index: int
    first_scene: int

    def __iter__(self) -> Iterator[NDArray[Any]]:
        yield self.images
        yield self.labels

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def indices(self) -> NDArray[np.int64]:
        """Scene index of each image, (N,)."""
        return np.arange(self.first_scene, self.first_scene + len(self), dtype=np.int64)

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.images.shape))
        return f"Batch({self.start} to {self.next_index}: {shape} {self.images.dtype})"


@dataclass(frozen=True)
class _Settings:
    recipe: Recipe
    seed: int
    batch_size: int
    first_scene: int  # of the split
    stop: int
    n_threads: int


class _Queue:
    """Hands items from one thread to the next, in order, up to a number of them ahead."""

    def __init__(self, size: int) -> None:
        self._items: deque[Any] = deque()
        self._size = size
        self._changed = threading.Condition()
        self._closed = False

    def put(self, item: Any) -> bool:
        """Wait for room and add `item`; False if nobody wants it any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._items) < self._size)
            if self._closed:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def wait_for_room(self) -> bool:
        """Wait until `put` would not; False if nobody wants anything any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._items) < self._size)
            return not self._closed

    def get(self) -> Any:
        """Wait for the next item; None if there will be none."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._items)
            if self._closed:
                return None
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()


class _Line:
    """Two threads, one behind the other: one draws scenes, one simulates them.

    It knows nothing of the stream it works for, so that a stream nobody holds any more is
    collected, and with it this.
    """

    def __init__(self, settings: _Settings, start: int, prefetch: int) -> None:
        self._process = os.getpid()
        self._settings = settings
        self._start = start
        self._drawn = _Queue(2)
        self.ready = _Queue(prefetch)
        shape = (settings.batch_size, *settings.recipe.image_shape)
        self._pool = Pool(shape, settings.recipe.dtype, prefetch + 2)
        # Daemons, because Python waits for all others before it tells anyone that it ends.
        self._threads = [
            threading.Thread(target=self._guarded, args=work, name=f"stemfast-{name}", daemon=True)
            for name, work in (
                ("draw", (self._draw, self._drawn)),
                ("simulate", (self._simulate, self.ready)),
            )
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End both threads; a part that is being simulated is finished first."""
        if self._process != os.getpid():  # a fork takes no threads along
            return
        self._drawn.close()
        self.ready.close()
        # The garbage collector may call this from any thread, even from one of the two.
        if threading.current_thread() not in self._threads:
            for thread in self._threads:
                thread.join()

    def _guarded(self, work: Callable[[], None], results: _Queue) -> None:
        """Run `work`; what goes wrong takes its turn among the results."""
        try:
            work()
        except BaseException as error:
            results.put(error)

    def _batches(self) -> Iterator[tuple[int, int]]:
        start, stop = self._start, self._settings.stop
        while start < stop:
            end = min(start + self._settings.batch_size, stop)
            yield start, end
            start = end

    def _parts(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        return ((a, min(a + PART, stop)) for a in range(start, stop, PART))

    def _draw(self) -> None:
        settings = self._settings
        for batch in self._batches():
            for start, stop in self._parts(*batch):
                if not self._drawn.wait_for_room():
                    return
                first = settings.first_scene
                with forking.step():
                    scenes = settings.recipe.sample(settings.seed, first + start, first + stop)
                self._drawn.put(scenes)

    def _simulate(self) -> None:
        for start, stop in self._batches():
            if not self.ready.wait_for_room():
                return
            images = self._pool.borrow()[: stop - start]
            parts = []
            for first, last in self._parts(start, stop):
                scenes = self._drawn.get()
                if scenes is None:
                    return
                if isinstance(scenes, BaseException):
                    raise scenes
                out = images[first - start : last - start]
                with forking.step():
                    scenes.simulate(n_threads=self._settings.n_threads, out=out)
                parts.append(scenes)
            self.ready.put(self._batch(images, parts, start, stop))
            del images, parts, scenes  # or this thread would keep the memory while it waits
        self.ready.put(None)

    def _batch(self, images: NDArray[Any], parts: list[Scenes], start: int, stop: int) -> Batch:
        labels, columns = parts[0].labels, parts[0].columns
        if len(parts) > 1:
            labels = np.concatenate([part.labels for part in parts])
            columns = {
                name: np.concatenate([part.columns[name] for part in parts]) for name in columns
            }
        first = self._settings.first_scene + start
        return Batch(images, labels, columns, start, stop, first)


class Stream:
    """An iterator over batches that are simulated in the background; see :func:`stream`.

    Attributes
    ----------
    recipe : Recipe
        What is drawn.
    next_index : int
        Where the next batch starts: ``stream(..., start=next_index)`` continues there.
    """

    def __init__(self, settings: _Settings, start: int, prefetch: int) -> None:
        self._settings = settings
        self._prefetch = prefetch
        self._line: _Line | None = None
        self._closed = False
        self._process = os.getpid()
        self.recipe = settings.recipe
        self.next_index = start

    @property
    def class_names(self) -> tuple[str, ...]:
        """Meaning of the labels."""
        return self.recipe.class_names

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        if self._closed:
            raise StopIteration
        item = self._running().ready.get()
        if isinstance(item, Batch):
            self.next_index = item.next_index
            return item
        self.close()
        if item is None:
            raise StopIteration
        try:
            raise item
        finally:
            del item  # its traceback holds this frame

    def _running(self) -> _Line:
        if self._process != os.getpid():
            raise RuntimeError(
                "this stream was made before a fork, and its threads are in the other process: "
                "make one stream in each process"
            )
        if self._line is None:
            self._line = _Line(self._settings, self.next_index, self._prefetch)
            # Also when the interpreter ends: a thread that is still simulating would crash then.
            self._stop = weakref.finalize(self, self._line.stop)
        return self._line

    def close(self) -> None:
        """Stop the background threads and wait until they have ended. It may be called again."""
        self._closed = True
        if self._line is not None:
            self._stop()

    def __enter__(self) -> Self:
        if not self._closed:
            self._running()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> Any:
        raise TypeError("a stream cannot be pickled: make one in each process, from next_index")

    def __repr__(self) -> str:
        state = ", closed" if self._closed else ""
        return f"Stream({self.recipe.name!r}, next_index={self.next_index}{state})"


def stream(
    recipe: Recipe | str,
    seed: int = 0,
    batch_size: int = 256,
    *,
    start: int = 0,
    stop: int | None = None,
    split: str = "train",
    n_threads: int = 0,
    prefetch: int = 2,
) -> Stream:
    """Simulate batches of labelled images in the background, in order, while they are used.

    Two threads work ahead, one drawing the scenes of the next batch while the other simulates
    this one; the simulation holds no Python lock. The images are the same bits as those of
    ``recipe.sample(seed, start, stop).simulate()`` and as those on disk, for any batch size and
    number of threads.

    Parameters
    ----------
    recipe : Recipe or str
        What to draw, or the name of a recipe with its default settings.
    seed : int
        Seed of the scenes and of the images.
    batch_size : int
        Images in a batch. The last one before `stop` may be smaller.
    start : int
        First scene, counted from the start of the split. Resume with ``batch.next_index``.
    stop : int, optional
        Scene before which to stop; if None, practically never.
    split : str
        ``"train"``, ``"validation"`` or ``"test"``: ranges of scenes that never meet.
    n_threads : int
        Threads of the simulation; 0 means all cores. Does not change the images.
    prefetch : int
        Batches to have ready ahead of use.

    Returns
    -------
    Stream
        An iterator over :class:`Batch`. The threads start with the first batch, or with a
        ``with`` statement, and end when the iterator is exhausted, closed, left by ``with`` or no
        longer held, whichever is first. What goes wrong in them is raised where the batch would
        have come.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it should be.

    Notes
    -----
    Memory is used again: that of a batch goes to a later one as soon as its array and all views
    of it are gone. So a batch never changes under whoever holds it, JAX's and PyTorch's arrays
    that share its memory included, and a loop that holds only the last batch runs in the memory
    of ``prefetch + 2`` of them.

    Examples
    --------
    >>> from stemfast import dataset
    >>> with dataset.stream("shapes", seed=1, batch_size=4, stop=6) as batches:
    ...     for images, labels in batches:
    ...         print(images.shape, labels)
    (4, 128, 128) [0 1 2 0]
    (2, 128, 128) [1 2]
    """
    from stemfast import recipes

    if isinstance(recipe, str):
        recipe = recipes.get(recipe)
    elif not isinstance(recipe, recipes.Recipe):
        raise TypeError(f"recipe must be a Recipe or a name, got {recipe!r}")
    first_scene = splits.first_index(split)
    start = arguments.index("start", start, maximum=LARGEST)
    end = LARGEST if stop is None else arguments.index("stop", stop, minimum=start, maximum=LARGEST)
    settings = _Settings(
        recipe=recipe,
        seed=arguments.seed_value(seed),
        batch_size=arguments.index("batch_size", batch_size, minimum=1),
        first_scene=first_scene,
        stop=end,
        n_threads=arguments.index("n_threads", n_threads),
    )
    return Stream(settings, start, arguments.index("prefetch", prefetch, minimum=1))
