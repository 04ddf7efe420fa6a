"""Specks: small detections must stand out of the image's structure, or be surer than others."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast import _core
from stemfast.finding.network.star import Stars

__all__ = ["of_a_size", "stands_out"]

Map: TypeAlias = NDArray[np.float32]

_RADIUS_PX = 6.0  # of what counts as a speck
_LEAST = 3.0  # standard deviations
_MAD_TO_SIGMA = 1.4826
_PER_RADIUS = 1.5
_SAMPLES = 1 << 19
_STRIP_PX = 1024
#: Octaves below the typical diameter from which on a detection needs more score, and how much more.
_OCTAVES, _MORE = 2.0, 0.1
_WEIGHT = 0.75  # power of the area


def stands_out(image: Map, stars: Stars, sign: float = 1.0) -> NDArray[np.bool_]:
    """True for outlines that are no specks, or stand out by three standard deviations.

    The image is filtered by a difference of two Gaussians of each speck's scale; the standard
    deviation is that of the filtered image, from the median of its absolute values, so that
    particles count little.

    Parameters
    ----------
    image : (rows, columns) float32
    stars : Stars
    sign : float
        1 where particles are bright, −1 where they are dark.

    Returns
    -------
    (n,) bool
    """
    radius = np.sqrt(stars.area / np.pi)
    result = radius >= _RADIUS_PX
    # Scales half an octave apart.
    step = np.round(2.0 * np.log2(np.maximum(radius, 1.0) / _PER_RADIUS))
    for own in np.unique(step[~result]).tolist():
        rows = np.flatnonzero(~result & (step == own))
        place = np.round(stars.centre[rows]).astype(np.int64)
        np.clip(place, 0, np.array(image.shape) - 1, out=place)
        value, sample = _filtered(image, sign, max(0.7, 2.0 ** (0.5 * own)), place)
        middle = float(np.median(sample))
        sigma = _MAD_TO_SIGMA * float(np.median(np.abs(sample - middle)))
        result[rows] = value - middle > _LEAST * sigma
    return result


def _filtered(image: Map, sign: float, scale: float, place: NDArray[np.int64]) -> tuple[Map, Map]:
    """Difference of two Gaussians at some pixels (n, 2), and at every few pixels of the image.

    Strip by strip: an image of 8192² px is a quarter of a gigabyte.
    """
    narrow, wide = 0.7 * scale, 1.6 * scale
    reach = math.ceil(4.0 * wide) + 1
    every = int(np.sqrt(max(1, image.size // _SAMPLES)))
    value, samples = np.empty(len(place), np.float32), []
    for first in range(0, len(image), _STRIP_PX):
        last, top = min(first + _STRIP_PX, len(image)), max(0, first - reach)
        strip = np.float32(sign) * image[top : last + reach]
        band = _core.blur(strip, narrow, n_threads=0)
        band -= _core.blur(strip, wide, n_threads=0)
        samples.append(band[first - top + -first % every : last - top : every, ::every])
        here = (place[:, 0] >= first) & (place[:, 0] < last)
        value[here] = band[place[here, 0] - top, place[here, 1]]
    return value, np.concatenate(samples)


def of_a_size(stars: Stars, least: float) -> NDArray[np.bool_]:
    """True for outlines whose score is high enough for their size beside that of the others.

    Texture inside large bodies looks like particles some octaves smaller than they are, while the
    particles of a sample rarely spread so far. The typical diameter is that which half of the
    detections' weight lies below, their scores times the diameter to the power of 1.5: between
    numbers, by which specks would outvote a body, and areas, by which some pieces of a support
    would outvote thousands of particles on them. From a quarter of it on, each octave less asks
    for 0.1 more of the score.

    Parameters
    ----------
    stars : Stars
    least : float
        Score that is enough for the others.

    Returns
    -------
    (n,) bool
    """
    if len(stars.area) == 0:
        return np.zeros(0, np.bool_)
    order = np.argsort(stars.area, kind="stable")
    weight = np.cumsum((stars.score * stars.area**_WEIGHT)[order])
    typical = stars.area[order][np.searchsorted(weight, 0.5 * weight[-1])]
    octaves = 0.5 * np.log2(typical / np.maximum(stars.area, 1e-3))
    return np.asarray(stars.score >= least + _MORE * np.maximum(octaves - _OCTAVES, 0.0))
