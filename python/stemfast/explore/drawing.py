"""A particle as a drawing that is turned by dragging, corners of it to click."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

import numpy as np
from bokeh.events import Pan, PanStart
from bokeh.models import ColumnDataSource, Range1d, TapTool

from stemfast.explore.pace import Columns
from stemfast.explore.view import image_figure
from stemfast.explore.widgets import listen
from stemfast.explore.wireframe import Wireframe, box_corners, wireframe
from stemfast.particles import Cuboid, Particle

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

__all__ = ["Drawing"]

_SIDE = 312
_STANDOFF = 15  # its title as high as those of images, which have a toolbar
_DEG_PER_PX = 0.6
_FACE = np.array([246, 197, 84])
_OFF, _ON = "#ffffff", "#d1495b"


class Drawing:
    """A particle as the beam sees it.

    Parameters
    ----------
    begin : callable
        Called when a drag begins.
    drag : callable
        Called with how far the pointer was dragged to the right and downwards since [degrees].
    toggle : callable, optional
        Called with the corner that was clicked.
    """

    def __init__(
        self,
        begin: Callable[[], None],
        drag: Callable[[float, float], None],
        toggle: Callable[[int], None] | None = None,
    ) -> None:
        self._faces = ColumnDataSource(_NO_FACES)
        self._corners = ColumnDataSource(_NO_CORNERS)
        self.sources = {"faces": self._faces, "corners": self._corners}
        self._last: dict[str, Columns] = {}
        tap = TapTool()
        self.figure = image_figure(
            "particle, seen along the beam",
            _SIDE,
            tools=[tap],
            toolbar_location=None,
            x_range=Range1d(-1, 1),
            y_range=Range1d(1, -1),
        )
        self.figure.title.standoff = _STANDOFF
        self.figure.patches(
            "x",
            "y",
            source=self._faces,
            fill_color="colour",
            fill_alpha="solid",
            line_color="ink",
            line_alpha="alpha",
            line_dash="dash",
            line_width="width",
        ).nonselection_glyph = None
        dots = self.figure.scatter(
            "x",
            "y",
            source=self._corners,
            size=19,
            fill_color="colour",
            line_color="#333333",
            alpha="alpha",
        )
        dots.nonselection_glyph = None
        dots.selection_glyph = None
        self.figure.text(
            "x",
            "y",
            "name",
            source=self._corners,
            text_align="center",
            text_baseline="middle",
            text_font_size="11px",
            text_color="ink",
        ).nonselection_glyph = None
        tap.renderers = [dots]
        if toggle is not None:
            listen(self._corners.selected, "indices", lambda new: self._clicked(new, toggle))
        self.figure.on_event(PanStart, lambda event: begin())
        self.figure.on_event(
            Pan, lambda event: drag(_DEG_PER_PX * event.delta_x, _DEG_PER_PX * event.delta_y)
        )

    def show(self, particle: Particle, pose: Rotation, deformed: Collection[int] = ()) -> None:
        """Draw a particle, of a cuboid its corners as well, and which of them are deformed."""
        for name, data in self.news(particle, pose, deformed).items():
            self.sources[name].data = data

    def news(
        self, particle: Particle, pose: Rotation, deformed: Collection[int] = ()
    ) -> dict[str, Columns]:
        """Data of those sources that draw something else than at the last call; as in `show`."""
        drawn = wireframe(particle, pose)
        scale = 1.0 / (1.15 * particle.bounding_radius)  # the whole of it, however it is turned
        dots = _NO_CORNERS
        if isinstance(particle, Cuboid):
            dots = _corner_dots(particle, pose, deformed, scale)
        all_of_it = {"faces": _outlines(drawn, scale), "corners": dots}
        new = {name: data for name, data in all_of_it.items() if data != self._last.get(name)}
        self._last = all_of_it
        return new

    def _clicked(self, indices: list[int], toggle: Callable[[int], None]) -> None:
        if indices:
            corner = int(self._last["corners"]["name"][indices[-1]])
            self._corners.selected.indices = []
            toggle(corner)


def _corner_dots(
    particle: Cuboid, pose: Rotation, deformed: Collection[int], scale: float
) -> Columns:
    places, depths, hidden = box_corners(particle.edges, pose)
    # The hindmost first, so that a click takes the one in front.
    order = [int(corner) for corner in np.argsort(-depths)]
    return {
        "x": [scale * float(places[c, 0]) for c in order],
        "y": [scale * float(places[c, 1]) for c in order],
        "name": [str(c) for c in order],
        "colour": [_ON if c in deformed else _OFF for c in order],
        "alpha": [0.35 if hidden[c] else 1.0 for c in order],
        "ink": ["#ffffff" if c in deformed else "#222222" for c in order],
    }


def _outlines(drawn: Wireframe, scale: float) -> Columns:
    """Faces, farthest first, and over them the edges on the far side, dashed and not filled."""
    shades = np.array(drawn.shades)[:, None] * _FACE
    seen, behind = len(drawn.faces), len(drawn.hidden)
    outlines = drawn.faces + drawn.hidden
    return {
        "x": [[scale * x for x in line[0]] for line in outlines],
        "y": [[scale * y for y in line[1]] for line in outlines],
        "colour": ["#{:02x}{:02x}{:02x}".format(*map(int, shade)) for shade in shades]
        + ["#ffffff"] * behind,
        "solid": [1.0] * seen + [0.0] * behind,
        "ink": ["#3a2c05"] * seen + ["#000000"] * behind,
        "alpha": [1.0] * seen + [0.4] * behind,
        "dash": [[]] * seen + [[4, 4]] * behind,
        "width": [1.4] * seen + [1.0] * behind,
    }


_NO_FACES: Columns = {
    name: [] for name in ("x", "y", "colour", "solid", "ink", "alpha", "dash", "width")
}
_NO_CORNERS: Columns = {name: [] for name in ("x", "y", "name", "colour", "alpha", "ink")}
