"""Worker processes: their results in order, and an end that waits for nobody."""

from __future__ import annotations

import os
import signal
from itertools import count, islice

import numpy as np
import pytest

from stemfast.dataset.streaming.in_order import in_order, worker_processes


def large(number: int) -> np.ndarray:
    """A result that takes several writes to hand over."""
    return np.full(2_000_000, number, np.int32)


def killed_at_three(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_results_come_in_order_and_the_end_comes_while_others_are_handed_over():
    with worker_processes(2) as pool:
        found = [int(one[-1]) for one in islice(in_order(pool, large, count(), 12), 6)]
    assert found == list(range(6))


def test_a_worker_that_is_killed_is_told():
    with (
        pytest.raises(ChildProcessError, match="a process that draws images was killed"),
        worker_processes(1) as pool,
    ):
        list(islice(in_order(pool, killed_at_three, count(), 4), 9))
