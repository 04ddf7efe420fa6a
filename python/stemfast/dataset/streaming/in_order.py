"""Results of worker processes in the order of their tasks."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context
from typing import TypeVar

__all__ = ["in_order", "worker_processes"]

Task = TypeVar("Task")
Result = TypeVar("Result")


@contextmanager
def worker_processes(count: int) -> Iterator[Executor]:
    """So many processes, at least one; in the end they finish what they are at, and no more.

    They are not ended from outside, as `multiprocessing.Pool` does: one that is ended while it
    hands over a result keeps the lock of the queue, and all others wait for it for ever.
    """
    executor = ProcessPoolExecutor(
        max(count, 1),
        mp_context=get_context("spawn"),
        # Ctrl-C reaches all processes of a terminal; the one that waits for them ends the work.
        initializer=signal.signal,
        initargs=(signal.SIGINT, signal.SIG_IGN),
    )
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)


def in_order(
    pool: Executor, work: Callable[[Task], Result], tasks: Iterator[Task], ahead: int
) -> Iterator[Result]:
    """Results of tasks in order, with no more than `ahead` of them under way.

    Parameters
    ----------
    pool : Executor
        Of :func:`worker_processes`.
    work : callable
        A function of a module, so that processes can call it.
    tasks : iterator
        With or without an end.
    ahead : int

    Raises
    ------
    ChildProcessError
        If a worker was killed.
    """
    try:
        waiting = deque(pool.submit(work, task) for task in islice(tasks, ahead))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(work, task) for task in islice(tasks, 1))
    except BrokenProcessPool:
        raise ChildProcessError(
            "a process that draws images was killed, perhaps for want of memory"
        ) from None
