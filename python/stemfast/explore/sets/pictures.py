"""Many small images as one picture, with words for each below it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from bokeh.models import Column, Div
from numpy.typing import NDArray

from stemfast.explore.sets.browsing import mosaic
from stemfast.explore.view import ImageRow

__all__ = ["SHOWN", "Pictures"]

SHOWN = 24  # images at once
_ACROSS, _SIDE = 6, 560
_WHOLE = ".bk-clearfix { display: block; width: 100%; }"
_GRID = f"display:grid;grid-template-columns:repeat({_ACROSS},1fr);gap:2px 6px;font-size:12px"


class Pictures:
    """Up to `SHOWN` images, six a row."""

    def __init__(self) -> None:
        self._row = ImageRow(["images"], ["grey"], side=_SIDE)
        self._figure = self._row.figures[0]
        self._figure.update(sizing_mode="scale_width", aspect_ratio=_SIDE / (_SIDE + 34))
        self._figure.visible = False
        self._words = Div(sizing_mode="stretch_width", stylesheets=[_WHOLE])
        self.layout = Column(
            self._figure,
            self._words,
            sizing_mode="stretch_width",
            min_width=300,
            max_width=_SIDE,
        )

    def show(self, title: str, images: NDArray[Any], names: Sequence[str]) -> None:
        """Show images, with a name each; the title alone where there are none."""
        self._figure.visible = bool(len(images))
        if not len(images):
            self._words.text = html.escape(title)
            return
        self._row.show(mosaic(images, _ACROSS))
        self._row.name(title)
        cells = "".join(f"<span>{html.escape(name)}</span>" for name in names)
        self._words.text = f'<div style="{_GRID}">{cells}</div>'
