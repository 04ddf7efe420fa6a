"""Network that finds particles: a U-Net whose every second pixel says what it lies in.

For each cell of 2 × 2 pixels it gives the share of the way from the particle's edge to its middle,
the distance to the particle's outline along rays all round (star-convex polygons: U. Schmidt et
al., MICCAI 2018, arXiv:1806.03535), and whether it is foreground or boundary. The U-Net is that of
O. Ronneberger et al. (MICCAI 2015, arXiv:1505.04597), made small, with ways past each pair of
convolutions in place of a normalisation: a tile then gives what the whole image gives.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx

from stemfast.models.finder_config import RAYS, STRIDE, UNIT_PX, FinderConfig, rays
from stemfast.models.layers import Conv

__all__ = ["RAYS", "STRIDE", "Finder", "FinderConfig", "FinderReading", "rays"]


@dataclass(frozen=True)
class FinderReading:
    """Reading of images by a finder, each (B, H / 2, W / 2) or with an axis behind.

    Attributes
    ----------
    middle, foreground, boundary : jax.Array
        Logits.
    distance : (B, H / 2, W / 2, RAYS) jax.Array
        Distance to the outline along each ray [px of the image].
    """

    middle: jax.Array
    foreground: jax.Array
    boundary: jax.Array
    distance: jax.Array


jax.tree_util.register_dataclass(
    FinderReading, ["middle", "foreground", "boundary", "distance"], []
)


class _Block(nnx.Module):
    """Two convolutions with a way past them."""

    def __init__(self, channels_in: int, channels: int, *, rngs: nnx.Rngs) -> None:
        self.first = Conv(channels_in, channels, 3, rngs=rngs)
        self.second = Conv(channels, channels, 3, gain=0.4, rngs=rngs)
        self.past = Conv(channels_in, channels, 1, gain=0.7, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        y = jax.nn.relu(self.first(x))
        return jax.nn.relu(self.second(y) + self.past(x))


class Finder(nnx.Module):
    """The network.

    Parameters
    ----------
    config : FinderConfig
    rngs : flax.nnx.Rngs
        Source of the initial weights.

    Examples
    --------
    >>> finder = Finder(FinderConfig(widths=(4, 8), head=4), rngs=nnx.Rngs(0))
    >>> finder(jnp.zeros((1, 32, 64, 2))).distance.shape
    (1, 16, 32, 32)
    """

    def __init__(self, config: FinderConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        widths = config.widths
        before = (8, *widths[:-1])
        self.down = nnx.List([_Block(a, b, rngs=rngs) for a, b in zip(before, widths, strict=True)])
        self.up = nnx.List(
            [
                _Block(a + b, b, rngs=rngs)
                for a, b in zip(widths[:0:-1], widths[-2::-1], strict=True)
            ]
        )
        self.head = Conv(widths[0], config.head, 3, rngs=rngs)
        self.out = Conv(config.head, 3 + RAYS, 1, gain=0.3, rngs=rngs)

    def __call__(self, x: jax.Array) -> FinderReading:
        """Read normalised images (B, H, W, 2), sides multiples of `config.multiple`."""
        batch, height, width, channels = x.shape
        cells = x.reshape(batch, height // 2, 2, width // 2, 2, channels)
        x = cells.transpose(0, 1, 3, 2, 4, 5).reshape(batch, height // 2, width // 2, 4 * channels)
        seen = []
        for level, block in enumerate(self.down):
            if level:
                x = _pooled(x)
            x = block(x)
            seen.append(x)
        for block, skip in zip(self.up, seen[-2::-1], strict=True):
            x = block(jnp.concatenate([_doubled(x), skip], axis=-1))
        y = self.out(jax.nn.relu(self.head(x)))
        return FinderReading(
            middle=y[..., 0],
            foreground=y[..., 1],
            boundary=y[..., 2],
            distance=UNIT_PX * jax.nn.softplus(y[..., 3:]),
        )


def _pooled(x: jax.Array) -> jax.Array:
    batch, height, width, channels = x.shape
    return x.reshape(batch, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))


def _doubled(x: jax.Array) -> jax.Array:
    return jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
