"""Training a ground-truth network: what a run leaves, what it answers, what it refuses."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.spatial.transform import Rotation

from settings_read import assert_read_or_refused, reads_of
from stemfast import recipes
from stemfast.models.corner_evidence import flips, log_mask_prior
from stemfast.models.view_reader import CornerLook, FlipMix, Found, ViewReading
from stemfast.pretrained import reconstructor as ground_truth_weights
from stemfast.studies import reconstruction_curves as ground_truth_curves
from stemfast.studies import reconstruction_pictures as ground_truth_pictures
from stemfast.training.experiment import ModelSettings
from stemfast.training.reconstruction.experiment import GroundTruthExperiment
from stemfast.training.reconstruction.reader_loss import ReaderTruth, reader_loss, reader_truth
from stemfast.training.reconstruction.run import train
from stemfast.training.reconstruction.sets import batch_of, load_sets

pytestmark = pytest.mark.usefixtures("quickly_compiled")

TINY = GroundTruthExperiment(
    name="ground-truth",
    recipe="ground-truth",
    image_px=32,
    model=ModelSettings(widths=(8, 8), blocks=1, stem_stride=2, corner_maps=(0, 1)),
    corner_weight=0.3,
    symmetries=False,
    images=32,
    batch_size=16,
    validation_images=20,
    evaluations=1,
    set_particles=36,
    set_views=2,
    set_steps=2,
    set_batch=8,
    test_particles=18,
)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "tiny"
    with reads_of(GroundTruthExperiment) as read:
        found = train(TINY, folder, command="stemfast train ground-truth")
    return folder, found, read


@pytest.fixture(scope="module")
def finished(recorded):
    return recorded[:2]


@pytest.fixture(scope="module")
def with_spins(recorded, tmp_path_factory):
    """A third stage alone, which starts from the network of the run."""
    experiment = GroundTruthExperiment(
        **TINY.model_dump(
            include={"name", "recipe", "image_px", "model", "corner_weight", "symmetries"}
            | {"set_views", "test_particles", "evaluations"}
        ),
        start_from=str(recorded[0]),
        spin_images=16,
        spin_steps=2,
        spin_batch=8,
    )
    folder = tmp_path_factory.mktemp("run") / "spins"
    with reads_of(GroundTruthExperiment) as read:
        found = train(experiment, folder, command="stemfast train second")
    return folder, found, read, experiment


def test_every_setting_of_an_experiment_is_read_or_refused(recorded, with_spins):
    assert_read_or_refused(TINY, recorded[2] | with_spins[2])


def some_images(count):
    recipe = TINY.views_recipe(count, kind="tilts")
    scenes = recipe.sample(7, 0, 1)
    return recipe, scenes.simulate()[0]


def test_a_run_leaves_a_network_its_figures_and_its_card(finished):
    folder, found = finished
    names = {item.name for item in folder.iterdir()}
    assert {"run.json", "metrics.jsonl", "metrics-sets.jsonl", "config.json"} <= names
    assert {"weights.safetensors", "evaluation.json", "model_card.md"} <= names
    written = json.loads((folder / "evaluation.json").read_text())
    assert written == found.to_dict()
    assert written["2 images, known tilts: orbit of 76"]["of"] == 18
    assert "`stemfast train ground-truth`" in (folder / "model_card.md").read_text()
    losses = [
        json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()
    ]
    # Before training every mask is as likely as the recipe has it.
    scenes = TINY.make_recipe().sample(0, 0, 32)
    first = -log_mask_prior()[scenes.columns["sorted_mask"]].mean()
    assert losses[0] == pytest.approx(first, rel=0.05)


def test_the_network_of_a_run_answers_in_units(finished):
    trained = ground_truth_weights.load(finished[0])
    recipe, images = some_images(3)
    tilts = Rotation.from_euler("x", [[-60], [0], [60]], degrees=True)
    answer = trained.predict(images, recipe.pixel_size_nm, turns=tilts)
    assert answer.orbit.sum() == pytest.approx(1.0)
    assert answer.number.sum() == pytest.approx(1.0)
    assert answer.share.shape == (3,)
    assert answer.share.sum() == pytest.approx(1.0, rel=1e-5)
    assert (answer.edges_sd_nm > 0).all()
    assert answer.volume_nm3 > 0  # how much it is, the network that ships is tested for
    order = [2, 0, 1]
    again = trained.predict(images[order], recipe.pixel_size_nm, turns=tilts[order])
    np.testing.assert_allclose(again.orbit, answer.orbit, atol=1e-4)
    np.testing.assert_allclose(again.edges_nm, answer.edges_nm, rtol=1e-4)
    np.testing.assert_allclose(again.share, answer.share[order], atol=1e-4)


def test_what_cannot_be_read_is_refused(finished):
    trained = ground_truth_weights.load(finished[0])
    _, images = some_images(2)
    with pytest.raises(ValueError, match="2 rotations"):
        trained.predict(images, 1.0, turns=Rotation.identity(3))
    with pytest.raises(ValueError, match="pixel_size_nm"):
        trained.predict(images, [1.0, np.nan])
    with pytest.raises(ValueError, match="spin"):
        trained.predict(images, 1.0, spin=np.zeros((2, 3)))
    with pytest.raises(ValueError, match="expected 1 to 16"):
        trained.predict(np.tile(images, (9, 1, 1)), 1.0)
    with pytest.raises(FileExistsError, match="--resume"):
        train(TINY, finished[0])


def test_a_run_that_is_resumed_at_its_end_gives_the_same_network(finished):
    folder, found = finished
    before = (folder / "weights.safetensors").read_bytes()
    assert train(TINY, folder, resume=True).to_dict() == found.to_dict()
    assert (folder / "weights.safetensors").read_bytes() == before


def test_the_comparison_has_all_methods_and_curves(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(ground_truth_curves, "VIEWS", (1, 2))
    monkeypatch.setattr(ground_truth_curves, "USUAL", 2)
    monkeypatch.setattr(ground_truth_curves, "DOSES_E_PX", (50.0,))
    monkeypatch.setattr(ground_truth_curves, "TILT_ERRORS_DEG", (0.0, 1.0))
    monkeypatch.setattr(ground_truth_curves, "_averaged", lambda *_: None)
    monkeypatch.setattr(ground_truth_curves, "BASELINES", {"Deep Sets, mean": ("mean", False)})
    trained = ground_truth_weights.load(finished[0])
    said: list[str] = []
    made = ground_truth_curves.compare(
        trained, tmp_path, run=finished[0], particles=18, few=10, say=said.append
    )
    assert {row["against"] for row in made.rows} == {"views", "dose", "tilt-error", "handedness"}
    text = ground_truth_pictures.table(made.rows)
    assert "| Deep Sets, mean |" in text
    assert "**orbit of 76, known tilts**" in text
    ground_truth_pictures.pictures(tmp_path, made.rows)
    assert {item.name for item in tmp_path.iterdir()} == {
        "comparison.json",
        "curve-views.png",
        "curve-dose.png",
        "curve-tilt-error.png",
    }


def test_a_network_that_comes_along_learns_spins_and_keeps_all_else(
    finished, with_spins, tmp_path, monkeypatch
):
    folder, found, _, experiment = with_spins
    assert found.figures["2 images, known spin: orbit of 76"]["of"] == 18
    assert "metrics-spin.jsonl" in {item.name for item in folder.iterdir()}
    assert "`stemfast train second`" in (folder / "model_card.md").read_text()
    trained = ground_truth_weights.load(folder)
    assert trained.knows_spin
    assert trained.card["experiment"]["spin_images"] == 16
    recipe, images = some_images(3)
    answers = [
        one.predict(images, recipe.pixel_size_nm)
        for one in (ground_truth_weights.load(finished[0]), trained)
    ]
    np.testing.assert_array_equal(answers[0].orbit, answers[1].orbit)
    rows: list[dict] = []

    class Rows:
        def add(self, *row):
            rows.append(
                dict(zip(("against", "method", "poses", "at", "figures"), row, strict=True))
            )

    monkeypatch.setattr(ground_truth_curves, "SPIN_VIEWS", (1, 2))
    ground_truth_curves.against_spin(Rows(), trained, TINY, 20, 20, say=lambda _: None)
    assert {row["poses"] for row in rows} == {"known spin", "known sense of spin", "unknown spin"}
    assert "**orbit of 76, known spin**" in ground_truth_pictures.table(rows)
    with pytest.raises(ValueError, match="spin_images"):
        train(experiment.changed(["spin_images=0"]), tmp_path / "third")


def test_sets_turned_about_the_beam_keep_arrows_and_turns_together(finished):
    sets = load_sets(finished[0] / "readings-train.npz")
    reading, views, truth = batch_of(sets, 500, np.random.default_rng(1))
    assert set(views.there.sum(axis=1).tolist()) == {1, 2}
    np.testing.assert_allclose(np.linalg.det(views.turn[views.turn_known]), 1.0, atol=1e-5)
    lengths = np.linalg.norm(sets.reading.arrows, axis=-1)
    found = np.linalg.norm(reading.arrows, axis=-1)
    assert found.max() == pytest.approx(lengths.max(), rel=1e-3)
    assert len(truth.orbit) == 500


def test_the_loss_does_not_depend_on_the_signs_of_arrows():
    rng = np.random.default_rng(0)
    count = 6
    scenes = recipes.get("ground-truth", views=1).sample(0, 0, count)
    truth = reader_truth(scenes.columns, 0.25)
    flip = rng.integers(0, 8, count)
    signs = np.where(flip[:, None] >> np.arange(3) & 1, -1.0, 1.0)
    other = ReaderTruth(
        truth.arrows * signs[..., None],
        truth.centre,
        flips()[flip, truth.mask],
        np.take_along_axis(truth.severity, np.arange(8)[None, :] ^ flip[:, None], axis=1),
        truth.log_edges,
    )
    reading = ViewReading(
        *(
            jnp.asarray(rng.normal(size=(count, *shape)), jnp.float32)
            for shape in ((4,), (3, 2), (3,), (256,), (3,), (3,), (8,), (8,), ())
        )
    )
    arrows = jnp.asarray(rng.normal(size=(count, 3, 2)))
    found = Found(reading, arrows, arrows[:, 0], arrows, ())
    pixel = jnp.full(count, 0.25)
    one, two = (reader_loss(found, t, pixel)[0] for t in (truth, other))
    assert float(one) == pytest.approx(float(two), rel=1e-5)


def test_corners_renamed_by_a_sign_are_looked_at_alike():
    mix = FlipMix(8, rngs=nnx.Rngs(0))
    corners = jnp.asarray(np.random.default_rng(0).normal(size=(2, 8, 8)), jnp.float32)
    renamed = np.arange(8) ^ 5
    np.testing.assert_allclose(mix(corners)[:, renamed], mix(corners[:, renamed]), atol=1e-5)
    look = CornerLook(4, 3, rngs=nnx.Rngs(1))
    look.moves.kernel.set_value(jax.random.normal(jax.random.key(0), look.moves.kernel.shape))
    rng = np.random.default_rng(1)
    maps = [jnp.asarray(rng.normal(size=(2, 8, 8, 4)), jnp.float32)]
    shared, centre, arrows = (
        jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in ((2, 3), (2, 2), (2, 3, 2))
    )
    signs = jnp.asarray([-1.0, 1.0, -1.0])[:, None]
    found = look(maps, shared, centre, arrows * 4, 16.0)
    other = look(maps, shared, centre, arrows * 4 * signs, 16.0)
    np.testing.assert_allclose(found[0][:, renamed], other[0], atol=1e-4)
    np.testing.assert_allclose(found[1], other[1], atol=1e-4)
    np.testing.assert_allclose(found[2] * signs, other[2], atol=1e-4)
