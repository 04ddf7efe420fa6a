"""Corner edits: exact volumes, closed solids whatever is combined, refusals with a reason."""

import itertools
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull, HalfspaceIntersection

from stemfast.particles import (
    ConvexBody,
    Cuboid,
    Displacement,
    MeshBody,
    Rounding,
    Severity,
    Truncation,
)
from stemfast.particles.corner_edits import corner_signs
from stemfast.particles.geometry.mesh_checks import check_closed, check_not_crossing, check_outward
from stemfast.symmetry import solid_operations

EDGES = (24.0, 20.0, 16.0)
CUBE = (20.0, 20.0, 20.0)


def neighbours(corner):
    return [corner ^ 1 << k for k in range(3)]


def corner_points(edges):
    return np.array([corner_signs(c) for c in range(8)]) * np.array(edges) / 2


def folded_triangles(edges, corners):
    """Triangles of the displaced, uncut cuboid, written down face by face."""
    points = corner_points(edges)
    moved = {c: e for c, e in corners.items() if isinstance(e, Displacement)}
    place = points.copy()
    for c, edit in moved.items():
        if edit.vector_nm is not None:
            place[c] += edit.vector_nm
        else:
            place[c] -= edit.nm * points[c] / np.linalg.norm(points[c])
    triangles = []
    for axis, side in itertools.product(range(3), (0, 1)):
        face = [c for c in range(8) if c >> axis & 1 == side]
        middle = points[face].mean(axis=0)
        for a, b in itertools.combinations(face, 2):
            if (a ^ b).bit_count() == 1:
                triangles.append((place[a], place[b], middle))
    return triangles


def volume_oracle(edges, corners):
    """Sum over the uncut surface of (tetrahedron from the centre) cut by the planes, by SciPy.

    Where no two displaced corners share an edge of a face, the middle of the face lies on the
    fold, so that four triangles around it are the two on either side of the fold.
    """
    triangles = folded_triangles(edges, corners)
    planes = [p for c, e in corners.items() for p in e.planes(c, edges)]
    total = 0.0
    for triangle in triangles:
        tetrahedron = np.array([*triangle, np.zeros(3)])
        hull = ConvexHull(tetrahedron)
        halfspaces = np.array([*hull.equations, *([a, b, c, -d] for a, b, c, d in planes)])
        inside = clear_point(tetrahedron, halfspaces)
        total += ConvexHull(HalfspaceIntersection(halfspaces, inside).intersections).volume
    return total


def clear_point(tetrahedron, halfspaces):
    """A point well inside, found on the way from the centre (inside all planes) to the middle."""
    middle = tetrahedron.mean(axis=0)
    steps = np.geomspace(1, 1e-4, 200)[:, None] * middle
    clear = -(steps @ halfspaces[:, :3].T + halfspaces[:, 3]).max(axis=1)
    return steps[clear.argmax()]


def check_solid(particle):
    triangles = particle._solid.triangles
    check_closed(triangles)
    check_outward(particle.vertices, triangles)
    check_not_crossing(particle.vertices, triangles)


@pytest.mark.parametrize("corner", range(8))
@pytest.mark.parametrize("fraction", [0.001, 0.3, 0.5, 1.0])
def test_one_truncation_removes_a_sixth_of_the_box_of_its_fractions(corner, fraction):
    particle = Cuboid(CUBE, {corner: Truncation(fraction)})
    assert 8000 - particle.volume == pytest.approx(fraction**3 * 8000 / 6, abs=1e-10)
    assert particle.deformed_mask == 1 << corner
    assert isinstance(particle.bodies()[0], ConvexBody)
    hull = ConvexHull(particle.vertices)
    assert particle.volume == pytest.approx(hull.volume, rel=1e-12)
    assert particle.surface_area == pytest.approx(hull.area, rel=1e-12)
    away = np.abs(particle.vertices - corner_points(CUBE)[corner]).sum(axis=1)
    assert away.min() == pytest.approx(20 * fraction, rel=1e-12)


def test_unequal_fractions_are_along_x_y_and_z():
    particle = Cuboid(EDGES, {6: Truncation((0.2, 0.3, 0.4))})
    corner = np.array([-12.0, 10.0, 8.0])
    for axis, point in enumerate(((0.2 * 24, 0, 0), (0, -0.3 * 20, 0), (0, 0, -0.4 * 16))):
        distances = np.linalg.norm(particle.vertices - (corner + point), axis=1)
        assert distances.min() < 1e-12, axis
    removed = 0.2 * 24 * 0.3 * 20 * 0.4 * 16 / 6
    assert 7680 - particle.volume == pytest.approx(removed, rel=1e-11)


def test_a_true_111_cut_is_111_at_its_depth_whatever_the_edges():
    edit = Truncation.true_111(depth_nm=2.5)
    particle = Cuboid(EDGES, {5: edit})
    normals = particle.bodies()[0].planes
    cut = normals[np.abs(np.abs(normals[:, :3]) - 1 / math.sqrt(3)).max(axis=1) < 1e-12]
    assert cut.shape == (1, 4)
    np.testing.assert_array_equal(np.sign(cut[0, :3]), (1, -1, 1))
    assert cut[0, :3] @ corner_points(EDGES)[5] - cut[0, 3] == pytest.approx(2.5, rel=1e-12)
    assert 7680 - particle.volume == pytest.approx((math.sqrt(3) * 2.5) ** 3 / 6, rel=1e-11)
    assert edit.severity(EDGES) == Severity(2.5, pytest.approx(2.5 / 16))


@pytest.mark.parametrize("corner", range(8))
@pytest.mark.parametrize("nm", [3.0, -3.0, 11.0, -11.0])
def test_one_displacement_changes_the_volume_by_its_three_tetrahedra(corner, nm):
    particle = Cuboid(EDGES, {corner: Displacement(nm=nm)})
    points = corner_points(EDGES)
    diagonal = np.linalg.norm(EDGES)
    # Each of the three folded faces sweeps a tetrahedron of (face / 2) · (height moved) / 3.
    expected = -sum(
        nm * EDGES[k] / diagonal * EDGES[(k + 1) % 3] * EDGES[(k + 2) % 3] / 6 for k in range(3)
    )
    assert particle.volume - 7680 == pytest.approx(expected, rel=1e-11)
    moved = points[corner] * (1 - 2 * nm / diagonal)
    assert np.linalg.norm(particle.vertices - moved, axis=1).min() < 1e-12
    check_solid(particle)
    flat = diagonal / 3  # there the vertex lies in the plane of its three neighbours
    concave = nm < 0 or nm > flat
    assert isinstance(particle.bodies()[0], MeshBody if concave else ConvexBody)
    if not concave:
        assert ConvexHull(particle.vertices).volume == pytest.approx(particle.volume, rel=1e-12)


def test_positive_is_inwards_and_negative_outwards():
    assert Cuboid(CUBE, {7: Displacement(nm=2)}).volume < 8000
    assert Cuboid(CUBE, {7: Displacement(nm=-2)}).volume > 8000


def test_a_vector_displacement_moves_by_the_vector_in_the_particles_frame():
    particle = Cuboid(EDGES, {2: Displacement(vector_nm=(1, -2, 3))})
    target = np.array([-12 + 1, 10 - 2, -8 + 3])
    assert np.linalg.norm(particle.vertices - target, axis=1).min() < 1e-12
    assert particle.severity(2) == Severity(math.sqrt(14), math.sqrt(14) / 16)


@pytest.mark.parametrize("mask", range(1, 256))
def test_every_set_of_displaced_corners_makes_a_closed_solid(mask):
    corners = {c: Displacement(nm=3 if c % 3 else -2) for c in range(8) if mask >> c & 1}
    particle = Cuboid(EDGES, corners)
    assert particle.deformed_mask == mask
    check_solid(particle)
    faces = np.array([particle.vertices[list(f[:3])] for f in particle.faces])
    assert (np.linalg.det(faces) > 0).all()  # star-shaped about the centre


def test_two_displaced_corners_on_an_edge_keep_the_middle_of_their_faces():
    particle = Cuboid(CUBE, {0: Displacement(nm=4), 1: Displacement(nm=4)})
    for middle in ((0, -10, 0), (0, 0, -10)):
        assert np.linalg.norm(particle.vertices - middle, axis=1).min() < 1e-12
    assert particle.symmetry_group == "C2v"
    lone = Cuboid(CUBE, {0: Displacement(nm=4), 3: Displacement(nm=4)})
    assert len(lone.vertices) == 8  # they share a face but no edge: one fold serves both


@pytest.mark.parametrize(
    "corners",
    [
        {0: Displacement(nm=3), 1: Truncation(0.4)},
        {0: Displacement(nm=14), 1: Truncation(0.4), 2: Truncation(0.7), 4: Truncation(0.3)},
        {0: Displacement(nm=-4), 7: Truncation(0.9)},
        {0: Displacement(nm=-2), 1: Displacement(nm=5), 3: Truncation(0.4)},
        {0: Displacement(nm=13), 1: Displacement(nm=12), 2: Rounding(radius_nm=5)},
        {5: Displacement(vector_nm=(2, 3, -1)), 4: Rounding(radius_nm=3), 2: Truncation(0.5)},
        {0: Truncation(0.7), 1: Truncation(0.8), 2: Truncation((0.9, 0.6, 1.0))},
        {c: Truncation(1.0) for c in (0, 3, 5, 6)},
        {c: Truncation(1.0) for c in range(8)},
        {0: Rounding(radius_nm=8), 1: Rounding(radius_nm=8), 7: Truncation.true_111(depth_nm=4)},
    ],
    ids=repr,
)
def test_mixed_edits_against_an_independent_volume(corners):
    particle = Cuboid(EDGES, corners)
    check_solid(particle)
    assert particle.volume == pytest.approx(volume_oracle(EDGES, corners), rel=1e-9)


def test_cuts_through_the_whole_edge_make_the_tetrahedron_and_the_octahedron():
    tetrahedron = Cuboid(CUBE, {c: Truncation(1.0) for c in (0, 3, 5, 6)})
    assert (len(tetrahedron.vertices), len(tetrahedron.faces)) == (4, 4)
    assert tetrahedron.volume == pytest.approx(8000 / 3, rel=1e-12)
    assert tetrahedron.symmetry_group == "Td"
    octahedron = Cuboid(CUBE, {c: Truncation(1.0) for c in range(8)})
    assert (len(octahedron.vertices), len(octahedron.faces)) == (6, 8)
    assert octahedron.volume == pytest.approx(8000 / 6, rel=1e-12)
    assert octahedron.symmetry_group == "Oh"
    cuboctahedron = Cuboid(CUBE, {c: Truncation(0.5) for c in range(8)})
    assert (len(cuboctahedron.vertices), len(cuboctahedron.faces)) == (12, 14)
    assert cuboctahedron.volume == pytest.approx(8000 * 5 / 6, rel=1e-12)


@pytest.mark.parametrize("facets", [1, 3, 7, 12, 18, 25, 33, 42])
def test_rounding_facets_are_tangent_to_the_ball_and_the_error_is_as_stated(facets):
    edit = Rounding(radius_nm=5, facets=facets)
    particle = Cuboid(CUBE, {7: edit})
    ball = np.full(3, 5.0)
    planes = particle.bodies()[0].planes
    assert len(planes) == 6 + facets
    distances = planes[:, 3] - planes[:, :3] @ ball
    assert np.sum(np.abs(distances - 5) < 1e-12) == facets + 3
    assert distances.min() > 5 - 1e-12  # the ball is inside
    assert particle.symmetry_group == "C3v"
    assert isinstance(particle.bodies()[0], ConvexBody)
    # The smooth corner: many more normals of the same kind, tangent to the same ball.
    rng = np.random.default_rng(0)
    normals = np.abs(rng.normal(size=(200_000, 3)))
    normals /= np.linalg.norm(normals, axis=1)[:, None]
    normals = normals[(normals.sum(axis=1)[:, None] - 2 * normals <= 1).all(axis=1)]
    proud = (normals @ (particle.vertices - ball).T).max(axis=1) - 5
    assert proud.max() <= edit.error_nm * (1 + 1e-9)
    assert proud.max() >= edit.error_nm * 0.97


def test_more_facets_make_a_smaller_error_and_a_smaller_volume():
    edits = [Rounding(radius_nm=5, facets=n) for n in (1, 3, 7, 12, 18, 25, 33, 42)]
    errors = [edit.error_nm for edit in edits]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.01 * 5
    assert Rounding(radius_nm=10).error_nm == pytest.approx(2 * Rounding(radius_nm=5).error_nm)


def test_severities():
    assert Truncation(0.3).severity(CUBE).nm == pytest.approx(6 / math.sqrt(3))
    assert Rounding(radius_nm=4).severity(EDGES).nm == pytest.approx(4 * (math.sqrt(3) - 1))
    cuboid = Cuboid(EDGES, {1: Displacement(nm=-4)})
    assert cuboid.severity(1) == Severity(4.0, 0.25)
    assert cuboid.severity(2) == Severity(0.0, 0.0)
    with pytest.raises(ValueError, match=r"corner must be in 0…7, got 8"):
        cuboid.severity(8)


EDITS = st.one_of(
    st.floats(0.02, 1.0).map(Truncation),
    st.tuples(*[st.floats(0.02, 1.0)] * 3).map(Truncation),
    st.floats(0.1, 9.0).map(lambda depth: Truncation.true_111(depth_nm=depth)),
    st.floats(0.2, 16.0).map(lambda nm: Displacement(nm=nm)),
    st.floats(0.2, 16.0).map(lambda nm: Displacement(nm=-nm)),
    st.tuples(*[st.floats(-6.0, 6.0)] * 3)
    .filter(lambda v: math.hypot(*v) > 0.1)
    .map(lambda v: Displacement(vector_nm=v)),
    st.builds(Rounding, radius_nm=st.floats(0.2, 8.0), facets=st.sampled_from([1, 3, 7, 12])),
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(corners=st.dictionaries(st.integers(0, 7), EDITS, min_size=1, max_size=8))
def test_any_mix_of_edits_is_a_sound_solid_or_is_refused_with_its_corner(corners):
    try:
        particle = Cuboid(EDGES, corners)
    except ValueError as error:
        assert "corners[" in str(error)  # noqa: PT017
        return
    check_solid(particle)
    assert 0 < particle.volume < 2 * 7680
    planes = np.array([p for c, e in corners.items() for p in e.planes(c, EDGES)]).reshape(-1, 4)
    assert (particle.vertices @ planes[:, :3].T - planes[:, 3]).max(initial=0) < 1e-7
    assert particle.volume == pytest.approx(volume_oracle(EDGES, corners), rel=1e-7)
    assert pickle.loads(pickle.dumps(particle)) == particle


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    mask=st.integers(1, 255),
    edges=st.sampled_from([CUBE, (20.0, 20.0, 15.0), (15.0, 20.0, 20.0), EDGES]),
    edit=st.sampled_from(
        [Truncation(0.2), Displacement(nm=-3), Displacement(nm=2), Rounding(radius_nm=3, facets=3)]
    ),
)
def test_symmetry_of_edits_is_the_symmetry_of_the_solid(mask, edges, edit):
    particle = Cuboid(edges, {c: edit for c in range(8) if mask >> c & 1})
    found = solid_operations(particle._solid)
    assert len(found) == len(particle._operations)
    gaps = np.abs(found[:, None] - particle._operations).max(axis=(2, 3))
    assert gaps.min(axis=1).max() < 1e-9


@pytest.mark.parametrize(
    ("corners", "group"),
    [
        ({7: Truncation(0.3)}, "C3v"),
        ({7: Truncation((0.3, 0.3, 0.4))}, "Cs"),
        ({7: Truncation((0.2, 0.3, 0.4))}, "C1"),
        ({7: Truncation((0.2, 0.3, 0.4)), 0: Truncation((0.2, 0.3, 0.4))}, "Ci"),
        ({7: Truncation(0.3), 0: Truncation(0.3)}, "D3d"),
        ({7: Truncation(0.3), 0: Truncation(0.31)}, "C3v"),
        ({7: Truncation(0.3), 0: Displacement(nm=2)}, "C3v"),
        ({7: Displacement(vector_nm=(0, 0, 2))}, "Cs"),
        ({0: Truncation(0.3), 1: Truncation(0.3), 3: Truncation(0.3), 7: Truncation(0.3)}, "C2"),
        ({7: Truncation(0.3), 0: Truncation.true_111(depth_nm=6 / math.sqrt(3))}, "D3d"),
    ],
)
def test_symmetry_groups_of_edited_cubes(corners, group):
    assert Cuboid(CUBE, corners).symmetry_group == group


@pytest.mark.parametrize(
    ("corners", "message"),
    [
        ({7: Truncation.true_111(depth_nm=10)}, r"corners\[7\] .* reaches 17.3205 nm along its z"),
        ({3: Rounding(radius_nm=9)}, r"corners\[3\] .* reaches 18 nm along its z edge"),
        ({2: Displacement(nm=18)}, r"corners\[2\] .* turns the solid inside out"),
        ({2: Displacement(vector_nm=(25, 0, 0))}, r"corners\[2\] .* turns the solid inside out"),
        ({2: Displacement(vector_nm=(24, 0, 0))}, r"corners\[2\] .* turns the solid inside out"),
        ({0: Displacement(vector_nm=(5, -19, 0)), 1: Truncation(0.05)},
         r"corners\[0\] .* moves its vertex .* the plane of corners\[1\] .* cut it off"),
        ({1: Displacement(nm=-1), 5: Truncation(1.0)},
         r"corners\[1\] .* the plane of corners\[5\]"),
    ],
)  # fmt: skip
def test_impossible_edits_are_refused_with_corner_and_reason(corners, message):
    with pytest.raises(ValueError, match=message):
        Cuboid(EDGES, corners)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Truncation(0), ValueError, "fraction must be larger than 0"),
        (lambda: Truncation(1.2), ValueError, "fraction must be at most 1, the whole edge"),
        (lambda: Truncation((0.2, 0.3)), ValueError, "fraction must be three numbers"),
        (lambda: Truncation("0.3"), TypeError, "fraction must be a number"),
        (lambda: Truncation(math.nan), ValueError, "fraction must be finite"),
        (lambda: Truncation.true_111(depth_nm=-1), ValueError, "depth_nm must be larger than 0"),
        (lambda: Displacement(), TypeError, "needs either nm or vector_nm"),
        (lambda: Displacement(nm=1, vector_nm=(1, 0, 0)), TypeError, "either nm or vector_nm"),
        (lambda: Displacement(nm=0), ValueError, "must not be zero"),
        (lambda: Displacement(vector_nm=(0, 0, 0)), ValueError, "must not be zero"),
        (lambda: Displacement(vector_nm=(0, math.inf, 0)), ValueError, r"vector_nm\[1\] must be f"),
        (lambda: Rounding(radius_nm=0), ValueError, "radius_nm must be larger than 0"),
        (lambda: Rounding(radius_nm=1, facets=5), ValueError, r"facets must be one of \(1, 3, 7"),
        (lambda: Rounding(radius_nm=1, facets=7.0), TypeError, "facets must be an integer"),
        (lambda: Cuboid(CUBE, {8: Truncation(0.1)}), ValueError, "a key of corners must be in 0…7"),
        (lambda: Cuboid(CUBE, {"7": Truncation(0.1)}), TypeError, "must be an integer in 0…7"),
        (lambda: Cuboid(CUBE, {True: Truncation(0.1)}), TypeError, "must be an integer in 0…7"),
        (lambda: Cuboid(CUBE, {7: 0.3}), TypeError, r"corners\[7\] must be a Truncation"),
        (lambda: Cuboid(CUBE, [Truncation(0.1)]), TypeError, "corners must map corner numbers"),
    ],
)  # fmt: skip
def test_bad_edits_are_refused_by_name(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_cuboids_corners_cannot_be_changed():
    given_edits = {7: Truncation(0.3)}
    particle = Cuboid(CUBE, given_edits)
    given_edits[0] = Truncation(0.3)
    assert particle.deformed_mask == 0b10000000
    with pytest.raises(TypeError):
        particle.corners[0] = Truncation(0.3)
    assert Cuboid(CUBE, {np.int64(7): Truncation(np.float32(0.25))}).deformed_mask == 128
