"""Recipes: scene i depends on nothing else, and what is drawn is what the settings say."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest

from stemfast import recipes

NAMES = recipes.names()
CONDITIONS = ("clean", "standard", "hard")


def small(name, **settings):
    return recipes.get(name, **({"image_px": 32} | settings))


def solid_bytes(scenes, i):
    """All numbers of one solid."""
    solids, row = scenes.solids.table, scenes.solids.row[i]
    parts = []
    for kind in ("plane", "vertex", "triangle"):
        first, last = getattr(solids, f"{kind}_offset")[row : row + 2]
        table = {"plane": solids.planes, "vertex": solids.vertices, "triangle": solids.triangles}
        parts.append(table[kind][first:last].tobytes())
    return solids.kind[row], *parts


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
        curve = microscope.scattering_curve(particle.material)
        scattered = curve.fraction(np.array(chord / curve.mean_free_path_nm))
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
            part = scenes.solids if table == "volume_nm3" else scenes.solids.table
            digest.update(getattr(part, table).tobytes())
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
