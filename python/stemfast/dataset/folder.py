"""The state of a data set's folder: who may write to it, what is there, what is missing."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from stemfast.dataset import lock
from stemfast.dataset.manifest import (
    MANIFEST_FILE,
    PLAN_FILE,
    Header,
    Manifest,
    ShardEntry,
    differences,
    entry_path,
    read_entry,
)
from stemfast.dataset.plan import Plan, stemfast_version
from stemfast.dataset.splits import ShardPlan
from stemfast.untrusted import regular_file

__all__ = ["check", "entries", "entry", "finish", "header", "join", "missing", "plan", "present"]

LOCK_FILE = ".lock"


def _header(directory: Path) -> Header | None:
    """The header of a data set, complete or not; None if there is none."""
    # In this order: the plan goes only after the manifest has come.
    for kind, name in ((Header, PLAN_FILE), (Manifest, MANIFEST_FILE)):
        if (directory / name).is_file():
            found = kind.read_from(directory / name)
            return found.header if isinstance(found, Manifest) else found
    return None


def header(directory: str | Path) -> Header:
    """Header of the data set in a directory, complete or not.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If its file is damaged, or written by a newer version.
    """
    found = _header(Path(directory))
    if found is None:
        raise FileNotFoundError(
            f"directory {directory} holds no data set (make one with: stemfast dataset create)"
        )
    return found


def plan(directory: str | Path) -> Plan:
    """The plan by which the data set in a directory is, or was, written.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If its file cannot be read, or this version does not know the recipe or a setting of it.
    """
    about = header(directory)
    try:
        return Plan.from_header(about)
    except ValueError as error:
        raise ValueError(
            f"the data set in {directory} was written by stemfast {about.stemfast_version}, and "
            f"this one ({stemfast_version()}) cannot draw its recipe again: {error}"
        ) from error


def check(directory: Path, plan: Plan) -> None:
    """Refuse a directory that holds something else than this data set, or the beginning of it.

    Raises
    ------
    ValueError
        Saying what differs.
    """
    there = _header(directory)
    if there is None:
        if next(directory.glob("*.hspy"), None) is not None:
            raise ValueError(
                f"directory {directory} holds .hspy files of something else (no {PLAN_FILE} or "
                f"{MANIFEST_FILE}): choose another directory"
            )
        return
    if differ := differences(there, plan.header):
        raise ValueError(
            f"directory {directory} already holds a data set with other settings "
            f"(there → asked): {'; '.join(differ)}. Choose another directory, or remove it"
        )


def join(directory: Path, plan: Plan) -> None:
    """Make ready to write shards of a plan; the first writer leaves the plan in the directory.

    Raises
    ------
    ValueError
        If another data set is there.
    OSError
        If the directory cannot be made or written to.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if not os.access(directory, os.W_OK | os.X_OK):
        raise PermissionError(
            errno.EACCES,
            "the folder cannot be written to: change its permissions or choose another",
            str(directory),
        )
    with lock.held(directory / LOCK_FILE):
        check(directory, plan)
        if _header(directory) is None:
            plan.header.write_to(directory / PLAN_FILE)


def check_there(directory: Path) -> None:
    """Refuse to go on with a data set that somebody removed while it was written.

    Raises
    ------
    FileNotFoundError
        If there is neither its plan nor its manifest.
    """
    if not any((directory / name).is_file() for name in (PLAN_FILE, MANIFEST_FILE)):
        raise FileNotFoundError(
            errno.ENOENT, "the data set was removed while it was written", str(directory)
        )


def _folded(directory: Path) -> dict[str, ShardEntry]:
    path = directory / MANIFEST_FILE
    if not path.is_file():
        return {}
    return {known.file: known for known in Manifest.read_from(path).shards}


def entry(
    directory: Path, shard: ShardPlan, folded: dict[str, ShardEntry] | None = None
) -> ShardEntry | None:
    """Manifest entry of a shard, or None if the shard is missing or incomplete.

    Parameters
    ----------
    directory : Path
    shard : ShardPlan
    folded : dict of str to ShardEntry, optional
        Entries of the manifest, if it has been read already.
    """
    # In this order: the file beside the shard goes only after the manifest has come.
    if (found := read_entry(directory, shard)) is not None:
        return found
    found = (_folded(directory) if folded is None else folded).get(shard.file)
    if found is None or not found.describes(shard):
        return None
    try:
        size = regular_file(directory / shard.file)
    except (FileNotFoundError, ValueError):
        return None
    return found if size == found.n_bytes else None


def entries(directory: Path, shards: Iterable[ShardPlan]) -> Iterator[ShardEntry | None]:
    """Manifest entries of these shards; see :func:`entry`."""
    folded = _folded(directory)
    for shard in shards:
        yield entry(directory, shard, folded)


def present(directory: Path, plan: Plan, chosen: Sequence[int] | None = None) -> list[int]:
    """Numbers of the shards, out of the chosen ones or all, that are there."""
    wanted = _chosen(plan, chosen)
    found = entries(directory, wanted)
    return [shard.index for shard, known in zip(wanted, found, strict=True) if known is not None]


def missing(directory: Path, plan: Plan, chosen: Sequence[int] | None = None) -> list[ShardPlan]:
    """Shards, out of the chosen ones or all, that are not there, or not whole.

    Raises
    ------
    ValueError
        If the directory holds another data set, or a number is not that of a shard.
    """
    wanted = _chosen(plan, chosen)
    check(directory, plan)
    found = entries(directory, wanted)
    return [shard for shard, known in zip(wanted, found, strict=True) if known is None]


def _chosen(plan: Plan, chosen: Sequence[int] | None) -> tuple[ShardPlan, ...]:
    if chosen is None:
        return plan.shards
    if wrong := [k for k in chosen if not 0 <= k < len(plan.shards)]:
        raise ValueError(f"shard is {wrong[0]}, expected 0 to {len(plan.shards) - 1}")
    return tuple(plan.shards[k] for k in chosen)


def finish(directory: str | Path, plan: Plan) -> bool:
    """Fold the plan and all checksums into the manifest, if every shard is there.

    Returns
    -------
    bool
        Whether the data set is complete.
    """
    where = Path(directory)
    names = set(os.listdir(where))
    if not all(shard.file in names for shard in plan.shards):
        return False
    found = [known for known in entries(where, plan.shards) if known is not None]
    if len(found) < len(plan.shards):
        return False
    beside = [path for shard in plan.shards if (path := entry_path(where, shard)).name in names]
    litter = [where / name for name in names if _is_litter(name, names)]
    # A lock that is there is held, or left by a writer killed at the very end: taken, it goes.
    unfinished = beside or litter or names & {PLAN_FILE, LOCK_FILE}
    if MANIFEST_FILE in names and not unfinished:
        return True
    with lock.held(where / LOCK_FILE):
        Manifest(**dict(plan.header), shards=tuple(found)).write(where)
        (where / PLAN_FILE).unlink(missing_ok=True)
        for path in (*beside, *litter):
            path.unlink(missing_ok=True)
    return True


def _is_litter(name: str, names: set[str]) -> bool:
    """True for a file left by a killed writer, given that all shards are there."""
    hidden, _, ending = name.rpartition(".")
    of = ".".join(hidden.split(".")[1:3])
    ours = of in names or of in (PLAN_FILE, MANIFEST_FILE) or of.replace(".json", ".hspy") in names
    return name.startswith(".") and ending in ("tmp", "lock") and ours
