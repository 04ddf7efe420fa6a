"""The profiles across sides in NumPy: the slow reference of the core's `edge_profile.hpp`.

`stemfast/finding/outline/profile.py` has the model.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfast.finding.outline.profile import Place
from stemfast.micrograph.isolate import Isolated

Floats = NDArray[np.float64]

_END_SHARE, _MOST_END_PX = 0.2, 3.0

#: How far a profile reaches outwards and inwards in an image of a sharp probe [px].
OUTSIDE_PX, INSIDE_PX = 4.0, 5.0
#: Least Gaussian width of the blur [px].
SHARPEST_PX = 0.3
_BIN_PX = 0.5
_STEP_PX = 0.1
_SHIFTS = np.arange(-30, 31)  # in steps
_BENDS = np.array([1, 3, 5, 8, 12, 17, 23, 30])  # d₁ − d₀ in steps
_MIN_BINS = 6
# A convex particle rises from its outline to its summit: less than this share of the mean slope is
# a tail of the probe or a shell, not its edge.
_LEAST_SLOPE = 0.35
_UNKNOWN_PX, _LEAST_OUTSIDE_PX = 1.0, 1.0
_EVEN = 0.8  # of the brightness, from which a particle is as thick at a face as in its middle
# Prior weight of an edge that bends, all bends together, over one that does not; of an ellipsoid's.
_BENT, _ROUND = 0.05, 1.0
_LEAST_NOISE = 1e-3  # of the brightness


def place_of(
    d: Floats,
    values: Floats,
    blur_px: float,
    isolated: Isolated,
    depth: float,
    *,
    round_: bool = False,
) -> Place:
    """The place d₀ of a side, from pixels at the distances d inwards of where it was drawn [px].

    `depth` is the distance from there to the particle's middle.
    """
    wide = max(1.0, blur_px)
    seen = profile_of(d, values, isolated, depth, wide, round_=round_)
    if seen is None or seen.at[0] > -_LEAST_OUTSIDE_PX:
        # Along the image's edge nothing is seen outside.
        return Place(0.0, _UNKNOWN_PX, 0.0, _UNKNOWN_PX, 0.0)
    explained, prior, even = gains(seen, max(blur_px, SHARPEST_PX))
    best = float(explained.max())
    soft = 2.0 * seen.softness(best)
    likely = np.exp((explained - best) / soft)
    steep = np.exp((even - best) / soft)
    shifts = np.asarray(seen.step * _SHIFTS, np.float64)
    return Place(
        *_mean(likely @ prior, shifts, seen.step),
        *_mean(steep, shifts, seen.step),
        math.log(max(float(steep.sum() / (likely @ prior).sum()), 1e-30)),
    )


def _mean(weight: Floats, shifts: Floats, step: float) -> tuple[float, float]:
    """Mean and standard deviation of a place."""
    chance = weight / max(float(weight.sum()), 1e-300)
    shift = float(chance @ shifts)
    return shift, math.sqrt(float(chance @ (shifts - shift) ** 2) + step**2 / 12.0)


@dataclass(frozen=True, eq=False)
class Profile:
    """Brightness across a side.

    Distance inwards and mean of each bin, its weight (pixels over variance), the steps in which
    places are tried, the distance to the middle, the particle's brightness, the least slope of an
    edge, and whether it is that of a round rim.
    """

    at: Floats
    mean: Floats
    weight: Floats
    step: float
    depth: float
    bright: float
    least: float
    round_: bool

    @property
    def total(self) -> float:
        """Chi squared of nothing at all."""
        return float(self.weight @ (self.mean * self.mean))

    def softness(self, best: float) -> float:
        """Reduced chi squared of the best model, at least 1: by so much all is less sure."""
        return max(max(self.total - best, 0.0) / max(len(self.at) - 4, 1), 1.0)


def profile_of(
    d: Floats, values: Floats, isolated: Isolated, depth: float, wide: float, *, round_: bool
) -> Profile | None:
    """Profile of pixels at the distances d inwards of a side [px]; None of too few.

    `depth` is the distance from there to the particle's middle, `wide` how far to look, in units
    of a sharp image's.
    """
    inside = max(INSIDE_PX * wide, 0.5 * depth) if round_ else INSIDE_PX * wide
    binned = _binned(d, values, -OUTSIDE_PX * wide - wide, inside)
    if binned is None:
        return None
    at, mean, count = binned
    return Profile(
        at=at,
        mean=mean,
        weight=count / _variance(mean, isolated),
        step=_STEP_PX * wide,
        depth=depth,
        bright=isolated.bright,
        least=_LEAST_SLOPE * isolated.bright / max(depth, 1.0),
        round_=round_,
    )


def gains(seen: Profile, sigma: float) -> tuple[Floats, Floats, Floats]:
    """Chi squared that each model explains of a profile for each d₀, the models' priors, and steps.

    Steps are what a steep face of a particle of even thickness explains, for each d₀: nothing
    where the step is much lower than the particle, as its thickness is not even then.
    """
    at, mean, weight, step = seen.at, seen.mean, seen.weight, seen.step
    bare, bent, even = _wedges(seen, sigma)
    explained = [bare[:, None], bent]
    prior = [1.0, *([_BENT / len(_BENDS)] * len(_BENDS))]
    if seen.round_:
        explained += _rims(at, mean, weight, sigma, step, seen.depth)
        prior += [_ROUND, 1.0]
    return np.concatenate(explained, axis=1), np.array(prior), even


def _variance(mean: Floats, isolated: Isolated) -> Floats:
    """Variance of a pixel: that of the film, growing with brightness to that of the particle."""
    smoothing = 2.0 * math.sqrt(math.pi) * max(isolated.smoothing_px, 0.3)
    high = isolated.pixel_noise**2
    low = min((smoothing * isolated.film_noise) ** 2, high)
    share = np.clip(mean / max(isolated.bright, 1e-30), 0.0, 1.5)
    floor = (_LEAST_NOISE * isolated.bright) ** 2
    return np.asarray(low + share * (high - low) + floor)


def _wedges(profile: Profile, sigma: float) -> tuple[Floats, Floats, Floats]:
    """Chi squared that a bare wedge explains for each d₀, one with each bend, and a step."""
    from scipy.special import ndtr

    at, weight, step = profile.at, profile.weight, profile.step
    weighted = weight * profile.mean
    n = len(_SHIFTS) + int(_BENDS[-1])
    x = at[None, :] - (np.arange(n) + _SHIFTS[0])[:, None] * step
    z = x / sigma
    risen = ndtr(z)
    face = risen[: len(_SHIFTS)]
    height, square = face @ weighted, np.maximum((face * face) @ weight, 1e-300)
    high = height > _EVEN * profile.bright * square
    even = np.where(high, height * height / square, 0.0)
    wedges = x * risen + sigma / math.sqrt(2.0 * math.pi) * np.exp(-0.5 * z * z)
    gram = (wedges * weight) @ wedges.T
    seen = wedges @ weighted
    first = np.arange(len(_SHIFTS))[:, None]
    second = first + _BENDS[None, :]
    aa, ab, bb = gram[first, first], gram[first, second], gram[second, second]
    ya, yb = seen[first], seen[second]
    det = np.maximum(aa * bb - ab * ab, 1e-13 * aa * bb + 1e-300)
    a, b = (ya * bb - yb * ab) / det, (yb * aa - ya * ab) / det
    alone = (ya / np.maximum(aa, 1e-300))[:, 0]
    least = profile.least
    bare = np.where(alone > least, ya[:, 0] * alone, 0.0)
    return bare, np.where((a > least) & (b <= 0), a * ya + b * yb, 0.0), even


def _rims(
    at: Floats, mean: Floats, weight: Floats, sigma: float, step: float, radius: float
) -> list[Floats]:
    """Chi squared explained by the rim of an ellipsoid, and by a step, for each d₀."""
    from scipy.ndimage import gaussian_filter1d

    fine = min(step, _STEP_PX)
    ends = (-12.0 * max(1.0, sigma), 0.5 * radius + 15.0 * max(1.0, sigma))
    number = np.arange(math.ceil(ends[0] / fine), math.ceil(ends[1] / fine))
    grid = fine * number
    depth = np.clip(grid / radius, 0.0, 1.0)
    square = depth * (2.0 - depth)
    x = at[None, :] - (step * _SHIFTS)[:, None]
    ball, bent, flat = (
        np.interp(x, grid, gaussian_filter1d(shape, sigma / fine, mode="nearest"))
        for shape in (np.sqrt(square), square, np.heaviside(number, 0.5))
    )
    aa, ab, bb = (ball * ball) @ weight, (ball * bent) @ weight, (bent * bent) @ weight
    ya, yb, ys = (shape @ (weight * mean) for shape in (ball, bent, flat))
    det = np.maximum(aa * bb - ab * ab, 1e-12 * aa * bb + 1e-300)
    a, b = (ya * bb - yb * ab) / det, (yb * aa - ya * ab) / det
    # s alone is steepest at the rim; s² rises there as a wedge does.
    alone = np.maximum(yb, 0.0) ** 2 / np.maximum(bb, 1e-300)
    round_top = np.where(a > 0, a * ya + b * yb, alone)
    flat_top = ys * ys / ((flat * flat) @ weight + 1e-300)
    return [round_top[:, None], flat_top[:, None]]


def _binned(
    d: Floats, values: Floats, low: float, high: float
) -> tuple[Floats, Floats, Floats] | None:
    """Mean distance, mean value and number of pixels in bins of the distance."""
    use = (d > low) & (d < high)
    bins = np.floor((d[use] - low) / _BIN_PX).astype(np.int64)
    if bins.size < _MIN_BINS:
        return None
    count = np.bincount(bins)
    filled = count > 0
    if np.count_nonzero(filled) < _MIN_BINS:
        return None
    number = count[filled].astype(np.float64)
    return (
        np.bincount(bins, d[use])[filled] / number,
        np.bincount(bins, values[use])[filled] / number,
        number,
    )


def pixels_of(isolated: Isolated) -> tuple[Floats, Floats]:
    """Places (x, y) and brightness of the pixels that no other particle claims."""
    rows, cols = np.nonzero(~isolated.foreign)
    return np.column_stack([cols, rows]).astype(np.float64), isolated.signal[rows, cols]


def from_sides(
    points: Floats, corners: Floats, wide: float
) -> Iterator[tuple[NDArray[np.intp], Floats, float]]:
    """Pixels of each side, their distances inwards, and the middle's.

    Pixels beside the ends of a side are left out, and such as its profile does not reach. `points`
    come row by row.
    """
    reach = max(OUTSIDE_PX + 1.0, INSIDE_PX) * max(1.0, wide)
    middle = corners.mean(axis=0)
    for k, start in enumerate(corners):
        along = corners[(k + 1) % len(corners)] - start
        length = float(np.hypot(*along))
        along = along / length if length > 1e-9 else np.array([0.0, -1.0])
        inwards = np.array([-along[1], along[0]])
        # All that is within reach lies in a box.
        stop = start + length * along
        low, high = np.minimum(start, stop), np.maximum(start, stop)
        first, last = np.searchsorted(points[:, 1], (low[1] - reach, high[1] + reach))
        x = points[first:last, 0]
        box = first + np.flatnonzero((x >= low[0] - reach) & (x <= high[0] + reach))
        off = points[box] - start
        end = min(_END_SHARE * length, _MOST_END_PX * max(1.0, wide))
        t = off @ along
        near = (t > end) & (t < length - end)
        depth = max(float((middle - start) @ inwards), 1.0)
        yield box[near], off[near] @ inwards, depth


def evidence(lines: list[Profile], widths_px: Floats, steep_share: float) -> tuple[Floats, Floats]:
    """Logarithm of how likely profiles are for each width, with any sides and with steep ones."""
    total, steep = np.zeros(len(widths_px)), np.zeros(len(widths_px))
    for line in lines:
        tried = [gains(line, max(float(width), SHARPEST_PX)) for width in widths_px]
        explained, prior = np.stack([one[0] for one in tried]), tried[0][1]
        even = np.stack([one[2] for one in tried])
        best = float(explained.max())
        soft = 2.0 * line.softness(best)
        free = np.maximum((np.exp((explained - best) / soft) @ prior).sum(axis=1), 1e-300)
        total += np.log(free)
        likely = np.exp((even - best) / soft).sum(axis=1)
        steep += np.log((1.0 - steep_share) * free + steep_share * likely)
    return total, steep
