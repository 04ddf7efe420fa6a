"""Images that show no sample: diffraction patterns, Fourier transforms, pages of text.

Both of the first are the same seen from the other side: turned by 180° about the middle. A Fourier
transform of a real image is so to the last grain (Hermitian symmetry), a diffraction pattern in its
spots (Friedel's law). Images of a sample are not, unless they show one particle in the middle; that
has no grain in common with itself turned, and no spots around it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from stemfast.finding.artefacts.burnt_in import BurntIn

__all__ = ["is_no_sample"]

Floats = NDArray[np.float64]

_GRAIN = 0.6
_MOST_PX = 1024
_LEAST_SPOTS, _MOST_SPOTS, _PAIRED, _SURPLUS = 8, 400, 0.75, 0.4
_ROUND, _LEAST_RINGS = 0.9, 2
_MANY_LETTERS, _SOME_LETTERS, _PAPER = 60, 20, 0.5


def is_no_sample(image: NDArray[np.float32], drawn: BurntIn) -> str:
    """Name of an image that shows no sample, or "" for one that does.

    Parameters
    ----------
    image : ndarray of float32, shape (rows, columns)
    drawn : BurntIn
        Graphics that were found in it.

    Returns
    -------
    str
        "a Fourier transform", "a diffraction pattern", "a page of text" or "".

    Examples
    --------
    >>> from stemfast.finding.artefacts.burnt_in import find_burnt_in
    >>> noise = np.random.default_rng(1).normal(size=(64, 64))
    >>> power = np.fft.fftshift(np.abs(np.fft.fft2(noise))).astype(np.float32)
    >>> is_no_sample(power, find_burnt_in(power))
    'a Fourier transform'
    """
    if _is_text(image, drawn):
        return "a page of text"
    if _grain_agrees(image):
        return "a Fourier transform"
    if _spots_agree(image) or _rings_agree(image):
        return "a diffraction pattern"
    return ""


def _is_text(image: NDArray[np.float32], drawn: BurntIn) -> bool:
    if drawn.letters < _SOME_LETTERS:
        return False
    extreme = max(float(np.mean(image == image.min())), float(np.mean(image == image.max())))
    return drawn.letters >= _MANY_LETTERS or extreme > _PAPER


def _grain_agrees(image: NDArray[np.float32]) -> bool:
    """True if the grain of the image is the same turned by 180°."""
    middle = tuple(slice(max(0, (n - _MOST_PX) // 2), (n + _MOST_PX) // 2) for n in image.shape)
    if any(n > _MOST_PX and n % 2 != _MOST_PX % 2 for n in image.shape):
        middle = tuple(slice(None) for _ in image.shape)
    part = image[middle].astype(np.float64)
    if part.min() >= 0:
        part = np.log(part + 1e-3 * max(float(part.mean()), 1e-30))
    grain = part[1:-1, 1:-1] - 0.25 * (
        part[:-2, 1:-1] + part[2:, 1:-1] + part[1:-1, :-2] + part[1:-1, 2:]
    )
    grain = grain - grain.mean()
    power = float(np.sum(grain * grain))
    if power <= 0:
        return False
    # Of an even number of pixels, a transform's middle lies half a pixel off that of the image.
    inner = grain[1:, 1:] if grain.shape[0] % 2 == 0 else grain
    pairs = ((grain, grain[::-1, ::-1]), (inner, inner[::-1, ::-1]))
    return any(
        float(np.sum(a * b)) > _GRAIN * math.sqrt(float(np.sum(a * a)) * float(np.sum(b * b)))
        and _spread(a) > 0.2
        for a, b in pairs
    )


def _spread(grain: Floats) -> float:
    """Share of the pixels that hold most of the grain: small where it is one thing's edge."""
    strength = np.sort(np.abs(grain).ravel())[::-1] ** 2
    total = np.cumsum(strength)
    return float(np.searchsorted(total, 0.9 * total[-1])) / strength.size


def _small(image: NDArray[np.float32]) -> Floats:
    """The image with pixels joined to about 512 a side."""
    step = max(1, max(image.shape) // 512)
    rows, cols = (n // step for n in image.shape)
    cut = image[: rows * step, : cols * step]
    return np.asarray(cut.reshape(rows, step, cols, step).mean(axis=(1, 3), dtype=np.float64))


def _summit(smooth: Floats) -> Floats | None:
    """The brightest place, if it is about the middle of the image."""
    summit = np.array(np.unravel_index(int(np.argmax(smooth)), smooth.shape), np.float64)
    middle = 0.5 * (np.array(smooth.shape) - 1.0)
    near = np.hypot(*(summit - middle)) < 0.12 * min(smooth.shape)
    return summit if near else None


def _rings_agree(image: NDArray[np.float32]) -> bool:
    """True if the image is rings around a bright middle and nothing else."""
    from scipy import ndimage

    small = _small(image)
    smooth = ndimage.gaussian_filter(small, 1.2)
    summit = _summit(smooth)
    if summit is None:
        return False
    rows, cols = np.indices(smooth.shape)
    radius = np.hypot(rows - summit[0], cols - summit[1])
    reach = int(0.45 * min(smooth.shape))
    ring = np.minimum(np.rint(radius).astype(np.int64), reach)
    values = np.log(np.maximum(smooth - smooth.min(), 0.0) + 1e-3 * float(np.ptp(smooth)))
    count = np.bincount(ring.ravel())
    profile = np.bincount(ring.ravel(), values.ravel()) / np.maximum(count, 1)
    use = ring < reach
    explained = 1.0 - float(np.var((values - profile[ring])[use])) / float(np.var(values[use]))
    if explained < _ROUND:
        return False
    # Rings stand out of a profile that falls steadily.
    from scipy.signal import find_peaks

    spread = np.sqrt(
        np.bincount(ring.ravel(), (values - profile[ring]).ravel() ** 2) / np.maximum(count, 1)
    )
    error = float(np.median(spread / np.sqrt(np.maximum(count, 1))))
    first = int(0.04 * min(smooth.shape))
    falling = ndimage.minimum_filter1d(profile, 2 * first + 1)
    peaks, _ = find_peaks((profile - falling)[first:reach], prominence=max(10.0 * error, 0.1))
    return len(peaks) >= _LEAST_RINGS


def _spots_agree(image: NDArray[np.float32]) -> bool:
    """True if the image has a bright middle and spots that come in opposite pairs."""
    from scipy import ndimage

    small = _small(image)
    smooth = ndimage.gaussian_filter(small, 1.2)
    noise = float(np.std(small - smooth)) + 1e-30
    summit = _summit(smooth)
    if summit is None:
        return False
    around = ndimage.gaussian_filter(smooth, 6.0)
    high = (smooth == ndimage.maximum_filter(smooth, 7)) & (smooth - around > 1.5 * noise)
    spots = np.argwhere(high).astype(np.float64)
    values = (smooth - around)[high]
    far = np.hypot(*(spots - summit).T) > 0.06 * min(smooth.shape)
    spots, values = spots[far], values[far]
    spots = spots[np.argsort(-values)][:_MOST_SPOTS]
    if len(spots) < _LEAST_SPOTS:
        return False
    # The middle is that of the spots' pairs, close to the summit.
    partners = 2.0 * summit - spots
    inside = np.all((partners >= 0) & (partners < np.array(smooth.shape)), axis=1)
    if np.count_nonzero(inside) < _LEAST_SPOTS:
        return False
    from scipy.spatial import cKDTree

    reach = 3.0
    distance, _ = cKDTree(spots).query(partners[inside])
    paired = float(np.mean(distance < reach))
    by_chance = 1.0 - math.exp(-len(spots) * math.pi * reach**2 / smooth.size)
    return paired > _PAIRED and paired - by_chance > _SURPLUS
