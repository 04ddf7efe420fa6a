"""Commands that are killed, on full disks, in folders that vanish: how many end well after all.

``make faults`` runs every command under every condition and prints a table of scores. A trial has
gone well if no file under its final name was ever cut short, nothing that was complete is gone, no
command showed a traceback, and the same command, given again, leaves byte for byte what it leaves
undisturbed, and nothing else. Linux only. Where nobody may mount, full and read-only disks are
left out, which the table says.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import importlib
import json
import mmap
import os
import platform
import pty
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

DAY_S = 86_400.0
NO_ROOM = "No space left on device", "are needed and"
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


class Trials:
    """Trials of one command, each in a folder of its own."""

    def __init__(self, job: Job, folder: Path, drawn: random.Random, *, mounts: bool) -> None:
        self.job, self.drawn, self.mounts = job, drawn, mounts
        self._folder, self._count = folder, 0
        Running(job, self.out()).wait()  # what is compiled and cached is there from now on
        whole = self.out()
        self.moments = Moments(job, whole, drawn)
        if self.moments.first.code != 0:
            raise RuntimeError(f"{' '.join(job.words)}: {self.moments.first.said}")
        self.expected = job.left(whole)
        self.n_bytes = sum(file.stat().st_size for file in whole.rglob("*") if file.is_file())

    def out(self) -> Path:
        """A new place for results, in an empty folder."""
        self._count += 1
        above = self._folder / f"trial-{self._count}"
        above.mkdir(parents=True)
        return above / "results"

    def finish(self, out: Path) -> list[str]:
        """Give the same command again; say what is not as it is undisturbed."""
        ended = Running(self.job, out).wait()
        done = self.job.again and "nothing to resume" in ended.said
        if ended.code != 0 and not done:
            return [f"the same command ends with {ended.code}: {ended.said[-600:]}"]
        return self.compare(out)

    def compare(self, out: Path) -> list[str]:
        found = self.job.left(out)
        differ = [name for name in self.expected if found.get(name) != self.expected[name]]
        more = [name for name in found if name not in self.expected]
        wrong = [f"{name} differs" for name in differ] + [f"{name} is too many" for name in more]
        return wrong + hidden(out)

    def stopped(self, number: int) -> list[str]:
        """A signal at a random moment, up to four times, and to the end."""
        out, wrong = self.out(), []
        for _ in range(self.drawn.randint(1, 4)):
            before = {file.name for file in out.rglob(self.job.kept) if self._counts(file)}
            ended = self.moments.disturb(self.job, out, number)
            if "Traceback" in ended.said or (ended.code > 0 and ended.code != 130):
                wrong.append(f"it ends with {ended.code}: {ended.said[-600:]}")
            wrong += cut_short(out)
            gone = before - {file.name for file in out.rglob(self.job.kept)}
            wrong += [f"{name} is gone" for name in sorted(gone)]
            if number != signal.SIGKILL:
                wrong += hidden(out, locks=False)
            if ended.code == 0:
                break
        return wrong + self.finish(out)

    def _counts(self, file: Path) -> bool:
        return "checkpoints" not in file.parts and not any(p.startswith(".") for p in file.parts)

    def killed(self) -> list[str]:
        return self.stopped(signal.SIGKILL)

    def terminated(self) -> list[str]:
        return self.stopped(signal.SIGTERM)

    def interrupted(self) -> list[str]:
        return self.stopped(signal.SIGINT)

    def terminal_closed(self) -> list[str]:
        """The terminal that it writes to goes, and the system says so."""
        out = self.out()
        ours, its = pty.openpty()
        running = Running(self.job, out, terminal=its)
        os.close(its)
        end = time.monotonic() + self.drawn.uniform(0.0, self.moments.seconds)
        os.set_blocking(ours, False)
        while time.monotonic() < end:
            with contextlib.suppress(BlockingIOError, OSError):
                os.read(ours, 65536)
            time.sleep(0.01)
        os.close(ours)
        ended = running.wait()
        wrong = [] if ended.code != -1 else [ended.said]
        return wrong + cut_short(out) + hidden(out) + self.finish(out)

    def folder_removed(self) -> list[str]:
        """Somebody removes the results while it writes them."""
        out = self.out()
        running = Running(self.job, out)
        self.moments.pause()
        shutil.rmtree(out, ignore_errors=True)
        ended = running.wait()
        wrong = (
            [] if ended.code in (0, 2) and "Traceback" not in ended.said else [ended.said[-900:]]
        )
        return wrong + cut_short(out) + self.finish(out)

    def clock_set_back(self) -> list[str]:
        """Files of tomorrow are there already, and the clock goes back while it goes on."""
        out = self.out()
        self.moments.disturb(self.job, out, signal.SIGKILL)
        tomorrow = time.time() + DAY_S
        for file in out.rglob("*"):
            os.utime(file, (tomorrow, tomorrow))
        real, begun = time.time, time.monotonic()
        half = self.moments.seconds / 2

        def back() -> None:
            time.time = lambda: real() - (DAY_S if time.monotonic() - begun > half else 0.0)

        ended = Running(self.job, out, back).wait()
        wrong = [] if ended.code == 0 else [f"it ends with {ended.code}: {ended.said[-600:]}"]
        return wrong + self.finish(out)

    def two_at_once(self) -> list[str]:
        """A second run of the same command in the same place."""
        out = self.out()
        first = Running(self.job, out)
        time.sleep(self.drawn.choice((0.0, 0.0, self.drawn.uniform(0.0, self.moments.seconds))))
        both = [Running(self.job, out).wait(), first.wait()]
        wrong = [
            f"one of two ends with {ended.code}: {ended.said[-600:]}"
            for ended in both
            if ended.code != 0
            and not (ended.said_why() and any(word in ended.said for word in self.job.refusals))
        ]
        return wrong + cut_short(out) + self.finish(out)

    def disk_full(self) -> list[str]:
        """Others fill the disk, but for a part of what the results need; later there is room."""
        out = self.out()
        with mounted(out.parent, "-t", "tmpfs", "-o", "size=64m", "tmpfs"):
            running = Running(self.job, out)
            if self.drawn.random() < 0.7:
                self.moments.pause()
            room = f"size={max(8192, int(self.drawn.uniform(0.0, 0.9) * self.n_bytes))}"
            full = subprocess.run(["mount", "-o", f"remount,{room}", out.parent])
            ended = running.wait()
            told = ended.said_why() and any(word in ended.said for word in NO_ROOM)
            done = ended.code == 0 or full.returncode  # there is more already: it does not shrink
            wrong = [] if told or done else [f"it ends with {ended.code}: {ended.said[-900:]}"]
            wrong += cut_short(out) + hidden(out)
            subprocess.run(["mount", "-o", "remount,size=64m", out.parent], check=True)
            return wrong + self.finish(out)

    def read_only(self) -> list[str]:
        """The folder cannot be written to; later it can."""
        out = self.out()
        with mounted(out.parent, "-t", "tmpfs", "-o", "ro", "tmpfs"):
            ended = Running(self.job, out).wait()
            told = ended.said_why() and any(w in ended.said for w in ("ead-only", "writ"))
            wrong = [] if told else [f"it ends with {ended.code}: {ended.said[-900:]}"]
        return wrong + self.finish(out)


CONDITIONS: dict[str, tuple[Callable[[Trials], list[str]], int]] = {
    "kill -9": (Trials.killed, 100),
    "SIGTERM": (Trials.terminated, 10),
    "Ctrl-C": (Trials.interrupted, 10),
    "terminal closed": (Trials.terminal_closed, 10),
    "disk full": (Trials.disk_full, 10),
    "read-only": (Trials.read_only, 1),
    "folder removed": (Trials.folder_removed, 10),
    "clock set back": (Trials.clock_set_back, 3),
    "two at once": (Trials.two_at_once, 5),
}


@contextlib.contextmanager
def mounted(place: Path, *words: str) -> Iterator[None]:
    subprocess.run(["mount", *words, place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def prepare(*, network: bool) -> None:
    """Micrographs and a network to work with, in this folder; in a process of its own."""
    pid = os.fork()
    if pid:
        if os.waitpid(pid, 0)[1]:
            raise RuntimeError("the files to work with could not be made")
        return
    code = 1
    try:
        import stemfast as sf

        Path("session").mkdir()
        rows, cols = np.indices((120, 120))
        for k in range(3):
            image = np.random.default_rng(k).normal(20.0, 1.0, (120, 120))
            for row, col in ((35, 35), (40 + 5 * k, 85), (85, 60)):
                image += 60.0 * (np.hypot(rows - row, cols - col) < 9 + k)
            np.save(f"session/m{k}.npy", image.astype(np.float32))
        scope = sf.Microscope(scan=sf.Scan(shape=(32, 32), pixel_size_nm=0.8, dwell_us=15))
        np.save("view.npy", sf.simulate(sf.Sphere(6), microscope=scope, seed=1))
        if network:
            from stemfast.pretrained import save
            from stemfast.training import Experiment
            from untrained import undecided

            small = Experiment(name="small", recipe="shapes", image_px=32, validation_images=300)
            save("network", undecided(small))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def load(jobs: Sequence[str]) -> None:
    """Import what commands need, but start no thread: what is forked has none of them."""
    names = [
        "stemfast.cli",
        "stemfast.dataset.write",
        "stemfast.recipes.conditions",
        "numpy.random",
    ]
    if set(jobs) != {"dataset create"}:
        names += ["matplotlib.pyplot", "skimage.segmentation", "tifffile", "stemfast.finding"]
    if {"train", "classify", "reconstruct"} & set(jobs):
        names += ["orbax.checkpoint", "stemfast.populations", "stemfast.training"]
    for name in names:
        importlib.import_module(name)


def score(
    jobs: Sequence[str], conditions: Sequence[str], share: float, seed: int
) -> dict[tuple[str, str], tuple[int, int, list[str]]]:
    """Trials that went well, trials, and what went wrong, by command and condition."""
    load(jobs)
    mounts = (
        subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0
        and os.environ.get("STEMFAST_FAULTS_MOUNT") == "1"
    )
    scores = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        prepare(network="classify" in jobs)
        for job in jobs:
            trials = Trials(
                JOBS[job], Path(folder, job.replace(" ", "-")), random.Random(seed), mounts=mounts
            )
            for condition in conditions:
                trial, times = CONDITIONS[condition]
                count = max(1, round(share * times))
                if condition in ("disk full", "read-only") and not mounts:
                    scores[job, condition] = (0, 0, [])
                    continue
                found = [trial(trials) for _ in range(count)]
                good = sum(not wrong for wrong in found)
                scores[job, condition] = (good, count, [text for one in found for text in one])
                print(f"{job}, {condition}: {good} of {count}", flush=True)
                for text in dict.fromkeys(scores[job, condition][2]):
                    print(f"    {text}", flush=True)
    return scores


def table(scores: dict[tuple[str, str], tuple[int, int, list[str]]]) -> str:
    """The scores as a table of Markdown."""
    jobs = list(dict.fromkeys(job for job, _ in scores))
    lines = [f"| | {' | '.join(jobs)} |", "|---" * (len(jobs) + 1) + "|"]
    for condition in dict.fromkeys(condition for _, condition in scores):
        cells = [
            f"{good} of {count}" if count else "not tried"
            for good, count, _ in (scores[job, condition] for job in jobs)
        ]
        lines.append(f"| {condition} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    told = argparse.ArgumentParser(description=__doc__)
    told.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS))
    told.add_argument("--conditions", nargs="+", choices=CONDITIONS, default=list(CONDITIONS))
    told.add_argument("--share", type=float, default=1.0, help="of the trials of each condition")
    told.add_argument("--seed", type=int, default=0)
    words = told.parse_args()
    if "STEMFAST_FAULTS_MOUNT" not in os.environ:
        may = subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode == 0
        os.environ["STEMFAST_FAULTS_MOUNT"] = str(int(may))
        if may:  # what is mounted from here on, nobody else sees
            os.execvp("unshare", ["unshare", "-rm", sys.executable, *sys.argv])
    began = time.monotonic()
    scores = score(words.jobs, words.conditions, words.share, words.seed)
    print(f"\n{table(scores)}\n")
    print(
        f"seed {words.seed}, {time.monotonic() - began:.0f} s, {os.cpu_count()} cores, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    )
    sys.exit(any(good < count for good, count, _ in scores.values()))


if __name__ == "__main__":
    main()
