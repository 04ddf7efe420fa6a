"""Cuboids that show their faces edge-on are read without false confidence."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast.fit import CutCuboid, Prior, decide, observe
from stemfast.fit.cuboid.steep import soft_thickness, soft_thickness_and_jacobian
from stemfast.fit.cuboid.thickness import thickness
from stemfast.fit.image.rims import has_sharp_rims, softened

PIXEL_NM = 0.25
POSES = {
    "lying": Rotation.from_rotvec([0.004, 0.01, 0.3]),
    "turned": Rotation.from_euler("xz", [30, 20], degrees=True),
    "flat": Rotation.identity(),
    "slanted": Rotation.from_rotvec([0.5, 0.4, 0.3]),
}
CUTS = np.array([0.3, 0, 0, 0, 0, 0.2, 0, 0.4])


def shape_at(pose):
    return CutCuboid(np.array([10.0, 12, 13]), CUTS, pose.as_quat(), np.array([0.1, 0.2]))


def grid(n=53):
    line = PIXEL_NM * 1.37 * (np.arange(n) - n / 2)
    return np.meshgrid(line, line)


@pytest.mark.parametrize("pose", POSES.values(), ids=POSES)
def test_a_soft_rim_is_the_mean_over_a_pixel(pose):
    shape, (x, y) = shape_at(pose), grid()
    places = PIXEL_NM * ((np.arange(8) + 0.5) / 8 - 0.5)
    mean = np.mean([thickness(shape, x + dx, y + dy) for dx in places for dy in places], axis=0)
    off = soft_thickness(shape, x, y, PIXEL_NM) - mean
    sharp = thickness(shape, x, y) - mean
    assert np.sqrt((off**2).mean()) < max(0.25 * np.sqrt((sharp**2).mean()), 0.03)


@pytest.mark.parametrize("pose", POSES.values(), ids=POSES)
def test_derivatives_of_soft_rims_are_those_of_differences(pose):
    shape, (x, y) = shape_at(pose), grid(31)

    def moved(step):
        cuts = CUTS.copy()
        cuts[CUTS > 0] += step[8:]
        there = shape.moved(
            step[:3], shape.position_nm + step[3:5], shape.edges_nm + step[5:8], cuts
        )
        return soft_thickness(there, x, y, PIXEL_NM)

    _, jacobian = soft_thickness_and_jacobian(shape, x, y, PIXEL_NM)
    for k in range(jacobian.shape[-1]):
        step = 1e-6 * np.eye(jacobian.shape[-1])[k]
        slope = (moved(step) - moved(-step)) / 2e-6
        # But for pixels that a kink crosses within the step.
        wrong = np.abs(slope - jacobian[..., k]) > 1e-3 * (1.0 + np.abs(slope))
        assert wrong.mean() < 0.01


def test_gentle_slopes_keep_their_weight_and_rims_lose_theirs():
    scope = sf.Microscope()
    for name, lost in (("flat", True), ("slanted", False)):
        particle, pose = sf.Cuboid(edges=(12, 11, 10)), POSES[name]
        shape = CutCuboid.of(particle, pose)
        seen = observe(sf.simulate(particle, pose, scope, seed=1), scope, shape)
        assert has_sharp_rims([seen], [shape]) == lost
        weight = softened(seen, shape).weight
        assert (weight.min() < 0.3) == lost
        assert np.median(weight) > 0.95


def reconstructed(particle, pose, seed, current_pa=80):
    scope = sf.Microscope(
        scan=sf.Scan(shape=(104, 104), pixel_size_nm=PIXEL_NM), beam=sf.Beam(current_pa=current_pa)
    )
    image = sf.simulate(particle, pose, scope, seed=seed)
    side = float(np.mean(particle.edges))
    return decide(image, scope, prior=Prior(cut=(0.1, 0.5), edge_nm=(side, 0.6 * side)))


def test_a_cuboid_that_lies_on_a_face_is_not_given_corners_that_it_has_not():
    particle = sf.Cuboid(
        edges=(15, 13, 11), corners={2: sf.Truncation(0.43), 4: sf.Truncation(0.34)}
    )
    tilt = Rotation.from_rotvec(np.radians([1.2, -1.7, 0])) * Rotation.from_euler("z", 0.6)
    found = reconstructed(particle, tilt, seed=0)
    assert found.explained
    assert found.answer == 2
    assert abs(found.best.volume_nm3 / particle.volume - 1) < 0.01
