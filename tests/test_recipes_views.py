"""Poses of recipes: several views of one particle, tilts between them, turns during the scan."""

from __future__ import annotations

import numpy as np
import pytest

from stemfast import recipes


def small(name, **settings):
    return recipes.get(name, **({"image_px": 32} | settings))


@pytest.mark.parametrize("name", ["ground-truth", "handedness"])
def test_views_show_one_particle_in_several_poses(name):
    recipe = small(name, views=3, series={"kind": "static"})
    scenes = recipe.sample(1, 0, 4)
    assert recipe.image_shape == (3, 32, 32)
    assert scenes.simulate().shape == (4, 3, 32, 32)
    assert scenes.columns["orientation_xyzw"].shape == (4, 3, 4)
    quaternions = scenes.orientations.reshape(-1, 4)
    assert len(np.unique(quaternions.round(9), axis=0)) == 12
    assert scenes.microscope(2, view=0) == scenes.microscope(2, view=2)
    assert recipe.replace(views=1).image_shape == (32, 32)


def test_tilts_are_about_the_axis_and_by_the_angles_they_say():
    from scipy.spatial.transform import Rotation

    series = {"kind": "tilts", "tilt_deg": (-50, 70), "tilt_axis_deg": 30, "tilt_error_deg": 0}
    columns = small("ground-truth", views=5, series=series).sample(1, 0, 6).columns
    assert np.allclose(columns["tilt_deg"], [-50, -20, 10, 40, 70])
    axis = np.array([np.cos(np.pi / 6), 0.5, 0])
    assert np.allclose(columns["tilt_axis"], axis)
    for poses, tilts in zip(columns["orientation_xyzw"], columns["tilt_deg"], strict=True):
        base = Rotation.from_rotvec(np.radians(tilts[0]) * axis).inv() * Rotation.from_quat(
            poses[0]
        )
        for pose, tilt in zip(poses, tilts, strict=True):
            wanted = Rotation.from_rotvec(np.radians(tilt) * axis) * base
            assert (wanted * Rotation.from_quat(pose).inv()).magnitude() < 1e-9


def test_errors_of_tilts_have_the_spread_they_say():
    series = {"kind": "tilts", "tilt_error_deg": 2.0}
    columns = small("ground-truth", series=series).sample(1, 0, 500).columns
    error = columns["true_tilt_deg"] - columns["tilt_deg"]
    # 4000 normal numbers: their spread is 2 ± 0.022, their mean 0 ± 0.032; five of each.
    assert abs(error.std() - 2) < 0.11
    assert abs(error.mean()) < 0.16


def test_handedness_without_tilts_takes_a_turn_of_known_sense():
    assert small("handedness").series.kind == "tilts"
    spinning = small("handedness", spin=True)
    assert spinning.views == 1
    spin = spinning.sample(1, 0, 50).columns["spin_rad_s"]
    assert (spin[:, 0] > 0).all()
    assert (spin[:, 1:] == 0).all()


@pytest.mark.parametrize("name", recipes.names())
def test_spins_turn_by_the_angle_that_was_asked_for_about_any_axis(name):
    recipe = small(name, spin=True, imaging={"turn_axis": "isotropic"})
    columns = recipe.sample(1, 0, 600).columns
    spin = columns["spin_rad_s"]
    frame = (32 * (32 * columns["dwell_us"] + 60) - 60) * 1e-6
    turn = np.degrees(
        np.linalg.norm(spin, axis=-1) * frame.reshape(frame.shape + (1,) * (spin.ndim - 2))
    )
    low, high = recipe.imaging.turn_deg
    assert low - 1e-9 <= turn.min() < low + 1
    assert high - 1 < turn.max() <= high + 1e-9
    axes = spin.reshape(-1, 3) / np.linalg.norm(spin.reshape(-1, 3), axis=1, keepdims=True)
    assert np.abs(axes.mean(axis=0)).max() < 5 / np.sqrt(3 * len(axes))
    still = recipe.replace(spin=False).sample(1, 0, 2)
    assert still.spin_rad_s is None
    assert not np.array_equal(recipe.sample(1, 0, 2).simulate(), still.simulate())
