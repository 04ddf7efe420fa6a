"""``stemfast train --like``: an experiment with the conditions of a micrograph."""

from __future__ import annotations

from dataclasses import fields

import pytest
from typer.testing import CliRunner

from stemfast import pretrained
from stemfast.cli import app
from stemfast.matching import Conditions, settings_like, write_conditions
from stemfast.matching.estimate import told, untold
from stemfast.training import experiment as experiments
from stemfast.training.by_name import chosen_experiment

KNOWN = {
    "pixel_size": told(0.4, 0.0, "nm"),
    "probe_fwhm": told(0.9, 0.1, "nm"),
    "signal_median": told(80.0, 8.0, "e"),
    "background_variance": told(20.0, 2.0, "e"),
    "diameter_median": told(20.0, 0.5, "nm"),
}


@pytest.fixture
def file(tmp_path):
    rest = {one.name: untold("for a test") for one in fields(Conditions)[2:]}
    conditions = Conditions("hers.dm4", "bright", **(rest | KNOWN))
    return write_conditions(tmp_path / "conditions.toml", conditions)


def test_an_experiment_takes_the_conditions_and_the_shipped_weights(file):
    if "count" not in pretrained.pretrained_names():
        pytest.skip("the weights of count are not installed")
    chosen = chosen_experiment("count", file, ["images=6400"])
    assert chosen.start_from == "count"
    assert chosen.images == 6400
    like = settings_like(file, experiments.get("count").make_recipe())
    assert chosen.recipe_settings == experiments.get("count").recipe_settings | like
    recipe = chosen.make_recipe()
    assert recipe.image_px == 128
    assert recipe.imaging.probe_fwhm_nm == (0.8, 1.0)
    # 20 nm across as seen, 18 as a ball, and up to a quarter more.
    assert recipe.particle_settings.diameter_nm[1] == pytest.approx(0.9 * 25.0)


def test_set_goes_over_the_conditions(file):
    sets = ["recipe.imaging.probe_fwhm_nm=[0.1, 0.2]", "learning_rate=0.002"]
    chosen = chosen_experiment("count", file, sets)
    assert chosen.make_recipe().imaging.probe_fwhm_nm == (0.1, 0.2)
    assert chosen.learning_rate == 0.002
    assert chosen_experiment("count", None, []) == experiments.get("count")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["count"], "none.toml"),
        (["finder"], "--like has no effect on the finder"),
        (["ground-truth"], "single simulated images"),
        (["count", "--resume"], "--like cannot change a run that is resumed"),
    ],
)
def test_what_cannot_be_meant_is_refused(words, message, tmp_path):
    missing = str(tmp_path / "none.toml")
    result = CliRunner().invoke(app, ["train", *words, "--like", missing])
    assert result.exit_code != 0
    assert message in str(result.output) + str(result.exception)
