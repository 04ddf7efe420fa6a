"""Layers of the networks and their first weights; some share weights over the eight symmetries.

The eight in-plane symmetries of a square (four turns, each with its mirror image) form the group
D4; with the shifts of a lattice they form the plane group p4m. A layer is equivariant when
turning its input turns its output the same way. Convolutions over the group are (Cohen & Welling
2016, arXiv:1602.07576); here each is expanded into one ordinary dense convolution, so that it
costs what a plain one of the same width costs while an eighth of its weights are its own.

Channels of a symmetric layer: channel 8·c + g is pattern c in pose g of the group.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from numpy.typing import NDArray

__all__ = [
    "Conv",
    "GroupConv",
    "Linear",
    "Norm",
    "group_tables",
    "halved",
    "largest",
    "normal_weights",
]

ORDER = 8
#: Standard deviation of a normal distribution that is cut off at ±2.
_CUT_OFF_SD = 0.87962566103423978


@partial(jax.jit, static_argnames=("shape",))
def _part(numbers: jax.Array, scale: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    return numbers[: math.prod(shape)].reshape(shape) * scale


def _drawn(
    draw: Callable[..., jax.Array], key: jax.Array, scale: float, shape: tuple[int, ...]
) -> jax.Array:
    """Random numbers of a shape, the same as of ``scale * draw(key, shape)``.

    Number i depends on the key and on i alone, and XLA takes a quarter of a second of processor
    time to compile draws of each new length, a whole one if there are four axes. So a few lengths
    serve all shapes.
    """
    bits = (math.prod(shape) - 1).bit_length()
    length = 4 ** max(5, -(-bits // 2))
    drawn: jax.Array = _part(draw(key, (length,)), np.float32(scale), shape)
    return drawn


def normal_weights(key: jax.Array, shape: tuple[int, ...], scale: float = 1.0) -> jax.Array:
    """Normally distributed weights.

    Parameters
    ----------
    key : jax.Array
        Random key.
    shape : tuple of int
        Of the weights.
    scale : float
        Standard deviation.

    Examples
    --------
    >>> key = jax.random.key(0)
    >>> bool((normal_weights(key, (3, 5)) == jax.random.normal(key, (3, 5))).all())
    True
    """
    return _drawn(jax.random.normal, key, scale, shape)


def _lecun_normal(key: jax.Array, shape: tuple[int, ...], _dtype: Any = None) -> jax.Array:
    """Weights (C, D) with variance 1 / C, none beyond two standard deviations (LeCun et al. 1998).

    The numbers are those of :func:`jax.nn.initializers.lecun_normal`.
    """
    scale = np.sqrt(np.float32(1.0 / shape[0])) / np.float32(_CUT_OFF_SD)
    return _drawn(
        lambda key, shape: jax.random.truncated_normal(key, -2, 2, shape), key, float(scale), shape
    )


class Linear(nnx.Linear):
    """A linear layer with bias whose first weights are quickly compiled.

    Parameters
    ----------
    channels_in, channels : int
        Channels of input and output.
    kernel_init : callable
        First weights; of variance 1 / `channels_in` if not given.
    **settings
        Further settings of :class:`flax.nnx.Linear`.
    rngs : flax.nnx.Rngs
        Source of the initial weights.
    """

    def __init__(
        self,
        channels_in: int,
        channels: int,
        *,
        kernel_init: Callable[..., jax.Array] = _lecun_normal,
        rngs: nnx.Rngs,
        **settings: Any,
    ) -> None:
        super().__init__(channels_in, channels, kernel_init=kernel_init, rngs=rngs, **settings)


def _convolve(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """Convolve (B, H, W, C) so that (H, W) divided by the stride comes out, evenly centred.

    An odd kernel at stride 1, or one that is even like its stride: then the padding is the same
    on all sides and mirroring the input mirrors the output.
    """
    pad = (kernel.shape[0] - stride) // 2
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        [(pad, pad), (pad, pad)],
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def halved(x: jax.Array) -> jax.Array:
    """Means over cells of 2 × 2 pixels of (B, H, W, C)."""
    batch, height, width, channels = x.shape
    return x.reshape(batch, height // 2, 2, width // 2, 2, channels).mean(axis=(2, 4))


def largest(x: jax.Array, axis: int) -> jax.Array:
    """Maximum along an axis, whose gradient goes to the first place where it is reached.

    That of :func:`jax.numpy.max` goes to all that equal the maximum. Where a compiler computes the
    numbers a second time, rounded in another way, none does, and the gradient is not a number.

    Examples
    --------
    >>> largest(jnp.array([[1.0, 3.0], [2.0, 0.0]]), axis=1).tolist()
    [3.0, 2.0]
    """
    place = jax.lax.stop_gradient(x).argmax(axis, keepdims=True)
    return jnp.take_along_axis(x, place, axis, mode="clip").squeeze(axis)


class Conv(nnx.Module):
    """A convolution with bias.

    Parameters
    ----------
    channels_in, channels : int
        Channels of input and output.
    size, stride : int
        Side of the kernel and step [px]; `size` − `stride` is even.
    gain : float
        Standard deviation of the outputs at the start, for inputs of about 1 behind a rectifier.
    rngs : flax.nnx.Rngs
        Source of the initial weights.
    """

    def __init__(
        self,
        channels_in: int,
        channels: int,
        size: int,
        stride: int = 1,
        *,
        gain: float = 1.0,
        rngs: nnx.Rngs,
    ) -> None:
        if (size - stride) % 2:
            raise ValueError(f"size - stride is {size} - {stride}, expected an even number")
        self.stride = stride
        scale = gain * np.sqrt(2.0 / (size * size * channels_in))
        shape = (size, size, channels_in, channels)
        self.kernel = nnx.Param(normal_weights(rngs.params(), shape, scale))
        self.bias = nnx.Param(jnp.zeros(channels))

    def __call__(self, x: jax.Array) -> jax.Array:
        """(B, H, W, C) → (B, H / stride, W / stride, D)."""
        kernel, bias = self.kernel[...].astype(x.dtype), self.bias[...].astype(x.dtype)
        return _convolve(x, kernel, self.stride) + bias


@cache
def group_tables(size: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Action of the group on kernels and on itself.

    Returns
    -------
    moved : (8, size²) int
        ``kernel.ravel()[moved[g]]`` is a size × size kernel in pose g: bit 0 of g reverses the
        rows, bit 1 the columns, bit 2 then swaps rows and columns.
    relative : (8, 8) int
        Element h of row g and column k with g · h = k.

    Examples
    --------
    >>> moved, relative = group_tables(2)
    >>> moved[4].tolist(), relative[:, 0].tolist()
    ([0, 2, 1, 3], [0, 1, 2, 3, 4, 6, 5, 7])
    """

    def pose(grid: NDArray[Any], g: int) -> NDArray[Any]:
        grid = grid[::-1] if g & 1 else grid
        grid = grid[:, ::-1] if g & 2 else grid
        return grid.T if g & 4 else grid

    grid = np.arange(size * size).reshape(size, size)
    moved = np.stack([pose(grid, g).ravel() for g in range(ORDER)])
    # Any grid of nine different numbers tells the eight poses apart.
    mark = np.arange(9).reshape(3, 3)
    poses = {pose(mark, g).tobytes(): g for g in range(ORDER)}
    # Element g after element h.
    product = np.array(
        [[poses[pose(pose(mark, h), g).tobytes()] for h in range(8)] for g in range(8)]
    )
    relative = np.array(
        [[int(np.flatnonzero(row == k)[0]) for k in range(ORDER)] for row in product]
    )
    return moved, relative


class GroupConv(nnx.Module):
    """A convolution whose weights are shared over the eight symmetries, with bias.

    Parameters
    ----------
    channels_in : int
        Channels of the input: a multiple of 8, or, where `lifting`, any number of channels that
        turn with the image as brightness does.
    channels : int
        Channels of the output, a multiple of 8.
    size, stride : int
        As :class:`Conv`.
    lifting : bool
        Whether the input has no poses yet.
    gain : float
        As :class:`Conv`.
    rngs : flax.nnx.Rngs
        Source of the initial weights.
    """

    def __init__(
        self,
        channels_in: int,
        channels: int,
        size: int,
        stride: int = 1,
        *,
        lifting: bool = False,
        gain: float = 1.0,
        rngs: nnx.Rngs,
    ) -> None:
        if (size - stride) % 2:
            raise ValueError(f"size - stride is {size} - {stride}, expected an even number")
        self.size, self.stride, self.lifting = size, stride, lifting
        scale = gain * np.sqrt(2.0 / (size * size * channels_in))
        poses_in = 1 if lifting else ORDER
        shape = (poses_in, size * size, channels_in // poses_in, channels // ORDER)
        self.kernel = nnx.Param(normal_weights(rngs.params(), shape, scale))
        self.bias = nnx.Param(jnp.zeros(channels // ORDER))

    def expanded(self) -> jax.Array:
        """The dense kernel (size, size, C, D)."""
        moved, relative = group_tables(self.size)
        kernel = self.kernel[...]
        if self.lifting:
            dense = kernel[0][moved]  # (g, size², C, d)
            dense = dense.transpose(1, 2, 3, 0)
        else:
            dense = kernel[relative[:, :, None], moved[:, None, :]]  # (g, h, size², c, d)
            dense = dense.transpose(2, 3, 1, 4, 0)
        channels = ORDER * kernel.shape[-1]
        return dense.reshape(self.size, self.size, -1, channels)

    def __call__(self, x: jax.Array) -> jax.Array:
        """(B, H, W, C) → (B, H / stride, W / stride, D)."""
        bias = jnp.repeat(self.bias[...], ORDER).astype(x.dtype)
        return _convolve(x, self.expanded().astype(x.dtype), self.stride) + bias


class Norm(nnx.Module):
    """Group normalisation (Wu & He 2018, arXiv:1803.08494), one affine map per channel.

    It keeps no running averages: the network stays a pure function of its weights and one image.

    Parameters
    ----------
    channels : int
        A multiple of 4, or of 8 where `symmetric`.
    symmetric : bool
        Whether the eight poses of a pattern share scale and offset.
    """

    def __init__(self, channels: int, *, symmetric: bool = False) -> None:
        self.copies = ORDER if symmetric else 1
        own = channels // self.copies
        self.groups = min(8, own if symmetric else channels // 4)
        while own % self.groups:
            self.groups -= 1
        self.scale = nnx.Param(jnp.ones(own))
        self.offset = nnx.Param(jnp.zeros(own))

    def __call__(self, x: jax.Array) -> jax.Array:
        """(B, H, W, C), each group of channels of each image with mean 0 and variance 1."""
        batch, channels = x.shape[0], x.shape[-1]
        shape = (batch, self.groups, channels // self.groups)
        mean = jnp.mean(x, axis=(1, 2), dtype=jnp.float32).reshape(shape).mean(axis=2)
        square = jnp.mean(x * x, axis=(1, 2), dtype=jnp.float32).reshape(shape).mean(axis=2)
        inverse = jax.lax.rsqrt(jnp.maximum(square - mean * mean, 0.0) + 1e-5)
        # One factor and one shift per channel and image: a single pass over the pixels.
        factor = jnp.repeat(inverse, shape[2], axis=1) * jnp.repeat(self.scale[...], self.copies)
        shift = jnp.repeat(self.offset[...], self.copies) - jnp.repeat(mean, shape[2], 1) * factor
        return x * factor[:, None, None].astype(x.dtype) + shift[:, None, None].astype(x.dtype)
