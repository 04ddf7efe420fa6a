"""Finding particles: known discs, spheres and polygons come back where they were put."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stemfast.micrograph import Micrograph, MicrographError, find_particles, sphere_thickness
from stemfast.micrograph.files.read import read
from stemfast.micrograph.separate import _passes

pytest.importorskip("skimage", reason="needs scikit-image, the extra [io]")

JEOL = Path(__file__).parents[1].parent / "shared" / "data" / "jeol_haadf_nanoparticles.dm4"


def spheres(
    shape: tuple[int, int], discs: list[tuple[float, float, float]], sigma: float = 1.0
) -> np.ndarray:
    """Summed thickness [px] of spheres at (row, column, radius), blurred."""
    total = np.zeros(shape)
    for row, col, radius in discs:
        total += sphere_thickness(shape, row, col, radius=radius, sigma=sigma)
    return total


def noisy(thickness: np.ndarray, *, counts: float = 20.0, film: float = 30.0) -> np.ndarray:
    return np.random.default_rng(3).poisson(film + counts * thickness).astype(np.float32)


# Row, column, radius [px]: nowhere symmetric, radii from 4 to 17 px, apart from each other.
APART = [(20.3, 31.7, 9.0), (25.0, 80.4, 14.2), (70.6, 24.1, 4.0), (88.2, 97.5, 17.0)]
# Touching: equal ones, a small one on a large one, a chain of three.
TOUCHING = [
    (22.0, 22.0, 9.0),
    (22.0, 40.5, 9.0),
    (30.0, 90.0, 15.0),
    (30.0, 111.0, 6.0),
    (80.0, 30.0, 8.0),
    (92.0, 41.0, 8.0),
    (92.0, 58.0, 8.0),
    (85.0, 105.0, 5.0),
]


@pytest.mark.parametrize("discs", [APART, TOUCHING], ids=["apart", "touching"])
@pytest.mark.parametrize("tilted_film", [False, True])
def test_spheres_come_back(discs: list[tuple[float, float, float]], tilted_film: bool) -> None:
    shape = (118, 131)
    film = np.linspace(0, 60, shape[1]) if tilted_film else 0.0
    image = noisy(spheres(shape, discs), film=30.0 + film)
    found = find_particles(image, 0.5)
    assert len(found) == len(discs)
    centres = np.array([p.centroid for p in found])
    for row, col, radius in discs:
        distance = np.hypot(*(centres - (row, col)).T)
        particle = found[int(np.argmin(distance))]
        assert distance.min() < 0.7
        assert particle.equivalent_diameter_nm == pytest.approx(2 * radius * 0.5, abs=0.6)
        assert particle.eccentricity < 0.55
        assert particle.solidity > 0.88
        assert not particle.on_border
        assert particle.area_nm2 == np.count_nonzero(found.labels == particle.label) * 0.25


def test_a_particle_knows_its_pixels() -> None:
    image = 5.0 + 40.0 * spheres((60, 90), [(20, 60, 8)])
    (particle,) = find_particles(Micrograph(image, 2.0))
    whole = np.zeros((60, 90), dtype=bool)
    whole[particle.window] = particle.mask
    np.testing.assert_array_equal(whole, particle.labels == particle.label)
    rows, cols = np.nonzero(whole)
    assert particle.bbox == (rows.min(), cols.min(), rows.max() + 1, cols.max() + 1)
    assert particle.area_nm2 == 4.0 * particle.area_px


def test_the_border_is_flagged() -> None:
    discs = [(2.0, 30.0, 8.0), (40.0, 76.0, 8.0), (30.0, 45.0, 8.0), (57.0, 20.0, 6.0)]
    found = find_particles(noisy(spheres((60, 80), discs)), 1.0)
    flags = {tuple(np.round(p.centroid, -1)): p.on_border for p in found}
    assert len(found) == 4
    assert sorted(flags.values()) == [False, True, True, True]
    assert flags[30.0, 40.0] is False or flags[30.0, 50.0] is False


def polygon(shape: tuple[int, int], corners: np.ndarray) -> np.ndarray:
    """A flat plate with straight edges, blurred like everything in a micrograph."""
    from scipy import ndimage
    from skimage.draw import polygon as filled

    fine = np.zeros((4 * shape[0], 4 * shape[1]))
    fine[filled(corners[:, 0] * 4, corners[:, 1] * 4, fine.shape)] = 10.0
    fine = ndimage.gaussian_filter(fine, 3.0)
    return fine.reshape(shape[0], 4, shape[1], 4).mean(axis=(1, 3))


@pytest.mark.parametrize("angle", [0.0, 0.3, 0.7, 1.2])
@pytest.mark.parametrize("counts", [200.0, 5.0, 1.0])
@pytest.mark.parametrize("elongation", [1.0, 1.6])
def test_one_flat_convex_particle_stays_one(angle: float, counts: float, elongation: float) -> None:
    """Noise makes many maxima on a plate of even thickness, and none of them is a particle."""
    half = np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]]) * (22.0, 22.0 / elongation)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    image = noisy(polygon((100, 110), half @ turn.T + (52.0, 48.0)), counts=counts, film=2.0)
    found = find_particles(image, 1.0)
    assert len(found) == 1
    # Where a blurred step has fallen to a fifth is 0.84 widths of the blur (at most 1.25 px, plus
    # half a pixel) outside the step, on either side.
    side = np.sqrt(found[0].area_nm2 * elongation)
    assert 44.0 < side < 44.0 + 2 * (0.84 * 1.25 + 0.5) * 1.3


@pytest.mark.parametrize("counts", [200.0, 5.0])
def test_two_plates_that_touch_at_a_corner_part(counts: float) -> None:
    first = np.array([[20, 20], [20, 50], [50, 50], [50, 20]])
    second = np.array([[47, 47], [60, 80], [85, 70], [75, 45]])
    image = np.maximum(polygon((100, 110), first), polygon((100, 110), second))
    assert len(find_particles(noisy(image, counts=counts, film=2.0), 1.0)) == 2
    together = find_particles(noisy(image, counts=counts, film=2.0), 1.0, separate_touching=False)
    assert len(together) == 1


def test_the_same_image_gives_the_same_particles_at_any_scale_of_intensity() -> None:
    image = noisy(spheres((118, 131), TOUCHING)).astype(np.float64)
    first, again = find_particles(image, 0.5), find_particles(image, 0.5)
    scaled = find_particles(4.0 * image - 1000.0, 0.5)
    np.testing.assert_array_equal(first.labels, again.labels)
    np.testing.assert_array_equal(first.labels, scaled.labels)
    # Numbered from top to bottom.
    rows = [p.centroid[0] for p in first]
    assert rows == sorted(rows)
    assert [p.label for p in first] == list(range(1, len(first) + 1))


def test_the_smallest_diameter_is_in_nm() -> None:
    image = noisy(spheres((118, 131), APART))
    assert len(find_particles(image, 0.5, min_diameter_nm=6.0)) == 3
    assert len(find_particles(image, 1.0, min_diameter_nm=6.0)) == 4
    small = find_particles(image, 0.5, min_diameter_nm=15.0)
    assert len(small) == 1
    assert set(np.unique(small.labels)) == {-1, 0, 1}
    with pytest.raises(MicrographError, match="no particle found: nothing of at least 50 nm"):
        find_particles(image, 0.5, min_diameter_nm=50.0)


@pytest.mark.parametrize("mean", [0.5, 4.0, 1000.0])
def test_an_empty_film_has_no_particles(mean: float) -> None:
    """Five standard deviations and four pixels across: about one film in 10^5 would fail."""
    for seed in range(4):
        film = np.random.default_rng(seed).poisson(mean, (128, 128)).astype(np.float32)
        with pytest.raises(MicrographError, match=r"the image: no particle found.*5 standard dev"):
            find_particles(film, 1.0)


def test_the_message_names_the_file(tmp_path: Path) -> None:
    film = np.random.default_rng(0).normal(100.0, 3.0, (64, 64))
    np.save(tmp_path / "film.npy", film)
    micrograph = read(tmp_path / "film.npy", pixel_size_nm=1.0)
    with pytest.raises(MicrographError, match=r"film\.npy: no particle found"):
        find_particles(micrograph)


def test_bad_arguments_are_refused() -> None:
    image = noisy(spheres((60, 60), [(30, 30, 10)]))
    with pytest.raises(TypeError, match="pixel_size_nm: needed with an array"):
        find_particles(image)
    with pytest.raises(TypeError, match=r"pixel_size_nm: got 0.5 with a Micrograph"):
        find_particles(Micrograph(image, 0.7), 0.5)
    with pytest.raises(MicrographError, match="pixel_size_nm: expected a positive"):
        find_particles(image, -1.0)
    for name, value in {
        "edge_fraction": 1.0,
        "min_dip": 0.0,
        "background_degree": 7,
        "smoothing_px": -1.0,
        "min_diameter_nm": np.nan,
    }.items():
        with pytest.raises(MicrographError, match=f"{name}: got"):
            find_particles(image, 1.0, **{name: value})  # type: ignore[arg-type]
    with pytest.raises(MicrographError, match="3 dimensions"):
        find_particles(np.zeros((3, 20, 20)), 1.0)


def test_passes_are_the_highest_of_touching_pixels() -> None:
    """Against a walk over all pairs of neighbouring pixels."""
    rng = np.random.default_rng(7)
    regions = rng.integers(0, 6, (9, 13)).astype(np.int32)
    landscape = np.round(rng.random((9, 13)), 1)  # with ties
    best: dict[tuple[int, int], float] = {}
    pixels = list(np.ndindex(regions.shape))
    for one in pixels:
        for other in pixels:
            a, b = int(regions[one]), int(regions[other])
            if max(abs(one[0] - other[0]), abs(one[1] - other[1])) == 1 and 0 < a < b:
                height = float(min(landscape[one], landscape[other]))
                best[a, b] = max(height, best.get((a, b), -1.0))
    expected = sorted(((a, b, h) for (a, b), h in best.items()), key=lambda p: (-p[2], *p[:2]))
    assert _passes(landscape, regions) == expected
    assert _passes(landscape, np.zeros_like(regions)) == []


@pytest.mark.skipif(not JEOL.exists(), reason=f"{JEOL.name} is not in ../shared/data")
def test_a_real_micrograph() -> None:
    """Centres [row, column] a person marks in the picture; the overlapping pair is one here."""
    marked = [
        (29, 40), (30, 49), (38, 42), (44, 37), (48, 47), (54, 58), (58, 74), (62, 56), (62, 67),
        (70, 81), (72, 56), (74, 74), (81, 79), (88, 81), (89, 67), (93, 81), (94, 74), (99, 49),
        (108, 39),
    ]  # fmt: skip
    found = find_particles(read(JEOL))
    assert len(found) == len(marked)
    centres = np.array([p.centroid for p in found])
    for centre in marked:
        assert np.hypot(*(centres - centre).T).min() < 1.2
    assert [p.label for p in found if p.on_border] == [len(found)]
    assert all(4.0 < p.equivalent_diameter_nm < 20.0 for p in found)
