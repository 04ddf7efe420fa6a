"""Results of worker processes in the order of their tasks, without end."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

__all__ = ["in_order"]

Task = TypeVar("Task")
Result = TypeVar("Result")


def in_order(
    pool: Any, work: Callable[[Task], Result], tasks: Iterator[Task], ahead: int
) -> Iterator[Result]:
    """Results of tasks in order, with no more than `ahead` of them under way.

    Parameters
    ----------
    pool : multiprocessing.pool.Pool
    work : callable
        A function of a module, so that processes can call it.
    tasks : iterator
        Without end.
    ahead : int
    """
    waiting = deque(pool.apply_async(work, (next(tasks),)) for _ in range(ahead))
    while True:
        yield waiting.popleft().get()
        waiting.append(pool.apply_async(work, (next(tasks),)))
