"""Polyhedra from half-spaces, points and meshes: against SciPy, and refused with a reason."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull, HalfspaceIntersection
from scipy.spatial.transform import Rotation

from stemfast.particles import (
    ConvexBody,
    Cuboid,
    Displacement,
    Icosahedron,
    MeshBody,
    Polyhedron,
    Tetrahedron,
    Truncation,
)
from stemfast.particles.geometry.clipping import convex_pieces
from stemfast.particles.geometry.mesh_checks import check_closed, check_not_crossing, winding_number

BOX_TRIANGLES = np.array(
    [
        (0, 2, 3), (0, 3, 1), (4, 5, 7), (4, 7, 6), (0, 1, 5), (0, 5, 4),
        (2, 6, 7), (2, 7, 3), (0, 4, 6), (0, 6, 2), (1, 3, 7), (1, 7, 5),
    ]
)  # fmt: skip


def box(size=1.0, centre=(0, 0, 0)):
    """Vertices of a cube, numbered as a cuboid's corners."""
    return np.array([[(c >> k & 1) - 0.5 for k in range(3)] for c in range(8)]) * size + centre


def random_planes(seed, count=14):
    rng = np.random.default_rng(seed)
    normals = rng.normal(size=(count, 3))
    normals = np.concatenate([normals, -normals[:3]])
    normals /= np.linalg.norm(normals, axis=1)[:, None]
    offsets = rng.uniform(3, 8, len(normals))
    return np.column_stack([normals, offsets])


@pytest.mark.parametrize("seed", range(8))
def test_halfspaces_against_scipy(seed):
    planes = random_planes(seed)
    shift = np.array([30.0, -20.0, 5.0])  # the origin need not be inside
    planes[:, 3] += planes[:, :3] @ shift
    particle = Polyhedron.from_halfspaces(planes * 2.5)
    oracle = HalfspaceIntersection(planes * (1, 1, 1, -1), shift)
    hull = ConvexHull(oracle.intersections)
    assert particle.volume == pytest.approx(hull.volume, rel=1e-10)
    assert particle.surface_area == pytest.approx(hull.area, rel=1e-10)
    assert len(particle.vertices) == len(hull.vertices)
    np.testing.assert_allclose(particle.centred().centroid, 0, atol=1e-9)
    assert particle.centred().volume == pytest.approx(particle.volume, rel=1e-10)
    assert particle.symmetry_group == "C1"


def test_halfspaces_that_touch_nothing_or_repeat_are_left_out():
    planes = [(*row, 5) for row in np.concatenate([np.eye(3), -np.eye(3)])]
    extra = [(1, 1, 1, 15), (1, 1, 0, 10), (1, 0, 0, 6), (2, 0, 0, 10)]
    particle = Polyhedron.from_halfspaces(planes + extra)
    assert len(particle.faces) == 6
    assert particle.volume == pytest.approx(1000, rel=1e-12)
    assert particle.symmetry_group == "Oh"


@pytest.mark.parametrize(
    ("planes", "error", "message"),
    [
        ([(1, 0, 0, 1)] * 3, ValueError, r"planes must have shape \(F, 4\) with F >= 4"),
        (np.ones((5, 3)), ValueError, r"planes must have shape \(F, 4\)"),
        ([("a", 0, 0, 1)] * 4, TypeError, "planes must be real numbers"),
        ([(1, 0, 0, np.nan)] * 4, ValueError, r"planes must be finite, but planes\[0\]"),
        ([(1, 0, 0, 1)] * 4 + [(0, 0, 0, 1)], ValueError, r"planes\[4\] has a normal of length 0"),
        ([(1, 0, 0, 1), (-1, 0, 0, 1), (0, 1, 0, 1), (0, -1, 0, 1), (0, 0, 1, 1)],
         ValueError, "leave a direction open"),
        ([(1, 0, 0, 1), (-1, 0, 0, -2), (0, 1, 0, 1), (0, -1, 0, 1), (0, 0, 1, 1), (0, 0, -1, 1)],
         ValueError, r"share no volume: planes\[1\]"),
        ([(1, 0, 0, 0), (-1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0)], ValueError, "no volume"),
    ],
)  # fmt: skip
def test_bad_halfspaces_are_refused(planes, error, message):
    with pytest.raises(error, match=message):
        Polyhedron.from_halfspaces(planes)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(5, 40))
def test_hull_of_points_against_scipy(seed, count):
    points = np.random.default_rng(seed).normal(size=(count, 3)) * 10
    particle = Polyhedron.from_vertices(points)
    hull = ConvexHull(points)
    assert particle.volume == pytest.approx(hull.volume, rel=1e-10)
    assert particle.surface_area == pytest.approx(hull.area, rel=1e-10)
    assert {tuple(v) for v in particle.vertices} == {tuple(points[i]) for i in hull.vertices}


def test_hull_joins_flat_parts_and_drops_points_within_faces():
    grid = np.stack(np.meshgrid(*[np.linspace(-5, 5, 5)] * 3), axis=-1).reshape(-1, 3)
    particle = Polyhedron.from_vertices(grid)
    assert len(particle.vertices) == 8
    assert sorted(map(len, particle.faces)) == [4] * 6
    assert particle.volume == pytest.approx(1000, rel=1e-12)
    assert particle.symmetry_group == "Oh"


@pytest.mark.parametrize(
    ("points", "error", "message"),
    [
        (np.eye(3), ValueError, r"points must have shape \(n, 3\) with n >= 4, got \(3, 3\)"),
        (np.zeros((6, 3)), ValueError, "all of them lie in one plane"),
        (np.c_[np.random.default_rng(0).normal(size=(9, 2)), np.zeros(9)], ValueError, "one plane"),
        ([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, np.inf)], ValueError, "row 3"),
        (["abc"] * 4, TypeError, "points must be real numbers"),
    ],
)
def test_bad_points_are_refused(points, error, message):
    with pytest.raises(error, match=message):
        Polyhedron.from_vertices(points)


def test_a_convex_mesh_becomes_half_spaces_without_duplicates():
    particle = Polyhedron.from_mesh(box(10, centre=(3, 4, 5)), BOX_TRIANGLES)
    assert particle.volume == pytest.approx(1000, rel=1e-14)
    assert particle.surface_area == pytest.approx(600, rel=1e-14)
    np.testing.assert_allclose(particle.centroid, (3, 4, 5), rtol=1e-14)
    (body,) = particle.bodies()
    assert isinstance(body, ConvexBody)
    assert body.planes.shape == (6, 4)
    assert particle.symmetry_group == "Oh"
    assert pickle.loads(pickle.dumps(particle)) == particle
    assert particle != Polyhedron.from_mesh(box(10), BOX_TRIANGLES)


@pytest.mark.parametrize(
    ("corners", "group"),
    [
        ({0: Displacement(nm=12)}, "C3v"),
        ({0: Displacement(nm=-6), 7: Displacement(nm=-6)}, "D3d"),
        ({0: Displacement(nm=12), 1: Displacement(nm=12)}, "C2v"),
        ({0: Displacement(nm=-6), 3: Displacement(nm=-7)}, "Cs"),
        ({0: Displacement(nm=12), 7: Truncation((0.2, 0.3, 0.4))}, "C1"),
        ({c: Displacement(nm=-4) for c in (0, 3, 5, 6)}, "Td"),
    ],
)
def test_a_concave_mesh_turned_at_random_keeps_volume_and_symmetry(corners, group):
    particle = Cuboid((20, 20, 20), corners)
    (body,) = particle.bodies()
    assert isinstance(body, MeshBody)
    turned = Rotation.random(rng=5).apply(particle.vertices) + np.array([3, 4, 5])
    mesh = Polyhedron.from_mesh(turned, body.triangles)
    assert not mesh.is_convex
    assert mesh.volume == pytest.approx(particle.volume, rel=1e-12)
    assert mesh.surface_area == pytest.approx(particle.surface_area, rel=1e-12)
    assert mesh.symmetry_group == particle.symmetry_group == group
    assert mesh.symmetry_order == particle.symmetry_order


def test_a_void_inside_counts_as_missing():
    vertices = np.concatenate([box(10), box(4)])
    void = BOX_TRIANGLES[:, ::-1] + 8
    particle = Polyhedron.from_mesh(vertices, np.concatenate([BOX_TRIANGLES, void]))
    assert particle.volume == pytest.approx(1000 - 64, rel=1e-14)
    assert isinstance(particle.bodies()[0], MeshBody)
    assert particle.symmetry_group == "Oh"


def swap(triangles, row):
    turned = triangles.copy()
    turned[row] = turned[row, ::-1]
    return turned


def two_boxes(shift, size, inverted=False):
    second = BOX_TRIANGLES[:, ::-1] if inverted else BOX_TRIANGLES
    return np.concatenate([box(10), box(size, shift)]), np.concatenate([BOX_TRIANGLES, second + 8])


@pytest.mark.parametrize(
    ("vertices", "triangles", "error", "message"),
    [
        (box(), BOX_TRIANGLES[:-1], ValueError, "the mesh is open: 3 of its 18 edges"),
        (box(), swap(BOX_TRIANGLES, 4), ValueError, "do not turn the same way: at 3 of its 18"),
        (box(), BOX_TRIANGLES[:, ::-1], ValueError, "the mesh is inverted: all of its 12 tri"),
        (box(), np.concatenate([BOX_TRIANGLES, BOX_TRIANGLES[:1], BOX_TRIANGLES[:1, ::-1]]),
         ValueError, "not a manifold: 3 of its 18 edges"),
        (box()[BOX_TRIANGLES.ravel()], np.arange(36).reshape(12, 3), ValueError, "merge the vert"),
        (box(), BOX_TRIANGLES + 1, ValueError, r"triangles must index the 8 vertices \(0 … 7\)"),
        (box(), BOX_TRIANGLES * 1.0, TypeError, "triangles must be integers"),
        (box(), BOX_TRIANGLES[:3], ValueError, r"shape \(T, 3\) with T >= 4, got \(3, 3\)"),
        (box(), np.concatenate([BOX_TRIANGLES, [(0, 0, 1)]]), ValueError, r"\[12\] .*no area"),
        (np.concatenate([box(), [(9, 9, 9)]]), BOX_TRIANGLES, ValueError, "the first is vertex 8"),
        (*two_boxes((0, 0, 0), 4), ValueError, "sheet 1 of 2 .* matter would count twice"),
        (*two_boxes((20, 0, 0), 4, inverted=True), ValueError, "sheet 1 of 2 .* is inverted"),
        (*two_boxes((6, 1, 2), 5), ValueError, "the mesh crosses itself: the edge between"),
        (np.full((8, 3), np.nan), BOX_TRIANGLES, ValueError, "vertices must be finite"),
    ],
)  # fmt: skip
def test_bad_meshes_are_refused(vertices, triangles, error, message):
    with pytest.raises(error, match=message):
        Polyhedron.from_mesh(vertices, triangles)


def test_meshes_that_only_touch_do_not_cross():
    vertices, triangles = two_boxes((7, 0, 0), 4)  # face on face
    check_closed(triangles)
    check_not_crossing(vertices, triangles)


def test_winding_number_inside_outside_and_in_a_void():
    mesh = box(10), BOX_TRIANGLES
    assert winding_number(np.array([1.0, 2, 3]), *mesh) == pytest.approx(1, abs=1e-12)
    assert winding_number(np.array([9.0, 2, 3]), *mesh) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_a_star_shaped_polygon_is_cut_into_convex_pieces_of_the_same_area(seed):
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
    radii = rng.uniform(1, 6, 9)
    flat = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
    if np.diff(angles, append=angles[0] + 2 * np.pi).max() > np.pi:
        flat = flat[::-1]  # the centre is outside: orientation is what the area says
    area = 0.5 * np.sum(flat[:, 0] * np.roll(flat[:, 1], -1) - np.roll(flat[:, 0], -1) * flat[:, 1])
    if area < 0:
        flat, area = flat[::-1], -area
    turn = Rotation.random(rng=seed).as_matrix()
    points = np.column_stack([flat, np.full(9, 2.0)]) @ turn.T
    pieces = convex_pieces([tuple(p) for p in points], tuple(turn[:, 2]), 1e-12)
    total = 0.0
    for piece in pieces:
        corners = flat[list(piece)]
        x, y = corners.T
        cross = np.cross(np.c_[np.roll(corners, -1, 0) - corners, np.zeros(len(piece))],
                         np.c_[np.roll(corners, -2, 0) - np.roll(corners, -1, 0),
                               np.zeros(len(piece))])[:, 2]  # fmt: skip
        assert cross.min() > -1e-9
        total += 0.5 * np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)
    assert total == pytest.approx(area, rel=1e-12)


@pytest.mark.parametrize(
    ("particle", "group"),
    [(Icosahedron(10), "Ih"), (Tetrahedron(10), "Td"), (Cuboid((9, 9, 4)), "D4h")],
    ids=repr,
)
def test_symmetry_does_not_depend_on_pose_or_place(particle, group):
    turned = Rotation.random(rng=3).apply(particle.vertices) + np.array([50, -20, 8])
    found = Polyhedron.from_vertices(turned)
    assert found.symmetry_group == group
    assert found.symmetry_order == particle.symmetry_order


def test_points_crowded_along_a_line_do_not_stop_the_cutting_of_a_concave_polygon():
    ring = [
        (12.0, 5.029816331095), (12.0, 6.514908165547), (10.876797875833, 6.921158670287),
        (8.073632589413, 7.93503434589), (7.896319946019, 7.999166481438),
        (7.89631786444, 7.999167234324), (7.896287192445, 7.999178328065),
        (7.896216585292, 7.999203865936), (7.894015432405, 8.0),
        (7.678453173948, 8.043134385307), (7.37618885992, 8.047087373642),
        (9.863247663362, 6.575498442242),
    ]  # fmt: skip
    pieces = convex_pieces([(x, y, 0.0) for x, y in ring], (0.0, 0.0, 1.0), 1.6e-8)
    flat = np.array(ring)
    directed = [e for p in pieces for e in zip(p, (*p[1:], p[0]), strict=True)]
    outline = set(directed) - {(v, u) for u, v in directed}
    assert outline == {(i, (i + 1) % len(ring)) for i in range(len(ring))}

    def area(points):
        x, y = points.T
        return 0.5 * np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)

    assert sum(area(flat[list(p)]) for p in pieces) == pytest.approx(area(flat), rel=1e-12)
