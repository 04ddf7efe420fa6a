"""Other people's ways to a noisy image: clip, filtered noise, blur, random generator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

import peers_thickness
from stemfast import reference

Float = NDArray[np.float64]
Images = NDArray[np.uint16]


class SpectralFilm:
    """Rough films the usual way: white noise times the root of the density, one real FFT back.

    The noise is drawn where it is filtered, which saves the FFT there. The field is periodic; a
    wider one, cut, would cost four times as much. All in single precision.
    """

    def __init__(
        self, size: int, pixel: float, mean: float, rms: float, correlation: float, hurst: float
    ) -> None:
        qy = 2 * np.pi * fft.fftfreq(size, pixel)[:, None]
        qx = 2 * np.pi * fft.rfftfreq(size, pixel)
        density = reference.roughness_density(np.hypot(qy, qx), rms, correlation, hurst)
        self.root = (np.sqrt(density) * size / pixel / np.sqrt(2)).astype(np.float32)
        self.size, self.mean = size, np.float32(mean)

    def __call__(self, rng: np.random.Generator) -> NDArray[np.float32]:
        noise = rng.standard_normal((*self.root.shape, 2), np.float32).view(np.complex64)[..., 0]
        noise *= self.root
        field = fft.irfft2(noise, (self.size, self.size), workers=1, overwrite_x=True)
        field += self.mean
        return field


class SmoothFilm:
    """A film of one thickness, made once."""

    def __init__(self, size: int, mean: float) -> None:
        self.depth = np.full((size, size), mean, np.float32)

    def __call__(self, rng: np.random.Generator) -> NDArray[np.float32]:
        return self.depth


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
    curve: tuple[float, ...],
    film: Callable[[np.random.Generator], NDArray[np.float32]],
    electrons: float,
    sigma: float,
    blur: Callable[[NDArray[np.float32], float], NDArray[np.float32]],
    count: Callable[[np.random.Generator, NDArray[np.float32]], NDArray],
    out: Images,
    rng: np.random.Generator,
) -> None:
    """Numba's thickness, a film in mean free paths, NumPy's contrast, a blur, counts.

    The contrast's curve is that of `stemfast.scattering.ScatteringCurve` below its limit.
    """
    c1, c2, c3 = (np.float32(c) for c in curve[:3])
    limit = np.float32(curve[3])
    thickness = np.empty(out.shape, np.float32)
    peers_thickness.numba_clip(planes, vertices, matrices, pixel, thickness)
    for i in range(len(out)):
        depth = thickness[i] * np.float32(inverse_path) + film(rng)
        assert depth.max() < limit
        bent = depth + depth * depth * (c1 + depth * (c2 + depth * c3))
        expected = blur(np.float32(electrons) * -np.expm1(-bent), sigma)
        out[i] = np.minimum(count(rng, expected), 65535)
