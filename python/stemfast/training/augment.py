"""Augmentation by the eight in-plane symmetries of a square image.

An image of a particle at an unknown pose, turned by a quarter or mirrored, is an image of the
same particle (or its mirror image) at another pose, just as likely. Labels that a static image
can carry at all are therefore unchanged.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

__all__ = ["apply_symmetry", "random_symmetry", "turned"]


def apply_symmetry(images: jax.Array, element: jax.Array) -> jax.Array:
    """Apply one of the eight symmetries to each image.

    Parameters
    ----------
    images : jax.Array, (B, N, N, 1)
        Square images.
    element : jax.Array, (B,) int
        0 … 7. Bit 0 reverses the rows, bit 1 the columns, bit 2 then swaps rows and columns.

    Returns
    -------
    jax.Array, (B, N, N, 1)

    Examples
    --------
    >>> image = jnp.arange(4.0).reshape(1, 2, 2, 1)
    >>> apply_symmetry(image, jnp.array([4]))[0, :, :, 0].tolist()
    [[0.0, 2.0], [1.0, 3.0]]
    """

    def bit(number: int) -> jax.Array:
        return ((element >> number) & 1).astype(bool)[:, None, None, None]

    images = jnp.where(bit(0), images[:, ::-1], images)
    images = jnp.where(bit(1), images[:, :, ::-1], images)
    return jnp.where(bit(2), jnp.swapaxes(images, 1, 2), images)


def turned(points: jax.Array, element: jax.Array, size: int) -> jax.Array:
    """Move points (B, 8, 3) as :func:`apply_symmetry` moves images."""

    def bit(number: int) -> jax.Array:
        return ((element >> number) & 1).astype(bool)[:, None]

    rows, columns, kind = points[..., 0], points[..., 1], points[..., 2]
    rows = jnp.where(bit(0), size - 1 - rows, rows)
    columns = jnp.where(bit(1), size - 1 - columns, columns)
    rows, columns = jnp.where(bit(2), columns, rows), jnp.where(bit(2), rows, columns)
    return jnp.stack([rows, columns, kind], axis=-1)


def random_symmetry(
    key: jax.Array, images: jax.Array, points: jax.Array | None = None
) -> tuple[jax.Array, jax.Array | None]:
    """Apply one of the eight symmetries, drawn evenly, to each image and its corner points.

    Parameters
    ----------
    key : jax.Array
        Random key.
    images : jax.Array, (B, N, N, 1)
        Square images.
    points : jax.Array, (B, 8, 3), optional
        Corner points of the images, moved with them.
    """
    element = jax.random.randint(key, (images.shape[0],), 0, 8)
    moved = None if points is None else turned(points, element, images.shape[1])
    return apply_symmetry(images, element), moved
