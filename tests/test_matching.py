"""Matching: gain, probe, background and sizes read off images whose conditions are known."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from typer.testing import CliRunner

import stemfast as sf
from stemfast import recipes
from stemfast.cli import app
from stemfast.fields import FieldRecipe
from stemfast.matching import (
    Estimate,
    match,
    read_conditions,
    recipe_settings,
    write_conditions,
)
from stemfast.matching.background import background
from stemfast.matching.blur import spectral_width
from stemfast.matching.estimate import told, untold
from stemfast.matching.grey_levels import grey_levels
from stemfast.matching.noise import photon_transfer
from stemfast.matching.twin import simulated_crops
from stemfast.micrograph.field import simulated_field
from stemfast.micrograph.files.error import MicrographError, NothingFoundError

pytest.importorskip("skimage", reason="needs scikit-image, the extra [io]")
DATA = Path(__file__).parents[2] / "shared" / "data"
GAIN, BLACK = 3.0, 40.0


def electrons(seed, side=192, film=10.0, particle=60.0):
    """Counts of nine discs of different brightness on a film, and their labels."""
    rows, cols = np.indices((side, side))
    labels = np.zeros((side, side), np.int32)
    mean = np.full((side, side), film)
    for k in range(9):
        row, col = 32 + 64 * (k // 3), 32 + 64 * (k % 3)
        inside = np.hypot(rows - row, cols - col) < 20
        labels[inside] = k + 1
        mean[inside] = film + particle * (0.6 + 0.1 * k)
    return np.random.default_rng(seed).poisson(mean).astype(float), labels


def transferred(image, labels, blur_px=0.5):
    return photon_transfer(
        np.asarray(image, float), labels, blur_px, grey_levels(np.float32(image))
    )


def test_the_gain_and_its_error_bar():
    off = []
    for seed in range(24):
        counts, labels = electrons(seed)
        gain = transferred(GAIN * counts + BLACK, labels).gain
        off.append((gain.value - GAIN) / gain.error)
        assert gain.error < 0.1 * GAIN
    # 68 % of 24, by more than three standard deviations of a binomial either way: p = 0.003.
    assert 9 <= np.count_nonzero(np.abs(off) < 1.0)
    assert np.max(np.abs(off)) < 4.5


@pytest.mark.parametrize("read", [0.0, 1.5])
def test_read_noise_and_black_level_by_the_skewness_of_the_noise(read):
    counts, labels = electrons(1, side=192, film=4.0)
    counts = counts + read * np.random.default_rng(2).normal(size=counts.shape)
    noise = transferred(GAIN * counts + BLACK, labels)
    assert abs(noise.read_noise.value - read) < 3.0 * max(noise.read_noise.error, 0.1)
    assert abs(noise.black_level.value - BLACK) < 3.0 * noise.black_level.error
    variance = noise.background_variance
    assert abs(variance.value - (4.0 + read**2)) < 4.0 * variance.error


def stretched(image):
    unit = np.clip((image - image.min()) / np.ptp(image), 0.0, 1.0)
    return np.rint(255.0 * unit**0.4)


def jpeg(image):
    pillow = pytest.importorskip("PIL.Image")
    grey = np.rint(255.0 * (image - image.min()) / np.ptp(image)).astype(np.uint8)
    buffer = io.BytesIO()
    pillow.fromarray(grey).save(buffer, "JPEG", quality=60)
    return np.asarray(pillow.open(buffer), float)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda image: gaussian_filter(image, 0.7), "not white"),
        (jpeg, "JPEG|not white"),
        (stretched, "grow"),
        (lambda image: np.clip(image, None, 14.0), "saturated|grow"),
    ],
)
def test_of_changed_grey_levels_the_gain_cannot_be_told(spoil, why):
    counts, labels = electrons(3, film=12.0)
    gain = transferred(spoil(counts), labels).gain
    assert not gain.known
    assert re.search(why, gain.why_not), gain.why_not


def test_grey_levels_see_clipping_at_either_end():
    image = np.random.default_rng(4).normal(100.0, 60.0, (96, 96)).clip(0, 200).round()
    seen = grey_levels(np.float32(image))
    assert 0.02 < seen.saturated < 0.08
    assert 0.02 < seen.clipped < 0.08
    assert not grey_levels(np.float32(image + 7.0)).clipped  # 7 can be the level of no electrons


def test_the_background_of_a_film_of_known_roughness():
    noise = np.random.default_rng(5)
    width = 6.0
    rough = gaussian_filter(noise.normal(size=(320, 320)), width, mode="wrap")
    rough *= 5.0 / rough.std()
    cols = np.indices(rough.shape)[1]
    image = 100.0 + 0.05 * cols + rough + noise.normal(0.0, 3.0, rough.shape)
    seen = background(image, np.ones(image.shape, bool), 0.5)
    assert abs(seen.level.value - image.mean()) < 1.0
    assert abs(seen.gradient.value - 16.0) < 3.0 * seen.gradient.error
    assert abs(seen.roughness.value - 5.0) < 3.0 * seen.roughness.error
    # The covariance of a blur of sigma is exp(-r²/4 sigma²): 1/e at 2 sigma.
    assert abs(seen.correlation.value - 2.0 * width) < 3.0 * seen.correlation.error


def test_an_even_film_has_no_structure():
    image = np.random.default_rng(6).poisson(30.0, (128, 128)).astype(float)
    seen = background(image, np.ones(image.shape, bool), 0.5)
    assert not seen.correlation.known
    assert seen.roughness.value == 0.0


@pytest.fixture(scope="module")
def field():
    recipe = FieldRecipe(
        kinds=("sparse",),
        rows=384,
        columns=384,
        diameter_px=(22.0, 26.0),
        cover=(0.2, 0.25),
        mottled=0.0,
        empty=0.0,
        bright_field=0.0,
        laboratory=0.0,
    )
    return recipe.draw(seed=5, index=2)


@pytest.fixture(scope="module")
def matched(field):
    return match(2.0 * field.image + 30.0, field.pixel_size_nm, method="classical")


def test_a_field_of_known_conditions(field, matched):
    seen = matched.conditions
    assert seen.contrast == "bright"
    assert seen.pixel_size.value == field.pixel_size_nm
    assert abs(seen.gain.value - 2.0) < 3.0 * seen.gain.error
    truth = field.truth
    own = field.pixel_size_nm * 2.0 * np.sqrt(truth.area_px[truth.visible & ~truth.cut] / np.pi)
    median = seen.diameter_median
    assert abs(median.value - np.median(own)) < 3.0 * median.error
    assert seen.diameter_low.value < median.value < seen.diameter_high.value
    if seen.probe_fwhm.known:
        probe = field.optics.probe_px * field.pixel_size_nm
        assert abs(seen.probe_fwhm.value - probe) < 3.0 * seen.probe_fwhm.error


def test_the_spectrum_tells_a_wide_probe(field, matched):
    extra = 2.0
    image = gaussian_filter(np.float64(field.image), extra)
    noisy = np.random.default_rng(7).poisson(np.maximum(image, 0.0)).astype(np.float32)
    level = float(noisy[matched.found.labels > 0].mean())
    square, error = spectral_width(noisy, matched.found.particles, level, 0.05)
    true = extra**2 + (field.optics.probe_px * 0.4247) ** 2
    assert abs(square - true) < 3.0 * np.hypot(error, 0.2 * true)


def test_without_a_scale_lengths_are_in_px(field):
    labels = field.labels
    conditions = match(np.asarray(field.image), labels=labels).conditions
    assert not conditions.pixel_size.known
    assert conditions.diameter_median.unit == "px"
    with pytest.raises(ValueError, match="pixel_size could not be told"):
        recipe_settings(conditions, recipes.get("shapes"))


def noise_of(images):
    """Variance of white noise, by differences that are blind to planes."""
    second = images[..., :-2] - 2.0 * images[..., 1:-1] + images[..., 2:]
    return float(np.median(second**2)) / (6.0 * 0.4549)


@pytest.mark.parametrize("pixel_size_nm", [None, "its own"])
def test_simulated_crops_have_the_noise_of_the_micrograph(pixel_size_nm, field):
    image = 2.0 * field.image + 30.0
    size = field.pixel_size_nm if pixel_size_nm else None
    seen = match(image, pixel_size_nm=size, method="classical")
    assert seen.simulated is seen.conditions
    diameters = [seen.conditions.diameter_median.number] * 4
    crops = simulated_crops(seen.simulated, diameters, 48)
    rims = np.concatenate([crops[:, :8], crops[:, -8:]], axis=1)
    assert noise_of(rims) == pytest.approx(noise_of(image[:40]), rel=0.3)


def test_where_no_electrons_are_told_those_of_the_noise_are_assumed(field):
    image = jpeg(2.0 * field.image)
    seen = match(image, field.pixel_size_nm, method="classical")
    assert not seen.conditions.gain.known
    assert "\ncould not be told:\n" in str(seen)
    assert "gain, black_level, read_noise, signal_low" in str(seen)
    assumed = seen.simulated
    assert assumed.gain.known
    assert assumed.diameter_median == seen.conditions.diameter_median
    crops = simulated_crops(assumed, [assumed.diameter_median.number] * 4, 48)
    rims = np.concatenate([crops[:, :8], crops[:, -8:]], axis=1)
    assert noise_of(rims) < max(noise_of(image), 0.1)  # little is left of it
    middle = crops[:, 22:26, 22:26].mean() - np.median(rims)
    height = assumed.signal_median.number * assumed.gain.number
    assert middle == pytest.approx(height, rel=0.6)


def test_one_particle_has_no_range():
    rows, cols = np.indices((96, 96))
    image = np.random.default_rng(8).poisson(10.0 + 40.0 * (np.hypot(rows - 40, cols - 50) < 12))
    found = match(image, 0.5, method="classical")
    assert found.conditions.diameter_low.why_not == "only 1 whole particle"
    assert abs(found.conditions.diameter_median.value - 12.0) < 0.6
    assert any("one particle" in note for note in found.notes)


def test_particles_that_the_border_cuts_are_drawn_as_far_as_they_are_seen(tmp_path):
    rows, cols = np.indices((96, 96))
    shown = 20.0 + 60.0 * (np.hypot(rows - 48, cols) < 30)
    image = np.random.default_rng(1).poisson(shown).astype(float)
    seen = match(image, method="classical")
    assert not seen.conditions.diameter_median.known
    seen.save(tmp_path)
    assert (tmp_path / "match.png").stat().st_size > 5000


def test_nothing_to_match_is_an_error():
    film = np.random.default_rng(9).normal(100.0, 3.0, (128, 128))
    with pytest.raises(NothingFoundError, match="no particle found"):
        match(film, 0.5, method="classical")
    pattern = np.fft.fftshift(np.abs(np.fft.fft2(film)))
    with pytest.raises(MicrographError, match="Fourier transform"):
        match(pattern, 0.5)
    with pytest.raises(ValueError, match="contrast is 'brigt'"):
        match(film, 0.5, "brigt")


def test_saturated_particles_tell_no_signal():
    counts, labels = electrons(10)
    image = np.minimum(np.rint(GAIN * counts), 160.0)
    found = match(image, 0.5, labels=labels)
    assert "saturated" in found.conditions.signal_median.why_not
    assert any("highest grey level" in note for note in found.notes)


def test_conditions_survive_their_file(matched, tmp_path):
    path = write_conditions(tmp_path / "conditions.toml", matched.conditions)
    back = read_conditions(path)
    assert back.contrast == "bright"
    for name, one in matched.conditions.estimates.items():
        other = back.estimates[name]
        assert other.unit == one.unit
        assert other.why_not == one.why_not
        if one.known:
            assert other.value == pytest.approx(one.value, rel=1e-5)
            assert other.spread == pytest.approx(one.spread, rel=1e-5)
    odd = replace(matched.conditions, file='a "quoted"\\\n name', gain=untold('no "gain"\t'))
    assert read_conditions(write_conditions(path, odd)).file == odd.file


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("[gain]", "[gian]"), "'gian'.*did you mean gain"),
        (lambda text: text.replace("error = ", "error = -", 1), "error is -|no TOML|not TOML"),
        (lambda text: text.replace('contrast = "bright"', 'contrast = "grey"'), "contrast is"),
        (lambda text: text.replace("value", "vlaue", 1), "pixel_size is"),
        (lambda text: "what = [", "not TOML"),
        (lambda text: "", "file is missing"),
    ],
)
def test_a_file_of_conditions_that_is_none(change, message, matched, tmp_path):
    path = tmp_path / "conditions.toml"
    seen = replace(matched.conditions, pixel_size=told(0.5, 0.01, "nm"))
    write_conditions(path, seen)
    path.write_text(change(path.read_text()))
    with pytest.raises(ValueError, match=message):
        read_conditions(path)


NAMES = ("shapes", "deformed", "count", "pairs-cube", "pairs-cuboid")


@pytest.mark.parametrize("name", [one for one in NAMES if hasattr(recipes.get(one), "imaging")])
def test_a_recipe_takes_the_settings(name, matched):
    usual = recipes.get(name)
    settings = recipe_settings(matched.conditions, usual)
    recipe = recipes.resolve(name, sets=[f"{k}={json.dumps(v)}" for k, v in settings.items()])
    assert recipe.image_px == usual.image_px
    share = recipe.particle_settings.diameter_nm[1] / recipe.field_nm
    assert share == pytest.approx(usual.particle_settings.diameter_nm[1] / usual.field_nm, rel=1e-3)
    seen = matched.conditions
    area = (recipe.pixel_size_nm / seen.pixel_size.value) ** 2
    low, high = recipe.imaging.signal_e_px
    assert low < area * seen.signal_median.value < high
    assert recipe.sample(seed=1, start=0, stop=4).simulate(n_threads=1).shape[0] == 4


def test_what_was_not_told_stays_in_proportion(matched):
    seen = matched.conditions
    nothing = {
        name: untold("for a test", one.unit)
        for name, one in seen.estimates.items()
        if name not in ("pixel_size", "diameter_median")
    }
    usual = recipes.get("count")
    settings = recipe_settings(replace(seen, **nothing), usual)
    grown = settings["field_nm"] / usual.field_nm
    widths = settings["imaging.probe_fwhm_nm"]
    assert widths == pytest.approx([grown * one for one in usual.imaging.probe_fwhm_nm], rel=1e-3)
    assert "imaging.signal_e_px" not in settings
    recipes.resolve("count", sets=[f"{k}={json.dumps(v)}" for k, v in settings.items()])


def test_dark_particles_have_the_noise_of_what_is_around_them(matched):
    dark = replace(matched.conditions, contrast="dark")
    settings = recipe_settings(dark, recipes.get("count"))
    assert settings["imaging.film_nm"] == [0.0, 0.0]
    assert settings["imaging.read_noise_e"][0] > 0


def test_the_command_writes_both_files(field, tmp_path):
    image = tmp_path / "batch.npy"
    np.save(image, 2.0 * field.image + 30.0)
    out = tmp_path / "out"
    words = ["match", str(image), "--out", str(out), "--method", "classical"]
    result = CliRunner().invoke(app, [*words, "--pixel-size-nm", str(field.pixel_size_nm)])
    assert result.exit_code == 0, result.output
    assert {file.name for file in out.iterdir()} == {"conditions.toml", "match.png"}
    assert "probe_fwhm" in result.output


def test_estimates_say_what_they_are():
    assert str(Estimate(2.0, 0.1, "e")) == "2 ± 0.1 e"
    with pytest.raises(ValueError, match="could not be told: no film"):
        _ = untold("no film").number
    with pytest.raises(ValueError, match="finite"):
        told(float("nan"), 0.1)


@pytest.mark.skipif(not DATA.is_dir(), reason="needs real micrographs, not in the project")
def test_a_real_micrograph_is_matched():
    pytest.importorskip("rsciio", reason="needs RosettaSciIO, the extra [io]")
    seen = sf.match(DATA / "jeol_haadf_nanoparticles.dm4", method="classical").conditions
    assert seen.pixel_size.value == pytest.approx(1.25, rel=0.01)
    assert 5.0 < seen.diameter_median.value < 20.0


@pytest.mark.parametrize("fwhm_px", [5.0, 10.0])
def test_a_probe_a_quarter_as_wide_as_the_particles_is_told(fwhm_px):
    """Edges alone say 5 px where it is 10: corners are round, and no side is straight."""
    scope = sf.Microscope(
        scan=sf.Scan(shape=(512, 512), pixel_size_nm=0.5, dwell_us=4),
        probe=sf.Probe(fwhm_nm=0.5 * fwhm_px),
    )
    field = simulated_field(17, n_particles=25, microscope=scope)
    seen = sf.match(field.image, pixel_size_nm=0.5).conditions.probe_fwhm
    assert seen.value == pytest.approx(0.5 * fwhm_px, rel=0.2)
    assert abs(seen.value - 0.5 * fwhm_px) < 3.0 * seen.error
