"""Attention over sets: what several images of one particle say together, in any order.

After the Set Transformer of J. Lee et al. (2019), arXiv:1810.00825: members attend to each other
through a few learned points, so that the cost grows with their number and not with its square, and
learned seeds then gather what they need from all members. No step knows an order, and a member that
is only padding has no weight, so that order and padding change nothing.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from stemfast.models.layers import Linear, normal_weights

__all__ = ["Attention", "AttentionBlock", "AttentionPool", "InducedBlock"]


class Attention(nnx.Module):
    """Multi-head attention of queries to those members of a set that are there.

    Parameters
    ----------
    width : int
        Channels of queries, members and result, a multiple of `heads`.
    heads : int
        Independent attentions, each with its share of the channels.
    rngs : flax.nnx.Rngs
        Source of the initial weights.

    Raises
    ------
    ValueError
        If the heads do not divide the channels.

    Examples
    --------
    >>> attend = Attention(8, 2, rngs=nnx.Rngs(0))
    >>> result, weights = attend(jnp.ones((1, 3, 8)), jnp.ones((1, 4, 8)), jnp.ones((1, 4), bool))
    >>> result.shape, weights.shape
    ((1, 3, 8), (1, 2, 3, 4))
    """

    def __init__(self, width: int, heads: int, *, rngs: nnx.Rngs) -> None:
        if width % heads:
            raise ValueError(f"width is {width}, expected a multiple of heads = {heads}")
        self.heads = heads
        self.query = Linear(width, width, rngs=rngs)
        self.key = Linear(width, width, rngs=rngs)
        self.value = Linear(width, width, rngs=rngs)
        self.output = Linear(width, width, rngs=rngs)

    def __call__(
        self, queries: jax.Array, members: jax.Array, there: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Attention of queries (B, Q, width) to members (B, K, width) where (B, K) is true.

        Returns
        -------
        (B, Q, width)
            What was gathered.
        (B, heads, Q, K)
            Weights of the members, which add up to 1.
        """
        q, k, v = (
            self._split(layer(x))
            for layer, x in ((self.query, queries), (self.key, members), (self.value, members))
        )
        score = jnp.einsum("bqhc,bkhc->bhqk", q, k) / jnp.sqrt(jnp.float32(q.shape[-1]))
        score = jnp.where(there[:, None, None, :], score, -jnp.inf)
        weights = jax.nn.softmax(score, axis=-1)
        gathered = jnp.einsum("bhqk,bkhc->bqhc", weights, v)
        return self.output(gathered.reshape(queries.shape)), weights

    def _split(self, x: jax.Array) -> jax.Array:
        return x.reshape(*x.shape[:2], self.heads, -1)


class AttentionBlock(nnx.Module):
    """Attention and a small network on each member, both added to what comes in.

    Parameters
    ----------
    width, heads, rngs
        As for `Attention`.
    """

    def __init__(self, width: int, heads: int, *, rngs: nnx.Rngs) -> None:
        self.attention = Attention(width, heads, rngs=rngs)
        self.first_norm = nnx.LayerNorm(width, rngs=rngs)
        self.member_norm = nnx.LayerNorm(width, rngs=rngs)
        self.second_norm = nnx.LayerNorm(width, rngs=rngs)
        self.widen = Linear(width, 2 * width, rngs=rngs)
        self.narrow = Linear(2 * width, width, rngs=rngs)

    def __call__(
        self, queries: jax.Array, members: jax.Array, there: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """As `Attention`: (B, Q, width) and the weights (B, heads, Q, K)."""
        gathered, weights = self.attention(
            self.first_norm(queries), self.member_norm(members), there
        )
        x = queries + gathered
        return x + self.narrow(nnx.gelu(self.widen(self.second_norm(x)))), weights


class InducedBlock(nnx.Module):
    """Members attend to each other by way of a few learned points.

    Parameters
    ----------
    width, heads, rngs
        As for `Attention`.
    points : int
        Learned points.
    """

    def __init__(self, width: int, heads: int, points: int, *, rngs: nnx.Rngs) -> None:
        self.points = nnx.Param(normal_weights(rngs.params(), (1, points, width), 0.5))
        self.gather = AttentionBlock(width, heads, rngs=rngs)
        self.spread = AttentionBlock(width, heads, rngs=rngs)

    def __call__(self, members: jax.Array, there: jax.Array) -> jax.Array:
        """Members (B, K, width) that know of each other; there (B, K) bool."""
        points = jnp.broadcast_to(self.points[...], (len(members), *self.points.shape[1:]))
        known, _ = self.gather(points, members, there)
        everywhere = jnp.ones(known.shape[:2], bool)
        return self.spread(members, known, everywhere)[0]


class AttentionPool(nnx.Module):
    """Learned seeds gather a set into a fixed number of vectors.

    Parameters
    ----------
    width, heads, rngs
        As for `Attention`.
    seeds : int
        Vectors that come out.
    """

    def __init__(self, width: int, heads: int, seeds: int, *, rngs: nnx.Rngs) -> None:
        self.seeds = nnx.Param(normal_weights(rngs.params(), (1, seeds, width), 0.5))
        self.gather = AttentionBlock(width, heads, rngs=rngs)

    def __call__(self, members: jax.Array, there: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The set as (B, seeds · width), and the share of each member (B, K), which add up to 1."""
        seeds = jnp.broadcast_to(self.seeds[...], (len(members), *self.seeds.shape[1:]))
        gathered, weights = self.gather(seeds, members, there)
        return gathered.reshape(len(members), -1), weights.mean(axis=(1, 2))
