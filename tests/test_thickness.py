"""Exact chords against the float64 reference, against volume, and in awkward places."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import stemfast as sf
from composite_particles import PARTICLES as COMPOSITES
from stemfast import reference
from stemfast.particles import Particle

PARTICLES: dict[str, Particle] = {
    "cuboid": sf.Cuboid((11, 9, 7)),
    "truncated cuboid": sf.Cuboid(
        (11, 9, 7), corners={7: sf.Truncation(0.3), 0: sf.Truncation((0.2, 0.3, 0.4))}
    ),
    "rounded cuboid": sf.Cuboid((11, 9, 7), corners={2: sf.Rounding(radius_nm=2.0)}),
    "dented cuboid": sf.Cuboid((11, 9, 7), corners={5: sf.Displacement(nm=6.5)}),
    "spiked and cut cuboid": sf.Cuboid(
        (11, 9, 7), corners={5: sf.Displacement(nm=-2.0), 2: sf.Truncation(0.3)}
    ),
    "tetrahedron": sf.Tetrahedron(base=12, height=7),
    "sphere": sf.Sphere(radius=5.3),
    "ellipsoid": sf.Ellipsoid((6, 4, 2.5)),
    "icosahedron": sf.Icosahedron(6),
    "hexagonal prism": sf.HexagonalPrism(5, 8),
}
ALL: dict[str, Particle] = PARTICLES | COMPOSITES
SCAN = sf.Scan(shape=(37, 45), pixel_size_nm=0.41)


@pytest.mark.parametrize("name", ALL)
def test_equals_the_reference(name):
    particle, poses = ALL[name], Rotation.random(6, rng=3)
    positions = np.random.default_rng(4).uniform(-4, 4, (6, 3))
    images = sf.thickness(particle, poses, SCAN, positions_nm=positions)
    for image, pose, position in zip(images, poses, positions, strict=True):
        expected = reference.thickness(particle, pose, SCAN, position_nm=position)
        rounding = 2e-5 if name in COMPOSITES else 1e-5  # of each of the bodies
        np.testing.assert_allclose(image, expected, rtol=0, atol=rounding * expected.max())


@pytest.mark.parametrize("name", ALL)
def test_integrates_to_the_volume(name):
    # The sampling error of a pixel sum falls with the pixel; averaged over poses it is well below
    # 1e-3.
    particle = ALL[name]
    scan = sf.Scan(shape=(192, 192), pixel_size_nm=0.125)
    images = sf.thickness(particle, sf.orientation.random(24, seed=1), scan)
    volumes = images.sum(axis=(1, 2), dtype=np.float64) * scan.pixel_size_nm**2
    assert volumes.mean() == pytest.approx(particle.volume, rel=2e-4)
    assert np.abs(volumes / particle.volume - 1).max() < 3e-3


def test_oversampling_averages_over_the_pixel():
    particle, pose = PARTICLES["truncated cuboid"], Rotation.random(rng=8)
    image = sf.thickness(particle, pose, SCAN, oversample=3, positions_nm=(0.3, -1.1, 0))
    expected = reference.thickness(particle, pose, SCAN, oversample=3, position_nm=(0.3, -1.1, 0))
    np.testing.assert_allclose(image, expected, atol=1e-5 * expected.max())


@pytest.mark.parametrize("name", ["truncated cuboid", "dented cuboid", "ellipsoid"])
def test_spin_turns_the_pose_row_by_row(name):
    particle, pose, spin = PARTICLES[name], Rotation.random(rng=9), (30.0, -55.0, 80.0)
    image = sf.thickness(particle, pose, SCAN, spin_rad_s=spin)
    expected = reference.thickness(particle, pose, SCAN, spin_rad_s=spin)
    np.testing.assert_allclose(image, expected, atol=1e-5 * expected.max())
    static = sf.thickness(particle, pose, SCAN)
    assert np.abs(image - static).max() > 0.5


def test_no_spin_is_the_static_image_bit_for_bit():
    pose = Rotation.random(rng=10)
    for particle in PARTICLES.values():
        static = sf.thickness(particle, pose, SCAN)
        assert (sf.thickness(particle, pose, SCAN, spin_rad_s=(0, 0, 0)) == static).all()


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_beam_along_a_face(degrees):
    # Faces are upright: the pixels inside are decided by x and y alone, each with the full height.
    pose = Rotation.from_euler("x", degrees, degrees=True)
    height = 7.0 if degrees in (0, 180) else 9.0
    side = 9.0 if degrees in (0, 180) else 7.0
    image = sf.thickness(PARTICLES["cuboid"], pose, SCAN)
    x, y = reference.pixel_centres(SCAN)
    inside = (np.abs(x) <= 5.5) & (np.abs(y)[:, None] <= side / 2)
    np.testing.assert_allclose(image, np.where(inside, height, 0.0), atol=1e-5)


def test_a_pixel_exactly_on_an_upright_face_belongs_to_it_on_every_path():
    scan = sf.Scan(shape=(9, 9), pixel_size_nm=0.5)  # centres at −2, −1.5 … 2
    box = sf.thickness(sf.Cuboid((2, 3, 5)), scan=scan)
    assert (box > 0).sum() == 5 * 7
    dented = sf.Cuboid((2, 3, 5), corners={7: sf.Displacement(nm=2.5)})
    # A mesh takes one of two opposite sides (half-open), so that shared edges count once.
    assert (sf.thickness(dented, scan=scan) > 0).sum() == 4 * 6


@pytest.mark.parametrize("axis", [(1, 1, 0), (1, 1, 1)], ids=["edge", "corner"])
@pytest.mark.parametrize("name", ["cuboid", "dented cuboid"])
def test_beam_along_an_edge_or_a_corner(name, axis):
    pose = Rotation.align_vectors([[0, 0, 1]], [np.array(axis) / np.linalg.norm(axis)])[0]
    cube = sf.Cuboid((8, 8, 8))
    if name != "cuboid":
        cube = sf.Cuboid((8, 8, 8), corners={0: sf.Displacement(nm=6.0)})
    image = sf.thickness(cube, pose, SCAN)
    expected = reference.thickness(cube, pose, SCAN)
    # Rays that graze an upright face, an edge or a vertex may take either side of it.
    same = np.isclose(image, expected, atol=1e-4)
    assert same.mean() > 0.97
    assert image.sum() * 0.41**2 == pytest.approx(cube.volume, rel=0.03)
    assert image.max() <= np.linalg.norm((8, 8, 8)) + 1e-4


def test_nearly_upright_faces_lose_no_digits():
    for angle in (1e-3, 1e-5, 1e-7, 1e-8):
        pose = Rotation.from_rotvec([angle, -0.7 * angle, 0.3])
        image = sf.thickness(PARTICLES["truncated cuboid"], pose, SCAN)
        expected = reference.thickness(PARTICLES["truncated cuboid"], pose, SCAN)
        np.testing.assert_allclose(image, expected, atol=1e-5 * expected.max())


@pytest.mark.parametrize("name", ["truncated cuboid", "dented cuboid", "ellipsoid"])
@pytest.mark.parametrize(
    "position", [(9.0, 0, 0), (0, -8, 0), (-10, 7, 3), (200, 0, 0), (0, 1e6, 0)]
)
def test_partly_or_wholly_outside_the_field(name, position):
    particle, pose = PARTICLES[name], Rotation.random(rng=12)
    image = sf.thickness(particle, pose, SCAN, positions_nm=position)
    expected = reference.thickness(particle, pose, SCAN, position_nm=position)
    np.testing.assert_allclose(image, expected, atol=1e-4)


def test_one_pixel_and_a_particle_smaller_than_a_pixel():
    one = sf.Scan(shape=(1, 1), pixel_size_nm=3.0)
    assert sf.thickness(sf.Sphere(radius=0.5), scan=one)[0, 0] == pytest.approx(1.0)
    averaged = sf.thickness(sf.Sphere(radius=0.5), scan=one, oversample=64)
    assert averaged[0, 0] * 9.0 == pytest.approx(4 / 3 * np.pi * 0.125, rel=0.01)
    assert sf.thickness(sf.Sphere(radius=0.5), scan=one, positions_nm=(1.0, 0, 0))[0, 0] == 0.0


def test_a_large_field_of_many_particles():
    rng = np.random.default_rng(6)
    positions = rng.uniform(-700, 700, (300, 3))
    kinds = list(PARTICLES.values())
    particles = [kinds[i % len(kinds)] for i in range(300)]
    field = sf.Specimen(particles, positions, Rotation.random(300, rng=7))
    scan = sf.Scan(shape=(4096, 4096), pixel_size_nm=0.35)
    image = sf.thickness(field, scan=scan)
    total = sum(p.volume for p in particles)
    assert image.sum(dtype=np.float64) * 0.35**2 == pytest.approx(total, rel=2e-3)


def test_a_specimen_adds_its_particles_and_turns_as_a_whole():
    a, b = PARTICLES["truncated cuboid"], PARTICLES["ellipsoid"]
    poses, places = Rotation.random(2, rng=1), np.array([(-4.0, 2.0, 1.0), (3.0, -1.0, 5.0)])
    tilt = Rotation.from_euler("y", 35, degrees=True)
    image = sf.thickness(sf.Specimen([a, b], places, poses), tilt, SCAN)
    moved = tilt.apply(places)
    expected = sum(
        reference.thickness(p, tilt * q, SCAN, position_nm=m)
        for p, q, m in zip((a, b), poses, moved, strict=True)
    )
    np.testing.assert_allclose(image, expected, atol=1e-5 * expected.max())


def test_a_sequence_has_one_image_for_each_particle():
    particles = list(PARTICLES.values())
    poses = Rotation.random(len(particles), rng=2)
    stack = sf.thickness(particles, poses, SCAN)
    for image, particle, pose in zip(stack, particles, poses, strict=True):
        assert (image == sf.thickness(particle, pose, SCAN)).all()


@pytest.mark.parametrize("engine", ["exact", "voxel"])
@pytest.mark.parametrize("images", [1, 3, 40])
def test_threads_do_not_change_a_bit(engine, images):
    poses = Rotation.random(images, rng=5)
    particle = PARTICLES["spiked and cut cuboid"]
    one = sf.thickness(particle, poses, SCAN, engine=engine, n_threads=1)
    for n in (2, 3, 8):
        assert (sf.thickness(particle, poses, SCAN, engine=engine, n_threads=n) == one).all()


def test_out_is_written_and_returned():
    out = np.full((2, *SCAN.shape), np.nan, np.float32)
    poses = Rotation.random(2, rng=5)
    assert np.shares_memory(sf.thickness(PARTICLES["cuboid"], poses, SCAN, out=out), out)
    assert (out == sf.thickness(PARTICLES["cuboid"], poses, SCAN)).all()


def test_a_mirrored_particle_gives_the_same_static_image():
    # A projection cannot tell a particle from its mirror image in the plane across the beam.
    mesh = sf.Polyhedron.from_vertices(np.random.default_rng(3).normal(size=(9, 3)) * 4)
    mirrored = sf.Polyhedron.from_vertices(mesh.vertices * (1, 1, -1))
    np.testing.assert_allclose(
        sf.thickness(mesh, scan=SCAN), sf.thickness(mirrored, scan=SCAN), atol=1e-5
    )
