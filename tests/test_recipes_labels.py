"""Labels of recipes: they follow from the particles, and nothing simpler tells them."""

from __future__ import annotations

import numpy as np
import pytest

import stemfast as sf
from stemfast import recipes, symmetry
from stemfast.particles import Cuboid, Ellipsoid, Sphere, Tetrahedron

CORNER_NAMES = tuple(name for name in recipes.names() if name != "shapes")
CONDITIONS = ("clean", "standard", "hard")


def small(name, **settings):
    return recipes.get(name, **({"image_px": 32} | settings))


def bits(masks):
    return np.unpackbits(np.asarray(masks, np.uint8)[:, None], axis=1, bitorder="little") > 0


def test_shapes_are_what_their_labels_say():
    scenes = small("shapes").sample(1, 0, 300)
    kinds = (Tetrahedron, Cuboid, Ellipsoid)
    sizes = scenes.columns["size_nm"]
    for i in range(30):
        particle = scenes.particle(i)
        assert isinstance(particle, kinds[scenes.labels[i]])
    ratio = sizes.max(axis=1) / sizes.min(axis=1)
    assert np.allclose(ratio[0::3], 1)
    assert 1.5 < ratio[1::3].max() <= 1.6
    assert 1.15 < ratio[2::3].max() <= 1.2
    perfect = small("shapes", particle={"sphere_ratio": 1.0}).sample(1, 0, 9)
    assert all(isinstance(perfect.particle(i), Sphere) for i in (2, 5, 8))


def sorted_mask(particle):
    """A cuboid's mask after the turn that lays its longest edge along x and its shortest along z.

    Worked out from the particle alone, without the recipes' tables.
    """
    order = np.argsort(particle.edges)[::-1]
    matrix = np.zeros((3, 3))
    matrix[range(3), order] = 1
    matrix[2] *= np.linalg.det(matrix)
    permutation = symmetry.corner_permutation(np.round(matrix).astype(int))
    return sum(1 << int(permutation[corner]) for corner in particle.corners)


def generic(particle):
    return symmetry.cuboid_symmetry(sorted(particle.edges, reverse=True), tolerance_nm=0.01)


@pytest.mark.parametrize("conditions", ["standard", "hard"])
@pytest.mark.parametrize("name", CORNER_NAMES)
def test_labels_follow_from_the_particles_by_symmetry(name, conditions):
    recipe = small(name, conditions=conditions)
    scenes = recipe.sample(4, 0, 190)
    for i, label in enumerate(scenes.labels.tolist()):
        particle, said = scenes.particle(i), recipe.class_names[label]
        count = len(particle.corners)
        if name == "deformed":
            assert (count > 0) == (said == "deformed")
        elif name == "count":
            assert count == int(said)
        elif name == "pairs-cube":
            cube = symmetry.cuboid_symmetry(particle.edges, tolerance_nm=1e-9)
            assert cube.group == "Oh"
            assert cube.class_name(particle.deformed_mask) == said
        elif name in ("pairs-cuboid", "corners"):
            group = generic(particle)
            assert group.group == "D2h"
            assert group.class_name(sorted_mask(particle), mirror=True) == said
            assert scenes.columns["sorted_mask"][i] in group.orbit(sorted_mask(particle))
        elif name == "ground-truth":
            assert generic(particle).class_name(sorted_mask(particle)) == said
            up_to_mirror = generic(particle).class_index([sorted_mask(particle)], mirror=True)
            assert scenes.columns["orbit_up_to_mirror"][i] == up_to_mirror[0]
            assert count == i % 9
        else:
            assert generic(particle).class_name(sorted_mask(particle)).endswith(f", {said}")


@pytest.mark.parametrize("name", CORNER_NAMES)
def test_columns_describe_the_particles(name):
    scenes = small(name).sample(8, 0, 60)
    columns = scenes.columns
    deformed = bits(columns["corner_mask"])
    assert (deformed.sum(axis=1) == columns["corner_count"]).all()
    assert ((columns["severity"] > 0) == deformed).all()
    assert ((columns["visibility"] > 0) == deformed).all()
    for i in range(60):
        particle = scenes.particle(i)
        assert particle.deformed_mask == columns["corner_mask"][i]
        np.testing.assert_array_equal(particle.edges, columns["edges_nm"][i])
        assert particle.material == columns["material"][i].decode()
        for corner, edit in particle.corners.items():
            displaced = type(edit).__name__ == "Displacement"
            assert displaced == columns["displaced"][i]
            depth = edit.nm / min(particle.edges) if displaced else edit.fractions[0]
            assert depth == pytest.approx(columns["severity"][i, corner], rel=1e-12)


@pytest.mark.parametrize("name", CORNER_NAMES)
def test_every_mask_of_a_class_is_drawn_equally_often(name):
    # Chi-squared of the masks within each class, at 1e-5 for each of about 60 classes.
    from scipy.stats import chi2

    recipe = small(name)
    scenes = recipe.sample(13, 0, 36000)
    masks = scenes.columns.get("sorted_mask", scenes.columns["corner_mask"])
    group = {"deformed": "corner_count", "count": "corner_count", "ground-truth": "corner_count"}
    classes = scenes.columns[group[name]] if name in group else scenes.labels
    for label in np.unique(classes):
        _, seen = np.unique(masks[classes == label], return_counts=True)
        expected = (classes == label).sum() / len(seen)
        statistic = ((seen - expected) ** 2 / expected).sum()
        if name == "handedness":  # orbits of two and of four masks, equally likely
            continue
        assert len(seen) == 1 or chi2.sf(statistic, len(seen) - 1) > 1e-5
    if name in ("deformed", "count"):
        # Each corner is deformed equally often: 8 counts of about n/2, five standard deviations.
        counts = bits(masks).sum(axis=0)
        assert np.ptp(counts) < 5 * np.sqrt(len(masks)) / 2 * np.sqrt(2)


def test_handed_pairs_are_drawn_alike_for_both_hands():
    scenes = small("handedness", views=1).sample(2, 0, 12000)
    orbit = scenes.columns["orbit_up_to_mirror"]
    left, right = (np.bincount(orbit[scenes.labels == hand], minlength=46) for hand in (0, 1))
    assert (left > 0).sum() == (right > 0).sum() == 30
    # 6000 draws over 30 pairs: 200 ± 14 each; five standard deviations.
    assert np.abs(left[left > 0] - 200).max() < 70
    assert np.abs(right[right > 0] - 200).max() < 70


def test_a_mirror_image_has_the_other_hand_and_spins_tell_the_two_apart():
    # Mirrored along the beam, z to -z: the pose (x, y, z, w) becomes (-x, -y, z, w) of the
    # mirrored particle, a static image stays the same, one taken during a turn about x does not.
    from scipy.spatial.transform import Rotation

    scenes = small("handedness", spin=True, conditions="clean", dtype="float32").sample(1, 0, 8)
    scan = sf.Scan(shape=(32, 32), pixel_size_nm=1.0, dwell_us=4.0)
    hands = recipes.get("handedness").class_names
    for i in range(8):
        particle, spin = scenes.particle(i), scenes.spin_rad_s[i, 0]
        corners = {corner ^ 0b100: edit for corner, edit in particle.corners.items()}
        mirrored = sf.Cuboid(particle.edges, corners)
        name = generic(mirrored).class_name(sorted_mask(mirrored))
        assert name.endswith(hands[1 - scenes.labels[i]])
        x, y, z, w = scenes.orientations[i, 0]
        pose, mirror_pose = Rotation.from_quat([x, y, z, w]), Rotation.from_quat([-x, -y, z, w])

        def seen(body, rotation, spin=None, at=scan):
            return sf.thickness(body, rotation, at, spin_rad_s=spin)

        still = seen(particle, pose) - seen(mirrored, mirror_pose)
        turning = seen(particle, pose, spin) - seen(mirrored, mirror_pose, spin)
        unknown = seen(particle, pose, spin) - seen(mirrored, mirror_pose, -spin)
        assert np.abs(still).max() < 1e-3
        assert np.abs(unknown).max() < 1e-3
        assert np.abs(turning).max() > 0.1


def test_the_order_of_axes_tells_nothing():
    scenes = small("corners").sample(7, 0, 3 * 46 * 20)
    longest = scenes.columns["edges_nm"].argmax(axis=1)
    for part in (slice(0, None, 2), slice(1, None, 2)):
        share = np.bincount(longest[part]) / len(longest[part])
        assert np.abs(share - 1 / 3).max() < 0.07  # five standard deviations of 1380 draws
    edges = np.sort(scenes.columns["edges_nm"], axis=1)
    steps = edges[:, 1:] / edges[:, :-1]
    low, high = recipes.get("corners").particle.edge_step
    assert low - 1e-9 <= steps.min() < low + 0.01
    assert high - 0.01 < steps.max() <= high + 1e-9


@pytest.mark.parametrize("conditions", CONDITIONS)
def test_severities_fill_their_range(conditions):
    recipe = small("deformed", conditions=conditions, particle={"least_visibility": 0.0})
    columns = recipe.sample(4, 0, 2000).columns
    for displaced, limits in [
        (False, recipe.particle.severity),
        (True, recipe.particle.displacement),
    ]:
        own = columns["severity"][columns["displaced"] == displaced]
        own = own[own > 0]
        assert limits[0] <= own.min() < limits[0] + 0.01
        assert limits[1] - 0.01 < own.max() <= limits[1]
    # 1000 deformed particles: half of them displaced, ± 1.6 %; five standard deviations.
    assert abs(columns["displaced"][1::2].mean() - 0.5) < 0.08


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_corners_can_be_all_cut_or_all_displaced(share):
    scenes = small("deformed", particle={"displaced_share": share}).sample(4, 0, 40)
    kinds = {type(edit).__name__ for i in range(40) for edit in scenes.particle(i).corners.values()}
    assert kinds == {"Displacement" if share else "Truncation"}


@pytest.mark.parametrize("statistic", ["mean", "std", "max"])
@pytest.mark.parametrize("name", ["shapes", "deformed", "count"])
def test_brightness_alone_does_not_tell_the_classes_apart(name, statistic):
    # Rank test of each class against the rest (area under the ROC curve), 300 images each:
    # chance alone spreads it by about 0.02 around 0.5. Tetrahedra are higher than other particles
    # of their volume, which the brightest pixel shows: that is their shape, not a flaw.
    from scipy.stats import rankdata

    recipe = small(name)
    classes = len(recipe.class_names)
    scenes = recipe.sample(9, 0, 300 * classes)
    values = getattr(scenes.simulate().reshape(len(scenes), -1).astype(float), statistic)(axis=1)
    ranks = rankdata(values)
    for label in range(classes):
        inside = scenes.labels == label
        n, m = inside.sum(), (~inside).sum()
        area = (ranks[inside].sum() - n * (n + 1) / 2) / (n * m)
        most = 0.68 if (name, statistic) == ("shapes", "max") else 0.58
        assert 1 - most < area < most


@pytest.mark.parametrize("conditions", CONDITIONS)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_simple_features_do_not_count_corners(conditions, dtype):
    # A forest on mean, spread, extremes and quantiles of the pixels: chance is 11 %, and 1800
    # test images spread that by 0.7 %. What is left is physics: see docs/recipes.md.
    from sklearn.ensemble import ExtraTreesClassifier

    scenes = small("count", conditions=conditions, dtype=dtype).sample(21, 0, 5400)
    pixels = scenes.simulate().reshape(len(scenes), -1).astype(float)
    features = np.column_stack(
        [
            pixels.mean(axis=1),
            pixels.std(axis=1),
            pixels.min(axis=1),
            pixels.max(axis=1),
            np.quantile(pixels, [0.25, 0.5, 0.75, 0.95], axis=1).T,
        ]
    )
    forest = ExtraTreesClassifier(100, min_samples_leaf=5, random_state=0)
    forest.fit(features[:3600], scenes.labels[:3600])
    assert forest.score(features[3600:], scenes.labels[3600:]) < 0.17
