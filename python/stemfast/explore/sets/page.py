"""Widgets of the page Data sets and runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from bokeh.models import (
    Button,
    Column,
    ColumnDataSource,
    RangeSlider,
    Select,
    Slider,
    TextInput,
    UIElement,
)
from bokeh.plotting import figure

from stemfast.dataset import Dataset
from stemfast.explore.job import in_words
from stemfast.explore.sets.browsing import (
    ANY,
    Choice,
    chosen,
    numeric_columns,
    open_set,
    value_range,
)
from stemfast.explore.sets.following import read_run
from stemfast.explore.sets.judged_view import Judged
from stemfast.explore.sets.pictures import SHOWN, Pictures
from stemfast.explore.tab import Tab
from stemfast.explore.widgets import Message, flow, group, listen, note

__all__ = ["sets_page"]

_SET, _RUN = "set", "run"
_WIDE, _SIDE = 280, 560
_EVERY_MS = 2000
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


def sets_page(document: Any, tab: Tab) -> UIElement:
    """The page Data sets and runs of a tab."""
    browse, follow = _Browse(tab), _FollowRun(document, tab)
    return Column(browse.layout, follow.layout, sizing_mode="stretch_width")


class _Browse:
    """Images of a data set."""

    def __init__(self, tab: Tab) -> None:
        self._tab = tab
        self._data: Dataset | None = None
        self._setting = False
        self._message = Message()
        path = str(tab.kept.get(_SET, ""))
        self._path = TextInput(title="Folder of a data set", value=path, width=_WIDE)
        button = Button(label="Open the set", button_type="primary", width=_WIDE)
        button.on_click(lambda *_: self._open())
        self._label = Select(title="Label", value=ANY, options=[ANY], width=_WIDE)
        self._column = Select(title="Parameter", value=ANY, options=[ANY], width=_WIDE)
        self._between = RangeSlider(
            title="Between", start=0, end=1, step=0.01, value=(0, 1), width=_WIDE, visible=False
        )
        self._first = Slider(title="From image", start=0, end=1, step=1, value=0, width=_WIDE)
        listen(self._label, "value", lambda label: self._show())
        listen(self._column, "value", self._new_column)
        listen(self._between, "value", lambda values: self._show())
        listen(self._first, "value", lambda number: self._show())
        self._pictures = Pictures()
        self.layout = Column(
            self._message.div,
            flow(
                group(
                    "Data set",
                    self._path,
                    button,
                    self._label,
                    self._column,
                    self._between,
                    self._first,
                ),
                self._pictures.layout,
            ),
            sizing_mode="stretch_width",
        )
        if path:
            self._open()

    def _open(self) -> None:
        text = self._path.value.strip()
        try:
            if not text:
                raise ValueError("give the folder of a data set")
            self._data = open_set(Path(text))
        except Exception as error:
            self._message.error(in_words(error))
            return
        self._tab.kept[_SET] = text
        self._setting = True
        self._label.update(options=[ANY, *self._data.class_names], value=ANY)
        self._column.update(options=[ANY, *numeric_columns(self._data)], value=ANY)
        self._between.visible = False
        self._first.value = 0
        self._setting = False
        self._message.tell(
            f"{len(self._data):,} images of {' × '.join(map(str, self._data.image_shape))} px, "
            f"{self._data.pixel_size_nm:g} nm a pixel, {len(self._data.class_names)} labels"
        )
        self._show()

    def _new_column(self, column: str) -> None:
        if self._data is None or self._setting:
            return
        self._between.visible = column != ANY
        if column != ANY:
            low, high = value_range(self._data, column)
            high = high if high > low else low + 1.0
            self._setting = True
            self._between.update(start=low, end=high, step=(high - low) / 100, value=(low, high))
            self._setting = False
        self._show()

    def _show(self) -> None:
        data = self._data
        if data is None or self._setting:
            return
        low, high = self._between.value
        numbers = chosen(data, Choice(self._label.value, self._column.value, (low, high)))
        self._setting = True
        last = max(len(numbers) - SHOWN, 0)
        self._first.update(end=max(last, 1), value=min(self._first.value, last))
        self._setting = False
        shown = numbers[self._first.value :][:SHOWN]
        images, labels = data[shown]
        names = [data.class_names[label] for label in np.atleast_1d(labels)]
        title = "No image suits this choice."
        if len(shown):
            title = f"{len(numbers):,} images suit; {shown[0]} to {shown[-1]} are shown"
        self._pictures.show(title, np.asarray(images), names)


class _FollowRun:
    """A training run, read again every two seconds."""

    def __init__(self, document: Any, tab: Tab) -> None:
        self._tab = tab
        self._message = Message()
        path = str(tab.kept.get(_RUN, ""))
        self._path = TextInput(title="Folder of a training run", value=path, width=_WIDE)
        button = Button(label="Follow", button_type="primary", width=_WIDE)
        button.on_click(lambda *_: self._follow())
        self._lines: dict[str, ColumnDataSource] = {}
        self._figures = {
            part: figure(
                title=part,
                sizing_mode="stretch_width",
                height=240,
                tools="pan,wheel_zoom,reset",
                x_axis_label="images",
                visible=False,
            )
            for part in ("loss", "accuracy")
        }
        for made in self._figures.values():
            made.toolbar.logo = None
        self._judged = Judged(document, tab, self._message)
        self.layout = Column(
            self._message.div,
            flow(
                group("Training run", self._path, button, note(_ABOUT)),
                Column(
                    *self._figures.values(),
                    sizing_mode="stretch_width",
                    min_width=300,
                    max_width=_SIDE,
                ),
            ),
            self._judged.layout,
            sizing_mode="stretch_width",
        )
        if path:
            self._read()
        document.add_periodic_callback(self._read, _EVERY_MS)

    def _follow(self) -> None:
        self._tab.kept[_RUN] = self._path.value.strip()
        if not self._tab.kept[_RUN]:
            self._message.error("give the folder of a training run")
        self._read()

    def _read(self) -> None:
        text = self._tab.kept.get(_RUN, "")
        if not text:
            return
        try:
            run = read_run(Path(text))
        except OSError as error:
            self._message.error(in_words(error))
            return
        try:
            self._judged.read(Path(text))
        except (ValueError, OSError) as error:
            self._message.error(in_words(error))
            return
        if str(run) == self._message.said:
            return
        self._message.tell(str(run))
        for name in [name for name in self._lines if name not in run.curves]:
            self._lines[name].data = {"x": [], "y": []}
        for name, (x, y) in run.curves.items():
            self._line(name).data = {"x": x, "y": y}

    def _line(self, name: str) -> ColumnDataSource:
        if name not in self._lines:
            source = self._lines[name] = ColumnDataSource({"x": [], "y": []})
            made = self._figures["accuracy" if "accuracy" in name else "loss"]
            made.visible = True
            colour = _COLOURS[(len(self._lines) - 1) % len(_COLOURS)]
            made.line("x", "y", source=source, color=colour, line_width=2, legend_label=name)
        return self._lines[name]


_ABOUT = "What 'stemfast train' writes into metrics.jsonl, read again every two seconds."
