"""Simpler ways to make one vector of a set: mean, maximum, a recurrent network over its members.

They are what the set attention is compared with: Deep Sets (M. Zaheer et al. 2017,
arXiv:1703.06114) with two kinds of pooling, and a GRU (K. Cho et al. 2014, arXiv:1406.1078), whose
answer depends on the order of the members.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from stemfast.models.layers import Linear, largest

__all__ = ["DeepSet", "Recurrent"]


def _shares(there: jax.Array) -> jax.Array:
    """Equal shares (B, K) of the members that are there."""
    return there / jnp.maximum(there.sum(axis=1, keepdims=True), 1)


class DeepSet(nnx.Module):
    """Each member through one small network, the mean or the maximum of all through another.

    Parameters
    ----------
    width : int
        Channels of members and result.
    pooling : "mean" or "max"
        How members are put together.
    rngs : flax.nnx.Rngs
        Source of the initial weights.
    """

    def __init__(self, width: int, pooling: str, *, rngs: nnx.Rngs) -> None:
        if pooling not in ("mean", "max"):
            raise ValueError(f"pooling is {pooling!r}, expected 'mean' or 'max'")
        self.pooling = pooling
        self.member = nnx.List([Linear(width, width, rngs=rngs) for _ in range(2)])
        self.whole = Linear(width, width, rngs=rngs)

    def __call__(self, members: jax.Array, there: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The set as (B, width), and the share of each member (B, K)."""
        x = members
        for layer in self.member:
            x = nnx.gelu(layer(x))
        if self.pooling == "mean":
            pooled = jnp.einsum("bkc,bk->bc", x, _shares(there))
        else:
            pooled = largest(jnp.where(there[..., None], x, -jnp.inf), axis=1)
        return nnx.gelu(self.whole(pooled)), _shares(there)


class Recurrent(nnx.Module):
    """A gated recurrent unit that reads one member after the other.

    Parameters
    ----------
    width : int
        Channels of members and result.
    rngs : flax.nnx.Rngs
        Source of the initial weights.
    """

    def __init__(self, width: int, *, rngs: nnx.Rngs) -> None:
        self.width = width
        self.cell = nnx.GRUCell(width, width, rngs=rngs)

    def __call__(self, members: jax.Array, there: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The set as (B, width), and equal shares of the members (B, K)."""
        state = jnp.zeros((len(members), self.width))
        for k in range(members.shape[1]):
            after, _ = self.cell(state, members[:, k])
            state = jnp.where(there[:, k, None], after, state)
        return state, _shares(there)
