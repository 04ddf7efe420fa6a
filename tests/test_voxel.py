"""Occupancy volumes bit for bit against brute force; the voxel engine against exact chords."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast import reference
from stemfast.particles.geometry.body import MeshBody

CUT = sf.Cuboid((11, 9, 7), corners={7: sf.Truncation(0.3), 0: sf.Truncation((0.2, 0.3, 0.4))})
DENTED = sf.Cuboid((11, 9, 7), corners={5: sf.Displacement(nm=6.5)})


def centres(shape, size):
    return tuple((np.arange(n) - (n - 1) / 2) * size for n in shape)


@pytest.mark.parametrize("seed", range(8))
def test_occupancy_of_a_convex_body_is_the_brute_force_count(seed):
    pose, size = Rotation.random(rng=seed), 0.3
    volume = sf.voxelize(CUT, pose, voxel_size_nm=size)
    (body,) = CUT.bodies()
    expected = reference.occupancy(body, pose.as_matrix(), centres(volume.shape, size))
    assert (volume == expected).all()
    assert volume.sum() * size**3 == pytest.approx(CUT.volume, rel=5e-3)


@pytest.mark.parametrize("size", [0.25, 0.5, 1.0])
def test_occupancy_where_faces_pass_through_voxel_centres(size):
    # 11, 9 and 7 are multiples of every size, and an odd grid puts centres on the faces.
    shape = tuple(2 * round(n / size / 2) + 1 for n in (7, 9, 11))
    for quarter_turns in range(4):
        pose = Rotation.from_euler("z", 90 * quarter_turns, degrees=True)
        volume = sf.voxelize(CUT, pose, voxel_size_nm=size, shape=shape)
        (body,) = CUT.bodies()
        expected = reference.occupancy(body, _core_matrix(pose), centres(shape, size))
        assert (volume == expected).all()


def _core_matrix(pose):
    x, y, z, w = pose.as_quat()
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def test_occupancy_of_an_ellipsoid():
    pose, size, shape = Rotation.random(rng=2), 0.4, (31, 30, 29)
    z, y, x = np.meshgrid(*centres(shape, size), indexing="ij")
    back = pose.inv().apply(np.stack([x, y, z], axis=-1).reshape(-1, 3))
    inside = (np.sum((back / (5.5, 4, 2.5)) ** 2, axis=1) <= 1).reshape(shape)
    volume = sf.voxelize(sf.Ellipsoid((5.5, 4, 2.5)), pose, voxel_size_nm=size, shape=shape)
    assert (volume == inside).all()


@pytest.mark.parametrize("seed", range(4))
def test_occupancy_of_a_concave_mesh_agrees_with_its_chords(seed):
    # Occupancy comes from rays along x, the reference's depths from rays along z.
    pose, size = Rotation.random(rng=seed), 0.25
    volume = sf.voxelize(DENTED, pose, voxel_size_nm=size)
    assert isinstance(DENTED.bodies()[0], MeshBody)
    assert set(np.unique(volume)) == {0, 1}
    _, ny, nx = volume.shape
    scan = sf.Scan(shape=(ny, nx), pixel_size_nm=size)
    expected = reference.thickness(DENTED, pose, scan)
    # A chord of length t holds t/size centres, give or take one for each of its (at most two)
    # pieces.
    assert np.abs(volume.sum(axis=0) * size - expected).max() <= 2 * size
    assert volume.sum() * size**3 == pytest.approx(DENTED.volume, rel=5e-3)


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_occupancy_does_not_depend_on_threads(threads):
    pose = Rotation.random(rng=1)
    one = sf.voxelize(DENTED, pose, voxel_size_nm=0.5, n_threads=1)
    assert (sf.voxelize(DENTED, pose, voxel_size_nm=0.5, n_threads=threads) == one).all()


def test_where_bodies_overlap_the_occupancy_counts_them():
    pair = sf.Specimen([sf.Sphere(3), sf.Cuboid((2, 2, 2))], [(0, 0, 0), (0, 0, 0)])
    volume = sf.voxelize(pair, voxel_size_nm=0.5)
    assert volume.max() == 2
    assert (volume == 2).sum() == 4**3


@pytest.mark.parametrize("particle", [CUT, DENTED, sf.Ellipsoid((6, 4, 3))])
def test_the_voxel_engine_converges_to_the_exact_one(particle):
    # Counting voxels is a first-order rule: its error halves with the voxel (order 1 ± 0.15).
    poses = Rotation.random(8, rng=4)
    error = []
    sizes = (0.8, 0.4, 0.2, 0.1)
    for size in sizes:
        n = int(16 / size)
        scan = sf.Scan(shape=(n, n), pixel_size_nm=size)
        exact = sf.thickness(particle, poses, scan)
        voxel = sf.thickness(particle, poses, scan, engine="voxel")
        assert np.abs(exact - voxel).max() <= 2.001 * size
        error.append(np.abs(exact - voxel)[exact > 0].mean())
    order = np.polyfit(np.log(sizes), np.log(error), 1)[0]
    assert order == pytest.approx(1.0, abs=0.15)


def test_an_image_can_be_taken_with_the_voxel_engine():
    quiet = sf.Microscope(detector=sf.Detector(bits=None), beam=sf.Beam(current_pa=20_000))
    pose = Rotation.random(rng=3)
    big = sf.Cuboid((24, 20, 16), corners={7: sf.Truncation(0.3)})
    exact = sf.simulate(big, pose, quiet, seed=1)
    voxel = sf.simulate(big, pose, quiet, seed=1, engine="voxel")
    assert np.corrcoef(exact.ravel(), voxel.ravel())[0, 1] > 0.999


def smooth_volume(shape, rng):
    return gaussian_filter(np.pad(rng.uniform(size=shape), 6), 1.5).astype(np.float32)


def test_project_volume_equals_the_reference_and_keeps_the_mass():
    volume = smooth_volume((9, 12, 15), np.random.default_rng(1))
    poses = Rotation.random(5, rng=2)
    images = sf.project_volume(volume, poses, voxel_size_nm=0.4)
    side = images.shape[1]
    for image, pose in zip(images, poses, strict=True):
        expected = reference.project_volume(volume.astype(np.float64), pose.as_matrix(), side, 0.4)
        np.testing.assert_allclose(image, expected, atol=1e-5 * expected.max())
        mass = volume.sum(dtype=np.float64) * 0.4**3
        assert image.sum(dtype=np.float64) * 0.4**2 == pytest.approx(mass, rel=1e-6)


def test_project_volume_along_the_axes_is_a_plain_sum():
    volume = np.random.default_rng(2).uniform(size=(6, 8, 10)).astype(np.float32)
    image = sf.project_volume(volume, voxel_size_nm=0.5, shape=(8, 10))
    np.testing.assert_allclose(image, volume.sum(axis=0) * 0.5, rtol=1e-6)
    # A quarter turn about y takes z to x and x to −z.
    turned = sf.project_volume(
        volume, Rotation.from_euler("y", 90, degrees=True), voxel_size_nm=0.5, shape=(8, 6)
    )
    np.testing.assert_allclose(turned, volume.sum(axis=2).T * 0.5, rtol=1e-5)


def test_a_projected_occupancy_is_the_thickness_of_the_particle():
    size = 0.25
    volume = sf.voxelize(CUT, voxel_size_nm=size)
    pose = Rotation.random(rng=6)
    image = sf.project_volume(volume, pose, voxel_size_nm=size)
    scan = sf.Scan(shape=image.shape, pixel_size_nm=size)
    exact = sf.thickness(CUT, pose, scan)
    assert np.abs(image - exact).mean() < 0.05 * exact.mean()
    assert np.corrcoef(image.ravel(), exact.ravel())[0, 1] > 0.998


def test_project_volume_does_not_depend_on_threads():
    volume = smooth_volume((7, 8, 9), np.random.default_rng(3))
    pose = Rotation.random(3, rng=1)
    one = sf.project_volume(volume, pose, voxel_size_nm=1, n_threads=1)
    for n in (2, 3, 8):
        assert (sf.project_volume(volume, pose, voxel_size_nm=1, n_threads=n) == one).all()
