"""Supports of fields, and particles that sit on them or beside each other."""

from __future__ import annotations

import numpy as np
import pytest

from stemfast.fields.chance import Chance
from stemfast.fields.population import populated
from stemfast.fields.supports import SUPPORTS, aggregate, needles, plates

EXTENT = (90.0, 120.0)


def spheres(seed):
    chance = Chance(seed, 0)
    support = aggregate(
        chance, EXTENT, material="C", diameter_nm=(10.0, 30.0), spread=0.25, cover=1.5, bumps=0
    )
    return chance, support


@pytest.mark.parametrize("seed", range(12))
def test_spheres_of_an_aggregate_touch(seed):
    _, support = spheres(seed)
    centre, radius = support.bodies.position, 0.5 * support.bodies.scale[:, 0]
    alone = 0
    for k in range(1, len(centre)):
        gap = np.linalg.norm(centre[:k] - centre[k], axis=1) - radius[:k] - radius[k]
        alone += gap.min() > 1e-9
    assert alone <= 2  # up to three seeds start the growth


@pytest.mark.parametrize("seed", range(6))
def test_the_aggregate_has_the_cover_that_was_asked_for(seed):
    _, support = spheres(seed)
    diameter = support.bodies.scale[:, 0]
    discs = float((np.pi / 4 * diameter**2).sum()) / (EXTENT[0] * EXTENT[1])
    assert 0.7 < discs / 1.5 < 1.9  # a log-normal's mean square is above its median's, of a few


@pytest.mark.parametrize("seed", range(12))
def test_particles_sit_on_the_spheres(seed):
    chance, support = spheres(seed)
    people = populated(chance, EXTENT, kind="supported", support=support, diameter_nm=3.0, count=60)
    centre, radius = support.bodies.position, 0.5 * support.bodies.scale[:, 0]
    place, size = people.bodies.position[people.first[:-1]], people.diameter_nm
    for own, diameter in zip(place, size, strict=True):
        height = np.linalg.norm(centre - own, axis=1) - radius
        # Sunk by up to 0.6 of its diameter, beside a neighbour on a surface that bends away.
        assert (np.abs(height) < 0.75 * diameter + 1.3 * size.max() ** 2 / radius.min()).any()
    alone = np.array([np.abs(np.linalg.norm(centre - own, axis=1) - radius).min() for own in place])
    assert np.mean(alone <= 0.5 * size + 1e-9) > 0.4  # all of them where none is grouped


@pytest.mark.parametrize("make", ["plates", "needles"])
def test_flat_supports_are_sat_on_at_their_faces(make):
    chance = Chance(3, 1)
    if make == "plates":
        support = plates(
            chance, EXTENT, material="C", thickness_nm=(3.0, 5.0), count=(3, 3), tilt_deg=10.0
        )
    else:
        support = needles(chance, EXTENT, material="C", diameter_nm=(6.0, 9.0), count=(5, 5))
    point, normal = support.surface(chance, 200)
    assert np.allclose(np.linalg.norm(normal, axis=1), 1.0)
    bodies = support.bodies
    # Somewhere along a body's short axis, at the half of its thickness, whatever its other sides.
    near = np.full(200, np.inf)
    for row in range(len(bodies)):
        z = quaternion_axis(bodies.orientation[row])
        aligned = np.abs(normal @ z) > 1.0 - 1e-9
        height = np.abs((point - bodies.position[row]) @ z) / bodies.scale[row, 2]
        near = np.where(aligned, np.minimum(near, np.abs(height - 0.403)), near)
    assert (near < 1e-9).all()


def quaternion_axis(q):
    """The z axis turned by a unit quaternion."""
    x, y, z, w = q
    return np.array([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)])


@pytest.mark.parametrize("name", SUPPORTS)
def test_every_support_projects(name):
    for seed in range(5):
        support = SUPPORTS[name](Chance(seed, 7), EXTENT, 4.0)
        depth = support.bodies.depth((60, 80), 1.5)
        assert np.isfinite(depth).all()
        assert depth.max() > 0
        point, normal = support.surface(Chance(seed, 8), 50)
        assert np.isfinite(point).all()
        assert np.allclose(np.linalg.norm(normal, axis=1), 1.0)


@pytest.mark.parametrize("kind", ["monolayer", "large"])
def test_particles_side_by_side_keep_apart(kind):
    closest = []
    for seed in range(20):
        people = populated(
            Chance(seed, 0), EXTENT, kind=kind, support=None, diameter_nm=8.0, count=40
        )
        place, size = people.bodies.position[people.first[:-1]], people.diameter_nm
        assert not place[:, 2].any()
        apart = np.linalg.norm(place[:, None] - place[None], axis=2)
        ratio = apart / (0.5 * (size[:, None] + size[None]))
        closest.append(ratio[np.triu_indices(len(size), 1)].min())
    # Discs of the same volume overlap by 7 % at most, lattices by their jitter and spread.
    assert min(closest) > 0.55
    assert np.median(closest) > 0.9
