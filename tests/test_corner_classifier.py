"""The classifier that finds corners: what is asked, what sizes it reads, and that it learns."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from pydantic import ValidationError

from settings_read import assert_read_or_refused, reads_of
from stemfast import pretrained, recipes, training
from stemfast.models import Classifier, ClassifierConfig, CornerClassifier, logits, make_classifier
from stemfast.models.view_reader import mask_bits
from stemfast.symmetry.corner_questions import any_order, axis_orders, classes, log_prior
from stemfast.training.experiment import Experiment, ModelSettings
from stemfast.training.reconstruction.reader_loss import ReaderTruth, reader_truth, reordered
from stemfast.training.start import start_from

pytestmark = pytest.mark.usefixtures("quickly_compiled")

QUESTIONS = ("deformed", "count", "pairs-cube", "pairs-cuboid", "corners")
SMALL = {"widths": (8, 8), "blocks": 1, "stem_stride": 8, "corner_maps": (1,)}


def network(
    question: str = "count", n_classes: int = 9, seed: int = 0, **settings
) -> CornerClassifier:
    config = ClassifierConfig(question=question, n_classes=n_classes, **(SMALL | settings))
    model = make_classifier(config, rngs=nnx.Rngs(seed))
    assert isinstance(model, CornerClassifier)
    return model


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_classes_of_a_question_are_the_labels_of_its_recipe(question):
    recipe = recipes.get(question)
    scenes = recipe.sample(3, 0, 300)
    truth = reader_truth(scenes.columns, recipe.pixel_size_nm)
    np.testing.assert_array_equal(classes(question)[truth.mask], scenes.labels)
    assert classes(question).max() + 1 == len(recipe.class_names)


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_chances_of_the_choices_in_a_class_add_up_to_one(question):
    table = log_prior(question).astype(float)
    np.testing.assert_allclose(np.exp(table).sum(axis=0), 1.0, rtol=1e-6)
    inside = classes(question)[:, None] == np.arange(table.shape[1])
    np.testing.assert_array_equal(np.exp(table) > 0, inside)


def test_where_edges_differ_the_order_of_the_axes_matters():
    assert {one: any_order(one) for one in QUESTIONS} == {
        "deformed": True,
        "count": True,
        "pairs-cube": True,
        "pairs-cuboid": False,
        "corners": False,
    }


def test_before_training_every_class_is_equally_likely():
    model = network("deformed", 2, image_shape=(128, 128))
    images = np.random.default_rng(0).normal(size=(3, 128, 128))
    np.testing.assert_allclose(np.ptp(logits(model, images), axis=1), 0.0, atol=1e-5)


def stirred(model: CornerClassifier) -> CornerClassifier:
    """With weights where it starts with zeros, which would hide what comes before."""
    rng = np.random.default_rng(5)
    for layer in (model.reader.alone, model.reader.number, model.head):
        noise = rng.normal(size=layer.kernel[...].shape)
        layer.kernel[...] += jnp.asarray(0.3 * noise, jnp.float32)
    return model


@pytest.mark.parametrize(("side", "binning"), [(101, 1), (256, 2)])
def test_images_of_other_sizes_are_read_as_if_they_had_a_margin_or_were_binned(side, binning):
    images = np.random.default_rng(1).normal(size=(2, side, side)).astype(np.float32)
    other = stirred(network("deformed", 2, image_shape=(side, side), binning=binning))
    model = stirred(network("deformed", 2, image_shape=(128, 128)))
    small = images.reshape(2, side // binning, binning, side // binning, binning).mean(axis=(2, 4))
    before = (128 - side // binning) // 2
    after = 128 - side // binning - before
    padded = np.pad(small, [(0, 0), (before, after), (before, after)], mode="edge")
    found = logits(other, images)
    np.testing.assert_allclose(found, logits(model, padded), atol=1e-4)
    assert np.ptp(found, axis=1).min() > 0.01


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"variant": "p4m"}, "not p4m"),
        ({"corner_maps": ()}, "with corner maps"),
        ({"image_shape": (256, 256)}, "at most 128 px after binning"),
        ({"n_classes": 8}, "expected 9 for 'count'"),
        ({"question": "shapes"}, "question"),
    ],
)
def test_impossible_architectures_are_refused(settings, message):
    right = {"question": "count", "n_classes": 9, "image_shape": (128, 128), **SMALL}
    with pytest.raises(ValidationError, match=message):
        ClassifierConfig(**(right | settings))


def places(truth: ReaderTruth, index: int) -> np.ndarray:
    """Deformed corners of one image with their severities, in an order of their own."""
    signs = 2.0 * mask_bits()[:8, :3] - 1.0
    corners = signs @ np.asarray(truth.arrows[index])
    deformed = np.asarray(mask_bits()[int(truth.mask[index])], bool)
    depth = np.asarray(truth.severity[index])
    table = np.column_stack([corners, depth])[deformed]
    assert (depth[~deformed] == 0).all()
    return table[np.lexsort(table.T)]


def test_axes_put_in_another_order_leave_every_corner_where_it_is():
    recipe = recipes.get("count")
    truth = reader_truth(recipe.sample(9, 0, 48).columns, recipe.pixel_size_nm)
    rng = np.random.default_rng(2)
    orders = axis_orders()[0]
    asked = orders[rng.integers(0, 6, len(truth.mask))]
    signs = rng.choice([-1.0, 1.0], size=(len(asked), 3, 1))
    arrows = signs * np.take_along_axis(truth.arrows, asked[..., None], axis=1)
    arrows += 0.01 * rng.normal(size=arrows.shape)
    found = reordered(truth, jnp.asarray(arrows))
    np.testing.assert_allclose(np.abs(found.arrows), np.abs(arrows), atol=0.1)
    np.testing.assert_allclose(
        found.log_edges, np.take_along_axis(truth.log_edges, asked, axis=1), atol=1e-6
    )
    for index in range(len(asked)):
        np.testing.assert_allclose(places(found, index), places(truth, index), atol=1e-4)


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        (["recipe=shapes"], r"^model.reader is true for the recipe 'shapes', expected one whose"),
        (["model.variant=p4m"], r"^question is 'count' for a p4m network"),
    ],
)
def test_an_experiment_says_what_does_not_fit_a_network_that_finds_corners(sets, message):
    experiment = Experiment(
        name="wrong",
        recipe="count",
        model=ModelSettings(reader=True, **SMALL),
        symmetries=False,
        corner_weight=1.0,
    )
    with pytest.raises(ValueError, match=message):
        experiment.changed(sets).make_model(recipes.get("count"))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    tiny = Experiment(
        name="tiny",
        recipe="pairs-cuboid",
        model=ModelSettings(reader=True, **SMALL),
        symmetries=False,
        corner_weight=0.5,
        images=16 * 12,
        batch_size=16,
        validation_images=32,
        test_images=32,
        evaluations=1,
        ema_decay=None,
    )
    folder = tmp_path_factory.mktemp("corners") / "run"
    with reads_of(Experiment) as read:
        training.train(tiny, folder)
    return tiny, folder, read


@pytest.fixture(scope="module")
def finished(recorded):
    return recorded[:2]


def test_every_setting_of_an_experiment_is_read_or_refused(recorded):
    experiment, _, read = recorded
    assert_read_or_refused(experiment, read)


def test_a_run_teaches_corners_and_keeps_a_network_that_answers_the_same(finished):
    experiment, folder = finished
    trained = pretrained.load(folder)
    assert isinstance(trained.model, CornerClassifier)
    assert trained.class_names == experiment.make_recipe().class_names
    images = experiment.make_recipe().sample(1, 0, 4).simulate()
    assert trained.predict(images).probabilities.shape == (4, 7)
    assert trained.novelty(images).shape == (4,)
    follower = experiment.changed([f"start_from={folder}"])
    again = follower.make_model(follower.make_recipe())
    np.testing.assert_allclose(logits(again, images), logits(trained.model, images), atol=1e-5)
    counting = experiment.changed([f"start_from={folder}", "recipe=count"])
    other = counting.make_model(counting.make_recipe())
    assert logits(other, images).shape == (4, 9)


def test_only_weights_that_fit_are_taken(finished):
    _, folder = finished

    def whole_image(variant: str) -> Classifier:
        config = ClassifierConfig(n_classes=4, image_shape=(64, 64), variant=variant, **SMALL)
        return make_classifier(config, rngs=nnx.Rngs(0))

    model = whole_image("hessian")
    start_from(model, str(folder))
    trunk = pretrained.load(folder).model.reader.trunk
    np.testing.assert_array_equal(model.norm.scale[...], trunk.norm.scale[...])
    with pytest.raises(ValueError, match=r"another variant, expected the same architecture"):
        start_from(whole_image("plain"), str(folder))
    with pytest.raises(ValueError, match=r"that is a network that reads several images, expected"):
        start_from(model, "ground-truth")
    with pytest.raises(ValueError, match=r"another variant, widths, blocks, stem_stride"):
        start_from(network(image_shape=(128, 128)), "ground-truth")


def test_it_starts_from_the_reader_of_the_ground_truth_network():
    experiment = Experiment(
        name="from",
        recipe="count",
        model=ModelSettings(reader=True, corner_maps=(1, 2)),
        symmetries=False,
        corner_weight=1.0,
        start_from="ground-truth",
    )
    model = experiment.make_model(experiment.make_recipe())
    encoder = pretrained.load_pretrained("ground-truth").model.encoder
    images = experiment.make_recipe().sample(4, 0, 2).simulate().astype(np.float32)[..., None]
    read = nnx.jit(lambda reader: reader.read(jnp.asarray(images), jnp.ones(2)).masks)
    ours, theirs = read(model.reader), read(encoder)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
