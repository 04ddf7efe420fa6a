"""Races: our code and what it means to beat, in one process, interleaved, answers checked."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest

from stemfast import _core

LINES: list[str] = []


def pytest_configure() -> None:
    """Give the others one core each, before anything imports them."""
    one = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.environ.setdefault("XLA_FLAGS", one)
    for library in ("OPENBLAS", "NUMBA"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")


class Report:
    """Lines for the table at the end of the run."""

    def add(self, title: str, text: str) -> None:
        LINES.append(f"{title:<44} {text}")

    def rates(
        self, title: str, seconds: dict[str, float], items: int, unit: str = "images/s"
    ) -> None:
        """One line of rates, ours first, each of the others with our lead over it."""
        ours, *others = seconds
        parts = [f"{ours} {items / seconds[ours]:>10,.0f} {unit}"]
        parts += [
            f"{name} {items / seconds[name]:,.0f} ({seconds[name] / seconds[ours]:.1f}×)"
            for name in others
        ]
        self.add(title, "   ".join(parts))


@pytest.fixture
def report() -> Report:
    return Report()


@pytest.fixture
def race() -> Callable[..., dict[str, float]]:
    def run(
        candidates: dict[str, Callable[[], object]],
        rounds: int = 15,
        clock: Callable[[], float] = time.perf_counter,
    ) -> dict[str, float]:
        """Best time of each candidate [s]; they take turns, since a machine's speed drifts.

        Those that stay on the calling thread may take `time.thread_time` for a clock, which stands
        still while others use the core.
        """
        best = dict.fromkeys(candidates, float("inf"))
        for candidate in candidates.values():
            candidate()  # compiles, touches memory
        for _ in range(rounds):
            for name, candidate in candidates.items():
                start = clock()
                candidate()
                best[name] = min(best[name], clock() - start)
        return best

    return run


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not LINES:
        return
    info = _core.info()
    terminalreporter.section("rates; in brackets, our lead")
    terminalreporter.write_line(
        f"instruction set {info['instruction_set']}, {info['threads']} cores, one used unless "
        "said; best of interleaved rounds"
    )
    for line in LINES:
        terminalreporter.write_line(line)
