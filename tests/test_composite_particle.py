"""Nested particles as values: surface, centre, symmetry, equality, and what is refused."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import stemfast as sf
from composite_particles import BALLS, DENTED, PARTICLES, TILT
from stemfast.particles import EllipsoidBody


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


@pytest.mark.parametrize(
    "particle",
    [DENTED, sf.Tetrahedron(9), sf.Decahedron(8), sf.Polyhedron.from_vertices(np.eye(4)[:, :3])],
)
def test_contamination_is_nowhere_thinner_than_it_is_said_to_be(particle):
    shell = sf.contaminated(particle, 1.5).shell
    ways = Rotation.random(300, rng=1).apply([0, 0, 1.5])
    points = (particle.vertices[:, None] + ways).reshape(-1, 3)
    planes = shell.bodies()[0].planes
    assert (points @ planes[:, :3].T <= planes[:, 3] + 1e-9).all()


def test_contamination_of_a_cube_has_nearly_the_volume_of_its_parallel_body():
    # J. Steiner, 1840: V + A t + the quarter cylinders of the edges + the ball of the corners.
    a, t = 10.0, 2.0
    expected = a**3 + 6 * a**2 * t + 3 * math.pi * a * t**2 + 4 / 3 * math.pi * t**3
    covered = sf.contaminated(sf.Cuboid((a, a, a), material="Pt"), t)
    assert expected < covered.volume < 1.01 * expected
    assert covered.volumes["Pt"] == pytest.approx(a**3)
    assert covered.symmetry_group == "Oh"
    ball = sf.contaminated(sf.Ellipsoid((2, 3, 4)), 1, material="SiO2").shell
    assert ball == sf.Ellipsoid((3, 4, 5), material="SiO2")
    assert sf.contaminated(BALLS, 2).shell == sf.Sphere(8, material="C")


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
