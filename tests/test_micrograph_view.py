"""Views: a particle of a micrograph in the field and at the scale that a network learnt from."""

from __future__ import annotations

import numpy as np
import pytest

from stemfast.micrograph import (
    Micrograph,
    MicrographError,
    find_particles,
    sphere_thickness,
    views,
    widths_nm,
)
from stemfast.noise import measure_noise

pytest.importorskip("skimage", reason="needs scikit-image, the extra [io]")

FILM = 40.0


def field(*spheres: tuple[float, float, float], counts: float = 20.0, seed: int = 4) -> Micrograph:
    """Spheres (row, column, radius) on a film, 120 x 120 px of 1 nm, with Poisson noise."""
    thickness = sum(
        sphere_thickness((120, 120), row, col, radius=radius, sigma=1.0)
        for row, col, radius in spheres
    )
    image = np.random.default_rng(seed).poisson(FILM + counts * thickness)
    return Micrograph(image.astype(np.float32), 1.0)


def power(window: np.ndarray, low: float, high: float) -> float:
    """Mean power of a window at frequencies low ... high [1/px]."""
    spectrum = np.abs(np.fft.fft2(window)) ** 2
    q = np.hypot(*np.meshgrid(np.fft.fftfreq(len(window)), np.fft.fftfreq(len(window))))
    return float(spectrum[(q >= low) & (q < high)].mean())


def test_a_particle_has_its_true_size_in_the_middle() -> None:
    image = field((50.3, 64.2, 8.0))
    (view,) = views(image, find_particles(image), size=128, field_nm=64.0)
    assert view.shape == (128, 128)
    assert view.dtype == np.float32
    rows, cols = np.nonzero(view > 0.4 * np.percentile(view, 99.5))
    assert (rows.mean(), cols.mean()) == pytest.approx((63.5, 63.5), abs=1.2)
    # 0.4 of a sphere's height is at √(1 - 0.16) of its radius, 16 px of 0.5 nm.
    assert np.sqrt(len(rows) / np.pi) == pytest.approx(16 * np.sqrt(0.84), rel=0.06)
    assert abs(np.median(view)) < 2.0


def test_the_noise_of_an_enlarged_view_is_white_and_as_strong_as_a_finer_scans() -> None:
    """The same electrons per area in pixels a quarter as large, film and particle alike."""
    rng = np.random.default_rng(8)
    rows, cols = np.indices((120, 120))
    high = (np.abs(rows - 60) < 16) & (np.abs(cols - 60) < 16)
    image = Micrograph(rng.poisson(np.where(high, 900.0, 100.0)).astype(np.float32), 1.0)
    found = find_particles(image)
    (view,) = views(image, found, size=200, field_nm=100.0)
    film, particle = view[5:55, 5:55], view[75:125, 75:125]
    for window, mean in ((film, 100.0), (particle, 900.0)):
        # Variance of one pixel of 1 nm, in pixels of 0.5 nm: 4 times as much noise.
        expected = 4 * mean * window.size
        for low, high_q in ((0.05, 0.15), (0.3, 0.4), (0.4, 0.5)):
            # Means of over a hundred exponentially distributed powers, and of an estimate.
            assert power(window, low, high_q) == pytest.approx(expected, rel=0.35)


def test_a_shrunk_view_gets_no_noise_added() -> None:
    rows, cols = np.indices((120, 120))
    image = Micrograph(40.0 * (np.hypot(rows - 60, cols - 60) < 20), 0.2)
    found = find_particles(image)
    (view,) = views(image, found, size=48, field_nm=24.0)
    assert np.abs(view[:8]).max() < 1e-3


def test_neighbours_and_the_outside_become_film() -> None:
    image = field((12, 60, 8.0), (24, 71, 8.0), (60, 20, 10.0))
    found = find_particles(image)
    assert len(found) == 3
    seen = views(image, found, size=128, field_nm=64.0)
    rows, cols = np.indices((128, 128))
    for view, particle in zip(seen, found, strict=True):
        far = np.hypot(rows - 63.5, cols - 63.5) > 2 * particle.equivalent_diameter_nm + 8
        assert np.abs(view[far]).max() < 9 * np.sqrt(4 * FILM)
        assert abs(view[far].mean()) < 2.0
        assert view[far].std() == pytest.approx(np.sqrt(4 * FILM), rel=0.15)
    np.testing.assert_array_equal(views(image, found, size=128, field_nm=64.0), seen)


def test_the_noise_is_measured_around_particles() -> None:
    image = field((40, 40, 12.0), (80, 80, 15.0), counts=30.0)
    found = find_particles(image)
    noise = measure_noise(image.image - found.background, found.labels)
    # Poisson: variance of the film 40, one more for each electron.
    assert noise.film == pytest.approx(FILM, rel=0.1)
    assert noise.slope == pytest.approx(1.0, rel=0.5)


def test_only_sizes_that_were_not_learnt_are_scaled() -> None:
    image = field((30, 30, 3.0), (30, 80, 8.0), (85, 60, 22.0))
    found = find_particles(image)
    widths = widths_nm(found, field_nm=64.0, diameters_nm=(8.0, 28.0))
    shown = [p.equivalent_diameter_nm * 64.0 / w for p, w in zip(found, widths, strict=True)]
    assert min(shown) == pytest.approx(8.0)
    assert max(shown) == pytest.approx(28.0)
    assert (widths == 64.0).sum() == 1


def test_bad_arguments_are_refused() -> None:
    image = field((60, 60, 10.0))
    found = find_particles(image)
    with pytest.raises(MicrographError, match=r"image: shape \(60, 120\)"):
        views(image.image[:60], found, size=64, field_nm=64.0)
    with pytest.raises(MicrographError, match="size: got 4"):
        views(image, found, size=4, field_nm=64.0)
    for wrong in (0.0, -1.0, np.nan):
        with pytest.raises(MicrographError, match="field_nm"):
            views(image, found, size=64, field_nm=wrong)
    for limits in ((0.0, 5.0), (9.0, 5.0), (5.0, 70.0)):
        with pytest.raises(MicrographError, match="diameters_nm"):
            widths_nm(found, field_nm=64.0, diameters_nm=limits)
