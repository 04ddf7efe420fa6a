"""Particles that rest on their faces."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

from stemfast import recipes
from stemfast.particles.geometry.cuboid_arrays import cuboids
from stemfast.particles.geometry.resting import resting_faces
from stemfast.particles.geometry.solid_arrays import choose, ellipsoids, tetrahedra
from stemfast.recipes.poses import resting_orientations
from stemfast.reference import resting_faces as slow_resting_faces

DOWN = np.array([0.0, 0.0, 1.0])


def mixed_solids():
    """Cuboids of every number of cut and of displaced corners, and tetrahedra, in one table."""
    rng = np.random.default_rng(7)
    edges = rng.uniform(8.0, 16.0, (36, 3))
    deformed = rng.permuted(np.arange(8) < np.arange(36)[:, None] % 9, axis=1)
    cut = deformed[:18] * rng.uniform(0.1, 0.5, (18, 8))
    moved = deformed[18:] * rng.uniform(0.5, 2.5, (18, 8))
    boxes = cuboids(
        edges, np.concatenate([cut, np.zeros((18, 8))]), np.concatenate([np.zeros((18, 8)), moved])
    )
    which = np.arange(40) % 10 // 9
    return choose(which, [boxes, tetrahedra(rng.uniform(8.0, 20.0, 4))])


def test_faces_and_probabilities_are_those_of_the_reference():
    solids = mixed_solids()
    faces = resting_faces(solids.table, solids.row)
    np.testing.assert_allclose(faces.probabilities.sum(axis=1), 1.0, rtol=1e-12)
    for scene in range(len(solids)):
        (body,) = solids.particle(scene, "Au").bodies()
        slow = slow_resting_faces(body.vertices, centre_of_mass(body))
        fast = faces.probabilities[scene] > 0
        assert fast.sum() == len(slow), scene
        normals = faces.normals[scene][fast]
        np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0, rtol=1e-12)
        for normal, probability in slow:
            match = int(np.argmax(normals @ normal))
            assert normals[match] @ normal > 1 - 1e-9
            assert faces.probabilities[scene][fast][match] == pytest.approx(probability, abs=1e-6)


def centre_of_mass(body):
    """From tetrahedra between the surface and a point inside."""
    if hasattr(body, "triangles"):
        corners = body.vertices[body.triangles]
    else:
        corners = body.vertices[ConvexHull(body.vertices).simplices]
    inside = body.vertices.mean(axis=0)
    volume = np.linalg.det(corners - inside)
    if not hasattr(body, "triangles"):  # of a convex solid all have the same sign
        volume = np.abs(volume)
    middles = (corners.sum(axis=1) + inside) / 4
    return (volume[:, None] * middles).sum(axis=0) / volume.sum()


def test_a_face_that_does_not_hold_the_centre_of_mass_is_not_rested_on():
    # The facet of a cut corner of a plate looks almost upwards, far from the middle.
    solids = cuboids([[40.0, 40.0, 6.0]], [[0.3, 0, 0, 0, 0, 0, 0, 0]])
    faces = resting_faces(solids.table, solids.row)
    assert faces.probabilities.shape == (1, 7)
    assert (faces.probabilities[0] > 0).tolist() == [True] * 6 + [False]


def test_ellipsoids_lie_across_their_shortest_axis():
    solids = ellipsoids([[5.0, 3.0, 4.0]])
    faces = resting_faces(solids.table, solids.row)
    np.testing.assert_allclose(np.abs(faces.normals[0]), [[0, 1, 0], [0, 1, 0]])
    np.testing.assert_allclose(faces.draw(np.array([[0.2, 0.8]]))[0, :, 1], [1, -1])


def test_drawn_faces_follow_their_probabilities():
    solids = cuboids([[12.0, 9.0, 7.0]], [[0.5, 0.2, 0, 0, 0, 0, 0, 0]])
    faces = resting_faces(solids.table, solids.row)
    u = (np.arange(100_000) + 0.5)[None] / 100_000
    drawn = faces.draw(u)[0]
    for normal, probability in zip(faces.normals[0], faces.probabilities[0], strict=True):
        share = (drawn @ normal > 1 - 1e-9).mean()
        assert share == pytest.approx(probability, abs=2e-5)
    # The largest number that can come still gives a face that exists.
    last = faces.draw(np.array([[np.nextafter(1.0, 0.0)]]))
    assert np.linalg.norm(last) == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["count", "deformed", "shapes", "pairs-cuboid"])
def test_particles_rest_on_a_stable_face_and_turn_about_the_beam(name):
    scenes = recipes.get(name, particle={"pose": "resting"}).sample(3, 0, 600)
    faces = resting_faces(scenes.solids.table, scenes.solids.row)
    turns = Rotation.from_quat(scenes.orientations[:, 0])
    down = turns.inv().apply(DOWN)
    match = np.einsum("nfk,nk->nf", faces.normals, down) > 1 - 1e-9
    assert ((match & (faces.probabilities > 0)).sum(axis=1) >= 1).all()
    # About the beam they lie anyhow: a mean direction of 600 beyond 4/√600 is a false alarm in 10⁷.
    x, y, _ = turns.apply([0.5, 0.7, 0.3]).T
    assert abs(((x + 1j * y) / np.hypot(x, y)).mean()) < 4 / np.sqrt(600)


def test_a_scene_rests_as_it_does_alone_in_any_batch():
    recipe = recipes.get("deformed", particle={"pose": "both", "tilt_spread_deg": 4.0})
    whole = recipe.sample(9, 0, 300)
    part = recipe.sample(9, 120, 127)
    np.testing.assert_array_equal(whole.orientations[120:127], part.orientations)
    np.testing.assert_array_equal(whole.columns["resting"][120:127], part.columns["resting"])


def test_both_are_random_and_resting_poses_as_each_alone():
    poses = {
        pose: recipes.get("count", particle={"pose": pose}).sample(2, 0, 400)
        for pose in ("random", "resting", "both")
    }
    rests = poses["both"].columns["resting"]
    assert 0.35 < rests.mean() < 0.65  # six standard deviations of 0.025
    assert "resting" not in poses["random"].columns
    for pose, own in (("resting", rests), ("random", ~rests)):
        np.testing.assert_array_equal(
            poses["both"].orientations[own], poses[pose].orientations[own]
        )


def test_tilts_have_the_spread_that_was_asked_for():
    n = 4000
    even = recipes.get("count", particle={"pose": "resting"}).sample(4, 0, n)
    tilted = recipes.get("count", particle={"pose": "resting", "tilt_spread_deg": 5.0})
    tilted = tilted.sample(4, 0, n)
    turn = Rotation.from_quat(tilted.orientations[:, 0])
    step = turn * Rotation.from_quat(even.orientations[:, 0]).inv()
    vector = np.degrees(step.as_rotvec())
    np.testing.assert_allclose(vector[:, 2], 0.0, atol=1e-6)
    rms = np.sqrt((vector**2).sum(axis=1).mean())
    # The standard error of a spread is 5°/√(2n) = 0.056°: one false alarm in 10,000.
    assert rms == pytest.approx(5.0, abs=4 * 0.056)
    assert np.abs(vector[:, :2].mean(axis=0)).max() < 4 * 5.0 / np.sqrt(2 * n)


def test_a_face_that_points_up_is_turned_over():
    lying = resting_orientations(np.array([[0.0, 0.0, -1.0]]), np.zeros((1, 4)), 0.0)
    np.testing.assert_allclose(Rotation.from_quat(lying).apply([0, 0, -1.0]), [DOWN], atol=1e-12)


def test_views_rest_each_for_itself_and_tilt_series_rest_before_they_tilt():
    static = recipes.get("ground-truth", views=3, particle={"pose": "resting"}).sample(1, 0, 5)
    assert static.columns["resting"].shape == (5, 3)
    assert not np.allclose(static.orientations[:, 0], static.orientations[:, 1])
    tilts = recipes.get(
        "ground-truth",
        views=3,
        series={"kind": "tilts", "tilt_deg": (-20.0, 20.0)},
        particle={"pose": "resting"},
    ).sample(1, 0, 5)
    faces = resting_faces(tilts.solids.table, tilts.solids.row)
    level = Rotation.from_quat(tilts.orientations[:, 1]).inv().apply(DOWN)
    assert (np.einsum("nfk,nk->nf", faces.normals, level).max(axis=1) > 1 - 1e-9).all()
    assert tilts.columns["resting"].all()


def test_random_poses_are_what_they_were():
    plain, said = recipes.get("count"), recipes.get("count", particle={"pose": "random"})
    assert plain == said
    first = plain.sample(1, 0, 1).orientations[0, 0]
    np.testing.assert_array_equal(
        first, [-0.2794558955081043, -0.5001399391570013, -0.07876274820031585, 0.8158191424707613]
    )


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match=r"tilt_spread_deg is 5 of random poses"):
        recipes.get("count", particle={"tilt_spread_deg": 5.0})
    with pytest.raises(ValueError, match=r"particle.pose is 'standing', expected 'random'"):
        recipes.get("count", particle={"pose": "standing"})
    with pytest.raises(ValueError, match=r"tilt_spread_deg is -1"):
        recipes.resolve("count", sets=["particle.pose=resting", "particle.tilt_spread_deg=-1.0"])
