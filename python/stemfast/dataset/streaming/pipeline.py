"""Pipeline of a stream: one thread draws scenes, one simulates them, batch after batch."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stemfast.dataset.streaming import forking
from stemfast.dataset.streaming.batch import Batch
from stemfast.dataset.streaming.pool import Pool

if TYPE_CHECKING:
    from stemfast.recipes import Recipe, Scenes

__all__ = ["Pipeline", "Settings"]

#: Scenes drawn and simulated at a time, at most: what a stream that is closed may have to finish.
PART = 512


@dataclass(frozen=True)
class Settings:
    """Settings of a stream of the scenes first_scene … first_scene + stop."""

    recipe: Recipe
    seed: int
    batch_size: int
    first_scene: int  # of the split
    stop: int
    stride: int  # from the start of a batch to that of the next
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
        """Let go of all items; nobody waits any more."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()


class Pipeline:
    """Pipeline of two threads: one draws scenes, one simulates them.

    It knows nothing of the stream it works for, so that a stream nobody holds any more is
    collected, and with it this.
    """

    def __init__(self, settings: Settings, start: int, prefetch: int) -> None:
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
        settings = self._settings
        for start in range(self._start, settings.stop, settings.stride):
            yield start, min(start + settings.batch_size, settings.stop)

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
            self.ready.put(self._batch(images, parts, start))
            del images, parts, scenes  # or this thread would keep the memory while it waits
        self.ready.put(None)

    def _batch(self, images: NDArray[Any], parts: list[Scenes], start: int) -> Batch:
        labels, columns = parts[0].labels, parts[0].columns
        if len(parts) > 1:
            labels = np.concatenate([part.labels for part in parts])
            columns = {
                name: np.concatenate([part.columns[name] for part in parts]) for name in columns
            }
        settings = self._settings
        following = min(start + settings.stride, settings.stop)
        return Batch(images, labels, columns, start, following, settings.first_scene + start)
