"""One particle in several images: joint fits, and what turns between the images add."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.linalg import block_diag
from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast import units
from stemfast.fit import (
    CutCuboid,
    Observation,
    Prior,
    Turns,
    count_prior,
    observe,
    propose,
    refine,
    search,
)
from stemfast.fit.cuboid.equivalents import mirrored
from stemfast.fit.cuboid.thickness import thickness_and_jacobian
from stemfast.fit.joint.maximum import Maximisation
from stemfast.fit.joint.parameters import State
from stemfast.fit.search import same_particle

SCAN = sf.Scan(shape=(80, 80), pixel_size_nm=0.3)
CHIRAL = 0b00001011  # three corners in a row about the corner of three different edges
KNOWN = Prior(cut=(0.2, 0.5))


def scope(electrons: float = 500.0) -> sf.Microscope:
    beam = sf.Beam(current_pa=units.current_pa(electrons, SCAN.dwell_us))
    film = sf.Film(thickness_nm=5, roughness_nm=0.2)
    return sf.Microscope(scan=SCAN, beam=beam, probe=sf.Probe(fwhm_nm=0.6), film=film)


def particle(seed: int, mask: int = CHIRAL) -> CutCuboid:
    rng = np.random.default_rng([seed, mask])
    cuts = np.where([mask >> c & 1 for c in range(8)], rng.uniform(0.3, 0.42, 8), 0.0)
    return CutCuboid(np.array([9.5, 11.5, 13.5]), cuts, np.eye(4)[3], np.zeros(2))


def views(
    shape: CutCuboid, poses: Rotation, seed: int, microscope: sf.Microscope
) -> tuple[np.ndarray, list[CutCuboid]]:
    """Images of a particle, and the truth about each."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(-0.6, 0.6, (len(poses), 2))
    truth = [
        CutCuboid(shape.edges_nm, shape.cuts, pose.as_quat(), place)
        for pose, place in zip(poses, places, strict=True)
    ]
    positions = np.c_[places, np.zeros(len(places))]
    images = sf.simulate(shape.particle(), poses, microscope, seed=seed, positions_nm=positions)
    return images, truth


def observed(
    images: np.ndarray, truth: list[CutCuboid], microscope: sf.Microscope
) -> list[Observation]:
    return [observe(image, microscope, own) for image, own in zip(images, truth, strict=True)]


def tilted(seed: int, errors_deg: float = 0.0) -> tuple[Turns, Rotation, np.ndarray]:
    """A goniometer's turns as told, poses as they are, and what they are off by [degrees]."""
    rng = np.random.default_rng(seed)
    off = errors_deg * rng.normal(size=4)
    tilts = np.array([-45.0, -15.0, 15.0, 45.0])
    told = Turns.about_axis(tilts, axis_deg=90.0, sd_deg=errors_deg)
    true = Turns.about_axis(tilts + off, axis_deg=90.0).rotations
    return told, true * Rotation.random(rng=rng), off


@pytest.mark.parametrize("known", [KNOWN, Prior(cut=(0.2, 0.5), dose_sd=0.1, edge_nm=(12, 4))])
def test_blocks_solve_what_one_system_of_equations_says(known):
    """Step, error bars and evidence against the matrix of all parameters of both images."""
    microscope = scope()
    images, truth = views(particle(1), sf.orientation.random(2, seed=1), 1, microscope)
    found = refine(observed(images, truth, microscope), truth, prior=known)
    fit = Maximisation(found.observations, found.mask, known, None)
    scales = np.log(found.dose_scales)
    state = State(found.shapes, found.before, found.turn_errors_rad, found.waves_nm, scales)
    slopes, free = fit.slopes(state), fit.parameters.own_free
    mixed = np.concatenate([m[:, f] for m, f in zip(slopes.mixed, free, strict=True)], axis=1)
    own = block_diag(*(o[np.ix_(f, f)] for o, f in zip(slopes.own_information, free, strict=True)))
    matrix = np.block([[slopes.shared_information, mixed], [mixed.T, own]])
    gradient = np.concatenate(
        [slopes.shared, *(g[f] for g, f in zip(slopes.own, free, strict=True))]
    )
    _, gain = fit.step(state, slopes, 0.0)
    assert gain == pytest.approx(gradient @ np.linalg.solve(matrix, gradient), rel=1e-6)
    n = len(slopes.shared)
    inverse = np.linalg.inv(matrix)
    assert found.covariance == pytest.approx(inverse[:n, :n], rel=1e-6, abs=1e-12)
    place = inverse[n + 3 : n + 5, n + 3 : n + 5]
    assert found.view_covariances[0][3:5, 3:5] == pytest.approx(place, rel=1e-6, abs=1e-12)
    evidence = slopes.value + 0.5 * (len(matrix) * np.log(2 * np.pi) - np.linalg.slogdet(matrix)[1])
    given = np.concatenate(
        [fit.parameters.precision]
        + [p[f] for p, f in zip(fit.parameters.own_precision, free, strict=True)]
    )
    evidence += 0.5 * (np.log(given[given > 0]) - np.log(2 * np.pi)).sum()
    evidence -= 3 * np.log(known.cut[1] - known.cut[0])  # three cuts, well within their limits
    assert found.log_evidence == pytest.approx(evidence, abs=1e-3)


def test_error_bars_cover_and_shrink_with_views():
    """Twelve particles in four views: χ² of edges and cuts, two-sided, false alarms 1 in 500."""
    microscope = scope()
    total, number = 0.0, 0
    for seed in range(12):
        shape = particle(seed, int(np.random.default_rng(seed).integers(256)))
        poses = sf.orientation.random(4, seed=seed)
        images, truth = views(shape, poses, seed, microscope)
        found = refine(observed(images, truth, microscope), truth, prior=KNOWN)
        assert found.converged
        assert found.explained
        off = np.r_[truth[0].edges_nm, truth[0].cuts[truth[0].cuts > 0]]
        off -= np.r_[found.shape.edges_nm, found.shape.cuts[found.shape.cuts > 0]]
        total += float(off @ np.linalg.solve(found.covariance, off))
        number += len(off)
        volume = found.volume_nm3 - shape.volume_nm3
        assert abs(volume) < 4 * found.volume_sd_nm3
    low, high = stats.chi2.ppf([0.001, 0.999], number)
    assert low < total < high
    alone = refine(observed(images, truth, microscope)[:1], truth[:1], prior=KNOWN)
    assert (found.edges_sd_nm < alone.edges_sd_nm).all()


def test_the_order_of_views_does_not_matter():
    microscope = scope()
    images, truth = views(particle(2), sf.orientation.random(4, seed=2), 2, microscope)
    seen = observed(images, truth, microscope)
    order = [2, 0, 3, 1]
    one = refine(seen, truth, prior=KNOWN)
    other = refine([seen[i] for i in order], [truth[i] for i in order], prior=KNOWN)
    assert other.log_evidence == pytest.approx(one.log_evidence, abs=1e-5)
    assert other.shape.edges_nm == pytest.approx(one.shape.edges_nm, abs=1e-6)
    assert other.shapes[0].quaternion == pytest.approx(one.shapes[2].quaternion, abs=1e-6)


def test_views_at_unknown_poses_do_not_tell_the_hand():
    microscope = scope()
    images, truth = views(particle(3), sf.orientation.random(4, seed=3), 3, microscope)
    seen = observed(images, truth, microscope)
    own = refine(seen, truth, prior=KNOWN)
    twin = refine(seen, [mirrored(shape) for shape in truth], prior=KNOWN)
    assert twin.mask != own.mask
    assert twin.log_evidence == pytest.approx(own.log_evidence, abs=1e-3)


@pytest.mark.parametrize("told", ["the truth", "its mirror image"])
def test_known_turns_tell_the_hand(told):
    microscope = scope()
    turns, poses, _ = tilted(4)
    images, truth = views(particle(4), poses, 4, microscope)
    start = truth if told == "the truth" else [mirrored(shape) for shape in truth]
    found = search(
        observed(images, truth, microscope),
        start,
        log_prior=count_prior(),
        prior=KNOWN,
        turns=turns,
    )
    assert found.hand_probability > 0.999
    assert same_particle(truth[0], found.best.shape)
    assert not same_particle(mirrored(truth[0]), found.best.shape)
    assert found.best.explained


def test_errors_of_the_goniometer_are_found():
    microscope = scope(2000.0)
    turns, poses, off = tilted(5, errors_deg=1.0)
    images, truth = views(particle(5), poses, 5, microscope)
    found = refine(observed(images, truth, microscope), truth, prior=KNOWN, turns=turns)
    about_y = np.degrees(found.turn_errors_rad[:, 1])
    assert np.abs(found.turn_errors_rad[:, [0, 2]]).max() < 1e-12
    # The pose before the turns takes on what all are off by.
    assert np.abs((about_y - about_y.mean()) - (off - off.mean())).max() < 0.4
    assert found.explained
    trusting = Turns(turns.rotations)
    stiff = refine(observed(images, truth, microscope), truth, prior=KNOWN, turns=trusting)
    assert stiff.log_likelihood < found.log_likelihood - 20
    assert not stiff.turn_errors_rad.any()


@pytest.mark.parametrize("known", [False, True], ids=["any poses", "known turns"])
def test_a_particle_is_found_from_its_images_alone(known):
    microscope = scope(1500.0)
    shape = particle(6)
    turns, poses, _ = tilted(6)
    images, _ = views(shape, poses[:3], 6, microscope)
    told = Turns(turns.rotations[:3]) if known else None
    start = propose(images, [microscope] * 3, prior=KNOWN, turns=told)[0]
    seen = observed(images, list(start), microscope)
    found = search(seen, start, log_prior=count_prior(), prior=KNOWN, turns=told)
    best = found.best
    assert best.explained
    assert best.mask.bit_count() == 3
    assert np.sort(best.shape.edges_nm) == pytest.approx([9.5, 11.5, 13.5], rel=0.01)
    assert best.volume_nm3 == pytest.approx(shape.volume_nm3, rel=0.01)


def test_one_image_of_another_particle_is_seen():
    microscope = scope()
    images, truth = views(particle(7), sf.orientation.random(3, seed=7), 7, microscope)
    other, _ = views(particle(8, 0b11110000), sf.orientation.random(3, seed=7), 7, microscope)
    images = np.stack([images[0], images[1], other[2]])
    found = refine(observed(images, truth, microscope), truth, prior=KNOWN)
    assert not found.explained
    assert [one.explained for one in found.goodness] == [True, True, False]


def test_equal_edges_stay_equal():
    microscope = scope()
    shape = CutCuboid(np.full(3, 11.0), particle(9).cuts, np.eye(4)[3], np.zeros(2))
    images, truth = views(shape, sf.orientation.random(2, seed=9), 9, microscope)
    found = refine(
        observed(images, truth, microscope),
        truth,
        prior=Prior(cut=(0.2, 0.5), equal_edges=True),
    )
    assert len(set(found.shape.edges_nm.tolist())) == 1
    assert found.shape.edges_nm[0] == pytest.approx(11.0, abs=4 * found.edges_sd_nm[0])


def test_what_cannot_be_joined_is_refused():
    microscope = scope()
    images, truth = views(particle(1), sf.orientation.random(2, seed=1), 1, microscope)
    seen = observed(images, truth, microscope)
    with pytest.raises(ValueError, match="observations is empty"):
        refine([], truth)
    with pytest.raises(ValueError, match="start is 1 shapes, expected one for each of 2"):
        refine(seen, truth[:1])
    with pytest.raises(ValueError, match="poses are not known"):
        refine(seen, truth[0])
    with pytest.raises(ValueError, match="turns are 3, expected one for each of 2"):
        refine(seen, truth, turns=Turns.about_axis([0, 1, 2]))
    with pytest.raises(ValueError, match="sd_deg is -1"):
        Turns.about_axis([0, 1], sd_deg=-1)
    with pytest.raises(ValueError, match="axis must be three numbers"):
        Turns(Rotation.identity(2), 1.0, (0, 0, 0))
    with pytest.raises(ValueError, match="microscopes are 1"):
        propose(images, [microscope])
    with pytest.raises(ValueError, match="images is empty"):
        propose([], [])


def test_a_face_almost_along_the_beam_does_not_fix_the_pose_by_one_pixel():
    """All of its slope falls on one pixel: the pose seemed known to a millionth of a radian."""
    cuboid, pose = sf.Cuboid(edges=(12, 9.6, 16.9)), Rotation.from_rotvec([0, 1e-4, 0])
    x = np.linspace(5.99, 6.01, 1001)
    t, jacobian = thickness_and_jacobian(CutCuboid.of(cuboid, pose), x, np.zeros(1001))
    on_the_slope = (t > 0.1) & (t < 16.8)
    assert on_the_slope.sum() > 20
    assert 1e3 < abs(jacobian[on_the_slope]).max() < 1e4
