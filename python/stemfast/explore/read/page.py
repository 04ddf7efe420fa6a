"""Widgets of the page Read."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bokeh.models import (
    Button,
    Column,
    RangeSlider,
    Row,
    Select,
    Slider,
    UIElement,
)

from stemfast import materials
from stemfast.explore.follow import Follow
from stemfast.explore.read.detail import Detail, Histogram
from stemfast.explore.read.fitting import Fitted, fit
from stemfast.explore.read.opening import Opening
from stemfast.explore.read.particles import Particles
from stemfast.explore.read.reading import (
    Reading,
    Wanted,
    merged,
    named,
    read,
    split,
    up_to_date,
)
from stemfast.explore.read.report import PAGE, write_page
from stemfast.explore.reconstruct.asked import families
from stemfast.explore.tab import Tab
from stemfast.explore.widgets import (
    CodeBox,
    Download,
    Message,
    flow,
    group,
    listen,
    note,
    packed,
)
from stemfast.finding.files import LABELS, TABLE

__all__ = ["read_page"]

_KEPT, _WANTED = "reading", "wanted"
_WIDE = 280
_MODEL = "open-shapes"


def read_page(document: Any, tab: Tab, files: Sequence[Path], uploads: Callable[[], Path]) -> Any:
    """The page Read of a tab.

    Parameters
    ----------
    document : bokeh Document
    tab : Tab
    files : sequence of Path
        To choose from; the first is read at once.
    uploads : callable
        Gives the folder for files that come from the browser.
    """
    return _Page(document, tab, files, uploads).layout


class _Page:
    def __init__(
        self, document: Any, tab: Tab, files: Sequence[Path], uploads: Callable[[], Path]
    ) -> None:
        self._tab = tab
        self._reading: Reading | None = tab.kept.get(_KEPT)
        self._before: list[Reading] = []
        self._setting = False
        self._message = Message()
        self._work = Follow(document, tab, "read", self._message, self._finish)
        self._opening = Opening(
            document, files, tab.kept.get(_WANTED), uploads, partial(self._attempt, self._open)
        )
        self._detail, self._histogram = Detail(), Histogram()
        self._particles = Particles(lambda labels: self._detail.show(self._reading, labels))
        self._command = CodeBox("Command line")
        self.layout = Column(
            self._message.div,
            flow(
                Column(self._opening.layout, self._work.layout),
                self._particles.layout,
                Column(
                    self._detail.layout,
                    self._fits(),
                    self._choices(),
                    self._hands(),
                    self._histogram.layout,
                ),
            ),
            self._command.layout,
            sizing_mode="stretch_width",
        )
        if self._reading is not None:
            self._show(self._reading)
        if files and self._reading is None and "read" not in tab.jobs:
            self._attempt(self._open)
        self._work.resume()

    def _fits(self) -> UIElement:
        half = _WIDE // 2 - 6
        self._family = Select(title="It may be", value="auto", options=families(), width=_WIDE)
        self._material = Select(
            title="Material", value="Au", options=list(materials.names()), width=half
        )
        button = Button(label="Fit", width=half, align="end")
        button.on_click(partial(self._attempt, self._fit))
        about = note("The chosen particle is fitted and simulated again: seconds to minutes.")
        return group("Fit", self._family, Row(self._material, button), about)

    def _choices(self) -> UIElement:
        self._confidence = Slider(
            title="Confidence from", start=0, end=1, step=0.01, value=0, width=_WIDE
        )
        self._sizes = RangeSlider(
            title="Diameters", start=0, end=1, step=0.1, value=(0, 1), width=_WIDE
        )
        listen(self._confidence, "value", lambda value: self._narrow(min_confidence=value))
        listen(self._sizes, "value", lambda value: self._narrow(sizes=tuple(value)))
        return group("What counts", self._confidence, self._sizes)

    def _hands(self) -> UIElement:
        buttons = {
            "Delete": self._delete,
            "Split": self._split,
            "Merge": self._merge,
            "Undo": self._undo,
        }
        made = [Button(label=label, width=64) for label in buttons]
        for button, what in zip(made, buttons.values(), strict=True):
            button.on_click(partial(self._attempt, what))
        name = Button(label="Name the shapes", width=134)
        name.on_click(partial(self._attempt, self._name))
        self._shape = Select(title="Shape by hand", options=[""], width=134)
        listen(self._shape, "value", lambda shape: self._attempt(partial(self._correct, shape)))
        saves = [
            Download("Save CSV", self._file(TABLE, Reading.save_table), self._message).button,
            Download(
                "Save labels", self._file(LABELS, Reading.save_labels), self._message, 96
            ).button,
            Download("Save all", self._everything, self._message, 84).button,
        ]
        report = Download("Save report", self._report, self._message, 134).button
        return group(
            "By hand", Row(*made), Row(name, self._shape), Row(*saves), report, note(_HAND)
        )

    def _attempt(self, what: Callable[[], None], event: Any = None) -> None:
        """Do what a widget asks for; say why where it cannot be done."""
        try:
            what()
        except ValueError as error:
            self._message.error(str(error))

    def _open(self) -> None:
        wanted = self._opening.wanted()
        self._tab.kept[_WANTED] = wanted
        self._work.start(lambda tell: read(wanted, tell))

    def _finish(self, answer: Reading | Fitted) -> None:
        if isinstance(answer, Reading):
            self._replace(up_to_date(answer, self._reading))
        elif self._reading is not None:
            self._replace(answer.into(self._reading))

    def _replace(self, reading: Reading) -> None:
        """Show another reading, and keep the one before for Undo."""
        if self._reading is not None:
            self._before = [*self._before[-20:], self._reading]
        self._show(reading)

    def _show(self, reading: Reading) -> None:
        before, self._reading = self._reading, reading
        self._tab.kept[_KEPT] = reading
        self._particles.show(reading)
        self._detail.show(reading, self._particles.labels)
        self._histogram.show(reading)
        if before is None or before.found is not reading.found or before is reading:
            self._show_limits(reading)
            self._say(reading)
        elif before.shapes is not reading.shapes:
            self._say(reading)
        if reading.shapes is not None:
            self._shape.options = ["", *sorted(reading.shapes.class_names)]

    def _show_limits(self, reading: Reading) -> None:
        low, high = reading.sizes
        widest = max((one.equivalent_diameter * reading.scale for one in reading.found), default=1)
        end = float(f"{1.01 * widest:.3g}") if widest else 1.0
        self._setting = True
        self._sizes.update(
            title=f"Diameters [{reading.found.unit}]",
            end=end,
            step=end / 100,
            value=(low, min(high, end)),
        )
        self._confidence.value = reading.min_confidence
        self._setting = False

    def _say(self, reading: Reading) -> None:
        from stemfast.finding import Found

        found: Found = reading.found
        notes = [*found.notes, *(reading.shapes.notes if reading.shapes is not None else ())]
        head = str(found).splitlines()
        told = [line for line in head if not line.startswith("note:")][:1]
        self._message.tell("\n".join([*told, *dict.fromkeys(notes)]))
        self._command.show(command(reading.wanted))

    def _narrow(self, **values: Any) -> None:
        if self._reading is None or self._setting:
            return
        if "sizes" in values and values["sizes"][1] >= self._sizes.end:
            values["sizes"] = (values["sizes"][0], float("inf"))
        self._show(replace(self._reading, **values))

    def _chosen(self, least: int) -> tuple[Reading, list[int]]:
        labels = self._particles.labels
        if self._reading is None or len(labels) < least:
            many = "a particle" if least == 1 else "two or more particles"
            raise ValueError(f"choose {many} in the image or in the table first")
        return self._reading, labels

    def _delete(self) -> None:
        reading, labels = self._chosen(1)
        self._replace(replace(reading, deleted=reading.deleted | set(labels)))

    def _split(self) -> None:
        reading, labels = self._chosen(1)
        self._work.start(lambda tell: split(reading, labels[0], tell))

    def _merge(self) -> None:
        reading, labels = self._chosen(2)
        self._work.start(lambda tell: merged(reading, labels, tell))

    def _undo(self) -> None:
        if self._before:
            self._show(self._before.pop())

    def _name(self) -> None:
        reading = self._found()
        self._work.start(lambda tell: named(reading, _MODEL, tell))

    def _fit(self) -> None:
        reading, labels = self._chosen(1)
        family, material = self._family.value or None, self._material.value
        self._work.start(lambda tell: fit(reading, labels[0], family, material, tell))

    def _correct(self, shape: str) -> None:
        if not shape or self._reading is None:
            return
        reading, labels = self._chosen(1)
        corrected = {**reading.corrected, **dict.fromkeys(labels, shape)}
        self._replace(replace(reading, corrected=MappingProxyType(corrected)))
        self._shape.value = ""

    def _found(self) -> Reading:
        if self._reading is None:
            raise ValueError("find the particles first")
        return self._reading

    def _file(
        self, name: str, save: Callable[[Reading, Path], Path]
    ) -> Callable[[], tuple[str, bytes]]:
        def make() -> tuple[str, bytes]:
            with tempfile.TemporaryDirectory() as folder:
                return name, save(self._found(), Path(folder) / name).read_bytes()

        return make

    def _report(self) -> tuple[str, bytes]:
        with tempfile.TemporaryDirectory() as folder:
            return PAGE, write_page(Path(folder), self._found(), _MODEL).read_bytes()

    def _everything(self) -> tuple[str, bytes]:
        with tempfile.TemporaryDirectory() as folder:
            return "found.zip", packed(self._found().save(Path(folder)))


def command(wanted: Wanted) -> str:
    """The command that finds the same particles.

    Examples
    --------
    >>> command(Wanted(Path("a.dm4"), pixel_size_nm=0.2))
    'stemfast find a.dm4 --pixel-size-nm 0.2'
    """
    words = ["stemfast", "find", str(wanted.path)]
    options = {
        "--pixel-size-nm": wanted.pixel_size_nm and f"{wanted.pixel_size_nm:.12g}",
        "--scale-bar": wanted.scale_bar_nm and f"{wanted.scale_bar_nm:g}nm",
        "--contrast": wanted.contrast if wanted.contrast != "auto" else None,
        "--method": wanted.method if wanted.method != "auto" else None,
        "--index": None if wanted.index is None else str(wanted.index),
        "--dataset": wanted.dataset,
    }
    for option, value in options.items():
        if value:
            words += [option, str(value)]
    return shlex.join(words)


_HAND = (
    "Choose with a click, with Shift several, or in the table. Saved is what counts. "
    "Shapes are named by the network open-shapes; the report is of shapes, sizes and fits."
)
