"""The ground-truth loss does not depend on how the particle's axes were named."""

from itertools import permutations, product

import jax.numpy as jnp
import numpy as np
import pytest

from stemfast.models.reconstructor import Answer
from stemfast.symmetry import corner_permutation, cuboid_symmetry
from stemfast.training.reconstruction.loss import Targets, ground_truth_loss, targets

EDGES = np.array([9.0, 14.0, 11.0])
SEVERITY = np.array([0.0, 0.3, 0.45, 0.0, 0.2, 0.0, 0.0, 0.0])
GENERIC = cuboid_symmetry((3, 2, 1), tolerance_nm=0)


def signed_permutations() -> list[np.ndarray]:
    made = []
    for order, signs in product(permutations(range(3)), product((1, -1), repeat=3)):
        matrix = np.zeros((3, 3), np.int8)
        matrix[range(3), order] = signs
        made.append(matrix)
    return made


def renamed(matrix: np.ndarray) -> Targets:
    """The truth of the same cuboid with its axes named otherwise, or of its mirror image."""
    severity = np.zeros(8)
    severity[corner_permutation(matrix)] = SEVERITY
    return targets([np.abs(matrix) @ EDGES], [severity], [1234.0])


def some_answer() -> Answer:
    rng = np.random.default_rng(2)

    def values(*shape: int) -> jnp.ndarray:
        return jnp.asarray(rng.normal(size=(1, *shape)), jnp.float32)

    return Answer(
        orbit=values(76),
        number=values(9),
        log_edges=values(3),
        log_edges_sd=values(3),
        log_volume=values(),
        log_volume_sd=values(),
        severity=values(8),
        severity_sd=values(8),
        share=jnp.ones((1, 1)),
    )


def test_the_loss_is_the_same_however_the_axes_are_named():
    answer = some_answer()
    rotations = [m for m in signed_permutations() if round(np.linalg.det(m)) == 1]
    losses = [float(ground_truth_loss(answer, renamed(m), jnp.array([True]))[0]) for m in rotations]
    np.testing.assert_allclose(losses, losses[0], rtol=1e-6)


def test_a_mirror_image_differs_only_where_the_hand_is_known():
    answer = some_answer()
    same, mirror = renamed(np.eye(3, dtype=np.int8)), renamed(np.diag([-1, 1, 1]).astype(np.int8))
    assert same.orbit != mirror.orbit

    def loss(truth: Targets, known: bool) -> float:
        return float(ground_truth_loss(answer, truth, jnp.array([known]))[0])

    assert loss(same, False) == pytest.approx(loss(mirror, False), rel=1e-6)
    assert abs(loss(same, True) - loss(mirror, True)) > 1e-2


def test_orbits_are_those_of_the_sorted_cuboid():
    truth = renamed(np.eye(3, dtype=np.int8))
    # Longest first is y, z, x: a cyclic renaming, so corner (x, y, z) becomes (y, z, x).
    mask = 0
    for corner, depth in enumerate(SEVERITY):
        x, y, z = (corner >> k & 1 for k in range(3))
        mask |= (depth > 0) << (y | z << 1 | x << 2)
    assert truth.orbit[0] == GENERIC.class_index(int(mask))
    np.testing.assert_allclose(np.exp(truth.log_edges[0]), [14, 11, 9], rtol=1e-6)


def test_the_right_answer_has_the_smallest_loss():
    truth = renamed(np.eye(3, dtype=np.int8))
    right = Answer(
        orbit=20.0 * jnp.eye(76)[truth.orbit],
        number=20.0 * jnp.eye(9)[truth.number],
        log_edges=jnp.asarray(truth.log_edges),
        log_edges_sd=jnp.full((1, 3), -5.0),
        log_volume=jnp.asarray(truth.log_volume),
        log_volume_sd=jnp.full(1, -5.0),
        severity=jnp.asarray(truth.severity),
        severity_sd=jnp.full((1, 8), -5.0),
        share=jnp.ones((1, 1)),
    )
    loss, parts = ground_truth_loss(right, truth, jnp.array([True]))
    assert float(loss) == pytest.approx(-5.0 * 12, abs=1e-3)
    assert set(parts) == {"orbit", "number", "edges", "volume", "severity"}
    for name in ("log_edges", "log_volume", "severity"):
        wrong = right._replace(**{name: getattr(right, name) + 0.01})
        assert float(ground_truth_loss(wrong, truth, jnp.array([True]))[0]) > float(loss) + 1
    for name in ("orbit", "number"):
        wrong = right._replace(**{name: -getattr(right, name)})
        assert float(ground_truth_loss(wrong, truth, jnp.array([True]))[0]) > float(loss) + 1
