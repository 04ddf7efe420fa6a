"""Range of the particles' sizes: the diameters that 10, 50 and 90 % of them are below."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfast.finding.found import Found
from stemfast.matching.estimate import Estimate, told, untold

__all__ = ["UNSEEN_SPREAD", "SizeRange", "range_of", "size_range"]

Floats = NDArray[np.float64]

_SHARES = (0.1, 0.5, 0.9)
_DRAWS, _SEED = 200, 20
_FEWEST_FOR_RANGE = 5
_DRAWN_PX = 0.3  # an outline's place, the same for all particles of an image
# The same as a share of the diameter: of particles that stand alone, more of those that touch or
# overlap, and of dark ones. From simulated fields.
_ALONE, _CROWDED, _DARK = 0.06, 0.25, 0.05
_MOST_ERROR = 0.2  # of the ends of a range
#: Of a population of which a few are seen, as a share of what is measured of them.
UNSEEN_SPREAD = 0.3


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

    Errors are those of the bootstrap and of where outlines are drawn. An end of the range whose
    error is above a fifth of it is not told.

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
    crowded = float(np.mean([one.overlapped for one in found]))
    share = _ALONE + _CROWDED * crowded + (_DARK if found.contrast == "dark" else 0.0)
    diameters, weights = people.diameters, people.weights
    if people.count < _FEWEST_FOR_RANGE:
        own = np.array([scale * one.equivalent_diameter_sd for one in found if not one.on_border])
        # One particle, or three alike, say little of how wide the others are.
        spread = max(people.sd if people.count > 1 else 0.0, UNSEEN_SPREAD * people.median)
        error = math.hypot(
            float(own.mean()),
            spread / math.sqrt(people.count),
            scale * _DRAWN_PX,
            share * people.median,
        )
        word = "particle" if people.count == 1 else "particles"
        no = untold(f"only {people.count} whole {word}", unit)
        return SizeRange(no, told(people.median, error, unit), no)
    draws = np.random.default_rng(_SEED)
    picks = draws.integers(0, people.count, (_DRAWS, people.count))
    drawn = np.array([range_of(diameters[pick], weights[pick]) for pick in picks])
    value = range_of(diameters, weights)
    errors = np.sqrt(drawn.var(axis=0) + (scale * _DRAWN_PX) ** 2 + (share * value) ** 2)
    low, median, high = (told(v, e, unit) for v, e in zip(value, errors, strict=True))
    return SizeRange(_end(low), median, _end(high))


def _end(one: Estimate) -> Estimate:
    """One end of the range, if it is known well enough."""
    if one.spread <= _MOST_ERROR * one.number:
        return one
    return untold(f"the particles are too few or too crowded: about {one}", one.unit)


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
