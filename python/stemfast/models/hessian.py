"""Second derivatives of an image at learnt scales: the wireframe of a polyhedron, seen directly.

The thickness of a polyhedron along the beam is piecewise linear in the image. Its second
derivatives vanish on every face, front or back, and stand out along every projected edge. The
two eigenvalues of the Hessian do not change when the image is turned or mirrored.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

__all__ = ["HessianStem", "derivative_filters"]

SMALLEST_SIGMA_PX = 0.4
#: The filters reach this far beyond the image, whose edge pixels are continued there [px].
REACH_PX = 24


def derivative_filters(
    sigma: jax.Array, size: int, stride: int
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Gaussian smoothing, first and second derivative along one axis, as matrices.

    Row k holds the filter about the centre of pixels k·stride … (k+1)·stride − 1, so that the
    filters of a mirrored axis are the mirrored filters. They are exact on polynomials of second
    degree: sums of 1, moments of x and x²/2. Beyond the ends the first and last pixel go on.

    Parameters
    ----------
    sigma : jax.Array, ()
        Standard deviation of the Gaussian [px].
    size : int
        Pixels along the axis, a multiple of `stride`.
    stride : int
        Distance between rows [px].

    Returns
    -------
    tuple of jax.Array, (size / stride, size)
        Smoothing [1], σ times the first derivative, σ² times the second: scale-normalised
        (Lindeberg 1998, doi:10.1023/A:1008045108935).

    Examples
    --------
    >>> _, slope, bend = derivative_filters(jnp.asarray(1.5), 64, 2)
    >>> x = jnp.arange(64.0)
    >>> [round(float(value), 3) for value in (slope[16] @ x, bend[16] @ (0.5 * x * x))]
    [1.5, 2.25]
    """
    centres = stride * np.arange(size // stride) + (stride - 1) / 2 + REACH_PX
    x = jnp.asarray(np.arange(size + 2 * REACH_PX) - centres[:, None], jnp.float32)
    smooth = jnp.exp(-0.5 * jnp.square(x / sigma))
    smooth /= jnp.sum(smooth, axis=1, keepdims=True)
    first = x * smooth
    second_moment = jnp.sum(x * first, axis=1, keepdims=True)
    first /= second_moment
    second = (x * x - second_moment) * smooth
    second /= 0.5 * jnp.sum(x * x * second, axis=1, keepdims=True)
    return _folded(smooth), _folded(sigma * first), _folded(jnp.square(sigma) * second)


def _folded(filters: jax.Array) -> jax.Array:
    """Give the weights beyond either end of the axis to its end pixel."""
    inner = filters[:, REACH_PX:-REACH_PX]
    inner = inner.at[:, 0].add(jnp.sum(filters[:, :REACH_PX], axis=1))
    return inner.at[:, -1].add(jnp.sum(filters[:, -REACH_PX:], axis=1))


class HessianStem(nnx.Module):
    """Brightness and the two eigenvalues of the Hessian of an image, at each of several scales.

    Separable: two small matrix products per scale, which a CPU does faster than a convolution
    with few channels.

    Parameters
    ----------
    scales_px : tuple of float
        Widths σ of the Gaussians at the start of training [px].
    stride : int
        Pixels of the image per pixel of the output, along each axis.

    Examples
    --------
    >>> stem = HessianStem((1.0, 1.8), stride=2)
    >>> stem(jnp.zeros((5, 32, 32))).shape, stem.channels
    ((5, 16, 16, 7), 7)
    """

    def __init__(self, scales_px: tuple[float, ...], stride: int) -> None:
        self.stride = stride
        self.channels = 3 * len(scales_px) + 1
        above = np.asarray(scales_px, np.float32) - SMALLEST_SIGMA_PX
        self.log_sigma = nnx.Param(jnp.log(jnp.asarray(above)))
        self.log_gain = nnx.Param(jnp.ones(len(scales_px), jnp.float32))

    def __call__(self, images: jax.Array) -> jax.Array:
        """Channels (B, H/stride, W/stride, C) of images (B, H, W).

        The mean over the pixels of each cell, then for each scale the smoothed image and the
        larger and the smaller eigenvalue of its Hessian.
        """
        batch, height, width = images.shape
        s = self.stride
        cells = images.reshape(batch, height // s, s, width // s, s).mean(axis=(2, 4))
        channels = [cells]
        for log_sigma, log_gain in zip(self.log_sigma[...], self.log_gain[...], strict=True):
            channels += _eigenvalues(images, SMALLEST_SIGMA_PX + jnp.exp(log_sigma), log_gain, s)
        return jnp.stack(channels, axis=-1)


def _eigenvalues(
    images: jax.Array, sigma: jax.Array, log_gain: jax.Array, stride: int
) -> list[jax.Array]:
    _, height, width = images.shape
    rows = jnp.concatenate(derivative_filters(sigma, height, stride))
    smooth, first, second = derivative_filters(sigma, width, stride)
    along_y = jnp.split(jnp.einsum("ij,bjk->bik", rows, images), 3, axis=1)
    bright = along_y[0] @ smooth.T
    yy, xx, xy = along_y[2] @ smooth.T, along_y[0] @ second.T, along_y[1] @ first.T
    mean = 0.5 * (xx + yy)
    # The root of 0 has no derivative, and a flat image is flat in every direction.
    half_gap = jnp.sqrt(jnp.square(0.5 * (xx - yy)) + jnp.square(xy) + 1e-6)
    gain = jnp.exp(log_gain)
    return [bright, gain * (mean + half_gap), gain * (mean - half_gap)]
