"""State of each tab of the browser, kept while the server runs so that a reload loses nothing."""

from __future__ import annotations

import re
import tempfile
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stemfast.explore.job import Job

__all__ = ["Tab", "Tabs"]

_MOST = 50
_NAME = re.compile(r"[0-9a-z]{6,32}")


@dataclass
class Tab:
    """State of one tab.

    Pages keep immutable values here by their names, and replace them. A tab that is duplicated in
    the browser starts from the same values, and from then on goes its own way.

    Attributes
    ----------
    kept : dict
        Values of the pages.
    jobs : dict of str to Job
        Work that goes on, by the name of its page.
    """

    kept: dict[str, Any] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    _shown: int = 0

    def open(self) -> Tab:
        """A page shows this tab from now on."""
        self._shown += 1
        return self

    def close(self) -> None:
        """A page shows it no more; where none is left, its work stops."""
        self._shown -= 1
        if self._shown <= 0:
            for job in self.jobs.values():
                job.stop()


class Tabs:
    """The tabs of a server by their names, the least used forgotten first.

    Examples
    --------
    >>> tabs = Tabs()
    >>> tabs.get("tab123").kept["page"] = 1
    >>> tabs.get("tab123").kept, tabs.get("tab456").kept
    ({'page': 1}, {})
    """

    def __init__(self) -> None:
        self._tabs: OrderedDict[str, Tab] = OrderedDict()
        self._lock = threading.Lock()
        self._uploads: tempfile.TemporaryDirectory[str] | None = None

    def get(self, name: str) -> Tab:
        """The tab of this name, or a new one; without a proper name one that nobody finds again."""
        if not _NAME.fullmatch(name):
            return Tab()
        with self._lock:
            tab = self._tabs.setdefault(name, Tab())
            self._tabs.move_to_end(name)
            while len(self._tabs) > _MOST:
                self._tabs.popitem(last=False)
            return tab

    def uploads(self) -> Path:
        """Folder for files that come from the browser, gone when the server ends."""
        with self._lock:
            if self._uploads is None:
                self._uploads = tempfile.TemporaryDirectory(prefix="stemfast-explore-")
            return Path(self._uploads.name)

    def close(self) -> None:
        """Stop all work and remove what came from the browser."""
        for tab in self._tabs.values():
            for job in tab.jobs.values():
                job.stop()
        if self._uploads is not None:
            self._uploads.cleanup()
            self._uploads = None
