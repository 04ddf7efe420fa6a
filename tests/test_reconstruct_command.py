"""``stemfast reconstruct``: tilts from the file, table, files, progress, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from typer.testing import CliRunner

import stemfast as sf
from stemfast.cli import app
from stemfast.fit.turns import Turns

TILTS = [-40.0, 0.0, 40.0]
PARTICLE = sf.Cuboid(edges=(14, 12, 10), corners={7: sf.Truncation(0.4)})


def run(*words: object):
    return CliRunner().invoke(app, ["reconstruct", *map(str, words)])


def tilt_series(path, images: np.ndarray, pixel_size_nm: float) -> None:
    """A stack as a microscope writes it: the first axis counts degrees."""
    from rsciio import hspy

    scales = [TILTS[1] - TILTS[0], pixel_size_nm, pixel_size_nm]
    axes = [
        {
            "_type": "UniformDataAxis",
            "name": name,
            "units": unit,
            "size": size,
            "scale": scale,
            "offset": offset,
            "navigate": name == "tilt",
            "is_binned": False,
            "index_in_array": k,
        }
        for k, (name, unit, size, scale, offset) in enumerate(
            zip(
                ("tilt", "y", "x"),
                ("deg", "nm", "nm"),
                images.shape,
                scales,
                (-40.0, 0, 0),
                strict=True,
            )
        )
    ]
    signal = {
        "data": images,
        "axes": axes,
        "metadata": {"General": {"title": "tilts"}, "Signal": {"signal_type": ""}},
        "original_metadata": {},
        "attributes": {"_lazy": False, "ragged": False},
        "package_info": {"package": "stemfast", "package_version": "0"},
        "tmp_parameters": {},
        "learning_results": {},
        "models": {},
    }
    hspy.file_writer(str(path), signal, show_progressbar=False)


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    scope = sf.Microscope(scan=sf.Scan(shape=(48, 48), pixel_size_nm=0.45, dwell_us=15))
    poses = Turns.about_axis(TILTS, axis_deg=90).rotations
    images = sf.simulate(PARTICLE, poses * Rotation.from_rotvec([0.5, 0.4, 0.3]), scope, seed=1)
    path = tmp_path_factory.mktemp("series") / "tilts.hspy"
    tilt_series(path, images, 0.45)
    return path


def test_a_series_of_a_file_comes_out_as_table_and_files(stack, tmp_path):
    out = tmp_path / "found"
    result = run(stack, "--tilt-axis-deg", 90, "--out", out)
    assert result.exit_code == 0, result.output
    assert "deformed corners" in result.stdout
    assert "assumed: material Au" in result.stdout
    assert "proposing shapes" in result.stderr
    assert "frame 2, +40°" in result.stdout
    said = json.loads((out / "reconstruct.json").read_text())
    assert said["explained"]
    assert said["deformed_corners"] == 1
    assert sorted(said["particle"]["edges_nm"]) == pytest.approx([10, 12, 14], rel=0.03)
    assert (out / "particle.stl").stat().st_size > 84
    assert (out / "reconstruct.png").stat().st_size > 10_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["found"]


def test_what_stops_it_leaves_nothing_behind(stack, tmp_path, monkeypatch):
    from stemfast.reconstruction import solve

    def stopped(*words: object, **others: object):
        raise KeyboardInterrupt

    monkeypatch.setattr(solve, "judge", stopped)
    result = run(stack, "--out", tmp_path / "found")
    assert result.exit_code == 130
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["missing.dm3"], "no such file"),
        (["--views", 9], "views: got 9, but tilts.hspy holds 3"),
        (["--index", 7], "index: got 7"),
        (["--tilt", 1, "--tilt", 2], "tilts: got 2"),
        (["--tilt", 1, "--no-tilts"], "--tilt and --no-tilts"),
        (["--material", "Xx"], "material 'Xx'"),
        (["--pixel-size-nm", 0], "--pixel-size-nm"),
        (["--no-tilts", "--tilt-axis-deg", 3], "--tilt-axis-deg: got an axis, but no tilts"),
    ],
)
def test_bad_input_is_one_line(stack, words, message):
    files = [] if words[0] == "missing.dm3" else [stack]
    result = run(*files, *words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_a_folder_that_cannot_be_written_is_refused_first(stack, tmp_path):
    (tmp_path / "taken").write_text("a file")
    for out, message in ((tmp_path / "taken", "is a file"), (tmp_path / "a" / "b", "does not")):
        result = run(stack, "--out", out)
        assert result.exit_code == 2
        assert message in result.stderr
