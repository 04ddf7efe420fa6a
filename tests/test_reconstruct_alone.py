"""The particle of a micrograph alone: found as find does, film in place of all the others."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import stemfast as sf
from stemfast.micrograph import MicrographError
from stemfast.reconstruction import read_series
from stemfast.reconstruction.alone import alone, only

pytest.importorskip("skimage", reason="needs scikit-image, the extra [io]")


def disc(row: int, col: int, radius: int) -> np.ndarray:
    rows, cols = np.indices((110, 120))
    return np.hypot(rows - row, cols - col) <= radius


INNER = disc(40, 50, 9)
LARGE, SMALL, CUT = disc(40, 50, 12), disc(85, 95, 7), disc(105, 20, 20)


def picture(*masks: np.ndarray) -> np.ndarray:
    film = 100 + np.random.default_rng(3).normal(0, 2, (110, 120))
    return np.float32(film + 200 * gaussian_filter(np.any(masks, axis=0) * 1.0, 1.0))


def test_the_only_particle_of_an_image_is_left_as_it_is():
    image = picture(LARGE)
    left, notes = alone(image, method="classical")
    assert np.array_equal(left, image)
    assert notes == []


def test_film_takes_the_place_of_the_others():
    image = picture(LARGE, SMALL)
    left, notes = alone(image, method="classical")
    assert notes == ["2 particles found; the largest one is taken"]
    assert np.array_equal(left[LARGE], image[LARGE])
    assert left[SMALL].mean() == pytest.approx(100, abs=1.5)
    assert left[SMALL].std() == pytest.approx(2, abs=1)


def test_one_of_those_that_were_found_is_left_also_where_labels_are_too_small():
    neighbour, label = disc(40, 78, 8), disc(40, 78, 3)
    far = disc(40, 100, 9)
    image = picture(LARGE, neighbour, far)
    labels = np.int32(2 * LARGE + label + 3 * disc(40, 100, 5))
    left = only(image, labels, 2, "bright")
    first = 40 - 12 - 19, 50 - 12 - 19  # three quarters of its 25 px around it
    rows, columns = (slice(at, at + n) for at, n in zip(first, left.shape, strict=True))
    own = LARGE[rows, columns]
    assert left.shape == (63, 63)
    assert np.array_equal(left[own], image[rows, columns][own])
    assert left[(neighbour | far)[rows, columns]].max() < 115
    dark = only(-image, labels, 2, "dark")
    assert np.array_equal(dark[own] - dark.min(), left[own] - left.min())


def test_a_whole_particle_goes_before_a_larger_one_that_is_cut():
    left, _ = alone(picture(LARGE, CUT), method="classical")
    assert left[INNER].mean() > 290
    assert left[CUT].mean() < 110


def test_of_a_dark_particle_the_negative_is_taken():
    image = picture(LARGE, SMALL)
    left, notes = alone(-image, method="classical")
    assert left[INNER].mean() - left[SMALL].mean() == pytest.approx(200, abs=10)
    assert "the particle is dark, its negative is taken (contrast)" in notes
    told, notes = alone(-image, "dark", "classical")
    assert np.array_equal(told, left)
    assert not any("negative" in note for note in notes)


def test_what_touches_stays_unless_labels_say_otherwise(monkeypatch):
    from stemfast.reconstruction import alone as module

    image = picture(LARGE, disc(40, 70, 7))
    labels = np.where(LARGE, 1, np.where(disc(40, 70, 7), 2, 0)).astype(np.int32)
    beside = disc(40, 72, 4)

    def found(mended, contrast, method):
        from stemfast.finding.detection import Detection

        return "network", Detection(labels, np.ones(2), np.ones(2, bool), "bright")

    told, notes = alone(image, labels=labels)
    assert notes == ["2 particles labelled; the largest one is taken"]
    assert told[beside].mean() < 110
    monkeypatch.setattr(module, "search", found)
    left, _ = alone(image)
    assert left[beside].mean() > 290


def test_a_series_takes_a_label_image_for_each_image(tmp_path):
    images = np.stack([picture(LARGE, SMALL)] * 2)
    labels = np.stack([LARGE | SMALL, SMALL]).astype(np.uint8)
    np.save(tmp_path / "series.npy", images)
    np.save(tmp_path / "labels.npy", labels)
    series = read_series(
        [tmp_path / "series.npy"], pixel_size_nm=0.5, labels=tmp_path / "labels.npy"
    )
    assert series.images[0][INNER].mean() > 290
    assert series.images[0][SMALL].mean() < 110
    assert series.images[1][SMALL].mean() > 260
    assert series.images[1][LARGE].mean() < 110
    with pytest.raises(ValueError, match="labels: got 1 label images for 2 images, expected 2"):
        read_series([tmp_path / "series.npy"], pixel_size_nm=0.5, labels=labels[0])
    with pytest.raises(MicrographError, match=r"frame 0: labels: got shape \(9, 9\), expected"):
        read_series([tmp_path / "series.npy"], pixel_size_nm=0.5, labels=np.zeros((2, 9, 9)))
    with pytest.raises(ValueError, match="method is 'best', expected network, classical or auto"):
        read_series([tmp_path / "series.npy"], pixel_size_nm=0.5, method="best")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--method", "best"], "--method is 'best'"),
        (["--contrast", "brigt"], "--contrast is 'brigt'"),
        (["--labels", "none.tif"], "--labels is none.tif: there is no such file"),
    ],
)
def test_the_command_takes_the_options_of_find(stemfast, words, message):
    np.save("series.npy", np.stack([picture(LARGE)] * 2))
    result = stemfast("reconstruct", "series.npy", "--pixel-size-nm", "0.5", *words)
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_bright_neighbour_leaves_the_particle_as_it_is():
    particle = sf.Cuboid(edges=(16, 13, 10), corners={7: sf.Truncation(0.4)})
    scope = sf.Microscope(scan=sf.Scan(shape=(110, 120), pixel_size_nm=0.4, dwell_us=10))
    image = np.asarray(sf.simulate(particle, microscope=scope, seed=1), np.float32)
    other = image.copy()
    other[2:14, 2:14] = image.max()
    left, _ = alone(other, method="classical")
    middle = (slice(30, 80), slice(35, 85))
    assert np.array_equal(left[middle], image[middle])
    assert left[2:14, 2:14].mean() == pytest.approx(image[20:30, 2:14].mean(), abs=0.5)
