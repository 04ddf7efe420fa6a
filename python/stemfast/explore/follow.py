"""A page's long work: started, followed while it runs, stopped, and its answer shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stemfast.explore.job import Job, Tell
from stemfast.explore.tab import Tab
from stemfast.explore.widgets import Message, ProgressLine

__all__ = ["Follow"]

_POLL_MS = 200


class Follow:
    """Long work of a page, one piece at a time.

    Parameters
    ----------
    document : bokeh Document
    tab : Tab
        Keeps the job, so that a reload finds it.
    name : str
        Of the page.
    message : Message
        Where an error is said.
    show : callable
        Called with the answer.
    """

    def __init__(
        self,
        document: Any,
        tab: Tab,
        name: str,
        message: Message,
        show: Callable[[Any], None],
    ) -> None:
        self._document, self._tab, self._name = document, tab, name
        self._message, self._show = message, show
        self._line = ProgressLine()
        self._poller: Any = None
        self.layout = self._line.layout

    def start(self, work: Callable[[Tell], Any]) -> None:
        """Start work; says so where other work goes on."""
        job = self._tab.jobs.get(self._name)
        if job is not None and job.running:
            self._message.error(f"wait for the end, or stop it: {job.doing}")
            return
        self._message.error("")
        self._tab.jobs[self._name] = Job(work)
        self.resume()

    def resume(self) -> None:
        """Follow what goes on already."""
        if self._name in self._tab.jobs and self._poller is None:
            self._poller = self._document.add_periodic_callback(self._poll, _POLL_MS)

    def _poll(self) -> None:
        job = self._tab.jobs.get(self._name)
        self._line.show(job)
        if job is not None and job.running:
            return
        self._document.remove_periodic_callback(self._poller)
        self._poller = None
        self._tab.jobs.pop(self._name, None)
        if job is None:
            return
        if job.error:
            self._message.error(job.error)
        elif job.stopped:
            self._message.tell("stopped")
        else:
            self._show(job.answer)
