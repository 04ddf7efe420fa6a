"""Depth of focus: slabs of the particle, each blurred by its own width."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast import reference

PIXEL, FINE = 0.9, 9
SCAN = sf.Scan(shape=(30, 34), pixel_size_nm=PIXEL)
CONE = sf.Probe(fwhm_nm=1.2, depth_of_focus=True, focus_nm=4.0, slabs=48)
ANGLE_MRAD = 150.0
POSE = Rotation.random(rng=8)
PARTICLES = {
    "convex": sf.Cuboid((14, 11, 16), corners={7: sf.Truncation(0.4)}),
    "upright": sf.Cuboid((10, 12, 18)),
    "mesh": sf.Cuboid((14, 12, 15), corners={2: sf.Displacement(nm=5.0)}),
    "ellipsoid": sf.Ellipsoid((9, 6, 4)),
}


def scope(probe, scan=SCAN, angle_mrad=ANGLE_MRAD):
    """So many electrons that their noise is below a thousandth of the signal."""
    return sf.Microscope(
        scan=scan,
        probe=probe,
        beam=sf.Beam(energy_kev=100, current_pa=3e5, convergence_mrad=angle_mrad),
        haadf=sf.Haadf(inner_mrad=160, outer_mrad=500),
        film=sf.Film(thickness_nm=0),
        detector=sf.Detector(bits=None),
    )


def fraction(particle, pose, probe, *, scan=SCAN, angle_mrad=ANGLE_MRAD, **options):
    setup = scope(probe, scan, angle_mrad)
    return sf.simulate(particle, pose, setup, seed=1, **options) / setup.electrons_per_pixel


def brute_force(particle, pose, probe):
    """Layer by layer through a fine voxel volume, whose columns at pixel centres are the scan's."""
    rows, columns = SCAN.shape
    voxel = PIXEL / FINE
    shape = (281, rows * FINE, columns * FINE)
    volume = sf.voxelize(particle, pose, voxel_size_nm=voxel, shape=shape)
    middle = FINE // 2
    seen = volume[:, middle::FINE, middle::FINE].astype(np.float64)
    curve = scope(probe).scattering_curve(particle.material)
    seen /= curve.mean_free_path_nm
    angle = ANGLE_MRAD * 1e-3
    return reference.focused_fraction(
        seen, voxel, PIXEL, probe.sigma_nm, angle, probe.focus_nm, curve
    )


@pytest.mark.parametrize("kind", PARTICLES)
def test_slabs_equal_a_layer_by_layer_volume(kind):
    pose = Rotation.identity() if kind == "upright" else POSE
    expected = brute_force(PARTICLES[kind], pose, CONE)
    image = fraction(PARTICLES[kind], pose, CONE)
    flat = fraction(PARTICLES[kind], pose, sf.Probe(fwhm_nm=1.2))
    # Steps of a voxel's length make up 1.5e-3, the counts' noise the rest.
    assert np.abs(image - expected).max() < 2.5e-3
    assert np.abs(flat - expected).max() > 8e-3


def test_more_slabs_come_closer():
    expected = fraction(PARTICLES["convex"], POSE, CONE.replace(slabs=256))
    errors = [
        np.abs(fraction(PARTICLES["convex"], POSE, CONE.replace(slabs=n)) - expected).max()
        for n in (1, 2, 4, 8, 16)
    ]
    assert all(b < 0.75 * a for a, b in pairwise(errors)), errors
    assert errors[3] < 2e-3


@pytest.mark.parametrize("kind", PARTICLES)
@pytest.mark.parametrize("engine", ["exact", "voxel"])
def test_a_parallel_beam_is_the_plain_image(kind, engine):
    how = {"angle_mrad": 1e-9, "engine": engine}
    image = fraction(PARTICLES[kind], POSE, CONE.replace(slabs=7), **how)
    plain = fraction(PARTICLES[kind], POSE, sf.Probe(fwhm_nm=1.2), **how)
    np.testing.assert_allclose(image, plain, rtol=0, atol=1e-6)


def test_the_engines_agree():
    exact, voxel = (
        fraction(PARTICLES["mesh"], POSE, CONE, engine=engine, oversample=3)
        for engine in ("exact", "voxel")
    )
    assert np.abs(exact - voxel).max() < 4e-3


@pytest.mark.parametrize("kind", PARTICLES)
def test_a_straying_beam_sees_the_same_slabs(kind):
    # A drift of nothing to speak of goes another way through the code.
    still = fraction(PARTICLES[kind], POSE, CONE)
    drift = SCAN.replace(instability=sf.Instability(drift_nm_s=(1e-9, 0.0)))
    straying = fraction(PARTICLES[kind], POSE, CONE, scan=drift)
    np.testing.assert_allclose(straying, still, rtol=0, atol=2e-6)


def test_a_spinning_particle_has_its_slabs():
    spin = (0.0, 1e-9, 0.0)
    particle = PARTICLES["convex"]
    still = fraction(particle, POSE, CONE)
    spinning = fraction(particle, POSE, CONE, spin_rad_s=spin)
    # The slabs are cut from its bounding sphere, and so are a little thicker.
    assert np.abs(still - spinning).max() < 5e-4


def test_what_is_out_of_focus_is_blurred():
    particle = sf.Sphere(radius=3)
    cone = sf.Probe(fwhm_nm=0.3, depth_of_focus=True)
    peaks = [
        fraction(particle, None, cone, angle_mrad=60, positions_nm=(0, 0, z)).max()
        for z in (0.0, 40.0, -40.0)
    ]
    assert peaks[1] < 0.8 * peaks[0]
    # The beam is weaker further down, so the two sides of the focus are not quite alike.
    assert peaks[1] == pytest.approx(peaks[2], rel=1e-2)
    moved = cone.replace(focus_nm=40)
    peak = fraction(particle, None, moved, angle_mrad=60, positions_nm=(0, 0, 40)).max()
    assert peak == pytest.approx(peaks[0], rel=1e-2)


def test_the_film_belongs_to_the_slabs():
    setups = [
        scope(probe, angle_mrad=1e-9).replace(film=sf.Film(thickness_nm=40))
        for probe in (CONE.replace(slabs=5), sf.Probe(fwhm_nm=1.2))
    ]
    images = [sf.simulate(PARTICLES["convex"], POSE, s, seed=1) for s in setups]
    np.testing.assert_allclose(*images, rtol=1e-5)


def test_no_angle_leaves_every_bit_and_its_neighbours():
    probes = [sf.Probe(focus_nm=3, slabs=2), sf.Probe(depth_of_focus=True), sf.Probe()]
    scopes = [sf.Microscope(probe=probe) for probe in probes]
    images = sf.simulate(PARTICLES["mesh"], POSE, scopes, seed=3)
    for i, setup in enumerate([sf.Microscope(), *scopes[1:]]):
        alone = sf.simulate(PARTICLES["mesh"], POSE, setup, seed=3, first_index=i)
        assert (images[i] == alone).all()


def test_the_same_bits_whatever_the_batch_and_the_threads():
    probe = CONE.replace(tail_fraction=0.2, slabs=5)
    setup = scope(probe).replace(detector=sf.Detector(decay_us=3), beam=sf.Beam(current_pa=40))
    shown = list(PARTICLES.values()) * 2
    poses = sf.orientation.random(len(shown), seed=2)
    whole = sf.simulate(shown, poses, setup, seed=5, n_threads=1)
    for n in (2, 3, 8):
        assert (sf.simulate(shown, poses, setup, seed=5, n_threads=n) == whole).all()
    part = sf.simulate(shown[3:6], poses[3:6], setup, seed=5, first_index=3)
    assert (part == whole[3:6]).all()


def test_optics_with_a_depth_of_focus():
    lens = {"convergence_mrad": 20, "energy_kev": 200}
    cone = sf.Probe.from_optics(**lens, defocus_nm=30, depth_of_focus=True)
    assert cone.fwhm_nm == sf.Probe.from_optics(**lens).fwhm_nm
    assert (cone.depth_of_focus, cone.focus_nm) == (True, 30)
    flat = sf.Probe.from_optics(**lens, defocus_nm=30)
    assert not flat.depth_of_focus
    assert cone.fwhm_at_nm(0, lens["convergence_mrad"]) == pytest.approx(flat.fwhm_nm)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"depth_of_focus": 20}, "depth_of_focus: .* got 20"),
        ({"focus_nm": np.nan}, "focus_nm: expected a finite number"),
        ({"slabs": 0}, "slabs: expected a number of at least 1, got 0"),
        ({"slabs": 2.5}, "slabs: expected a whole number, got 2.5"),
        ({"slabs": 10**6}, "slabs: expected a number of at most 4096"),
    ],
)
def test_impossible_cones(settings, reason):
    with pytest.raises(ValueError, match=reason):
        sf.Probe(**settings)


def test_a_particle_far_out_of_focus():
    with pytest.raises(ValueError, match=r"at z = 5000 nm is seen by a probe .* wider than the"):
        fraction(PARTICLES["convex"], POSE, CONE, positions_nm=(0, 0, 5000))
