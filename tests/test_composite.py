"""Particles of several materials: core and shell, hollow, yolk and shell, and mixed specimens."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast import reference
from stemfast.particles import EllipsoidBody
from stemfast.particles.containment import (
    clearance_nm,
    distances_from_origin,
    farthest_of_ellipsoid,
)
from stemfast.particles.placement import Placement, unit_quaternion

TILT = Rotation.from_euler("zyx", (20, -35, 50), degrees=True)
DENTED = sf.Cuboid((16, 15, 14), corners={5: sf.Displacement(nm=10.0)}, material="Pt")
BALLS = sf.CoreShell(core=sf.Sphere(3, material="Pd"), shell=sf.Sphere(6, material="Pt"))
PARTICLES: dict[str, sf.CoreShell | sf.Hollow] = {
    "concentric balls": BALLS,
    "cuboid in a cut cuboid": sf.CoreShell(
        core=sf.Cuboid((5, 4, 3), corners={0: sf.Truncation(0.3)}, material="Ag"),
        shell=sf.Cuboid((12, 11, 10), corners={7: sf.Truncation(0.3)}),
        offset_nm=(1, -0.5, 1),
        orientation=TILT,
    ),
    "turned ellipsoid": sf.CoreShell(
        core=sf.Ellipsoid((4, 2, 1.5), material="Cu"),
        shell=sf.Ellipsoid((7, 6, 5), material="CeO2"),
        offset_nm=(0.5, 1, -0.5),
        orientation=TILT,
    ),
    "ball in a dented cuboid": sf.CoreShell(sf.Sphere(3), DENTED, offset_nm=(-2.5, 2, -2)),
    "spiked cuboid in a dented one": sf.CoreShell(
        sf.Cuboid((4, 4, 4), corners={1: sf.Displacement(nm=-1.0)}),
        DENTED,
        offset_nm=(-2.5, 2, -2),
        orientation=TILT,
    ),
    "hollow cube": sf.Hollow(sf.Cuboid((12, 12, 12)), void=sf.Sphere(4), offset_nm=(1, 0, 0)),
    "three layers": sf.CoreShell(BALLS, sf.Octahedron(18, material="Ag"), offset_nm=(0, 0.3, 0)),
    "yolk and shell": sf.CoreShell(
        core=sf.Ellipsoid((2, 1.5, 1)),
        shell=sf.Hollow(sf.Sphere(7, material="SiO2"), void=sf.Sphere(5), offset_nm=(1, 0, 0)),
        offset_nm=(2, 1, -1),
        orientation=TILT,
    ),
}
SCAN = sf.Scan(shape=(41, 45), pixel_size_nm=0.41)


@pytest.mark.parametrize("name", PARTICLES)
def test_thickness_equals_the_reference(name):
    particle, poses = PARTICLES[name], Rotation.random(4, rng=3)
    positions = np.random.default_rng(4).uniform(-2, 2, (4, 3))
    images = sf.thickness(particle, poses, SCAN, positions_nm=positions)
    for image, pose, position in zip(images, poses, positions, strict=True):
        expected = reference.thickness(particle, pose, SCAN, position_nm=position)
        np.testing.assert_allclose(image, expected, rtol=0, atol=2e-5 * expected.max())


@pytest.mark.parametrize("pose_per", ["row", "pixel"])
def test_a_turned_ellipsoid_spins_with_its_particle(pose_per):
    spin = {"spin_rad_s": (80, -55, 90), "pose_per": pose_per}
    image = sf.thickness(PARTICLES["turned ellipsoid"], TILT, SCAN, **spin)
    expected = reference.thickness(PARTICLES["turned ellipsoid"], TILT, SCAN, **spin)
    np.testing.assert_allclose(image, expected, rtol=0, atol=2e-5 * expected.max())
    assert np.abs(image - sf.thickness(PARTICLES["turned ellipsoid"], TILT, SCAN)).max() > 0.01


@pytest.mark.parametrize("name", PARTICLES)
def test_thickness_integrates_to_the_volume(name):
    particle = PARTICLES[name]
    scan = sf.Scan(shape=(160, 160), pixel_size_nm=0.15)
    images = sf.thickness(particle, sf.orientation.random(24, seed=1), scan)
    volumes = images.sum(axis=(1, 2), dtype=np.float64) * scan.pixel_size_nm**2
    assert volumes.mean() == pytest.approx(particle.volume, rel=3e-4)
    assert sum(particle.volumes.values()) == pytest.approx(particle.volume, rel=1e-12)
    # Each material by itself.
    for material, volume in particle.volumes.items():
        alone = reference.thickness(particle, TILT, scan, material=material)
        assert alone.sum() * scan.pixel_size_nm**2 == pytest.approx(volume, rel=5e-3)


def expected_image(scope, *chords):
    """N_e·f blurred, from pairs of a thickness map and a material."""
    depth = scope.film.thickness_nm / scope.mean_free_path_nm(scope.film.material)
    depth = depth + sum(t / scope.mean_free_path_nm(material) for t, material in chords)
    sigma = scope.probe.sigma_nm / scope.scan.pixel_size_nm
    return scope.electrons_per_pixel * reference.gaussian_blur(-np.expm1(-depth), sigma)


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
    fraction = reference.scattered_fraction(particle, TILT, scope)
    np.testing.assert_allclose(fraction.ravel(), -np.expm1(-depth), rtol=1e-12, atol=1e-15)


def test_the_film_adds_its_depth_to_the_particles():
    scope = SCOPE.replace(probe=sf.Probe(fwhm_nm=0), film=sf.Film(thickness_nm=40))
    bare = reference.scattered_fraction(BALLS, TILT, scope.replace(film=sf.Film(thickness_nm=0)))
    film = 40 / scope.mean_free_path_nm("C")
    both = reference.scattered_fraction(BALLS, TILT, scope)
    np.testing.assert_allclose(-np.log1p(-both), film - np.log1p(-bare), rtol=1e-12)


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


def test_surface_counts_the_outside_and_the_walls_of_a_void():
    def sphere(r):
        return 4 * math.pi * r**2

    assert BALLS.surface_area == pytest.approx(sphere(6))
    hollow = sf.Hollow(sf.Cuboid((12, 12, 12)), void=sf.Sphere(4))
    assert hollow.surface_area == pytest.approx(864 + sphere(4))
    yolk = sf.CoreShell(sf.Sphere(2), sf.Hollow(sf.Sphere(7), sf.Sphere(5)))
    assert yolk.surface_area == pytest.approx(sphere(7) + sphere(5) + sphere(2))


def test_centre_of_the_volume():
    hollow = sf.Hollow(sf.Sphere(6), sf.Sphere(3), offset_nm=(2, 0, -1))
    # The void's moment is missing: −V_void·offset over what is left.
    np.testing.assert_allclose(hollow.centroid, -(27 / (216 - 27)) * np.array([2, 0, -1]))
    np.testing.assert_allclose(PARTICLES["three layers"].centroid, 0, atol=1e-12)
    mesh = sf.Polyhedron.from_vertices([(0, 0, 0), (9, 0, 0), (0, 9, 0), (0, 0, 9)])
    both = sf.CoreShell(sf.Sphere(1, material="Pd"), mesh, offset_nm=(2, 2, 2))
    np.testing.assert_allclose(both.centroid, mesh.centroid)


def test_outlines_are_those_of_the_outermost_solid():
    particle = PARTICLES["cuboid in a cut cuboid"]
    assert (particle.vertices == particle.shell.vertices).all()
    assert particle.faces == particle.shell.faces
    assert particle.bounding_radius == particle.shell.bounding_radius
    assert particle.material == "Au"


CUBE, BOX = sf.Cuboid((20, 20, 20), material="Pt"), sf.Cuboid((20, 20, 16), material="Pt")
QUARTER = Rotation.from_euler("z", 45, degrees=True)


@pytest.mark.parametrize(
    ("particle", "group", "order"),
    [
        (BALLS, "Kh", math.inf),
        (sf.Hollow(sf.Sphere(6), sf.Sphere(2), offset_nm=(1, 2, 0)), "Cinfv", math.inf),
        (sf.CoreShell(sf.Ellipsoid((2, 2, 3)), sf.Sphere(6, material="C")), "Dinfh", math.inf),
        (
            sf.CoreShell(sf.Ellipsoid((2, 3, 2)), sf.Sphere(6, material="C"), offset_nm=(0, -1, 0)),
            "Cinfv",
            math.inf,
        ),
        (
            sf.CoreShell(sf.Ellipsoid((2, 2, 3)), sf.Sphere(6, material="C"), offset_nm=(1, 0, 0)),
            "C2v",
            2,
        ),
        (
            sf.CoreShell(sf.Ellipsoid((2, 2, 3)), sf.Sphere(6, material="C"), offset_nm=(1, 0, 1)),
            "Cs",
            1,
        ),
        (
            sf.CoreShell(
                sf.Ellipsoid((2, 2, 3)), sf.Ellipsoid((6, 6, 9), material="C"), orientation=TILT
            ),
            "C2h",
            2,
        ),
        (sf.CoreShell(sf.Ellipsoid((2, 3, 4)), sf.Sphere(6, material="C")), "D2h", 4),
        (sf.Hollow(CUBE, sf.Sphere(5)), "Oh", 24),
        (sf.Hollow(CUBE, sf.Sphere(5), offset_nm=(0, 0, 2)), "C4v", 4),
        (sf.Hollow(CUBE, sf.Sphere(5), offset_nm=(2, 2, 2)), "C3v", 3),
        (sf.Hollow(CUBE, sf.Sphere(5), offset_nm=(2, 2, 0)), "C2v", 2),
        (sf.Hollow(CUBE, sf.Sphere(5), offset_nm=(1, 2, 0)), "Cs", 1),
        (sf.CoreShell(sf.Octahedron(6), CUBE), "Oh", 24),
        (sf.CoreShell(sf.Cuboid((5, 5, 5)), BOX, orientation=QUARTER), "D4h", 8),
        (sf.CoreShell(sf.Cuboid((5, 5, 5)), CUBE, orientation=QUARTER), "D4h", 8),
        (sf.CoreShell(sf.Tetrahedron(edge=5), CUBE, orientation=TILT), "C1", 1),
        (sf.CoreShell(sf.Icosahedron(4), sf.Sphere(9, material="Ag"), orientation=TILT), "Ih", 60),
        (sf.CoreShell(sf.Cuboid((5, 4, 3)), CUBE), "D2h", 4),
        (PARTICLES["yolk and shell"], "C1", 1),
    ],
)
def test_symmetry(particle, group, order):
    assert particle.symmetry_group == group
    assert particle.symmetry_order == order
    if order == math.inf:
        with pytest.raises(ValueError, match=f"symmetry {group} has infinitely many"):
            _ = particle.symmetry_rotations
        return
    # The rotations are true: they change no image.
    scan = sf.Scan(shape=(33, 33), pixel_size_nm=1.1)
    middle = Rotation.from_quat(particle.symmetry_rotations)
    images = sf.thickness(particle, TILT * middle, scan)
    assert np.abs(images - images[0]).max() < 1e-3


def test_values_compare_copy_and_pickle():
    for name, particle in PARTICLES.items():
        for other in (pickle.loads(pickle.dumps(particle)), copy.deepcopy(particle)):
            assert other == particle, name
            assert hash(other) == hash(particle)
            assert repr(other) == repr(particle)
            assert other.volumes == particle.volumes
    core, shell = sf.Cuboid((2, 2, 2)), sf.Cuboid((9, 9, 9), material="Ag")
    made = sf.CoreShell(core, shell, orientation=TILT)
    third, same = (Rotation.from_quat(np.full(4, half)) for half in (0.5, -0.5))
    turned = [sf.CoreShell(core, shell, orientation=turn) for turn in (third, same)]
    assert turned[0] == turned[1]
    assert made != sf.CoreShell(core, shell)
    assert made != sf.CoreShell(core, shell, orientation=TILT, offset_nm=(0, 0, 1))
    assert made != sf.CoreShell(sf.Cuboid((2, 2, 2), material="Pd"), shell, orientation=TILT)
    assert sf.Hollow(shell, core) != sf.CoreShell(core, shell)
    with pytest.raises(AttributeError):
        made.offset_nm = (1, 0, 0)


def test_repr_says_what_was_given():
    made = sf.Hollow(sf.Sphere(9), sf.Sphere(3), offset_nm=(1, 0, 2.5))
    assert repr(made) == (
        "Hollow(particle=Sphere(radius=9 nm, material='Au'), "
        "void=Sphere(radius=3 nm, material='Au'), offset_nm=(1, 0, 2.5))"
    )


SHELL = sf.Cuboid((10, 10, 10), material="Pt")
HOLLOW = sf.Hollow(sf.Sphere(9), sf.Sphere(6))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: sf.CoreShell("Pd", SHELL), TypeError, "core must be a Particle, got str"),
        (lambda: sf.CoreShell(SHELL, 9), TypeError, "shell must be a Particle, got int"),
        (lambda: sf.Hollow(None, SHELL), TypeError, "particle must be a Particle, got NoneType"),
        (lambda: sf.Hollow(SHELL, 3.0), TypeError, "void must be a Particle, got float"),
        (
            lambda: sf.CoreShell(sf.Sphere(1), SHELL, material="Pt"),
            TypeError,
            "unexpected keyword argument 'material'",
        ),
        (
            lambda: sf.CoreShell(sf.Sphere(1), SHELL, offset_nm=(1, 2)),
            ValueError,
            r"offset_nm must be three numbers \(x, y, z\) \[nm\], got 2",
        ),
        (
            lambda: sf.CoreShell(sf.Sphere(1), SHELL, offset_nm=(1, 2, math.nan)),
            ValueError,
            r"offset_nm\[2\] must be finite",
        ),
        (
            lambda: sf.CoreShell(sf.Sphere(1), SHELL, orientation=(0, 0, 0, 1)),
            TypeError,
            "orientation must be a scipy.spatial.transform.Rotation .* got tuple",
        ),
        (
            lambda: sf.CoreShell(sf.Sphere(1), SHELL, orientation=Rotation.random(2)),
            ValueError,
            "orientation has length 2, expected a single rotation",
        ),
        (
            lambda: sf.CoreShell(sf.Sphere(3), SHELL, offset_nm=(0, 0, -2.5)),
            ValueError,
            r"core must lie inside the shell, .* sticks out by 0\.5 nm or more: core Sphere\(.*"
            r"at offset_nm=\(0, 0, -2\.5\) in Cuboid",
        ),
        (
            lambda: sf.CoreShell(sf.Sphere(5), SHELL),
            ValueError,
            "core must lie inside the shell, with a gap all around, but touches its surface",
        ),
        (lambda: sf.Hollow(SHELL, SHELL), ValueError, "void must lie inside the particle.*touches"),
        (
            lambda: sf.CoreShell(sf.Cuboid((8, 8, 8)), sf.Sphere(5)),
            ValueError,
            r"sticks out by 1\.928 nm or more",
        ),
        (
            lambda: sf.CoreShell(sf.Sphere(6.5), HOLLOW),
            ValueError,
            r"core must lie inside the innermost part of the shell, its void, .* by 0\.5 nm",
        ),
        (
            lambda: sf.Hollow(BALLS, sf.Sphere(4)),
            ValueError,
            "void must lie inside the innermost part of the particle, its core, .* by 1 nm",
        ),
        (
            lambda: sf.CoreShell(sf.Sphere(3), DENTED, offset_nm=(5, -5, 5)),
            ValueError,
            "core must lie inside the shell.*sticks out",
        ),
        (
            lambda: sf.CoreShell(sf.Sphere(1), DENTED, offset_nm=(50, 0, 0)),
            ValueError,
            "sticks out by 41",
        ),
        (
            lambda: sf.CoreShell(DENTED, DENTED),
            ValueError,
            "its convex hull sticks out",
        ),
        (
            lambda: sf.Hollow(HOLLOW, sf.Sphere(2)),
            ValueError,
            "particle is hollow already, its void can hold no other: Hollow",
        ),
        (
            lambda: sf.Hollow(sf.Sphere(9), HOLLOW),
            TypeError,
            r"void must be a single solid; .* CoreShell\(core=..., shell=Hollow\(...\)\)",
        ),
        (
            lambda: EllipsoidBody((1, 2, 3), quaternion=(0, 0, 0, 2)),
            ValueError,
            "quaternion must be four numbers .* of length 1, got .* of length 2",
        ),
    ],
)
def test_bad_input_says_what_is_wrong(make, error, message):
    with pytest.raises(error, match=message):
        make()


turns = st.tuples(*4 * [st.floats(-1, 1)]).filter(lambda q: math.hypot(*q) > 0.1)
places = st.tuples(*3 * [st.floats(-4, 4)])
lengths = st.tuples(*3 * [st.floats(0.5, 4)])
OUTER = {
    "sphere": sf.Sphere(6),
    "ellipsoid": sf.Ellipsoid((7, 6, 5)),
    "cuboid": sf.Cuboid((11, 10, 9)),
    "dented": DENTED,
}


@pytest.mark.parametrize("kind", [sf.Ellipsoid, sf.Cuboid])
@pytest.mark.parametrize("name", OUTER)
@given(sides=lengths, place=places, turn=turns)
@settings(max_examples=30, deadline=None, derandomize=True)
def test_containment_is_that_of_points_on_the_surface(kind, name, sides, place, turn):
    inner, outer = kind(sides), OUTER[name]
    where = Placement(place, unit_quaternion(*turn))
    clear = clearance_nm(where.body(inner.bodies()[0]), outer.bodies()[0])
    rng = np.random.default_rng(0)
    rays = rng.normal(size=(1000, 3))
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    if kind is sf.Ellipsoid:
        points = rays * sides
    else:
        rays /= np.abs(rays).max(axis=1, keepdims=True)
        points = np.concatenate([rays * np.array(sides) / 2, inner.vertices])
    points = where.points(points)
    if name in ("sphere", "ellipsoid"):
        out = np.linalg.norm(points / OUTER[name].bodies()[0].semi_axes, axis=1) - 1
    elif name == "cuboid":
        out = (np.abs(points) - np.array([5.5, 5, 4.5])).max(axis=1)
    else:
        # Star-shaped about the centre: outside means beyond the triangle that the ray meets.
        out = beyond_star(points, DENTED)
    if clear > 0:
        assert out.max() <= 1e-9
    elif name != "dented":
        # Points miss the farthest one by a little; the mesh's test is exact only for the hull.
        assert out.max() > -0.02


def beyond_star(points, cuboid):
    """Above 0 for points outside a solid that is star-shaped about the origin."""
    (body,) = cuboid.bodies()
    inverse = np.linalg.inv(body.vertices[body.triangles].transpose(0, 2, 1))
    weights = np.einsum("tij,pj->tpi", inverse, points)
    inside_cone = (weights >= -1e-12).all(axis=2)
    return np.where(inside_cone, weights.sum(axis=2) - 1, -np.inf).max(axis=0)


@pytest.mark.parametrize("offset", [-4.0, -3.0, -1.5, -0.4, 0.0, 0.5])
def test_a_ball_near_a_dent_is_judged_by_its_distance(offset):
    # Along the diagonal of the displaced corner, towards the apex of the dent.
    (body,) = DENTED.bodies()
    direction = np.array([1, -1, 1]) / math.sqrt(3)
    ball_body = Placement(tuple(offset * direction)).body(sf.Sphere(3).bodies()[0])
    distance = distances_from_origin(body.vertices[body.triangles] - offset * direction).min()
    assert clearance_nm(ball_body, body) == pytest.approx(distance - 3, abs=1e-9)


@given(lengths, places)
@settings(max_examples=30, deadline=None, derandomize=True)
def test_the_farthest_point_of_an_ellipsoid(semi_axes, centre):
    found = farthest_of_ellipsoid(np.array(semi_axes), np.array(centre))

    def minus_distance(angles):
        a, b = angles
        unit = np.array([math.sin(a) * math.cos(b), math.sin(a) * math.sin(b), math.cos(a)])
        return -np.linalg.norm(np.array(centre) + np.array(semi_axes) * unit)

    starts = [(a, b) for a in (0.3, 1.2, 2.0, 2.9) for b in (0.1, 1.7, 3.3, 4.9)]
    best = -min(minimize(minus_distance, start).fun for start in starts)
    assert found == pytest.approx(best, rel=1e-6)


def test_the_distance_of_a_triangle_is_that_of_its_nearest_point():
    rng = np.random.default_rng(1)
    corners = rng.normal(size=(200, 3, 3)) * (2, 1, 0.3) + rng.normal(size=(200, 1, 3))
    u, v = np.meshgrid(np.linspace(0, 1, 60), np.linspace(0, 1, 60))
    u, v = u[u + v <= 1], v[u + v <= 1]
    shares = np.stack([u, v, 1 - u - v], axis=1)
    sampled = np.linalg.norm(np.einsum("pk,tkx->tpx", shares, corners), axis=2).min(axis=1)
    distance = distances_from_origin(corners)
    assert (distance <= sampled + 1e-12).all()
    assert (sampled - distance).max() < 0.1
    assert np.median(sampled - distance) < 0.01
