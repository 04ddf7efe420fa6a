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
import importlib
import os
import platform
import pty
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from disturbed import JOBS, Job, Moments, Running, cut_short, hidden

DAY_S = 86_400.0
NO_ROOM = "No space left on device", "are needed and"


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
