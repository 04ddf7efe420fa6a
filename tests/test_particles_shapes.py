"""Every particle: volume, surface, faces and symmetry against formulas and against SciPy."""

import copy
import math
import pickle

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from stemfast.particles import (
    ConvexBody,
    Cuboid,
    Decahedron,
    Displacement,
    Ellipsoid,
    EllipsoidBody,
    HexagonalPrism,
    Icosahedron,
    MeshBody,
    Octahedron,
    Polyhedron,
    Rounding,
    Sphere,
    Tetrahedron,
    TruncatedOctahedron,
    Truncation,
)

SQRT2, SQRT3, SQRT5 = math.sqrt(2), math.sqrt(3), math.sqrt(5)

# particle, volume [nm^3], area [nm^2], vertices, faces, group, rotations
PLAIN = [
    (Tetrahedron(edge=20), 20**3 / (6 * SQRT2), SQRT3 * 20**2, 4, 4, "Td", 12),
    (
        Tetrahedron(base=10, height=7),
        SQRT3 / 4 * 100 * 7 / 3,
        SQRT3 / 4 * 100 + 3 * 5 * math.hypot(7, 10 / (2 * SQRT3)),
        4,
        4,
        "C3v",
        3,
    ),
    (Cuboid((20, 20, 20)), 8000, 2400, 8, 6, "Oh", 24),
    (Cuboid((20, 16, 20)), 6400, 2080, 8, 6, "D4h", 8),
    (Cuboid((24, 20, 16)), 7680, 2368, 8, 6, "D2h", 4),
    (Octahedron(20), SQRT2 / 3 * 8000, 2 * SQRT3 * 400, 6, 8, "Oh", 24),
    (TruncatedOctahedron(21), 8 * SQRT2 * 7**3, (6 + 12 * SQRT3) * 49, 24, 14, "Oh", 24),
    (
        TruncatedOctahedron(20, truncation=0.5),
        5 * SQRT2 / 3 * 1000,
        (6 + 2 * SQRT3) * 100,
        12,
        14,
        "Oh",
        24,
    ),
    (Icosahedron(10), 5 * (3 + SQRT5) / 12 * 1000, 5 * SQRT3 * 100, 12, 20, "Ih", 60),
    (Decahedron(20), (5 + SQRT5) / 12 * 8000, 10 * SQRT3 / 4 * 400, 7, 10, "D5h", 10),
    (
        Decahedron(20, waist=4),
        (5 + SQRT5) / 12 * 8000 + math.sqrt(25 + 10 * SQRT5) / 4 * 400 * 4,
        10 * SQRT3 / 4 * 400 + 5 * 20 * 4,
        12,
        15,
        "D5h",
        10,
    ),
    (HexagonalPrism(10, 5), 3 * SQRT3 / 2 * 500, 3 * SQRT3 * 100 + 300, 12, 8, "D6h", 12),
]
FACETED = [
    *(row[0] for row in PLAIN),
    Cuboid((24, 20, 16), {7: Truncation(0.3), 0: Displacement(nm=-3)}),
    Cuboid((20, 20, 20), {1: Rounding(radius_nm=4)}),
    Cuboid((20, 20, 20), {1: Displacement(nm=12)}),
]
ROUND = [Sphere(7), Ellipsoid((3, 4, 5)), Ellipsoid((9, 2, 2))]


@pytest.mark.parametrize(
    ("particle", "volume", "area", "n_vertices", "n_faces", "group", "n_rotations"),
    PLAIN,
    ids=lambda value: repr(value) if hasattr(value, "bodies") else "",
)
def test_plain_shapes_match_their_formulas(
    particle, volume, area, n_vertices, n_faces, group, n_rotations
):
    assert particle.volume == pytest.approx(volume, rel=1e-12)
    assert particle.surface_area == pytest.approx(area, rel=1e-12)
    assert particle.vertices.shape == (n_vertices, 3)
    assert len(particle.faces) == n_faces
    assert n_vertices - sum(map(len, particle.faces)) / 2 + n_faces == 2  # Euler
    assert particle.symmetry_group == group
    assert particle.symmetry_rotations.shape == (n_rotations, 4)
    assert particle.symmetry_order == n_rotations
    np.testing.assert_allclose(particle.centroid, 0, atol=1e-12)
    hull = ConvexHull(particle.vertices)
    assert particle.volume == pytest.approx(hull.volume, rel=1e-12)
    assert particle.surface_area == pytest.approx(hull.area, rel=1e-12)
    (body,) = particle.bodies()
    assert isinstance(body, ConvexBody)
    assert body.planes.shape == (n_faces, 4)
    heights = body.vertices @ body.planes[:, :3].T - body.planes[:, 3]
    assert heights.max() < 1e-12 * particle.bounding_radius
    assert ((np.abs(heights) < 1e-11).sum(axis=0) >= 3).all()  # each plane holds a face


@pytest.mark.parametrize("particle", FACETED, ids=repr)
def test_faces_are_flat_closed_and_outward(particle):
    directed = {}
    volume = 0.0
    for face in particle.faces:
        points = particle.vertices[list(face)]
        for edge in zip(face, face[1:] + face[:1], strict=True):
            assert edge not in directed
            directed[edge] = True
        normal = sum(
            np.cross(points[i] - points[0], points[i + 1] - points[0])
            for i in range(1, len(face) - 1)
        )
        unit = normal / np.linalg.norm(normal)
        np.testing.assert_allclose((points - points[0]) @ unit, 0, atol=1e-10)
        volume += points[0] @ normal / 6
    assert all((v, u) in directed for u, v in directed)
    assert volume == pytest.approx(particle.volume, rel=1e-12)
    assert particle.bounding_radius == np.linalg.norm(particle.vertices, axis=1).max()


@pytest.mark.parametrize("particle", FACETED, ids=repr)
def test_symmetry_rotations_map_vertices_onto_vertices(particle):
    from scipy.spatial.transform import Rotation

    rotations = Rotation.from_quat(particle.symmetry_rotations)
    np.testing.assert_allclose(rotations[0].as_quat(), (0, 0, 0, 1), atol=1e-12)
    points = particle.vertices - particle.centroid
    for rotation in rotations:
        distances = np.linalg.norm(rotation.apply(points)[:, None] - points, axis=2)
        assert distances.min(axis=1).max() < 1e-6 * particle.bounding_radius
        # Rotations form a group: the product with another one is in the list again.
        product = (rotation * rotations[-1]).as_matrix()
        assert np.abs(rotations.as_matrix() - product).max(axis=(1, 2)).min() < 1e-9


def test_sphere_and_ellipsoid():
    sphere = Sphere(7)
    assert sphere.volume == pytest.approx(4 / 3 * math.pi * 343, rel=1e-15)
    assert sphere.surface_area == pytest.approx(4 * math.pi * 49, rel=1e-15)
    assert sphere.bounding_radius == 7
    assert sphere.vertices.shape == (0, 3)
    assert sphere.faces == ()
    (body,) = sphere.bodies()
    assert isinstance(body, EllipsoidBody)
    np.testing.assert_array_equal(body.semi_axes, (7, 7, 7))
    np.testing.assert_array_equal(body.centre, (0, 0, 0))
    assert Ellipsoid((7, 7, 7)).surface_area == pytest.approx(sphere.surface_area, rel=1e-14)


def test_ellipsoid_surface_against_the_prolate_and_oblate_formulas():
    a, c = 4.0, 9.0
    e = math.sqrt(1 - a**2 / c**2)
    prolate = 2 * math.pi * a**2 * (1 + c / (a * e) * math.asin(e))
    assert Ellipsoid((a, a, c)).surface_area == pytest.approx(prolate, rel=1e-13)
    oblate = 2 * math.pi * c**2 * (1 + (1 - e**2) / e * math.atanh(e))
    assert Ellipsoid((c, a, c)).surface_area == pytest.approx(oblate, rel=1e-13)
    assert Ellipsoid((3, 4, 5)).volume == pytest.approx(80 * math.pi, rel=1e-15)


def test_continuous_symmetry_is_said_not_listed():
    assert Sphere(3).symmetry_group == "Kh"
    assert Sphere(3).symmetry_order == math.inf
    assert Ellipsoid((9, 2, 2)).symmetry_group == "Dinfh"
    assert Ellipsoid((3, 4, 5)).symmetry_group == "D2h"
    assert Ellipsoid((3, 4, 5)).symmetry_rotations.shape == (4, 4)
    with pytest.raises(ValueError, match="same after every rotation"):
        _ = Sphere(3).symmetry_rotations
    with pytest.raises(ValueError, match="infinitely many"):
        _ = Ellipsoid((9, 2, 2)).symmetry_rotations


@pytest.mark.parametrize("particle", [*FACETED, *ROUND], ids=repr)
def test_particles_are_immutable_comparable_and_picklable(particle):
    _ = particle.volume, particle.bounding_radius
    for twin in (pickle.loads(pickle.dumps(particle)), copy.deepcopy(particle)):
        assert twin == particle
        assert hash(twin) == hash(particle)
        assert repr(twin) == repr(particle)
        assert twin.volume == particle.volume
    with pytest.raises(AttributeError):
        particle.material = "Pd"
    with pytest.raises(AttributeError):
        particle.volume = 1.0
    before = particle.vertices
    particle.vertices[:] = 0  # a copy
    np.testing.assert_array_equal(particle.vertices, before)


def test_particles_differ_by_size_kind_and_material():
    assert Sphere(7) != Sphere(8)
    assert Sphere(7) != Sphere(7, material="Pd")
    assert Sphere(7) != Ellipsoid((7, 7, 7))
    assert Cuboid((3, 2, 1)) != Cuboid((3, 2, 1), {0: Truncation(0.1)})
    assert Cuboid((3, 2, 1), {0: Truncation(0.1)}) == Cuboid((3, 2, 1), {0: Truncation(0.1)})
    assert Tetrahedron(edge=3) == Tetrahedron(base=3, height=3 * math.sqrt(2 / 3))


def test_reprs_say_what_it_is():
    assert repr(
        Cuboid(edges=(24, 20, 16), corners={7: Truncation(0.3), 0: Displacement(nm=2.0)})
    ) == (
        "Cuboid(edges=(24, 20, 16) nm, corners={0: Displacement(nm=2), 7: Truncation(0.3)}, "
        "material='Au')"
    )
    assert repr(Sphere(2.5, material="Pt")) == "Sphere(radius=2.5 nm, material='Pt')"
    assert repr(Tetrahedron(base=3, height=4)) == (
        "Tetrahedron(base=3 nm, height=4 nm, material='Au')"
    )


def test_a_material_object_is_taken_and_shown_by_name():
    from stemfast import materials

    palladium = materials.get("Pd")
    particle = Sphere(3, material=palladium)
    assert particle.material is palladium
    assert repr(particle) == "Sphere(radius=3 nm, material='Pd')"
    assert pickle.loads(pickle.dumps(particle)) == particle
    hash(particle)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Sphere(0), ValueError, "radius must be larger than 0, got 0"),
        (lambda: Sphere(math.nan), ValueError, "radius must be finite, got nan"),
        (lambda: Sphere("3"), TypeError, "radius must be a number, got '3'"),
        (lambda: Sphere(True), TypeError, "radius must be a number, got True"),
        (lambda: Sphere(3, material=""), ValueError, "material must be a name"),
        (lambda: Sphere(3, material=79), TypeError, "material must be a name .* got 79"),
        (lambda: Ellipsoid((1, 2)), ValueError, r"semi_axes must be three numbers .* got 2"),
        (lambda: Ellipsoid((1, -2, 3)), ValueError, r"semi_axes\[1\] must be larger than 0"),
        (lambda: Cuboid(20), TypeError, r"edges must be three numbers \(x, y, z\) \[nm\], got 20"),
        (lambda: Cuboid((1, 2, math.inf)), ValueError, r"edges\[2\] must be finite, got inf"),
        (lambda: Tetrahedron(), TypeError, "needs either edge, or base and height"),
        (lambda: Tetrahedron(3, base=3), TypeError, "needs either edge, or base and height"),
        (lambda: Tetrahedron(base=3), TypeError, "needs either edge, or base and height"),
        (lambda: Tetrahedron(base=3, height=-1), ValueError, "height must be larger than 0"),
        (lambda: TruncatedOctahedron(9, 0.6), ValueError, "truncation must be at most 0.5"),
        (lambda: TruncatedOctahedron(9, 0), ValueError, "truncation must be larger than 0"),
        (lambda: Decahedron(9, waist=-1), ValueError, "waist must be at least 0, got -1"),
        (lambda: HexagonalPrism(9, 0), ValueError, "height must be larger than 0"),
        (lambda: Icosahedron(-9), ValueError, "edge must be larger than 0, got -9"),
        (lambda: Octahedron(math.inf), ValueError, "edge must be finite"),
        (lambda: Polyhedron(), TypeError, "solid"),
        (lambda: Polyhedron(solid=3), TypeError, "from_halfspaces, from_vertices or from_mesh"),
    ],
)
def test_bad_arguments_are_refused_by_name(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ConvexBody(np.zeros((3, 4)), np.eye(4, 3)), r"planes must have shape \(F, 4\)"),
        (lambda: ConvexBody(np.ones((4, 4)), np.eye(4, 3)), r"planes\[0\] must have a unit normal"),
        (lambda: ConvexBody(np.full((4, 4), np.nan), np.eye(4, 3)), "planes must be finite"),
        (lambda: EllipsoidBody((1, 2, 0)), r"semi_axes\[2\] must be larger than 0"),
        (lambda: EllipsoidBody((1, 2, 1), weight=math.nan), "weight must be finite"),
        (lambda: MeshBody(np.eye(4, 3), [[0, 1, 4]]), "triangles must index the 4 vertices"),
        (lambda: MeshBody(np.eye(4, 3), [[0, 1, 2.0]]), "triangles must be integers"),
    ],
)
def test_bad_bodies_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
