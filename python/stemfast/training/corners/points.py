"""Places of the corners of simulated cuboids in their images, an auxiliary target.

A label says how many corners are deformed, but not which of the edges in the image say so; a
network that has only labels stays at chance for tens of thousands of images before it finds
out. The simulator knows where every corner is. Told that as well, the network learns to count
from an order of magnitude fewer images; to classify, it still needs the image alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from stemfast.symmetry import CORNER_SIGNS

__all__ = ["COLUMNS", "corner_points", "point_loss"]

CORNERS = 8
#: What a recipe must have drawn for its corners to be known.
COLUMNS = ("edges_nm", "corner_mask", "orientation_xyzw", "position_nm")


def corner_points(
    columns: Mapping[str, NDArray[Any]], *, image_px: int, pixel_size_nm: float
) -> NDArray[np.float32]:
    """Places of the eight corners in each image.

    A deformed corner is where the corner of the whole cuboid would be; that of a particle that
    turns, where it is at mid-scan.

    Parameters
    ----------
    columns : mapping of str to ndarray
        Columns of a batch of a recipe of cuboids with single images.
    image_px : int
        Side of the square images [px].
    pixel_size_nm : float
        Distance between pixels [nm].

    Returns
    -------
    ndarray, (N, 8, 3) float32
        Row and column [px], 0 at the centre of the first pixel, and 1 if deformed or else 0.

    Raises
    ------
    ValueError
        If a column is missing.
    """
    missing = [name for name in COLUMNS if name not in columns]
    if missing:
        raise ValueError(
            f"the recipe draws no {', '.join(missing)}: it has no corners to learn from, "
            "expected corner_weight=0"
        )
    from scipy.spatial.transform import Rotation

    edges, masks = np.asarray(columns["edges_nm"]), np.asarray(columns["corner_mask"])
    turns = Rotation.from_quat(columns["orientation_xyzw"]).as_matrix()
    corners = 0.5 * CORNER_SIGNS * edges[:, None]
    placed = np.einsum("nij,nkj->nki", turns, corners) + columns["position_nm"][:, None]
    yx = placed[..., 1::-1] / pixel_size_nm + (image_px - 1) / 2
    deformed = np.unpackbits(masks.astype(np.uint8)[:, None], axis=1, bitorder="little")
    return np.concatenate([yx, deformed[..., None]], axis=2).astype(np.float32)


def point_loss(corners: jax.Array, points: jax.Array, size: int, padded: int) -> jax.Array:
    """Mean surprise of a map at the true corners [nats per corner].

    The map is the intensity λ of an inhomogeneous Poisson process, one for whole and one for
    deformed corners; its negative log-likelihood is Σ λ(cell) − Σ log λ(corner)
    (Daley & Vere-Jones 2003, "An Introduction to the Theory of Point Processes", eq. 7.1.2), the
    logarithm interpolated between the four nearest cells.

    Parameters
    ----------
    corners : jax.Array, (B, h, w, 2)
        Expected corners in each cell.
    points : jax.Array, (B, 8, 3)
        True corners.
    size, padded : int
        Side of the images, and side after the network's own margin, which the cells divide [px].

    Returns
    -------
    jax.Array, ()
    """
    _, height, width, _ = corners.shape
    margin = (padded - size) // 2

    def weights(at: jax.Array, cells: int) -> jax.Array:
        cell = (at + margin + 0.5) * (cells / padded) - 0.5
        cell = jnp.clip(cell, 0.0, cells - 1.0)
        return jnp.maximum(0.0, 1.0 - jnp.abs(cell[..., None] - jnp.arange(cells)))

    kinds = jnp.stack([1.0 - points[..., 2], points[..., 2]], axis=-1)
    truth = jnp.einsum(
        "bni,bnj,bnk->bijk", weights(points[..., 0], height), weights(points[..., 1], width), kinds
    )
    surprise = jnp.sum(corners - truth * jnp.log(corners), axis=(1, 2, 3))
    return jnp.mean(surprise) / CORNERS
