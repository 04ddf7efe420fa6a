"""The explorer without a browser: what its pages compute and say, its jobs, tabs and address."""

from __future__ import annotations

import base64
import csv
import io
import json
import shlex
import socket
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import typer
from scipy.spatial.transform import Rotation
from typer.testing import CliRunner

import stemfast as sf
from stemfast.cli import app
from stemfast.dataset import stream
from stemfast.explore.job import Job
from stemfast.explore.read.fitting import fit
from stemfast.explore.read.reading import Wanted, merged, named, read, split, up_to_date
from stemfast.explore.read.report import write_page
from stemfast.explore.reconstruct.asked import Asked, degrees, solve
from stemfast.explore.reconstruct.asked import command as reconstruct_command
from stemfast.explore.sets.browsing import (
    Choice,
    chosen,
    mosaic,
    numeric_columns,
    open_set,
    value_range,
)
from stemfast.explore.sets.following import read_run
from stemfast.explore.sets.judged import confusion_png, find_mistakes
from stemfast.explore.simulate.scene import SHAPES, Scene, turned
from stemfast.explore.simulate.words import command_line, not_on_the_command_line, python_code
from stemfast.explore.tab import Tabs
from stemfast.explore.widgets import packed
from stemfast.explore.wireframe import box_corners, wireframe
from stemfast.populations.settings import settings_for
from stemfast.pretrained import save
from untrained import SMALL, by_chance

SCENES = [
    Scene(pixels=48, pixel_size_nm=0.7, corners={7: ("truncate", 0.3), 2: ("displace", -1.5)}),
    Scene(pixels=48, pixel_size_nm=0.7, corners={0: ("round", 4)}, turn_deg=(12.3, -71, 5.5)),
    Scene("sphere", (13,), pixels=48, film_nm=0, material="Pt", turn_deg=(0, 0, 0), seed=3),
    Scene("ellipsoid", (20, 11, 9), pixels=48, pixel_size_nm=0.6, bright_field_mrad=25),
    Scene("hexagonal-prism", (8, 9), pixels=48, energy_kev=100, turn_deg=(0, 40, 20)),
    Scene("truncated-octahedron", (20,), pixels=48, probe_nm=1.3, current_pa=50, dwell_us=2.2),
]


def quiet(doing, share=-1.0):
    """Progress that nobody watches."""


@pytest.fixture(scope="module")
def spheres(tmp_path_factory):
    """Two spheres that touch, and one alone, as a file and as it was read."""
    places = [(-12, -9, 0), (-12, 9, 0), (14, 2, 0)]
    scope = sf.Microscope(scan=sf.Scan(shape=(128, 128), pixel_size_nm=0.5))
    specimen = sf.Specimen([sf.Sphere(r) for r in (9.5, 9.5, 6)], places)
    taken = sf.simulate(specimen, microscope=scope, seed=1, return_truth=True)
    path = taken.image().save(tmp_path_factory.mktemp("read") / "spheres.tif")
    return read(Wanted(path, method="classical"), quiet)


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
        "the support",
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
        ({"dwell_us": float("nan")}, "expected finite numbers, got nan"),
    ],
)
def test_a_scene_that_cannot_be_is_refused_in_words(settings, words):
    with pytest.raises(ValueError, match=words):
        Scene(**settings)


def test_only_particles_that_count_are_saved_and_numbered_anew(spheres, tmp_path):
    small = min(spheres.found, key=lambda one: one.area).label
    narrowed = replace(spheres, sizes=(15.0, 99.0))
    assert narrowed.counts.tolist() == [one.label != small for one in spheres.found]
    folder = replace(spheres, deleted=frozenset({small})).save(tmp_path / "found")
    labels = sf.micrograph.files.read.read_image(folder / "labels.tif").image
    assert sorted(np.unique(labels)) == [0, 1, 2]
    assert np.array_equal(labels > 0, narrowed.chosen().labels > 0)
    rows = list(csv.DictReader((folder / "particles.csv").read_text().splitlines()))
    assert [row["particle"] for row in rows] == ["1", "2"]
    alone = [narrowed.save_table(tmp_path / "one.csv"), narrowed.save_labels(tmp_path / "one.tif")]
    for file, name in zip(alone, ("particles.csv", "labels.tif"), strict=True):
        assert file.read_bytes() == (folder / name).read_bytes()


def test_particles_merged_and_split_by_hand_are_measured_anew(spheres):
    small = min(spheres.found, key=lambda one: one.area)
    large = [one.label for one in spheres.found if one.label != small.label]
    areas = [spheres.found[label - 1].area for label in large]
    one = merged(replace(spheres, corrected={1: "sphere"}), large, quiet)
    assert len(one.found) == 2
    assert not one.corrected
    both = max(one.found, key=lambda one: one.area)
    assert both.area == pytest.approx(sum(areas), rel=0.1)
    again = split(one, both.label, quiet)
    assert len(again.found) == 3
    assert sorted(p.area for p in again.found)[1:] == pytest.approx(areas, rel=0.1)
    kept = min(again.found, key=lambda one: one.area)
    assert kept.confidence == small.confidence


def test_limits_set_while_a_job_runs_hold_for_its_answer(spheres):
    shown = replace(spheres, sizes=(15.0, 99.0), min_confidence=0.2, deleted=frozenset({2}))
    answer = up_to_date(replace(spheres, corrected={1: "sphere"}), shown)
    assert (answer.sizes, answer.min_confidence, answer.deleted) == ((15, 99), 0.2, {2})
    assert answer.corrected
    one = up_to_date(merged(spheres, [1, 2], quiet), shown)
    assert (one.sizes, one.deleted) == ((15, 99), frozenset())
    other = replace(spheres, found=replace(spheres.found, source=replace(spheres.found.source)))
    assert up_to_date(other, shown) is other
    assert up_to_date(spheres, None) is spheres


def test_what_cannot_be_done_by_hand_is_said(spheres):
    small = min(spheres.found, key=lambda one: one.area).label
    with pytest.raises(ValueError, match="choose two or more particles to merge them"):
        merged(spheres, [1], quiet)
    with pytest.raises(ValueError, match=f"particle {small} is narrow nowhere"):
        split(spheres, small, quiet)


def named_by(class_names, reading):
    """Shapes as a network of these classes names them that takes all for the first."""

    class Network:
        reads_portraits = True

        def read(self, views):
            chances = [0.9] + [0.1 / (len(class_names) - 1)] * (len(class_names) - 1)
            return SimpleNamespace(probabilities=np.tile(chances, (len(views), 1)), novelty=None)

    Network.class_names = class_names
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("stemfast.classification.load_model", lambda model: Network())
        return named(reading, "open-shapes", quiet)


def test_shapes_are_named_with_what_the_network_saw_and_corrected_by_hand(spheres, tmp_path):
    told = named_by(("sphere", "cuboid"), spheres)
    assert told.shapes.views.shape[0] == 3
    assert [told.shape(label) for label in (1, 2, 3)] == ["sphere"] * 3
    by_hand = replace(told, corrected={2: "cuboid"}, deleted=frozenset({1}))
    rows = list(
        csv.DictReader((by_hand.save(tmp_path / "found") / "shapes.csv").read_text().splitlines())
    )
    assert [(row["particle"], row["shape"]) for row in rows] == [("1", "cuboid"), ("2", "sphere")]
    assert rows[0]["not_sure_because"] == "by hand"


def test_a_particle_is_fitted_and_the_fit_is_saved_and_reported(spheres, tmp_path):
    small = min(spheres.found, key=lambda one: one.area).label
    fitted = fit(spheres, small, "sphere", "Au", quiet)
    (radius, sd), *_ = fitted.answer.sizes_nm.values()
    assert fitted.answer.explained
    assert radius == pytest.approx(6, abs=4 * sd)
    image = fitted.answer.images[0]
    assert np.corrcoef(image.measured.ravel(), image.expected.ravel())[0, 1] > 0.9
    other = replace(spheres, found=replace(spheres.found))
    assert fitted.into(other) is other
    with pytest.raises(ValueError, match="name the shapes first"):
        write_page(tmp_path, spheres, "open-shapes")
    first = 1 if small != 1 else 2
    shown = named_by(settings_for()[1].class_names, fitted.into(spheres))
    shown = replace(shown, corrected={small: "cuboid"}, deleted=frozenset({first}))
    number = 1 + [n for n in (1, 2, 3) if n != first].index(small)
    page = write_page(tmp_path, shown, "open-shapes")
    assert f"Particle {number}, fitted" in page.read_text()
    content = json.loads((tmp_path / "report.json").read_text())
    counted = {one["shape"]: one["counted"] for one in content["shapes"] if one["counted"]}
    assert counted == {"cuboid": 1, settings_for()[1].class_names[0]: 1}
    assert "the shapes of 1 particles were given by hand" in content["file_list"][0]["notes"]
    with zipfile.ZipFile(io.BytesIO(packed(shown.save(tmp_path / "all")))) as files:
        assert {f"particle-{number}/reconstruct.json", "shapes.csv"} <= set(files.namelist())


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


def test_text_waits_until_a_slider_rests_however_late_its_values_come():
    models = pytest.importorskip("bokeh.models")
    from stemfast.explore.view import Pace

    class Document:
        def __init__(self):
            self.ticks, self.timers = [], []

        def on_event(self, event, told):
            pass

        def add_next_tick_callback(self, told):
            self.ticks.append(told)

        def add_timeout_callback(self, told, ms):
            self.timers.append((told, ms))
            return self.timers[-1]

        def remove_timeout_callback(self, timer):
            self.timers.remove(timer)

    document, done = Document(), []
    source = models.ColumnDataSource({})
    pace = Pace(document, lambda: done.append("image"), lambda: done.append("text"), source)
    for n in range(3):
        pace.want()
        assert document.timers == []
        document.ticks.pop()()
        time.sleep(0.1)
        pace.seen.data = {"n": [n + 1]}
    ((settle, ms),) = document.timers
    assert ms >= 200
    settle()
    assert done == ["image"] * 3 + ["text"]


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
    assert "pip install 'stemfast[explore]'" in run.stderr


@pytest.fixture(scope="module")
def cuboids(tmp_path_factory):
    """A small set of deformed cuboids."""
    folder = tmp_path_factory.mktemp("sets") / "count"
    recipe = sf.recipes.get("count", image_px=32, field_nm=40, particle={"diameter_nm": (6, 12)})
    sf.dataset.write(folder, recipe, seed=4, splits={"train": (0, 60)})
    return open_set(folder)


def test_a_set_is_narrowed_by_label_and_parameter(cuboids):
    assert len(chosen(cuboids, Choice())) == 60
    label = cuboids.class_names[3]
    threes = chosen(cuboids, Choice(label))
    assert len(threes)
    assert set(cuboids.labels[threes]) == {3}
    name = numeric_columns(cuboids)[0]
    low, high = value_range(cuboids, name)
    middle = 0.5 * (low + high)
    below = chosen(cuboids, Choice(column=name, between=(low, middle)))
    above = chosen(cuboids, Choice(column=name, between=(np.nextafter(middle, np.inf), high)))
    assert len(below) + len(above) == 60
    with pytest.raises(ValueError, match="label is 'nine', expected any or one of"):
        chosen(cuboids, Choice("nine"))


def test_a_mosaic_shows_each_image_with_greys_of_its_own():
    images = np.stack([np.eye(3), 7 + 5 * np.eye(3)[::-1], np.zeros((3, 3))])
    seen = mosaic(images, across=2)
    assert np.array_equal(seen[:3, :3], np.eye(3))
    assert np.array_equal(seen[:3, 5:], np.eye(3)[::-1])
    assert not seen[5:, :3].any()


def test_a_run_is_followed_while_its_last_line_is_being_written(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no run: expected metrics.jsonl"):
        read_run(tmp_path)
    (tmp_path / "run.json").write_text('{"experiment": {"images": 512}}')
    assert "nothing is written down yet" in str(read_run(tmp_path))
    lines = '{"images": 128, "loss": 2.0, "accuracy": 0.25}\n{"images": 256, "loss": 1.5'
    (tmp_path / "metrics.jsonl").write_text(lines)
    run = read_run(tmp_path)
    assert run.curves == {"loss": ([128.0], [2.0]), "accuracy": ([128.0], [0.25])}
    assert "128 of 512 (25 %); loss 2, accuracy 0.25" in str(run)


def test_the_images_that_a_run_gets_wrong_are_its_own_test_images(tmp_path):
    trained = by_chance()
    save(tmp_path, trained)
    assert confusion_png(tmp_path) == ""
    found = find_mistakes(tmp_path, 150, quiet)
    recipe = SMALL.make_recipe()
    with stream(recipe, seed=SMALL.seed, batch_size=150, stop=150, split="test") as batches:
        batch = next(batches)
    answer = trained.predict(batch.images).probabilities.argmax(axis=1)
    wrong = np.flatnonzero(answer != batch.labels)
    assert found.read == 150
    assert 75 < len(wrong) < 150
    assert np.array_equal(found.images, batch.images[wrong])
    assert np.array_equal(found.truth, batch.labels[wrong])
    assert np.array_equal(found.answer, answer[wrong])
    numbers = found.of_kind("any")
    assert sorted(numbers) == list(range(len(wrong)))
    assert (np.diff(found.probability[numbers]) <= 0).all()
    kind, words = found.choices()[1]
    assert words == f"{kind} ({len(found.of_kind(kind))})"
    assert {found.kinds[n] for n in found.of_kind(kind).tolist()} == {kind}
    judgement = {
        "class_names": list(found.class_names),
        "confusion": np.eye(9, dtype=int).tolist(),
        "balanced_accuracy": 1.0,
        "images": 9,
    }
    (tmp_path / "evaluation.json").write_text(json.dumps(judgement))
    assert base64.b64decode(confusion_png(tmp_path)).startswith(b"\x89PNG")
    (tmp_path / "evaluation.json").write_text('{"confusion": [[1]]}')
    with pytest.raises(ValueError, match="evaluation.json is damaged"):
        confusion_png(tmp_path)


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
