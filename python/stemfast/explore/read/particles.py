"""The image with its outlines and the table of its particles: choosing in one chooses in both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from bokeh.models import (
    BooleanFilter,
    BoxSelectTool,
    CDSView,
    Column,
    ColumnDataSource,
    DataTable,
    NumberFormatter,
    ScaleBar,
    TableColumn,
    TapTool,
)
from numpy.typing import NDArray

from stemfast.explore.read.reading import Reading
from stemfast.explore.view import ImageRow
from stemfast.explore.widgets import listen
from stemfast.finding import FoundOne
from stemfast.finding.picture import colour_of

__all__ = ["Particles"]

_CHOSEN = "#fff23a"
_SIDE = 600
_MOST_PX = 3072  # rows or columns of what is sent to the browser
_COLUMNS = ("particle", "d", "sd", "low", "high", "round", "sure", "state", "shape")


class Particles:
    """Image, outlines and table.

    Parameters
    ----------
    chosen : callable
        Called with the labels that the user has chosen.
    """

    def __init__(self, chosen: Callable[[list[int]], None]) -> None:
        self._reading: Reading | None = None
        self._chosen = chosen
        self._image = ImageRow(["micrograph"], ["grey"], side=_SIDE)
        self.figure = self._image.figures[0]
        self.figure.update(sizing_mode="scale_width", aspect_ratio=_SIDE / (_SIDE + 34))
        self._source = ColumnDataSource({name: [] for name in (*_COLUMNS, "xs", "ys", "colour")})
        self._counts = BooleanFilter([])
        view = CDSView(filter=self._counts)
        lines = self.figure.patches(
            "xs",
            "ys",
            source=self._source,
            view=view,
            fill_alpha=0.0,
            line_color="colour",
            line_width=1.5,
            nonselection_line_alpha=1.0,
            nonselection_fill_alpha=0.0,
            selection_line_color=_CHOSEN,
            selection_line_width=3.5,
            selection_fill_color=_CHOSEN,
            selection_fill_alpha=0.12,
        )
        self.figure.add_tools(TapTool(renderers=[lines]), BoxSelectTool(renderers=[lines]))
        self._bar = ScaleBar(
            range=self.figure.x_range, unit="nm", location="bottom_right", visible=False
        )
        self.figure.add_layout(self._bar)
        self._columns = _columns("px")
        self.table = DataTable(
            source=self._source,
            view=view,
            columns=self._columns,
            index_position=None,
            height=320,
            sizing_mode="stretch_width",
            name="particles",
        )
        self.layout = Column(
            self.figure, self.table, sizing_mode="stretch_width", min_width=300, max_width=_SIDE
        )
        listen(self._source.selected, "indices", self._told)

    @property
    def labels(self) -> list[int]:
        """Labels that are chosen and count."""
        if self._reading is None:
            return []
        counts = self._reading.counts
        return [i + 1 for i in self._source.selected.indices if i < len(counts) and counts[i]]

    def show(self, reading: Reading) -> None:
        """Show another reading; only what counts is sent where the particles are the same."""
        before, self._reading = self._reading, reading
        found = reading.found
        if before is None or before.found.source is not found.source:
            step = -(-max(found.image.shape) // _MOST_PX)
            scale = reading.scale
            self._image.show(_greys(found.source.image[::step, ::step]), pixel_size=step * scale)
            self._image.name(found.source.name)
            self._bar.visible = found.pixel_size_nm is not None
        if before is None or before.found is not found or before.shapes is not reading.shapes:
            self._source.selected.indices = []
            self._counts.booleans = reading.counts.tolist()
            self._source.data = _data(reading)
            self.table.columns = _columns(found.unit)
        else:
            self._counts.booleans = reading.counts.tolist()
            if before.corrected is not reading.corrected:
                shapes = [reading.shape(one.label) for one in found]
                self._source.data = {**self._source.data, "shape": shapes}

    def _told(self, indices: list[int]) -> None:
        if self._reading is not None and len(indices) == 1:
            self._bring(self._reading.found[indices[0]], self._reading.scale)
        self._chosen(self.labels)

    def _bring(self, one: FoundOne, scale: float) -> None:
        """Move the image to a particle that is out of sight."""
        row, column = one.centroid
        x, y = (column + 0.5) * scale, (row + 0.5) * scale
        across, down = self.figure.x_range, self.figure.y_range
        left, right = sorted((across.start, across.end))
        top, bottom = sorted((down.start, down.end))
        if not (left < x < right and top < y < bottom):
            across.update(start=x - 0.5 * (right - left), end=x + 0.5 * (right - left))
            down.update(start=y + 0.5 * (bottom - top), end=y - 0.5 * (bottom - top))


def _greys(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Grey levels of a byte; a few of the brightest and darkest pixels are clipped."""
    low, high = np.percentile(image[:: max(1, len(image) // 512)], [0.3, 99.8])
    levels = (image - low) * (255.0 / max(float(high - low), 1e-30))
    greys: NDArray[np.uint8] = np.clip(levels, 0, 255).astype(np.uint8)
    return greys


def _data(reading: Reading) -> dict[str, list[Any]]:
    found, scale = reading.found, reading.scale
    return {
        "particle": [one.label for one in found],
        "d": [one.equivalent_diameter * scale for one in found],
        "sd": [one.equivalent_diameter_sd * scale for one in found],
        "low": [one.min_feret * scale for one in found],
        "high": [one.max_feret * scale for one in found],
        "round": [one.circularity for one in found],
        "sure": [one.confidence for one in found],
        "state": [_state(one) for one in found],
        "shape": [reading.shape(one.label) for one in found],
        # Outlines count from the first pixel's centre, the picture from its edge.
        "xs": [((one.outline[:, 0] + 0.5) * scale).tolist() for one in found],
        "ys": [((one.outline[:, 1] + 0.5) * scale).tolist() for one in found],
        "colour": [colour_of(one) for one in found],
    }


def _state(one: FoundOne) -> str:
    return "cut" if one.on_border else "touching" if one.overlapped else "alone"


def _columns(unit: str) -> list[TableColumn]:
    two = NumberFormatter(format="0.00")
    return [
        TableColumn(field="particle", title="#", width=36),
        TableColumn(field="d", title=f"diameter [{unit}]", width=98, formatter=two),
        TableColumn(field="sd", title="±", width=46, formatter=two),
        TableColumn(field="low", title="min Feret", width=76, formatter=two),
        TableColumn(field="high", title="max Feret", width=78, formatter=two),
        TableColumn(field="round", title="circularity", width=78, formatter=two),
        TableColumn(field="sure", title="confidence", width=84, formatter=two),
        TableColumn(field="state", title="state", width=66),
        TableColumn(field="shape", title="shape", width=110),
    ]
