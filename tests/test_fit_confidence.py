"""Cuboids that show their faces edge-on are read without false confidence."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast.fit import CutCuboid, Prior, decide, observe, refine
from stemfast.fit.cuboid.steep import soft_thickness, soft_thickness_and_jacobian
from stemfast.fit.cuboid.thickness import thickness
from stemfast.fit.image.rims import has_sharp_rims, softened
from stemfast.reconstruction import Reconstruction
from stemfast.studies.trials.confidence import MICROSCOPE, particle_at

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


def test_a_corner_left_out_is_not_explained_however_small_its_share():
    particle = sf.Cuboid(edges=(14, 13, 12), corners={0: sf.Truncation(0.21)})
    scope = sf.Microscope(
        scan=sf.Scan(shape=(88, 88), pixel_size_nm=PIXEL_NM), beam=sf.Beam(current_pa=80)
    )
    shape = CutCuboid.of(particle, POSES["slanted"])
    seen = observe(sf.simulate(particle, POSES["slanted"], scope, seed=1), scope, shape)
    whole = refine(seen, shape, 0)
    assert whole.goodness[0].misfit < 0.02
    assert not whole.explained
    assert refine(seen, shape).explained


def read(particle, pose, index=0, scope=None, rounding=0.0):
    scan = sf.Scan(shape=(88, 88), pixel_size_nm=PIXEL_NM)
    scope = scope or sf.Microscope(scan=scan, beam=sf.Beam(current_pa=80))
    image = sf.simulate(particle, pose, scope, seed=0, first_index=index).astype(np.float64)
    image *= 1.0 + rounding * np.random.default_rng(0).standard_normal(image.shape)
    side = float(np.mean(particle.edges))
    return decide(image, scope, prior=Prior(cut=(0.1, 0.5), edge_nm=(side, 0.6 * side)))


def test_a_cuboid_that_lies_on_a_face_is_not_given_corners_that_it_has_not():
    particle, pose = particle_at("resting", 3)
    found = read(particle, pose, 3, MICROSCOPE)
    assert len(particle.corners) == 2
    assert found.explained
    assert found.answer == 2
    assert found.best.volume_sd_nm3 < 0.02 * particle.volume
    assert abs(found.best.volume_nm3 - particle.volume) < 3 * found.best.volume_sd_nm3


def test_a_cube_turned_about_one_axis_has_one_corner_cut_and_keeps_that_when_disturbed():
    particle = sf.Cuboid(edges=(12, 12, 12), corners={7: sf.Truncation(0.35)})
    pose = Rotation.from_euler("xz", [30, 20], degrees=True)
    one, other = (read(particle, pose, scope=sf.Microscope(), rounding=r) for r in (0.0, 1e-12))
    assert one.answer == 1
    np.testing.assert_allclose(one.probability, other.probability, atol=1e-3)
    np.testing.assert_allclose(one.best.shape.edges_nm, other.best.shape.edges_nm, atol=1e-5)
    assert one.best.mask == other.best.mask
    assert one.best.cuts_sd.max() < 0.1
    assert one.best.volume_sd_nm3 < 0.02 * particle.volume


def test_error_bars_of_a_whole_cube_face_on_are_those_of_its_pixels():
    particle = sf.Cuboid(edges=(12, 12, 12))
    found = read(particle, POSES["flat"])
    assert found.answer == 0
    # A rim along the rows of pixels is known to within one of them, an edge to p/√6.
    assert (found.best.edges_sd_nm < 1.2 * PIXEL_NM / np.sqrt(6)).all()
    assert (np.abs(found.best.shape.edges_nm - 12) < PIXEL_NM).all()
    assert found.best.volume_sd_nm3 < 0.02 * particle.volume
    assert (np.degrees(found.best.poses_sd_rad) < 3).all()


def test_numbers_of_corners_that_are_left_open_are_all_named():
    answer = object.__new__(Reconstruction)
    for chances, possible in (([0.02, 0.95, 0.03], (1,)), ([0.02, 0.55, 0.43], (1, 2))):
        object.__setattr__(answer, "count_probabilities", np.array(chances + [0.0] * 6))
        assert answer.possible_counts == possible


def test_an_unknown_dose_leaves_the_depth_of_a_turned_cube_open():
    """Other edges with another dose explain the one image as well as the true ones."""
    cube = sf.Cuboid(edges=(20, 20, 20), corners={7: sf.Truncation(0.3)})
    image = sf.simulate(cube, POSES["turned"], sf.Microscope(), seed=0)
    told = sf.Microscope(beam=sf.Beam(current_pa=1.16 * sf.Beam().current_pa))
    prior = Prior(cut=(0.1, 0.5), dose_sd=0.3, edge_nm=(22.0, 13.0))
    best = decide(image, told, prior=prior).best
    assert (np.abs(best.shape.edges_nm - 20.0) < 3.0 * best.edges_sd_nm).all()
    assert abs(best.volume_nm3 - cube.volume) < 3.0 * best.volume_sd_nm3
    assert best.volume_sd_nm3 > 0.02 * cube.volume
