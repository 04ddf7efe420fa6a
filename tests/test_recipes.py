"""Recipes: scene i depends on nothing else, ranges hold, brightness gives nothing away."""

from __future__ import annotations

import numpy as np
import pytest

from stemfast import recipes
from stemfast.microscope import Microscope
from stemfast.particles import Cuboid, Ellipsoid, Particle, Sphere, Tetrahedron
from stemfast.recipes import Scenes


def all_particles(scenes: Scenes) -> list[Particle]:
    return [scenes.particle(i) for i in range(len(scenes))]


def all_microscopes(scenes: Scenes) -> list[Microscope]:
    return [scenes.microscope(i) for i in range(len(scenes))]


NAMES = recipes.names()


@pytest.mark.parametrize("name", NAMES)
def test_a_scene_depends_on_its_seed_and_index_alone(name):
    recipe = recipes.get(name)
    whole, part = recipe.sample(11, 0, 12), recipe.sample(11, 5, 9)
    assert np.array_equal(whole.labels[5:9], part.labels)
    assert all_particles(whole)[5:9] == all_particles(part)
    assert all_microscopes(whole)[5:9] == all_microscopes(part)
    for column, values in part.columns.items():
        assert np.array_equal(whole.columns[column][5:9], values), column
    assert np.array_equal(whole.simulate()[5:9], part.simulate(n_threads=1))
    other = recipe.sample(12, 5, 9)
    assert not np.array_equal(other.columns["diameter_nm"], part.columns["diameter_nm"])


@pytest.mark.parametrize("name", NAMES)
def test_classes_are_balanced_in_any_aligned_range(name):
    recipe = recipes.get(name)
    classes = len(recipe.class_names)
    labels = recipe.sample(0, 4 * classes, 9 * classes).labels
    assert np.bincount(labels).tolist() == [5] * classes


@pytest.mark.parametrize("name", NAMES)
def test_what_is_drawn_fills_the_documented_ranges_and_stays_inside(name):
    recipe = recipes.get(name)
    scenes = recipe.sample(3, 0, 600)
    for column in ("diameter_nm", "signal_e_px", "probe_fwhm_nm", "film_nm", "read_noise"):
        low, high = getattr(recipe, column)
        values = scenes.columns[column]
        assert low <= values.min(), column
        assert values.max() <= high, column
        assert np.ptp(values) > 0.9 * (high - low), column
    assert {m.decode() for m in scenes.columns["material"].tolist()} == set(recipe.materials)


@pytest.mark.parametrize("name", NAMES)
def test_particles_have_the_volume_that_was_drawn_and_lie_in_the_field(name):
    recipe = recipes.get(name)
    scenes = recipe.sample(5, 0, 60)
    volumes = [particle.volume for particle in all_particles(scenes)]
    expected = np.pi / 6 * scenes.columns["diameter_nm"] ** 3
    np.testing.assert_allclose(volumes, expected, rtol=1e-9)
    radius = np.array([particle.bounding_radius for particle in all_particles(scenes)])
    reach = np.abs(scenes.positions_nm).max(axis=(1, 2)) + radius
    assert reach.max() <= 0.5 * recipe.image_px * recipe.pixel_size_nm + 1e-9


@pytest.mark.parametrize("name", NAMES)
def test_the_dose_is_what_it_says(name):
    recipe = recipes.get(name)
    scenes = recipe.sample(2, 0, 20)
    for i, (particle, microscope) in enumerate(
        zip(all_particles(scenes), all_microscopes(scenes), strict=True)
    ):
        chord = 2 / 3 * scenes.columns["diameter_nm"][i]
        scattered = 1 - np.exp(-chord / microscope.mean_free_path_nm(particle.material))
        signal = microscope.electrons_per_pixel * scattered
        assert signal == pytest.approx(scenes.columns["signal_e_px"][i], rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("statistic", ["mean", "std", "max"])
def test_brightness_alone_does_not_tell_the_classes_apart(name, statistic):
    # Rank test of each class against the rest (area under the ROC curve), 300 images each:
    # chance alone spreads it by about 0.02 around 0.5. Mean and spread of the images differ a
    # little because a tetrahedron is thinner than a cuboid of its volume.
    from scipy.stats import rankdata

    recipe = recipes.get(name)
    classes = len(recipe.class_names)
    scenes = recipe.sample(9, 0, 300 * classes)
    values = getattr(scenes.simulate().reshape(len(scenes), -1).astype(float), statistic)(axis=1)
    ranks = rankdata(values)
    for label in range(classes):
        inside = scenes.labels == label
        n, m = inside.sum(), (~inside).sum()
        area = (ranks[inside].sum() - n * (n + 1) / 2) / (n * m)
        assert 0.42 < area < 0.58


def test_shapes_are_what_their_labels_say():
    scenes = recipes.get("shapes").sample(1, 0, 9)
    kinds = (Tetrahedron, Cuboid, Ellipsoid)
    for label, particle in zip(scenes.labels, all_particles(scenes), strict=True):
        assert isinstance(particle, kinds[label])
    round_ones = all_particles(recipes.get("shapes", sphere_ratio=1.0).sample(1, 0, 9))[2::3]
    assert all(isinstance(particle, Sphere) for particle in round_ones)


def test_sizes_differ_by_no_more_than_the_ratio():
    scenes = recipes.get("shapes", edge_ratio=1.5, sphere_ratio=1.1).sample(1, 0, 300)
    sizes = scenes.columns["size_nm"]
    ratio = sizes.max(axis=1) / sizes.min(axis=1)
    assert np.allclose(ratio[0::3], 1)
    assert 1.4 < ratio[1::3].max() <= 1.5
    assert 1.08 < ratio[2::3].max() <= 1.1


def test_deformed_cuboids_have_the_corners_of_their_mask():
    recipe = recipes.get("deformed")
    scenes = recipe.sample(4, 0, 400)
    masks = scenes.columns["corner_mask"]
    bits = np.unpackbits(masks[:, None], axis=1, bitorder="little").astype(bool)
    for particle, wanted in zip(all_particles(scenes), bits, strict=True):
        assert sorted(particle.corners) == np.flatnonzero(wanted).tolist()
    assert (masks[scenes.labels == 0] == 0).all()
    counts = bits.sum(axis=1)[scenes.labels == 1]
    assert set(counts.tolist()) == set(range(1, 9))
    low, high = recipe.severity
    depths = scenes.columns["severity"][bits]
    assert low <= depths.min()
    assert depths.max() <= high
    # Each corner is deformed in 4.5 of 8 particles on average; 200 particles spread the count of
    # each by 7 around 112.5; four standard deviations, two-sided, 8 corners: false alarm 5e-4.
    assert np.abs(bits.sum(axis=0) - 112.5).max() < 28
    assert 0.35 < scenes.columns["displaced"][scenes.labels == 1].mean() < 0.65


@pytest.mark.parametrize("displaced_share", [0.0, 1.0])
def test_corners_can_be_all_cut_or_all_displaced(displaced_share):
    scenes = recipes.get("deformed", displaced_share=displaced_share).sample(4, 0, 40)
    assert (scenes.columns["displaced"] == (displaced_share == 1) & (scenes.labels == 1)).all()
    kinds = {type(edit).__name__ for p in all_particles(scenes) for edit in p.corners.values()}
    assert kinds == {"Displacement" if displaced_share else "Truncation"}


def test_images_follow_the_dose():
    dim, bright = (
        recipes.get("shapes", signal_e_px=(dose, dose), film_nm=(0, 0), read_noise=(0, 0))
        .sample(1, 0, 30)
        .simulate()
        .astype(float)
        for dose in (100, 1000)
    )
    ratio = (bright - 100).sum() / (dim - 100).sum()
    # 30 images of at least 2000 electrons each at the lower dose: below 0.5 % counting noise.
    assert ratio == pytest.approx(10, rel=0.03)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("shape", {}, "recipe is 'shape', expected one of"),
        ("shapes", {"dose": 3}, "dose"),
        ("shapes", {"diameter_nm": (20, 10)}, "lowest, highest"),
        ("shapes", {"diameter_nm": (0, 10)}, "diameter_nm"),
        ("shapes", {"diameter_nm": (10, 40)}, "fit into the field of 64 nm"),
        ("shapes", {"film_nm": (-1, 10)}, "film_nm"),
        ("shapes", {"signal_e_px": (1, np.nan)}, "signal_e_px"),
        ("shapes", {"materials": ()}, "materials"),
        ("deformed", {"severity": (0.3, 0.2)}, "severity"),
        ("deformed", {"severity": (0.3, 0.6)}, "severity"),
        ("deformed", {"displaced_share": 1.5}, "displaced_share"),
    ],
)
def test_wrong_names_and_ranges_are_refused(name, settings, message):
    with pytest.raises(ValueError, match=message):
        recipes.get(name, **settings)


@pytest.mark.parametrize(("start", "stop"), [(3, 3), (5, 2), (-1, 2)])
def test_empty_and_negative_ranges_are_refused(start, stop):
    with pytest.raises(ValueError, match="expected 0 <= start < stop"):
        recipes.get("shapes").sample(0, start, stop)
