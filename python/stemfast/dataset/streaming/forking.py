"""Background threads that stand still while the process forks.

A forked child has only the thread that forked, but the locks of all of them, as they were: one
that a background thread held at that moment is held for ever, and the child hangs where it needs
it. (In Python 3.11 every ``cached_property`` has such a lock.) So a data loader that forks its
workers waits until the background threads are between two steps of their work.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["step"]


class _Gate:
    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._at_work: set[int] = set()
        self._shut = False

    @contextmanager
    def step(self) -> Iterator[None]:
        me = threading.get_ident()
        with self._changed:
            self._changed.wait_for(lambda: not self._shut)
            self._at_work.add(me)
        try:
            yield
        finally:
            with self._changed:
                self._at_work.discard(me)
                self._changed.notify_all()

    def shut(self) -> None:
        """Wait until nobody else is at work, and keep the lock so that nobody begins."""
        self._changed.acquire()
        self._shut = True
        self._changed.wait_for(lambda: self._at_work <= {threading.get_ident()})

    def open(self) -> None:
        self._shut = False
        self._changed.notify_all()
        self._changed.release()


_gate = _Gate()


def _renew() -> None:
    global _gate
    _gate = _Gate()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: _gate.shut(),
        after_in_parent=lambda: _gate.open(),
        after_in_child=_renew,
    )


@contextmanager
def step() -> Iterator[None]:
    """Do a step of background work, a fraction of a second, during which nobody forks."""
    with _gate.step():
        yield
