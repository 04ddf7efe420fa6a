"""What the whole test run needs."""

import signal

import pytest


def pytest_configure() -> None:
    """Let Ctrl-C through to the processes that tests start.

    A shell starts background jobs with SIGINT ignored, and children inherit that; the tests that
    stop a child with it would wait for ever.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def stemfast(tmp_path, monkeypatch):
    """Run a command in an empty folder; a wide terminal keeps messages on one line."""
    from typer.testing import CliRunner

    from stemfast.cli import app

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("NO_COLOR", "1")
    return lambda *words: CliRunner().invoke(app, list(words))
