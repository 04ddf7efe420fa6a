"""Loss of the ground-truth network.

Nothing here depends on how a particle's axes were named: edges come longest first, and corners are
compared in the frame of the sorted edges, up to the rotations that leave a cuboid as it is. Images
that cannot tell a particle from its mirror image are not asked to: then mirror images count as one.
"""

from __future__ import annotations

from functools import cache
from itertools import permutations
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.models.layers import largest
from stemfast.models.reconstructor import Answer
from stemfast.symmetry import corner_permutation, cuboid_symmetry
from stemfast.training.step import Seen

__all__ = ["Targets", "ground_truth_loss", "set_loss", "targets"]

#: Any cuboid with three different edges.
_GENERIC = cuboid_symmetry((3.0, 2.0, 1.0), tolerance_nm=0.0)
_LOG_SD_RANGE = (-6.0, 3.0)


class Targets(NamedTuple):
    """The truth of B particles.

    Attributes
    ----------
    orbit : (B,) int32
        Class of the deformed corners, mirror images apart.
    number : (B,) int32
        How many corners are deformed.
    log_edges : (B, 3) float32
        Logarithm of the edges [nm], longest first.
    log_volume : (B,) float32
        Logarithm of the volume [nm³].
    severity : (B, 8) float32
        Of each corner, in the frame of the sorted edges.
    """

    orbit: NDArray[np.int32]
    number: NDArray[np.int32]
    log_edges: NDArray[np.float32]
    log_volume: NDArray[np.float32]
    severity: NDArray[np.float32]


@cache
def _sorted_corners() -> dict[tuple[int, ...], NDArray[np.uint8]]:
    """Permutation of the corners when axes are renamed in this order, as a proper rotation."""
    moves = {}
    for order in permutations(range(3)):
        matrix = np.zeros((3, 3), np.int8)
        matrix[range(3), order] = 1
        # Exchanging two axes mirrors the particle; with the inversion on top it is a rotation.
        moves[order] = corner_permutation(matrix * round(np.linalg.det(matrix)))
    return moves


def targets(edges_nm: ArrayLike, severity: ArrayLike, volume_nm3: ArrayLike) -> Targets:
    """The truth in the form that the network is taught.

    Parameters
    ----------
    edges_nm : (B, 3) array_like
        Edges along x, y and z, all different [nm].
    severity : (B, 8) array_like
        Of each corner, 0 for one that is whole.
    volume_nm3 : (B,) array_like
        Volumes [nm³].

    Examples
    --------
    >>> truth = targets([[10, 20, 15]], [[0.3, 0, 0, 0, 0, 0, 0, 0]], [2900.0])
    >>> int(truth.number[0]), np.exp(truth.log_edges[0]).round().tolist()
    (1, [20.0, 15.0, 10.0])
    """
    edges, depths = np.asarray(edges_nm, np.float64), np.asarray(severity, np.float64)
    if edges.ndim != 2 or edges.shape[1] != 3 or depths.shape != (len(edges), 8):
        raise ValueError(
            f"edges_nm and severity have shapes {edges.shape} and {depths.shape}, "
            "expected (B, 3) and (B, 8)"
        )
    order = np.argsort(-edges, axis=1, kind="stable")
    moves = _sorted_corners()
    goes = np.array([moves[tuple(own)] for own in order.tolist()]).reshape(-1, 8)
    moved = np.empty_like(depths)
    np.put_along_axis(moved, goes.astype(np.intp), depths, axis=1)
    masks = ((moved > 0) * (1 << np.arange(8))).sum(axis=1)
    return Targets(
        orbit=_GENERIC.class_index(masks).astype(np.int32),
        number=(moved > 0).sum(axis=1).astype(np.int32),
        log_edges=np.log(np.take_along_axis(edges, order, axis=1)).astype(np.float32),
        log_volume=np.log(np.asarray(volume_nm3, np.float64)).astype(np.float32),
        severity=moved.astype(np.float32),
    )


@cache
def _mirror_orbit() -> NDArray[np.int32]:
    """(76,) the class of each class's mirror image."""
    return _GENERIC.class_index(_GENERIC.mirror_table[_GENERIC.classes]).astype(np.int32)


def _surprise(mean: jax.Array, log_sd: jax.Array, truth: jax.Array) -> jax.Array:
    """Negative log-likelihood of the truth under a normal distribution, but for a constant."""
    log_sd = jnp.clip(log_sd, *_LOG_SD_RANGE)
    return 0.5 * jnp.square((truth - mean) * jnp.exp(-log_sd)) + log_sd


def _orbit_surprise(logits: jax.Array, orbit: jax.Array, handed: jax.Array) -> jax.Array:
    chances = jax.nn.log_softmax(logits)
    own = jnp.take_along_axis(chances, orbit[:, None], axis=1)[:, 0]
    mirror = jnp.asarray(_mirror_orbit())[orbit]
    other = jnp.take_along_axis(chances, mirror[:, None], axis=1)[:, 0]
    either = jnp.where(mirror == orbit, own, jnp.logaddexp(own, other))
    return -jnp.where(handed, own, either)


def _severity_surprise(answer: Answer, truth: jax.Array, handed: jax.Array) -> jax.Array:
    goes = jnp.asarray(_GENERIC.permutations.astype(np.int32))
    # answer[goes[c]] is what the answer, turned by one operation, says of corner c.
    mean, log_sd = answer.severity[:, goes], answer.severity_sd[:, goes]
    each = _surprise(mean, log_sd, truth[:, None, :]).sum(axis=2)
    is_rotation = jnp.arange(len(goes)) < len(_GENERIC.rotations)
    allowed = is_rotation[None, :] | ~handed[:, None]
    return -largest(jnp.where(allowed, -each, -jnp.inf), axis=1)


def ground_truth_loss(
    answer: Answer, truth: Targets, handed: jax.Array
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Mean loss over B particles, and its parts.

    Parameters
    ----------
    answer : Answer
        What the network says.
    truth : Targets
        What is so.
    handed : (B,) bool
        Whether the images can tell the particle from its mirror image: by known tilts between
        them, or a known sense of spin.

    Returns
    -------
    loss : ()
        Sum of the parts.
    parts : dict of str to ()
        "orbit", "number", "edges", "volume" and "severity".
    """
    number = jax.nn.log_softmax(answer.number)
    parts = {
        "orbit": _orbit_surprise(answer.orbit, jnp.asarray(truth.orbit), handed),
        "number": -jnp.take_along_axis(number, jnp.asarray(truth.number)[:, None], axis=1)[:, 0],
        "edges": _surprise(answer.log_edges, answer.log_edges_sd, jnp.asarray(truth.log_edges)).sum(
            axis=1
        ),
        "volume": _surprise(answer.log_volume, answer.log_volume_sd, jnp.asarray(truth.log_volume)),
        "severity": _severity_surprise(answer, jnp.asarray(truth.severity), handed),
    }
    means = {name: part.mean() for name, part in parts.items()}
    return jnp.stack(list(means.values())).sum(), means


def set_loss(network: Any, reading: Any, views: Any, truth: Any) -> tuple[jax.Array, Seen]:
    """Loss of a set network, and what was seen.

    Handedness is asked for where two or more turns are known, or a spin. Severities follow from the
    readings where the network multiplies evidence; then nothing in it would learn from them.
    """
    answer = network(reading, views)
    spins = views.spin_known & views.there & (jnp.abs(views.spin[..., :2]).sum(axis=2) > 0)
    handed = ((views.turn_known & views.there).sum(axis=1) >= 2) | spins.any(axis=1)
    loss, parts = ground_truth_loss(answer, truth, handed)
    if network.config.evidence:
        loss = loss - parts["severity"]
    right = (answer.number.argmax(axis=1) == jnp.asarray(truth.number)).sum()
    return loss, Seen(parts["orbit"], loss - parts["orbit"], right)
