"""Images simulated while they are used: no disk, no end, the same bits as on disk."""

from __future__ import annotations

import os
import weakref
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from stemfast import arguments
from stemfast.dataset import splits
from stemfast.dataset.streaming.batch import Batch
from stemfast.dataset.streaming.pipeline import Pipeline, Settings

if TYPE_CHECKING:
    from stemfast.recipes import Recipe

__all__ = ["Stream", "stream"]

#: Scenes in a split: the next one starts there.
LARGEST = 2**40


class Stream:
    """An iterator over batches that are simulated in the background; see :func:`stream`.

    Attributes
    ----------
    recipe : Recipe
        What is drawn.
    next_index : int
        Where the next batch starts: ``stream(..., start=next_index)`` continues there.
    """

    def __init__(self, settings: Settings, start: int, prefetch: int) -> None:
        self._settings = settings
        self._prefetch = prefetch
        self._pipeline: Pipeline | None = None
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

    def _running(self) -> Pipeline:
        if self._process != os.getpid():
            raise RuntimeError(
                "this stream was made before a fork, and its threads are in the other process: "
                "make one stream in each process"
            )
        if self._pipeline is None:
            self._pipeline = Pipeline(self._settings, self.next_index, self._prefetch)
            # Also when the interpreter ends: a thread that is still simulating would crash then.
            self._stop = weakref.finalize(self, self._pipeline.stop)
        return self._pipeline

    def close(self) -> None:
        """Stop the background threads and wait until they have ended. It may be called again."""
        self._closed = True
        if self._pipeline is not None:
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
    stride: int | None = None,
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
    stride : int, optional
        Scenes from the start of a batch to the start of the next; `batch_size` if None. Process r
        of n gets its share of batches of n·b images with ``batch_size=b, start=r * b,
        stride=n * b``.
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
    batch_size = arguments.index("batch_size", batch_size, minimum=1)
    stride = batch_size if stride is None else stride
    settings = Settings(
        recipe=recipe,
        seed=arguments.seed_value(seed),
        batch_size=batch_size,
        first_scene=first_scene,
        stop=end,
        stride=arguments.index("stride", stride, minimum=batch_size),
        n_threads=arguments.index("n_threads", n_threads),
    )
    return Stream(settings, start, arguments.index("prefetch", prefetch, minimum=1))
