"""Ctrl-C that is not lost: Python drops an exception that a destructor or a callback raises."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["Interrupts"]


class Interrupts:
    """Notes every Ctrl-C besides raising it, so that a loop can ask whether one was dropped.

    In another thread than the main one, or where the program has a handler of its own, nothing is
    noted.

    Examples
    --------
    >>> with Interrupts() as interrupts:
    ...     interrupts.check()
    """

    def __init__(self) -> None:
        self._noted = False
        self._before: Any = None

    def __enter__(self) -> Self:
        here = threading.current_thread() is threading.main_thread()
        if here and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._before = signal.signal(signal.SIGINT, self._hear)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self._noted = True
        signal.default_int_handler(number, frame)

    def check(self) -> None:
        """Raise a Ctrl-C that was dropped.

        Raises
        ------
        KeyboardInterrupt
            If there was one.
        """
        if self._noted:
            raise KeyboardInterrupt
