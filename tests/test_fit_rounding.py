"""Fits give the same answer where data or start change by rounding."""

import numpy as np
import pytest

import stemfast as sf
from stemfast.fit import CutCuboid, Prior, decide, observe, refine

PARTICLE = sf.Cuboid(edges=(14, 12, 10), corners={7: sf.Truncation(0.4)})
PRIOR = Prior(cut=(0.2, 0.5))
ROUNDING = 1e-12
SAME_NM = 1e-6


def images_of(seed, views):
    return sf.simulate(PARTICLE, sf.orientation.random(views, seed=seed), seed=seed)


def disturbed(values, seed=0):
    values = np.asarray(values, np.float64)
    noise = np.random.default_rng(seed).standard_normal(values.shape)
    return values * (1.0 + ROUNDING * noise)


def assert_same(one, other):
    assert one.shape.mask == other.shape.mask
    np.testing.assert_allclose(one.shape.edges_nm, other.shape.edges_nm, rtol=0, atol=SAME_NM)
    np.testing.assert_allclose(one.shape.cuts, other.shape.cuts, rtol=0, atol=SAME_NM)


@pytest.mark.parametrize("seed", [1, 2, 4])
def test_one_image_disturbed_by_rounding_keeps_its_answer(seed):
    (image,) = images_of(seed, 1)
    found = [decide(one, sf.Microscope(), prior=PRIOR) for one in (image, disturbed(image))]
    assert found[0].answer == found[1].answer
    assert_same(found[0].best, found[1].best)


@pytest.mark.parametrize("seed", [1, 3])
def test_two_images_disturbed_by_rounding_keep_their_answer(seed):
    images = images_of(seed, 2)
    scopes = [sf.Microscope()] * 2
    found = [
        decide(some, scopes, prior=PRIOR).best
        for some in (images, [disturbed(image) for image in images])
    ]
    assert_same(*found)


@pytest.mark.parametrize("seed", range(8))
def test_a_start_disturbed_by_rounding_leads_to_the_same_fit(seed):
    pose = sf.orientation.random(1, seed=seed)
    (image,) = sf.simulate(PARTICLE, pose, seed=seed)
    start = CutCuboid.of(PARTICLE, pose[0]).moved(
        np.full(3, 0.03), np.full(2, 0.1), np.array([14.2, 12.1, 9.9]), np.full(8, 0.3)
    )
    beside = CutCuboid(
        disturbed(start.edges_nm),
        disturbed(start.cuts),
        disturbed(start.quaternion),
        disturbed(start.position_nm),
    )
    seen = observe(image, sf.Microscope(), start)
    assert_same(*(refine(seen, one, prior=PRIOR) for one in (start, beside)))


def test_a_pose_that_leaves_little_more_than_noise_is_not_taken_for_right():
    scope = sf.Microscope(beam=sf.Beam(current_pa=32))
    images = sf.simulate(PARTICLE, sf.orientation.random(2, seed=1), scope, seed=1)
    best = decide(images, [scope] * 2, prior=PRIOR).best
    assert best.mask.bit_count() == 1
    np.testing.assert_allclose(np.sort(best.shape.edges_nm), (10, 12, 14), atol=0.1)
