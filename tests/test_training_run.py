"""Runs of experiments: what they write, that a stopped one goes on the same, what they refuse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from settings_read import assert_read_or_refused, reads_of
from stemfast import pretrained, recipes, training
from stemfast.evaluation import figures
from stemfast.evaluation.metrics import balanced_interval
from stemfast.models import logits
from stemfast.training import checkpoint, devices, experiment, run
from stemfast.training.augment import apply_symmetry, turned
from stemfast.training.corners.points import corner_points, point_loss
from stemfast.training.experiment import Experiment, ModelSettings
from stemfast.training.log import EventLog
from stemfast.training.portraits.experiment import PortraitExperiment
from stemfast.training.portraits.sitters import CLASS_NAMES
from stemfast.training.reconstruction.experiment import GroundTruthExperiment
from stemfast.training.step import make_step

pytestmark = pytest.mark.usefixtures("quickly_compiled")

TINY = Experiment(
    name="tiny",
    recipe="count",
    image_px=32,
    model=ModelSettings(widths=(8, 8), blocks=1, stem_stride=2, corner_maps=(0, 1)),
    corner_weight=0.5,
    images=12 * 18,
    batch_size=18,
    validation_images=36,
    test_images=45,
    evaluations=6,
    seed=3,
)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "tiny"
    with reads_of(Experiment) as read:
        found = training.train(TINY, folder, command="stemfast train tiny", checkpoint_s=0)
    return folder, found, read


@pytest.fixture(scope="module")
def finished(recorded):
    return recorded[:2]


def test_every_setting_of_an_experiment_is_read_or_refused(recorded):
    assert_read_or_refused(TINY, recorded[2])


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / run.METRICS_FILE).read_text().splitlines()]


def test_tensorboard_shows_the_lines_each_once(finished, tmp_path):
    from tensorboardX.proto.event_pb2 import Event

    folder, _ = finished
    metrics = tmp_path / run.METRICS_FILE
    written = (folder / run.METRICS_FILE).read_text().splitlines(keepends=True)
    metrics.write_text("".join(written[:2]))
    for begin in (2, 3):  # the second sitting finds what the first wrote, and more lines
        with EventLog(metrics) as log:
            log.add(json.loads(written[begin]))
        metrics.write_text("".join(written[: begin + 1]))
    (events,) = (tmp_path / "tensorboard" / "metrics").iterdir()
    found = [Event.FromString(record) for record in records(events.read_bytes())]
    shown = [
        (event.step, value.simple_value)
        for event in found
        for value in event.summary.value
        if value.tag == "loss"
    ]
    expected = [json.loads(line) for line in written[:4]]
    assert [step for step, _ in shown] == [line["images"] for line in expected]
    np.testing.assert_allclose([loss for _, loss in shown], [line["loss"] for line in expected])


def records(content: bytes) -> list[bytes]:
    """The records of a file of events: length, its checksum, the record, its checksum."""
    found = []
    while content:
        length = int.from_bytes(content[:8], "little")
        found.append(content[12 : 12 + length])
        content = content[16 + length :]
    return found


def test_a_run_leaves_all_that_it_promises(finished):
    folder, found = finished
    assert {item.name for item in folder.iterdir()} == {
        "run.json",
        "metrics.jsonl",
        "checkpoints",
        "config.json",
        "weights.safetensors",
        "novelty.safetensors",
        "evaluation.json",
        "confusion.png",
        "reliability.png",
        "learning_curves.png",
        "model_card.md",
    }
    written = json.loads((folder / "evaluation.json").read_text())
    assert written["balanced_accuracy"] == found.evaluation.balanced_accuracy
    assert written["images"] == 45
    assert found.within_one >= found.evaluation.accuracy
    card = (folder / "model_card.md").read_text()
    assert "`stemfast train tiny`" in card
    assert "216 training images" in card


def test_metrics_are_written_as_training_goes(finished):
    records = lines(finished[0])
    assert [line["images"] for line in records] == [36 * k for k in range(1, 7)]
    assert {"loss", "corner_loss", "accuracy", "seconds", "validation_accuracy"} <= set(records[0])
    assert records[0]["loss"] == pytest.approx(np.log(9), rel=0.02)
    assert records[-1]["corner_loss"] < records[0]["corner_loss"]


def test_the_network_of_a_run_can_be_judged_again(finished):
    folder, found = finished
    trained = pretrained.load(folder)
    again = training.judge(trained, TINY.make_recipe(), seed=TINY.seed, images=45)
    assert np.array_equal(again.evaluation.confusion, found.evaluation.confusion)
    assert trained.card["images_seen"] == 216


STOPPED = """
import os, signal, sys
from pathlib import Path
from stemfast.training import checkpoint, run
from stemfast.training.experiment import Experiment
whole = checkpoint.save
def save(folder, state, seconds):
    whole(folder, state, seconds)
    if int(state.step) == 6:
        os.kill(os.getpid(), signal.SIGKILL)
checkpoint.save = save
run.train(Experiment.model_validate_json(sys.argv[2]), sys.argv[1], checkpoint_s=0)
"""


def python(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_run_that_was_killed_goes_on_to_the_same_bits(finished, tmp_path):
    folder = tmp_path / "killed"
    ended = python(STOPPED, str(folder), TINY.model_dump_json())
    assert ended.returncode == -9, ended.stderr
    assert not (folder / "weights.safetensors").exists()
    assert checkpoint.latest(folder / "checkpoints") == 6
    # What a kill in the middle of a checkpoint or of a line leaves behind.
    (folder / "checkpoints" / "8.orbax-checkpoint-tmp").mkdir()
    with (folder / "metrics.jsonl").open("a") as log:
        log.write('{"images": 144, "lo')
    training.train(TINY, folder, resume=True, checkpoint_s=0)
    for name in ("weights.safetensors", "confusion.png"):
        assert (folder / name).read_bytes() == (finished[0] / name).read_bytes()
    losses = [[line["loss"] for line in lines(f)] for f in (folder, finished[0])]
    assert losses[0] == losses[1]


TWO = """
import sys, jax
from stemfast.training import run
from stemfast.training.experiment import Experiment
assert len(jax.devices()) == 2
run.train(Experiment.model_validate_json(sys.argv[2]), sys.argv[1])
"""


def test_two_devices_learn_the_same(finished, tmp_path):
    folder = tmp_path / "two"
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
    ended = python(TWO, str(folder), TINY.model_dump_json(), XLA_FLAGS=flags)
    assert ended.returncode == 0, ended.stderr
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert record["machine"]["devices"].startswith("2 ×")
    losses = [[line["loss"] for line in lines(f)] for f in (folder, finished[0])]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-3)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    wild = TINY.changed(["learning_rate=1e30", "clip_norm=1e30", "warmup=0"])
    with pytest.raises(FloatingPointError, match=r"step [1-9].*learning_rate below 1e\+30"):
        training.train(wild, tmp_path / "wild")
    assert not (tmp_path / "wild" / "weights.safetensors").exists()


def test_runs_are_not_overwritten(finished):
    before = (finished[0] / "run.json").read_bytes()
    with pytest.raises(FileExistsError, match="--resume"):
        training.train(TINY, finished[0])
    assert (finished[0] / "run.json").read_bytes() == before


def test_what_cannot_be_resumed_is_refused(finished, tmp_path):
    with pytest.raises(FileNotFoundError, match="no run to resume"):
        training.train(TINY, tmp_path, resume=True)
    with pytest.raises(ValueError, match="minutes cannot change"):
        training.train(TINY, finished[0], resume=True, minutes=1)


def test_checkpoints_of_another_network_are_refused(finished):
    other = TINY.changed(["model.widths=[8, 16]"])
    recipe = other.make_recipe()
    state, _ = make_step(other.make_model(recipe), other, 10)
    with pytest.raises(ValueError, match="another network"):
        checkpoint.restore(finished[0] / "checkpoints", state)


def test_the_budget_can_be_given_in_minutes(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "_pilot", lambda *_: run.Pilot(4.0, 0.0, 0.0, 0.0))
    training.train(TINY, tmp_path / "short", minutes=0.5)
    record = json.loads((tmp_path / "short" / "run.json").read_text())
    images = record["experiment"]["images"]
    assert 0 < images <= 4 * 25  # 4/s for half a minute, less what writing files takes
    assert images % 18 == 0
    assert (record["minutes"], record["pilot_images_per_s"]) == (0.5, 4.0)
    with pytest.raises(ValueError, match="minutes is -1"):
        training.train(TINY, tmp_path / "other", minutes=-1)


def test_minutes_hold_for_all_that_a_run_does():
    """Learning, looks at validation images, judgement and compilation together fill the time."""
    whole = SimpleNamespace(experiment=TINY.changed(["evaluations=20"]), judging=117)
    pilot = run.Pilot(images_per_s=100.0, compile_s=3.0, look_s=0.5, read_s=0.01)
    fitted = run.fitted(whole, pilot, 60.0)
    assert fitted["evaluations"] == 10  # of half a second: a tenth of the time
    learning = fitted["images"] / 100.0
    assert 54.5 < learning + 10 * 0.5 + 3.0 + 117 * 0.01 <= 55.0  # and 5 s for files
    with pytest.raises(ValueError, match="minutes leaves 9 s .* at least 10 s: .* 117 images"):
        run.fitted(whole, pilot, 9.0)


def test_a_network_that_guesses_is_told_from_one_that_knows(finished):
    found = finished[1]
    right = np.eye(8, dtype=np.int64)
    for confusion, guesses in ((np.ones((8, 8), np.int64), True), (20 * right, False)):
        interval = balanced_interval(confusion)
        own = replace(found.evaluation, class_names=tuple("abcdefgh"), balanced_interval=interval)
        assert replace(found, evaluation=own).at_chance is guesses


def test_a_gpu_that_is_not_there_is_missed():
    if any(device.platform == "gpu" for device in jax.devices()):
        pytest.skip("there is a GPU")
    with pytest.raises(ValueError, match="finds only cpu"):
        devices.pick("gpu")
    with pytest.raises(ValueError, match="expected auto, cpu or gpu"):
        devices.pick("tpu")


def test_batches_that_devices_cannot_share_are_refused():
    with pytest.raises(ValueError, match="multiple of the 2 devices"):
        devices.batch_sharding([jax.devices()[0]] * 2, 7)


@pytest.mark.parametrize("name", experiment.names())
def test_experiments_are_complete(name):
    made = experiment.get(name)
    assert made.name == name
    recipe = made.make_recipe()
    if isinstance(made, GroundTruthExperiment) and made.start_from == "ground-truth":
        assert made.spin_images > 0  # the third stage goes on with a whole network
    else:
        model = made.make_model(recipe)
        portraits = isinstance(made, PortraitExperiment)
        names = CLASS_NAMES if portraits else recipe.class_names
        assert model.config.n_classes == len(names)
    module = sys.modules[f"stemfast.training.experiments.{name.replace('-', '_')}"]
    assert f"stemfast train {name}" in module.__doc__


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("batch_size", "KEY=VALUE"),
        ("batchsize=3", "no setting 'batchsize'"),
        ("model.depth=3", "no setting 'model.depth'"),
        ("batch_size=0", "batch_size is 0"),
        ("images=10", "at least one batch"),
        ("corner_weight=0", "both or neither"),
    ],
)
def test_wrong_changes_of_an_experiment_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        TINY.changed([change])


def test_settings_of_the_recipe_can_be_changed():
    recipe = TINY.changed(["recipe.particle.severity=[0.3, 0.4]", "spin=true"]).make_recipe()
    assert (recipe.particle.severity, recipe.spin) == ((0.3, 0.4), True)
    with pytest.raises(ValueError, match="severety"):
        TINY.changed(["recipe.particle.severety=[0.3, 0.4]"]).make_recipe()


def test_recipes_of_several_views_are_refused():
    with pytest.raises(ValueError, match="expected one"):
        TINY.changed(["recipe=ground-truth"]).make_recipe()


def test_corner_points_are_where_the_particles_corners_are():
    recipe = recipes.get("count", image_px=64)
    scenes = recipe.sample(seed=5, start=0, stop=18)
    points = corner_points(scenes.columns, image_px=64, pixel_size_nm=recipe.pixel_size_nm)
    assert (points[..., 2].sum(axis=1) == scenes.labels).all()
    for i in (0, 9):  # whole cuboids: their vertices are the corners, in some order
        placed = scenes.orientation(i).apply(scenes.particle(i).vertices)
        placed = placed + scenes.positions_nm[i, 0]
        expected = placed[:, 1::-1] / recipe.pixel_size_nm + 31.5
        gaps = np.linalg.norm(points[i, :, None, :2] - expected[None], axis=2)
        assert gaps.min(axis=1).max() < 1e-3
        assert len(set(gaps.argmin(axis=1).tolist())) == 8


def test_recipes_without_corners_say_so():
    with pytest.raises(ValueError, match="corner_weight=0"):
        corner_points({"edges_nm": np.ones((1, 3))}, image_px=32, pixel_size_nm=1.0)


def test_points_turn_with_their_images():
    places = np.random.default_rng(0).integers(0, 9, size=(8, 8, 2))
    images = np.zeros((8, 9, 9, 1), np.float32)
    for image, corners in zip(images, places, strict=True):
        image[corners[:, 0], corners[:, 1]] = 1
    points = np.concatenate([places, np.ones((8, 8, 1))], axis=2).astype(np.float32)
    element = jnp.arange(8)
    moved = np.asarray(apply_symmetry(jnp.asarray(images), element))
    found = np.asarray(turned(jnp.asarray(points), element, 9)).astype(int)
    for image, corners in zip(moved, found, strict=True):
        assert (image[corners[:, 0], corners[:, 1]] == 1).all()


def test_the_surprise_of_a_map_by_hand():
    # Cells of 8 px. All corners at the centre of cell (1, 2), five of them deformed.
    points = np.zeros((1, 8, 3), np.float32)
    points[0, :, 0], points[0, :, 1], points[0, :5, 2] = 11.5, 19.5, 1
    corners = np.full((1, 4, 4, 2), 0.01, np.float32)
    corners[0, 1, 2] = (3.0, 5.0)
    expected = (corners.sum() - 3 * np.log(3) - 5 * np.log(5)) / 8
    found = point_loss(jnp.asarray(corners), jnp.asarray(points), size=32, padded=32)
    assert float(found) == pytest.approx(float(expected), rel=1e-6)
    # The network's margin shifts the image inside its cells: 4 px here.
    shifted = points - np.array([4, 4, 0], np.float32)
    found = point_loss(jnp.asarray(corners), jnp.asarray(shifted), size=24, padded=32)
    assert float(found) == pytest.approx(float(expected), rel=1e-6)


def test_a_network_for_other_images_is_refused(finished):
    trained = pretrained.load(finished[0])
    with pytest.raises(ValueError, match="trained for one image size"):
        training.judge(trained, recipes.get("count", image_px=64), seed=0)
    with pytest.raises(ValueError, match="classes of recipe shapes"):
        training.judge(trained, recipes.get("shapes", image_px=32), seed=0)
    with pytest.raises(ValueError, match="one of each class"):
        training.judge(trained, TINY.make_recipe(), seed=0, images=8)


def test_predictions_name_the_most_probable_class(finished):
    trained = pretrained.load(finished[0])
    images = TINY.make_recipe().sample(seed=1, start=0, stop=4).simulate()
    said = trained.predict(images)
    assert len(said) == 4
    np.testing.assert_allclose(said.probabilities.sum(axis=1), 1)
    assert (said.classes == logits(trained.model, images).argmax(axis=1)).all()
    assert said.names == tuple(str(c) for c in said.classes)
    assert trained.predict(images[2]).names == said.names[2:3]
    with pytest.raises(ValueError, match=r"expected \(N, 32, 32\)"):
        trained.predict(images[:, :16])


def test_unknown_pretrained_networks_are_refused():
    with pytest.raises(ValueError, match="name is 'nothing'"):
        pretrained.load_pretrained("nothing")


def test_the_reliability_diagram_counts_every_image_once():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.2, 1.0, 5000)
    right = rng.random(5000) < confidence
    mean, share, count = figures.reliability(confidence, right, bins=10)
    assert count.sum() == 5000
    # Largest of 9 bins of about 550: five standard errors, false alarm below 1e-5.
    assert np.abs(mean - share).max() < 5 * 0.5 / np.sqrt(count.min())


def test_a_run_starts_from_an_earlier_network(finished):
    folder, _ = finished
    source = pretrained.load(folder)
    again = TINY.changed([f"start_from={folder}"])
    model = again.make_model(again.make_recipe())
    images = np.random.default_rng(5).integers(0, 255, (3, 32, 32), np.uint8)
    np.testing.assert_array_equal(logits(model, images), logits(source.model, images))
    wrong = TINY.changed(["start_from=nothing"])
    with pytest.raises(ValueError, match=r"start_from is 'nothing', expected a folder"):
        wrong.make_model(wrong.make_recipe())
    other = again.changed(["model.variant=p4m"])
    with pytest.raises(ValueError, match=r"another variant, expected the same architecture"):
        other.make_model(other.make_recipe())


def test_a_last_layer_for_other_classes_starts_anew(finished):
    folder, _ = finished
    other = TINY.changed([f"start_from={folder}", "recipe=deformed"])
    model = other.make_model(other.make_recipe())
    images = np.random.default_rng(5).integers(0, 255, (3, 32, 32), np.uint8)
    assert logits(model, images).shape == (3, 2)
    assert not logits(model, images).any()


def test_weights_are_kept_in_16_bits(finished):
    folder, _ = finished
    config = json.loads((folder / "config.json").read_text())
    kept = (folder / "weights.safetensors").stat().st_size
    assert kept < 2 * config["card"]["parameters"] + 10_000
