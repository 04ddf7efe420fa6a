"""Joint evidence of images about a cuboid's corners, exact in signs and mirrors.

A reading of one image numbers the corners by arrows whose signs are free. Images whose turns are
known to each other share one cuboid: its half edges in space follow from the arrows, and with them
the signs in every image, and whether the three half edges make a right-handed frame. Then the
likelihoods of the masks are multiplied image by image. Images at unknown poses are each on their
own: they say how likely each class of corners is, a mirror image as much as its partner, unless the
particle is known to spin in them, which tells the hand of the frame.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from stemfast.models.view_reader import AXES, CORNERS, MASKS, ViewReading
from stemfast.symmetry import CuboidSymmetry, cuboid_symmetry

__all__ = ["CLASSES", "Common", "class_evidence", "common_frame", "in_either_frame", "log_prior"]

CLASSES = 76
_ROUNDS = 3


@cache
def symmetry() -> CuboidSymmetry:
    """Any cuboid with three different edges."""
    return cuboid_symmetry((3.0, 2.0, 1.0), tolerance_nm=0.0)


@cache
def flips() -> NDArray[np.intp]:
    """(8, 256) what each choice of signs makes of each mask."""
    masks, found = np.arange(MASKS), np.zeros((CORNERS, MASKS), np.intp)
    for flip in range(CORNERS):
        for corner in range(CORNERS):
            found[flip] |= (masks >> corner & 1) << (corner ^ flip)
    return found


@cache
def members() -> NDArray[np.float32]:
    """(256, 76) share of each mask in its class; columns add up to 1."""
    table = np.zeros((MASKS, CLASSES), np.float32)
    table[np.arange(MASKS), symmetry().class_table] = 1.0
    return np.asarray(table / table.sum(axis=0))


@cache
def mirrors() -> NDArray[np.intp]:
    """(76,) the class of each class's mirror image."""
    own = symmetry()
    return own.class_index(own.mirror_table[own.classes]).astype(np.intp)


@cache
def counts() -> NDArray[np.intp]:
    """(76,) deformed corners of each class."""
    return np.array([int(mask).bit_count() for mask in symmetry().classes])


@cache
def log_prior() -> NDArray[np.float32]:
    """(76,) chance of each class where all numbers of corners, and all masks of one, are alike."""
    number = np.bincount(counts()[symmetry().class_table])
    size = np.bincount(symmetry().class_table)
    return np.log(size / number[counts()] / len(number)).astype(np.float32)


@cache
def log_mask_prior() -> NDArray[np.float32]:
    """(256,) likewise of each mask."""
    own = symmetry().class_table
    return (log_prior()[own] - np.log(np.bincount(own))[own]).astype(np.float32)


class Common(NamedTuple):
    """Half edges (B, 3, 3) [nm] in the frame of the turns: axis, then x, y, z.

    `flip` (B, K, 3) is the logarithm of the odds that an arrow has the sign it was given, and
    `handedness` (B,) the volume of the frame divided by that of a right-angled one: above 0 if it
    is right-handed.
    """

    vectors: jax.Array
    flip: jax.Array
    handedness: jax.Array


def common_frame(arrows: jax.Array, turn: jax.Array, known: jax.Array, sd_nm: jax.Array) -> Common:
    """The half edges that images with known turns have in common.

    The outer product of an arrow with itself does not depend on its sign and is linear in that of
    the half edge, which gives a first answer; then signs and least squares take turns.

    Parameters
    ----------
    arrows : (B, K, 3, 2)
        Half edges in each image [nm].
    turn : (B, K, 3, 3)
        Rotation of each image.
    known : (B, K) bool
        Whether it is known.
    sd_nm : (B, K, 3)
        Standard deviation of the arrows [nm].
    """
    weight = known[..., None] / sd_nm**2  # (B, K, 3)
    rows = jnp.where(known[..., None, None], turn[..., :2, :], 0.0)  # (B, K, 2, 3)
    vectors = _from_products(arrows, rows, weight)
    for _ in range(_ROUNDS):
        predicted = jnp.einsum("bkdx,bax->bkad", rows, vectors)
        agreed = jnp.where((arrows * predicted).sum(axis=3) < 0, -1.0, 1.0)
        normal = jnp.einsum("bka,bkdx,bkdy->baxy", weight, rows, rows)
        right = jnp.einsum("bka,bka,bkdx,bkad->bax", weight, agreed, rows, arrows)
        # The ridge keeps what no image shows at zero: the depth, where there is one image.
        normal = normal + (1e-3 + 1e-4 * jnp.trace(normal, axis1=2, axis2=3))[
            ..., None, None
        ] * jnp.eye(3)
        vectors = jnp.linalg.solve(normal, right[..., None])[..., 0]
    predicted = jnp.einsum("bkdx,bax->bkad", rows, vectors)
    odds = 2.0 * (arrows * predicted).sum(axis=3) / sd_nm**2
    lengths = jnp.linalg.norm(vectors + 1e-9, axis=2)
    handedness = jnp.linalg.det(vectors) / jnp.maximum(lengths.prod(axis=1), 1e-6)
    return Common(vectors, jnp.clip(odds, -30.0, 30.0), handedness)


def _from_products(arrows: jax.Array, rows: jax.Array, weight: jax.Array) -> jax.Array:
    first, second = np.array([0, 0, 1]), np.array([0, 1, 1])
    p, q = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 1, 2, 1, 2, 2])
    left, right = rows[:, :, first], rows[:, :, second]  # (B, K, 3, 3)
    twice = np.where(p == q, 0.5, 1.0).astype(np.float32)
    design = (left[..., p] * right[..., q] + left[..., q] * right[..., p]) * twice
    seen = arrows[..., first] * arrows[..., second]  # (B, K, axis, 3)
    normal = jnp.einsum("bka,bkei,bkej->baij", weight, design, design)
    ridge = 1e-4 * jnp.trace(normal, axis1=2, axis2=3) + 1e-6
    normal = normal + ridge[..., None, None] * jnp.eye(6)
    found = jnp.linalg.solve(
        normal, jnp.einsum("bka,bkei,bkae->bai", weight, design, seen)[..., None]
    )[..., 0]
    place = np.zeros((AXES, AXES), np.intp)
    place[p, q] = place[q, p] = np.arange(6)
    values, directions = jnp.linalg.eigh(found[..., place])
    longest: jax.Array = directions[..., -1] * jnp.sqrt(jnp.maximum(values[..., -1:], 1e-6))
    return longest


def aligned(masks: jax.Array, flip: jax.Array) -> jax.Array:
    """Likelihoods (B, K, 256) with the corners numbered as the common half edges say."""
    for axis in range(AXES):
        keep, turn = (jax.nn.log_sigmoid(s * flip[..., axis, None]) for s in (1.0, -1.0))
        masks = jnp.logaddexp(keep + masks, turn + masks[..., flips()[1 << axis]])
    return masks


def class_evidence(masks: jax.Array) -> jax.Array:
    """Logarithm of the mean likelihood (…, 76) of the masks (…, 256) of each class."""
    most = jax.lax.stop_gradient(masks.max(axis=-1, keepdims=True))
    return jnp.log(jnp.exp(masks - most) @ members() + 1e-30) + most


def in_either_frame(evidence: jax.Array, right: jax.Array) -> jax.Array:
    """Evidence (…, 76) if the frame of the masks is right-handed with this log-odds (…)."""
    own, other = (jax.nn.log_sigmoid(s * right[..., None]) for s in (1.0, -1.0))
    return jnp.logaddexp(own + evidence, other + evidence[..., mirrors()])


def hand_in_common(right: jax.Array, flip: jax.Array) -> jax.Array:
    """Log-odds (…) that the common frame is right-handed, if that of an image is by these (…).

    `flip` (…, 3) is as in :class:`Common`: an odd number of signs that differ exchanges the hands.
    """
    even = jnp.tanh(0.5 * flip).prod(axis=-1) * jnp.tanh(0.5 * right)
    return 2.0 * jnp.arctanh(jnp.clip(even, -1.0 + 1e-6, 1.0 - 1e-6))


def set_evidence(
    reading: ViewReading,
    weight: jax.Array,
    there: jax.Array,
    known: jax.Array,
    common: Common,
    sharpness: jax.Array,
) -> jax.Array:
    """Joint log-likelihoods of the 76 classes from all images of a set (B, 76).

    Parameters
    ----------
    reading : ViewReading
        Of B × K images, arrays (B, K, …).
    weight : (B, K)
        How much the likelihood of each image counts.
    there, known : (B, K) bool
        Whether there is an image, and whether its turn is known.
    common : Common
        What the images with known turns have in common.
    sharpness : ()
        Log-odds of the handedness of a right-angled frame.
    """
    each = weight[..., None] * reading.masks
    single = in_either_frame(class_evidence(each), reading.right)
    alone = jnp.where((there & ~known)[..., None], single, 0.0).sum(axis=1)
    together = aligned(reading.masks, common.flip) * weight[..., None]
    together = jnp.where((there & known)[..., None], together, 0.0).sum(axis=1)
    spun = jnp.where(there & known, hand_in_common(reading.right, common.flip), 0.0).sum(axis=1)
    return alone + in_either_frame(class_evidence(together), sharpness * common.handedness + spun)
