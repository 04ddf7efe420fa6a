"""Particles followed through the tilts of a field, against their true places."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from stemfast.reconstruction.following import Places, follow


def tilted_frames(rng, n, tilts_deg, axis_deg, height_nm):
    """Frames of n particles, shuffled, with drift; and the number of each in each frame."""
    places = np.column_stack([rng.uniform(0, 400, (n, 2)), rng.normal(0, height_nm, n)])
    sizes = rng.uniform(8, 22, n)
    axis = np.array([np.cos(np.radians(axis_deg)), np.sin(np.radians(axis_deg)), 0.0])
    frames, numbers = [], []
    for tilt in tilts_deg:
        turned = Rotation.from_rotvec(np.radians(tilt) * axis).apply(places - (200, 200, 0))
        drift = rng.normal(0, 15, 2)
        order = rng.permutation(n)
        seen = turned[:, :2] + drift + rng.normal(0, 0.5, (n, 2))
        frames.append(Places(seen[order], (sizes * rng.normal(1, 0.04, n))[order]))
        numbers.append(np.argsort(order))
    return frames, np.array(numbers).T


@pytest.mark.parametrize("axis_deg", [0.0, 37.0, 90.0, 210.0])
@pytest.mark.parametrize(("tilts", "height_nm"), [((-20, 20), 3.0), ((-30, -15, 5, 20), 25.0)])
def test_particles_are_followed_through_drift_and_heights(axis_deg, tilts, height_nm):
    rng = np.random.default_rng(round(axis_deg))
    frames, numbers = tilted_frames(rng, 14, tilts, axis_deg, height_nm)
    for reference in range(len(tilts)):
        found = follow(frames, tilts, axis_deg, reference)
        own = np.argsort(numbers[:, reference])
        known = found >= 0
        assert known.mean() > 0.7
        assert (found == numbers[own])[known].mean() > 0.97


def test_a_wrong_axis_finds_fewer():
    rng = np.random.default_rng(5)
    frames, _ = tilted_frames(rng, 30, (-40, 40), 0.0, 5.0)
    right, wrong = (follow(frames, (-40, 40), axis, 0) for axis in (0.0, 90.0))
    assert (right >= 0).sum() > (wrong >= 0).sum()


def test_two_that_fit_alike_are_not_followed():
    there = Places(np.array([[50.0, 50.0], [150.0, 40.0]]), np.array([10.0, 20.0]))
    doubled = Places(
        np.array([[50.0, 50.0], [50.3, 50.0], [150.0, 40.0]]), np.array([10, 10, 20.0])
    )
    assert follow([there, doubled], [0, 5], 0.0, 0)[:, 1].tolist() == [-1, 2]


def test_empty_frames_and_frames_of_none_alike():
    one = Places(np.zeros((1, 2)), np.array([10.0]))
    empty = Places(np.zeros((0, 2)), np.zeros(0))
    assert follow([one, empty], [0, 10], 0.0, 0).tolist() == [[0, -1]]
    assert follow([empty, one], [0, 10], 0.0, 0).shape == (0, 2)
    large = Places(np.zeros((1, 2)), np.array([90.0]))
    assert follow([one, large], [0, 10], 0.0, 0).tolist() == [[0, -1]]
