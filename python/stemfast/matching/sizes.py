"""Range of the particles' sizes: the diameters that 10, 50 and 90 % of them are below."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfast.finding.found import Found
from stemfast.matching.estimate import Estimate, told, untold

__all__ = ["SizeRange", "range_of", "size_range"]

Floats = NDArray[np.float64]

_SHARES = (0.1, 0.5, 0.9)
_DRAWS, _SEED = 200, 20
_FEWEST_FOR_RANGE = 5
_DRAWN_PX = 0.3  # an outline's place, the same for all particles of an image


@dataclass(frozen=True)
class SizeRange:
    """Diameters of the discs of the particles' areas, [px] or [nm].

    Attributes
    ----------
    low, median, high : Estimate
        What 10, 50 and 90 % of the particles are smaller than.
    """

    low: Estimate
    median: Estimate
    high: Estimate


def size_range(found: Found) -> SizeRange:
    """Range of the diameters of whole particles, with weights for those that the border cuts.

    Errors are those of the bootstrap and of where outlines are drawn.

    Parameters
    ----------
    found : Found

    Returns
    -------
    SizeRange
        In nm where the scale is known, else in px.

    Examples
    --------
    >>> import stemfast as sf
    >>> rows, cols = np.indices((96, 96))
    >>> image = 10.0 + 40.0 * (np.hypot(rows - 40, cols - 50) < 12)
    >>> sizes = size_range(sf.find(image, pixel_size_nm=0.5, method="classical"))
    >>> round(sizes.median.value), sizes.low.known
    (12, False)
    """
    people = found.sizes
    unit = people.unit
    scale = found.pixel_size_nm or 1.0
    if not people.count:
        why = "no particle was found" if not len(found) else "every particle touches the border"
        no = untold(why, unit)
        return SizeRange(no, no, no)
    place = scale * _DRAWN_PX
    diameters, weights = people.diameters, people.weights
    if people.count < _FEWEST_FOR_RANGE:
        own = np.array([scale * one.equivalent_diameter_sd for one in found if not one.on_border])
        spread = people.sd if people.count > 1 else 0.0
        error = math.hypot(float(own.mean()), spread / math.sqrt(people.count), place)
        word = "particle" if people.count == 1 else "particles"
        no = untold(f"only {people.count} whole {word}", unit)
        return SizeRange(no, told(people.median, error, unit), no)
    draws = np.random.default_rng(_SEED)
    picks = draws.integers(0, people.count, (_DRAWS, people.count))
    drawn = np.array([range_of(diameters[pick], weights[pick]) for pick in picks])
    value = range_of(diameters, weights)
    errors = np.hypot(drawn.std(axis=0), place)
    return SizeRange(*(told(v, e, unit) for v, e in zip(value, errors, strict=True)))


def range_of(values: Floats, weights: Floats) -> Floats:
    """Values (3,) that 10, 50 and 90 % of the weights stay below.

    Examples
    --------
    >>> range_of(np.array([3.0, 1.0, 2.0]), np.ones(3))
    array([1., 2., 3.])
    """
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    middle = (total - 0.5 * weights[order]) / total[-1]
    return np.asarray(np.interp(_SHARES, middle, values[order]), np.float64)
