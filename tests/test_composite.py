"""Images of particles of several materials: core and shell, hollow, yolk and shell."""

from __future__ import annotations

import numpy as np
import pytest

import stemfast as sf
from composite_particles import BALLS, PARTICLES, TILT
from stemfast import reference

SCAN = sf.Scan(shape=(41, 45), pixel_size_nm=0.41)


@pytest.mark.parametrize("pose_per", ["row", "pixel"])
def test_a_turned_ellipsoid_spins_with_its_particle(pose_per):
    spin = {"spin_rad_s": (80, -55, 90), "pose_per": pose_per}
    image = sf.thickness(PARTICLES["turned ellipsoid"], TILT, SCAN, **spin)
    expected = reference.thickness(PARTICLES["turned ellipsoid"], TILT, SCAN, **spin)
    np.testing.assert_allclose(image, expected, rtol=0, atol=2e-5 * expected.max())
    assert np.abs(image - sf.thickness(PARTICLES["turned ellipsoid"], TILT, SCAN)).max() > 0.01


@pytest.mark.parametrize("name", PARTICLES)
def test_thickness_of_each_material_integrates_to_its_volume(name):
    particle, scan = PARTICLES[name], sf.Scan(shape=(160, 160), pixel_size_nm=0.15)
    assert sum(particle.volumes.values()) == pytest.approx(particle.volume, rel=1e-12)
    for material, volume in particle.volumes.items():
        alone = reference.thickness(particle, TILT, scan, material=material)
        assert alone.sum() * scan.pixel_size_nm**2 == pytest.approx(volume, rel=5e-3)


def expected_image(scope, *chords):
    """N_e·f blurred, from pairs of a thickness map and a material."""
    depth = scope.film.thickness_nm / scope.mean_free_path_nm(scope.film.material)
    depth = depth + sum(t / scope.mean_free_path_nm(material) for t, material in chords)
    sigma = scope.probe.sigma_nm / scope.scan.pixel_size_nm
    curve = scope.scattering_curve(scope.film.material, *(material for _, material in chords))
    return scope.electrons_per_pixel * reference.gaussian_blur(curve.fraction(depth), sigma)


def ball(radius, scan, x=0.0, y=0.0):
    across, down = reference.pixel_centres(scan)
    square = radius**2 - (across - x) ** 2 - (down[:, None] - y) ** 2
    return 2 * np.sqrt(np.maximum(square, 0))


SCOPE = sf.Microscope(
    scan=SCAN, beam=sf.Beam(current_pa=400), detector=sf.Detector(bits=None), film=sf.Film()
)


def assert_mean_image(particles, expected, *, seed, n=1500, **where):
    # Scores of the mean of n Poisson images are standard normal: the mean of their squares is
    # 1 ± 5·sqrt(2/pixels), false alarm 6e-7; none beyond 6, false alarm 4e-6.
    images = sf.simulate([particles] * n, None, SCOPE, seed=seed, **where)
    score = (images.mean(axis=0, dtype=np.float64) - expected) / np.sqrt(expected / n)
    assert abs((score**2).mean() - 1) < 5 * np.sqrt(2 / score.size)
    assert np.abs(score).max() < 6


def test_the_image_of_core_and_shell_is_made_of_the_paths_in_each():
    core, shell = ball(3, SCAN, 0.7, -0.4), ball(6, SCAN, 0.7, -0.4)
    expected = expected_image(SCOPE, (shell - core, "Pt"), (core, "Pd"))
    assert_mean_image(BALLS, expected, seed=1, positions_nm=(0.7, -0.4, 3.0))


def test_the_image_of_a_hollow_particle():
    particle = sf.Hollow(sf.Sphere(6, material="Ag"), sf.Sphere(4), offset_nm=(0, 1.5, 0))
    expected = expected_image(SCOPE, (ball(6, SCAN) - ball(4, SCAN, y=1.5), "Ag"))
    assert_mean_image(particle, expected, seed=2)


def test_the_image_of_a_specimen_of_several_materials():
    # Gold over carbon, half hidden, on the film: depths add, whatever lies above what.
    field = sf.Specimen(
        [sf.Sphere(4), sf.Sphere(5, material="CeO2"), BALLS], [(-3, 0, 9), (0, 2, -5), (3, -2, 0)]
    )
    core, shell = ball(3, SCAN, 3, -2), ball(6, SCAN, 3, -2)
    chords = [(ball(4, SCAN, -3, 0), "Au"), (ball(5, SCAN, 0, 2), "CeO2")]
    expected = expected_image(SCOPE, *chords, (shell - core, "Pt"), (core, "Pd"))
    assert_mean_image(field, expected, seed=3)


@pytest.mark.parametrize("name", PARTICLES)
def test_the_reference_takes_every_material_by_itself(name):
    # By hand: the layers' own chords, each minus that of the next one inside.
    particle, scope = PARTICLES[name], SCOPE.replace(probe=sf.Probe(fwhm_nm=0))
    x, y = (a.ravel() for a in np.meshgrid(*reference.pixel_centres(SCAN)))
    matrix = TILT.as_matrix()
    chords = [reference.chords(layer.body, matrix, np.zeros(3), x, y) for layer in particle.layers]
    depth = np.full(x.shape, scope.film.thickness_nm / scope.mean_free_path_nm("C"))
    inner = [*chords[1:], np.zeros_like(x)]
    for layer, mine, hole in zip(particle.layers, chords, inner, strict=True):
        if layer.material is not None:
            depth += (mine - hole) / scope.mean_free_path_nm(layer.material)
    fraction = reference.detected_fraction(particle, TILT, scope)
    materials = [layer.material for layer in particle.layers if layer.material is not None]
    expected = scope.scattering_curve("C", *materials).fraction(depth)
    np.testing.assert_allclose(fraction.ravel(), expected, rtol=1e-12, atol=1e-15)


def test_the_film_adds_its_depth_to_the_particles():
    scope = SCOPE.replace(probe=sf.Probe(fwhm_nm=0), film=sf.Film(thickness_nm=40))
    bare = reference.detected_fraction(BALLS, TILT, scope.replace(film=sf.Film(thickness_nm=0)))
    film = 40 / scope.mean_free_path_nm("C")
    both = reference.detected_fraction(BALLS, TILT, scope)
    curve = scope.scattering_curve(*BALLS.volumes)
    np.testing.assert_allclose(curve.depth(both), film + curve.depth(bare), rtol=1e-9)


def test_a_core_of_the_shells_material_is_no_core():
    plain = sf.Cuboid((12, 11, 10))
    same = sf.CoreShell(sf.Sphere(3), plain, offset_nm=(1, 1, 1))
    assert (sf.thickness(same, TILT, SCAN) == sf.thickness(plain, TILT, SCAN)).all()
    assert (sf.simulate(same, TILT, SCOPE, seed=1) == sf.simulate(plain, TILT, SCOPE, seed=1)).all()
    assert same.symmetry_group == "D2h"
    assert len(same.bodies()) == 1


def test_a_core_changes_nothing_of_the_total_thickness_and_a_void_subtracts_its_own():
    shell, core = sf.Cuboid((14, 13, 12), material="Pt"), sf.Octahedron(6, material="Pd")
    where = {"offset_nm": (1, -1, 0.5), "orientation": TILT}
    filled = sf.thickness(sf.CoreShell(core, shell, **where), TILT, SCAN)
    np.testing.assert_allclose(filled, sf.thickness(shell, TILT, SCAN), atol=1e-5)
    hollow = sf.thickness(sf.Hollow(shell, core, **where), TILT, SCAN)
    place = TILT.apply(where["offset_nm"])
    void = sf.thickness(core, TILT * TILT, SCAN, positions_nm=place)
    np.testing.assert_allclose(hollow, filled - void, atol=1e-5)


@pytest.mark.parametrize("name", ["turned ellipsoid", "three layers", "yolk and shell"])
def test_both_engines_agree(name):
    exact = sf.thickness(PARTICLES[name], TILT, SCAN, oversample=4)
    voxel = sf.thickness(PARTICLES[name], TILT, SCAN, oversample=4, engine="voxel")
    assert np.abs(voxel - exact).mean() < 0.01 * exact.max()
    volume = sf.voxelize(PARTICLES[name], TILT, voxel_size_nm=0.2)
    assert set(np.unique(volume)) == {0, 1}
    assert volume.sum(dtype=int) * 0.2**3 == pytest.approx(PARTICLES[name].volume, rel=0.01)


def test_the_same_bits_whatever_the_batch_and_the_threads():
    particles = list(PARTICLES.values())
    poses = sf.orientation.random(len(particles), seed=2)
    whole = sf.simulate(particles, poses, SCOPE, seed=5, n_threads=1)
    for n in (2, 3, 8):
        assert (sf.simulate(particles, poses, SCOPE, seed=5, n_threads=n) == whole).all()
    for i, particle in enumerate(particles):
        alone = sf.simulate(particle, poses[i], SCOPE, seed=5, first_index=i)
        assert (alone == whole[i]).all()
