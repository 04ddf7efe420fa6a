"""Files of a folder that can be micrographs, and which of them are complete."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from stemfast.micrograph.files.formats import SUFFIXES
from stemfast.populations.gather import TABLE
from stemfast.populations.one_file import state_of
from stemfast.populations.part import Task

__all__ = ["Settling", "micrographs_in", "warnings_about"]

_UNCHANGED = 2  # looks at a file that must find the same size and time as the one before


def micrographs_in(folder: Path, *, subfolders: bool = False) -> list[Task]:
    """Files of a folder that can be read by their suffix, by name.

    Of TIA's files the ``.emi`` is left out where its ``.ser`` files lie beside it: they hold the
    same image.

    Parameters
    ----------
    folder : Path
    subfolders : bool
        Also those in folders below it, named by their path from it, but for hidden folders and
        folders of results, which hold a table of particles.

    Returns
    -------
    list of Task

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If there is no such folder.
    """
    entries, tasks = list(folder.iterdir()), []
    while entries:
        path = entries.pop()
        known = path.suffix.lower() in SUFFIXES
        if path.name.startswith(".") or not (known or subfolders):
            continue
        try:
            if path.is_dir() and path.suffix.lower() != ".zspy":
                if subfolders and not path.is_symlink() and not (path / TABLE).exists():
                    entries += path.iterdir()
            elif known:
                tasks.append(state_of(path, path.relative_to(folder).as_posix()))
        except OSError:
            continue  # it vanished between the listing and the look at it, or may not be read
    series = {re.sub(r"_\d+\.ser$", "", t.name) for t in tasks if t.name.endswith(".ser")}
    kept = [t for t in tasks if not (t.name.endswith(".emi") and t.name[:-4] in series)]
    return sorted(kept, key=lambda task: task.name)


def warnings_about(names: list[str]) -> list[str]:
    """Warnings about the files of a folder.

    Examples
    --------
    >>> warnings_about(["a.dm4", "a.jpg", "b.dm4"])
    ['a.dm4, a.jpg: files of one name, are they one image? Then its particles count twice']
    """
    stems = defaultdict(list)
    for name in names:
        stems[name.rpartition(".")[0]].append(name)
    several = [sorted(those) for those in stems.values() if len(those) > 1]
    if not several:
        return []
    shown = "; ".join(", ".join(those) for those in several[:3])
    more = f"; and {len(several) - 3} more" if len(several) > 3 else ""
    return [f"{shown}{more}: files of one name, are they one image? Then its particles count twice"]


class Settling:
    """Tells files that are complete from those that are being written.

    A file is taken as complete once two looks in a row found its size and time of change as the
    look before did.

    Examples
    --------
    >>> looks, file = Settling(), Task("a.dm4", 100, 5)
    >>> [looks.complete([file]) == [file] for _ in range(3)]
    [False, False, True]
    """

    def __init__(self) -> None:
        self._seen: dict[str, tuple[Task, int]] = {}

    def complete(self, tasks: list[Task]) -> list[Task]:
        """Those of the files that are complete, at another look at them."""
        seen = {}
        for task in tasks:
            before, times = self._seen.get(task.name, (None, 0))
            seen[task.name] = (task, times + 1 if before == task else 0)
        self._seen = seen  # what vanished is forgotten
        return [task for task, times in seen.values() if times >= _UNCHANGED and task.n_bytes]
