"""What a static projection can and cannot tell of a particle and its mirror image."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast.symmetry import cuboid_symmetry

EDGES = (14.0, 11.0, 9.0)
SCAN = sf.Scan(shape=(64, 64), pixel_size_nm=0.4)
MIRROR_X, FLIP_Z = np.diag([-1.0, 1.0, 1.0]), np.diag([1.0, 1.0, -1.0])


def left_and_right(mask: int) -> tuple[sf.Cuboid, sf.Cuboid]:
    """A cuboid with corners of unlike depths cut off, and its mirror image in x."""
    corners = [c for c in range(8) if mask >> c & 1]
    cuts = {c: 0.2 + 0.08 * i for i, c in enumerate(corners)}
    return (
        sf.Cuboid(EDGES, corners={c: sf.Truncation(f) for c, f in cuts.items()}),
        sf.Cuboid(EDGES, corners={c ^ 1: sf.Truncation(f) for c, f in cuts.items()}),
    )


def mirrored_pose(pose: Rotation) -> Rotation:
    """The pose in which the mirror image is the particle at `pose` turned over along the beam."""
    return Rotation.from_matrix(FLIP_Z @ pose.as_matrix() @ MIRROR_X)


@pytest.mark.parametrize("mask", [0b1, 0b1011, 0b1101001])
def test_a_static_projection_never_tells_a_particle_from_its_mirror_image(mask):
    assert cuboid_symmetry(EDGES, tolerance_nm=0.1).is_chiral(mask)
    left, right = left_and_right(mask)
    poses = sf.orientation.random(40, seed=mask)
    # Random poses stay random when they are mirrored, so the two have the same distribution.
    np.testing.assert_allclose(
        sf.thickness(left, poses, SCAN), sf.thickness(right, mirrored_pose(poses), SCAN), atol=2e-5
    )


def test_neither_does_a_probe_with_a_film_or_noise():
    left, right = left_and_right(0b1011)
    pose = sf.orientation.random(1, seed=3)[0]
    microscope = sf.Microscope(scan=SCAN, film=sf.Film(thickness_nm=8, roughness_nm=1))
    a = sf.simulate(left, pose, microscope, seed=1)
    b = sf.simulate(right, mirrored_pose(pose), microscope, seed=1)
    # The last bits of two chords may differ, and with them a count in some thousand.
    assert np.count_nonzero(a != b) <= 4


@pytest.mark.parametrize("what", ["tilt", "spin"])
def test_a_known_tilt_or_a_known_sense_of_spin_does_tell(what):
    left, right = left_and_right(0b1011)
    pose = sf.orientation.random(1, seed=5)[0]
    turn = np.array([0.0, 0.6, 0.0])
    if what == "tilt":
        tilt = Rotation.from_rotvec(turn)
        seen = sf.thickness(left, tilt * pose, SCAN)
        same, other = (
            sf.thickness(right, sign * mirrored_pose(pose), SCAN) for sign in (tilt.inv(), tilt)
        )
    else:
        seconds = SCAN.frame_us * 1e-6
        seen = sf.thickness(left, pose, SCAN, spin_rad_s=turn / seconds)
        same, other = (
            sf.thickness(right, mirrored_pose(pose), SCAN, spin_rad_s=sign * turn / seconds)
            for sign in (-1.0, 1.0)
        )
    # The mirror image would look the same only if it were tilted or spun the other way.
    np.testing.assert_allclose(seen, same, atol=1e-4)
    assert np.abs(seen - other).max() > 1.0
