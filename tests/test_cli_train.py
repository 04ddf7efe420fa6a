"""The commands train, evaluate and predict: what they print, write and refuse."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from stemfast import pretrained
from stemfast.cli import app
from stemfast.pretrained.prediction_sets import calibrate
from untrained import SMALL, by_chance

pytestmark = pytest.mark.usefixtures("quickly_compiled")


def stemfast(*words: object) -> tuple[int, str]:
    ended = CliRunner().invoke(app, [str(word) for word in words])
    return ended.exit_code, ended.output


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A network that was never trained, with the records that a run leaves."""
    folder = tmp_path_factory.mktemp("network") / "small"
    pretrained.save(folder, by_chance(temperature=1.3))
    return folder


def test_experiments_are_listed():
    code, said = stemfast("train")
    assert code == 0
    assert "count" in said
    assert "pairs-cuboid" in said


def test_train_writes_and_resumes(tmp_path):
    out = tmp_path / "run"
    sets = ["images=40", "batch_size=20", "image_px=32", "model.widths=[8]", "model.blocks=1"]
    sets += ["validation_images=12", "test_images=12", "evaluations=1", "recipe=shapes"]
    words = [word for change in sets for word in ("--set", change)]
    code, said = stemfast("train", "shapes", "--out", out, *words)
    assert code == 0, said
    assert "balanced accuracy" in said
    assert json.loads((out / "run.json").read_text())["experiment"]["images"] == 40
    before = (out / "weights.safetensors").read_bytes()
    code, said = stemfast("train", "shapes", "--out", out, "--resume")
    assert code == 0, said
    assert (out / "weights.safetensors").read_bytes() == before
    assert stemfast("train", "shapes", "--out", out)[0] == 2
    code, said = stemfast("train", "shapes", "--out", out, "--resume", "--set", "images=80")
    assert code == 2
    assert "run.json" in said


def test_a_stopped_run_says_how_to_go_on(tmp_path, monkeypatch):
    out = tmp_path / "run"

    def stopped(*_, **__):
        out.mkdir()
        (out / "run.json").write_text("{}")
        raise KeyboardInterrupt

    monkeypatch.setattr("stemfast.training.by_name.train", stopped)
    code, said = stemfast("train", "count", "--out", out)
    assert code == 130
    assert f"stopped; to go on: stemfast train count --out {out} --resume\n" in said


def test_evaluate_prints_and_writes(network, tmp_path):
    code, said = stemfast("evaluate", network, "-n", 18, "--out", tmp_path / "out")
    assert code == 0, said
    assert "%" in said
    assert "within one" in said
    written = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert (written["images"], written["temperature"]) == (18, 1.3)
    assert sorted(item.name for item in (tmp_path / "out").iterdir()) == [
        "confusion.png",
        "evaluation.json",
        "reliability.png",
    ]


def test_evaluate_changes_the_images(network, tmp_path):
    words = ["--conditions", "hard", "--spin", "--set", "imaging.signal_e_px=[9, 9]"]
    code, said = stemfast("evaluate", network, "-n", 9, "--out", tmp_path, *words)
    assert code == 0, said
    recipe = json.loads((tmp_path / "evaluation.json").read_text())["recipe"]
    assert (recipe["conditions"], recipe["spin"]) == ("hard", True)
    assert recipe["imaging"]["signal_e_px"] == [9, 9]
    assert recipe["image_px"] == 32


def test_evaluate_judges_a_finder_on_fields(tmp_path):
    code, said = stemfast("evaluate", "finder", "-n", 1, "--out", tmp_path / "found")
    assert code == 0
    assert "AP50" in said
    found = json.loads((tmp_path / "found" / "evaluation.json").read_text())
    assert found["fields"] == 1
    assert 0.0 <= found["ap50"] <= 1.0
    assert found["seed"] == pretrained.load_pretrained("finder").card["experiment"]["seed"]


def test_predict_writes_a_table(network, tmp_path):
    images = SMALL.make_recipe().sample(seed=1, start=0, stop=3).simulate()
    np.save(tmp_path / "images.npy", images)
    code, said = stemfast("predict", network, tmp_path / "images.npy")
    assert code == 0, said
    rows = [line.split(",") for line in said.splitlines()]
    assert rows[0] == ["file", "image", "class", *map(str, range(9))]
    assert [row[1] for row in rows[1:]] == ["0", "1", "2"]
    assert all(abs(sum(map(float, row[3:])) - 1) < 1e-3 for row in rows[1:])
    out = tmp_path / "table.csv"
    words = ["predict", network, tmp_path / "images.npy", "--out", out, "--min-probability", 1]
    assert stemfast(*words)[0] == 0
    assert out.read_text().count("not sure") == 3
    assert stemfast(*words)[0] == 2  # it is there already


def test_predict_resamples_and_says_how(network, tmp_path):
    fine = SMALL.make_recipe().replace(image_px=64).sample(seed=1, start=0, stop=3).simulate()
    np.save(tmp_path / "fine.npy", fine)
    code, said = stemfast("predict", network, tmp_path / "fine.npy", "--pixel-size", 0.5)
    assert code == 0, said
    assert "images of 64 × 64 px at 0.5 nm were averaged over areas to 1 nm" in said
    assert len([line for line in said.splitlines() if "fine.npy," in line]) == 3
    code, said = stemfast("predict", network, tmp_path / "fine.npy", "--pixel-size", -1)
    assert code == 2
    assert "--pixel-size is -1" in said


def test_predict_takes_the_pixel_size_that_a_data_set_says(network, tmp_path):
    from stemfast import dataset

    fine = SMALL.make_recipe().replace(image_px=64)
    dataset.write(tmp_path / "fine", fine, seed=1, splits={"test": (0, 3)})
    code, said = stemfast("predict", network, tmp_path / "fine")
    assert code == 0, said
    assert "at 0.5 nm were averaged over areas to 1 nm" in said


def test_predict_writes_sets_of_classes(network, tmp_path):
    images = SMALL.make_recipe().sample(seed=1, start=0, stop=3).simulate()
    np.save(tmp_path / "images.npy", images)
    code, said = stemfast("predict", network, tmp_path / "images.npy", "--sets", 0.9)
    assert code == 2
    assert "add_prediction_sets" in said
    rng = np.random.default_rng(0)
    known = calibrate(rng.dirichlet(np.ones(9), 300), rng.integers(9, size=300))
    with_sets = replace(pretrained.load(network), set_thresholds=known)
    pretrained.save(tmp_path / "network", with_sets)
    words = ["predict", tmp_path / "network", tmp_path / "images.npy", "--sets", 0.9]
    code, said = stemfast(*words)
    assert code == 0, said
    rows = [line.split(",") for line in said.splitlines()]
    assert rows[0][-1] == "set_90"
    sets = with_sets.prediction_sets(images, 0.9)
    for row, own in zip(rows[1:], sets, strict=True):
        assert row[-1] == "|".join(
            name for name, held in zip("012345678", own, strict=True) if held
        )
    code, said = stemfast(*words[:-1], 1.5)
    assert code == 2
    assert "coverage is 1.5, expected a number of 0.5" in said


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.ones((2, 16, 16)), "expected \\(N, 32, 32\\)"),
        (np.zeros((2, 32, 32)), "everywhere"),
        (np.full((1, 32, 32), np.nan), "NaN"),
        (np.ones((1, 32, 32), complex), "complex"),
    ],
)
def test_predict_refuses_what_the_network_cannot_read(network, tmp_path, content, message):
    import re

    np.save(tmp_path / "bad.npy", content)
    code, said = stemfast("predict", network, tmp_path / "bad.npy")
    assert code == 2
    assert "bad.npy" in said
    assert re.search(message, said.replace("\n", " "))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("train", "nothing"), "expected one of"),
        (("train", "count", "--set", "colour=3"), "no setting 'colour'"),
        (("train", "count", "--resume", "--out", "nowhere"), "no run to resume"),
        (("evaluate", "nothing"), "neither a folder"),
        (("evaluate", "finder", "--against", "dose"), "--against has no effect on finder"),
        (("evaluate", "finder", "-n", "0"), "-n is 0, expected at least 1"),
        (("predict", "nothing", "x.npy"), "neither a folder"),
        (("predict", "finder", "x.npy"), "use 'stemfast find'"),
        (("predict", "ground-truth", "x.npy"), "use 'stemfast reconstruct'"),
        (("predict", "count", "x.npy"), "there is no such file"),
        (("predict", "count", "x.npy", "--pixel-size", "nan"), "--pixel-size is nan"),
        (("predict", "count", "x.npy", "--sets", "2"), "coverage is 2"),
    ],
)
def test_mistakes_are_answered_in_one_line(words, message):
    code, said = stemfast(*words)
    assert code == 2
    assert message in said
    assert "Traceback" not in said
