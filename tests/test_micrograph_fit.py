"""The sphere fit: exact on its own model, on the simulator, and on a real micrograph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stemfast.micrograph import (
    MicrographError,
    find_particles,
    fit_sphere,
    sphere_fit_mask,
    sphere_thickness,
)
from stemfast.micrograph.files.read import read

pytest.importorskip("skimage", reason="needs scikit-image, the extra [io]")

JEOL = Path(__file__).parents[1].parent / "shared" / "data" / "jeol_haadf_nanoparticles.dm4"


def test_the_thickness_is_a_spheres() -> None:
    """Volume, centre and the closed form 2 sqrt(r² - rho²) away from the rim."""
    t = sphere_thickness((50, 61), 22.3, 35.8, radius=11.0, sigma=0.0)
    assert t.sum() == pytest.approx(4 / 3 * np.pi * 11.0**3, rel=1e-3)
    rows, cols = np.indices(t.shape)
    assert (t * rows).sum() / t.sum() == pytest.approx(22.3, abs=1e-2)
    assert (t * cols).sum() / t.sum() == pytest.approx(35.8, abs=1e-2)
    rho = np.hypot(rows - 22.3, cols - 35.8)
    height = 121 - rho[rho < 8] ** 2
    # The mean over a pixel is the middle plus 1/24 of the Laplacian, to the next order.
    laplacian = -2 * (121 + height) / height**1.5
    np.testing.assert_allclose(t[rho < 8], 2 * np.sqrt(height) + laplacian / 24, atol=3e-3)


def test_the_thickness_is_the_simulators() -> None:
    """The same sphere, off centre, from the core: pixel-area averages of exact chords."""
    import stemfast as sf

    shape, size, radius = (40, 52), 0.8, 7.3
    row, col = 17.4, 29.1
    x, y = (col - (shape[1] - 1) / 2) * size, (row - (shape[0] - 1) / 2) * size
    core = sf.thickness(
        sf.Sphere(radius),
        scan=sf.Scan(shape=shape, pixel_size_nm=size),
        positions_nm=(x, y, 0.0),
        oversample=5,
    )
    ours = size * sphere_thickness(shape, row, col, radius=radius / size, sigma=0.0)
    np.testing.assert_allclose(core, ours, atol=2e-4 * radius)


@pytest.mark.parametrize("sigma", [0.4, 1.3])
def test_known_spheres_come_back(sigma: float) -> None:
    truth = {"row": 21.3, "col": 26.8}
    clean = 50.0 + 3.0 * sphere_thickness((48, 55), **truth, radius=9.4, sigma=sigma)
    image = np.random.default_rng(5).poisson(clean).astype(np.float64)
    fit = fit_sphere(image, np.ones(image.shape, dtype=bool), 0.5)
    assert fit.row_px == pytest.approx(21.3, abs=0.15)
    assert fit.col_px == pytest.approx(26.8, abs=0.15)
    assert fit.radius_nm == pytest.approx(4.7, abs=0.1)
    assert fit.amplitude_per_nm == pytest.approx(6.0, rel=0.08)
    assert fit.offset == pytest.approx(50.0, abs=0.7)
    assert fit.blur_sigma_nm == pytest.approx(0.5 * sigma, abs=0.25)
    assert 0.65 < fit.r_squared < 0.8  # the rest is Poisson noise
    residual = image - fit.model
    assert fit.r_squared == pytest.approx(1 - residual.var() / image.var(), abs=1e-4)


def test_the_mask_is_what_is_fitted() -> None:
    image = 5.0 + sphere_thickness((40, 60), 20, 20, radius=8, sigma=1)
    neighbour = image + 4 * sphere_thickness((40, 60), 20, 38, radius=9, sigma=1)
    found = find_particles(neighbour, 1.0)
    assert len(found) == 2
    left = min(found, key=lambda p: p.centroid[1])
    masked = fit_sphere(neighbour, sphere_fit_mask(left), 1.0)
    whole = fit_sphere(neighbour, np.ones(image.shape, dtype=bool), 1.0)
    assert masked.radius_nm == pytest.approx(8.0, abs=0.3)
    assert masked.col_px == pytest.approx(20.0, abs=0.3)
    assert masked.r_squared > 0.98 > whole.r_squared


def test_a_cube_is_no_sphere() -> None:
    """A fit that any bright blob passes would say nothing: a flat plate stays well below."""
    image = np.full((40, 40), 10.0)
    image[10:31, 8:29] = 60.0
    fit = fit_sphere(image, np.ones(image.shape, dtype=bool), 1.0)
    assert fit.r_squared < 0.93


def test_bad_masks_are_refused() -> None:
    image = 5.0 + sphere_thickness((40, 60), 20, 20, radius=8, sigma=1)
    with pytest.raises(MicrographError, match=r"mask: got \(40, 59\) bool, expected \(40, 60\)"):
        fit_sphere(image, np.ones((40, 59), dtype=bool), 1.0)
    with pytest.raises(MicrographError, match="mask: got .* float64, expected"):
        fit_sphere(image, np.ones((40, 60)), 1.0)  # type: ignore[arg-type]
    few = np.zeros((40, 60), dtype=bool)
    few[0, :10] = True
    with pytest.raises(MicrographError, match="mask: 10 pixels, expected at least 24"):
        fit_sphere(image, few, 1.0)
    flat = np.zeros((40, 60), dtype=bool)
    flat[30:, 40:] = True
    with pytest.raises(MicrographError, match="nothing bright in the mask"):
        fit_sphere(np.where(flat, 5.0, image), flat, 1.0)


@pytest.mark.skipif(not JEOL.exists(), reason=f"{JEOL.name} is not in ../shared/data")
@pytest.mark.parametrize("near", [(28, 49), (88, 66), (98, 50)])
def test_a_real_particle_is_a_sphere(near: tuple[int, int]) -> None:
    micrograph = read(JEOL)
    found = find_particles(micrograph)
    particle = min(found, key=lambda p: np.hypot(*np.subtract(p.centroid, near)))
    mask = sphere_fit_mask(particle)
    # Something of two pixels, too small to be found, sits on the third at its lower left.
    rows, cols = np.indices(mask.shape)
    mask &= np.hypot(rows - 101, cols - 45) > 2.5
    fit = fit_sphere(micrograph.image, mask, micrograph.pixel_size_nm)
    assert fit.r_squared >= 0.95
    assert np.hypot(fit.row_px - near[0], fit.col_px - near[1]) < 2.5
    assert 2 * fit.radius_nm == pytest.approx(particle.equivalent_diameter_nm, rel=0.12)
