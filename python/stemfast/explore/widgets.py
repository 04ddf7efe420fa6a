"""Small parts that all pages are made of: groups, messages, code to copy, files to save."""

from __future__ import annotations

import base64
import html
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bokeh.models import Button, Column, ColumnDataSource, CustomJS, Div, Model, Row, UIElement

from stemfast.explore.job import Job, in_words

__all__ = [
    "CodeBox",
    "Download",
    "Message",
    "ProgressLine",
    "flow",
    "group",
    "listen",
    "note",
    "packed",
]

CONTROLS_PX = 300


def group(title: str, *parts: UIElement, width: int = CONTROLS_PX) -> Column:
    """A column of controls under a heading."""
    return Column(
        Div(text=f"<h2>{html.escape(title)}</h2>", stylesheets=[_HEADING]),
        *parts,
        width=width,
        css_classes=["group"],
    )


def listen(model: Model, attribute: str, told: Callable[[Any], object]) -> None:
    """Call a function with the new value of an attribute whenever the browser changes it."""

    def changed(attr: str, old: Any, new: Any) -> None:
        told(new)

    model.on_change(attribute, changed)


def flow(*parts: UIElement, **options: Any) -> Row:
    """Parts side by side, which go below one another where the window is narrow."""
    styles = {"flex-wrap": "wrap", "align-items": "flex-start", "gap": "14px"}
    return Row(*parts, styles=styles, sizing_mode="stretch_width", **options)


def note(text: str) -> Div:
    """A sentence in small grey letters."""
    return Div(text=text, styles={"color": "#5c6670", "font-size": "12.5px"}, width=CONTROLS_PX)


def packed(folder: Path) -> bytes:
    """The files of a folder and of those in it as a zip archive."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as into:
        for path in sorted(folder.rglob("*")):
            into.write(path, path.relative_to(folder))
    return archive.getvalue()


class Message:
    """A line for errors and notes, which is not there while there is nothing to say."""

    def __init__(self) -> None:
        self.said = ""
        self.div = Div(visible=False, sizing_mode="stretch_width", name="message")

    def error(self, text: str) -> None:
        """Say what went wrong; "" for nothing."""
        self._say(text, "#8f1d14", "#fdecea")

    def tell(self, text: str) -> None:
        """Say something; "" for nothing."""
        self._say(text, "#134a66", "#e6f2f8")

    def _say(self, text: str, ink: str, paper: str) -> None:
        self.said = text
        self.div.text = html.escape(text).replace("\n", "<br>")
        self.div.styles = {
            "color": ink,
            "background": paper,
            "padding": "8px 12px",
            "border-radius": "6px",
            "overflow-wrap": "anywhere",
        }
        self.div.visible = bool(text)


class CodeBox:
    """Text in the letters of code, with a button that copies it."""

    def __init__(self, title: str) -> None:
        self._div = Div(sizing_mode="stretch_width")
        self._text = ColumnDataSource({"text": [""]})
        copy = Button(label="Copy", width=64, height=30)
        copy.js_on_click(
            CustomJS(
                args={"text": self._text, "button": copy},
                code="""
                await navigator.clipboard.writeText(text.data.text[0]);
                button.label = "Copied"; setTimeout(() => { button.label = "Copy" }, 1200);
                """,
            )
        )
        heading = Div(text=f"<h2>{html.escape(title)}</h2>", stylesheets=[_HEADING])
        self.layout = Column(
            Row(heading, copy, styles={"align-items": "center", "gap": "12px"}),
            self._div,
            sizing_mode="stretch_width",
            min_width=300,
            max_width=720,
        )

    def show(self, text: str, remark: str = "") -> None:
        """Show a text, and under it a remark that is not copied."""
        self._text.data = {"text": [text]}
        below = f'<p style="color:#8a5300;margin:4px 0">{html.escape(remark)}</p>' if remark else ""
        self._div.text = f'<pre style="{_PRE}">{html.escape(text)}</pre>{below}'


class Download:
    """A button that makes a file and hands it to the browser.

    Parameters
    ----------
    label : str
        Of the button.
    make : callable
        Returns the name of the file and its bytes.
    message : Message
        Where an error is said.
    """

    def __init__(
        self, label: str, make: Callable[[], tuple[str, bytes]], message: Message, width: int = 90
    ) -> None:
        self.button = Button(label=label, width=width)
        self._file = ColumnDataSource({"name": [], "content": []})
        self._file.js_on_change("data", CustomJS(args={"file": self._file}, code=_SAVE))
        self._make, self._message = make, message
        # The source is sent to the page as a part of the button's own callback.
        self.button.js_on_click(CustomJS(args={"file": self._file}, code=""))
        self.button.on_click(lambda *_: self._clicked())

    def _clicked(self) -> None:
        try:
            name, content = self._make()
        except Exception as error:
            self._message.error(in_words(error))
            return
        self._file.data = {"name": [name], "content": [base64.b64encode(content).decode()]}


class ProgressLine:
    """Progress of a job, with a button that stops it."""

    def __init__(self) -> None:
        self._words = Div(width=CONTROLS_PX)
        self._stop = Button(label="Stop", button_type="warning", width=80)
        self._stop.on_click(lambda *_: self._job.stop() if self._job else None)
        self._job: Job | None = None
        self.layout = Row(self._words, self._stop, visible=False)

    def show(self, job: Job | None) -> None:
        """Show a job that runs; nothing for None or one that has ended."""
        self._job = job
        running = job is not None and job.running
        if running and job is not None:
            known = job.share >= 0
            value = f' value="{min(job.share, 1.0):.3f}"' if known else ""
            bar = f'<progress max="1"{value} style="width:280px"></progress>'
            self._words.text = f"{html.escape(job.doing)}<br>{bar}"
        if self.layout.visible != running:
            self.layout.visible = running


_HEADING = "h2 { font-size: 15px; margin: 6px 0 2px; color: #1c2b36; }"
_PRE = (
    "background:#f4f5f7;padding:10px 12px;border-radius:6px;white-space:pre-wrap;"
    "overflow-wrap:anywhere;font-size:12.5px;margin:0"
)
_SAVE = """
if (file.data.name.length == 1) {
  const bytes = Uint8Array.from(atob(file.data.content[0]), c => c.charCodeAt(0));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([bytes]));
  link.download = file.data.name[0];
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  file.data = {name: [], content: []};
}
"""
