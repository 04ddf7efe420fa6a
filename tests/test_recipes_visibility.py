"""The formula for the visibility of a corner against simulated images with and without it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import stemfast as sf
from stemfast import recipes

POSES = 100
FWHM = 2.3548200450309493


def simulated(scenes, i, corner):
    """Rms over poses of the matched filter's signal-to-noise for one corner of one scene."""
    microscope, particle = scenes.microscope(i), scenes.particle(i)
    edit = particle.corners[corner]
    whole = sf.Cuboid(particle.edges, material=particle.material)
    lacking = sf.Cuboid(particle.edges, {corner: edit}, material=particle.material)
    poses = sf.orientation.random(POSES, seed=1)
    scan = sf.Scan(shape=microscope.scan.shape, pixel_size_nm=microscope.scan.pixel_size_nm)
    curve = microscope.scattering_curve(particle.material)
    electrons = microscope.electrons_per_pixel
    film = electrons * (
        1 - np.exp(-microscope.film.thickness_nm / microscope.mean_free_path_nm("C"))
    )
    sigma = microscope.probe.fwhm_nm / FWHM / scan.pixel_size_nm

    def expected(body):
        thickness = sf.thickness(body, poses, scan).astype(float)
        scattered = electrons * curve.fraction(thickness / curve.mean_free_path_nm)
        return gaussian_filter(scattered, (0, sigma, sigma)) + film

    before, after = expected(whole), expected(lacking)
    noise = microscope.detector.excess_noise_factor * before
    noise += scenes.columns["read_noise_e"][i] ** 2
    noise = np.where(noise > 0, noise, 1.0)  # where nothing is, nothing is missing
    return np.sqrt(((before - after) ** 2 / noise).sum(axis=(1, 2)).mean())


@pytest.mark.parametrize("displaced", [False, True])
@pytest.mark.parametrize("conditions", ["clean", "standard", "hard"])
@pytest.mark.parametrize("name", ["deformed", "corners"])
def test_the_formula_holds_within_a_factor(name, conditions, displaced):
    particle = {"displaced_share": float(displaced), "least_visibility": 0.0}
    if conditions == "clean":
        particle |= {"severity": (0.10, 0.5), "displacement": (0.05, 0.25), "shift_nm": 0.0}
    recipe = recipes.get(
        name, conditions=conditions, image_px=160, field_nm=40.0, particle=particle
    )
    scenes = recipe.sample(3, 1, 13)
    ratios = []
    for i in np.flatnonzero(scenes.columns["corner_count"])[:6].tolist():
        said = scenes.columns["visibility"][i]
        for corner in np.flatnonzero(said)[:1].tolist():
            ratios.append(said[corner] / simulated(scenes, i, corner))
    assert len(ratios) == 6
    assert max(np.max(ratios), 1 / np.min(ratios)) < 1.35


@pytest.mark.parametrize("displaced", [False, True])
def test_the_least_visibility_raises_the_smallest_severity_and_no_more(displaced):
    settings = {"displaced_share": float(displaced)}
    faint = {"signal_e_px": (10.0, 40.0)}
    free, bound = (
        recipes.get(
            "count",
            conditions="hard",
            imaging=faint,
            particle=settings | {"least_visibility": least},
        )
        for least in (0.0, 6.0)
    )
    before, after = (recipe.sample(5, 0, 3000).columns for recipe in (free, bound))
    deformed = before["visibility"] > 0
    assert ((after["visibility"] > 0) == deformed).all()
    assert before["visibility"][deformed].min() < 4
    assert before["visible"].all()  # nothing is asked for
    seen = after["visible"]
    shown = deformed & seen[:, None]
    assert 6 <= after["visibility"][shown].min() < 6.2
    # Scenes in which the formula asks for nothing keep their severities, bit for bit.
    high = recipes.get("count", conditions="hard").particle
    top = high.displacement[1] if displaced else high.severity[1]
    hidden = deformed & ~seen[:, None]
    if hidden.any():
        assert (after["severity"][hidden] == top).all()
        assert (after["visibility"][~seen].min(axis=1) < 6).all()
    assert (after["severity"] >= before["severity"] - 1e-15).all()


def test_bright_scenes_are_left_as_they_are():
    with_limit, without = (
        recipes.get("count", conditions="clean", particle={"least_visibility": least})
        for least in (3.0, 0.0)
    )
    a, b = with_limit.sample(1, 0, 90), without.sample(1, 0, 90)
    assert np.array_equal(a.columns["severity"], b.columns["severity"])
    assert a.columns["visible"].all()


def test_more_dose_and_a_finer_probe_show_more():
    def seen(**imaging):
        recipe = recipes.get("count", imaging=imaging, particle={"least_visibility": 0.0})
        return recipe.sample(1, 1, 9).columns["visibility"].max(axis=1)

    usual = seen(signal_e_px=(100, 100), probe_fwhm_nm=(0.6, 0.6))
    assert (seen(signal_e_px=(400, 400), probe_fwhm_nm=(0.6, 0.6)) > 1.5 * usual).all()
    assert (seen(signal_e_px=(100, 100), probe_fwhm_nm=(0.3, 0.3)) > usual).all()


def test_no_severity_is_below_the_least_that_is_said():
    columns = recipes.get("count", conditions="hard").sample(1, 0, 900).columns
    severity, least = columns["severity"], columns["least_severity"]
    assert (severity >= least[:, None])[severity > 0].all()
    assert least.min() == recipes.get("count", conditions="hard").particle.severity[0]
    assert (least > least.min()).any()
