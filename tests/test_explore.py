"""The explorer without a browser: scenes, code and commands shown, jobs, tabs, its address."""

from __future__ import annotations

import shlex
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from scipy.spatial.transform import Rotation
from typer.testing import CliRunner

from stemfast.cli import app
from stemfast.explore.job import Job
from stemfast.explore.reconstruct.asked import Asked, degrees, solve
from stemfast.explore.reconstruct.asked import command as reconstruct_command
from stemfast.explore.simulate.scene import SHAPES, Scene, turned
from stemfast.explore.simulate.words import command_line, not_on_the_command_line, python_code
from stemfast.explore.tab import Tabs
from stemfast.explore.wireframe import box_corners, wireframe

SCENES = [
    Scene(pixels=48, pixel_size_nm=0.7, corners={7: ("truncate", 0.3), 2: ("displace", -1.5)}),
    Scene(pixels=48, pixel_size_nm=0.7, corners={0: ("round", 4)}, turn_deg=(12.3, -71, 5.5)),
    Scene("sphere", (13,), pixels=48, film_nm=0, material="Pt", turn_deg=(0, 0, 0), seed=3),
    Scene("ellipsoid", (20, 11, 9), pixels=48, pixel_size_nm=0.6, bright_field_mrad=25),
    Scene("hexagonal-prism", (8, 9), pixels=48, energy_kev=100, turn_deg=(0, 40, 20)),
    Scene("truncated-octahedron", (20,), pixels=48, probe_nm=1.3, current_pa=50, dwell_us=2.2),
    Scene("icosahedron", (9,), pixels=48, support="sphere", support_material="SiO2"),
    Scene("sphere", (8,), pixels=48, contamination_nm=1.3, support="plate", seed=5),
    Scene(pixels=48, pixel_size_nm=0.7, corners={7: ("truncate", 0.3)}, contamination_nm=2.5),
]


def quiet(doing, share=-1.0):
    """Progress that nobody watches."""


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.shape)
def test_the_code_and_the_command_shown_take_the_same_bits(scene, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = scene.take().images
    assert not not_on_the_command_line(scene)
    exec(python_code(scene), said := {})
    assert np.array_equal(said["taken"].images, shown)
    (tmp_path / "image.tif").unlink()
    words = shlex.split(command_line(scene, "image.npy"))[1:]
    run = CliRunner().invoke(app, words)
    assert run.exit_code == 0, run.output
    assert np.array_equal(np.load("image.npy"), shown)


def test_what_the_command_line_cannot_say_is_told_and_in_the_code():
    scene = Scene(
        pixels=48,
        pixel_size_nm=0.7,
        spin_rad_s=(0, 9.5, 0),
        drift_nm_s=(0, 30),
        jitter_pm=250,
        roughness_nm=0.7,
        support="sphere",
    )
    assert not_on_the_command_line(scene) == [
        "the film's roughness",
        "spin",
        "drift",
        "row jitter",
    ]
    code = python_code(scene).rpartition("\n")[0]
    exec(code, said := {})
    assert np.array_equal(said["taken"].images, scene.take().images)
    assert not np.array_equal(said["taken"].images, Scene(pixels=48, pixel_size_nm=0.7).take())


def test_a_support_lies_behind_the_particle_and_is_in_the_code():
    bare = Scene("sphere", (9,), pixels=48, pixel_size_nm=0.7, turn_deg=(0, 0, 0))
    for kind, size, deepest in (("sphere", 30.0, 30.0), ("plate", 12.0, 12.0)):
        scene = replace(bare, support=kind, support_nm=size, support_material="SiO2")
        taken = scene.take()
        maps = taken.truth.thickness_nm
        assert maps["SiO2"].max() == pytest.approx(deepest, rel=1e-3)
        assert (maps["SiO2"] > 0).all() == (kind == "plate")
        assert np.array_equal(scene.thickness_nm(taken), bare.thickness_nm(bare.take()))
        exec(python_code(scene).rpartition("\n")[0], said := {})
        assert np.array_equal(said["taken"].images, taken.images)
    with pytest.raises(ValueError, match="a plate would spin with the particle"):
        replace(scene, spin_rad_s=(0, 1.0, 0))


def test_contamination_grows_on_the_particle_and_not_on_the_support():
    bare = Scene("sphere", (9,), pixels=48, pixel_size_nm=0.7, material="Pt", film_nm=0)
    grown = replace(bare, contamination_nm=2.0)
    taken = grown.take()
    carbon = taken.truth.thickness_nm["C"]
    assert carbon.max() == pytest.approx(2 * np.sqrt(6.5**2 - 4.5**2), abs=0.6)  # beside it
    assert carbon[24, 24] == pytest.approx(4.0, abs=0.05)
    assert np.array_equal(grown.thickness_nm(taken), bare.thickness_nm(bare.take()))
    for scene in (bare, grown):  # a support touches the layer
        body, depth_nm = replace(scene, support="plate", support_nm=10.0).support_body()
        assert depth_nm == pytest.approx(4.5 + scene.contamination_nm + 5.0)
        assert body.edges[2] == 10.0


def test_every_shape_is_taken_and_drawn():
    for shape, choice in SHAPES.items():
        scene = Scene(shape, choice.usual, pixels=192, pixel_size_nm=0.25, probe_nm=0)
        taken = scene.take()
        drawn = wireframe(scene.particle(), scene.orientation())
        around = np.concatenate([np.array(line) for line in drawn.faces], axis=1)
        rows, columns = np.nonzero(scene.thickness_nm(taken) > 0)
        for places, seen in ((around[0], columns), (around[1], rows)):
            at = (seen - 95.5) * 0.25
            assert places.min() - 0.15 < at.min() < places.min() + 0.8, shape
            assert places.max() - 0.8 < at.max() < places.max() + 0.15, shape


def test_the_drawn_corners_are_where_the_particle_has_them():
    scene = Scene(turn_deg=(25, -40, 70))
    places, depths, hidden = box_corners((24, 20, 16), scene.orientation())
    vertices = scene.orientation().apply(scene.particle().vertices)
    for place, depth in zip(places, depths, strict=True):
        assert np.hypot(*(vertices - [*place, depth]).T[:2]).min() < 1e-9
    assert hidden.sum() == 1
    assert depths[hidden] == depths.max()


def test_a_drag_turns_about_the_axes_of_the_image():
    start = (20.0, -35.0, 80.0)
    angles = turned(start, 10.0, 0.0)
    before, after = (Rotation.from_euler("xyz", a, degrees=True) for a in (start, angles))
    # What is nearest to the source goes to the right with the pointer: about -y.
    turn = (after * before.inv()).as_rotvec(degrees=True)
    assert turn == pytest.approx([0, -10, 0], abs=0.2)
    assert (Rotation.from_rotvec(turn, degrees=True).apply([0, 0, -1])[0]) > 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"shape": "cube"}, "shape is 'cube', expected one of cuboid, sphere"),
        ({"size_nm": (3, 4)}, "size_nm has 2 lengths, expected 3 for a cuboid"),
        ({"shape": "sphere", "size_nm": (9,), "corners": {1: ("round", 1)}}, "corners are a cub"),
        ({"support": "wood"}, "support is 'wood', expected one of none, sphere, plate"),
        ({"contamination_nm": -1.0}, "contamination_nm is -1, expected 0 nm or more"),
        ({"dwell_us": float("nan")}, "expected finite numbers, got nan"),
    ],
)
def test_a_scene_that_cannot_be_is_refused_in_words(settings, words):
    with pytest.raises(ValueError, match=words):
        Scene(**settings)


def test_a_job_tells_its_progress_and_stops_when_asked():
    def work(tell):
        for step in range(10_000):
            tell("counting", step / 10_000)
            time.sleep(0.01)

    job = Job(work)
    while job.share < 0:
        time.sleep(0.005)
    assert job.running
    assert job.doing == "counting"
    job.stop()
    assert job.wait(10).stopped
    assert not job.running
    assert not job.error


def test_a_job_says_in_words_what_went_wrong():
    def work(tell):
        raise ValueError("no particle found, expected some")

    assert Job(work).wait(10).error == "no particle found, expected some"


def test_tabs_are_apart_and_a_reload_finds_its_own():
    tabs = Tabs()
    first, second = tabs.get("tab-one".replace("-", "")).open(), tabs.get("tabtwo").open()
    first.kept["scene"] = Scene(seed=1)
    assert "scene" not in second.kept
    assert tabs.get("tabone").kept["scene"] == Scene(seed=1)
    assert tabs.get("") is not tabs.get("")


def test_work_of_a_closed_tab_stops_but_not_of_one_that_was_reloaded():
    def work(tell):
        while True:
            tell("waiting", 0.0)
            time.sleep(0.01)

    tab = Tabs().get("tabone").open()
    tab.jobs["read"] = job = Job(work)
    tab.open()  # the page is loaded anew before the old one is given up
    tab.close()
    assert not job.wait(0.1).stopped
    tab.close()
    assert job.wait(10).stopped


class Document:
    """Document of a pace whose callbacks are called by hand."""

    def __init__(self):
        self.ticks, self.timers = [], []

    def js_on_event(self, event, told):
        pass

    def add_next_tick_callback(self, told):
        self.ticks.append(told)

    def add_timeout_callback(self, told, ms):
        self.timers.append((told, ms))
        return self.timers[-1]

    def remove_timeout_callback(self, timer):
        self.timers.remove(timer)

    def tick(self):
        """Do what was to be done next; how many there were."""
        due, self.ticks = self.ticks, []
        for told in due:
            told()
        return len(due)


@pytest.fixture
def paced():
    """A document, a pace in it, the sources it fills, and what it was asked for."""
    models = pytest.importorskip("bokeh.models")
    from stemfast.explore.pace import Pace

    document, done = Document(), []
    sources = {name: models.ColumnDataSource({}) for name in ("image", "faces")}

    def draw():
        done.append("image")
        return {"image": {"value": [len(done)]}, "faces": {"x": [1.0, 2.0]}}

    def settle():
        done.append("text")
        return {"image": {"value": [0.5]}}

    return document, Pace(document, sources, draw, settle), sources, done


def test_text_waits_until_a_slider_rests_however_late_its_values_come(paced):
    document, pace, _, done = paced
    for n in range(3):
        pace.want()
        assert document.timers == []
        document.tick()
        time.sleep(0.1)
        pace.seen.data = {"n": [n + 1]}
    ((settle, ms),) = document.timers
    assert ms >= 200
    settle()
    assert done == ["image"] * 3 + ["text"]
    pace.seen.data = {"n": [4]}  # the browser has shown what was sent with the text
    assert (document.timers[1:], document.tick(), len(done)) == ([], 0, 4)


def test_two_images_are_under_way_and_each_is_one_message(paced):
    document, pace, sources, done = paced
    messages = []
    pace.frame.on_change("data", lambda attr, old, new: messages.append(dict(new)))
    for _ in range(5):  # moves of the slider, of which the browser shows none yet
        pace.want()
        document.tick()
    assert done == ["image"] * 2
    pace.seen.data = {"n": [1]}
    document.tick()
    assert done == ["image"] * 3
    pace.seen.data = {"n": [3]}
    assert document.tick() == 0  # nothing moved since
    assert [message["n"] for message in messages] == [[1], [2], [3]]
    assert messages[2]["image"] == [{"value": [3]}]
    assert messages[2]["faces"] == [{"x": [1.0, 2.0]}]
    assert all(source.data == {} for source in sources.values())


def test_after_a_setting_that_makes_nothing_the_next_is_drawn():
    pytest.importorskip("bokeh")
    from stemfast.explore.pace import Pace

    document, answers = Document(), [None, {}, {"image": {"value": [1]}}]
    pace = Pace(document, {}, lambda: answers.pop(0), lambda: None)
    for _ in range(3):
        pace.want()
        assert document.tick() == 1
    assert pace.frame.data["n"] == [1]


def test_grey_levels_that_move_are_those_of_the_image_at_rest():
    pytest.importorskip("bokeh")
    from stemfast.explore.view import ImageRow, greys

    scene = Scene(pixels=64, pixel_size_nm=0.7, film_nm=20)
    taken = scene.take()
    for image in (taken.images, taken.truth.expected_electrons, scene.thickness_nm(taken)):
        low, high = float(image.min()), float(image.max())
        # As bokehjs: models/mappers/linear_color_mapper.ts
        index = np.floor((image.astype(float) - low) * (1 / (high - low)) / (1 / 256))
        assert np.array_equal(greys(image), np.where(image == high, 255, index))
        again = greys(greys(image))
        assert np.array_equal(again, greys(image))
    row = ImageRow(("one", "other"), ("nm", "counts"))
    first, second = greys(taken.images), greys(scene.thickness_nm(taken))
    assert set(row.news(first, second)) == {"image0", "image1"}
    assert set(row.news(first, second[::-1])) == {"image1"}  # what is as it was is not sent
    assert set(row.news(taken.images, second[::-1])) == {"image0"}
    assert set(row.news(taken.images, second[::-1], pixel_size=2.0)) == {"image0", "image1"}


def test_a_port_that_is_taken_gives_the_next():
    pytest.importorskip("bokeh")
    from stemfast.explore.server import HOST, free_port

    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        taken = other.getsockname()[1]
        assert taken < free_port(taken) < taken + 50
    with pytest.raises(ValueError, match="port is 0, expected 1 to 65535"):
        free_port(0)


def test_a_file_that_is_not_there_is_said_before_anything_starts():
    run = CliRunner().invoke(app, ["explore", "nowhere.dm4"])
    assert run.exit_code == 2
    assert "there is no file nowhere.dm4" in run.output


def test_without_the_extra_the_command_says_what_to_install():
    code = (
        "import sys; sys.modules['bokeh'] = None; sys.argv = ['stemfast', 'explore']; "
        "from stemfast.cli import main; main()"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 2
    assert 'pip install "stemfast[explore]"' in run.stderr


def test_a_reconstruction_is_asked_for_as_on_the_command_line():
    asked = Asked(
        (Path("a.dm3"),),
        tilts_deg=degrees("-40 0, 40"),
        tilt_axis_deg=90.0,
        views=3,
        family="truncated cube",
    )
    words = shlex.split(reconstruct_command(asked))[1:]
    command = typer.main.get_command(app).commands["reconstruct"]
    given = command.make_context("reconstruct", words[1:]).params
    assert given["tilt"] == [-40, 0, 40]
    assert (given["tilt_axis_deg"], given["views"]) == (90, 3)
    assert given["family"] == ["truncated cube"]
    with pytest.raises(ValueError, match="tilts are 'flat', expected degrees such as"):
        degrees("flat")
    with pytest.raises(ValueError, match="tilts are given and poses are said to be unknown"):
        solve(replace(asked, unknown_poses=True), quiet)


@pytest.mark.parametrize(("opens", "said"), [(True, ""), (False, "no browser was found")])
def test_the_command_prints_the_address_and_says_what_it_could_not_have(monkeypatch, opens, said):
    pytest.importorskip("bokeh")

    class Server:
        port, address = 5007, "http://127.0.0.1:5007/?token=word"

        def __init__(self, files, port):
            assert (files, port) == ([], 5006)

        def run(self, started):
            started()

    monkeypatch.setattr("stemfast.explore.server.Explorer", Server)
    monkeypatch.setattr("webbrowser.open", lambda address: opens)
    run = CliRunner().invoke(app, ["explore"])
    assert run.exit_code == 0
    assert "port 5006 is taken, using 5007" in run.output
    assert "explorer at http://127.0.0.1:5007/?token=word" in run.output
    assert said in run.output
    assert ("no browser" in run.output) == bool(said)
