"""Work that takes long, in a thread of its own: progress, an answer or an error, and a stop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

__all__ = ["Job", "StoppedError", "Tell", "in_words"]

#: Told what is being done, and the share that is done, 0 … 1, or below 0 where nobody knows.
Tell = Callable[[str, float], None]


class StoppedError(Exception):
    """The job was asked to stop."""


class Job:
    """A job that runs in a thread.

    It stops at the next word of its progress after it was asked to.

    Parameters
    ----------
    work : callable
        Called with a `Tell`; returns the answer.

    Attributes
    ----------
    doing : str
    share : float
        What it told last.
    answer : object
        What `work` returned; None before.
    error : str
        Why there is no answer, in words; "" where nothing went wrong.

    Examples
    --------
    >>> job = Job(lambda tell: 6 * 7)
    >>> job.wait().answer, job.running, job.error
    (42, False, '')
    """

    def __init__(self, work: Callable[[Tell], Any]) -> None:
        self.doing, self.share = "starting", -1.0
        self.answer: Any = None
        self.error = ""
        self.stopped = False
        self._asked = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """True until it ends."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Ask it to stop."""
        self._asked.set()

    def wait(self, seconds: float | None = None) -> Job:
        """Wait for its end, and return it."""
        self._thread.join(seconds)
        return self

    def _run(self, work: Callable[[Tell], Any]) -> None:
        try:
            self.answer = work(self._tell)
        except StoppedError:
            self.stopped = True
        except Exception as error:
            self.error = in_words(error)

    def _tell(self, doing: str, share: float = -1.0) -> None:
        if self._asked.is_set():
            raise StoppedError
        self.doing, self.share = doing, share


def in_words(error: BaseException) -> str:
    """Message of an error, for a person.

    Examples
    --------
    >>> in_words(ValueError("size is 0, expected a positive number"))
    'size is 0, expected a positive number'
    """
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"this needs the Python package {error.name}, which is not installed"
    if isinstance(error, MemoryError):
        return f"not enough memory: {error}" if str(error) else "not enough memory"
    text = str(error) or type(error).__name__
    if isinstance(error, ValueError | TypeError | OSError):
        return text
    return f"{type(error).__name__}: {text}"
