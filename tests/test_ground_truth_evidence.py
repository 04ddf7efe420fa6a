"""Signs, mirrors and likelihoods of corners: what images say together."""

import jax.numpy as jnp
import numpy as np
import pytest

from stemfast import recipes
from stemfast.models import corner_evidence as evidence
from stemfast.models.view_reader import ViewReading, to_double_angle
from stemfast.pretrained.reconstructor import GroundTruthAnswer
from stemfast.training.reconstruction.truth import view_truth, volumes

pytestmark = pytest.mark.usefixtures("quickly_compiled")

PARTICLES, VIEWS = 90, 8


@pytest.fixture(scope="module")
def series():
    recipe = recipes.get("ground-truth", views=VIEWS, series={"kind": "tilts"})
    scenes = recipe.sample(0, 0, PARTICLES)
    return scenes, view_truth(scenes.columns, VIEWS)


def readings(truth, views, noise_nm=0.3) -> ViewReading:
    """What a good reader would say: arrows with some error and any signs, and the right masks."""
    rng = np.random.default_rng(1)
    signs = rng.choice([-1, 1], (PARTICLES, VIEWS, 3))
    arrows = truth.half_edges[..., :2] * signs[..., None]
    arrows = arrows + rng.normal(0, noise_nm, arrows.shape)
    flip = ((signs < 0) * [1, 2, 4]).sum(axis=-1)
    seen = evidence.flips()[flip, truth.mask[:, None]]
    masks = np.where(np.arange(256) == seen[..., None], 0.0, -3.0)
    blank = jnp.zeros((PARTICLES, len(views), 0))
    return ViewReading(
        blank,
        jnp.asarray(arrows[:, views]),
        blank,
        jnp.asarray(masks[:, views]),
        *[blank] * 4,
        jnp.zeros((PARTICLES, len(views))),
    )


def answers(truth, views, known) -> np.ndarray:
    reading = readings(truth, views)
    everywhere = jnp.ones((PARTICLES, len(views)), bool)
    turn = truth.turn[:, views] @ np.swapaxes(truth.turn[:, :1], 2, 3)
    knows = everywhere & known
    sd = jnp.full((PARTICLES, len(views), 3), 0.3)
    common = evidence.common_frame(reading.arrows, jnp.asarray(turn), knows, sd)
    whole = evidence.set_evidence(
        reading, jnp.ones(everywhere.shape), everywhere, knows, common, jnp.asarray(4.0)
    )
    return np.asarray(whole) + evidence.log_prior()


@pytest.mark.parametrize("count", [3, 8])
def test_known_tilts_tell_the_class_and_its_hand(series, count):
    scenes, truth = series
    views = np.linspace(0, VIEWS - 1, count).round().astype(int)
    assert (answers(truth, views, True).argmax(axis=1) == scenes.labels).mean() > 0.97


def test_unknown_poses_tell_the_class_and_nothing_of_its_hand(series):
    scenes, truth = series
    table = answers(truth, np.arange(VIEWS), False)
    partner = evidence.mirrors()
    np.testing.assert_allclose(table, table[:, partner], atol=1e-4)
    answer = table.argmax(axis=1)
    assert ((answer == scenes.labels) | (partner[answer] == scenes.labels)).mean() > 0.97


def test_half_edges_follow_from_arrows_of_any_sign(series):
    _, truth = series
    reading = readings(truth, np.arange(VIEWS), noise_nm=0.0)
    known = jnp.ones((PARTICLES, VIEWS), bool)
    turn = truth.turn @ np.swapaxes(truth.turn[:, :1], 2, 3)
    sd = jnp.full((PARTICLES, VIEWS, 3), 0.3)
    found = evidence.common_frame(reading.arrows, jnp.asarray(turn), known, sd)
    wanted = truth.half_edges[:, 0]
    backward = np.sign((np.asarray(found.vectors) * wanted).sum(axis=2, keepdims=True))
    np.testing.assert_allclose(found.vectors * backward, wanted, atol=0.05)
    assert (np.sign(found.handedness) == backward.prod(axis=1)[:, 0]).all()
    assert np.abs(np.asarray(found.handedness)).min() > 0.98


def test_the_prior_is_that_of_the_recipe():
    assert np.exp(evidence.log_prior()).sum() == pytest.approx(1.0, rel=1e-6)
    assert np.exp(evidence.log_mask_prior()).sum() == pytest.approx(1.0, rel=1e-6)
    for number in range(9):
        chance = np.exp(evidence.log_prior())[evidence.counts() == number].sum()
        assert chance == pytest.approx(1 / 9, rel=1e-6)


def test_truth_agrees_with_the_recipe_and_the_solids(series):
    scenes, truth = series
    own = evidence.symmetry()
    assert (own.class_table[truth.mask] == scenes.labels).all()
    assert (np.linalg.det(truth.half_edges) > 0).all()
    for i in range(9):
        volume = scenes.particle(i).volume
        assert volumes(scenes.columns)[i] == pytest.approx(volume, rel=1e-12)


def test_a_double_angle_forgets_the_sign_and_nothing_else():
    arrows = np.random.default_rng(0).normal(size=(50, 2))
    twice = to_double_angle(jnp.asarray(arrows))
    np.testing.assert_allclose(twice, to_double_angle(jnp.asarray(-arrows)), atol=1e-6)
    np.testing.assert_allclose(
        np.linalg.norm(twice, axis=1), np.linalg.norm(arrows, axis=1), rtol=1e-5
    )


def test_an_answer_in_words():
    orbit = np.zeros(76)
    chiral = int(np.flatnonzero(evidence.mirrors() != np.arange(76))[0])
    orbit[chiral], orbit[evidence.mirrors()[chiral]] = 0.75, 0.25
    nothing = np.zeros(3)
    answer = GroundTruthAnswer(
        orbit, np.eye(9)[4], nothing, nothing, 1.0, 0.1, np.zeros(8), np.zeros(8), np.ones(1)
    )
    assert answer.handedness == 0.75
    assert answer.orbit_up_to_mirror.max() == 1.0
    assert answer.orbit_up_to_mirror.shape == (46,)
    assert answer.mask == evidence.symmetry().classes[chiral]
