"""The chosen particle with its shape probabilities and its fit, and a histogram of all sizes."""

from __future__ import annotations

import html
import re

import numpy as np
from bokeh.models import Column, ColumnDataSource, Div, FactorRange, Row
from bokeh.plotting import figure

from stemfast.explore.read.reading import Reading
from stemfast.explore.reconstruct.asked import compared
from stemfast.explore.view import ImageRow, image_figure
from stemfast.explore.widgets import flow
from stemfast.finding.picture import size_bins

__all__ = ["Detail", "Histogram"]

_MOST_SHAPES = 6
_SIDE = 176


class Detail:
    """The particle, what the network saw of it, its shapes' probabilities, and its fit."""

    def __init__(self) -> None:
        self._crop = ImageRow(["particle"], ["grey"], side=_SIDE)
        self._view = ImageRow(["what the network saw"], ["grey"], side=_SIDE)
        for one in (*self._crop.figures, *self._view.figures):
            one.toolbar_location = None
        self._line = ColumnDataSource({"x": [], "y": []})
        self._crop.figures[0].line("x", "y", source=self._line, line_color="#fff23a", line_width=2)
        self._bars = ColumnDataSource({"shape": [], "p": []})
        self._range = FactorRange()
        self._chances = figure(
            title="probability of each shape",
            width=2 * _SIDE + 10,
            height=190,
            x_range=(0, 1),
            y_range=self._range,
            toolbar_location=None,
            tools="",
        )
        self._chances.hbar("shape", right="p", height=0.7, source=self._bars, color="#0072b2")
        self._chances.grid.grid_line_color = None
        self._chances.outline_line_color = None
        self._words = Div(text=_NONE, width=2 * _SIDE)
        self._pictures = Row(self._crop.figures[0], self._view.figures[0], visible=False)
        self._chances.visible = False
        self._compared = ImageRow(_COMPARED, ("e⁻", "e⁻", "σ"), side=_SIDE - 6)
        for one in self._compared.figures:
            one.toolbar_location = None
        self._answer = Div()
        self._fit = Column(flow(*self._compared.figures), self._answer, visible=False)
        self._fit.width = 2 * _SIDE + 10
        self.layout = Column(self._words, self._pictures, self._chances, self._fit)

    def show(self, reading: Reading | None, labels: list[int]) -> None:
        """Show one particle; of several say how many they are."""
        one_of_them = reading is not None and len(labels) == 1
        self._pictures.visible = one_of_them
        self._chances.visible = one_of_them and reading is not None and reading.shapes is not None
        self._fit.visible = one_of_them and reading is not None and labels[0] in reading.fits
        if reading is None or not one_of_them:
            count = f"{len(labels)} particles are chosen." if labels else _NONE
            self._words.text = count
            return
        label = labels[0]
        self._show_crop(reading, label)
        if label in reading.fits:
            answer = reading.fits[label]
            image = answer.images[0]
            self._compared.show(*compared(image), pixel_size=image.pixel_size_nm)
            narrow = re.sub(" {3,}", "   ", str(answer))  # there is no room for its columns
            self._answer.text = f'<pre style="{_PRE}">{html.escape(narrow)}</pre>'
        shapes = reading.shapes
        self._view.figures[0].visible = shapes is not None
        doubt = ""
        if shapes is not None:
            row = shapes.table[label - 1]
            self._view.show(shapes.views[label - 1])
            chances = sorted(((float(row[n]), n) for n in shapes.class_names), reverse=True)
            best = [(chance, name) for chance, name in chances if chance > 0.005][:_MOST_SHAPES]
            self._range.factors = [name for _, name in reversed(best)]
            self._bars.data = {"shape": [n for _, n in best], "p": [p for p, _ in best]}
            doubt = f": {shapes.doubts[label - 1]}" if shapes.doubts[label - 1] else ""
            if row.get("novelty") not in ("", None):
                doubt += f"; novelty {float(row['novelty']):.2f}"
        self._words.text = f"<b>Particle {label}</b> {reading.shape(label)}{doubt}"

    def _show_crop(self, reading: Reading, label: int) -> None:
        one = reading.found[label - 1]
        rows, columns = reading.found.image.shape
        low_row, low_column, high_row, high_column = one.bbox
        rim = 4 + max(high_row - low_row, high_column - low_column) // 5
        top, left = max(0, low_row - rim), max(0, low_column - rim)
        window = reading.found.source.image[
            top : min(rows, high_row + rim), left : min(columns, high_column + rim)
        ]
        self._crop.show(window, pixel_size=reading.scale)
        closed = np.vstack([one.outline, one.outline[:1]])
        self._line.data = {
            "x": ((closed[:, 0] + 0.5 - left) * reading.scale).tolist(),
            "y": ((closed[:, 1] + 0.5 - top) * reading.scale).tolist(),
        }


class Histogram:
    """Equivalent diameters of the particles that count, the border's left out."""

    def __init__(self) -> None:
        self._bins = ColumnDataSource({"left": [], "right": [], "top": []})
        self.figure = image_figure(
            "sizes",
            2 * _SIDE,
            toolbar_location=None,
            tools="",
            x_axis_type="auto",
            y_axis_type="auto",
        )
        self.figure.height = 230
        self.figure.background_fill_color = "#ffffff"
        self.figure.quad(
            left="left",
            right="right",
            top="top",
            bottom=0,
            source=self._bins,
            fill_color="#56b4e9",
            line_color="#ffffff",
        )
        self._words = Div(width=2 * _SIDE)
        self.layout = Column(self.figure, self._words)

    def show(self, reading: Reading) -> None:
        """Show another reading."""
        sizes = reading.chosen().sizes
        diameters = sizes.diameters
        self.figure.xaxis.axis_label = f"equivalent diameter [{sizes.unit}]"
        self._words.text = str(sizes)
        if not len(diameters):
            self._bins.data = {"left": [], "right": [], "top": []}
            return
        heights, edges = np.histogram(diameters, size_bins(diameters))
        self._bins.data = {
            "left": edges[:-1].tolist(),
            "right": edges[1:].tolist(),
            "top": heights.tolist(),
        }


_COMPARED = ("measured", "re-simulated", "difference [σ]")
_PRE = f"white-space:pre-wrap;max-width:{2 * _SIDE}px;font-size:11px;margin:0"
_NONE = "Choose a particle in the image or in the table."
