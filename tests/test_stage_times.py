"""Where an image's time goes on this machine."""

import json

import pytest
from typer.testing import CliRunner

import stemfast as sf
from stemfast.cli import app
from stemfast.simulation import stage_times


def test_the_stages_add_up_to_the_image():
    scope = sf.Microscope(film=sf.Film(thickness_nm=20, roughness_nm=1))
    found = stage_times.measure(scope, sf.Cuboid((9, 8, 7)), images=4, seconds=0.1)
    assert sum(found.stages_us.values()) == pytest.approx(found.image_us)
    assert all(time >= 0 for name, time in found.stages_us.items() if name != "rest")
    assert min(found.image_us, found.all_cores_us, found.stages_us["Poisson"]) > 0


def test_info_times_the_stages():
    result = CliRunner().invoke(app, ["info", "--bench"])
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    for stage in ("chords", "film", "contrast", "blur", "Poisson", "read-out", "rest"):
        assert any(words[:1] == [stage] and words[2] == "us" for words in lines)
    assert sum(words[-1:] == ["images/s"] for words in lines) == 2


def test_info_gives_the_stages_as_json(monkeypatch):
    times = stage_times.StageTimes({"blur": 2.0, "rest": 1.0}, image_us=3.0, all_cores_us=2.0)
    monkeypatch.setattr(stage_times, "measure", lambda *_: times)
    result = CliRunner().invoke(app, ["info", "--bench", "--json"])
    known = json.loads(result.stdout)
    assert (known["stages_us"], known["image_us"]) == ({"blur": 2.0, "rest": 1.0}, 3.0)
    assert "best of some seconds" in result.stderr
