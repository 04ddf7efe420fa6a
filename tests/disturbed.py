"""Commands in processes of their own, disturbed at random moments, and what they leave."""

from __future__ import annotations

import contextlib
import fcntl
import json
import mmap
import os
import random
import signal
import sys
import tempfile
import termios
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PATIENCE_S = 300.0
READ = "--pixel-size-nm", "0.5", "--method", "classical", "--contrast", "bright"
SMALL = (
    *("image_px=32", "images=90", "batch_size=18", "validation_images=36", "test_images=45"),
    *("evaluations=5", "model.variant=plain", "model.widths=[8,8]", "model.blocks=1"),
)


@dataclass(frozen=True)
class Job:
    """A command.

    Attributes
    ----------
    words : tuple of str
        What is typed; OUT stands for the folder of results.
    again : tuple of str
        What is typed instead to go on with a run that has begun, if that differs.
    result : tuple of str
        Patterns of files that are the same whenever they are made.
    kept : str
        Pattern of files that no later moment may miss.
    refusals : tuple of str
        Words of a second run that says why it does not begin.
    """

    words: tuple[str, ...]
    again: tuple[str, ...] = ()
    result: tuple[str, ...] = ("*",)
    kept: str = "*"
    refusals: tuple[str, ...] = ("another run",)

    def command(self, out: Path) -> list[str]:
        begun = self.again and (out / "run.json").exists()
        return [word.replace("OUT", str(out)) for word in (self.again if begun else self.words)]

    def left(self, out: Path) -> dict[str, bytes]:
        """Content of the files that are the same whenever they are made."""
        files = [file for pattern in self.result for file in sorted(out.rglob(pattern))]
        return {str(file.relative_to(out)): file.read_bytes() for file in files if file.is_file()}


JOBS = {
    "dataset create": Job(
        (
            *("dataset", "create", "shapes", "OUT", "-n", "600", "--seed", "4", "--size", "32"),
            *("--set", "field_nm=40", "--set", "particle.diameter_nm=[6,12]"),
            *("--shard-images", "30"),
        ),
        kept="*.hspy",
    ),
    "train": Job(
        ("train", "shapes", "--out", "OUT", *(word for one in SMALL for word in ("--set", one))),
        again=("train", "shapes", "--out", "OUT", "--resume"),
        result=("weights.safetensors", "novelty.safetensors", "*.png"),  # others tell the time
        kept="run.json",
        refusals=("another run", "holds a run already"),
    ),
    "find": Job(("find", "session", "--out", "OUT", *READ)),
    "classify": Job(
        ("classify", "session", "--out", "OUT", "--model", "network", *READ),
        result=("particles.csv", "report.*", "*.jsonl"),
    ),
    "reconstruct": Job(
        (
            *("reconstruct", "view.npy", "--out", "OUT", "--pixel-size-nm", "0.8", *READ[2:]),
            *("--family", "ellipsoid"),
        )
    ),
}


@dataclass
class Ended:
    """End of a command: its exit code, or minus the signal that ended it, and its words."""

    code: int
    said: str

    def said_why(self) -> bool:
        return self.code == 2 and "Traceback" not in self.said and "stemfast: " in self.said


class Running:
    """A command in a process of its own.

    The process is forked, so that what all commands import is imported once, and leads a session
    of its own, so that what it starts ends with it.
    """

    def __init__(
        self,
        job: Job,
        out: Path,
        prepare: Callable[[], object] = lambda: None,
        terminal: int | None = None,
    ) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115
        words = ["stemfast", *job.command(out)]
        self.pid = os.fork()
        if self.pid:
            return
        os.setsid()
        if terminal is not None:
            fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
        told = self._said.fileno() if terminal is None else terminal
        os.dup2(told, 1)
        os.dup2(told, 2)
        _as_command(words, prepare)

    def send(self, number: int) -> bool:
        """Send a signal, unless the command has ended."""
        if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return False
        os.kill(self.pid, number)
        return True

    def wait(self) -> Ended:
        end = time.monotonic() + PATIENCE_S
        while not (found := os.waitpid(self.pid, os.WNOHANG))[0]:
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                return Ended(-1, f"no end after {PATIENCE_S:g} s")
            time.sleep(0.005)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # processes that it started
        self._said.seek(0)
        said = self._said.read().decode(errors="replace")
        self._said.close()
        return Ended(os.waitstatus_to_exitcode(found[1]), said)


def _as_command(words: list[str], prepare: Callable[[], object]) -> None:
    """Be the command from here on, and end with its exit code."""
    code: object = 1
    try:
        from stemfast.cli import main

        if words[1] == "train":
            from stemfast.training import by_name

            by_name.train.__kwdefaults__["checkpoint_s"] = 0.0  # after every few steps
        sys.argv = words
        sys.stdout = open(1, "w", buffering=1, closefd=False, encoding="utf-8")  # noqa: SIM115
        sys.stderr = open(2, "w", buffering=1, closefd=False, encoding="utf-8")  # noqa: SIM115
        prepare()
        code = main()
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os._exit(code if isinstance(code, int) else 0)


class Moments:
    """Moments to disturb a command: any time, or just before it changes a file.

    Parameters
    ----------
    out : Path
        Where it writes when nothing disturbs it, which tells how many moments there are.
    """

    def __init__(self, job: Job, out: Path, drawn: random.Random) -> None:
        self._drawn = drawn
        counted = mmap.mmap(-1, 8)
        began = time.monotonic()
        self.first = Running(job, out, lambda: _before_change(out, counted, 0, 0)).wait()
        self.seconds = time.monotonic() - began
        self.changes = int.from_bytes(counted[:8], "little")

    def disturb(self, job: Job, out: Path, number: int) -> Ended:
        """Run the command and send it a signal at a random moment."""
        if self._drawn.random() < 0.5 and self.changes:
            at = self._drawn.randint(1, self.changes)
            return Running(
                job, out, lambda: _before_change(out, mmap.mmap(-1, 8), at, number)
            ).wait()
        running = Running(job, out)
        self.pause()
        running.send(number)
        return running.wait()

    def pause(self) -> None:
        time.sleep(self._drawn.uniform(0.0, self.seconds))


def _before_change(out: Path, counted: mmap.mmap, at: int, number: int) -> None:
    """Count changes of files in a folder from now on; before one of them, send a signal."""
    pid = os.getpid()

    def hook(event: str, told: tuple[object, ...]) -> None:
        changes = event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate") or (
            event == "open" and isinstance(told[1], str) and set(told[1]) & set("wax+")
        )
        if changes and str(out) in f"{told[0]}{told[1]}" and os.getpid() == pid:
            count = int.from_bytes(counted[:8], "little") + 1
            counted[:8] = count.to_bytes(8, "little")
            if count == at:
                os.kill(pid, number)

    sys.addaudithook(hook)


def cut_short(out: Path) -> list[str]:
    """Files under their final names that cannot be read."""
    return [
        f"{file.relative_to(out)} cannot be read: {error}"
        for file in sorted(out.rglob("*"))
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(out).parts)
        for error in [_unreadable(file)]
        if error
    ]


def _unreadable(file: Path) -> str:
    if "checkpoints" in file.parts or file.name == "metrics.jsonl":
        return ""  # a log that grows by lines, and checkpoints that the next run reads
    try:
        if file.suffix == ".json":
            json.loads(file.read_text(encoding="utf-8"))
        elif file.suffix == ".jsonl":
            [json.loads(line) for line in file.read_text().splitlines() or [""]]
        elif file.suffix == ".hspy":
            import h5py

            h5py.File(file).close()
        elif file.suffix in (".png", ".tif"):
            from PIL import Image

            with Image.open(file) as picture:
                picture.load()
        elif file.suffix == ".safetensors":
            from safetensors.numpy import load

            load(file.read_bytes())
        elif not file.read_bytes().rstrip(b"\0"):
            return "it is empty"
    except FileNotFoundError:
        return ""
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def hidden(out: Path, *, locks: bool = True) -> list[str]:
    """Leftovers of files that were never finished, and of locks that are empty files."""
    return [
        f"{file.name} is left over"
        for file in sorted(out.parent.rglob("*"))
        if (file.name.startswith(".") and (locks or not file.name.endswith("lock")))
        or "tmp" in file.suffix
    ]
