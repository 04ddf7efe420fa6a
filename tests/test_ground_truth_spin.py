"""What a known spin during the scan says of a particle and its mirror image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast import recipes
from stemfast.models import Classifier, ClassifierConfig
from stemfast.models import corner_evidence as evidence
from stemfast.models.reconstructor import GroundTruthConfig, GroundTruthNetwork
from stemfast.models.spin_head import (
    SpinEstimate,
    SpinHead,
    SpinSeen,
    appearances,
    depths,
    look_twice,
)
from stemfast.models.view_reader import ViewReader
from stemfast.pretrained.reconstructor import TrainedReconstructor
from stemfast.studies.reconstruction_curves import only_the_sense
from stemfast.training.reconstruction.experiment import GroundTruthExperiment
from stemfast.training.reconstruction.spin import read_spins, spin_loss
from stemfast.training.reconstruction.truth import spins_of, view_truth
from stemfast.training.step import Seen, optimised

pytestmark = pytest.mark.usefixtures("quickly_compiled")

COUNT = 12
MIRROR = np.array([-1.0, -1.0, 1.0], np.float32)  # along the beam, of a rotation vector


def shaken(module: nnx.Module) -> None:
    """Weights without zeros, which would say nothing."""
    rng = np.random.default_rng(0)
    state = nnx.state(module, nnx.Param)
    moved = jax.tree.map(lambda x: x + 0.2 * rng.normal(size=x.shape).astype(np.float32), state)
    nnx.update(module, moved)


@nnx.jit
def said_by(look: SpinHead, seen: SpinSeen) -> SpinEstimate:
    return look(seen)


@jax.jit
def twice(maps, found, spoken, spin) -> SpinSeen:
    return look_twice(maps, found, spoken, spin, 32.0, 64)


def seen_of(spin: np.ndarray, signs: np.ndarray | None = None) -> SpinSeen:
    """Of as many images, whatever is asked: one program."""
    rng = np.random.default_rng(1)
    maps = [rng.normal(size=(COUNT, side, side, 4)).astype(np.float32) for side in (16, 8)]
    half = rng.uniform(8, 14, (COUNT, 3)).astype(np.float32)
    turn = Rotation.random(COUNT, rng=2).as_matrix()[:, :2]
    arrows = np.swapaxes(turn, 1, 2).astype(np.float32) * half[..., None]
    corners = rng.normal(size=(COUNT, 8, 96)).astype(np.float32)
    token = rng.normal(size=(COUNT, 96)).astype(np.float32)
    if signs is not None:
        arrows = arrows * signs[..., None]
        flip = ((signs < 0) * [1, 2, 4]).sum()
        corners = corners[:, np.arange(8) ^ flip]
    centre = rng.normal(size=(COUNT, 2)).astype(np.float32)
    spin = np.broadcast_to(np.float32(spin), (COUNT, 3))
    return twice(maps, (centre, arrows, half), (corners, token), spin)


def spins() -> np.ndarray:
    return np.random.default_rng(3).uniform(-0.6, 0.6, (COUNT, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def look() -> SpinHead:
    made = SpinHead(8, 96, 96, rngs=nnx.Rngs(0))
    shaken(made)
    return made


def test_the_depth_of_arrows_follows_but_for_one_sign():
    vectors = Rotation.random(50, rng=1).as_matrix() * [14.0, 11.0, 9.0]  # columns
    found = depths(jnp.asarray(np.swapaxes(vectors[:, :2], 1, 2)), jnp.array([14.0, 11.0, 9.0]))
    np.testing.assert_allclose(found, vectors[:, 2], atol=1e-4)


def test_points_appear_where_the_simulation_shows_them():
    along = np.array([1.0, 2.0, 2.0]) / 3.0
    pose, _ = Rotation.align_vectors([along], [[0.0, 0.0, 1.0]])
    spin, position = np.array([0.45, 0.9, 0.3]), np.array([1.0, 1.0, 0.0])
    scan = sf.Scan(shape=(128, 128), pixel_size_nm=0.25)
    rod = sf.Cuboid((0.8, 0.8, 20.0))
    image = sf.thickness(
        rod, pose, scan, positions_nm=position, spin_rad_s=spin / (scan.frame_us * 1e-6)
    )
    offsets = np.array([-9.0, -7.0, 7.0, 9.0])[:, None] * along / scan.pixel_size_nm
    centre = position[:2] / scan.pixel_size_nm
    for sign, shown in ((1.0, True), (-1.0, False)):
        found = appearances(
            jnp.asarray(offsets * [1.0, 1.0, sign]), jnp.asarray(spin), 128, late=centre[1]
        )
        column, row = np.round(np.asarray(found) + centre + 63.5).astype(int).T
        assert ((image[row, column] > 0.3) == shown).all()


def test_the_odds_are_odd_where_they_should_be(look):
    spin = spins()
    right = said_by(look, seen_of(spin)).right
    assert float(jnp.abs(right).min()) > 1e-4
    mirrored = said_by(look, seen_of(spin * MIRROR))
    np.testing.assert_allclose(mirrored.right, -right, atol=1e-5)
    for flip in range(8):
        signs = np.where(flip >> np.arange(3) & 1, -1.0, 1.0).astype(np.float32)
        found = said_by(look, seen_of(spin, signs)).right
        np.testing.assert_allclose(found, right * signs.prod(), atol=1e-3)


def test_no_spin_and_one_about_the_beam_say_nothing_of_the_hand(look):
    nothing = said_by(look, seen_of(np.zeros(3)))
    assert float(jnp.abs(nothing.right).max()) == 0.0
    assert float(jnp.abs(nothing.masks).max()) == 0.0
    about_the_beam = said_by(look, seen_of(np.array([0.0, 0.0, 0.7])))
    assert float(jnp.abs(about_the_beam.right).max()) == 0.0


def test_which_corners_are_deformed_does_not_depend_on_the_mirror(look):
    one, other = (said_by(look, seen_of(spins() * turned)).masks for turned in (1.0, MIRROR))
    np.testing.assert_allclose(one, other, atol=1e-5)
    assert float(jnp.abs(one).min()) > 0


def test_hands_of_images_are_brought_to_the_common_frame():
    right = jnp.array([2.0, 2.0, 2.0, 2.0])
    flip = jnp.array([[30.0, 30, 30], [-30, 30, 30], [-30, -30, 30], [0, 30, 30]])
    np.testing.assert_allclose(
        evidence.hand_in_common(right, flip), [2.0, -2.0, 2.0, 0.0], atol=1e-4
    )


SIDE = 32
TRUNK = ClassifierConfig(
    n_classes=9,
    image_shape=(SIDE, SIDE),
    widths=(8, 8),
    blocks=1,
    stem_stride=2,
    corner_maps=(0, 1),
)


def network(spin: bool = True) -> TrainedReconstructor:
    reader = ViewReader(Classifier(TRUNK, rngs=nnx.Rngs(0)), spin=spin, rngs=nnx.Rngs(1))
    config = GroundTruthConfig(width=16, heads=2, points=4, seeds=2)
    made = GroundTruthNetwork(reader, config, rngs=nnx.Rngs(2))
    shaken(made)
    # Half edges of 10 px: in a field of 32 px a shaken one would be anywhere.
    reader.sizes.kernel.set_value(jnp.zeros_like(reader.sizes.kernel[...]))
    reader.sizes.bias.set_value(jnp.full(9, -0.7))
    return TrainedReconstructor(made)


@pytest.fixture(scope="module")
def shaken_network() -> TrainedReconstructor:
    return network()


IMAGES = (
    recipes.get("ground-truth", views=3, image_px=SIDE, spin=True).sample(1, 4, 5).simulate()[0]
)
TURNS = Rotation.from_euler("x", [[-50], [0], [40]], degrees=True)


def mirror_of(orbit: np.ndarray) -> np.ndarray:
    return orbit[evidence.mirrors()]


def test_a_network_without_the_part_for_spins_refuses_them():
    with pytest.raises(ValueError, match="spin is given"):
        network(spin=False).predict(IMAGES, 1.0, spin=[0, 20, 0])


@pytest.mark.parametrize("spin", [None, [None] * 3, [0, 0, 0], [0, 0, 40]])
def test_without_a_known_sense_of_spin_mirror_images_are_alike(shaken_network, spin):
    answer = shaken_network.predict(IMAGES, 1.0, spin=spin)
    np.testing.assert_allclose(answer.orbit, mirror_of(answer.orbit), atol=1e-5)


def test_spinning_the_other_way_it_is_the_mirror_image(shaken_network):
    spin = np.array([[20.0, 10, 5], [0, -30, 10], [15, 15, 0]])
    answer = shaken_network.predict(IMAGES, 1.0, spin=spin)
    other = shaken_network.predict(IMAGES, 1.0, spin=spin * MIRROR)
    assert np.abs(answer.orbit - mirror_of(answer.orbit)).max() > 1e-4
    np.testing.assert_allclose(other.orbit, mirror_of(answer.orbit), atol=1e-5)
    # With known turns too, where the mirror image is turned the other way.
    turned = shaken_network.predict(IMAGES, 1.0, spin=spin, turns=TURNS)
    back = Rotation.from_rotvec(TURNS.as_rotvec() * MIRROR)
    there = shaken_network.predict(IMAGES, 1.0, spin=spin * MIRROR, turns=back)
    np.testing.assert_allclose(there.orbit, mirror_of(turned.orbit), atol=1e-3)


def test_the_order_of_spinning_images_does_not_matter(shaken_network):
    spin, order = [[20.0, 10, 5], None, [15, 15, 0]], [2, 0, 1]
    answer = shaken_network.predict(IMAGES, 1.0, spin=spin)
    again = shaken_network.predict(IMAGES[order], 1.0, spin=[spin[i] for i in order])
    np.testing.assert_allclose(again.orbit, answer.orbit, atol=1e-5)


@pytest.mark.parametrize(
    ("spin", "said"),
    [
        ([[1, 2, 3]] * 2, "spin holds 2 vectors"),
        ([1, 2], "spin of image 0 is"),
        ([0, np.nan, 0], "spin of image 0 is"),
        ([0, 0, 200], "200 degrees"),
        (5.0, "spin is 5.0"),
    ],
)
def test_what_is_no_spin_is_refused(shaken_network, spin, said):
    with pytest.raises(ValueError, match=said):
        shaken_network.predict(IMAGES, 1.0, spin=spin)


def test_spins_of_a_recipe_are_angles_during_the_frame():
    recipe = recipes.get("ground-truth", views=2, image_px=SIDE, spin=True)
    found = np.degrees(spins_of(recipe, recipe.sample(0, 0, 20).columns))
    assert found.shape == (20, 2, 3)
    angle = np.linalg.norm(found, axis=2)
    assert 10 <= angle.min() < angle.max() <= 60.0001
    np.testing.assert_allclose(
        np.linalg.norm(only_the_sense(found), axis=2), np.radians(35), rtol=1e-6
    )
    still = recipe.replace(spin=False)
    assert not spins_of(still, still.sample(0, 0, 20).columns).any()


def test_the_layers_learn_the_hand(shaken_network):
    recipe = recipes.get("ground-truth", views=1, image_px=SIDE, spin=True)
    images = read_spins(recipe, shaken_network.model.encoder, "train", 64, seed=0)
    images = jax.tree.map(lambda x: x.astype(np.float32) if x.dtype == np.float16 else x, images)
    truth = view_truth(recipe.sample(0, 0, 64).columns, 1)
    np.testing.assert_allclose(
        images.true_arrows,
        truth.half_edges[:, 0, :, :2] / recipe.pixel_size_nm,
        rtol=2e-3,
        atol=1e-2,
    )
    look = SpinHead(images.seen.maps.shape[-1], 96, 96, rngs=nnx.Rngs(0))
    assert float(jnp.abs(said_by(look, images.seen).right).max()) == 0.0

    def loss_of(model, number, batch):
        loss, parts = spin_loss(model(batch.seen), batch)
        return loss, Seen(parts["hand"], loss, parts["right"])

    settings = GroundTruthExperiment(name="x", recipe="ground-truth", learning_rate=5e-3)
    state, step = optimised(look, settings, 60, loss_of)
    seen = []
    for _ in range(60):
        state, one = step(state, images)
        seen.append(float(one.loss))
    assert seen[0] == pytest.approx(np.log(2), rel=1e-4)
    assert seen[-1] < 0.35
