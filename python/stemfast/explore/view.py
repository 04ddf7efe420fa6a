"""Figures for images: grey values that zoom, row 0 at the top, a scale in nm or px."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, HoverTool, LinearColorMapper, Range1d
from bokeh.plotting import figure
from numpy.typing import NDArray

from stemfast.explore.pace import Columns

__all__ = ["ImageRow", "greys", "image_figure"]

_GREYS = [f"#{level:02x}{level:02x}{level:02x}" for level in range(256)]


def image_figure(title: str, side: int = 312, **options: Any) -> figure:
    """An empty figure for an image: equal scales, wheel zoom, no frame, no axes unless asked for.

    A repaint of the image is a repaint of all in its layer: the title has another one, and axes
    cost their share unseen.
    """
    tools = options.pop("tools", "pan,wheel_zoom,box_zoom,reset")
    made = figure(
        title=title,
        width=side,
        height=side + 34,
        tools=tools,
        toolbar_location=options.pop("toolbar_location", "above"),
        x_axis_type=options.pop("x_axis_type", None),
        y_axis_type=options.pop("y_axis_type", None),
        **options,
    )
    if "wheel_zoom" in tools:
        made.toolbar.active_scroll = "auto"
    made.toolbar.logo = None
    made.toolbar.autohide = True
    made.grid.visible = False
    made.outline_line_color = None
    made.background_fill_color = "#f4f5f7"
    made.min_border = 2
    made.title.text_font_size = "13px"
    made.title.level = "overlay"
    return made


class ImageRow:
    """Images of one field beside one another, zoomed and moved together.

    Their greys are spread in the browser, from the smallest value to the largest.

    Parameters
    ----------
    titles : sequence of str
    units : sequence of str
        Of the values, for the tip under the pointer.
    side : int
        Of each on the screen [px].

    Attributes
    ----------
    figures : list of bokeh figure
    sources : dict of str to ColumnDataSource
        What each of them shows.
    """

    def __init__(self, titles: Sequence[str], units: Sequence[str], side: int = 312) -> None:
        self.sources: dict[str, ColumnDataSource] = {}
        self._x, self._y = Range1d(0, 1), Range1d(1, 0)
        self.figures = []
        for number, (title, unit) in enumerate(zip(titles, units, strict=True)):
            made = image_figure(title, side, x_range=self._x, y_range=self._y)
            source = ColumnDataSource({"value": [], "w": [], "h": []})
            drawn = made.image(
                "value",
                x=0,
                y=0,
                dw="w",
                dh="h",
                source=source,
                color_mapper=LinearColorMapper(palette=_GREYS),
            )
            tips = [("x, y", "$x{0.0}, $y{0.0}"), (unit, "@value{0.00}")]
            made.add_tools(HoverTool(tooltips=tips, renderers=[drawn], visible=False))
            self.figures.append(made)
            self.sources[f"image{number}"] = source
        self._size: tuple[float, float] = (0.0, 0.0)
        self._last: dict[str, NDArray[Any]] = {}

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
        for name, data in self.news(*images, pixel_size=pixel_size).items():
            self.sources[name].data = data

    def news(self, *images: NDArray[Any], pixel_size: float = 1.0) -> dict[str, Columns]:
        """Data of those sources whose image is another than at the last call; as in `show`."""
        rows, columns = images[0].shape
        size = (columns * pixel_size, rows * pixel_size)
        if size != self._size:
            self._size = size
            self._last.clear()
            self._fit()
        new: dict[str, Columns] = {}
        for name, image in zip(self.sources, images, strict=True):
            kept = image.dtype in (np.uint8, np.uint16, np.float32)
            value = np.ascontiguousarray(image, None if kept else np.float32)
            last = self._last.get(name)
            if last is None or last.dtype != value.dtype or not np.array_equal(last, value):
                self._last[name] = value
                new[name] = {"value": [value], "w": [size[0]], "h": [size[1]]}
        return new

    def _fit(self) -> None:
        """The whole field in the middle of a square."""
        width, height = self._size
        side = max(width, height)
        x, y = 0.5 * (width - side), 0.5 * (height - side)
        self._x.update(start=x, end=x + side, reset_start=x, reset_end=x + side)
        self._y.update(start=y + side, end=y, reset_start=y + side, reset_end=y)


def greys(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Grey levels that a figure gives an image: 0 for its smallest value, 255 for its largest.

    A figure shows them as it shows the image, and they are a quarter as many bytes.

    Examples
    --------
    >>> import numpy as np
    >>> greys(np.array([[-1.0, 0.0], [0.5, 1.0]]))
    array([[  0, 128],
           [192, 255]], dtype=uint8)
    """
    low, high = float(image.min()), float(image.max())
    if high == low:
        return np.full(image.shape, 255, np.uint8)
    levels: NDArray[np.float64] = np.subtract(image, low, dtype=np.float64)
    levels *= 256.0 / (high - low)
    np.minimum(levels, 255.0, out=levels)
    return levels.astype(np.uint8)
