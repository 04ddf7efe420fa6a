"""Widgets of the page Simulate."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from bokeh.models import (
    Button,
    CheckboxButtonGroup,
    Column,
    Row,
    Select,
    Slider,
    Spinner,
    UIElement,
)
from numpy.typing import NDArray

import stemfast as sf
from stemfast import materials
from stemfast.explore.drawing import Drawing
from stemfast.explore.pace import Columns, Pace
from stemfast.explore.simulate.scene import EDITS, SHAPES, Scene, angles_deg, turned
from stemfast.explore.simulate.words import command_line, not_on_the_command_line, python_code
from stemfast.explore.tab import Tab
from stemfast.explore.view import ImageRow, greys
from stemfast.explore.widgets import CodeBox, Download, Message, flow, group, listen, note
from stemfast.particles.support import NONE, SUPPORTS

__all__ = ["simulate_page"]

_KEPT = "scene"
_SIDES = ("64", "128", "256", "512", "1024", "2048")

# Field of a scene, its words, smallest, largest, step.
_MICROSCOPE = (
    ("pixel_size_nm", "Pixel size [nm]", 0.02, 1.0, 0.01),
    ("probe_nm", "Probe, full width [nm]", 0.0, 3.0, 0.05),
    ("energy_kev", "Energy [keV]", 60, 300, 10),
    ("convergence_mrad", "Convergence [mrad]", 0, 40, 1),
    ("inner_mrad", "Detector from [mrad]", 20, 120, 1),
    ("outer_mrad", "Detector to [mrad]", 80, 300, 5),
    ("bright_field_mrad", "Bright field within [mrad], 0: dark field", 0, 60, 1),
)
_DOSE = (
    ("current_pa", "Beam current [pA]", 1, 200, 1),
    ("dwell_us", "Dwell time [µs]", 0.1, 40, 0.1),
    ("film_nm", "Carbon film [nm]", 0, 50, 0.5),
    ("roughness_nm", "Its roughness [nm]", 0, 5, 0.1),
)
_GROWN = (("contamination_nm", "Contamination on the particle [nm]", 0, 10, 0.1),)
_SUPPORT = (("support_nm", "Diameter or thickness [nm]", 1, 120, 1),)
_MOTION = (
    ("jitter_pm", "Row jitter [pm]", 0, 500, 5),
    ("seed", "Seed", 0, 99, 1),
)


def simulate_page(document: Any, tab: Tab) -> UIElement:
    """The page Simulate of a tab."""
    return _Page(document, tab).layout


class _Page:
    def __init__(self, document: Any, tab: Tab) -> None:
        self._tab = tab
        self._scene: Scene = tab.kept.get(_KEPT, Scene())
        self._drawn: tuple[Any, ...] = ()
        self._taken: tuple[Scene, sf.Simulation] | None = None  # what is shown, and how it is made
        self._start = self._scene.turn_deg  # where a drag began
        self._setting = False  # while widgets are told values, they do not tell them back
        self._by_name: dict[str, Slider] = {}
        self._message = Message()
        self._images = ImageRow(_TITLES, ("nm", "e⁻", "counts"))
        self._drawing = Drawing(self._begin, self._drag, self._toggle)
        self._python, self._command = CodeBox("Python"), CodeBox("Command line")
        controls = (
            self._particle_controls(),
            Column(self._pose_controls(), self._film_controls()),
            group("Microscope", self._pixels(), *self._sliders(_MICROSCOPE)),
            self._motion_controls(),
        )
        sources = self._images.sources | self._drawing.sources
        self._pace = Pace(document, sources, self._draw, self._settle)
        saves = Row(*(Download(f"Save {e}", self._file(e), self._message).button for e in _ENDINGS))
        self.layout = Column(
            self._message.div,
            flow(self._drawing.figure, *self._images.figures),
            flow(note(_HINT), saves),
            flow(*controls),
            flow(self._command.layout, self._python.layout),
            sizing_mode="stretch_width",
        )
        self._pace.want()

    def _change(self, **values: Any) -> None:
        """Change the scene; what makes none is said and not drawn."""
        if self._setting:
            return
        try:
            self._scene = replace(self._scene, **values)
        except ValueError as error:
            self._message.error(str(error))
            return
        self._tab.kept[_KEPT] = self._scene
        self._pace.want()

    def _draw(self) -> dict[str, Columns] | None:
        """Grey levels of another image, and another drawing of the particle."""
        scene = self._scene
        try:
            taken = scene.take()
        except (ValueError, MemoryError) as error:
            self._message.error(" ".join(str(error).split()))
            return None
        self._message.error("")
        self._taken = (scene, taken)
        levels = [greys(image) for image in _shown(scene, taken)]
        new = self._images.news(*levels, pixel_size=scene.pixel_size_nm)
        particle = (scene.shape, scene.size_nm, scene.corners, scene.turn_deg)
        if particle != self._drawn:
            self._drawn = particle
            new |= self._drawing.news(scene.particle(), scene.orientation(), scene.corners)
        return new

    def _settle(self) -> dict[str, Columns] | None:
        """Say in words and numbers what is seen; its values, for the tip under the pointer."""
        if self._taken is None:
            return None
        scene, taken = self._taken
        expected, image = taken.truth.expected_electrons, taken.images
        dose = scene.microscope().electrons_per_pixel
        self._images.name(
            f"clean thickness, up to {scene.thickness_nm(taken).max():.3g} nm",
            f"expected, {expected.min():.3g} to {expected.max():.3g} e⁻/px",
            f"image, {image.min()} to {image.max()} of {dose:.0f} e⁻/px",
        )
        missing = not_on_the_command_line(scene)
        remark = f"The command line does not know {', '.join(missing)}." if missing else ""
        self._command.show(command_line(scene), remark)
        self._python.show(python_code(scene))
        return self._images.news(*_shown(scene, taken), pixel_size=scene.pixel_size_nm)

    def _begin(self) -> None:
        self._start = self._scene.turn_deg

    def _drag(self, dx_deg: float, dy_deg: float) -> None:
        self._turn(turned(self._start, dx_deg, dy_deg))

    def _turn(self, angles: tuple[float, ...]) -> None:
        self._change(turn_deg=angles)
        self._setting = True
        for spinner, angle in zip(self._angles, self._scene.turn_deg, strict=True):
            spinner.value = angle
        self._setting = False

    def _toggle(self, corner: int) -> None:
        active = set(self._corners.active) ^ {corner}
        self._corners.active = sorted(active)

    def _particle_controls(self) -> UIElement:
        scene = self._scene
        shape = Select(title="Shape", value=scene.shape, options=list(SHAPES), width=_WIDE)
        material = Select(
            title="Material", value=scene.material, options=list(materials.names()), width=_WIDE
        )
        self._lengths = [
            Slider(start=2, end=60, step=0.5, value=20, width=_WIDE, visible=False)
            for _ in range(3)
        ]
        first = next(iter(scene.corners.values()), ("truncate", 0.3))
        self._corners = CheckboxButtonGroup(
            labels=[str(c) for c in range(8)], active=list(scene.corners), width=_WIDE
        )
        self._kind = Select(title="Deform corners by", value=first[0], options=list(EDITS))
        self._kind.width = _WIDE
        self._amount = Slider(start=0, end=1, value=0, step=0.05, width=_WIDE)
        self._edits_shown = Column(self._kind, self._amount, self._corners)
        self._show_lengths()
        self._show_amount(first[1])
        listen(shape, "value", lambda new: self._new_shape(new))
        listen(material, "value", lambda new: self._change(material=new))
        for slider in self._lengths:
            listen(slider, "value", lambda new: self._change(size_nm=self._size()))
        listen(self._kind, "value", lambda new: self._new_kind(new))
        listen(self._amount, "value", lambda new: self._change(corners=self._edits()))
        listen(self._corners, "active", lambda new: self._change(corners=self._edits()))
        return group("Particle", shape, material, *self._lengths, self._edits_shown)

    def _size(self) -> tuple[float, ...]:
        return tuple(slider.value for slider in self._lengths if slider.visible)

    def _edits(self) -> dict[int, tuple[str, float]]:
        if self._scene.shape != "cuboid":
            return {}
        return dict.fromkeys(self._corners.active, (self._kind.value, self._amount.value))

    def _new_shape(self, shape: str) -> None:
        self._change(shape=shape, size_nm=SHAPES[shape].usual, corners={})
        self._setting = True
        self._corners.active = []
        self._show_lengths()
        self._setting = False

    def _new_kind(self, kind: str) -> None:
        self._setting = True
        self._show_amount(EDITS[kind][3])
        self._setting = False
        self._change(corners=self._edits())

    def _show_lengths(self) -> None:
        names = SHAPES[self._scene.shape].lengths
        for number, slider in enumerate(self._lengths):
            slider.visible = number < len(names)
            if slider.visible:
                slider.title = f"{names[number].capitalize()} [nm]"
                slider.value = self._scene.size_nm[number]
        self._edits_shown.visible = self._scene.shape == "cuboid"

    def _show_amount(self, amount: float) -> None:
        words, low, high, _ = EDITS[self._kind.value]
        self._amount.update(start=low, end=high, value=amount, title=words.capitalize())

    def _pose_controls(self) -> UIElement:
        self._angles = [
            Spinner(title=f"About {axis} [°]", value=angle, step=1, width=_WIDE // 3 - 6)
            for axis, angle in zip("xyz", self._scene.turn_deg, strict=True)
        ]
        for spinner in self._angles:
            listen(spinner, "value", lambda new: self._typed())
        button = Button(label="At random", width=110)
        button.on_click(lambda *_: self._at_random())
        flat = Button(label="Not turned", width=110)
        flat.on_click(lambda *_: self._turn((0.0, 0.0, 0.0)))
        return group("Pose", Row(*self._angles), Row(button, flat), note(_AXES))

    def _typed(self) -> None:
        if all(spinner.value is not None for spinner in self._angles):
            self._change(turn_deg=tuple(float(spinner.value) for spinner in self._angles))

    def _at_random(self) -> None:
        from scipy.spatial.transform import Rotation

        self._turn(angles_deg(Rotation.random()))

    def _film_controls(self) -> UIElement:
        scene = self._scene
        support = Select(title="Support behind it", value=scene.support, options=list(SUPPORTS))
        material = Select(title="Of", value=scene.support_material, options=list(materials.names()))
        support.width = material.width = _WIDE // 2 - 6
        more = Column(*self._sliders(_SUPPORT), visible=scene.support != NONE)
        listen(support, "value", lambda new: self._change(support=new))
        listen(support, "value", lambda new: more.update(visible=new != NONE))
        listen(material, "value", lambda new: self._change(support_material=new))
        film, grown = self._sliders(_DOSE), self._sliders(_GROWN)
        return group("Dose, film and support", *film, *grown, Row(support, material), more)

    def _motion_controls(self) -> UIElement:
        scene = self._scene
        spins = [
            Slider(title=f"Spin about {a} [rad/s]", value=v, start=-20, end=20, step=0.1)
            for a, v in zip("xyz", scene.spin_rad_s, strict=True)
        ]
        drifts = [
            Slider(title=f"Drift along {a} [nm/s]", value=v, start=-40, end=40, step=0.5)
            for a, v in zip("xy", scene.drift_nm_s, strict=True)
        ]
        for name, sliders in (("spin_rad_s", spins), ("drift_nm_s", drifts)):
            for slider in sliders:
                slider.width = _WIDE
                listen(slider, "value", self._together(name, sliders))
        return group("Motion and chance", *spins, *drifts, *self._sliders(_MOTION))

    def _together(self, name: str, sliders: list[Slider]) -> Callable[[Any], None]:
        def changed(new: Any) -> None:
            self._change(**{name: tuple(float(slider.value) for slider in sliders)})

        return changed

    def _pixels(self) -> UIElement:
        select = Select(
            title="Rows and columns", value=str(self._scene.pixels), options=list(_SIDES)
        )
        select.width = _WIDE
        listen(select, "value", lambda new: self._new_pixels(int(new)))
        return select

    def _new_pixels(self, pixels: int) -> None:
        """Another number of pixels on the same field."""
        size = round(self._scene.pixels * self._scene.pixel_size_nm / pixels, 4)
        self._change(pixels=pixels, pixel_size_nm=size)
        self._setting = True
        self._by_name["pixel_size_nm"].value = size
        self._setting = False

    def _sliders(self, settings: tuple[tuple[str, str, float, float, float], ...]) -> list[Slider]:
        made = []
        for name, words, low, high, step in settings:
            value = getattr(self._scene, name)
            slider = Slider(title=words, start=low, end=high, step=step, value=value, width=_WIDE)
            listen(slider, "value", self._set(name, type(value)))
            self._by_name[name] = slider
            made.append(slider)
        return made

    def _set(self, name: str, kind: type) -> Callable[[Any], None]:
        return lambda new: self._change(**{name: kind(new)})

    def _file(self, ending: str) -> Callable[[], tuple[str, bytes]]:
        def make() -> tuple[str, bytes]:
            if self._taken is None:
                raise ValueError("there is no image to save")
            with tempfile.TemporaryDirectory() as folder:
                written = self._taken[1].image().save(Path(folder) / f"image{ending}")
                return written.name, written.read_bytes()

        return make


def _shown(scene: Scene, taken: sf.Simulation) -> tuple[NDArray[Any], ...]:
    return scene.thickness_nm(taken), taken.truth.expected_electrons, taken.images


_WIDE = 280
_TITLES = ("clean thickness", "expected electrons", "image")
_ENDINGS = (".png", ".tif", ".hspy")
_HINT = "Drag to turn the particle. Click a corner of a cuboid to deform it."
_AXES = "Turned about x (right), then y (down), then z (along the beam, into the page)."
