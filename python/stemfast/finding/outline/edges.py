"""The true place of each side of the outline, from how brightness rises across it.

A contour at a fixed level lies inside where a thin wedge rises slowly, and outside where a steep
face rises at once behind the probe's blur. Along a straight side the profile is averaged and
compared with a wedge that begins at d₀ and grows less steep at d₁, blurred by the probe:

    I(d) = a·R(d − d₀) − b·R(d − d₁),  R(x) = x·Φ(x/σ) + σ·φ(x/σ),  a > 0, b ≥ 0, d₁ > d₀

d is the distance inwards. A step is the limit d₁ → d₀, a bare wedge is b = 0, and a face nearly
along the beam is what lies between. A round rim is compared with these and with an ellipsoid,
a·s − b·s² with s = √(1 − (1 − d/R)²), where b is the scattering's saturation. a and b follow by
least squares; d₀ is the mean, over all d₀ and d₁, with weights exp(−χ²/2), and its spread is the
error.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stemfast.finding.outline.contour import Ellipse
from stemfast.finding.outline.corners import (
    intersections,
    without_flat_corners,
    without_spikes,
)
from stemfast.micrograph.isolate import Isolated

__all__ = ["Fitted", "blur_evidence", "refine_ellipse", "refine_polygon"]

Floats = NDArray[np.float64]

_BIN_PX = 0.5
_SHARPEST_PX = 0.3
_OUTSIDE_PX, _INSIDE_PX = 4.0, 5.0
_STEP_PX = 0.1
_SHIFTS = np.arange(-30, 31)  # in steps
_BENDS = np.array([1, 3, 5, 8, 12, 17, 23, 30])  # d₁ − d₀ in steps
_END_SHARE, _MOST_END_PX = 0.2, 3.0
_MIN_BINS = 6
# A convex particle rises from its outline to its summit: less than this share of the mean slope is
# a tail of the probe or a shell, not its edge.
_LEAST_SLOPE = 0.35
_UNKNOWN_PX, _LEAST_OUTSIDE_PX = 1.0, 1.0
# Prior weight of an edge that bends, all bends together, over one that does not; of an ellipsoid's.
_BENT, _ROUND = 0.05, 1.0
_LEAST_NOISE = 1e-3  # of the brightness


@dataclass(frozen=True, eq=False)
class Fitted:
    """An outline with every side where the particle ends.

    Attributes
    ----------
    points : ndarray, shape (n, 2)
        x and y [px].
    area_sd : float
        Standard deviation of the area within it from that of the sides' places [px²].
    """

    points: Floats
    area_sd: float


def refine_polygon(isolated: Isolated, corners: Floats, blur_px: float) -> Fitted:
    """Move each side to where the particle ends, and drop corners that are none then.

    Parameters
    ----------
    isolated : Isolated
    corners : ndarray, shape (n, 2)
        x, y [px], turning from x towards y.
    blur_px : float
        Gaussian width of the probe [px].

    Returns
    -------
    Fitted
        With at most n corners.
    """
    points, values = _pixels(isolated)
    sides, variance = [], 0.0
    for near, d, depth, start, inwards, length in _from_sides(points, corners, blur_px):
        place = _place(d, values[near], blur_px, isolated, depth)
        sides.append((start + place.shift * inwards, inwards))
        variance += (length * place.sd) ** 2
    moved = intersections(sides, corners, farthest=6.0 * max(1.0, blur_px))
    return Fitted(without_flat_corners(without_spikes(moved)), math.sqrt(variance))


def _from_sides(
    points: Floats, corners: Floats, wide: float
) -> Iterator[tuple[NDArray[np.intp], Floats, float, Floats, Floats, float]]:
    """Pixels of each side, their distances inwards, the middle's, its start, normal and length.

    Pixels beside the ends of a side are left out, and such as its profile does not reach. `points`
    come row by row.
    """
    reach = max(_OUTSIDE_PX + 1.0, _INSIDE_PX) * max(1.0, wide)
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
        yield box[near], off[near] @ inwards, depth, start, inwards, length


def refine_ellipse(isolated: Isolated, ellipse: Ellipse, blur_px: float) -> Fitted:
    """Grow or shrink an ellipse to where the particle ends."""
    points, values = _pixels(isolated)
    d, mean = _from_ellipse(points, ellipse)
    place = _place(d, values, _strayed(blur_px, ellipse), isolated, mean, round_=True)
    a, b = (max(axis - place.shift, 0.5) for axis in ellipse.semi_axes)
    return Fitted(replace(ellipse, semi_axes=(a, b)).points(), 2.0 * math.pi * mean * place.sd)


def _strayed(width_px: float, ellipse: Ellipse) -> float:
    """The blur of a profile around an ellipse from which the outline itself strays [px]."""
    return math.hypot(width_px, ellipse.off_px)


def _from_ellipse(points: Floats, ellipse: Ellipse) -> tuple[Floats, float]:
    """Distances inwards of an ellipse, to first order, and its mean radius [px]."""
    dx, dy = (points - np.array(ellipse.centre)).T
    c, s = math.cos(ellipse.angle), math.sin(ellipse.angle)
    a, b = ellipse.semi_axes
    u, v = (c * dx + s * dy) / a, (c * dy - s * dx) / b
    radius = np.hypot(u, v)
    slope = np.hypot(u / a, v / b) / np.maximum(radius, 1e-9)
    return (1.0 - radius) / np.maximum(slope, 1e-9), math.sqrt(a * b)


def _pixels(isolated: Isolated) -> tuple[Floats, Floats]:
    """Places (x, y) and brightness of the pixels that no other particle claims."""
    rows, cols = np.nonzero(~isolated.foreign)
    return np.column_stack([cols, rows]).astype(np.float64), isolated.signal[rows, cols]


@dataclass(frozen=True)
class _Place:
    """Distance of a side inwards of the drawn one [px], and its standard deviation."""

    shift: float
    sd: float


def _place(
    d: Floats,
    values: Floats,
    blur_px: float,
    isolated: Isolated,
    depth: float,
    *,
    round_: bool = False,
) -> _Place:
    """The place d₀ of a side, from pixels at the distances d inwards of where it was drawn [px].

    `depth` is the distance from there to the particle's middle.
    """
    wide = max(1.0, blur_px)
    profile = _profile(d, values, isolated, depth, wide, round_=round_)
    if profile is None or profile.at[0] > -_LEAST_OUTSIDE_PX:
        return _Place(0.0, _UNKNOWN_PX)  # along the image's edge nothing is seen outside
    gains, prior = _gains(profile, max(blur_px, _SHARPEST_PX))
    best = float(gains.max())
    misfit = max(profile.total - best, 0.0)
    # Where the model does not explain the profile down to its noise, all is that much less sure.
    chance = np.exp(0.5 * (gains - best) / max(misfit / profile.freedom, 1.0)) * prior
    chance = chance.sum(axis=1)
    chance /= chance.sum()
    shifts = profile.step * _SHIFTS
    shift = float(chance @ shifts)
    variance = float(chance @ (shifts - shift) ** 2) + profile.step**2 / 12.0
    return _Place(shift, math.sqrt(variance))


@dataclass(frozen=True, eq=False)
class _Profile:
    """Brightness across a side.

    Distance inwards and mean of each bin, its weight (pixels over variance), the steps in which
    places are tried, the distance to the middle, the least slope of an edge, and whether it is
    that of a round rim.
    """

    at: Floats
    mean: Floats
    weight: Floats
    step: float
    depth: float
    least: float
    round_: bool

    @property
    def total(self) -> float:
        """Chi squared of nothing at all."""
        return float(self.weight @ (self.mean * self.mean))

    @property
    def freedom(self) -> int:
        return max(len(self.at) - 4, 1)


def _profile(
    d: Floats, values: Floats, isolated: Isolated, depth: float, wide: float, *, round_: bool
) -> _Profile | None:
    inside = max(_INSIDE_PX * wide, 0.5 * depth) if round_ else _INSIDE_PX * wide
    binned = _binned(d, values, -_OUTSIDE_PX * wide - wide, inside)
    if binned is None:
        return None
    at, mean, count = binned
    return _Profile(
        at=at,
        mean=mean,
        weight=count / _variance(mean, isolated),
        step=_STEP_PX * wide,
        depth=depth,
        least=_LEAST_SLOPE * isolated.bright / max(depth, 1.0),
        round_=round_,
    )


def _gains(profile: _Profile, sigma: float) -> tuple[Floats, Floats]:
    """Chi squared that each model explains of a profile for each d₀, and the models' priors."""
    at, mean, weight, step = profile.at, profile.mean, profile.weight, profile.step
    bare, bent = _wedges(at, mean, weight, sigma, step, profile.least)
    explained = [bare[:, None], bent]
    prior = [1.0, *([_BENT / len(_BENDS)] * len(_BENDS))]
    if profile.round_:
        explained += _rims(at, mean, weight, sigma, step, profile.depth)
        prior += [_ROUND, 1.0]
    return np.concatenate(explained, axis=1), np.array(prior)


def blur_evidence(
    isolated: Isolated, outline: Floats | Ellipse, widths_px: Floats, wide: float
) -> Floats:
    """Logarithm of how likely the profiles across a particle's sides are for each width of blur.

    Parameters
    ----------
    isolated : Isolated
    outline : ndarray, shape (n, 2), or Ellipse
        Corners of a polygon, or an ellipse, about where the particle ends.
    widths_px : ndarray, shape (k,)
        Gaussian widths [px].
    wide : float
        How far from the outline to look, in units of a sharp image's.

    Returns
    -------
    ndarray, shape (k,)
        Up to a constant.
    """
    points, values = _pixels(isolated)
    total = np.zeros(len(widths_px))
    if isinstance(outline, Ellipse):
        d, depth = _from_ellipse(points, outline)
        sides = [(d, values, depth)]
    else:
        sides = [
            (d, values[near], depth) for near, d, depth, *_ in _from_sides(points, outline, wide)
        ]
    if isinstance(outline, Ellipse):
        widths_px = np.array([_strayed(float(width), outline) for width in widths_px])
    for d, seen, depth in sides:
        round_ = isinstance(outline, Ellipse)
        profile = _profile(d, seen, isolated, depth, wide, round_=round_)
        if profile is None:
            continue
        tried = [_gains(profile, max(float(width), _SHARPEST_PX)) for width in widths_px]
        gains, prior = np.stack([gain for gain, _ in tried]), tried[0][1]
        best = gains.max(axis=(1, 2))
        soft = max(max(profile.total - float(best.max()), 0.0) / profile.freedom, 1.0)
        chance = np.exp(0.5 * (gains - best[:, None, None]) / soft) * prior
        total += 0.5 * (best - best.max()) / soft + np.log(chance.sum(axis=(1, 2)))
    return total


def _variance(mean: Floats, isolated: Isolated) -> Floats:
    """Variance of a pixel: that of the film, growing with brightness to that of the particle."""
    smoothing = 2.0 * math.sqrt(math.pi) * max(isolated.smoothing_px, 0.3)
    high = isolated.pixel_noise**2
    low = min((smoothing * isolated.film_noise) ** 2, high)
    share = np.clip(mean / max(isolated.bright, 1e-30), 0.0, 1.5)
    floor = (_LEAST_NOISE * isolated.bright) ** 2
    return np.asarray(low + share * (high - low) + floor)


def _wedges(
    at: Floats, mean: Floats, weight: Floats, sigma: float, step: float, least: float
) -> tuple[Floats, Floats]:
    """Chi squared explained by a bare wedge for each d₀, and by one with a bend for each bend."""
    from scipy.special import ndtr

    n = len(_SHIFTS) + int(_BENDS[-1])
    x = at[None, :] - (np.arange(n) + _SHIFTS[0])[:, None] * step
    z = x / sigma
    wedges = x * ndtr(z) + sigma / math.sqrt(2.0 * math.pi) * np.exp(-0.5 * z * z)
    gram = (wedges * weight) @ wedges.T
    seen = wedges @ (weight * mean)
    first = np.arange(len(_SHIFTS))[:, None]
    second = first + _BENDS[None, :]
    aa, ab, bb = gram[first, first], gram[first, second], gram[second, second]
    ya, yb = seen[first], seen[second]
    det = np.maximum(aa * bb - ab * ab, 1e-13 * aa * bb + 1e-300)
    a, b = (ya * bb - yb * ab) / det, (yb * aa - ya * ab) / det
    alone = (ya / np.maximum(aa, 1e-300))[:, 0]
    bare = np.where(alone > least, ya[:, 0] * alone, 0.0)
    return bare, np.where((a > least) & (b <= 0), a * ya + b * yb, 0.0)


def _rims(
    at: Floats, mean: Floats, weight: Floats, sigma: float, step: float, radius: float
) -> list[Floats]:
    """Chi squared explained by the rim of an ellipsoid, and by a step, for each d₀."""
    from scipy.ndimage import gaussian_filter1d

    fine = min(step, _STEP_PX)
    grid = np.arange(-12.0 * max(1.0, sigma), 0.5 * radius + 15.0 * max(1.0, sigma), fine)
    depth = np.clip(grid / radius, 0.0, 1.0)
    square = depth * (2.0 - depth)
    x = at[None, :] - (step * _SHIFTS)[:, None]
    ball, bent, flat = (
        np.interp(x, grid, gaussian_filter1d(shape, sigma / fine, mode="nearest"))
        for shape in (np.sqrt(square), square, (grid > 0).astype(np.float64))
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
