"""A Ctrl-C that Python drops in a destructor is raised by the next look."""

from __future__ import annotations

import signal
import threading

import pytest

from stemfast.dataset.interrupt import Interrupts


class Noisy:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_in_a_destructor_is_not_lost():
    before = signal.getsignal(signal.SIGINT)
    with Interrupts() as interrupts:
        interrupts.check()
        noisy = Noisy()
        del noisy  # the exception of the handler is dropped here
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_anywhere_else_is_raised_at_once():
    with Interrupts(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_handler_of_the_program_and_other_threads_are_left_alone():
    heard = []
    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        with Interrupts() as interrupts:
            signal.raise_signal(signal.SIGINT)
            interrupts.check()
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [signal.SIGINT]
    thread = threading.Thread(target=lambda: Interrupts().__enter__().__exit__(None, None, None))
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGINT) is before
