"""Results on the command line for programs, and messages that name options."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("skimage", reason="needs scikit-image, the extra [io]")


@pytest.fixture
def cube(stemfast):
    """A picture that `simulate` wrote, with its scale."""
    words = ("--size", "20,16,12", "--pixel-size-nm", "0.4")
    assert stemfast("simulate", "cube.png", *words).exit_code == 0
    return "cube.png"


def test_a_picture_of_simulate_is_read_with_its_scale_and_found_as_json(stemfast, cube):
    result = stemfast("find", cube, "--method", "classical", "--json")
    [row] = json.loads(result.stdout)
    assert (row["file"], row["particle"], row["unit"]) == (cube, 1, "nm")
    assert row["area_nm2"] == pytest.approx(row["area_px2"] * 0.16)
    assert "1 particle, bright, 0.4 nm/px from the file" in result.stderr
    assert "1 whole particle:" in result.stderr

    words = stemfast("find", cube, "--method", "classical")
    assert "1 whole particle:" in words.stdout


def test_features_as_json_have_null_where_there_is_no_value(stemfast, cube):
    result = stemfast("features", cube, "--method", "classical", "--json")
    [row] = json.loads(result.stdout)
    assert row["volume_nm3"] is None
    assert row["n_vertices"] >= 4
    assert "no volumes" in result.stderr


def test_info_as_json(stemfast):
    rows = json.loads(stemfast("info", "--json").stdout)
    assert {"stemfast", "python", "numpy", "threads"} <= rows.keys()


def test_each_network_has_a_folder_of_its_own(stemfast, cube, monkeypatch):
    from stemfast import classification

    class Said(list):
        table = ({"particle": 1},)

    folders = []
    monkeypatch.setattr(
        classification, "classify", lambda *_, out, **__: folders.append(out) or Said()
    )
    for model in ("open-shapes", "count", "runs/mine"):
        result = stemfast("classify", cube, "--model", model, "--json")
        assert json.loads(result.stdout) == [{"particle": 1}]
    assert [str(folder) for folder in folders] == ["cube-shapes", "cube-count", "cube-mine"]


def test_a_warning_is_one_line_without_code(tmp_path):
    import subprocess
    import sys

    words = ["simulate", "bright.npy", "--current-pa", "500000", "--pixels", "16", "16"]
    run = subprocess.run(
        [sys.executable, "-m", "stemfast", *words], cwd=tmp_path, capture_output=True, text=True
    )
    assert run.returncode == 0
    [line] = [line for line in run.stderr.splitlines() if "clipped" in line]
    assert line.startswith("warning: clipped 256 pixels")
    assert ".py" not in run.stderr
    assert "sf.simulate" not in run.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["classify", "a.npy", "--min-probability", "3"], "--min-probability is 3.0, expected"),
        (["classify", "a.npy", "--model", "cout"], "--model is 'cout'.*did you mean count?"),
        (["find", "a.npy", "--contrast", "brigt"], "--contrast is 'brigt'.*did you mean bright?"),
        (["simulate", "a.png", "--shape", "cube"], "--shape is 'cube'.*did you mean cuboid?"),
        (["simulate", "a.png", "--energy-kev", "200000"], "--energy-kev: expected a number"),
        (["simulate", "a.png", "--probe-nm", "-1"], "--probe-nm: expected"),
        (["simulate", "a.png", "--bright-field-mrad", "-1"], "--bright-field-mrad: expected"),
        (["train", "cont"], "experiment is 'cont'.*did you mean count?"),
        (["train", "count", "--resume", "--set", "a=3"], "--set cannot change a run"),
        (["train", "count", "--with", "images"], "--with is for the finder"),
    ],
)
def test_a_mistake_names_the_option_and_the_nearest_word(stemfast, tmp_path, words, message):
    import re

    import numpy as np

    np.save(tmp_path / "a.npy", np.eye(32))
    result = stemfast(*words)
    assert result.exit_code == 2
    assert re.search(message.replace("?", r"\?"), result.stderr), result.stderr
    assert "Traceback" not in result.stderr
    assert '.py"' not in result.stderr
