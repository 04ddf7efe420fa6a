"""Widgets of the page Reconstruct."""

from __future__ import annotations

import html
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bokeh.models import (
    Button,
    Checkbox,
    Column,
    Div,
    Row,
    Select,
    Slider,
    Spinner,
    TextAreaInput,
    TextInput,
    UIElement,
)

from stemfast import materials
from stemfast.explore.drawing import Drawing
from stemfast.explore.follow import Follow
from stemfast.explore.reconstruct.asked import (
    Asked,
    Solved,
    command,
    compared,
    degrees,
    families,
    solve,
)
from stemfast.explore.tab import Tab
from stemfast.explore.view import ImageRow
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
from stemfast.explore.wireframe import dragged
from stemfast.particles import Cuboid

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

    from stemfast.reconstruction import FamilyReconstruction, Reconstruction

__all__ = ["reconstruct_page"]

_KEPT, _ASKED = "reconstruction", "asked"
_WIDE = 280
_NARROWEST = 316  # on a phone it goes below the controls


def reconstruct_page(document: Any, tab: Tab, files: Sequence[Path]) -> UIElement:
    """The page Reconstruct of a tab; `files` were named on the command line."""
    return _Page(document, tab, files).layout


class _Page:
    def __init__(self, document: Any, tab: Tab, files: Sequence[Path]) -> None:
        self._tab = tab
        self._answer: Reconstruction | FamilyReconstruction | None = None
        self._message = Message()
        self._work = Follow(document, tab, "reconstruct", self._message, self._show)
        self._drawing = Drawing(self._begin, self._drag)
        self._images = ImageRow(_TITLES, ("e⁻", "e⁻", "σ"), side=290)
        self._number = Slider(title="Image", start=1, end=2, step=1, value=1, width=_WIDE)
        listen(self._number, "value", lambda number: self._compare())
        self._words, self._fit = Div(sizing_mode="stretch_width", max_width=700), Div(width=_WIDE)
        self._command = CodeBox("Command line")
        save = Download("Save all", self._everything, self._message)
        self._seen = Column(
            flow(
                Column(self._drawing.figure, note(_HINT)),
                Column(
                    self._words,
                    save.button,
                    sizing_mode="stretch_width",
                    min_width=_NARROWEST,
                    max_width=700,
                ),
            ),
            flow(*self._images.figures),
            flow(self._number, self._fit),
            self._command.layout,
            visible=False,
            sizing_mode="stretch_width",
            min_width=_NARROWEST,
        )
        self.layout = Column(
            self._message.div,
            flow(Column(self._controls(files), self._work.layout), self._seen),
            sizing_mode="stretch_width",
        )
        if _KEPT in tab.kept:
            self._show(tab.kept[_KEPT])
        self._work.resume()

    def _controls(self, files: Sequence[Path]) -> UIElement:
        asked: Asked = self._tab.kept.get(_ASKED, Asked(tuple(files)))
        half = _WIDE // 2 - 6
        self._files = TextAreaInput(
            title="A stack, or images of one particle, a path a line",
            value="\n".join(map(str, asked.files)),
            rows=3,
            width=_WIDE,
        )
        self._size = Spinner(
            title="Pixel size [nm]", value=asked.pixel_size_nm, low=0, step=0.01, width=half
        )
        self._views = Spinner(
            title="Frames of a stack", value=asked.views, low=1, high=16, step=1, width=half
        )
        self._tilts = TextInput(
            title="Tilts [°], where files do not say them",
            value=", ".join(f"{one:g}" for one in asked.tilts_deg),
            width=_WIDE,
        )
        self._axis = Spinner(
            title="Tilt axis [°], 0: x, 90: y", value=asked.tilt_axis_deg, step=1, width=half
        )
        self._material = Select(
            title="Material", value=asked.material, options=list(materials.names()), width=half
        )
        self._unknown = Checkbox(label="Poses are unknown", active=asked.unknown_poses)
        self._contrast = Select(
            title="Particle is", value=asked.contrast, options=["auto", "bright", "dark"]
        )
        self._method = Select(
            title="Found by", value=asked.method, options=["auto", "network", "classical"]
        )
        for select in (self._contrast, self._method):
            select.width = half
        self._family = Select(
            title="It may be", value=asked.family or "", options=families(), width=_WIDE
        )
        button = Button(label="Reconstruct", button_type="primary", width=_WIDE)
        button.on_click(lambda *_: self._start())
        return group(
            "Images of one particle",
            self._files,
            Row(self._size, self._views),
            self._tilts,
            Row(self._axis, self._material),
            Row(self._contrast, self._method),
            self._family,
            self._unknown,
            button,
            note(_ABOUT),
        )

    def _asked(self) -> Asked:
        paths = [Path(line.strip()) for line in self._files.value.splitlines() if line.strip()]
        if not paths:
            raise ValueError("give the path of a stack, or of images of one particle")
        for path in paths:
            if not path.exists():
                raise ValueError(f"there is no file {path}")
        views = self._views.value
        return Asked(
            tuple(paths),
            self._size.value or None,
            None if views is None else int(views),
            degrees(self._tilts.value),
            self._axis.value,
            bool(self._unknown.active),
            self._material.value,
            self._contrast.value,
            self._method.value,
            self._family.value or None,
        )

    def _start(self) -> None:
        try:
            asked = self._asked()
        except ValueError as error:
            self._message.error(str(error))
            return
        self._tab.kept[_ASKED] = asked
        self._work.start(lambda tell: solve(asked, tell))

    def _show(self, solved: Solved) -> None:
        self._tab.kept[_KEPT] = solved
        self._answer = answer = solved.answer
        self._pose: Rotation = answer.images[0].orientation
        self._words.text = (
            f'<pre style="overflow-x:auto;max-width:92vw">{html.escape(str(answer))}</pre>'
        )
        self._number.update(end=max(len(answer.images), 2), value=1)
        self._number.visible = len(answer.images) > 1
        self._command.show(command(solved.asked))
        self._message.tell("\n".join(solved.notes))
        self._seen.visible = True
        self._draw()
        self._compare()

    def _draw(self) -> None:
        if self._answer is not None:
            particle = self._answer.particle
            cut = particle.corners if isinstance(particle, Cuboid) else ()
            self._drawing.show(particle, self._pose, cut)

    def _compare(self) -> None:
        """Show one image beside what the answer makes of it, and the particle in its pose."""
        if self._answer is None:
            return
        image = self._answer.images[min(self._number.value, len(self._answer.images)) - 1]
        self._pose = image.orientation
        self._images.show(*compared(image), pixel_size=image.pixel_size_nm)
        explained = "explained" if image.explained else "not explained"
        self._fit.text = html.escape(
            f"{image.name}: {explained}, misfit {100 * image.misfit:.1f} % of the signal, "
            f"pose ± {image.pose_sd_deg:.2g}°"
        )
        self._draw()

    def _begin(self) -> None:
        self._before = self._pose

    def _drag(self, dx_deg: float, dy_deg: float) -> None:
        self._pose = dragged(self._before, dx_deg, dy_deg)
        self._draw()

    def _everything(self) -> tuple[str, bytes]:
        from stemfast.reconstruction import write_answer

        if self._answer is None:
            raise ValueError("there is no answer to save")
        with tempfile.TemporaryDirectory() as folder:
            write_answer(Path(folder) / "particle", self._answer)
            return "particle.zip", packed(Path(folder) / "particle")


_TITLES = ("measured [e⁻]", "re-simulated [e⁻]", "difference, in units of the noise")
_HINT = "Drag to turn. Deformed corners are red. The pose is that of the image below."
_ABOUT = (
    "First come cuboids with cut corners; where none explains the images, the other families are "
    "tried. A particle of no family is called not explained. A fit takes seconds to minutes."
)
