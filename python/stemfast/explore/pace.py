"""Drawing while a slider moves: as often as the browser keeps up with, one message each."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from bokeh.events import DocumentReady
from bokeh.models import ColumnDataSource, CustomJS

from stemfast.explore.widgets import listen

__all__ = ["Columns", "Pace"]

#: Data of a source.
Columns = dict[str, list[Any]]

_SETTLED_MS = 120
_UNDER_WAY = 2


class Pace:
    """Draws as often as the browser keeps up with, and no oftener.

    A slider that is dragged tells its value more often than images can be shown. The browser says
    which drawing it has shown; at most two are under way, so that the next is computed while one is
    shown, always with the newest values. A drawing is one message, whatever it is made of: each
    costs the browser and the server about as much as the image in it.

    Parameters
    ----------
    document : bokeh Document
    sources : mapping of str to ColumnDataSource
        Where the browser puts what a drawing is made of. Their data are there alone.
    draw : callable
        Returns new data of those sources that change, by their names; None where there is nothing
        to draw.
    settle : callable
        The same once nothing changes any more: values that nobody reads of a moving image. It also
        sends what costs the browser a new layout, such as text.
    """

    def __init__(
        self,
        document: Any,
        sources: Mapping[str, ColumnDataSource],
        draw: Callable[[], Mapping[str, Columns] | None],
        settle: Callable[[], Mapping[str, Columns] | None],
    ) -> None:
        self._document, self._draw, self._settle = document, draw, settle
        self._timer: Any = None
        self._called, self._wanted, self._settled = False, False, True
        self._sent, self._shown = 0, 0
        self._began_at = time.monotonic()
        self.seen = ColumnDataSource({"n": [0]}, name="seen")
        self.frame = ColumnDataSource({}, name="frame")
        hand_out = CustomJS(
            args={"frame": self.frame, "seen": self.seen, "sources": dict(sources)}, code=_HAND_OUT
        )
        self.frame.js_on_change("data", hand_out)
        for source in sources.values():  # which makes the frame a part of the document
            source.js_on_change("tags", hand_out)
        document.js_on_event(DocumentReady, hand_out)  # what was drawn before there was a page
        listen(self.seen, "data", lambda new: self._seen(int(new["n"][0])))

    def want(self) -> None:
        """Draw soon."""
        self._wanted, self._settled = True, False
        self._keep_waiting()
        self._call()

    def _call(self) -> None:
        if self._wanted and not self._called and self._sent - self._shown < _UNDER_WAY:
            self._called = True
            self._document.add_next_tick_callback(self._now)

    def _now(self) -> None:
        self._called, self._wanted = False, False
        self._began_at = time.monotonic()
        self._send(self._draw())

    def _send(self, parts: Mapping[str, Columns] | None) -> None:
        if parts:
            self._sent += 1
            self.frame.data = {"n": [self._sent]} | {name: [part] for name, part in parts.items()}
        self._go_on()

    def _seen(self, number: int) -> None:
        self._shown = number
        self._go_on()

    def _go_on(self) -> None:
        """Draw what is wanted; settle soon where all of it is shown."""
        self._call()
        if self._wanted or self._settled or self._shown < self._sent:
            return
        self._keep_waiting()
        # On a machine that is slow or busy, the next value of a slider comes late.
        took_ms = 1e3 * (time.monotonic() - self._began_at)
        pause_ms = max(_SETTLED_MS, round(2 * took_ms))
        self._timer = self._document.add_timeout_callback(self._rest, pause_ms)

    def _keep_waiting(self) -> None:
        """Put off what can wait: there is more to draw."""
        if self._timer is not None:
            self._document.remove_timeout_callback(self._timer)
            self._timer = None

    def _rest(self) -> None:
        self._timer, self._settled = None, True
        self._send(self._settle())


_HAND_OUT = """
const {n, ...parts} = frame.data;
if (n == undefined) return;
for (const [name, [data]] of Object.entries(parts)) {
  sources[name].setv({data}, {sync: false, check_eq: false});  // the server has it
}
if (!frame.told) {
  frame.told = true;
  requestAnimationFrame(() => { frame.told = false; seen.data = {n: frame.data.n}; });
}
"""
