"""Figures for images: grey values that zoom, row 0 at the top, a scale in nm or px."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from bokeh.events import DocumentReady
from bokeh.models import ColumnDataSource, CustomJS, HoverTool, LinearColorMapper, Range1d
from bokeh.plotting import figure
from numpy.typing import NDArray

from stemfast.explore.widgets import listen

__all__ = ["ImageRow", "Pace", "image_figure"]

_GREYS = [f"#{level:02x}{level:02x}{level:02x}" for level in range(256)]
_SETTLED_MS = 120


def image_figure(title: str, side: int = 312, **options: Any) -> figure:
    """An empty figure for an image: equal scales, wheel zoom, no frame."""
    tools = options.pop("tools", "pan,wheel_zoom,box_zoom,reset")
    made = figure(
        title=title,
        width=side,
        height=side + 34,
        tools=tools,
        toolbar_location=options.pop("toolbar_location", "above"),
        **options,
    )
    if "wheel_zoom" in tools:
        made.toolbar.active_scroll = "auto"
    made.toolbar.logo = None
    made.toolbar.autohide = True
    made.grid.visible = False
    made.axis.visible = False
    made.outline_line_color = None
    made.background_fill_color = "#f4f5f7"
    made.min_border = 2
    made.title.text_font_size = "13px"
    return made


class ImageRow:
    """Images of one field beside one another, zoomed and moved together.

    All of them are one message to the browser, and their greys are spread there.

    Parameters
    ----------
    titles : sequence of str
    units : sequence of str
        Of the values, for the tip under the pointer.
    side : int
        Of each on the screen [px].
    """

    def __init__(self, titles: Sequence[str], units: Sequence[str], side: int = 312) -> None:
        self._names = [f"image{number}" for number in range(len(titles))]
        self.source = ColumnDataSource({name: [] for name in (*self._names, "w", "h")})
        self._x, self._y = Range1d(0, 1), Range1d(1, 0)
        self.figures = []
        for name, title, unit in zip(self._names, titles, units, strict=True):
            made = image_figure(title, side, x_range=self._x, y_range=self._y)
            drawn = made.image(
                name,
                x=0,
                y=0,
                dw="w",
                dh="h",
                source=self.source,
                color_mapper=LinearColorMapper(palette=_GREYS),
            )
            tips = [("x, y", "$x{0.0}, $y{0.0}"), (unit, f"@{name}{{0.00}}")]
            made.add_tools(HoverTool(tooltips=tips, renderers=[drawn], visible=False))
            self.figures.append(made)
        self._size: tuple[float, float] = (0.0, 0.0)

    def name(self, *titles: str) -> None:
        """Other titles."""
        for made, title in zip(self.figures, titles, strict=True):
            made.title.text = title

    def show(self, *images: NDArray[Any], pixel_size: float = 1.0) -> None:
        """Show images of the same shape.

        Parameters
        ----------
        *images : ndarray, shape (rows, columns)
            As many as there are titles.
        pixel_size : float
            Side of a pixel in units of the axes.
        """
        rows, columns = images[0].shape
        size = (columns * pixel_size, rows * pixel_size)
        if size != self._size:
            self._size = size
            self._fit()
        data: dict[str, list[Any]] = {"w": [size[0]], "h": [size[1]]}
        for name, image in zip(self._names, images, strict=True):
            kept = image.dtype in (np.uint8, np.uint16, np.float32)
            data[name] = [np.ascontiguousarray(image, None if kept else np.float32)]
        self.source.data = data

    def _fit(self) -> None:
        """The whole field in the middle of a square."""
        width, height = self._size
        side = max(width, height)
        x, y = 0.5 * (width - side), 0.5 * (height - side)
        self._x.update(start=x, end=x + side, reset_start=x, reset_end=x + side)
        self._y.update(start=y + side, end=y, reset_start=y + side, reset_end=y)


class Pace:
    """Draws as often as the browser keeps up with, and no oftener.

    A slider that is dragged tells its value more often than images can be shown. The browser says
    when it has drawn one; only then comes the next, with the newest values.

    Parameters
    ----------
    document : bokeh Document
    draw : callable
        Computes and sends what is to be seen.
    settle : callable
        Sends what can wait until nothing changes: text, which costs the browser a new layout.
    last : ColumnDataSource
        What it sends last.
    """

    def __init__(
        self,
        document: Any,
        draw: Callable[[], None],
        settle: Callable[[], None],
        last: ColumnDataSource,
    ) -> None:
        self._document, self._draw, self._settle = document, draw, settle
        self._timer: Any = None
        self._waits, self._wanted = False, False
        self._asked_at = time.monotonic()
        seen = ColumnDataSource({"n": [0]}, name="seen")
        last.js_on_change(
            "data",
            CustomJS(
                args={"seen": seen},
                code="requestAnimationFrame(() => { seen.data = {n: [seen.data.n[0] + 1]} })",
            ),
        )
        listen(seen, "data", lambda new: self._seen())
        self.seen = seen  # part of the document through the callback that names it
        document.on_event(DocumentReady, lambda event: self._seen())

    def want(self) -> None:
        """Draw soon."""
        self._wanted = True
        self._keep_waiting()
        if not self._waits:
            self._waits = True
            self._asked_at = time.monotonic()
            self._document.add_next_tick_callback(self._now)

    def _now(self) -> None:
        self._wanted = False
        self._draw()

    def _keep_waiting(self) -> None:
        """Put off what can wait: there is more to draw."""
        if self._timer is not None:
            self._document.remove_timeout_callback(self._timer)
            self._timer = None

    def _seen(self) -> None:
        self._waits = False
        self._keep_waiting()
        if self._wanted:
            self.want()
        else:
            # On a machine that is slow or busy, the next value of a slider comes late.
            took_ms = 1e3 * (time.monotonic() - self._asked_at)
            pause_ms = max(_SETTLED_MS, round(2 * took_ms))
            self._timer = self._document.add_timeout_callback(self._settled, pause_ms)

    def _settled(self) -> None:
        self._timer = None
        self._settle()
