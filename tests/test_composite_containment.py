"""Whether one solid lies inside another, and by how much."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

import stemfast as sf
from composite_particles import DENTED
from stemfast.particles.geometry.containment import (
    clearance_nm,
    distances_from_origin,
    farthest_of_ellipsoid,
)
from stemfast.particles.geometry.placement import Placement, unit_quaternion

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
