"""Training: what it starts from, that it learns, that it repeats, what it refuses; and metrics."""

from __future__ import annotations

import itertools
import json
import math
import re
import shutil
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from stemfast import pretrained, training
from stemfast.evaluation.metrics import balanced_interval, calibration_error, wilson_interval
from stemfast.models import Classifier, ClassifierConfig, logits, probabilities
from stemfast.pretrained import TrainedClassifier, store
from stemfast.training import TrainingSettings, checkpoint
from stemfast.training.augment import apply_symmetry, random_symmetry
from stemfast.training.step import make_step

pytestmark = pytest.mark.usefixtures("quickly_compiled")

SIDE = 16
NAMES = ("disc", "ring")
FAST = TrainingSettings(epochs=2, batch_size=16, seed=5)


def discs_and_rings(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    radius = np.hypot(x, y)
    labels = np.arange(n) % 2
    outer = rng.uniform(5, 7, n)
    inner = np.where(labels == 1, 0.6 * outer, 0.0)
    clean = (radius < outer[:, None, None]) & (radius >= inner[:, None, None])
    return rng.poisson(10 + 50 * clean).astype(np.uint16), labels


def network(seed: int = 0, classes: int = 2) -> Classifier:
    config = ClassifierConfig(n_classes=classes, image_shape=(SIDE, SIDE), widths=(4, 8))
    return Classifier(config, rngs=nnx.Rngs(seed))


def weights(model: Classifier) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(nnx.state(model, nnx.Param))]


@pytest.mark.parametrize("classes", [2, 7])
def test_the_first_loss_is_the_logarithm_of_the_number_of_classes(classes):
    images, _ = discs_and_rings(16)
    state, step = make_step(network(classes=classes), FAST, total_steps=10)
    batch = jnp.asarray(images, jnp.float32)[..., None]
    _, seen = step(state, batch, jnp.arange(16) % classes)
    assert float(seen.loss) == pytest.approx(math.log(classes), abs=1e-6)


def test_one_batch_can_be_learnt_by_heart():
    images, _ = discs_and_rings(16)
    labels = np.random.default_rng(2).integers(0, 2, 16)  # nothing to understand, only to remember
    settings = TrainingSettings(
        epochs=150, batch_size=16, learning_rate=1e-2, symmetries=False, weight_decay=0, seed=1
    )
    model = network()
    records = training.fit(model, images, labels, settings)
    assert records[-1]["loss"] < 0.05
    assert (logits(model, images).argmax(axis=1) == labels).all()


def test_what_was_learnt_holds_for_new_images():
    model = network()
    settings = TrainingSettings(epochs=12, batch_size=16, learning_rate=1e-2, seed=3)
    training.fit(model, *discs_and_rings(160), settings)
    images, labels = discs_and_rings(200, seed=9)
    assert (logits(model, images).argmax(axis=1) == labels).mean() > 0.95


def test_training_repeats_itself_and_the_seed_matters():
    def trained(seed: int) -> list[np.ndarray]:
        model = network()
        training.fit(
            model, *discs_and_rings(40), TrainingSettings(epochs=2, batch_size=16, seed=seed)
        )
        return weights(model)

    first, again, other = trained(5), trained(5), trained(6)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_progress_is_written_down_line_by_line(tmp_path):
    log = tmp_path / "training.jsonl"
    log.write_text("what an earlier run left\n")
    data = discs_and_rings(40)
    records = training.fit(network(), *data, FAST, validation=data, log_path=log)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert lines == records
    assert [line["epoch"] for line in lines] == [1, 2]
    assert [line["step"] for line in lines] == [2, 4]  # 40 images fill two batches of 16
    assert {"validation_loss", "validation_accuracy", "images_per_s"} <= set(lines[0])


def test_training_without_a_terminal_is_never_silent_for_long(monkeypatch, capsys):
    monkeypatch.setattr("stemfast.training.log.SILENT_S", 0.0)
    training.fit(network(), *discs_and_rings(40), FAST, title="discs")
    told = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in told] == ["discs: epoch 1 of 2", "discs: epoch 2 of 2"]


def test_validation_does_not_influence_training():
    with_it, without = network(), network()
    training.fit(with_it, *discs_and_rings(32), FAST, validation=discs_and_rings(8, seed=4))
    training.fit(without, *discs_and_rings(32), FAST)
    assert all(
        np.array_equal(a, b) for a, b in zip(weights(with_it), weights(without), strict=True)
    )


def test_a_loss_that_is_not_finite_stops_and_leaves_the_model_alone():
    model = network()
    model.head.bias[...] = jnp.full(2, jnp.nan)
    before = weights(model)
    with pytest.raises(FloatingPointError, match=r"nan in epoch 1, step 1.*learning_rate"):
        training.fit(model, *discs_and_rings(32), FAST)
    after = weights(model)
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(before, after, strict=True))


IMAGES, LABELS = discs_and_rings(32)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (IMAGES[:8], LABELS[:8], "at least one batch of batch_size = 16"),
        (IMAGES[:, :8], LABELS, "expected"),
        (IMAGES, LABELS[:9], "one per image"),
        (IMAGES, LABELS.astype(float), "integers"),
        (IMAGES, LABELS + 1, "reach from 1 to 2, expected 0 … 1"),
        (np.full_like(IMAGES, 3), LABELS, "everywhere"),
    ],
)
def test_bad_training_data_is_refused(images, labels, message):
    with pytest.raises(ValueError, match=message):
        training.fit(network(), images, labels, FAST)


def test_symmetries_need_square_images():
    config = ClassifierConfig(n_classes=2, image_shape=(16, 20), widths=(4,))
    images = np.random.default_rng(0).normal(size=(16, 16, 20))
    with pytest.raises(ValueError, match="square"):
        training.fit(Classifier(config, rngs=nnx.Rngs(0)), images, np.arange(16) % 2, FAST)


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"learning_rate": 0}, {"ema_decay": 1.0}, {"momentum": 0.9}]
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TrainingSettings(**wrong)


def test_the_eight_symmetries_are_the_dihedral_group():
    image = np.random.default_rng(0).normal(size=(1, 5, 5, 1)).astype(np.float32)
    moved = np.asarray(apply_symmetry(jnp.repeat(image, 8, axis=0), jnp.arange(8)))[..., 0]
    turned = [np.rot90(image[0, ..., 0], k) for k in range(4)]
    expected = turned + [turn.T for turn in turned]
    assert all(any(np.array_equal(m, e) for m in moved) for e in expected)
    assert not any(np.array_equal(a, b) for a, b in itertools.combinations(moved, 2))


def test_the_eight_symmetries_are_drawn_evenly():
    # Chi-square of 8 equally likely outcomes, 7 degrees of freedom, two-sided false alarm 1e-4:
    # the 5e-5 and 1 - 5e-5 quantiles are 0.177 and 31.4.
    image = jnp.arange(4.0).reshape(1, 2, 2, 1)
    drawn = np.asarray(random_symmetry(jax.random.key(0), jnp.repeat(image, 4000, axis=0))[0])
    _, counts = np.unique(drawn.reshape(4000, 4), axis=0, return_counts=True)
    assert len(counts) == 8
    assert 0.177 < ((counts - 500) ** 2 / 500).sum() < 31.4


def saved(tmp_path):
    model = network(seed=4)
    model.head.kernel[...] = jnp.asarray(np.random.default_rng(0).normal(size=(16, 2)), jnp.float32)
    pretrained.save(tmp_path / "net", TrainedClassifier(model, NAMES, 1.7, {"recipe": "test"}))
    return tmp_path / "net", model


def test_a_saved_network_answers_as_before(tmp_path):
    folder, model = saved(tmp_path)
    back = pretrained.load(folder, class_names=NAMES)
    images, _ = discs_and_rings(6)
    expected = probabilities(model, images, temperature=1.7)
    assert np.array_equal(back.probabilities(images), expected)
    assert (back.class_names, back.temperature, back.card) == (NAMES, 1.7, {"recipe": "test"})
    assert sorted(file.name for file in folder.iterdir()) == ["config.json", "weights.safetensors"]


def change_config(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(store.sealed_text(config | changes))


def test_damaged_or_foreign_networks_are_refused(tmp_path):
    folder, model = saved(tmp_path)
    with pytest.raises(ValueError, match="expected \\('cube', 'ball'\\)"):
        pretrained.load(folder, class_names=("cube", "ball"))
    with pytest.raises(FileNotFoundError, match="no trained network"):
        pretrained.load(tmp_path)
    change_config(folder, format_version=1)
    with pytest.raises(ValueError, match="format_version 1"):
        pretrained.load(folder)
    change_config(folder, format_version=3, architecture=model.config.model_dump() | {"blocks": 2})
    with pytest.raises(ValueError, match="do not fit the architecture"):
        pretrained.load(folder)
    content = bytearray((folder / "weights.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "weights.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match="SHA-256 differs"):
        pretrained.load(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(ValueError, match="not JSON"):
        pretrained.load(folder)


def test_a_network_with_the_wrong_number_of_names_is_refused():
    with pytest.raises(ValueError, match="expected 2 names"):
        TrainedClassifier(network(), ("one", "two", "three"))


@pytest.mark.parametrize("p", [0.5, 0.97])
def test_wilson_intervals_cover_the_truth_as_often_as_they_say(p):
    # 4000 experiments: the standard error of the coverage is 0.35 %; three of those, two-sided,
    # and 1.5 % for the steps of a discrete distribution. False alarms with this seed: none.
    hits = np.random.default_rng(8).binomial(200, p, size=4000)
    covered = [low <= p <= high for low, high in (wilson_interval(int(k), 200) for k in hits)]
    assert 0.925 < np.mean(covered) < 0.975


@pytest.mark.parametrize(("correct", "total"), [(0, 5), (5, 5)])
def test_wilson_intervals_stay_inside_at_the_ends(correct, total):
    low, high = wilson_interval(correct, total)
    assert 0 <= low < high <= 1


@pytest.mark.parametrize(("correct", "total"), [(6, 5), (-1, 5), (0, 0)])
def test_impossible_counts_are_refused(correct, total):
    with pytest.raises(ValueError, match="expected 0 <= correct <= total"):
        wilson_interval(correct, total)


def test_balanced_accuracy_weighs_classes_alike():
    table = np.array([[0.9, 0.1]] * 90 + [[0.9, 0.1]] * 5 + [[0.1, 0.9]] * 5)
    result = training.evaluate(table, [0] * 90 + [1] * 10, NAMES)
    assert result.accuracy == pytest.approx(0.95)
    assert result.balanced_accuracy == pytest.approx(0.75)
    assert result.confusion.tolist() == [[90, 0], [5, 5]]
    low, high = result.balanced_interval
    assert low < 0.75 < high
    assert str(result).startswith("95.0 % of 100 images right")
    json.dumps(result.to_dict())


def test_the_balanced_interval_narrows_with_the_number_of_images():
    few, many = (np.diff(balanced_interval(n * np.array([[9, 1], [2, 8]])))[0] for n in (10, 1000))
    assert many == pytest.approx(few / 10, rel=0.1)


def test_calibration_error_and_temperature_see_overconfidence():
    rng = np.random.default_rng(4)
    table = rng.normal(size=(20_000, 3))
    chances = np.exp(table) / np.exp(table).sum(axis=1, keepdims=True)
    labels = (rng.random(20_000)[:, None] > chances.cumsum(axis=1)).sum(axis=1)
    assert calibration_error(chances, labels) < 0.02
    sharp = np.exp(4 * table) / np.exp(4 * table).sum(axis=1, keepdims=True)
    assert calibration_error(sharp, labels) > 0.2
    assert training.fit_temperature(4 * table, labels) == pytest.approx(4.0, rel=0.05)


def test_a_network_without_mistakes_is_not_sharpened_without_limit():
    labels = np.arange(100) % 2
    table = np.where(np.eye(2, dtype=bool)[labels], 2.0, -2.0)
    temperature = training.fit_temperature(table, labels)
    confidence = 1 / (1 + np.exp(-4.0 / temperature))
    assert confidence == pytest.approx(101 / 102, abs=1e-3)


@pytest.mark.parametrize(
    ("chances", "labels", "message"),
    [
        ([[0.5, 0.5]], [0], "every class"),
        ([[0.5, 0.5]] * 2, [0, 2], "every class"),
        ([[0.5, 0.5, 0.0]] * 2, [0, 1], "expected \\(2, 2\\)"),
        ([[0.5, np.nan]] * 2, [0, 1], "finite"),
    ],
)
def test_evaluations_without_meaning_are_refused(chances, labels, message):
    with pytest.raises(ValueError, match=message):
        training.evaluate(chances, labels, NAMES)


class Stepped(NamedTuple):
    step: np.ndarray
    values: np.ndarray


def test_a_full_disk_is_told_before_a_checkpoint_is_begun(tmp_path, monkeypatch):
    pytest.importorskip("orbax.checkpoint", reason="needs Orbax, the extra [train]")
    folder, state = tmp_path / "checkpoints", Stepped(np.array(3), np.ones(1000))
    room = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: room._replace(free=8000))
    with pytest.raises(OSError, match=re.escape(f"No space left on device: '{folder}'")):
        checkpoint.save(folder, state, 1.0)
    assert list(folder.iterdir()) == []
    monkeypatch.undo()
    checkpoint.save(folder, state, 1.0)
    assert checkpoint.latest(folder) == 3
