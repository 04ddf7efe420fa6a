"""Recipes: scene i depends on nothing else, ranges hold, labels are true."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest

import stemfast as sf
from stemfast import recipes, symmetry
from stemfast.particles import Cuboid, Ellipsoid, Sphere, Tetrahedron

NAMES = recipes.names()
CORNER_NAMES = tuple(name for name in NAMES if name != "shapes")
CONDITIONS = ("clean", "standard", "hard")


def small(name, **settings):
    return recipes.get(name, **({"image_px": 32} | settings))


def solid_bytes(scenes, i):
    """All numbers of one solid."""
    solids, row = scenes.solids, scenes.solids.row[i]
    parts = []
    for kind in ("plane", "vertex", "triangle"):
        first, last = getattr(solids, f"{kind}_offset")[row : row + 2]
        table = {"plane": solids.planes, "vertex": solids.vertices, "triangle": solids.triangles}
        parts.append(table[kind][first:last].tobytes())
    return solids.kind[row], *parts


def bits(masks):
    return np.unpackbits(np.asarray(masks, np.uint8)[:, None], axis=1, bitorder="little") > 0


@pytest.mark.parametrize("spin", [False, True])
@pytest.mark.parametrize("conditions", CONDITIONS)
@pytest.mark.parametrize("name", NAMES)
def test_a_scene_depends_on_its_seed_and_index_alone(name, conditions, spin):
    recipe = small(name, conditions=conditions, spin=spin)
    whole = recipe.sample(11, 40, 58)
    for start, stop in [(40, 41), (45, 52), (57, 58)]:
        part, place = recipe.sample(11, start, stop), slice(start - 40, stop - 40)
        assert np.array_equal(whole.labels[place], part.labels)
        assert whole.columns.keys() == part.columns.keys()
        for column, values in part.columns.items():
            assert whole.columns[column][place].tobytes() == values.tobytes(), column
        for i in range(stop - start):
            assert solid_bytes(whole, start - 40 + i) == solid_bytes(part, i)
        assert np.array_equal(whole.simulate()[place], part.simulate(n_threads=1))
    other = recipe.sample(12, 40, 41)
    assert other.columns["diameter_nm"][0] != whole.columns["diameter_nm"][0]


def test_far_indices_are_drawn_like_any_other():
    # Where validation and test sets begin.
    far = small("count").sample(3, 2**41 + 5, 2**41 + 14)
    assert sorted(far.labels.tolist()) == list(range(9))
    assert far.simulate().shape == (9, 32, 32)


@pytest.mark.parametrize("name", [n for n in NAMES if n != "ground-truth"])
def test_scene_i_has_class_i_mod_c(name):
    recipe = small(name)
    classes = len(recipe.class_names)
    assert recipe.sample(0, 5, 5 + 3 * classes).labels.tolist() == [
        i % classes for i in range(5, 5 + 3 * classes)
    ]


@pytest.mark.parametrize("conditions", CONDITIONS)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_drawn_fills_the_documented_ranges_and_stays_inside(name, conditions):
    recipe = small(name, conditions=conditions)
    columns = recipe.sample(3, 0, 1500).columns
    ranges = {"diameter_nm": recipe.particle.diameter_nm}
    ranges |= {
        setting: getattr(recipe.imaging, setting)
        for setting in (
            "signal_e_px",
            "probe_fwhm_nm",
            "film_nm",
            "film_correlation_nm",
            "film_hurst",
            "film_wedge_nm_per_um",
            "read_noise_e",
            "excess_noise_factor",
            "dwell_us",
            "row_jitter_pm",
            "mains_pm",
        )
    }
    values = {column: columns[column] for column in ranges}
    ranges["film_roughness"] = recipe.imaging.film_roughness
    film = columns["film_nm"]
    values["film_roughness"] = columns["film_roughness_nm"] / np.where(film > 0, film, 1)
    ranges["drift_nm_s"] = recipe.imaging.drift_nm_s
    values["drift_nm_s"] = np.linalg.norm(columns["drift_nm_s"], axis=1)
    for column, (low, high) in ranges.items():
        drawn = values[column]
        slack = 1e-12 * high
        assert low - slack <= drawn.min(), column
        assert drawn.max() <= high + slack, column
        assert np.ptp(drawn) >= 0.95 * (high - low), column
    assert {m.decode() for m in columns["material"].tolist()} == set(recipe.particle.materials)


@pytest.mark.parametrize("name", NAMES)
def test_particles_have_the_volume_that_was_drawn_and_stay_in_the_field(name):
    recipe = small(name, conditions="hard")
    scenes = recipe.sample(5, 0, 400)
    expected = np.pi / 6 * scenes.columns["diameter_nm"] ** 3
    np.testing.assert_allclose(scenes.solids.volume_nm3, expected, rtol=1e-12)
    np.testing.assert_allclose(
        [scenes.particle(i).volume for i in range(40)], expected[:40], rtol=1e-9
    )
    radius = scenes.solids.bounding_radius_nm[:, None]
    reach = np.abs(scenes.positions_nm).max(axis=2) + radius
    frame = 32 * (32 * scenes.columns["dwell_us"] + 60) * 1e-6
    drift = np.abs(scenes.columns["drift_nm_s"]).max(axis=1) * frame
    assert (reach + drift[:, None]).max() <= 0.5 * recipe.field_nm
    assert np.abs(scenes.positions_nm).max() <= recipe.particle.shift_nm
    assert np.abs(scenes.positions_nm).max() > 0.9 * recipe.particle.shift_nm
    assert 2 * radius.max() <= recipe.extent * recipe.particle.diameter_nm[1]


@pytest.mark.parametrize("name", NAMES)
def test_the_dose_is_what_it_says(name):
    scenes = small(name).sample(2, 0, 20)
    for i in range(20):
        microscope, particle = scenes.microscope(i), scenes.particle(i)
        chord = 2 / 3 * scenes.columns["diameter_nm"][i]
        scattered = 1 - np.exp(-chord / microscope.mean_free_path_nm(particle.material))
        signal = microscope.electrons_per_pixel * scattered
        assert signal == pytest.approx(scenes.columns["signal_e_px"][i], rel=1e-9)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("conditions", CONDITIONS)
@pytest.mark.parametrize("name", ["shapes", "deformed", "corners"])
def test_no_pixel_is_clipped_and_the_range_is_used(name, conditions, dtype):
    # Saturation warns, and warnings are errors. Six standard deviations are left on both sides:
    # of a million pixels one is clipped with a probability of about 1e-3.
    recipe = small(name, conditions=conditions, dtype=dtype)
    images = recipe.sample(6, 0, 200).simulate()
    top = np.iinfo(dtype).max
    assert images.dtype == dtype
    assert images.min() > 0
    assert images.max() < top
    brightest = images.reshape(200, -1).max(axis=1) / top
    assert 0.35 < np.median(brightest) < 0.8


def test_float_images_are_electrons():
    recipe = small("shapes", dtype="float32", imaging={"read_noise_e": (0.0, 0.0)})
    scenes = recipe.replace(imaging={"excess_noise_factor": (1.0, 1.0)}).sample(1, 0, 9)
    images = scenes.simulate()
    assert images.dtype == np.float32
    assert (images == np.round(images)).all()
    assert (scenes.columns["gain"] == 1).all()


def test_images_follow_the_dose():
    dim, bright = (
        small(
            "shapes",
            dtype="float32",
            imaging={
                "signal_e_px": (dose, dose),
                "film_nm": (0, 0),
                "film_wedge_nm_per_um": (0, 0),
            },
        )
        .sample(1, 0, 30)
        .simulate()
        .astype(float)
        for dose in (100, 1000)
    )
    # 30 images of at least 500 electrons each at the lower dose: below 1 % counting noise.
    assert bright.sum() / dim.sum() == pytest.approx(10, rel=0.04)


def test_size_changes_the_sampling_and_not_the_scene():
    coarse, fine = (recipes.get("count", image_px=px) for px in (64, 128))
    assert coarse.field_nm == fine.field_nm
    assert coarse.pixel_size_nm == 2 * fine.pixel_size_nm
    a, b = coarse.sample(1, 0, 9).columns, fine.sample(1, 0, 9).columns
    for column in ("diameter_nm", "signal_e_px", "electrons_px", "edges_nm"):
        np.testing.assert_allclose(a[column], b[column], rtol=1e-12)


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


@pytest.mark.parametrize("name", ["ground-truth", "handedness"])
def test_views_show_one_particle_in_several_poses(name):
    recipe = small(name, views=3, series={"kind": "static"})
    scenes = recipe.sample(1, 0, 4)
    assert recipe.image_shape == (3, 32, 32)
    assert scenes.simulate().shape == (4, 3, 32, 32)
    assert scenes.columns["orientation_xyzw"].shape == (4, 3, 4)
    quaternions = scenes.orientations.reshape(-1, 4)
    assert len(np.unique(quaternions.round(9), axis=0)) == 12
    assert scenes.microscope(2, view=0) == scenes.microscope(2, view=2)
    assert recipe.replace(views=1).image_shape == (32, 32)


def test_tilts_are_about_the_axis_and_by_the_angles_they_say():
    from scipy.spatial.transform import Rotation

    series = {"kind": "tilts", "tilt_deg": (-50, 70), "tilt_axis_deg": 30, "tilt_error_deg": 0}
    columns = small("ground-truth", views=5, series=series).sample(1, 0, 6).columns
    assert np.allclose(columns["tilt_deg"], [-50, -20, 10, 40, 70])
    axis = np.array([np.cos(np.pi / 6), 0.5, 0])
    assert np.allclose(columns["tilt_axis"], axis)
    for poses, tilts in zip(columns["orientation_xyzw"], columns["tilt_deg"], strict=True):
        base = Rotation.from_rotvec(np.radians(tilts[0]) * axis).inv() * Rotation.from_quat(
            poses[0]
        )
        for pose, tilt in zip(poses, tilts, strict=True):
            wanted = Rotation.from_rotvec(np.radians(tilt) * axis) * base
            assert (wanted * Rotation.from_quat(pose).inv()).magnitude() < 1e-9


def test_errors_of_tilts_have_the_spread_they_say():
    series = {"kind": "tilts", "tilt_error_deg": 2.0}
    columns = small("ground-truth", series=series).sample(1, 0, 500).columns
    error = columns["true_tilt_deg"] - columns["tilt_deg"]
    # 4000 normal numbers: their spread is 2 ± 0.022, their mean 0 ± 0.032; five of each.
    assert abs(error.std() - 2) < 0.11
    assert abs(error.mean()) < 0.16


def test_handedness_without_tilts_takes_a_turn_of_known_sense():
    assert small("handedness").series.kind == "tilts"
    spinning = small("handedness", spin=True)
    assert spinning.views == 1
    spin = spinning.sample(1, 0, 50).columns["spin_rad_s"]
    assert (spin[:, 0] > 0).all()
    assert (spin[:, 1:] == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_spins_turn_by_the_angle_that_was_asked_for_about_any_axis(name):
    recipe = small(name, spin=True, imaging={"turn_axis": "isotropic"})
    columns = recipe.sample(1, 0, 600).columns
    spin = columns["spin_rad_s"]
    frame = (32 * (32 * columns["dwell_us"] + 60) - 60) * 1e-6
    turn = np.degrees(
        np.linalg.norm(spin, axis=-1) * frame.reshape(frame.shape + (1,) * (spin.ndim - 2))
    )
    low, high = recipe.imaging.turn_deg
    assert low - 1e-9 <= turn.min() < low + 1
    assert high - 1 < turn.max() <= high + 1e-9
    axes = spin.reshape(-1, 3) / np.linalg.norm(spin.reshape(-1, 3), axis=1, keepdims=True)
    assert np.abs(axes.mean(axis=0)).max() < 5 / np.sqrt(3 * len(axes))
    still = recipe.replace(spin=False).sample(1, 0, 2)
    assert still.spin_rad_s is None
    assert not np.array_equal(recipe.sample(1, 0, 2).simulate(), still.simulate())


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


DIGEST = """
import hashlib, sys
from stemfast import recipes
digest = hashlib.sha256()
for name in recipes.names():
    for conditions in ("clean", "standard", "hard"):
        spin = conditions == "hard"
        scenes = recipes.get(name, conditions=conditions, spin=spin, image_px=32).sample(5, 7, 207)
        for column in sorted(scenes.columns):
            digest.update(scenes.columns[column].tobytes())
        for table in ("planes", "vertices", "triangles", "volume_nm3"):
            digest.update(getattr(scenes.solids, table).tobytes())
        digest.update(scenes.simulate()[:5].tobytes())
print(digest.hexdigest())
"""


def test_numpy_without_its_vector_code_gives_the_same_bytes():
    from numpy._core import _multiarray_umath as core

    dispatched = [f for f in core.__cpu_dispatch__ if core.__cpu_features__.get(f)]
    if not dispatched:
        pytest.skip("this CPU has no vector code to switch off")
    digests = [
        subprocess.run(
            [sys.executable, "-c", DIGEST],
            env={"PATH": "", "NPY_DISABLE_CPU_FEATURES": " ".join(disabled)},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for disabled in ([], dispatched)
    ]
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    ("start", "stop", "message"),
    [
        (3, 3, "expected 0 <= start < stop"),
        (5, 2, "expected 0 <= start < stop"),
        (-1, 2, "start must be from 0"),
        (0, 2**48 + 1, "stop must be from 0"),
        (0.5, 2, "start must be a whole number"),
    ],
)
def test_ranges_that_do_not_exist_are_refused(start, stop, message):
    with pytest.raises((TypeError, ValueError), match=message):
        recipes.get("shapes").sample(0, start, stop)


@pytest.mark.parametrize("name", NAMES)
def test_a_stored_recipe_comes_back_the_same(name):
    recipe = recipes.get(name, conditions="hard", spin=True, dtype="uint16")
    stored = json.loads(json.dumps(recipe.model_dump(mode="json")))
    again = recipes.from_dump(name, stored)
    assert again == recipe
    assert again.dtype == np.uint16
    assert pickle.loads(pickle.dumps(recipe)) == recipe
    assert hash(again) == hash(recipe)
