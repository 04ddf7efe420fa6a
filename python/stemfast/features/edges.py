"""The true place of each side of the outline, from how brightness rises across it.

A contour at a fixed level lies inside where a thin wedge rises slowly, and outside where a steep
face rises at once behind the probe's blur. Along a straight side the profile is averaged and
compared with a wedge that begins at d₀ and grows less steep at d₁, blurred by the probe:

    I(d) = a·R(d − d₀) − b·R(d − d₁),  R(x) = x·Φ(x/σ) + σ·φ(x/σ),  a > 0, b ≥ 0, d₁ > d₀

d is the distance inwards. A step is the limit d₁ → d₀, a bare wedge is b = 0, and a face nearly
along the beam is what lies between. d₀ and d₁ are searched for, a and b follow by least squares.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stemfast.features.outline import Ellipse, intersections, signed_area
from stemfast.micrograph.isolate import Isolated

__all__ = ["refine_ellipse", "refine_polygon"]

Floats = NDArray[np.float64]

_BIN_PX = 0.5
_SHARPEST_PX = 0.3
_OUTSIDE_PX, _INSIDE_PX = 4.0, 5.0
_STEP_PX = 0.1
_SHIFTS_PX = _STEP_PX * np.arange(-30, 31)
_BENDS = (1, 3, 5, 8, 12, 17, 23, 30)  # d₁ − d₀ in steps
_WIDEST = max(_BENDS)
_END_SHARE, _MOST_END_PX = 0.2, 3.0
_MIN_PIXELS = 6
_FLATTEST_DEG = 7.0


def refine_polygon(isolated: Isolated, corners: Floats, blur_px: float) -> Floats:
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
    ndarray, shape (m, 2)
        m <= n corners.
    """
    rows, cols = np.indices(isolated.signal.shape)
    values = isolated.signal.ravel()
    points = np.column_stack([cols.ravel(), rows.ravel()]).astype(np.float64)
    sides = []
    for k, start in enumerate(corners):
        along = corners[(k + 1) % len(corners)] - start
        length = float(np.hypot(*along))
        if length < 1e-9:
            sides.append((start, np.array([1.0, 0.0])))
            continue
        along = along / length
        inwards = np.array([-along[1], along[0]])
        off = points - start
        end = min(_END_SHARE * length, _MOST_END_PX)
        t, d = off @ along, off @ inwards
        near = (t > end) & (t < length - end)
        shift = _place(d[near], values[near], blur_px)
        sides.append((start + shift * inwards, inwards))
    moved = intersections(sides, corners, farthest=6.0)
    return _without_flat_corners(moved)


def refine_ellipse(isolated: Isolated, ellipse: Ellipse, blur_px: float) -> Ellipse:
    """Grow or shrink an ellipse to where the particle ends.

    Compared with the brightness of an ellipsoid, a·s − b·s² with s = √(1 − (1 − d/R)²), where b
    is the scattering's saturation, or with a step, instead of wedges.
    """
    rows, cols = np.indices(isolated.signal.shape)
    dx, dy = cols - ellipse.centre[0], rows - ellipse.centre[1]
    c, s = math.cos(ellipse.angle), math.sin(ellipse.angle)
    a, b = ellipse.semi_axes
    u, v = (c * dx + s * dy) / a, (c * dy - s * dx) / b
    radius = np.hypot(u, v)
    slope = np.hypot(u / a, v / b) / np.maximum(radius, 1e-9)
    d = (1.0 - radius) / np.maximum(slope, 1e-9)
    shift = _place_round(d.ravel(), isolated.signal.ravel(), blur_px, math.sqrt(a * b))
    grown = (max(a - shift, 0.5), max(b - shift, 0.5))
    return replace(ellipse, semi_axes=grown)


def _place(d: Floats, values: Floats, blur_px: float) -> float:
    """The shift d₀ inwards of a side, from pixels at the distances d from it [px]."""
    from scipy.special import ndtr

    profile = _profile(d, values, -_OUTSIDE_PX - blur_px, max(_INSIDE_PX, 2.5 * blur_px))
    if profile is None:
        return 0.0
    at, mean, weight = profile
    sigma = max(blur_px, _SHARPEST_PX)
    x = at[None, :] - np.arange(len(_SHIFTS_PX) + _WIDEST)[:, None] * _STEP_PX - _SHIFTS_PX[0]
    z = x / sigma
    wedges = x * ndtr(z) + sigma / math.sqrt(2.0 * math.pi) * np.exp(-0.5 * z * z)
    gram = (wedges * weight) @ wedges.T
    seen = wedges @ (weight * mean)
    first = np.arange(len(_SHIFTS_PX))[:, None]
    second = first + np.array(_BENDS)[None, :]
    aa, ab, bb = gram[first, first], gram[first, second], gram[second, second]
    ya, yb = seen[first], seen[second]
    det = np.maximum(aa * bb - ab * ab, 1e-13 * aa * bb + 1e-300)
    a, b = (ya * bb - yb * ab) / det, (yb * aa - ya * ab) / det
    bare = np.where(ya > 0, ya * ya / np.maximum(aa, 1e-300), 0.0)
    explained = np.where((a > 0) & (b <= 0), np.maximum(a * ya + b * yb, bare), bare)
    return float(_SHIFTS_PX[int(np.argmax(explained.max(axis=1)))])


def _place_round(d: Floats, values: Floats, blur_px: float, radius: float) -> float:
    """The shift inwards of a round outline, as `_place` for a straight one."""
    from scipy.ndimage import gaussian_filter1d

    profile = _profile(d, values, -_OUTSIDE_PX - blur_px, max(_INSIDE_PX, 0.5 * radius))
    if profile is None:
        return 0.0
    at, mean, weight = profile
    grid = np.arange(-12.0, 0.5 * radius + 15.0, _STEP_PX)
    depth = np.clip(grid / radius, 0.0, 1.0)
    sigma = max(blur_px, _SHARPEST_PX) / _STEP_PX
    square = depth * (2.0 - depth)
    x = at[None, :] - _SHIFTS_PX[:, None]
    ball, bent, step = (
        np.interp(x, grid, gaussian_filter1d(shape, sigma, mode="nearest"))
        for shape in (np.sqrt(square), square, (grid > 0).astype(np.float64))
    )
    aa, ab, bb = (ball * ball) @ weight, (ball * bent) @ weight, (bent * bent) @ weight
    ya, yb, ys = (shape @ (weight * mean) for shape in (ball, bent, step))
    det = np.maximum(aa * bb - ab * ab, 1e-12 * aa * bb + 1e-300)
    round_top = ((ya * bb - yb * ab) * ya + (yb * aa - ya * ab) * yb) / det
    flat_top = ys * ys / ((step * step) @ weight + 1e-300)
    return float(_SHIFTS_PX[int(np.argmax(np.maximum(round_top, flat_top)))])


def _profile(
    d: Floats, values: Floats, low: float, high: float
) -> tuple[Floats, Floats, Floats] | None:
    """Mean distance, mean value and number of pixels in bins of the distance."""
    use = (d > low) & (d < high)
    bins = np.floor((d[use] - low) / _BIN_PX).astype(np.int64)
    if bins.size < _MIN_PIXELS:
        return None
    count = np.bincount(bins)
    filled = count > 0
    if np.count_nonzero(filled) < _MIN_PIXELS:
        return None
    weight = count[filled].astype(np.float64)
    return (
        np.bincount(bins, d[use])[filled] / weight,
        np.bincount(bins, values[use])[filled] / weight,
        weight,
    )


def _without_flat_corners(corners: Floats) -> Floats:
    """Drop what hardly turns or turns back on itself, one corner at a time, flattest first."""
    while len(corners) > 3:
        into = corners - np.roll(corners, 1, axis=0)
        out = np.roll(into, -1, axis=0)
        cross = into[:, 0] * out[:, 1] - into[:, 1] * out[:, 0]
        turn = np.degrees(np.abs(np.arctan2(cross, np.sum(into * out, axis=1))))
        k = int(np.argmin(turn))
        if turn[k] >= _FLATTEST_DEG:
            break
        corners = np.delete(corners, k, axis=0)
    return corners if signed_area(corners) > 0 else corners[::-1]
