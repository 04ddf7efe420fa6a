"""Images of other sizes and pixel sizes, brought to what a network learnt from."""

from __future__ import annotations

import numpy as np
import pytest

from stemfast import recipes
from stemfast.pretrained import TrainedClassifier
from stemfast.pretrained.sampling import Learnt, sampled, sight, window
from untrained import SMALL, by_chance

LEARNT = Learnt((64, 64), 0.5, (11.0, 18.0))


@pytest.fixture(scope="module")
def trained() -> TrainedClassifier:
    return by_chance()


def images_of(px: int, field_nm: float = 32.0, n: int = 4) -> np.ndarray:
    recipe = recipes.get("count", conditions="clean", image_px=px, field_nm=field_nm)
    return recipe.sample(3, 0, n).simulate()


def slow_average(image, first, step, size):
    """Areas of pixels under each new pixel, one pixel at a time."""
    out = np.zeros((size, size))
    for i in range(size):
        for j in range(size):
            top, left = first + i * step, first + j * step
            for r in range(image.shape[0]):
                for c in range(image.shape[1]):
                    down = min(top + step, r + 0.5) - max(top, r - 0.5)
                    across = min(left + step, c + 0.5) - max(left, c - 0.5)
                    if down > 0 and across > 0:
                        out[i, j] += down * across * image[r, c] / step**2
    return out


@pytest.mark.parametrize(("side", "step"), [(16, 1.0), (16, 1.6), (16, 2.0), (15, 1.25)])
def test_pixels_that_grow_are_averages_over_areas(side, step):
    image = np.random.default_rng(2).gamma(2.0, size=(side, side))
    size = int(side / step)
    assert size * step == side
    got = window(image, sight(image), step, (size, size))
    np.testing.assert_allclose(got, slow_average(image, -0.5, step, size), rtol=1e-5)


def test_the_learnt_sampling_changes_no_pixel():
    images = images_of(64)
    seen = sampled(images, 0.5, LEARNT)
    np.testing.assert_array_equal(seen.images, images.astype(np.float32))
    assert seen.notes == seen.warnings == ()
    assert not seen.outside.any()


@pytest.mark.parametrize(("px", "field", "word"), [
    (128, 32.0, "averaged over areas"),
    (256, 32.0, "averaged over areas"),
    (96, 48.0, "cropped about the particle"),
    (60, 30.0, "padded with their film"),
])  # fmt: skip
def test_particles_look_as_they_would_at_the_learnt_pixel_size(px, field, word):
    wanted = images_of(64).astype(float)
    images = images_of(px, field)
    seen = sampled(images, field / px, LEARNT)
    assert word in " ".join(seen.notes)
    for own, other in zip(wanted, seen.images, strict=True):
        a, b = sight(own), sight(other.astype(float))
        assert b.diameter_px == pytest.approx(a.diameter_px, rel=0.06)


def test_a_particle_off_the_middle_is_cropped_into_the_middle():
    rows, columns = np.indices((200, 200))
    image = 10.0 + 90.0 * (np.hypot(rows - 120, columns - 60) < 25)
    seen = sampled(image[None], 0.25, LEARNT)
    found = sight(seen.images[0].astype(float))
    assert abs(found.row - 31.5) < 1.5
    # A window that would leave the image to the left stops at its edge.
    assert abs(found.column - 0.5 * 60) < 1.5
    assert seen.notes[-1] == "images were cropped about the particle to 64 × 64 px"


def test_padding_has_the_level_and_the_noise_of_the_film():
    rng = np.random.default_rng(5)
    rows, columns = np.indices((40, 40))
    image = rng.normal(20.0, 3.0, (40, 40)) + 100.0 * (np.hypot(rows - 20, columns - 20) < 12)
    seen = sampled(image[None], 0.5, LEARNT).images[0]
    corner = seen[:10, :10]
    # 100 pixels: five standard errors of mean and spread.
    assert corner.mean() == pytest.approx(20.0, abs=5 * 0.3)
    assert corner.std() == pytest.approx(3.0, abs=5 * 0.21)


def test_enlarged_film_keeps_the_noise_of_a_finer_scan():
    rng = np.random.default_rng(6)
    rows, columns = np.indices((64, 64))
    image = rng.normal(50.0, 2.0, (64, 64)) + 60.0 * (np.hypot(rows - 32, columns - 32) < 14)
    seen = window(image, sight(image), 0.5, (128, 128))
    film = seen[:24]
    rough = np.diff(film, axis=1).std() / np.sqrt(2.0)
    # The same electrons in a quarter of the area: twice the noise, pixel by pixel.
    assert rough == pytest.approx(4.0, rel=0.15)


def test_large_and_small_particles_are_scaled_into_the_learnt_range_with_a_warning(trained):
    rows, columns = np.indices((128, 128))
    image = 10.0 + 90.0 * (np.hypot(rows - 60, columns - 60) < 40)
    large = sampled(image[None], 0.5, LEARNT)  # 40 nm
    assert large.outside.all()
    assert large.pixel_size_nm[0] == pytest.approx(0.5 * 40.0 / (18.0 * 1.35), rel=0.03)
    assert "beyond the 11 to 18 nm" in large.warnings[0]
    with pytest.warns(UserWarning, match="beyond the 11 to 18 nm"):
        said = trained.predict(image, pixel_size_nm=0.5)
    assert said.outside.all()
    assert "beyond the 11 to 18 nm" in said.notes[-1]


def test_pixels_much_larger_than_the_learnt_are_warned_of(trained):
    with pytest.warns(UserWarning, match="pixels of 2 nm are 2 times as large"):
        said = trained.predict(images_of(16), pixel_size_nm=2.0)
    assert said.outside.all()


def test_an_answer_does_not_hang_on_the_other_images(trained):
    images = images_of(48)
    together = trained.predict(images, pixel_size_nm=32 / 48)
    alone = trained.predict(images[2], pixel_size_nm=32 / 48)
    np.testing.assert_allclose(alone.probabilities[0], together.probabilities[2], rtol=1e-5)


def test_without_a_pixel_size_images_must_have_the_learnt_size(trained):
    with pytest.raises(ValueError, match=r"expected \(N, 32, 32\), or their pixel_size_nm"):
        trained.predict(images_of(64))
    plain = trained.predict(images_of(32))
    np.testing.assert_allclose(plain.probabilities, trained.probabilities(images_of(32)))
    assert plain.notes == ()
    assert plain.novelty is None


@pytest.mark.parametrize(
    ("size", "error", "message"),
    [
        (0.0, ValueError, "pixel_size_nm is 0, expected a number of 0.0001"),
        (-1.0, ValueError, "pixel_size_nm is -1"),
        (float("nan"), ValueError, "pixel_size_nm is nan"),
        (1e6, ValueError, "pixel_size_nm is 1e"),
        ("0.5", TypeError, "pixel_size_nm is '0.5', expected a number"),
        (True, TypeError, "pixel_size_nm is True"),
    ],
)
def test_pixel_sizes_out_of_any_sense_are_refused(trained, size, error, message):
    with pytest.raises(error, match=message):
        trained.predict(images_of(64), pixel_size_nm=size)


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (np.full((1, 64, 64), 3), ValueError, r"images\[0\] is 3 everywhere"),
        (np.full((1, 64, 64), np.nan), ValueError, r"images\[0\] holds NaN"),
        (np.ones((1, 64, 64), complex), TypeError, "complex128"),
        (np.zeros((1, 8, 64)), ValueError, "sides of 16"),
        (np.zeros((64,)), ValueError, "has shape"),
    ],
)
def test_images_that_cannot_be_read_are_refused(trained, images, error, message):
    with pytest.raises(error, match=message):
        trained.predict(images, pixel_size_nm=0.5)


def test_a_network_without_a_recipe_takes_no_pixel_size(trained):
    bare = TrainedClassifier(trained.model, trained.class_names)
    assert bare.learnt is None
    with pytest.raises(ValueError, match="does not say which pixel size"):
        bare.predict(images_of(32), pixel_size_nm=1.0)


def test_the_recipe_on_a_card_says_what_was_learnt(trained):
    assert trained.learnt == Learnt((32, 32), SMALL.make_recipe().pixel_size_nm, (11.0, 18.0))
