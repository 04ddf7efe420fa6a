"""Widgets for the judgement of a run: its confusion matrix, and the images that it gets wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from bokeh.models import Button, Column, Div, Select, Slider

from stemfast.explore.follow import Follow
from stemfast.explore.sets.judged import ANY, Mistakes, confusion_png, find_mistakes, judged_at
from stemfast.explore.sets.pictures import SHOWN, Pictures
from stemfast.explore.tab import Tab
from stemfast.explore.widgets import Message, flow, group, listen, note

__all__ = ["Judged"]

_KEPT = "mistakes"
_WIDE = 280
_READ = 1000


class Judged:
    """Judgement of a run that has ended; nothing is seen before.

    Parameters
    ----------
    document : bokeh Document
    tab : Tab
    message : Message
        Where an error is said.
    """

    def __init__(self, document: Any, tab: Tab, message: Message) -> None:
        self._tab = tab
        self._folder = Path()
        self._state: tuple[Path, float] | None = None
        self._mistakes: Mistakes | None = None
        self._work = Follow(document, tab, "mistakes", message, self._show)
        self._matrix = Div(sizing_mode="stretch_width", min_width=300, max_width=560)
        button = Button(label="Find mistakes", width=_WIDE)
        button.on_click(lambda *_: self._find())
        self._kind = Select(title="Truth → answer", options=[ANY], value=ANY, width=_WIDE)
        self._first = Slider(title="From image", start=0, end=1, step=1, value=0, width=_WIDE)
        listen(self._kind, "value", lambda kind: self._from_the_first())
        listen(self._first, "value", lambda number: self._draw())
        self._said = Div(width=_WIDE)
        self._choice = Column(self._said, self._kind, self._first, visible=False)
        self._pictures = Pictures()
        self.layout = flow(
            Column(
                group("Mistakes", button, self._choice, note(_ABOUT)),
                self._work.layout,
            ),
            self._pictures.layout,
            self._matrix,
            visible=False,
        )
        self._work.resume()

    def read(self, folder: Path) -> None:
        """Show the judgement of another run, or of the same where it has changed.

        Raises
        ------
        ValueError, OSError
            If what the run wrote is damaged.
        """
        state = (folder, judged_at(folder))
        if state == self._state:
            return
        self._state = state
        picture = confusion_png(folder)
        self.layout.visible = bool(picture)
        self._folder = folder
        style = "width:100%;max-width:560px"
        self._matrix.text = (
            f'<img alt="confusion matrix" style="{style}" src="data:image/png;base64,{picture}">'
        )
        known: Mistakes | None = self._tab.kept.get(_KEPT)
        if known is not None and known.folder == folder:
            self._show(known)
        else:
            self._choice.visible = False
            self._mistakes = None
            self._pictures.show("", np.zeros((0, 1, 1)), ())

    def _find(self) -> None:
        folder = self._folder
        self._work.start(lambda tell: find_mistakes(folder, _READ, tell))

    def _show(self, mistakes: Mistakes) -> None:
        self._tab.kept[_KEPT] = self._mistakes = mistakes
        self._said.text = str(mistakes)
        self._choice.visible = True
        self._kind.update(options=mistakes.choices(), value=ANY)
        self._from_the_first()

    def _from_the_first(self) -> None:
        self._first.value = 0
        self._draw()

    def _draw(self) -> None:
        mistakes = self._mistakes
        if mistakes is None:
            return
        numbers = mistakes.of_kind(self._kind.value)
        self._first.update(end=max(len(numbers) - SHOWN, 1), visible=len(numbers) > SHOWN)
        shown = numbers[self._first.value :][:SHOWN]
        kinds, chances = mistakes.kinds, 100 * mistakes.probability
        names = [f"{kinds[n]} ({chances[n]:.0f}\N{NO-BREAK SPACE}%)" for n in shown.tolist()]
        self._pictures.show(
            f"{len(numbers)} mistakes, the surest first", mistakes.images[shown], names
        )


_ABOUT = (
    f"The first {_READ:,} test images are simulated again and read by the run's network. "
    "Below each image stand truth, answer and the probability given."
)
