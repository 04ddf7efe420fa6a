"""The ground-truth network: several images of one particle in, its shape out.

A shared encoder reads every image (:mod:`stemfast.models.view_reader`): a summary, where the edges
point in the image, and how likely each choice of deformed corners is. What is known of an image
besides its pixels goes into its token too: the pixel size, how the particle was turned since the
first image (a tilt read from the goniometer), and how it spun while the image was scanned. What is
not known is a learned token, not zeros. The tokens of one particle are a set, of any size.

Set attention decides how much each image counts. What the images say of the corners is then put
together by :mod:`stemfast.models.corner_evidence`, which follows the signs and mirrors exactly; the
heads correct that, and give sizes.

Labels exist only up to the particle's own symmetry, so the edges come longest first, and a corner's
severity is that of a corner in the frame of the sorted edges, one of the equivalent ones.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from pydantic import BaseModel, ConfigDict, Field

from stemfast.models import corner_evidence as corners
from stemfast.models.layers import Linear, normal_weights
from stemfast.models.set_attention import AttentionPool, InducedBlock
from stemfast.models.set_pooling import DeepSet, Recurrent
from stemfast.models.view_reader import ViewReading, mask_bits

__all__ = [
    "Answer",
    "GroundTruthConfig",
    "GroundTruthNetwork",
    "ImageEncoder",
    "SetNetwork",
    "Views",
]

COUNTS = 9  # deformed corners, 0 … 8
CORNERS = 8
EDGES = AXES = 3


class ImageEncoder(Protocol):
    """A network that reads single images."""

    channels: int

    def read(
        self, images: jax.Array, pixel_size_nm: jax.Array, spin: jax.Array | None = None
    ) -> ViewReading:
        """Readings of images (N, H, W, 1) with known spins (N, 3), zero where not known [rad]."""
        ...


class GroundTruthConfig(BaseModel):
    """Architecture behind the encoder.

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
    evidence : bool
        Whether what the images say of the corners is multiplied, image by image; without, all is
        left to the heads.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pooling: Literal["attention", "mean", "max", "gru"] = "attention"
    width: int = Field(default=96, ge=4)
    heads: int = Field(default=4, ge=1)
    blocks: int = Field(default=2, ge=0, le=64)
    points: int = Field(default=16, ge=1)
    seeds: int = Field(default=4, ge=1)
    evidence: bool = True


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
        Rotation vector during the scan of the image, from the first row to the last [rad].
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
    """Estimates of each particle.

    Attributes
    ----------
    orbit : (B, 76)
        Logits of the classes of deformed corners, mirror images apart.
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


#: What single images say, in the form of tokens: evidence of the 76 classes, arrows, edges.
_SAID = corners.CLASSES + 3 * EDGES + 2 * EDGES
_HINTS = 3 * EDGES + 2
#: Scale of an edge [nm] against which logarithms are small.
_EDGE_NM = 12.0


class SetNetwork(nnx.Module):
    """All that comes after the encoder: tokens, a set network, evidence, heads.

    Parameters
    ----------
    channels : int
        Of the encoder's tokens.
    config : GroundTruthConfig
        The architecture.
    rngs : flax.nnx.Rngs
        Source of the initial weights.
    """

    def __init__(self, channels: int, config: GroundTruthConfig, *, rngs: nnx.Rngs) -> None:
        self.config, width = config, config.width
        self.token = Linear(channels, width, rngs=rngs)
        self.said = Linear(_SAID, width, rngs=rngs)
        self.scale = Linear(1, width, rngs=rngs)
        self.turn = Linear(9, width, rngs=rngs)
        self.spin = Linear(3, width, rngs=rngs)
        self.unknown_turn, self.unknown_spin = (
            nnx.Param(normal_weights(rngs.params(), (width,), 0.1)) for _ in range(2)
        )
        depth = config.blocks if config.pooling == "attention" else 0
        self.blocks = nnx.List(
            [InducedBlock(width, config.heads, config.points, rngs=rngs) for _ in range(depth)]
        )
        self.pool = _pool(config, rngs)
        gathered = width * (config.seeds if config.pooling == "attention" else 1)
        self.norm = nnx.LayerNorm(gathered, rngs=rngs)
        zeros = nnx.initializers.zeros_init()
        self.weight = Linear(width, 1, kernel_init=zeros, rngs=rngs)
        self.sharpness = nnx.Param(jnp.asarray(1.5, jnp.float32))
        self.hidden = Linear(gathered + _HINTS, 2 * width, rngs=rngs)
        # Zero weights: before training every class is as likely as every other.
        self.heads = Linear(
            2 * width,
            corners.CLASSES + COUNTS + 2 * (EDGES + 1 + CORNERS),
            kernel_init=zeros,
            rngs=rngs,
        )

    def __call__(self, reading: ViewReading, views: Views) -> Answer:
        """The answer for B particles from readings (B, K, …); the images are not looked at."""
        there, known = views.there, views.turn_known & views.there
        # Padding may hold anything, even what is not a number.
        reading = ViewReading(
            *(jnp.where(there.reshape(*there.shape, *[1] * (x.ndim - 2)), x, 0.0) for x in reading)
        )
        tokens = self.tokens(reading, views)
        for block in self.blocks:
            tokens = block(tokens, there)
        gathered, share = self.pool(tokens, there)
        sd = jnp.exp(jnp.clip(reading.arrows_log_sd, -2.5, 1.0))
        common = jax.lax.stop_gradient(corners.common_frame(reading.arrows, views.turn, known, sd))
        hints = _hints(reading, there, known, common)
        joined = jnp.concatenate([self.norm(gathered), hints], axis=1)
        answer = self._answer(self.heads(nnx.gelu(self.hidden(joined))), share, hints)
        if not self.config.evidence:
            return answer
        weight = jnp.where(there, 2.0 * jax.nn.sigmoid(self.weight(tokens)[..., 0]), 0.0)
        orbit = corners.set_evidence(
            reading, weight, there, known, common, jnp.exp(self.sharpness[...])
        )
        return self._with_evidence(answer, orbit + corners.log_prior(), weight, reading, there)

    def tokens(self, reading: ViewReading, views: Views) -> jax.Array:
        """One token (B, K, width) for each image."""
        batch, count = views.there.shape
        said = corners.in_either_frame(
            corners.class_evidence(reading.masks), jnp.zeros((batch, count))
        )
        x, y = reading.arrows[..., 0], reading.arrows[..., 1]
        products = jnp.stack([x * x, y * y, x * y], axis=-1).reshape(batch, count, -1)
        said = jnp.concatenate(
            [
                jnp.clip(said, -15.0, 15.0) / 4.0,
                products / 36.0,
                reading.log_edges - np.log(_EDGE_NM),
                reading.log_edges_sd + 2.0,
            ],
            axis=2,
        )
        turn = self.turn(views.turn.reshape(batch, count, 9))
        spin = self.spin(views.spin)
        pixel = jnp.where(views.there, views.pixel_size_nm, 1.0)
        return (
            self.token(nnx.gelu(reading.token))
            + self.said(said)
            + self.scale(jnp.log(pixel)[..., None])
            + jnp.where(views.turn_known[..., None], turn, self.unknown_turn[...])
            + jnp.where(views.spin_known[..., None], spin, self.unknown_spin[...])
        )

    def _answer(self, values: jax.Array, share: jax.Array, hints: jax.Array) -> Answer:
        widths = (corners.CLASSES, COUNTS, EDGES, EDGES, 1, 1, CORNERS, CORNERS)
        ends = [sum(widths[: i + 1]) for i in range(len(widths) - 1)]
        orbit, number, edges, edges_sd, volume, volume_sd, severity, severity_sd = jnp.split(
            values, ends, axis=1
        )
        log_edges = hints[:, :EDGES] + np.log(_EDGE_NM) + 0.1 * edges
        return Answer(
            orbit=orbit,
            number=number,
            log_edges=log_edges,
            log_edges_sd=edges_sd - 2.5,
            log_volume=log_edges.sum(axis=1) + 0.1 * volume[:, 0],
            log_volume_sd=volume_sd[:, 0] - 2.5,
            severity=severity,
            severity_sd=severity_sd - 1.0,
            share=share,
        )

    def _with_evidence(
        self,
        answer: Answer,
        orbit: jax.Array,
        weight: jax.Array,
        reading: ViewReading,
        there: jax.Array,
    ) -> Answer:
        chance = jax.nn.log_softmax(orbit)
        # Which of two mirror images it is, only the evidence can tell.
        learnt = 0.5 * (answer.orbit + answer.orbit[:, corners.mirrors()])
        of_count = np.where(corners.counts()[None, :] == np.arange(COUNTS)[:, None], 0.0, -np.inf)
        number = jax.nn.logsumexp(chance[:, None, :] + of_count, axis=2)
        orbit = chance + learnt
        mean, log_sd = _severities(jax.lax.stop_gradient(orbit), reading, there)
        return answer._replace(
            orbit=orbit,
            number=number + answer.number,
            severity=mean,
            severity_sd=log_sd,
            share=weight / weight.sum(axis=1, keepdims=True),
        )


class GroundTruthNetwork(nnx.Module):
    """Encoder and set network.

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
        self.encoder = encoder
        self.sets = SetNetwork(encoder.channels, config, rngs=rngs)

    def __call__(self, views: Views) -> Answer:
        """The answer for B particles, whatever the number of their images and its order."""
        return self.sets(self.read(views), views)

    def read(self, views: Views) -> ViewReading:
        """Readings (B, K, …) of all images."""
        batch, count = views.there.shape
        images = views.images.reshape(batch * count, *views.images.shape[2:], 1)
        # Padding may hold anything, even what is not a number.
        images = jnp.where(views.there.reshape(-1, 1, 1, 1), images, 0.0)
        pixel = jnp.where(views.there, views.pixel_size_nm, 1.0).reshape(-1)
        known = views.spin_known & views.there
        spin = jnp.where(known[..., None], views.spin, 0.0).reshape(-1, AXES)
        reading = self.encoder.read(images, pixel, spin)
        return ViewReading(*(x.reshape(batch, count, *x.shape[1:]) for x in reading))


def _hints(
    reading: ViewReading, there: jax.Array, known: jax.Array, common: corners.Common
) -> jax.Array:
    """Features of the edges without learning (B, 11), as logarithms less that of 12 nm.

    The weighted mean of what single images say; the same from the arrows in each image, which are
    the projection of three vectors at right angles, so that Σᵢ Pᵢ Pᵢᵀ / (eᵢ/2)² is the unit matrix,
    three linear equations for the three edges; and from the half edges in space.
    """
    precision = jnp.where(
        there[..., None], jnp.exp(-2.0 * jnp.clip(reading.log_edges_sd, -4, 2)), 0.0
    )
    offset = reading.log_edges - np.log(_EDGE_NM)
    mean = (precision * offset).sum(axis=1) / precision.sum(axis=1)
    x, y = reading.arrows[..., 0] / 6.0, reading.arrows[..., 1] / 6.0
    design = jnp.stack([x * x, y * y, x * y], axis=2) * there[..., None, None]  # (B, K, 3, axis)
    wanted = jnp.asarray([1.0, 1.0, 0.0]) * there[..., None]
    normal = jnp.einsum("bkea,bkec->bac", design, design) + 0.05 * jnp.eye(EDGES)
    right = jnp.einsum("bkea,bke->ba", design, wanted)
    # The ridge pulls towards what the mean says, which matters where few images show little.
    right = right + 0.05 * jnp.exp(jnp.clip(-2.0 * mean, -2.0, 2.0))
    inverse = jnp.linalg.solve(normal, right[..., None])[..., 0]
    static = -0.5 * jnp.log(jnp.clip(inverse, 0.1, 10.0))
    spatial = jnp.log(jnp.clip(jnp.linalg.norm(common.vectors + 1e-9, axis=2) / 6.0, 0.3, 3.0))
    number, turned = there.sum(axis=1), known.sum(axis=1)
    spatial = jnp.where(turned[:, None] >= 2, spatial, mean)
    counted = jnp.stack([1.0 / number, jnp.minimum(turned, 4) / 4.0], axis=1)
    return jnp.concatenate([mean, static - mean, spatial - mean, counted], axis=1)


def _severities(
    orbit: jax.Array, reading: ViewReading, there: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Severity (B, 8) of the corners of the most likely class, and the logarithm of its sd."""
    best = orbit.argmax(axis=1)
    masks = jnp.asarray(corners.symmetry().classes.astype(np.int32))[best]
    chance = jax.nn.softmax(orbit)
    # A class and its mirror image have the same severities.
    twin = jnp.asarray(corners.mirrors())[best]
    either = jnp.take_along_axis(chance, jnp.stack([best, twin], axis=1), axis=1)
    wrong = 1.0 - jnp.where(twin == best, either[:, 0], either.sum(axis=1))
    turned = jnp.asarray(corners.flips())[:, masks].T  # (B, 8) the mask as each view may see it
    score = jnp.take_along_axis(reading.masks, turned[:, None, :], axis=2)
    share = jax.nn.softmax(score, axis=2)  # (B, K, flip)
    moved = np.arange(CORNERS)[:, None] ^ np.arange(CORNERS)[None, :]
    each, spread = reading.severity[..., moved], jnp.exp(reading.severity_sd[..., moved])
    weight = share[..., None] / jnp.clip(spread, 0.02, 1.0) ** 2 * there[..., None, None]
    total = weight.sum(axis=(1, 2))
    mean = (weight * each).sum(axis=(1, 2)) / total
    # Corners that a symmetry of the mask exchanges are told apart by no number of images.
    own = (share[..., None] * each).sum(axis=2, keepdims=True)
    exchanged = (share[..., None] * jnp.square(each - own)).sum(axis=2)
    views = weight.sum(axis=2)
    exchanged = (views * exchanged).sum(axis=1) / total
    deformed = jnp.asarray(mask_bits())[masks] > 0
    sd = jnp.where(deformed, jnp.sqrt(1.0 / total + exchanged + 0.02**2), 0.01)
    sd = jnp.sqrt(sd**2 + (0.35**2) * wrong[:, None])
    return jnp.where(deformed, mean, 0.0), jnp.log(sd)


def _pool(config: GroundTruthConfig, rngs: nnx.Rngs) -> AttentionPool | DeepSet | Recurrent:
    if config.pooling == "attention":
        return AttentionPool(config.width, config.heads, config.seeds, rngs=rngs)
    if config.pooling == "gru":
        return Recurrent(config.width, rngs=rngs)
    return DeepSet(config.width, config.pooling, rngs=rngs)
