"""Reader of one image of a cuboid: projected edges, and evidence of cut corners.

A projection along the beam shows each of the three half edges of a cuboid as an arrow in the
image, up to its sign: the centre plus or minus the three arrows are the eight corners. The reader
finds the arrows, looks at the image where it thinks the corners are, corrects the arrows by what
it finds there, and gives every choice of deformed corners a likelihood. Corners are numbered by
the signs of the arrows as found. Which of the two signs an arrow has, no single image can tell, so
all that follows treats the eight choices of signs alike. Whether the frame of the three arrows is
right-handed, an image can tell only of a particle that is known to spin
(:mod:`stemfast.models.spin_head`).
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from numpy.typing import NDArray

from stemfast.models.classifier import Classifier, enlarged, normalised
from stemfast.models.flip_mix import AXES, CORNER_SIGNS, CORNERS, LENGTH_PX, FlipMix, sampled
from stemfast.models.layers import Linear, largest
from stemfast.models.spin_head import SpinEstimate, SpinHead, SpinSeen, look_twice

__all__ = [
    "AXES",
    "CORNERS",
    "LENGTH_PX",
    "MASKS",
    "CornerLook",
    "FlipMix",
    "Found",
    "ViewReader",
    "ViewReading",
    "mask_bits",
    "to_double_angle",
]

MASKS = 256
WIDTH, PARTNERS, TOKEN = 96, 6, 96


class ViewReading(NamedTuple):
    """Estimates of the reader for N images.

    Attributes
    ----------
    token : (N, 96)
        A summary for the set network.
    arrows : (N, 3, 2)
        Half edges in the image, longest edge first, x and y [nm], each up to its sign.
    arrows_log_sd : (N, 3)
        Logarithm of the standard deviation of their components [nm].
    masks : (N, 256)
        Logarithm of the likelihood of every choice of deformed corners.
    log_edges, log_edges_sd : (N, 3)
        Logarithm of the edges [nm], and the logarithm of its standard deviation.
    severity, severity_sd : (N, 8)
        Severity of each corner if it is deformed, and the logarithm of its standard deviation.
    right : (N,)
        Logarithm of the odds that the arrows, with these signs, make a right-handed frame; 0 where
        no spin is known.
    """

    token: jax.Array
    arrows: jax.Array
    arrows_log_sd: jax.Array
    masks: jax.Array
    log_edges: jax.Array
    log_edges_sd: jax.Array
    severity: jax.Array
    severity_sd: jax.Array
    right: jax.Array


class Found(NamedTuple):
    """A reading with all that only training looks at; lengths in pixels."""

    reading: ViewReading
    first: jax.Array
    centre: jax.Array
    arrows: jax.Array
    maps: tuple[jax.Array, ...]
    spin: tuple[SpinSeen, SpinEstimate] | None = None


@cache
def mask_bits() -> NDArray[np.float32]:
    """(256, 8) 1 where a corner belongs to a mask."""
    return (np.arange(MASKS)[:, None] >> np.arange(CORNERS) & 1).astype(np.float32)


class CornerLook(nnx.Module):
    """Looks at an image where its corners are thought to be."""

    def __init__(self, channels: int, shared: int, *, rngs: nnx.Rngs) -> None:
        self.enter = Linear(channels + AXES + AXES, WIDTH, rngs=rngs)
        self.shared = Linear(shared, WIDTH, rngs=rngs)
        self.mix = nnx.List([FlipMix(WIDTH, rngs=rngs) for _ in range(2)])
        self.norm = nnx.LayerNorm(WIDTH, rngs=rngs)
        self.moves = Linear(WIDTH, 2, kernel_init=nnx.initializers.zeros_init(), rngs=rngs)

    def __call__(
        self,
        maps: list[jax.Array],
        shared: jax.Array,
        centre: jax.Array,
        arrows: jax.Array,
        half: float,
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Corner vectors (B, 8, WIDTH), and centre (B, 2) and arrows (B, 3, 2) [px] corrected."""
        # Corners are looked at where they are thought to be; only what is found there is learnt.
        from_here = jax.lax.stop_gradient(arrows)
        relative = jnp.einsum("ca,bad->bcd", CORNER_SIGNS, from_here)
        places = (jax.lax.stop_gradient(centre)[:, None] + relative) / half
        seen = [sampled(one, places) for one in maps]
        lengths = jnp.linalg.norm(from_here + 1e-6, axis=2)
        distance = jnp.linalg.norm(relative + 1e-6, axis=2, keepdims=True)
        seen += [
            jnp.concatenate([relative, distance], axis=2) / LENGTH_PX,
            jnp.broadcast_to(lengths[:, None] / LENGTH_PX, (len(arrows), CORNERS, AXES)),
        ]
        x = self.enter(jnp.concatenate(seen, axis=2)) + self.shared(shared)[:, None]
        for layer in self.mix:
            x = layer(x)
        x = self.norm(x)
        move = 4.0 * self.moves(x)
        moved = jnp.einsum("ca,bcd->bad", CORNER_SIGNS, move) / CORNERS
        return x, centre + move.mean(axis=1), arrows + moved


class ViewReader(nnx.Module):
    """Reads single images with the blocks of a classifier.

    Parameters
    ----------
    trunk : Classifier
        Its stages are looked at; it has corner maps.
    spin : bool
        Whether it has the part that makes use of a known spin; without, it refuses one.
    rngs : flax.nnx.Rngs
        Source of the initial weights.
    """

    channels = TOKEN

    def __init__(self, trunk: Classifier, *, spin: bool = False, rngs: nnx.Rngs) -> None:
        config = trunk.config
        if config.symmetric or not config.corner_maps or config.binning != 1:
            raise ValueError(
                f"trunk is {config.variant!r} with corner_maps {config.corner_maps} and binning "
                f"{config.binning}, expected one that is not p4m, with corner maps, without binning"
            )
        self.trunk = trunk
        sides = [side // config.total_stride for side in self._inside()]
        maps = 2 * len(config.corner_maps)
        self.squeeze = Linear(config.widths[-1], 24, rngs=rngs)
        self.squeeze_maps = nnx.List(
            [Linear(config.widths[stage] + 2, 8, rngs=rngs) for stage in config.corner_maps]
        )
        cells = sides[0] * sides[1]
        into = cells * 24
        for stage in config.corner_maps:
            into += cells * 4 ** (len(config.widths) - 1 - stage) * 8
        self.whole = nnx.List([Linear(into, 256, rngs=rngs), Linear(256, 128, rngs=rngs)])
        self.whole_norm = nnx.LayerNorm(256, rngs=rngs)
        self.place = Linear(128, 2 + 2 * AXES, rngs=rngs)
        channels, shared = sum(config.widths) + maps, 128 + 2 * config.widths[-1]
        self.looks = nnx.List([CornerLook(channels, shared, rngs=rngs) for _ in range(2)])
        zeros = nnx.initializers.zeros_init()
        # Zero weights: before training every choice of corners is as likely as every other.
        self.alone = Linear(WIDTH, 3, kernel_init=zeros, rngs=rngs)
        self.together = Linear(WIDTH, PARTNERS, rngs=rngs)
        self.coupling = nnx.Param(jnp.zeros(PARTNERS))
        self.token = Linear(shared + 2 * WIDTH, TOKEN, rngs=rngs)
        self.number = Linear(TOKEN, CORNERS + 1, kernel_init=zeros, rngs=rngs)
        self.sizes = Linear(TOKEN + AXES * 3, 3 * AXES, kernel_init=zeros, rngs=rngs)
        self.spin_look: SpinHead | None = nnx.data(None)
        if spin:
            self.learn_spin(rngs=rngs)

    def learn_spin(self, *, rngs: nnx.Rngs) -> None:
        """Give it a new part for known spins; all else stays as it is."""
        config = self.trunk.config
        channels = sum(config.widths) + 2 * len(config.corner_maps)
        self.spin_look = SpinHead(channels, WIDTH, TOKEN, rngs=rngs)

    def _inside(self) -> tuple[int, int]:
        """Sides of an image, its margin counted [px]."""
        config = self.trunk.config
        height, width = (side + -side % config.total_stride for side in config.image_shape)
        return height, width

    def read(
        self, images: jax.Array, pixel_size_nm: jax.Array, spin: jax.Array | None = None
    ) -> ViewReading:
        """Readings of images (N, H, W, 1) with these pixel sizes (N,).

        `spin` (N, 3) is the known rotation during the frame [rad], zero where it is not known.
        """
        return self.look(images, pixel_size_nm, spin=spin).reading

    def look(
        self,
        images: jax.Array,
        pixel_size_nm: jax.Array,
        *,
        shown: tuple[jax.Array, jax.Array, jax.Array] | None = None,
        spin: jax.Array | None = None,
        dtype: jnp.dtype | type = jnp.float32,
    ) -> Found:
        """The reading and what led to it.

        Parameters
        ----------
        images : (N, H, W, 1)
            Pixel values.
        pixel_size_nm : (N,)
            Pixel sizes.
        shown : (N,) bool, (N, 2) and (N, 3, 2), optional
            Where to look at these centres and arrows [px] first, instead of those found: corners
            are learnt from the first step on, before arrows are.
        spin : (N, 3), optional
            Known rotation of the particle during the frame [rad], zero where it is not known. A
            reader without the part for it makes no use of it.
        dtype : dtype
            Of the convolutions.
        """
        stages, maps = self._stages(images, dtype)
        half = 0.5 * self._inside()[0]
        x = self._overview(stages, maps)
        raw = self.place(x)
        centre, first = LENGTH_PX * raw[:, :2], raw[:, 2:].reshape(-1, AXES, 2)
        arrows = LENGTH_PX * _from_double_angle(first)
        last = stages[-1]
        cells = last.reshape(len(last), -1, last.shape[-1])
        shared = jnp.concatenate([x, cells.mean(axis=1), largest(cells, axis=1)], axis=1)
        seen = [*stages, *(jnp.log(one) for one in maps)]
        begin, direction = jax.lax.stop_gradient((centre, arrows))
        if shown is not None:
            which, true_centre, true_arrows = shown
            begin = jnp.where(which[:, None], true_centre, begin)
            direction = jnp.where(which[:, None, None], true_arrows, direction)
        corners = x
        for look in self.looks:
            corners, begin, direction = look(seen, shared, begin, direction, half)
        reading = self._reading(shared, corners, direction, pixel_size_nm)
        found = Found(reading, first, begin, direction, maps)
        if self.spin_look is None or spin is None:
            return found
        half_edges = 0.5 * jnp.exp(reading.log_edges) / pixel_size_nm[:, None]
        seen_twice = look_twice(
            seen,
            (begin, direction, half_edges),
            (corners, reading.token),
            spin,
            half,
            self.trunk.config.image_shape[0],
        )
        said = self.spin_look(seen_twice)
        masks = reading.masks + said.masks @ jnp.asarray(mask_bits()).T
        reading = reading._replace(masks=masks, right=said.right)
        return found._replace(reading=reading, spin=(seen_twice, said))

    def _stages(
        self, images: jax.Array, dtype: jnp.dtype | type
    ) -> tuple[list[jax.Array], tuple[jax.Array, ...]]:
        trunk, config = self.trunk, self.trunk.config
        x = trunk.stem(enlarged(normalised(images), config.total_stride), dtype)
        stages, maps = [], []
        for number, block in enumerate(trunk.blocks):
            x = block(x)
            stage, rest = divmod(number + 1, config.blocks)
            if rest == 0:
                stages.append(x.astype(jnp.float32))
                if stage - 1 in config.corner_maps:
                    which = config.corner_maps.index(stage - 1)
                    maps.append(trunk.corner_maps[which](x))
        stages[-1] = nnx.relu(trunk.norm(x)).astype(jnp.float32)
        return stages, tuple(maps)

    def _overview(self, stages: list[jax.Array], maps: tuple[jax.Array, ...]) -> jax.Array:
        batch = len(stages[-1])
        parts = [self.squeeze(stages[-1]).reshape(batch, -1)]
        for stage, one, layer in zip(
            self.trunk.config.corner_maps, maps, self.squeeze_maps, strict=True
        ):
            joined = jnp.concatenate([stages[stage], 4.0 * one], axis=3)
            parts.append(layer(joined).reshape(batch, -1))
        x = nnx.gelu(self.whole_norm(self.whole[0](jnp.concatenate(parts, axis=1))))
        return nnx.gelu(self.whole[1](x))

    def _reading(
        self, shared: jax.Array, corners: jax.Array, arrows: jax.Array, pixel_size_nm: jax.Array
    ) -> ViewReading:
        token = self.token(
            jnp.concatenate([shared, corners.mean(axis=1), largest(corners, axis=1)], axis=1)
        )
        alone = self.alone(corners)
        partner = self.together(corners)
        pairs = jnp.einsum("bcr,r,bdr->bcd", partner, self.coupling[...], partner)
        pairs = pairs * (1.0 - jnp.eye(CORNERS)) * 0.5
        bits = jnp.asarray(mask_bits())
        masks = (
            alone[..., 0] @ bits.T
            + jnp.einsum("mc,bcd,md->bm", bits, pairs, bits)
            + self.number(nnx.gelu(token))[:, mask_bits().sum(axis=1).astype(int)]
        )
        products = jnp.stack(
            [arrows[..., 0] ** 2, arrows[..., 1] ** 2, arrows[..., 0] * arrows[..., 1]], axis=2
        )
        sizes = self.sizes(
            jnp.concatenate(
                [nnx.gelu(token), products.reshape(-1, 3 * AXES) / LENGTH_PX**2], axis=1
            )
        )
        log_pixel = jnp.log(pixel_size_nm)[:, None]
        edges, edges_sd, arrows_sd = jnp.split(sizes, 3, axis=1)
        return ViewReading(
            token=token,
            arrows=arrows * pixel_size_nm[:, None, None],
            arrows_log_sd=arrows_sd + log_pixel + 1.0,
            masks=masks,
            log_edges=edges + log_pixel + np.float32(np.log(2.0 * LENGTH_PX)),
            log_edges_sd=edges_sd - 2.0,
            severity=0.35 + alone[..., 1],
            severity_sd=alone[..., 2] - 2.5,
            right=jnp.zeros(len(token)),
        )


def _from_double_angle(twice: jax.Array) -> jax.Array:
    """Vectors (…, 2) at half the angle, one of the two that differ by their sign."""
    x, y = twice[..., 0], twice[..., 1]
    length = jnp.sqrt(x**2 + y**2 + 1e-12)
    # cos and sin of half the angle, without an angle.
    cosine = jnp.sqrt(jnp.maximum(0.5 * (length + x), 1e-12))
    sine = jnp.where(y < 0, -1.0, 1.0) * jnp.sqrt(jnp.maximum(0.5 * (length - x), 1e-12))
    return jnp.stack([cosine, sine], axis=-1) * jnp.sqrt(length)[..., None]


def to_double_angle(arrows: jax.Array) -> jax.Array:
    """Vectors (…, 2) at twice the angle and of the same length: their signs do not matter."""
    x, y = arrows[..., 0], arrows[..., 1]
    length = jnp.sqrt(x**2 + y**2 + 1e-12)
    return jnp.stack([(x**2 - y**2) / length, 2.0 * x * y / length], axis=-1)
