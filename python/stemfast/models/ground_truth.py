"""The ground-truth network: several images of one particle in, its shape out.

A shared encoder turns every image into a token. What is known of an image besides its pixels goes
into its token too: the pixel size, how the particle was turned since the first image (a tilt read
from the goniometer), and how it spun while the image was scanned. What is not known is a learned
token, not zeros. The tokens of one particle are a set, of any size.

Labels exist only up to the particle's own symmetry, so the edges come longest first, and a corner's
severity is that of a corner in the frame of the sorted edges, one of the equivalent ones.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from flax import nnx
from pydantic import BaseModel, ConfigDict, Field

from stemfast.models.set_attention import AttentionPool, InducedBlock
from stemfast.models.set_pooling import DeepSet, Recurrent

__all__ = ["Answer", "GroundTruthConfig", "GroundTruthNetwork", "ImageEncoder", "Views"]

COUNTS = 9  # deformed corners, 0 … 8
CORNERS = 8
EDGES = 3


class ImageEncoder(Protocol):
    """A network that makes one vector of one image."""

    channels: int

    def features(self, images: jax.Array) -> jax.Array:
        """Vectors (N, channels) of images (N, H, W, 1)."""
        ...


class GroundTruthConfig(BaseModel):
    """What fixes the architecture behind the encoder.

    Attributes
    ----------
    pooling : "attention", "mean", "max" or "gru"
        How the images of a particle are put together.
    width, heads : int
        Channels of a token, and attentions that share them.
    blocks, points : int
        Blocks in which the tokens attend to each other, through so many learned points.
    seeds : int
        Vectors that the set is gathered into.
    orbits : int
        Classes of deformed corners, mirror images apart: 76 for three different edges.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pooling: Literal["attention", "mean", "max", "gru"] = "attention"
    width: int = Field(default=96, ge=4)
    heads: int = Field(default=4, ge=1)
    blocks: int = Field(default=2, ge=0)
    points: int = Field(default=16, ge=1)
    seeds: int = Field(default=4, ge=1)
    orbits: int = Field(default=76, ge=2)


class Views(NamedTuple):
    """K images of each of B particles, and what is known of them.

    Attributes
    ----------
    images : (B, K, H, W) float32
        Pixel values.
    there : (B, K) bool
        False for padding. Each particle has at least one image.
    pixel_size_nm : (B, K) float32
        Pixel sizes.
    turn : (B, K, 3, 3) float32
        Rotation matrix of the particle since some reference that its images share.
    turn_known : (B, K) bool
        Whether it is known.
    spin : (B, K, 3) float32
        Rotation vector during the scan of the image [rad].
    spin_known : (B, K) bool
        Whether it is known; a particle at rest has a known spin of zero.
    """

    images: jax.Array
    there: jax.Array
    pixel_size_nm: jax.Array
    turn: jax.Array
    turn_known: jax.Array
    spin: jax.Array
    spin_known: jax.Array


class Answer(NamedTuple):
    """What the network says of each particle.

    Attributes
    ----------
    orbit : (B, orbits)
        Logits of the classes of deformed corners.
    number : (B, 9)
        Logits of the number of deformed corners.
    log_edges, log_edges_sd : (B, 3)
        Logarithm of the edges [nm], longest first, and the logarithm of its standard deviation.
    log_volume, log_volume_sd : (B,)
        Likewise of the volume [nm³].
    severity, severity_sd : (B, 8)
        Of each corner, and the logarithm of its standard deviation.
    share : (B, K)
        How much each image had to say; adds up to 1.
    """

    orbit: jax.Array
    number: jax.Array
    log_edges: jax.Array
    log_edges_sd: jax.Array
    log_volume: jax.Array
    log_volume_sd: jax.Array
    severity: jax.Array
    severity_sd: jax.Array
    share: jax.Array


class GroundTruthNetwork(nnx.Module):
    """Encoder, tokens, a set network, heads.

    Parameters
    ----------
    encoder : ImageEncoder
        Shared by all images; an `nnx.Module`.
    config : GroundTruthConfig
        What comes after it.
    rngs : flax.nnx.Rngs
        Source of the initial weights.
    """

    def __init__(self, encoder: ImageEncoder, config: GroundTruthConfig, *, rngs: nnx.Rngs) -> None:
        self.config, width = config, config.width
        self.encoder = encoder
        self.token = nnx.Linear(encoder.channels, width, rngs=rngs)
        self.scale = nnx.Linear(1, width, rngs=rngs)
        self.turn = nnx.Linear(9, width, rngs=rngs)
        self.spin = nnx.Linear(3, width, rngs=rngs)
        self.unknown_turn, self.unknown_spin = (
            nnx.Param(0.1 * jax.random.normal(rngs.params(), (width,))) for _ in range(2)
        )
        depth = config.blocks if config.pooling == "attention" else 0
        self.blocks = nnx.List(
            [InducedBlock(width, config.heads, config.points, rngs=rngs) for _ in range(depth)]
        )
        self.pool = _pool(config, rngs)
        gathered = width * (config.seeds if config.pooling == "attention" else 1)
        self.norm = nnx.LayerNorm(gathered, rngs=rngs)
        # Zero weights: before training every class is as likely as every other.
        self.heads = nnx.Linear(
            gathered,
            config.orbits + COUNTS + 2 * (EDGES + 1 + CORNERS),
            kernel_init=nnx.initializers.zeros_init(),
            rngs=rngs,
        )

    def __call__(self, views: Views) -> Answer:
        """The answer for B particles, whatever the number of their images and its order."""
        tokens, there = self.tokens(views), views.there
        for block in self.blocks:
            tokens = block(tokens, there)
        gathered, share = self.pool(tokens, there)
        return self._answer(self.heads(self.norm(gathered)), share)

    def tokens(self, views: Views) -> jax.Array:
        """One token (B, K, width) for each image."""
        batch, count = views.there.shape
        images = views.images.reshape(batch * count, *views.images.shape[2:], 1)
        # Padding may hold anything, even what is not a number.
        images = jnp.where(views.there.reshape(-1, 1, 1, 1), images, 0.0)
        seen = self.encoder.features(images).reshape(batch, count, -1)
        turn = self.turn(views.turn.reshape(batch, count, 9))
        spin = self.spin(views.spin)
        pixel = jnp.where(views.there, views.pixel_size_nm, 1.0)
        return (
            self.token(seen)
            + self.scale(jnp.log(pixel)[..., None])
            + jnp.where(views.turn_known[..., None], turn, self.unknown_turn[...])
            + jnp.where(views.spin_known[..., None], spin, self.unknown_spin[...])
        )

    def _answer(self, values: jax.Array, share: jax.Array) -> Answer:
        widths = (self.config.orbits, COUNTS, EDGES, EDGES, 1, 1, CORNERS, CORNERS)
        ends = [sum(widths[: i + 1]) for i in range(len(widths) - 1)]
        orbit, number, edges, edges_sd, volume, volume_sd, severity, severity_sd = jnp.split(
            values, ends, axis=1
        )
        return Answer(
            orbit=orbit,
            number=number,
            log_edges=edges,
            log_edges_sd=edges_sd,
            log_volume=volume[:, 0],
            log_volume_sd=volume_sd[:, 0],
            severity=severity,
            severity_sd=severity_sd,
            share=share,
        )


def _pool(config: GroundTruthConfig, rngs: nnx.Rngs) -> AttentionPool | DeepSet | Recurrent:
    if config.pooling == "attention":
        return AttentionPool(config.width, config.heads, config.seeds, rngs=rngs)
    if config.pooling == "gru":
        return Recurrent(config.width, rngs=rngs)
    return DeepSet(config.width, config.pooling, rngs=rngs)
