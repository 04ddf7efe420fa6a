"""A compact residual network that classifies one-channel images.

Sized for two CPU cores, where dense 3 × 3 convolutions of 32 channels and more run near the
machine's peak while depthwise and grouped ones, and full resolution, do not (docs/training.md
has the measurements). So the stem makes the image small at once, and the rest is dense.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from stemfast.models.config import ClassifierConfig
from stemfast.models.hessian import HessianStem
from stemfast.models.layers import ORDER, Conv, GroupConv, Linear, Norm, halved, largest

__all__ = ["Classifier", "Reading"]

#: Corners per pixel of a map, at the start of training.
FEW = 0.03


class Reading(NamedTuple):
    """Outputs of a network for a batch.

    Attributes
    ----------
    logits : jax.Array, (B, n_classes)
        One per class.
    corners : tuple of jax.Array, each (B, h, w, 2)
        For each stage of ``corner_maps`` the expected number of corners seen in each cell of the
        image, whole ones and deformed ones.
    """

    logits: jax.Array
    corners: tuple[jax.Array, ...]


def normalised(images: jax.Array) -> jax.Array:
    """Each image (B, H, W, 1) minus its mean, divided by its standard deviation."""
    centred = images - jnp.mean(images, axis=(1, 2, 3), keepdims=True)
    variance = jnp.mean(jnp.square(centred), axis=(1, 2, 3), keepdims=True)
    return centred * jax.lax.rsqrt(jnp.maximum(variance, jnp.finfo(jnp.float32).tiny))


def binned(images: jax.Array, size: int) -> jax.Array:
    """Means over cells of `size` × `size` pixels of images (B, H, W, 1)."""
    if size == 1:
        return images
    batch, rows, columns, _ = images.shape
    cells = images.reshape(batch, rows // size, size, columns // size, size, 1)
    return jnp.mean(cells, axis=(2, 4))


def enlarged(images: jax.Array, multiple: int) -> jax.Array:
    """Continue the edge pixels of (B, H, W, 1) on all sides to multiples of a number of pixels."""
    margins = [(0, 0)]
    for side in images.shape[1:3]:
        missing = -side % multiple
        margins.append((missing // 2, missing - missing // 2))
    return jnp.pad(images, [*margins, (0, 0)], mode="edge")


class Stem(nnx.Module):
    """Image to the channels of the first stage, from second derivatives or straight."""

    def __init__(self, config: ClassifierConfig, rngs: nnx.Rngs) -> None:
        stride, width = config.stem_stride, config.widths[0]
        self.hessian = HessianStem(config.scales_px, stride // 2) if config.hessian else None
        channels, size = 1, stride + 4
        if self.hessian is not None:
            channels, size, stride = self.hessian.channels, 4, 2
        self.dense = (
            GroupConv(channels, width, size, stride, lifting=True, rngs=rngs)
            if config.symmetric
            else Conv(channels, width, size, stride, rngs=rngs)
        )

    def __call__(self, images: jax.Array, dtype: jnp.dtype | type) -> jax.Array:
        x = images if self.hessian is None else self.hessian(images[..., 0])
        return self.dense(x.astype(dtype))


class ResidualBlock(nnx.Module):
    """Two convolutions added to a shortcut (He et al. 2016, arXiv:1603.05027).

    One normalisation in front of the first; a second one between them costs a quarter of a
    convolution on a CPU and brought nothing. A block that halves the image does so with cells of
    2 × 2 pixels, which have a centre that mirroring keeps.
    """

    def __init__(
        self, channels_in: int, channels: int, halve: bool, symmetric: bool, rngs: nnx.Rngs
    ) -> None:
        kind = GroupConv if symmetric else Conv
        self.halve = halve
        self.norm = Norm(channels_in, symmetric=symmetric)
        size = 2 if halve else 3
        self.first = kind(channels_in, channels, size, 2 if halve else 1, rngs=rngs)
        self.second = kind(channels, channels, 3, gain=0.3, rngs=rngs)
        self.shortcut = (
            kind(channels_in, channels, 1, gain=0.7, rngs=rngs)
            if halve or channels_in != channels
            else None
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        y = nnx.relu(self.norm(x))
        if self.shortcut is not None:
            x = self.shortcut(halved(y) if self.halve else y)
        return x + self.second(nnx.relu(self.first(y)))


class CornerMap(nnx.Module):
    """Expected number of whole and of deformed corners in each cell of a stage."""

    def __init__(self, channels: int, symmetric: bool, rngs: nnx.Rngs) -> None:
        self.symmetric = symmetric
        self.norm = Norm(channels, symmetric=symmetric)
        self.dense = Linear(
            2 * channels // ORDER if symmetric else channels,
            2,
            kernel_init=nnx.initializers.zeros_init(),
            bias_init=nnx.initializers.constant(math.log(FEW)),
            rngs=rngs,
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        y = nnx.relu(self.norm(x)).astype(jnp.float32)
        if self.symmetric:
            poses = y.reshape(*y.shape[:3], -1, ORDER)
            y = jnp.concatenate([poses.mean(axis=4), largest(poses, axis=4)], axis=-1)
        return jnp.exp(jnp.clip(self.dense(y), -12.0, 4.0))


class Classifier(nnx.Module):
    """Residual network, image in, one logit per class out.

    The network first standardises each image by its own mean and spread, so the gain and offset
    of a detector cannot change its answer. The variants ``p4m`` and ``hessian-p4m`` also give the
    same answer for the eight in-plane symmetries of an image of even sides; the others learn that
    by augmentation.

    Parameters
    ----------
    config : ClassifierConfig
        The architecture.
    rngs : flax.nnx.Rngs
        Source of the initial weights.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> config = ClassifierConfig(n_classes=3, image_shape=(16, 16), widths=(4, 8))
    >>> Classifier(config, rngs=nnx.Rngs(0))(jnp.zeros((2, 16, 16, 1))).shape
    (2, 3)
    """

    def __init__(self, config: ClassifierConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        self.stem = Stem(config, rngs)
        blocks: list[ResidualBlock] = []
        channels_in = config.widths[0]
        for stage, channels in enumerate(config.widths):
            for repeat in range(config.blocks):
                halve = stage > 0 and repeat == 0
                blocks.append(ResidualBlock(channels_in, channels, halve, config.symmetric, rngs))
                channels_in = channels
        self.blocks = nnx.List(blocks)
        self.corner_maps = nnx.List(
            [CornerMap(config.widths[s], config.symmetric, rngs) for s in config.corner_maps]
        )
        self.norm = Norm(channels_in, symmetric=config.symmetric)
        # Zero weights in the head: at the start every class is equally likely and the loss
        # is exactly ln(n_classes), which a test checks before any training.
        features = 2 * (channels_in // ORDER if config.symmetric else channels_in)
        self.head = Linear(
            features + 2 * len(config.corner_maps),
            config.n_classes,
            kernel_init=nnx.initializers.zeros_init(),
            rngs=rngs,
        )

    def __call__(self, images: jax.Array) -> jax.Array:
        """Logits (B, n_classes) of images (B, H, W, 1) float32.

        Raises
        ------
        ValueError
            If the images have another shape than the configuration says.
        """
        return self.read(images).logits

    def features(self, images: jax.Array) -> jax.Array:
        """Features (B, F) of the last layer for images (B, H, W, 1)."""
        return self._look(images)[0]

    def read(self, images: jax.Array, *, dtype: jnp.dtype | type = jnp.float32) -> Reading:
        """Logits of images (B, H, W, 1) float32, and where corners are.

        `dtype` is that of the convolutions; all sums are in float32.
        """
        features, maps = self._look(images, dtype)
        return Reading(self.head(features), maps)

    def check(self, images: jax.Array) -> None:
        """Refuse images of another shape than the configuration says."""
        expected = (*self.config.image_shape, 1)
        if images.ndim != 4 or images.shape[1:] != expected:
            raise ValueError(
                f"images has shape {images.shape}, expected (B, {expected[0]}, {expected[1]}, 1)"
            )

    def _look(
        self, images: jax.Array, dtype: jnp.dtype | type = jnp.float32
    ) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        self.check(images)
        x = normalised(binned(images, self.config.binning))
        x = self.stem(enlarged(x, self.config.total_stride), dtype)
        maps: list[jax.Array] = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            stage, rest = divmod(number + 1, self.config.blocks)
            if rest == 0 and stage - 1 in self.config.corner_maps:
                which = self.config.corner_maps.index(stage - 1)
                maps.append(self.corner_maps[which](x))
        x = nnx.relu(self.norm(x)).astype(jnp.float32)
        # All places, and all poses of a pattern.
        x = x.reshape(
            x.shape[0], x.shape[1] * x.shape[2], -1, ORDER if self.config.symmetric else 1
        )
        # After normalisation all images have much the same mean; a single corner, which is what
        # tells a deformed cuboid, shows in the maximum.
        pooled = [jnp.mean(x, axis=(1, 3)), largest(largest(x, axis=1), axis=2)]
        pooled += [jnp.sum(corners, axis=(1, 2)) for corners in maps]
        return jnp.concatenate(pooled, axis=1), tuple(maps)
