"""Arrays of images in, class probabilities out, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from numpy.typing import ArrayLike, NDArray

from stemfast.models.classifier import Classifier

__all__ = ["batches", "check_images", "compiled", "logits", "posed", "probabilities", "softmax"]

Answer = TypeVar("Answer")

_FEW, _MANY = 32, 256


def compiled(read: Callable[..., Answer]) -> Callable[..., Answer]:
    """Function of a network and arrays as a compiled program, for networks that stay as they are.

    :func:`flax.nnx.jit` gives back a copy of all weights, and compiles anew where a network has
    more parts, even if they are not used.

    Parameters
    ----------
    read : callable
        read(network, ...) → arrays.

    Examples
    --------
    >>> layer = nnx.Linear(2, 3, rngs=nnx.Rngs(0))
    >>> compiled(lambda network, x: network(x))(layer, jnp.ones((5, 2))).shape
    (5, 3)
    """

    def run(graph: Any, state: Any, *arrays: Any) -> Answer:
        return read(nnx.merge(graph, state), *arrays)

    run.__name__ = read.__name__
    program = jax.jit(run, static_argnums=0)

    @wraps(read)
    def asked(network: nnx.Module, *arrays: Any) -> Answer:
        answer: Answer = program(*nnx.split(network), *arrays)
        return answer

    return asked


def check_images(images: ArrayLike, image_shape: tuple[int, int]) -> NDArray[np.number]:
    """Refuse images that the network cannot read; return them as an array, not copied.

    Parameters
    ----------
    images : array_like, (N, H, W)
        Real numbers in any unit.
    image_shape : tuple of int
        The (H, W) [px] that the network expects.

    Raises
    ------
    ValueError
        On another shape, on NaN or infinity, and on an image that is constant, which holds no
        particle.
    TypeError
        If the numbers are not real.
    """
    array = np.asarray(images)
    if not (np.issubdtype(array.dtype, np.integer) or np.issubdtype(array.dtype, np.floating)):
        raise TypeError(f"images has dtype {array.dtype}, expected real numbers")
    if array.ndim != 3 or array.shape[1:] != tuple(image_shape):
        raise ValueError(
            f"images has shape {array.shape}, expected (N, {image_shape[0]}, {image_shape[1]})"
        )
    for index, image in enumerate(array):
        low, high = image.min(), image.max()  # a NaN anywhere comes out of both
        if not (np.isfinite(low) and np.isfinite(high)):
            raise ValueError(f"images[{index}] holds NaN or infinity, expected finite numbers")
        if low == high:
            raise ValueError(
                f"images[{index}] is {low} everywhere, expected an image with some contrast"
            )
    return array


def posed(images: NDArray[np.float32], poses: int) -> Iterator[NDArray[np.float32]]:
    """Images (N, H, W) in the first orientations of eight.

    As they are, turned by a half, mirrored up and down, mirrored left and right; then the same
    transposed, which square images can be.

    Parameters
    ----------
    images : (N, H, W) float32
    poses : int
        1 … 8.

    Examples
    --------
    >>> [image[0].tolist() for image in posed(np.float32([[[1, 2], [3, 4]]]), 3)]
    [[[1.0, 2.0], [3.0, 4.0]], [[4.0, 3.0], [2.0, 1.0]], [[3.0, 4.0], [1.0, 2.0]]]
    """
    for base in (images, images.transpose(0, 2, 1))[: 1 + (poses > 4)]:
        for down, along in ((1, 1), (-1, -1), (-1, 1), (1, -1))[:poses]:
            yield base[:, ::down, ::along]


def batches(
    images: NDArray[np.number], poses: int, batch_size: int | None = None
) -> Iterator[tuple[slice, int, jax.Array]]:
    """Batches for one compiled program, each in every orientation.

    Parameters
    ----------
    images : (N, H, W) array
    poses : int
        Orientations, as for :func:`posed`.
    batch_size : int, optional
        Images at once; by default 32 for some ten or hundred images, 256 for more: two sizes, as
        each is a program to compile.

    Yields
    ------
    own : slice
        Images that the batch begins with. The last one is filled up.
    pose : int
        Number of the orientation, from 0.
    batch : (batch_size, H, W, 1) float32
    """
    size = batch_size or (_FEW if len(images) <= 4 * _FEW else _MANY)
    for start in range(0, len(images), size):
        part = np.asarray(images[start : start + size], dtype=np.float32)
        for number, pose in enumerate(posed(part, poses)):
            filled = np.zeros((size, *images.shape[1:], 1), np.float32)
            filled[: len(part), ..., 0] = pose
            yield slice(start, start + len(part)), number, jnp.asarray(filled)


@compiled
def _forward(model: Classifier, batch: jax.Array) -> jax.Array:
    return model(batch)


def logits(
    model: Classifier, images: ArrayLike, *, poses: int | None = None, batch_size: int | None = None
) -> NDArray[np.float32]:
    """Logits of every image, the mean over the orientations that the network reads.

    Parameters
    ----------
    model : Classifier
        The network.
    images : array_like, (N, H, W)
        Images of the shape the network was made for, in any unit.
    poses : int, optional
        Orientations to read; by default as many as the network's ``config.poses``.
    batch_size : int, optional
        Images computed at once, as for :func:`batches`; the answer does not depend on it.

    Returns
    -------
    ndarray, (N, n_classes) float32

    Raises
    ------
    ValueError, TypeError
        As :func:`check_images`; also if `batch_size` is below 1.
    """
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}, expected at least 1")
    array = check_images(images, model.config.image_shape)
    poses = model.config.poses if poses is None else poses
    out = np.zeros((len(array), model.config.n_classes), dtype=np.float32)
    for own, _, batch in batches(array, poses, batch_size):
        out[own] += np.asarray(_forward(model, batch))[: own.stop - own.start]
    out /= np.float32(poses)
    return out


def probabilities(
    model: Classifier,
    images: ArrayLike,
    *,
    temperature: float = 1.0,
    batch_size: int | None = None,
) -> NDArray[np.float64]:
    """Class probabilities of every image: softmax(logits / temperature).

    Parameters
    ----------
    model : Classifier
        The network.
    images : array_like, (N, H, W)
        Images of the shape the network was made for, in any unit.
    temperature : float
        Positive number that calibrates the network (Guo et al. 2017, arXiv:1706.04599).
    batch_size : int, optional
        Images computed at once.

    Returns
    -------
    ndarray, (N, n_classes) float64
        Each row sums to 1.

    Raises
    ------
    ValueError, TypeError
        As :func:`logits`; also if `temperature` is not a positive finite number.
    """
    if not (np.isfinite(temperature) and temperature > 0):
        raise ValueError(f"temperature is {temperature}, expected a positive finite number")
    return softmax(logits(model, images, batch_size=batch_size), temperature)


def softmax(table: ArrayLike, temperature: float = 1.0) -> NDArray[np.float64]:
    """Probabilities (N, C) of logits (N, C) divided by a temperature; each row sums to 1.

    Examples
    --------
    >>> softmax([[0.0, 0.0]])
    array([[0.5, 0.5]])
    """
    scaled = np.asarray(table, np.float64) / temperature
    weights = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
