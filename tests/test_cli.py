"""The command line as its users meet it: help, results, mistakes."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest
import typer

from stemfast.cli import app
from stemfast.cli.particle import Shape, build, pose
from stemfast.image import files as image_file
from stemfast.studies.match_trial import Trial
from stemfast.studies.record import Record

COMMANDS = ["info", "simulate", "gallery", "demo", "classify", "report"]


def test_help_lists_every_command(stemfast):
    result = stemfast("--help")
    assert result.exit_code == 0
    for command in COMMANDS:
        assert command in result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(stemfast, command):
    result = stemfast(command, "--help")
    assert result.exit_code == 0
    assert f"Example: stemfast {command}" in result.stdout


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("refine", "study fit"),
        ("compare", "study runs"),
        ("train compare", "study transfer"),
        ("train baselines", "study baselines"),
    ],
)
def test_an_old_spelling_works_and_warns_of_the_new_one(stemfast, before, now, tmp_path):
    """Each runs the command, which refuses the words it is given with the same exit code."""
    wrong = {
        "refine": ["nothing"],
        "compare": ["nothing"],
        "train compare": ["--recipe", "nothing", "--out", str(tmp_path / "out")],
        "train baselines": ["nothing"],
    }[before]
    old, new = stemfast(*before.split(), *wrong), stemfast(*now.split(), *wrong)
    assert old.exit_code == new.exit_code == 2
    warning = f"warning: 'stemfast {before}' is now 'stemfast {now}'\n"
    assert old.stderr == warning + new.stderr
    assert new.stderr.startswith("stemfast: ")
    listed = stemfast("study", "--help").stdout
    assert f"│ {now.split()[1]} " in listed
    assert f"│ {before} " not in stemfast("--help").stdout


def test_version(stemfast):
    from importlib.metadata import version

    assert stemfast("--version").stdout.strip() == version("stemfast")


def test_info_says_what_the_core_picked(stemfast):
    from stemfast import _core

    result = stemfast("info")
    assert result.exit_code == 0
    assert np.__version__ in result.stdout
    for name, value in _core.info().items():
        assert name.replace("_", " ") in result.stdout
        if isinstance(value, str | int):
            assert str(value) in result.stdout


def test_python_dash_m_is_the_same_command():
    run = subprocess.run(
        [sys.executable, "-m", "stemfast", "--version"], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip()[0].isdigit()


@pytest.mark.parametrize("ending", image_file.ENDINGS)
def test_simulate_writes_every_format(stemfast, tmp_path, ending):
    result = stemfast("simulate", f"cube{ending}", "--pixels", "40", "48", "--pixel-size-nm", "0.8")
    assert result.exit_code == 0, result.stderr
    assert "Cuboid" in result.stdout
    assert "8000 nm³" in result.stdout
    assert [path.name for path in tmp_path.iterdir()] == [f"cube{ending}"]


def read(path):
    if path.suffix == ".npy":
        return np.load(path), None
    from rsciio import hspy, tiff

    (signal,) = (hspy if path.suffix == ".hspy" else tiff).file_reader(str(path))
    return np.asarray(signal["data"]), [(float(a["scale"]), a["units"]) for a in signal["axes"]]


def test_files_hold_the_values_and_the_scale(stemfast, tmp_path):
    for ending in (".npy", ".tif", ".hspy"):
        stemfast("simulate", f"cube{ending}", "--pixels", "40", "48", "--random", "--seed", "4")
    values, _ = read(tmp_path / "cube.npy")
    assert values.shape == (40, 48)
    assert values.dtype == np.uint16
    for ending in (".tif", ".hspy"):
        same, scale = read(tmp_path / f"cube{ending}")
        np.testing.assert_array_equal(same, values)
        assert scale == [(pytest.approx(0.35), "nm")] * 2


def test_png_spans_black_to_white(stemfast, tmp_path):
    from PIL import Image

    stemfast("simulate", "cube.png")
    with Image.open(tmp_path / "cube.png") as picture:
        grey = np.asarray(picture)
        assert picture.info["pixel_size_nm"] == "0.35"
    assert (grey.min(), grey.max()) == (0, 255)


def test_simulate_is_the_library_call(stemfast, tmp_path):
    from scipy.spatial.transform import Rotation

    import stemfast as sf

    result = stemfast(
        "simulate", "p.npy", "--size", "24,20,16", "--corner", "7:truncate:0.3",
        "--corner", "0:displace:-2", "--material", "Pt", "--turn", "x:30", "--turn", "z:45",
        "--pixels", "64", "72", "--pixel-size-nm", "0.5", "--dwell-us", "3", "--current-pa", "11",
        "--energy-kev", "300", "--probe-nm", "0.7", "--inner-mrad", "70", "--outer-mrad", "180",
        "--film-nm", "3", "--seed", "9", "--contamination", "1.5",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    particle = sf.Cuboid(
        edges=(24, 20, 16),
        corners={7: sf.Truncation(0.3), 0: sf.Displacement(nm=-2)},
        material="Pt",
    )
    microscope = sf.Microscope(
        scan=sf.Scan(shape=(64, 72), pixel_size_nm=0.5, dwell_us=3),
        beam=sf.Beam(energy_kev=300, current_pa=11),
        probe=sf.Probe(fwhm_nm=0.7),
        haadf=sf.Haadf(inner_mrad=70, outer_mrad=180),
        film=sf.Film(thickness_nm=3),
    )
    turned = Rotation.from_euler("z", 45, degrees=True) * Rotation.from_euler("x", 30, degrees=True)
    np.testing.assert_array_equal(
        np.load(tmp_path / "p.npy"),
        sf.simulate(sf.contaminated(particle, 1.5), turned, microscope, seed=9),
    )


@pytest.mark.parametrize("shape", list(Shape))
def test_every_shape_has_a_usual_size_that_fits_the_field(shape):
    particle = build(shape, None, [], "Au")
    assert 7 < particle.bounding_radius < 22.4


def test_sizes_are_full_extents():
    assert build(Shape.SPHERE, "30", [], "Au").bounding_radius == pytest.approx(15)
    assert build(Shape.ELLIPSOID, "30,20,10", [], "Au").bounding_radius == pytest.approx(15)
    assert build(Shape.CUBOID, "3,4,12", [], "Au").bounding_radius == pytest.approx(6.5)


def test_a_random_pose_follows_the_seed():
    poses = [pose([], at_random=True, seed=seed).as_quat() for seed in (1, 1, 2)]
    np.testing.assert_array_equal(poses[0], poses[1])
    assert not np.allclose(poses[0], poses[2])


def test_a_field_that_is_too_small_is_noted(stemfast):
    result = stemfast("simulate", "cube.npy", "--size", "60")
    assert result.exit_code == 0
    assert "wider than the field of 44.8 x 44.8 nm" in result.stderr


MISTAKES = [
    (["simulate", "c.npy", "--pixels", "1000000", "1000000"], "needs 2,000.0 GB"),
    (["simulate", "cube.bmp"], "cube.bmp must end in .png"),
    (["simulate", "nowhere/cube.png"], "the folder nowhere does not exist"),
    (["simulate", "c.npy", "--size", "big"], "--size big: expected a number, got 'big'"),
    (
        ["simulate", "c.npy", "--size", "1,2"],
        "expected an edge, or three, separated by commas, got 2",
    ),
    (["simulate", "c.npy", "--size", "-3"], "-3"),
    (["simulate", "c.npy", "--size", "nan"], "nan"),
    (["simulate", "c.npy", "--material", "Gold"], "'Gold'"),
    (["simulate", "c.npy", "--corner", "7"], "--corner expects CORNER:EDIT:HOW-MUCH"),
    (
        ["simulate", "c.npy", "--corner", "7:bend:1"],
        "expected truncate, displace or round, got 'bend'",
    ),
    (["simulate", "c.npy", "--corner", "8:round:1"], "8"),
    (
        ["simulate", "c.npy", "--corner", "7:round:1", "--corner", "7:truncate:0.1"],
        "same corner twice",
    ),
    (["simulate", "c.npy", "--shape", "sphere", "--corner", "7:round:1"], "the shape is sphere"),
    (["simulate", "c.npy", "--support", "sphere"], "such as sphere:40:SiO2, got 'sphere'"),
    (["simulate", "c.npy", "--support", "plate:0"], "--support plate:0: expected a size above 0"),
    (["simulate", "c.npy", "--contamination", "-1"], "--contamination is -1, expected 0 nm"),
    (["simulate", "c.npy", "--turn", "w:30"], "such as x:30, got 'w:30'"),
    (["simulate", "c.npy", "--turn", "x:ten"], "expected a number, got 'ten'"),
    (["simulate", "c.npy", "--turn", "x:3", "--random"], "exclude each other"),
    (
        ["simulate", "c.npy", "--pixel-size-nm", "0"],
        "--pixel-size-nm: expected a number greater",
    ),
    (["simulate", "c.npy", "--inner-mrad", "300"], "expected inner_mrad < outer_mrad"),
    (["simulate", "c.npy", "--probe-nm", "50"], "narrower than the field"),
    (["classify", "missing.dm4"], "there is no file missing.dm4"),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES)
def test_a_mistake_is_one_line_and_leaves_nothing(stemfast, tmp_path, words, message):
    result = stemfast(*words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.startswith("stemfast: ")
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words", [["--debug", "simulate", "cube.bmp"], ["simulate", "cube.bmp", "--debug"]]
)
def test_debug_shows_the_traceback(stemfast, words):
    result = stemfast(*words)
    assert isinstance(result.exception, ValueError)
    assert "must end in" in str(result.exception)


@pytest.mark.parametrize(
    ("typo", "command"), [("simulte", "simulate"), ("clasify", "classify"), ("galery", "gallery")]
)
def test_a_typo_gets_a_suggestion(stemfast, typo, command):
    result = stemfast(typo)
    assert result.exit_code == 2
    assert f"Did you mean '{command}'?" in result.stderr


def test_a_missing_extra_is_named(stemfast, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rsciio", None)
    result = stemfast("simulate", "cube.tif")
    assert result.exit_code == 2
    assert 'pip install "stemfast[io]"' in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "extras"), [(("gallery", "pictures"), "viz"), (("demo",), "train,io,viz")]
)
def test_all_missing_extras_are_named_before_anything_is_done(
    stemfast, tmp_path, monkeypatch, words, extras
):
    for package in ("flax", "rsciio", "matplotlib"):
        monkeypatch.setitem(sys.modules, package, None)
    result = stemfast(*words)
    assert result.exit_code == 2
    assert f'install them with: pip install "stemfast[{extras}]"' in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "bug", [KeyError("edges"), AttributeError("edges"), ImportError("no", name="stemfast.nothing")]
)
def test_a_bug_is_not_hidden(stemfast, monkeypatch, bug):
    def broken(_):
        raise bug

    monkeypatch.setattr(image_file, "check_path", broken)
    assert stemfast("simulate", "cube.npy").exception is bug


def test_classify_names_the_networks_there_are(stemfast, tmp_path):
    np.save(tmp_path / "particles.npy", np.eye(64, dtype=np.uint16))
    words = ["classify", "particles.npy", "--pixel-size-nm", "0.5", "--model", "nothing"]
    result = stemfast(*words)
    assert result.exit_code == 2
    assert "model is 'nothing', expected a network that comes along (count" in result.stderr
    assert result.stderr.count("\n") == 1
    assert [file.name for file in tmp_path.iterdir()] == ["particles.npy"]


def test_classify_says_that_it_cannot_read_a_file(stemfast, tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    result = stemfast("classify", "notes.txt", "--model", "count")
    assert result.exit_code == 2
    assert "notes.txt: unknown file type" in result.stderr


def test_a_folder_and_a_file_are_not_confused(stemfast, tmp_path):
    (tmp_path / "folder.png").mkdir()
    assert "folder.png is a folder" in stemfast("simulate", "folder.png").stderr
    (tmp_path / "file").touch()
    assert "file is a file" in stemfast("gallery", "file").stderr
    assert "file is a file" in stemfast("gallery", "file", "--only", "fields").stderr


def test_the_gallery_draws_fields_alone(stemfast, tmp_path):
    result = stemfast("gallery", "pictures", "--only", "fields")
    assert result.exit_code == 0, result.stderr
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["fields.png"]


def test_ctrl_c_says_stopped_and_leaves_nothing(stemfast, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "save", interrupted)
    result = stemfast("simulate", "cube.npy")
    assert result.exit_code == 130
    assert result.stderr == "stopped\n"
    assert list(tmp_path.iterdir()) == []


IN_THE_CORE = """
from stemfast.cli import main
sys.argv = ["stemfast", "simulate", "huge.npy", "--pixels", "20000", "20000"]
main()
"""
IN_A_CALL_THAT_NEVER_LOOKS = """
import hashlib
from stemfast.cli import app, main
app.command("busy")(lambda: hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000_000))
sys.argv = ["stemfast", "busy"]
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("busy", [IN_THE_CORE, IN_A_CALL_THAT_NEVER_LOOKS])
def test_ctrl_c_in_the_middle_of_compiled_code(tmp_path, busy):
    # Both take longer than the second after which the signal comes.
    timer = (
        "import os, signal, sys, threading\n"
        "import stemfast.cli\n"  # which takes a while on a busy machine
        "threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", timer + busy], cwd=tmp_path, capture_output=True, text=True
    )
    assert (run.returncode, run.stderr) == (130, "stopped\n")
    assert list(tmp_path.iterdir()) == []


def test_simulate_writes_the_truth(stemfast, tmp_path):
    result = stemfast("simulate", "cube.npy", "--pixels", "40", "48", "--truth", "truth.npz")
    assert "wrote cube.npy and truth.npz" in result.stdout
    with np.load(tmp_path / "truth.npz") as truth:
        assert truth["thickness_nm_Au"].shape == truth["expected_electrons"].shape == (40, 48)
    wrong = stemfast("simulate", "cube.npy", "--truth", "truth.txt")
    assert wrong.exit_code == 2
    assert "truth.txt must end in .npz" in wrong.stderr


def test_every_study_that_prints_a_table_prints_json(stemfast, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one = Trial(0, "sparse", False, False, {"gain": 2.0}, {"gain": 2.1}, {"gain": 0.2}, {}, 1.0)
    record = Record(tmp_path / "known.jsonl", "study match", Trial)
    record.resume({"seed": 0})
    record.append(one)
    done = stemfast("study", "match", "-n", "1", "--out", "known.jsonl", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout) == [asdict(one)]
    assert "| `gain` | 1 of 1 |" in done.stderr
    studies = typer.main.get_command(app).commands["study"].commands
    for name, command in studies.items():
        assert "--json" in [word for option in command.params for word in option.opts], name


def test_find_opens_napari_with_what_was_found_or_says_what_is_missing(
    stemfast, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    rows, cols = np.indices((64, 64))
    spot = np.float32(10 + 40.0 * (np.hypot(rows - 30, cols - 34) < 9))
    np.save("spot.npy", spot)
    words = ("find", "spot.npy", "--pixel-size-nm", "0.5", "--method", "classical", "--napari")
    monkeypatch.setattr("stemfast.finding.layers.find_spec", lambda name: None)
    missing = stemfast(*words)
    assert missing.exit_code == 2
    assert 'napari is not installed: pip install "napari[all]"' in missing.stderr
    assert not (tmp_path / "found").exists()
    seen = []
    viewer = SimpleNamespace(add_layer=seen.append)
    napari = SimpleNamespace(
        Viewer=lambda: viewer,
        layers=SimpleNamespace(Layer=SimpleNamespace(create=lambda *layer: layer)),
        run=lambda: seen.append("shown"),
    )
    monkeypatch.setattr("stemfast.finding.layers.find_spec", lambda name: napari)
    monkeypatch.setitem(sys.modules, "napari", napari)
    assert stemfast(*words).exit_code == 0
    (image, about, kind), (labels, _, other), last = seen
    assert (kind, other, last) == ("image", "labels", "shown")
    assert about["scale"] == (0.5, 0.5)
    assert labels.max() == 1
    assert image.shape == labels.shape == spot.shape
