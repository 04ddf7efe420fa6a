"""Spin head: handedness of a particle that is known to spin while its image is scanned.

Rows of an image are scanned one after the other, so a spinning particle is seen in each row at
another pose: a corner appears where it is when the beam comes to it. How far it is displaced by
then depends on its depth. The three arrows say the depth of every corner but for one sign, that of
the frame's hand: so there are two places at which a corner can appear. This looks at both, with
the same eyes, and compares. Nothing but places in the image enters, so mirroring particle and spin
along the beam, or renaming the corners by other signs of the arrows, does to the answer exactly
what it does to the truth.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from stemfast.models.flip_mix import AXES, CORNER_SIGNS, CORNERS, LENGTH_PX, FlipMix, sampled
from stemfast.models.layers import Linear

__all__ = ["SpinEstimate", "SpinHead", "SpinSeen", "appearances", "depths", "parity"]

WIDTH, GEOMETRY = 64, 10
#: Turn during a frame [rad] from which on it says something of the corners.
_SLIGHT = 0.1
_OPPOSITE = np.arange(CORNERS) ^ (CORNERS - 1)
_MOST = 12.0


class SpinSeen(NamedTuple):
    """Features of N images at the two places where each corner can appear.

    The first of two is where it appears if the arrows make a right-handed frame.

    Attributes
    ----------
    maps : (N, 2, 8, C)
        Values of the reader's maps.
    geometry : (N, 2, 8, 10)
        Where that is, in units of 20 px.
    places : (N, 2, 8, 2)
        Likewise, x and y from the middle of the image [px].
    corners : (N, 8, 96)
        What the reader made of each corner.
    token : (N, 96)
        And of the whole image.
    turn : (N,)
        Turn during the frame [rad].
    """

    maps: jax.Array
    geometry: jax.Array
    places: jax.Array
    corners: jax.Array
    token: jax.Array
    turn: jax.Array


class SpinEstimate(NamedTuple):
    """Estimates of the spin head.

    Attributes
    ----------
    right : (N,)
        Logarithm of the odds that the arrows make a right-handed frame.
    masks : (N, 8)
        What is added to the reader's likelihood that each corner is deformed.
    moves : (N, 2, 8, 2)
        From either place to where the corner is [px].
    """

    right: jax.Array
    masks: jax.Array
    moves: jax.Array


def depths(arrows: jax.Array, half_edges: jax.Array) -> jax.Array:
    """Depths (N, 3) of half edges with these arrows (N, 3, 2) and lengths, if right-handed.

    The rows of a rotation are at right angles and the third is the cross product of the others.
    That of a left-handed frame are the negative of these.
    """
    x, y = (arrows[..., i] / half_edges for i in range(2))
    j, k = np.array([1, 2, 0]), np.array([2, 0, 1])
    return half_edges * (x[:, j] * y[:, k] - x[:, k] * y[:, j])


def parity(flips: jax.Array) -> jax.Array:
    """1 or −1 for an even or odd number of signs (…, 3) below zero."""
    return jnp.where(flips < 0, -1.0, 1.0).prod(axis=-1)


def appearances(
    offsets: jax.Array, spin: jax.Array, rows: int, late: jax.Array | float = 0.0
) -> jax.Array:
    """Projected places of points (…, P, 3) of a spinning particle from its centre (…, P, 2) [px].

    Parameters
    ----------
    offsets : (…, P, 3)
        From the centre, at the time of the pose [px].
    spin : (…, 3)
        Rotation vector during the frame [rad].
    rows : int
        Of the image.
    late : (…)
        Rows from the time of the pose until the beam crosses the centre.
    """
    begin = jnp.broadcast_to(late, spin.shape[:-1])[..., None, None]
    angle = jnp.sqrt((spin**2).sum(axis=-1) + 1e-12)[..., None, None]
    axis = spin[..., None, :] / angle
    across = jnp.cross(axis, offsets)
    along = axis * (axis * offsets).sum(axis=-1, keepdims=True)
    here = offsets
    for _ in range(3):
        turned = angle * (begin + here[..., 1:2]) / rows
        here = along + (offsets - along) * jnp.cos(turned) + across * jnp.sin(turned)
    return here[..., :2]


def look_twice(
    maps: list[jax.Array],
    found: tuple[jax.Array, jax.Array, jax.Array],
    spoken: tuple[jax.Array, jax.Array],
    spin: jax.Array,
    half: float,
    rows: int,
) -> SpinSeen:
    """Look where the corners are if the frame is right-handed, and where if it is left-handed.

    Parameters
    ----------
    maps : list of (N, h, w, C)
        What to look at.
    found : (N, 2), (N, 3, 2) and (N, 3)
        Centre, arrows and half edges [px].
    spoken : (N, 8, 96) and (N, 96)
        Corners and token of the reader.
    spin : (N, 3)
        Rotation vector during the frame, zero if not known [rad].
    half : float
        Half a side of the maps [px].
    rows : int
        Of the image.
    """
    centre, arrows, half_edges = found
    depth = depths(arrows, half_edges)
    signs = jnp.asarray(CORNER_SIGNS)
    flat = jnp.einsum("ca,nad->ncd", signs, arrows)
    deep = jnp.einsum("ca,na->nc", signs, depth)[..., None]
    # At rest both are the same place, to the bit.
    still = (jnp.abs(spin[:, :2]).sum(axis=1) == 0)[:, None, None]
    either = [
        appearances(jnp.concatenate([flat, sign * deep], axis=2), spin, rows)
        for sign in (1.0, -1.0)
    ]
    either[1] = jnp.where(still, either[0], either[1])
    lengths = jnp.broadcast_to(
        jnp.linalg.norm(arrows + 1e-6, axis=2)[:, None], (len(arrows), CORNERS, AXES)
    )
    seen, geometry, places = [], [], []
    for own, other in (either, either[::-1]):
        place = centre[:, None] + own
        seen.append(jnp.concatenate([sampled(one, place / half) for one in maps], axis=2))
        distance = jnp.linalg.norm(flat + 1e-6, axis=2, keepdims=True)
        around = [flat, distance, lengths, 4.0 * (own - flat), 4.0 * (own - other)]
        geometry.append(jnp.concatenate(around, axis=2) / LENGTH_PX)
        places.append(place)
    return SpinSeen(
        jnp.stack(seen, axis=1),
        jnp.stack(geometry, axis=1),
        jnp.stack(places, axis=1),
        *spoken,
        jnp.sqrt((spin**2).sum(axis=1)),
    )


class SpinHead(nnx.Module):
    """Compares the two places at which each corner can appear.

    Parameters
    ----------
    channels : int
        Of the maps.
    corner, token : int
        Of what the reader made of a corner, and of an image.
    rngs : flax.nnx.Rngs
        Source of the initial weights.
    """

    def __init__(self, channels: int, corner: int, token: int, *, rngs: nnx.Rngs) -> None:
        zeros = nnx.initializers.zeros_init()
        self.enter = Linear(channels + GEOMETRY, WIDTH, rngs=rngs)
        self.corner = Linear(corner, WIDTH, rngs=rngs)
        self.token = Linear(token, WIDTH, rngs=rngs)
        self.mix = nnx.List([FlipMix(WIDTH, rngs=rngs) for _ in range(2)])
        self.norm = nnx.LayerNorm(WIDTH, rngs=rngs)
        # Zero weights: before training one hand is as likely as the other.
        self.score = Linear(WIDTH, 1, kernel_init=zeros, rngs=rngs)
        self.moves = Linear(WIDTH, 2, kernel_init=zeros, rngs=rngs)
        self.fit = nnx.Param(jnp.asarray(-1.0, jnp.float32))
        self.trust = Linear(token, 1, kernel_init=zeros, rngs=rngs)
        self.deformed = Linear(WIDTH, 1, kernel_init=zeros, rngs=rngs)

    def __call__(self, seen: SpinSeen) -> SpinEstimate:
        """Estimates for N images."""
        count = len(seen.token)
        shared = self.corner(seen.corners) + self.token(nnx.gelu(seen.token))[:, None]
        x = self.enter(jnp.concatenate([seen.maps, seen.geometry], axis=3)) + shared[:, None]
        x = x.reshape(2 * count, CORNERS, WIDTH)
        for layer in self.mix:
            x = layer(x)
        x = self.norm(x).reshape(count, 2, CORNERS, WIDTH)
        moves = 4.0 * self.moves(x)
        # What opposite corners have in common, and not all corners, is no error of centre or arrow.
        even = 0.5 * (moves + moves[:, :, _OPPOSITE])
        even = even - even.mean(axis=2, keepdims=True)
        off = jnp.square(even).sum(axis=(2, 3)) * jnp.exp(self.fit[...])
        score = self.score(x)[..., 0].sum(axis=2) - off
        trust = jnp.exp(jnp.clip(self.trust(nnx.gelu(seen.token))[:, 0], -3.0, 3.0))
        odds = trust * (score[:, 0] - score[:, 1])
        right = _MOST * jnp.tanh(odds / _MOST)
        chance = jax.nn.sigmoid(jnp.stack([right, -right], axis=1))[..., None, None]
        turn = jnp.square(seen.turn / _SLIGHT)[:, None]
        masks = (self.deformed(x) * chance).sum(axis=1)[..., 0] * turn / (1.0 + turn)
        return SpinEstimate(right, masks, moves)
