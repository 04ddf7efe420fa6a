"""Normalisation of HAADF images for a backbone made for photographs.

A HAADF image has one channel, any gain and offset, and usually 16 bits. Each image is given mean 0
and spread 1 on its own, then the mean and spread that photographs have in the data set the
backbone was trained on, so that its first layer works where it was trained to work. Nothing is
clipped: gold on a thin film may be brighter than white, and where it is brightest it is thickest.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

__all__ = ["PHOTOGRAPH_MEAN", "PHOTOGRAPH_SPREAD", "VERSION", "normalised", "resample"]

#: Part of the key of stored features: raise it when anything here changes their values.
VERSION = 1

#: Mean and standard deviation of ImageNet's pixels over images and channels, white = 1: the means
#: of the per-channel figures (0.485, 0.456, 0.406) and (0.229, 0.224, 0.225) in common use.
PHOTOGRAPH_MEAN = 0.449
PHOTOGRAPH_SPREAD = 0.226


def normalised(images: NDArray[np.number]) -> NDArray[np.float32]:
    """Each image minus its mean, divided by its standard deviation.

    Parameters
    ----------
    images : ndarray, (N, H, W)
        Real numbers in any unit, none of them constant.

    Returns
    -------
    ndarray, (N, H, W) float32

    Examples
    --------
    >>> normalised(np.array([[[1, 3], [1, 3]]])).tolist()
    [[[-1.0, 1.0], [-1.0, 1.0]]]
    """
    numbers = np.asarray(images, dtype=np.float64)
    centred = numbers - numbers.mean(axis=(1, 2), keepdims=True)
    return np.asarray(centred / centred.std(axis=(1, 2), keepdims=True), dtype=np.float32)


def resample(images: jax.Array, shape: tuple[int, int]) -> jax.Array:
    """Images at another number of pixels: cubic, and without aliasing where they shrink.

    Parameters
    ----------
    images : jax.Array, (N, H, W)
        Any images.
    shape : tuple of int
        Rows and columns of the result [px].

    Returns
    -------
    jax.Array, (N, *shape)

    Examples
    --------
    >>> resample(jnp.ones((1, 4, 4)), (2, 2)).tolist()
    [[[1.0, 1.0], [1.0, 1.0]]]
    """
    if images.shape[1:] == shape:
        return images
    return jnp.asarray(
        jax.image.resize(images, (images.shape[0], *shape), method="cubic", antialias=True)
    )
