"""Corners of a cuboid as three arrows number them, and layers to which their signs are alike."""

from __future__ import annotations

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from numpy.typing import NDArray

from stemfast import symmetry
from stemfast.models.layers import Linear, normal_weights

__all__ = ["AXES", "CORNERS", "CORNER_SIGNS", "LENGTH_PX", "FlipMix", "sampled"]

CORNERS, AXES = 8, 3
#: Natural length of an arrow, so that what the layers give is about 1 [px].
LENGTH_PX = 20.0
#: Signs (8, 3) of the axes at each corner.
CORNER_SIGNS = symmetry.CORNER_SIGNS.astype(np.float32)


@cache
def _flipped() -> NDArray[np.intp]:
    """(8, 8) the corner that each choice of signs makes of each corner."""
    return np.asarray(np.arange(CORNERS)[:, None] ^ np.arange(CORNERS)[None, :])


def sampled(maps: jax.Array, at: jax.Array) -> jax.Array:
    """Values (B, 8, C) of maps (B, h, w, C) at places (B, 8, 2), x and y in −1 … 1."""
    _, height, width, _ = maps.shape

    def weights(place: jax.Array, cells: int) -> jax.Array:
        cell = jnp.clip((place + 1.0) * (0.5 * cells) - 0.5, 0.0, cells - 1.0)
        return jnp.maximum(0.0, 1.0 - jnp.abs(cell[..., None] - jnp.arange(cells)))

    rows = jnp.einsum("bnh,bhwc->bnwc", weights(at[..., 1], height), maps)
    return jnp.einsum("bnw,bnwc->bnc", weights(at[..., 0], width), rows)


class FlipMix(nnx.Module):
    """Mixing of eight corners, equivariant under every choice of signs."""

    def __init__(self, width: int, *, rngs: nnx.Rngs) -> None:
        scale = (1.0 / (CORNERS * width)) ** 0.5
        self.norm = nnx.LayerNorm(width, rngs=rngs)
        self.kernel = nnx.Param(normal_weights(rngs.params(), (CORNERS, width, width), scale))
        self.out = Linear(width, width, rngs=rngs)

    def __call__(self, corners: jax.Array) -> jax.Array:
        """(B, 8, width) → (B, 8, width)."""
        x = self.norm(corners)
        others = x[:, _flipped()]  # (B, flip, corner, width)
        mixed = jnp.einsum("bgcw,gwv->bcv", others, self.kernel[...])
        return corners + self.out(nnx.gelu(mixed))
