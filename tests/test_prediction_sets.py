"""Sets of classes with a stated coverage."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from stemfast.pretrained import TrainedClassifier, load, save
from stemfast.pretrained.prediction_sets import COVERAGES, SetThresholds, calibrate
from stemfast.training import Experiment
from stemfast.training.experiment import ModelSettings
from stemfast.training.learnt_range import add_sets_to
from stemfast.training.portraits import run as portraits
from stemfast.training.portraits.experiment import PortraitExperiment
from stemfast.training.portraits.sitters import CLASS_NAMES
from untrained import by_chance, undecided

SMALL = Experiment(
    name="small", recipe="shapes", image_px=32, images=64, validation_images=300, seed=5
)


def answers(n: int, seed: int, classes: int = 5):
    """Probabilities of a network that is often wrong and too sure, and the truth."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=n)
    logits = rng.normal(size=(n, classes)) + 1.5 * np.eye(classes)[labels]
    chances = np.exp(3.0 * logits)
    return chances / chances.sum(axis=1, keepdims=True), labels


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.95, 0.99])
def test_sets_hold_the_truth_as_often_as_they_say(coverage):
    known = calibrate(*answers(4000, seed=1))
    chances, labels = answers(20_000, seed=2)
    held = known.sets(chances, coverage)[np.arange(len(labels)), labels].mean()
    # Of 4000 and 20,000 images; four standard deviations, a false alarm in 16,000.
    spread = np.sqrt(coverage * (1 - coverage) * (1 / 4000 + 1 / 20_000))
    assert held == pytest.approx(coverage, abs=4 * spread + 1 / 4000)


def test_more_coverage_never_takes_a_class_away():
    known = calibrate(*answers(1000, seed=3))
    chances, _ = answers(200, seed=4)
    sets = [known.sets(chances, share) for share in COVERAGES]
    assert all((larger >= smaller).all() for smaller, larger in itertools.pairwise(sets))


def test_coverages_in_between_are_rounded_up():
    known = calibrate(*answers(1000, seed=3))
    assert known.least(0.901) == known.least(0.91) < known.least(0.9)


def test_thresholds_survive_the_disk_and_old_networks_load_without(tmp_path):
    trained = undecided(SMALL)
    save(tmp_path, trained)
    old = load(tmp_path)
    assert old.set_thresholds is None
    assert "prediction_sets" not in json.loads((tmp_path / "config.json").read_text())
    with pytest.raises(ValueError, match="add_prediction_sets"):
        old.prediction_sets(np.eye(32)[None])
    before = (tmp_path / "weights.safetensors").read_bytes()
    made = add_sets_to(tmp_path)
    known = load(tmp_path)
    assert known.set_thresholds == made
    assert (tmp_path / "weights.safetensors").read_bytes() == before
    assert (known.card, known.temperature) == (old.card, old.temperature)
    images = SMALL.make_recipe().sample(1, 0, 6).simulate()
    sets = known.prediction_sets(images, 0.9)
    assert (sets.shape, sets.dtype) == ((6, 3), bool)
    # Whatever it sees, it finds all three as likely: no set can leave one out.
    assert sets.all()


def test_a_network_of_portraits_gets_its_thresholds_too(tmp_path):
    small = PortraitExperiment(
        name="small",
        images=64,
        validation_images=210,
        model=ModelSettings(variant="plain", widths=(4,), blocks=1),
        recipe_settings={"rows": 128, "columns": 128, "diameter_px": (12.0, 20.0)},
    )
    model = small.make_model(small.make_recipe())
    card = {"experiment": small.model_dump(mode="json"), "portraits": True}
    save(tmp_path, TrainedClassifier(model, CLASS_NAMES, card=card))
    made = portraits.add_sets_to(tmp_path)
    assert load(tmp_path).set_thresholds == made
    assert made.images == 210


def test_few_validation_images_give_no_thresholds(tmp_path):
    assert calibrate(*answers(199, seed=0)) is None
    save(tmp_path, undecided(SMALL.model_copy(update={"validation_images": 20})))
    with pytest.raises(ValueError, match="20 images, expected at least 200"):
        add_sets_to(tmp_path)


@pytest.mark.parametrize(
    ("coverage", "error"),
    [(0.2, ValueError), (1.0, ValueError), (float("nan"), ValueError), ("0.9", TypeError)],
)
def test_a_coverage_out_of_range_is_refused(coverage, error):
    known = calibrate(*answers(300, seed=0))
    with pytest.raises(error, match="coverage is"):
        known.least(coverage)


@pytest.mark.parametrize(
    "stored",
    [
        None,
        {},
        {"images": 300, "coverages": [0.9, 0.8], "least_probabilities": [0.1, 0.2]},
        {"images": 300, "coverages": [0.8, 0.9], "least_probabilities": [0.1, 0.2]},
        {"images": 300, "coverages": [0.8], "least_probabilities": [float("nan")]},
        {"images": 300, "coverages": [0.8], "least_probabilities": ["much"]},
        {"images": 300, "coverages": [], "least_probabilities": []},
    ],
)
def test_thresholds_that_are_none_are_refused(stored):
    with pytest.raises(ValueError, match=r"thresholds of prediction sets"):
        SetThresholds.of_dict(stored)


def test_a_network_with_damaged_thresholds_is_refused(tmp_path):
    from stemfast.pretrained.store import sealed_text

    save(tmp_path, by_chance())
    config = json.loads((tmp_path / "config.json").read_text())
    config.pop("config_sha256")
    (tmp_path / "config.json").write_text(sealed_text(config | {"prediction_sets": {"a": 1}}))
    with pytest.raises(ValueError, match="wrong prediction_sets"):
        load(tmp_path)
