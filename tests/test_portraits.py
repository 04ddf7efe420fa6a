"""Portraits of found particles, and the training on them."""

import numpy as np
import pytest

from stemfast.fields import FieldRecipe
from stemfast.fields.chance import Chance
from stemfast.fields.resting import resting
from stemfast.fields.shapes import CLASSES, library
from stemfast.framing import framed
from stemfast.micrograph.families import FAMILIES, families_of, names_of
from stemfast.micrograph.find import FoundParticle
from stemfast.micrograph.portrait import PORTRAIT_PX, portrait, portraits, side_px
from stemfast.simulation.batch import rotated
from stemfast.training import experiment
from stemfast.training.portraits.samples import Samples, some
from stemfast.training.portraits.sitters import CLASS_NAMES, drawn

pytestmark = pytest.mark.usefixtures("quickly_compiled")

SMALL = FieldRecipe(
    kinds=("sparse", "large"),
    rows=128,
    columns=128,
    diameter_px=(14.0, 30.0),
    cover=(0.1, 0.3),
    shapes=CLASSES,
)


def disc(rows, columns, middle, radius):
    r, c = np.indices((rows, columns))
    return np.hypot(r - middle[0], c - middle[1]) < radius


def sitter(mask, label=1):
    labels = np.where(mask, label, 0).astype(np.int32)
    r, c = np.nonzero(mask)
    return FoundParticle(label, (r.min(), c.min(), r.max() + 1, c.max() + 1), 1.0, False, labels)


def test_particles_of_any_size_look_alike():
    small = disc(60, 70, (31, 26), 8)
    large = disc(360, 420, (160, 190), 64)
    one, other = portrait(small * 5.0, sitter(small)), portrait(large * 0.01, sitter(large))
    assert one.shape == (PORTRAIT_PX, PORTRAIT_PX)
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.97


def test_the_particle_lies_in_the_middle():
    mask = disc(90, 120, (30, 70), 12)
    seen = portrait(mask.astype(float), sitter(mask))
    seen = seen > 0.5 * (seen.max() + seen.min())
    r, c = np.nonzero(seen)
    assert r.mean() == pytest.approx((PORTRAIT_PX - 1) / 2, abs=0.6)
    assert c.mean() == pytest.approx((PORTRAIT_PX - 1) / 2, abs=0.6)
    assert seen.sum() == pytest.approx(
        mask.sum() * (PORTRAIT_PX / side_px(sitter(mask))) ** 2, rel=0.05
    )


def test_neighbours_are_taken_away():
    own, other = disc(80, 80, (40, 30), 10), disc(80, 80, (40, 52), 10)
    one = sitter(own)
    labels = one.labels + np.where(other, 2, 0).astype(np.int32)
    one = FoundParticle(1, one.bbox, 1.0, False, labels)
    image = (own | other).astype(float) + np.random.default_rng(0).normal(0, 0.01, own.shape)
    right = (slice(30, 50), slice(66, 80))
    assert portrait(image, one, alone=False)[right].mean() > 0.5
    assert portrait(image, one)[right].mean() < 0.0


def test_several_particles_at_once():
    mask = disc(50, 60, (25, 30), 9)
    one = sitter(mask)
    seen = portraits(mask.astype(float), [one, one])
    assert np.array_equal(seen[0], seen[1])
    assert np.array_equal(seen[0], portrait(mask.astype(float), one))


def test_a_resting_particle_has_a_face_down():
    """Of every solid a face looks straight down, the nearer faces more often."""
    for name in ("cuboid", "tetrahedron", "hexagonal plate", "decahedron"):
        row = int(library().rows(name)[0])
        planes = library().planes[row]
        n = 400
        scale = np.tile([1.0, 1.3, 0.7], (n, 1))
        q = resting(Chance(3, row), np.full(n, row), scale, 0.0)
        normal = planes[:, :3] / scale[0]
        length = np.sqrt((normal**2).sum(axis=1))
        down = np.stack([rotated(q, np.tile(v, (n, 1)))[:, 2] for v in normal / length[:, None]])
        assert down.min(axis=0).max() < -1.0 + 1e-9, name
        face = down.argmin(axis=0)
        share = np.bincount(face, minlength=len(planes)) / n
        weight = (length / planes[:, 3]) ** 3
        assert np.abs(share - weight / weight.sum()).max() < 0.09, name


def test_fields_of_chosen_shapes_have_them_all():
    recipe = FieldRecipe(
        kinds=("sparse",),
        rows=256,
        columns=256,
        diameter_px=(8.0, 9.0),
        cover=(0.3, 0.3),
        shapes=("core-shell", "hollow", "cuboctahedron"),
        empty=0.0,
    )
    field = recipe.draw(2, 0)
    assert {field.class_names[k] for k in field.truth.kind} == set(recipe.shapes)


def test_shapes_that_are_none_are_refused():
    with pytest.raises(ValueError, match="shapes.*'cubiod'.*cuboid"):
        FieldRecipe(shapes=("cubiod",))


def test_a_hollow_particle_is_darker_in_the_middle_and_a_core_brighter():
    common = {
        "kinds": ("large",),
        "rows": 96,
        "columns": 96,
        "diameter_px": (40.0, 40.0),
        "laboratory": 0.0,
        "bright_field": 0.0,
        "empty": 0.0,
        "brightness_sigma": (0.0, 0.0),
    }
    ratio = {}
    for name in ("hollow", "core-shell", "sphere"):
        recipe = FieldRecipe(shapes=(name,), **common)
        values = []
        for index in range(12):
            field = recipe.draw(5, index)
            for row in np.flatnonzero(field.truth.visible & ~field.truth.cut):
                top, bottom, left, right = field.truth.box[row]
                part = field.image[top:bottom, left:right]
                h, w = part.shape
                middle = part[3 * h // 8 : 5 * h // 8, 3 * w // 8 : 5 * w // 8].mean()
                values.append(middle / part.max())
        ratio[name] = float(np.median(values))
    assert ratio["hollow"] < 0.85 * ratio["sphere"]


def test_portraits_of_a_field_are_the_same_whenever_they_are_drawn():
    one, other = drawn(SMALL, 1, 3, 6), drawn(SMALL, 1, 3, 6)
    assert np.array_equal(one.images, other.images)
    assert np.array_equal(one.labels, other.labels)
    assert len(one.labels) > 2
    assert np.isfinite(one.images).all()
    assert not np.array_equal(one.images[:1], drawn(SMALL, 2, 3, 6).images[:1])


def test_all_classes_occur():
    labels = np.concatenate([drawn(SMALL, 3, index, 8).labels for index in range(60)])
    assert set(labels.tolist()) == set(range(len(CLASS_NAMES)))


def test_batches_are_the_same_wherever_training_begins():
    settings = {"batch_size": 12, "fresh": 2, "ring": 3, "most": 4}
    with Samples(SMALL, 1, **settings).batches(0, 1) as stream:
        first = [next(stream) for _ in range(3)]
    with Samples(SMALL, 1, **settings).batches(2, 1) as stream:
        again = next(stream)
    assert np.array_equal(first[2].images, again.images)
    assert np.array_equal(first[2].labels, again.labels)
    assert not np.array_equal(first[0].images, first[1].images)
    assert all(len(batch.labels) == 12 for batch in first)


def test_splits_never_meet():
    train, test = some(SMALL, 1, "train", 4, 4), some(SMALL, 1, "test", 4, 4)
    assert not np.array_equal(train.images, test.images)


def test_a_run_leaves_a_network_that_classify_takes(tmp_path):
    from stemfast.pretrained import load
    from stemfast.training import run

    small = experiment.get("open-shapes").changed(
        [
            "images=32",
            "batch_size=16",
            "ring=2",
            "fresh=2",
            "validation_images=500",
            "test_images=400",
            "evaluations=1",
            "model.widths=[8,8]",
            "model.blocks=1",
            "recipe.rows=96",
            "recipe.columns=96",
            "recipe.diameter_px=[12,20]",
        ]
    )
    found = run.train(small, tmp_path / "run")
    trained = load(tmp_path / "run")
    assert found.images == 400
    assert trained.class_names == CLASS_NAMES
    assert trained.card["portraits"] is True
    assert trained.novelty_model is not None
    card = (tmp_path / "run/model_card.md").read_text()
    assert "portraits" in card
    assert "core-shell" in card


def test_settings_without_effect_are_refused():
    with pytest.raises(ValueError, match="spin is True and has no effect"):
        experiment.get("open-shapes").changed(["spin=true"])
    with pytest.raises(ValueError, match="no setting 'colour'"):
        experiment.get("open-shapes").changed(["recipe.colour=1"]).make_recipe()


def test_a_family_is_named_where_the_shape_is_not_sure():
    names = ("sphere", "ellipsoid", "icosahedron", "cuboid", "rod")
    chances = np.array(
        [
            [0.9, 0.05, 0.05, 0, 0],
            [0.5, 0.4, 0.1, 0, 0],
            [0.4, 0.2, 0.3, 0.1, 0],
            [0.4, 0, 0, 0.6, 0],
        ]
    )
    assert [name for name, _ in names_of(names, chances, 0.8)] == [
        "sphere",
        "round",
        "compact",
        "cuboid",
    ]
    assert names_of(names, chances, 0.8)[3][1] == pytest.approx(0.6)
    assert families_of(("tetrahedron", "cuboid", "sphere")) == {}
    assert all(set(shapes) <= set(CLASS_NAMES) for shapes in FAMILIES.values())


def small_network():
    from flax import nnx

    from stemfast.models import ClassifierConfig, make_classifier
    from stemfast.pretrained import TrainedClassifier

    config = ClassifierConfig(n_classes=16, image_shape=(80, 80), widths=(8,), stem_stride=4)
    model = make_classifier(config, rngs=nnx.Rngs(0))
    return TrainedClassifier(model, CLASS_NAMES, card={"portraits": True})


@pytest.mark.parametrize("shape", [(32, 32), (80, 80), (256, 200), (512, 512)])
def test_images_of_any_size_are_read(shape):
    image = 20.0 + disc(*shape, (shape[0] * 0.4, shape[1] * 0.6), min(shape) * 0.2)
    said = small_network().predict(image)
    assert said.probabilities.shape == (1, 16)
    assert said.notes == ("each image's particle was framed at the scale of its size",)


def test_images_that_show_nothing_are_refused():
    network = small_network()
    with pytest.raises(ValueError, match=r"images\[0\] is 3.0 everywhere"):
        network.predict(np.full((50, 50), 3.0))
    with pytest.raises(ValueError, match="NaN"):
        network.predict(np.full((50, 50), np.nan))
    with pytest.raises(ValueError, match="pixel_size_nm"):
        network.predict(np.eye(50), pixel_size_nm=-1.0)


def test_framing_agrees_with_the_portrait_of_the_same_particle():
    mask = disc(120, 150, (70, 60), 17)
    image = 30.0 + 90.0 * mask
    found, right = framed(image, PORTRAIT_PX), portrait(image, sitter(mask))
    assert np.corrcoef(found.ravel(), right.ravel())[0, 1] > 0.98
    dark = framed(-image, PORTRAIT_PX)
    assert np.allclose(dark, found, atol=1e-6)
