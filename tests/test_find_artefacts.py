"""Damage, graphics and images of no sample: found, replaced or masked, and told."""

from __future__ import annotations

import numpy as np
import pytest

import stemfast as sf
from stemfast.finding.artefacts.burnt_in import find_burnt_in
from stemfast.finding.artefacts.contents import is_no_sample
from stemfast.finding.artefacts.damage import repair
from stemfast.finding.artefacts.scale_bar import find_scale_bar
from stemfast.micrograph import MicrographError, simulated_field

pytest.importorskip("skimage", reason="needs scikit-image, the extra [io]")


@pytest.fixture(scope="module")
def field():
    return np.asarray(simulated_field(5, n_particles=12).image).astype(np.float32)


def eight_bit(image):
    low, high = image.min(), np.percentile(image, 99.9)
    return np.clip(200.0 * (image - low) / (high - low) + 20.0, 20, 220).astype(np.float32).round()


def text(image, words, at, value, size):
    from PIL import Image, ImageDraw

    picture = Image.fromarray(image.astype(np.uint8))
    ImageDraw.Draw(picture).text(at, words, fill=value, font_size=size)
    return np.asarray(picture).astype(np.float32)


def found_in(image):
    return sf.find(image, 0.8, "bright", "classical")


def test_a_whole_image_is_left_as_it_is(field):
    mended = repair(field)
    assert mended.notes == ()
    np.testing.assert_array_equal(mended.image, field)
    assert not mended.mask.any()


DAMAGE = {
    "hot pixel": lambda image: image.__setitem__((200, 100), 60_000),
    "dead pixel on a particle": lambda image: image.__setitem__(
        np.unravel_index(np.argmax(image), image.shape), 0
    ),
    "bright column": lambda image: image.__setitem__((slice(None), 200), 3000),
    "three dead rows": lambda image: image.__setitem__(slice(100, 103), 0),
    "fly-back rows": lambda image: image.__setitem__(slice(0, 3), 5000),
    "ten hot pixels": lambda image: image.__setitem__(
        (np.arange(20, 400, 40)[:10], np.arange(17, 400, 38)[:10]), 40_000
    ),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_told_and_costs_no_particle(field, what):
    image = field + 3.0  # so that what is dead shows on the film as well
    DAMAGE[what](image)
    found = found_in(image)
    assert len(found) == 12, what
    told = " ".join(found.notes)
    word = "pixel" if "pixel" in what else "column" if "column" in what else "row"
    assert "replaced" in told
    assert word in told


def test_a_stitching_line_is_levelled(field):
    image = field + 20.0
    image[:, 220:] += 40.0
    found = found_in(image)
    assert len(found) == 12
    assert any("stitching line" in note and "column 219" in note for note in found.notes)


@pytest.mark.parametrize("contrast", ["bright", "dark"])
def test_letters_and_scale_bar_become_no_particles(field, contrast):
    image = eight_bit(field)
    image = text(image, "50 nm", (20, 350), 255, 24)
    image[384:390, 20:120] = 255
    image = text(image, "(a)", (350, 8), 255, 30)
    image = image if contrast == "bright" else 255 - image
    drawn = find_burnt_in(image)
    assert drawn.bars[0].width == 100
    assert drawn.letters >= 5
    found = sf.find(image, 0.8, contrast, "classical")
    assert any("drawn into the image" in note for note in found.notes)
    assert abs(len(found) - 12) <= 1  # one may lie under the letters
    inside = drawn.mask
    for one in found:
        row, col = (round(x) for x in one.centroid)
        assert not inside[row, col]


def test_a_data_bar_is_left_out(field):
    image = np.zeros((460, 400), np.float32)
    image[:400] = eight_bit(field)
    image = text(image, "HV 200 kV  mag 1.2 Mx  HAADF  100 nm", (10, 410), 255, 16)
    image[440:446, 20:145] = 255
    assert find_scale_bar(image).length_px == pytest.approx(125, abs=0.5)
    found = found_in(image)
    assert len(found) == 12
    assert all(one.bbox[2] <= 402 for one in found)


def test_the_scale_bar_gives_the_scale(field):
    image = eight_bit(field)
    image[380:386, 30:130] = 255
    found = sf.find(image, scale_bar_nm=80.0, method="classical")
    assert found.pixel_size_nm == pytest.approx(0.8, rel=0.01)
    assert found.source.bar is not None
    assert any("scale bar of 100" in note for note in found.notes)
    with pytest.raises(MicrographError, match="no scale bar is seen"):
        sf.find(field, scale_bar_nm=80.0)
    with pytest.raises(ValueError, match="got both"):
        sf.find(field, 0.8, scale_bar_nm=80.0)


def test_an_aligned_cube_is_no_scale_bar():
    flat = sf.Microscope(
        film=sf.Film(thickness_nm=0.0), scan=sf.Scan(shape=(128, 128), pixel_size_nm=0.35)
    )
    image = np.asarray(sf.simulate(sf.Cuboid(edges=(20, 10, 16)), None, flat, seed=1))
    assert repair(image.astype(np.float32)).notes == ()


def fourier(image):
    power = np.log1p(np.abs(np.fft.fftshift(np.fft.fft2(image - image.mean()))))
    return power.astype(np.float32)


def diffraction(kind):
    n = 256
    rows, cols = np.indices((n, n)) - 126.7
    radius = np.hypot(rows, cols)
    mean = 2000 * np.exp(-(radius**2) / 18) + 20 * np.exp(-radius / 32) + 1
    if kind == "rings":
        for at, height in ((31, 60), (36, 40), (52, 30), (60, 30)):
            mean += height * np.exp(-((radius - at) ** 2) / 3)
    else:
        for i in range(-6, 7):
            for j in range(-6, 7):
                y, x = 18 * (i + 0.2 * j), 18 * (j - 0.2 * i)
                if (i, j) != (0, 0):
                    spot = np.exp(-((rows - y) ** 2 + (cols - x) ** 2) / 6)
                    mean += 600 * np.exp(-np.hypot(x, y) / 43) * spot
    return np.random.default_rng(2).poisson(mean).astype(np.float32)


def page():
    white = np.full((500, 700), 255.0, np.float32)
    line = "The quick brown fox jumps over the lazy dog, 1234567890 times a day"
    for top in range(15, 480, 24):
        white = text(white, line, (15, top), 0, 16)
    return white


@pytest.mark.parametrize(
    ("image", "name"),
    [
        (lambda field: fourier(field), "a Fourier transform"),
        (lambda field: fourier(field[:399, :397]), "a Fourier transform"),
        (lambda _: diffraction("spots"), "a diffraction pattern"),
        (lambda _: diffraction("rings"), "a diffraction pattern"),
        (lambda _: page(), "a page of text"),
    ],
    ids=["FFT", "odd FFT", "spots", "rings", "text"],
)
def test_images_of_no_sample_are_called_what_they_are(field, image, name):
    shown = image(field)
    assert is_no_sample(shown, find_burnt_in(shown)) == name
    with pytest.raises(MicrographError, match=name):
        sf.find(shown, 0.5, method="classical")


@pytest.mark.parametrize("seed", range(4))
def test_images_of_particles_are_taken_for_nothing_else(seed):
    one = np.asarray(sf.simulate(sf.Sphere(radius=12), None, sf.Microscope(), seed=seed))
    many = np.asarray(simulated_field(seed).image)
    for image in (one, many):
        pixels = image.astype(np.float32)
        assert is_no_sample(pixels, find_burnt_in(pixels)) == ""


@pytest.mark.parametrize(
    "noise", [lambda rng: rng.normal(100, 5, (300, 300)), lambda rng: rng.poisson(0.5, (300, 300))]
)
def test_noise_alone_has_no_particles(noise):
    found = sf.find(noise(np.random.default_rng(1)).astype(np.float32), method="classical")
    assert len(found) == 0
    assert found.sizes.count == 0
