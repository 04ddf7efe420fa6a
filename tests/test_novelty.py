"""A network says when an image is unlike all that it learnt from."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from stemfast.pretrained import TrainedClassifier, load, save
from stemfast.pretrained.class_gaussians import QUANTILE, ClassGaussians, fit
from stemfast.pretrained.novelty import texture
from stemfast.studies.off_distribution import cases, table
from stemfast.studies.off_distribution import measure as behaviour
from stemfast.training import Experiment
from stemfast.training.learnt_range import add_to, measure
from untrained import undecided

EXPERIMENT = Experiment(
    name="small", recipe="shapes", image_px=32, images=64, validation_images=600, seed=5
)


@pytest.fixture(scope="module")
def trained() -> TrainedClassifier:
    """With the weights of a first moment: what its features mean does not matter here."""
    return undecided(EXPERIMENT)


@pytest.fixture(scope="module")
def known(trained, tmp_path_factory) -> TrainedClassifier:
    folder = tmp_path_factory.mktemp("network")
    save(folder, trained)
    add_to(folder)
    return load(folder)


def test_the_share_outside_is_the_one_that_was_asked_for():
    rng = np.random.default_rng(3)
    labels = np.arange(20_000) % 3
    points = rng.normal(4.0 * labels[:, None], rng.uniform(0.1, 3.0, 30), (20_000, 30))
    outside = (fit(points[:10_000], labels[:10_000]).distance(points[10_000:]) > 1).mean()
    # The limit is a quantile of 5000, the share one of 10,000: four standard deviations.
    spread = np.sqrt((1 - QUANTILE) / 5000 + (1 - QUANTILE) / 10_000)
    assert outside == pytest.approx(1 - QUANTILE, abs=4 * spread)


def test_a_cloud_keeps_its_distances_when_it_is_stored():
    rng = np.random.default_rng(4)
    points = rng.normal(size=(400, 40)) @ rng.normal(size=(40, 40))
    cloud = fit(points, np.zeros(400, int))
    again = ClassGaussians.of_arrays(cloud.arrays())
    np.testing.assert_array_equal(again.distance(points), cloud.distance(points))
    assert sum(array.nbytes for array in cloud.arrays().values()) < 2000


@pytest.mark.parametrize("change", ["missing", "shape", "limit"])
def test_arrays_that_do_not_fit_are_refused(change):
    points = np.random.default_rng(0).normal(size=(100, 6))
    arrays = fit(points, np.zeros(100, int)).arrays()
    if change == "missing":
        arrays.pop("axes")
    elif change == "shape":
        arrays["spread"] = arrays["spread"][:-1]
    else:
        arrays["limit"] = np.array(-1.0)
    with pytest.raises(ValueError, match="arrays"):
        ClassGaussians.of_arrays(arrays)


def test_too_few_points_are_refused():
    with pytest.raises(ValueError, match="each class at least twice"):
        fit(np.zeros((6, 2)), [0, 0, 1, 1, 1, 0])


def test_texture_tells_noise_from_a_smooth_image_but_not_gain_and_offset():
    rng = np.random.default_rng(1)
    rows, cols = np.indices((48, 48))
    hill = np.exp(-((rows - 24) ** 2 + (cols - 24) ** 2) / 100)[None]
    noisy = hill + rng.normal(0, 0.3, (1, 48, 48))
    assert texture(noisy)[0, 7] - texture(hill)[0, 7] > 3
    np.testing.assert_allclose(texture(250 * noisy - 9), texture(noisy), atol=1e-9)


def test_novelty_survives_the_disk_and_knows_its_own_images(trained, known):
    recipe = EXPERIMENT.make_recipe()
    scenes = recipe.sample(EXPERIMENT.seed, 2**41, 2**41 + 400)
    images = scenes.simulate()
    own = known.novelty(images)
    again = replace(known, novelty_model=measure(trained.model, recipe, seed=5, images=600))
    np.testing.assert_array_equal(again.novelty(images), own)
    # One in a hundred, limited by few validation images: a false alarm in some thousands.
    assert (own > 1).mean() < 0.05
    assert (known.novelty(np.random.default_rng(0).normal(size=(20, 32, 32))) > 1).all()
    dim = recipe.replace(imaging={"signal_e_px": (2.0, 2.0)}).sample(5, 0, 100).simulate()
    assert (known.novelty(dim) > 1).mean() > 0.3


def test_a_network_without_novelty_still_loads_and_says_what_is_missing(trained, tmp_path):
    save(tmp_path, trained)
    old = load(tmp_path)
    assert old.novelty_model is None
    assert "novelty" not in json.loads((tmp_path / "config.json").read_text())
    with pytest.raises(ValueError, match="add_novelty"):
        old.novelty(np.eye(32)[None])


def test_another_networks_novelty_is_refused(trained, known, tmp_path):
    save(tmp_path, known)
    (tmp_path / "novelty.safetensors").write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"novelty.safetensors is not the file"):
        load(tmp_path)
    (tmp_path / "novelty.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"novelty.safetensors"):
        load(tmp_path)
    # A network written over another one does not inherit it.
    save(tmp_path, known)
    save(tmp_path, trained)
    assert load(tmp_path).novelty_model is None
    assert not (tmp_path / "novelty.safetensors").exists()


def test_few_validation_images_give_no_novelty(trained):
    assert measure(trained.model, EXPERIMENT.make_recipe(), seed=0, images=11) is None


@pytest.mark.parametrize("name", ["shapes", "count"])
def test_every_case_beyond_the_learnt_images_can_be_measured(known, name):
    from stemfast import recipes

    recipe = recipes.get(name, image_px=32)
    found = [
        behaviour(known, case, images, None if name == "count" else labels)
        for case, images, labels in cases(recipe, seed=0, images=6)
    ]
    assert len({one.case for one in found}) == len(found) >= 20
    assert all(one.images == 6 and one.kept <= one.named for one in found)
    assert found[-1].case == "white noise"
    assert found[-1].unlike == 1
    text = table(found).splitlines()
    assert len(text) == len(found) + 2
    assert {line.count("|") for line in text} == {8}
