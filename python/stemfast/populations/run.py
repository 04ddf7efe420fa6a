"""Classify the micrographs of a folder, however often that is interrupted.

Each file's result is a part of its own, put into its place in one step. A run that starts again
reads the files that have none, or changed since, or were read with other settings; its table and
report are those of a run that was never interrupted.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stemfast.classification import CORNERS_MODEL
from stemfast.dataset.interrupt import Interrupts
from stemfast.dataset.lock import alone
from stemfast.populations.about import About, write_about
from stemfast.populations.files import Settling, micrographs_in
from stemfast.populations.one_file import classify_on_worker, classify_one, failure
from stemfast.populations.part import FOLDER, Part, Task, headers, write_part
from stemfast.populations.report import Report, write_report
from stemfast.populations.settings import NetworkCard, RunSettings, card_of, settings_for

__all__ = ["classify_folder", "watch_folder"]

KILLED = "several workers died of it: out of memory?"
POLL_S = 2.0
REPORT_EVERY_S = 60.0
_PAUSES = 10.0  # between two reports, in the time that one takes

Tell = Callable[[Part], None]
Parts = Callable[[Iterable[Task]], Iterator[Part]]


def classify_folder(
    folder: str | Path,
    out: str | Path | None = None,
    *,
    subfolders: bool = False,
    dask: str | None = None,
    begin: Callable[[int, int], None] = lambda total, done: None,
    tell: Tell = lambda part: None,
    **settings: Any,
) -> Report:
    """Find and classify the particles of all micrographs of a folder.

    Parameters
    ----------
    folder : str or Path
        Files in it are read if their suffix is one of an image.
    out : str or Path, optional
        Folder for the results, made if missing; ``<name of the folder>-shapes`` if None.
    subfolders : bool
        Also read files in folders below it, but for folders of results.
    dask : str, optional
        Address of a Dask scheduler, or ``"local:N"`` for N processes on this machine. Workers must
        see the folder under the same name.
    begin : callable
        Called with the number of files, and how many of them were done in earlier runs.
    tell : callable
        Called with the `Part` of each file when it is done.
    **settings
        `model`, `pixel_size_nm`, `scale_bar_nm`, `contrast`, `method`, `index`, `dataset`,
        `min_probability`, `max_novelty`, `corners`, `tilt_axis_deg`, `material`, as for
        :func:`stemfast.classify`. Files that are no tilt series are classified, and no hand told.

    Returns
    -------
    Report
        Also written: ``particles.csv``, ``report.json``, ``report.html``, and ``parts`` with the
        result of each file. Files that failed are listed in the report.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If there is no such folder.
    ValueError
        If it holds no file that can be read, `out` is the folder itself, or a setting is wrong.
    FileExistsError
        If another run writes to `out`.
    """
    run = _run(folder, out, settings)
    tasks = micrographs_in(run.folder, subfolders=subfolders)
    if not tasks:
        raise ValueError(f"{folder}: this folder holds no file that can be read as an image")
    with _alone(run), _workers(run, dask) as parts:
        done = _done(run)
        left = [task for task in tasks if task not in done]
        begin(len(tasks), len(tasks) - len(left))
        for part in parts(left):
            tell(part)
        return write_report(run.out)


def watch_folder(
    folder: str | Path,
    out: str | Path | None = None,
    *,
    subfolders: bool = False,
    dask: str | None = None,
    quiet_s: float = float("inf"),
    poll_s: float = POLL_S,
    report_every_s: float = REPORT_EVERY_S,
    begin: Callable[[int, int], None] = lambda total, done: None,
    tell: Tell = lambda part: None,
    **settings: Any,
) -> Report:
    """Classify the micrographs of a folder as they come.

    A file is read once its size and time of change stayed the same for three looks. One that could
    not be read is read again when it changes. Table and report are written when all files that are
    complete are done, every `report_every_s` while more come, and at the end.

    Parameters
    ----------
    folder, out, subfolders, dask, begin, tell
        As for `classify_folder`. The folder may be empty at first.
    quiet_s : float
        End when nothing came or changed for this long [s].
    poll_s, report_every_s : float
        Time between two looks, and between two reports while files come [s].
    **settings
        As for `classify_folder`.

    Returns
    -------
    Report

    Raises
    ------
    ValueError
        As `classify_folder`; also if nothing came at all, or a time is not positive.
    FileNotFoundError, NotADirectoryError, FileExistsError
        As `classify_folder`.
    """
    for name, value in (("quiet_s", quiet_s), ("poll_s", poll_s)):
        if not value > 0.0:
            raise ValueError(f"{name} is {value}, expected a positive number of seconds")
    run, looks = _run(folder, out, settings), Settling()
    with _alone(run), _workers(run, dask) as parts:
        done, reports = _done(run), _Reports(run.out, report_every_s)
        before = micrographs_in(run.folder, subfolders=subfolders)
        begin(len(before), sum(task in done for task in before))
        quiet_from = time.monotonic()
        while True:
            now = micrographs_in(run.folder, subfolders=subfolders)
            busy = now != before
            for part in parts(task for task in looks.complete(now) if task not in done):
                done.add(part.header.task)
                tell(part)
                busy = reports.behind = True
                reports.write(idle=False)
            if done:
                reports.write(idle=True)
            waiting = any(task not in done and task.n_bytes for task in now)
            if busy or waiting:
                before, quiet_from = now, time.monotonic()
            elif time.monotonic() - quiet_from >= quiet_s:
                break
            time.sleep(poll_s)
        if not done:
            raise ValueError(
                f"{folder}: no file that can be read as an image came in {quiet_s:g} s"
            )
        return write_report(run.out)


class _Reports:
    """Writes reports while files come, so that they take a tenth of the time at most."""

    def __init__(self, out: Path, every_s: float) -> None:
        self.behind = True
        self._out, self._every_s = out, every_s
        self._ended, self._took = time.monotonic(), 0.0

    def write(self, *, idle: bool) -> None:
        """Write one if files came since the last one, and that was long enough ago."""
        began = time.monotonic()
        pause = max(0.0 if idle else self._every_s, _PAUSES * self._took)
        if self.behind and began - self._ended >= pause:
            write_report(self._out)
            self.behind, self._ended = False, time.monotonic()
            self._took = self._ended - began


@dataclass(frozen=True)
class _Run:
    """A folder, where its results go, and with which settings."""

    folder: Path
    out: Path
    settings: RunSettings
    card: NetworkCard


def _run(folder: str | Path, out: str | Path | None, settings: dict[str, Any]) -> _Run:
    """Everything checked, before any work."""
    source = Path(folder)
    if not source.exists():
        raise FileNotFoundError(f"there is no folder {source}")
    if not source.is_dir():
        raise NotADirectoryError(f"{source} is a file, expected a folder")
    target = Path(f"{source.resolve().name}-shapes") if out is None else Path(out)
    if target.exists() and not target.is_dir():
        raise FileExistsError(f"out is {target}, which is a file; expected a folder")
    if target.resolve() == source.resolve():
        raise ValueError(f"out is {target}, the folder of the micrographs; expected another one")
    chosen, card = settings_for(**settings)
    return _Run(source, target, chosen, card)


def _done(run: _Run) -> set[Task]:
    """Files whose results of earlier runs are good; those that failed are tried again."""
    return {
        head.task
        for head, _ in headers(run.out)
        if head.settings == run.settings.digest and not head.failed
    }


@contextmanager
def _alone(run: _Run) -> Iterator[None]:
    """The folder of results, made, described, and locked against a second run."""
    with alone(run.out):
        (run.out / FOLDER).mkdir(exist_ok=True)
        corners = None if run.settings.corners is None else card_of(CORNERS_MODEL)
        write_about(run.out, About(run.folder.resolve().name, run.settings, run.card, corners))
        yield


@contextmanager
def _workers(run: _Run, dask: str | None) -> Iterator[Parts]:
    """A function that classifies files, here or on a cluster, and keeps the part of each."""
    settings = run.settings

    def here(tasks: Iterable[Task]) -> Iterator[Part]:
        for task in tasks:
            part = classify_one(run.folder / task.name, task, settings)
            write_part(run.out, part)
            yield part

    if dask is None:
        yield here
        return
    from stemfast.dataset.cluster import connected, finished

    where = run.folder.absolute()

    def there(tasks: Iterable[Task]) -> Iterator[Part]:
        import distributed

        ordered = (
            (
                f"stemfast-classify-{settings.digest}-{uuid.uuid4().hex}",
                task,
                (str(where / task.name), task, settings.to_json()),
            )
            for task in tasks
        )
        for task, future in finished(client, classify_on_worker, ordered):
            try:
                part: Part = future.result()
            except distributed.KilledWorker:
                part = failure(task, settings, KILLED)
            write_part(run.out, part)
            interrupts.check()
            yield part

    # Dask's futures talk to its loop as they go: a Ctrl-C that hits one then would be dropped.
    with Interrupts() as interrupts, connected(dask) as (client, _):
        yield there
