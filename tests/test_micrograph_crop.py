"""Crops: centred, alone, of one contrast, and the same for a simulated image and a real one."""

from __future__ import annotations

import numpy as np
import pytest

from stemfast.micrograph import (
    Micrograph,
    MicrographError,
    crop,
    crops,
    find_particles,
    prepare_single,
    sphere_thickness,
    standardise,
)

pytest.importorskip("skimage", reason="needs scikit-image, the extra [io]")


def sphere(
    row: float = 31.2, col: float = 52.7, radius: float = 11.0, shape: tuple[int, int] = (80, 110)
) -> np.ndarray:
    return sphere_thickness(shape, row, col, radius=radius, sigma=1.0)


def noisy(thickness: np.ndarray, counts: float = 20.0, film: float = 30.0) -> np.ndarray:
    return np.random.default_rng(4).poisson(film + counts * thickness).astype(np.float32)


def centre_of(window: np.ndarray) -> tuple[float, float]:
    rows, cols = np.indices(window.shape)
    weight = np.where(window > 0.3, window, 0.0)
    return (weight * rows).sum() / weight.sum(), (weight * cols).sum() / weight.sum()


@pytest.mark.parametrize("radius", [4.0, 11.0, 27.0])
def test_a_sphere_is_centred_scaled_and_standardised(radius: float) -> None:
    """A sphere fills 1 / context of the window, at any size in pixels."""
    image = noisy(sphere(38.2, 52.7, radius))
    (particle,) = find_particles(image, 0.5)
    for size, context in ((48, 1.5), (33, 2.0)):
        window = crop(image, particle, size=size, context=context)
        assert window.shape == (size, size)
        assert window.dtype == np.float32
        # Half a source pixel of the bounding box is the most it can be off.
        off = 0.6 * size / (2 * radius * context) + 0.3
        assert centre_of(window) == pytest.approx(((size - 1) / 2,) * 2, abs=off)
        # Half the height of a sphere is at sqrt(3)/2 of its radius; the box is whole pixels.
        width = 2 * np.sqrt(np.count_nonzero(window > 0.5) / np.pi)
        assert width == pytest.approx(np.sqrt(0.75) * size / context, rel=0.08 + 0.5 / radius)
        edge = np.r_[window[0], window[-1], window[:, 0], window[:, -1]]
        assert abs(float(np.median(edge))) < 0.05
        assert 0.9 < np.percentile(window, 99) < 1.2


def test_an_asymmetric_particle_keeps_its_orientation() -> None:
    """Up stays up, left stays left: a crop is neither flipped nor transposed."""
    image = 10.0 + 2.0 * sphere(30, 50, 10) + 8.0 * sphere(24, 55, 4)
    window = prepare_single(image, size=40)
    row, col = np.unravel_index(np.argmax(window), window.shape)
    # 6 px up and 5 px right of the middle of a particle of 20 px in a window of 30.
    assert (row, col) == pytest.approx((19.5 - 8, 19.5 + 6.7), abs=2.0)
    np.testing.assert_allclose(prepare_single(image[::-1], size=40), window[::-1], atol=1e-5)
    np.testing.assert_allclose(prepare_single(image.T, size=40), window.T, atol=1e-5)


def test_intensity_scale_and_offset_drop_out() -> None:
    image = noisy(sphere()).astype(np.float64)
    np.testing.assert_allclose(prepare_single(image), prepare_single(1e-3 * image + 7.0), atol=2e-3)


def test_neighbours_are_replaced_by_film() -> None:
    alone = sphere(30, 40, 10)
    image = noisy(alone + 3 * sphere(30, 61.5, 11) + sphere(50, 39, 7))
    found = find_particles(image, 0.5)
    assert len(found) == 3
    particle = min(found, key=lambda p: abs(p.centroid[1] - 40) + abs(p.centroid[0] - 30))
    with_neighbours = crop(image, particle)
    reference = crop(noisy(alone), particle)
    # Where the particle is, the same; where its neighbours were, film with the film's noise.
    difference = np.abs(with_neighbours - reference)
    assert np.percentile(difference, 90) < 0.12
    assert difference.max() < 0.6
    right = with_neighbours[:, -4:]
    assert abs(float(np.median(right))) < 0.05
    assert 0.5 < right.std() / reference[:, -4:].std() < 2.0
    np.testing.assert_array_equal(with_neighbours, crop(image, particle))


def test_a_particle_at_the_border_is_filled_up_with_film() -> None:
    image = noisy(sphere(3.0, 50.0, 11.0))
    (particle,) = find_particles(image, 0.5)
    assert particle.on_border
    window = crop(image, particle)
    assert np.isfinite(window).all()
    assert abs(float(np.median(window[:5]))) < 0.05


def test_crops_of_many() -> None:
    image = noisy(sphere(20, 25, 9) + sphere(50, 80, 12))
    micrograph = Micrograph(image, 0.5)
    found = find_particles(micrograph)
    stack = crops(micrograph, found, size=32)
    assert stack.shape == (2, 32, 32)
    np.testing.assert_array_equal(stack[1], crop(image, found[1], size=32))


@pytest.mark.parametrize("counts", [50.0, 2.0])
def test_prepare_single_is_find_and_crop(counts: float) -> None:
    image = noisy(sphere(), counts=counts, film=1.0)
    found = find_particles(image, 1.0, background_degree=0, separate_touching=False)
    np.testing.assert_array_equal(prepare_single(image), crop(image, found[0]))


def test_prepare_single_and_a_micrograph_give_the_same_view() -> None:
    """One particle, seen as a training image and as a part of a field."""
    field = noisy(sphere(30, 30, 9, (120, 130)) + sphere(80, 90, 13, (120, 130)))
    found = find_particles(field, 1.0)
    single = prepare_single(field[50:110, 58:120])
    np.testing.assert_allclose(single, crop(field, found[1]), atol=0.12)


def test_prepare_single_takes_what_the_simulator_gives() -> None:
    """16-bit images of all shapes at any pose: the particle fills the window."""
    import stemfast as sf

    scan = sf.Scan(shape=(64, 64), pixel_size_nm=0.7)
    particles = [sf.Sphere(9.0), sf.Cuboid(edges=(18, 14, 12)), sf.Tetrahedron(edge=22.0)]
    for n, particle in enumerate(particles):
        images = sf.simulate(
            particle,
            sf.orientation.random(5, seed=n),
            sf.Microscope(scan=scan),
            seed=n,
            positions_nm=(3.0, -4.0, 0.0),
        )
        for image in images:
            window = prepare_single(image)
            inside = window > 0.25
            assert 0.1 < inside.mean() < 0.5
            assert inside[20:28, 20:28].any()
            assert not inside[[0, -1]].any()


def test_bad_arguments_are_refused() -> None:
    image = noisy(sphere())
    (particle,) = find_particles(image, 0.5)
    with pytest.raises(MicrographError, match=r"image: shape \(70, 110\), expected \(80, 110\)"):
        crop(image[:70], particle)
    for size in (7, True, 48.0):
        with pytest.raises(MicrographError, match="size: got"):
            crop(image, particle, size=size)  # type: ignore[arg-type]
    for context in (0.9, np.nan, 11.0):
        with pytest.raises(MicrographError, match="context: got"):
            crop(image, particle, context=context)
    with pytest.raises(MicrographError, match="no particle found"):
        prepare_single(np.random.default_rng(0).poisson(5.0, (64, 64)))


def test_standardise_refuses_what_has_no_contrast() -> None:
    window = np.full((20, 20), 5.0)
    mask = np.zeros((20, 20), dtype=bool)
    with pytest.raises(MicrographError, match="particle: 0 of its"):
        standardise(window, mask)
    mask[5:9, 5:9] = True
    with pytest.raises(MicrographError, match=r"the particle \(5\) is no brighter than the film"):
        standardise(window, mask)
    with pytest.raises(MicrographError, match="expected the same shape"):
        standardise(window, mask[1:])
