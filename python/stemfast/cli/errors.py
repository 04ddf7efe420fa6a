"""Errors and Ctrl-C on the command line: one line on stderr, and an exit code.

Ctrl-C ends the process with code 130 also where compiled code holds the main thread: a second
thread waits for the signal, gives Python a moment, then ends the process. The signals of a
scheduler (SIGTERM) and of a terminal that closes (SIGHUP) stop a command in the same way.
"""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, TextIO

import typer
from typer.core import TyperGroup

#: Which extra brings which package, for packages that the core install leaves out.
_EXTRA_OF = {
    "jax": "train",
    "jaxlib": "train",
    "flax": "train",
    "optax": "train",
    "orbax": "train",
    "safetensors": "io",  # for the finder; other networks miss JAX first
    "sklearn": "train",
    "keras": "transfer",
    "rsciio": "io",
    "tifffile": "io",
    "skimage": "io",
    "matplotlib": "viz",
    "dask": "dask",
    "distributed": "dask",
    "tensorstore": "zarr",
    "pyarrow": "parquet",
    "bokeh": "explore",
    "tornado": "explore",
    "jinja2": "explore",
}

#: Options whose argument has another name in Python.
_OTHER_NAMES = {
    "scale_bar_nm": "--scale-bar",
    "changes": "--set",
    "n_threads": "--threads",
    "tasks": "--task",
    "pixel_size_nm": "--pixel-size",
    "Scan.shape": "--pixels",
    "Probe.fwhm_nm": "--probe-nm",
    "Film.thickness_nm": "--film-nm",
    "BrightField.outer_mrad": "--bright-field-mrad",
}
MICROGRAPH_OPTIONS = {
    "pixel_size_nm": "--pixel-size-nm",
    "scale_bar_nm": "--scale-bar",
    "index": "--index",
    "dataset": "--dataset",
    "contrast": "--contrast",
}
_VERBS = "(?:is|are|has|have|holds?|must|cannot|says?)"

#: Exit code of a program that Ctrl-C stopped: 128 + SIGINT.
STOPPED = 130
_MOMENT_S = 0.7
_advice: dict[Path, str] = {}


def require(*packages: str) -> None:
    """Refuse to start what would miss a package later; name all extras that bring them.

    Raises
    ------
    ValueError
        If one is not installed.

    Examples
    --------
    >>> require("json", "numpy")
    """
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        extras = ",".join(dict.fromkeys(_EXTRA_OF[package] for package in missing))
        raise ValueError(
            f"this needs the packages {', '.join(missing)}; install them with: "
            f'pip install "stemfast[{extras}]"'
        )


class Commands(TyperGroup):
    """Command group that takes ``--debug`` anywhere and turns exceptions into one line."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        _fill_paragraphs(self)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Move ``--debug`` to the front, so that it may also follow the command."""
        if "--debug" in args:
            args = ["--debug", *(arg for arg in args if arg != "--debug")]
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find a command, also one whose name is two words: ``train transfer``."""
        two = " ".join(args[:2])
        if two in self.commands:
            return two, self.commands[two], args[2:]
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; report what a person can mend, and exit with 2, or 130 for Ctrl-C."""
        words = [*getattr(ctx, "_protected_args", ()), *ctx.args]
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            typer.echo(_farewell(), err=True)
            raise typer.Exit(STOPPED) from None
        except (ValueError, TypeError, OSError, ImportError, MemoryError) as error:
            message = explain(error, _options_of(self, words))
            if ctx.params.get("debug") or message is None:
                raise
            typer.echo(f"stemfast: {message}", err=True)
            raise typer.Exit(2) from error


def _fill_paragraphs(group: TyperGroup) -> None:
    """Join the lines of each paragraph of all help texts, for the terminal to break."""
    for command in group.commands.values():
        paragraphs = (command.help or "").split("\n\n")
        command.help = "\n\n".join(" ".join(text.split()) for text in paragraphs)
        if isinstance(command, TyperGroup):
            _fill_paragraphs(command)


def _options_of(group: Any, words: Sequence[str]) -> dict[str, str]:
    """Options of the command that these words call, by the names of arguments in Python."""
    command = group
    for n in range(len(words)):
        commands = getattr(command, "commands", None)
        if commands is None:
            break
        two = " ".join(words[n : n + 2])
        command = commands.get(two) or commands.get(words[n])
    options = {}
    for parameter in getattr(command, "params", ()):
        spelled = [one for one in parameter.opts if one.startswith("--")]
        if spelled:
            options[parameter.name] = spelled[0]
    known = set(options.values())
    return options | {name: option for name, option in _OTHER_NAMES.items() if option in known}


def explain(error: Exception, options: Mapping[str, str] | None = None) -> str | None:
    """Say in one line what went wrong, or return None for what is not the user's to mend.

    Parameters
    ----------
    error : Exception
    options : mapping of str to str, optional
        Options of the command by the names of arguments in Python.

    Returns
    -------
    str or None

    Examples
    --------
    >>> explain(ValueError("min_probability is 2, expected 0 … 1"), {"min_probability": "--least"})
    '--least is 2, expected 0 … 1'
    >>> explain(ModuleNotFoundError("No module named 'jax'", name="jax"))
    'this needs the package jax; install it with: pip install "stemfast[train]"'
    """
    if isinstance(error, BrokenPipeError):
        return None
    if isinstance(error, ImportError):
        package = (error.name or "").partition(".")[0]
        extra = _EXTRA_OF.get(package)
        if extra is None:
            return None
        return f'this needs the package {package}; install it with: pip install "stemfast[{extra}]"'
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    text = " ".join(str(error).split()) or type(error).__name__
    return as_options(text, options or {})


def as_options(text: str, options: Mapping[str, str] = MICROGRAPH_OPTIONS) -> str:
    """A message that names options of the command line instead of Python's arguments.

    Parameters
    ----------
    text : str
    options : mapping of str to str
        Options by the names of arguments; by default those that concern a micrograph.

    Examples
    --------
    >>> as_options("a stack of 3 images: say which with index=0 ... 2")
    'a stack of 3 images: say which with --index 0 ... 2'
    >>> as_options("a.dm4: pixel_size_nm and scale_bar_nm: got both, expected one of them")
    'a.dm4: --pixel-size-nm and --scale-bar: got both, expected one of them'
    >>> as_options("Beam.energy_kev: expected a number", {"energy_kev": "--energy-kev"})
    '--energy-kev: expected a number'
    """
    text = text.replace(" (on the command line --pixel-size-nm)", "")
    if not options:
        return text
    name = "|".join(map(re.escape, sorted(options, key=len, reverse=True)))
    text = re.sub(rf"\b({name})=\.\.\.", lambda found: options[found[1]], text)
    text = re.sub(rf"\b({name})=", lambda found: f"{options[found[1]]} ", text)
    one = rf"(?:[A-Z]\w*\.)??({name})"  # a setting may stand behind its class: Beam.energy_kev
    subject = rf"(?:^|(?<=: )){one}(?:(?:, | and ){one})*(?=(?: {_VERBS})\b|:(?= ))"
    return re.sub(
        subject, lambda names: re.sub(one, lambda found: options[found[1]], names[0]), text
    )


def stderr_is_terminal() -> bool:
    """True if stderr is a terminal, where progress bars are drawn.

    Examples
    --------
    >>> isinstance(stderr_is_terminal(), bool)
    True
    """
    return sys.stderr.isatty()


def show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning as one line on stderr, without the place in the code where it arose."""
    typer.echo(f"warning: {' '.join(str(message).split())}", err=True)


_ORDERS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def watch() -> None:
    """Start to watch for Ctrl-C and its like. Call once, in the main thread."""
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    for number in _ORDERS:
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup has it ignored
            signal.signal(number, signal.default_int_handler)
    sys.unraisablehook = _tell_unraisable
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_unwatch)
    # The thread holds both ends open for as long as the process lives.
    threading.Thread(target=_wait, args=(receiver, sender), daemon=True).start()


def advise(words: str, file: Path) -> None:
    """Say this, and nothing else, if the command is stopped once a file is there."""
    _advice.clear()
    _advice[file] = words


def _farewell() -> str:
    return "; ".join(["stopped", *(words for file, words in _advice.items() if file.exists())])


def leave() -> NoReturn:
    """End the process now, after Ctrl-C.

    Without the interpreter's usual farewell: XLA cannot cancel what its threads are doing, and
    they crash when the interpreter is torn down under them.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # the terminal is gone
            stream.flush()
    os._exit(STOPPED)


def _tell_unraisable(dropped: sys.UnraisableHookArgs) -> None:
    """Report what destructors and callbacks raise; a Ctrl-C that they dropped is sent again."""
    if issubclass(dropped.exc_type, KeyboardInterrupt):
        threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT)).start()
    else:
        sys.__unraisablehook__(dropped)


def _unwatch() -> None:
    """Let a forked process end of itself: the socket is its parent's, whom it would stop."""
    signal.set_wakeup_fd(-1)
    for number in _ORDERS:
        if signal.getsignal(number) is signal.default_int_handler:
            signal.signal(number, signal.SIG_DFL)


def _wait(receiver: socket.socket, sender: socket.socket) -> None:
    stops = {signal.SIGINT, *_ORDERS}
    while stops.isdisjoint(receiver.recv(1)):
        pass
    time.sleep(_MOMENT_S)
    with suppress(OSError):
        os.write(2, f"{_farewell()}\n".encode())
    os._exit(STOPPED)
