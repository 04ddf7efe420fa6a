"""Other people's ways from the same thickness to a noisy image: clip, blur, random generator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

import peers_thickness

Float = NDArray[np.float64]
Images = NDArray[np.uint16]


def opencv_blur(image: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    import cv2

    cv2.setNumThreads(1)
    size = 2 * int(4 * sigma + 0.5) + 1
    return cv2.GaussianBlur(image, (size, size), sigma, borderType=cv2.BORDER_REPLICATE)


def scipy_blur(image: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    return ndimage.gaussian_filter(image, sigma, mode="nearest")


def poisson_counts(rng: np.random.Generator, mean: NDArray[np.float32]) -> NDArray[np.int64]:
    return rng.poisson(mean)


def normal_counts(rng: np.random.Generator, mean: NDArray[np.float32]) -> NDArray[np.float32]:
    """Not exact: the normal distribution of the same mean and variance."""
    noise = rng.standard_normal(mean.shape, np.float32)
    return np.rint(np.maximum(mean + np.sqrt(mean) * noise, 0))


def chain(
    planes: Float,
    vertices: Float,
    matrices: Float,
    pixel: float,
    *,
    inverse_path: float,
    film_depth: NDArray[np.float32],
    electrons: float,
    sigma: float,
    blur: Callable[[NDArray[np.float32], float], NDArray[np.float32]],
    count: Callable[[np.random.Generator, NDArray[np.float32]], NDArray],
    out: Images,
    rng: np.random.Generator,
) -> None:
    """Numba's thickness, NumPy's contrast, a blur, counts; film_depth is given, ready-made."""
    thickness = np.empty(out.shape, np.float32)
    peers_thickness.numba_clip(planes, vertices, matrices, pixel, thickness)
    for i in range(len(out)):
        depth = thickness[i] * np.float32(inverse_path) + film_depth
        expected = blur(np.float32(electrons) * -np.expm1(-depth), sigma)
        out[i] = np.minimum(count(rng, expected), 65535)
