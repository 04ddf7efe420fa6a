"""The true place of each side of an outline, from the profiles of brightness across all of them.

A sharp probe on a face that is a few degrees askew and a wider probe on a steep one look nearly the
same, and differ by half a pixel in where the particle ends. All sides of a particle together are
therefore compared with steep ones, as those of particles that rest on a face have, and with sides
of any slope; before that, the first is as likely as the image's particles make it (`blur.py`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stemfast.finding.outline.contour import Ellipse
from stemfast.finding.outline.corners import (
    intersections,
    without_flat_corners,
    without_spikes,
)
from stemfast.finding.outline.profile import (
    rim_evidence,
    rim_place,
    side_evidence,
    side_places,
)
from stemfast.micrograph.isolate import Isolated

__all__ = ["Fitted", "blur_evidence", "refine_ellipse", "refine_polygon", "steep_share"]

Floats = NDArray[np.float64]

# Smoothing puts the contour of a steep face far outside: places further out than this, in units of
# the blur, are near the end of what is tried, and the side is looked at again from there.
_ALMOST_OUT, _MOST_ROUNDS = 1.5, 3
# Share of particles that rest on a face, where they do and where they lie in any pose; polygons of
# more sides stand for round particles, which have no steep faces. And the share of steep sides.
_MOSTLY, _SELDOM, _FEW_SIDES = 0.8, 0.01, 6
_SIDE = 0.9


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


def refine_polygon(
    isolated: Isolated, corners: Floats, blur_px: float, steep: float = 0.5
) -> Fitted:
    """Move each side to where the particle ends, and drop corners that are none then.

    Parameters
    ----------
    isolated : Isolated
    corners : ndarray, shape (n, 2)
        x, y [px], turning from x towards y.
    blur_px : float
        Gaussian width of the probe [px].
    steep : float
        Probability that particles of this image rest on a face and have steep sides all around:
        :attr:`stemfast.finding.outline.blur.Blur.steep`.

    Returns
    -------
    Fitted
        With at most n corners.
    """
    wide = max(1.0, blur_px)
    share = steep * steep_share(len(corners), resting=True) + (1.0 - steep) * _SELDOM
    odds = math.log(share / (1.0 - share))
    for _ in range(_MOST_ROUNDS):
        corners, variance, farthest = _moved(isolated, corners, blur_px, odds)
        if farthest < _ALMOST_OUT * wide:
            break
    return Fitted(corners, math.sqrt(variance))


def _moved(
    isolated: Isolated, corners: Floats, blur_px: float, odds: float
) -> tuple[Floats, float, float]:
    """Corners where the sides end, the variance of the area, and the farthest move [px].

    `odds` is the logarithm of the odds that it rests on a face, before the profiles are seen.
    """
    from scipy.special import expit

    places = side_places(isolated, corners, blur_px)
    # At rest most sides are steep; what was drawn across a corner, or to a neighbour, is not.
    steep = [_SIDE * math.exp(min(place.odds, 50.0)) for place in places]
    resting = odds + sum(math.log(one + 1.0 - _SIDE) for one in steep)
    rests = float(expit(resting))
    sides, variance, between, farthest = [], 0.0, 0.0, 0.0
    for k, (place, one) in enumerate(zip(places, steep, strict=True)):
        chance = one / (one + 1.0 - _SIDE)
        apart = chance * (place.steep_shift - place.shift)
        shift = place.shift + rests * apart
        start, inwards, length = _side(corners, k)
        sides.append((start + shift * inwards, inwards))
        share = rests * chance
        variance += length**2 * ((1.0 - share) * place.sd**2 + share * place.steep_sd**2)
        between += length * apart
        farthest = max(farthest, abs(shift))
    # Whether it rests moves all sides the same way.
    variance += rests * (1.0 - rests) * between * between
    moved = intersections(sides, corners, farthest=6.0 * max(1.0, blur_px))
    return without_flat_corners(without_spikes(moved)), variance, farthest


def _side(corners: Floats, k: int) -> tuple[Floats, Floats, float]:
    """Start, normal inwards and length of a side."""
    along = corners[(k + 1) % len(corners)] - corners[k]
    length = math.hypot(*along)
    x, y = along / length if length > 1e-9 else (0.0, -1.0)
    return corners[k], np.array([-y, x]), length


def steep_share(sides: int, *, resting: bool) -> float:
    """Share of polygons of so many sides that have steep faces, at rest or in any pose."""
    return _MOSTLY if resting and sides <= _FEW_SIDES else _SELDOM


def refine_ellipse(isolated: Isolated, ellipse: Ellipse, blur_px: float) -> Fitted:
    """Grow or shrink an ellipse to where the particle ends."""
    points, values = _pixels(isolated)
    width = _strayed(blur_px, ellipse)
    for _ in range(_MOST_ROUNDS):
        d, mean = _from_ellipse(points, ellipse)
        shift, sd = rim_place(isolated, d, values, width, mean)
        a, b = (max(axis - shift, 0.5) for axis in ellipse.semi_axes)
        ellipse = replace(ellipse, semi_axes=(a, b))
        if abs(shift) < _ALMOST_OUT * max(1.0, width):
            break
    return Fitted(ellipse.points(), 2.0 * math.pi * mean * sd)


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


def blur_evidence(
    isolated: Isolated, outline: Floats | Ellipse, widths_px: Floats, wide: float
) -> tuple[Floats, Floats]:
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
    free, steep : ndarray, shape (k,)
        With faces of any slope, and with steep ones alone, up to the same constant. Of an ellipse
        they are the same.
    """
    if not isinstance(outline, Ellipse):
        return side_evidence(isolated, outline, widths_px, wide=wide, steep_share=_SIDE)
    points, values = _pixels(isolated)
    d, radius = _from_ellipse(points, outline)
    strayed = np.array([_strayed(float(width), outline) for width in widths_px])
    total = rim_evidence(isolated, d, values, strayed, wide=wide, radius=radius)
    return total, total
