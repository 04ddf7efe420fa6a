"""A compact residual network that classifies one-channel images.

Sized for two CPU cores: the stem halves the image before the first full convolution, which
is where a network of this kind spends its time. Group normalisation, because it keeps no running
averages: the network is a pure function of its weights and one image, whatever the batch.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from pydantic import BaseModel, ConfigDict, Field, field_validator

__all__ = ["Classifier", "ClassifierConfig"]

SMALLEST_SIDE = 16  # px; below it the last stage would see a single pixel


class ClassifierConfig(BaseModel):
    """What fixes the architecture of a :class:`Classifier`.

    Attributes
    ----------
    n_classes : int
        Number of classes, at least 2.
    image_shape : tuple of int
        (H, W) of the input [px], each at least 16.
    widths : tuple of int
        Channels of each residual stage, multiples of 4; every stage after the first halves the
        image.
    blocks : int
        Residual blocks in each stage.

    Examples
    --------
    >>> ClassifierConfig(n_classes=3, image_shape=(48, 48)).widths
    (16, 32, 64)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_classes: int = Field(ge=2)
    image_shape: tuple[int, int]
    widths: tuple[int, ...] = Field(default=(16, 32, 64), min_length=1)
    blocks: int = Field(default=1, ge=1)

    @field_validator("image_shape")
    @classmethod
    def _large_enough(cls, shape: tuple[int, int]) -> tuple[int, int]:
        if min(shape) < SMALLEST_SIDE:
            raise ValueError(f"image_shape is {shape}, expected at least 16 px on each side")
        return shape

    @field_validator("widths")
    @classmethod
    def _groups_fit(cls, widths: tuple[int, ...]) -> tuple[int, ...]:
        if any(width < 4 or width % 4 for width in widths):
            raise ValueError(f"widths is {widths}, expected positive multiples of 4")
        return widths


def _norm(channels: int, rngs: nnx.Rngs) -> nnx.GroupNorm:
    return nnx.GroupNorm(channels, num_groups=min(8, channels // 4), rngs=rngs)


def standardise(images: jax.Array) -> jax.Array:
    """Each image (B, H, W, 1) minus its mean, divided by its standard deviation."""
    centred = images - jnp.mean(images, axis=(1, 2, 3), keepdims=True)
    variance = jnp.mean(jnp.square(centred), axis=(1, 2, 3), keepdims=True)
    return centred * jax.lax.rsqrt(jnp.maximum(variance, jnp.finfo(jnp.float32).tiny))


class ResidualBlock(nnx.Module):
    """Two 3×3 convolutions added to a shortcut (He et al. 2016, doi:10.1109/CVPR.2016.90)."""

    def __init__(self, channels_in: int, channels: int, stride: int, rngs: nnx.Rngs) -> None:
        self.first = nnx.Conv(
            channels_in, channels, (3, 3), strides=stride, use_bias=False, rngs=rngs
        )
        self.first_norm = _norm(channels, rngs)
        self.second = nnx.Conv(channels, channels, (3, 3), use_bias=False, rngs=rngs)
        self.second_norm = _norm(channels, rngs)
        self.shortcut = (
            nnx.Conv(channels_in, channels, (1, 1), strides=stride, use_bias=False, rngs=rngs)
            if stride != 1 or channels_in != channels
            else None
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        y = nnx.relu(self.first_norm(self.first(x)))
        y = self.second_norm(self.second(y))
        return nnx.relu(y + (x if self.shortcut is None else self.shortcut(x)))


class Classifier(nnx.Module):
    """Residual network, image in, one logit per class out.

    The network first standardises each image by its own mean and spread, so the gain and offset
    of a detector cannot change its answer. It is not invariant to anything else; the eight
    in-plane symmetries are taught by augmentation.

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
        self.stem = nnx.Conv(1, config.widths[0], (5, 5), strides=2, rngs=rngs)
        blocks: list[ResidualBlock] = []
        channels_in = config.widths[0]
        for stage, channels in enumerate(config.widths):
            for repeat in range(config.blocks):
                stride = 2 if stage > 0 and repeat == 0 else 1
                blocks.append(ResidualBlock(channels_in, channels, stride, rngs))
                channels_in = channels
        self.blocks = nnx.List(blocks)
        # Zero weights in the head: at the start every class is equally likely and the loss
        # is exactly ln(n_classes), which a test checks before any training.
        self.head = nnx.Linear(
            2 * channels_in, config.n_classes, kernel_init=nnx.initializers.zeros_init(), rngs=rngs
        )

    def __call__(self, images: jax.Array) -> jax.Array:
        """Logits (B, n_classes) of images (B, H, W, 1) float32.

        Raises
        ------
        ValueError
            If the images have another shape than the configuration says.
        """
        expected = (*self.config.image_shape, 1)
        if images.ndim != 4 or images.shape[1:] != expected:
            raise ValueError(
                f"images has shape {images.shape}, expected (B, {expected[0]}, {expected[1]}, 1)"
            )
        x = nnx.relu(self.stem(standardise(images)))
        for block in self.blocks:
            x = block(x)
        # After group normalisation all images have much the same mean; a single corner, which is
        # what tells a deformed cuboid, shows in the maximum.
        pooled = jnp.concatenate([jnp.mean(x, axis=(1, 2)), jnp.max(x, axis=(1, 2))], axis=1)
        return self.head(pooled)
