"""Quaternions of the core against SciPy, and whether drawn orientations are uniform."""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.transform import Rotation, Slerp

import stemfast as sf
from stemfast import _core, elementary, reference

POSES = Rotation.random(40, rng=11)


def same_rotation(p, q) -> float:
    """Largest difference of two quaternions that may differ in sign."""
    p, q = np.asarray(p), np.asarray(q)
    return min(np.abs(p - q).max(), np.abs(p + q).max())


def test_product_and_rotation_agree_with_scipy():
    vector = np.array([0.3, -1.2, 2.5])
    for p, q in zip(POSES[:20], POSES[20:], strict=True):
        product = _core.quaternion_multiply(p.as_quat(), q.as_quat())
        assert same_rotation(product, (p * q).as_quat()) < 1e-15
        np.testing.assert_allclose(
            _core.quaternion_rotate(p.as_quat(), vector), p.apply(vector), atol=1e-14
        )


def test_normalise():
    q = np.array([1.0, -2.0, 3.0, 0.5])
    np.testing.assert_allclose(_core.quaternion_normalise(q), q / np.linalg.norm(q), atol=1e-16)


@pytest.mark.parametrize(
    "q", [(0, 0, 0, 0), (1e-200, 0, 0, 0), (np.inf, 0, 0, 1), (np.nan, 0, 0, 1)]
)
def test_what_cannot_be_normalised_is_refused(q):
    with pytest.raises(ValueError, match="cannot be normalised"):
        _core.quaternion_normalise(q)


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_slerp_agrees_with_scipy(fraction):
    for p, q in zip(POSES[:20], POSES[20:], strict=True):
        expected = Slerp([0, 1], Rotation.concatenate([p, q]))(fraction).as_quat()
        assert (
            same_rotation(_core.quaternion_slerp(p.as_quat(), q.as_quat(), fraction), expected)
            < 1e-14
        )


def test_slerp_between_nearly_equal_poses_keeps_its_digits():
    p = POSES[3]
    q = Rotation.from_rotvec([1e-9, 0, 0]) * p
    middle = Rotation.from_quat(_core.quaternion_slerp(p.as_quat(), q.as_quat(), 0.5))
    np.testing.assert_allclose((middle * p.inv()).as_rotvec(), [5e-10, 0, 0], atol=1e-15)


@pytest.mark.parametrize("omega", [(0.3, -2.0, 5.0), (1e-8, 0, 0), (0, 0, 0), (40.0, 10.0, -25.0)])
def test_angular_velocity_agrees_with_scipy(omega):
    for time in (-0.7, 0.0, 1e-3, 2.0):
        expected = Rotation.from_rotvec(np.array(omega) * time).as_quat()
        assert same_rotation(_core.quaternion_from_angular_velocity(omega, time), expected) < 1e-14


def test_elementary_functions_agree_with_the_library():
    x = np.random.default_rng(5).uniform(-30, 30, 500)
    positive = np.exp(x)
    sine, cosine = elementary.sin_cos_turns(x)
    np.testing.assert_allclose(elementary.exp(x), np.exp(x), rtol=1e-15)
    np.testing.assert_allclose(elementary.log(positive), np.log(positive), rtol=4e-16, atol=4e-16)
    np.testing.assert_allclose(elementary.cbrt(positive), np.cbrt(positive), rtol=5e-16)
    np.testing.assert_allclose(sine, np.sin(2 * np.pi * (x % 1)), atol=1e-14)
    np.testing.assert_allclose(cosine, np.cos(2 * np.pi * (x % 1)), atol=1e-14)


@pytest.mark.parametrize("wrong", [0.0, -1.0, np.nan, np.inf])
def test_elementary_functions_refuse_what_they_have_no_value_for(wrong):
    with pytest.raises(ValueError, match="x must be"):
        elementary.log([1.0, wrong])
    with pytest.raises(ValueError, match="x must be"):
        elementary.exp([1.0, 1e9 * wrong if wrong else 1e9])


def test_drawn_orientations_equal_the_reference():
    drawn = sf.orientation.random(3, seed=2**40 + 5, first_index=2**33).as_quat()
    for i in range(3):
        expected = reference.haar_quaternion(2**40 + 5, 2**33 + i)
        np.testing.assert_allclose(drawn[i], expected, atol=1e-14)


def uniformity(rotations: Rotation) -> list[float]:
    """p-values of three marginals of the uniform distribution over rotations.

    The rotation angle has density (1 − cos a)/π; a turned axis is uniform on the sphere, so its
    components are uniform in [−1, 1], as is each element of the matrix.
    """
    angle = rotations.magnitude()
    matrix = rotations.as_matrix()
    return [
        stats.kstest((angle - np.sin(angle)) / np.pi, "uniform").pvalue,
        stats.kstest((matrix[:, 2, 2] + 1) / 2, "uniform").pvalue,
        stats.kstest((matrix[:, 0, 1] + 1) / 2, "uniform").pvalue,
    ]


def test_drawn_orientations_are_uniform():
    # Two-sided: too good a fit (p above 0.9995) is as wrong as too bad a one. Three p-values, each
    # outside with probability 1e-3: a false alarm in 0.3 % of seeds; this seed is fixed.
    p_values = uniformity(sf.orientation.random(20_000, seed=42))
    assert all(5e-4 < p < 1 - 5e-4 for p in p_values), p_values


def test_the_test_of_uniformity_catches_the_usual_mistakes():
    rng = np.random.default_rng(1)
    euler = Rotation.from_euler("zyx", rng.uniform(-np.pi, np.pi, (20_000, 3)))
    box = Rotation.from_quat(rng.uniform(-1, 1, (20_000, 4)))
    assert min(uniformity(euler)) < 1e-6
    assert min(uniformity(box)) < 1e-6


def test_neighbouring_orientations_are_independent():
    # Uniform and independent draws have uniform relative rotations. False alarm: 0.3 %.
    drawn = sf.orientation.random(20_001, seed=43)
    p_values = uniformity(drawn[:-1].inv() * drawn[1:])
    assert all(5e-4 < p < 1 - 5e-4 for p in p_values), p_values
