"""Controls that say which micrograph is to be read, and how."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bokeh.models import Button, FileInput, Row, Select, Spinner, TextInput

from stemfast.explore.read.reading import Wanted
from stemfast.explore.widgets import group, listen

__all__ = ["Opening"]

_WIDE = 280


class Opening:
    """A path or a file from the browser, the scale, the contrast, the finder.

    Parameters
    ----------
    document : bokeh Document
    files : sequence of Path
        To choose from.
    wanted : Wanted or None
        What was wanted before.
    uploads : callable
        Gives the folder for files that come from the browser.
    start : callable
        Called when particles are to be found.
    """

    def __init__(
        self,
        document: Any,
        files: Sequence[Path],
        wanted: Wanted | None,
        uploads: Callable[[], Path],
        start: Callable[[], None],
    ) -> None:
        self._uploads, self._start = uploads, start
        before = wanted or Wanted(Path(files[0]) if files else Path())
        half = _WIDE // 2 - 6
        path = str(before.path) if wanted is not None or files else ""
        self._path = TextInput(title="Path of a micrograph", value=path, width=_WIDE)
        listed = Select(
            title="From the command line", options=[str(path) for path in files], width=_WIDE
        )
        listed.visible = len(files) > 1
        listen(listed, "value", lambda path: self._path.update(value=path))
        upload = FileInput(title="Or a file from the browser, up to 150 MB", width=_WIDE)

        def came() -> None:
            self._uploaded(upload.filename, upload.value)

        # The name of the file comes after its content.
        listen(upload, "value", lambda content: document.add_next_tick_callback(came))
        self._pixel_size = Spinner(
            title="Pixel size [nm], in place of the file's",
            value=before.pixel_size_nm,
            low=0,
            step=0.01,
            width=_WIDE,
        )
        self._bar = Spinner(
            title="Or: the scale bar stands for [nm]",
            value=before.scale_bar_nm,
            low=0,
            step=10,
            width=_WIDE,
        )
        self._contrast = Select(title="Particles are", options=["auto", "bright", "dark"])
        self._method = Select(title="Found by", options=["auto", "network", "classical"])
        self._contrast.update(value=before.contrast, width=half)
        self._method.update(value=before.method, width=half)
        self._index = Spinner(
            title="Image of a stack", value=before.index, low=0, step=1, width=half
        )
        self._dataset = TextInput(
            title="Data set of a file", value=before.dataset or "", width=half
        )
        button = Button(label="Find particles", button_type="primary", width=_WIDE)
        button.on_click(lambda *_: start())
        self.layout = group(
            "Micrograph",
            listed,
            self._path,
            upload,
            self._pixel_size,
            self._bar,
            Row(self._contrast, self._method),
            Row(self._index, self._dataset),
            button,
        )

    def wanted(self) -> Wanted:
        """File and settings that the controls hold.

        Raises
        ------
        ValueError
            If there is no such file.
        """
        text = self._path.value.strip()
        if not text:
            raise ValueError("give the path of a micrograph, or choose a file")
        if not Path(text).exists():
            raise ValueError(f"there is no file {text}")
        index = self._index.value
        return Wanted(
            Path(text),
            self._pixel_size.value or None,
            self._bar.value or None,
            self._contrast.value,
            self._method.value,
            None if index is None else int(index),
            self._dataset.value.strip() or None,
        )

    def _uploaded(self, name: str, content: str) -> None:
        if not name or not content:
            return
        folder = Path(tempfile.mkdtemp(dir=self._uploads()))
        path = folder / (Path(name.replace("\\", "/")).name or "file")
        path.write_bytes(base64.b64decode(content))
        self._path.value = str(path)
        self._start()
