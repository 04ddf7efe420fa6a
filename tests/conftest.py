"""What the whole test run needs."""

import signal


def pytest_configure() -> None:
    """Let Ctrl-C through to the processes that tests start.

    A shell starts background jobs with SIGINT ignored, and children inherit that; the tests that
    stop a child with it would wait for ever.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
