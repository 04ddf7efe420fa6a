"""Straight segments along the creases: the particle's projected edges.

Every point of a crease knows its direction, so it votes in Hough's plane for few lines only. The
line of the most votes is fitted to its points and taken out; then the next. A line reaches as far
as the image bends across it: through the places where it crosses another, where no ridge is to be
seen, and no farther than its ends.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfast.describing.creases import Hessian, Ridge

__all__ = ["Segment", "segments"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_ANGLES = 60
_SPREAD = (-2, -1, 0, 1, 2)
_RHO_PX = 1.0
_BESIDE_PX = 1.3
_SKEW_RAD = math.radians(20.0)
_MOST = 24
_SAMPLE_PX = 0.5
_MARGIN_WIDTHS = 3.0
_END_SHARE = 0.4  # of the line's typical bend
_END_NOISE = 1.5


@dataclass(frozen=True, eq=False)
class Segment:
    """A straight piece of crease.

    Attributes
    ----------
    start, end : ndarray, shape (2,)
        x, y [px].
    bend : float
        Mean change of slope across it, in the image's units per px.
    """

    start: Floats
    end: Floats
    bend: float

    @property
    def length(self) -> float:
        """Length [px]."""
        return float(np.hypot(*(self.end - self.start)))

    @property
    def direction(self) -> Floats:
        """Unit vector from start to end."""
        return (self.end - self.start) / max(self.length, 1e-12)


def segments(line: Ridge, found: Hessian, inside: Mask, shortest_px: float) -> list[Segment]:
    """Cut creases into straight segments.

    Parameters
    ----------
    line : Ridge
        Points on the creases.
    found : Hessian
        The second derivatives they were found in.
    inside : ndarray of bool, shape (h, w)
        Where creases may be.
    shortest_px : float
        Shortest segment [px].

    Returns
    -------
    list of Segment
        The best supported ones first.

    Examples
    --------
    >>> from stemfast.describing.creases import hessian, ridge
    >>> bent = np.minimum(np.arange(32.0), 16.0)[:, None] + np.zeros(32)
    >>> found, everywhere = hessian(bent, 1.5, 0.0), np.ones((32, 32), bool)
    >>> pieces = segments(ridge(found, everywhere, 0.1), found, everywhere, 5.0)
    >>> [(s.start.round(1).tolist(), s.end.round(1).tolist()) for s in pieces]
    [([0.0, 16.0], [31.0, 16.0])]
    """
    result: list[Segment] = []
    left = np.arange(len(line.points))
    if not len(left):
        return result
    votes = _Votes(line)
    while len(left) >= 3 and len(result) < _MOST:
        angle, rho, support = votes.best(left)
        if support < 0.5 * shortest_px:
            break
        taken, angle, rho = _fitted(line, left, angle, rho)
        if len(taken) < 3:
            break
        result.extend(_pieces(line, taken, angle, rho, found, inside, shortest_px))
        left = np.setdiff1d(left, taken, assume_unique=True)
    return result


class _Votes:
    """Hough's plane of the points, each voting for lines near its own direction."""

    def __init__(self, line: Ridge) -> None:
        step = math.pi / _ANGLES
        nearest = np.round(line.angle / step).astype(np.int64)
        bins = nearest[:, None] + np.array(_SPREAD)[None, :]
        angle = bins * step
        x, y = line.points.T
        rho = -np.sin(angle) * x[:, None] + np.cos(angle) * y[:, None]
        # Half a turn further the same line has the opposite distance.
        rho = np.where((bins // _ANGLES) % 2 == 1, -rho, rho)
        self._angle = bins % _ANGLES
        self._reach = math.ceil(float(np.abs(rho).max()) / _RHO_PX) + 2
        self._rho = np.floor(rho / _RHO_PX).astype(np.int64) + self._reach
        self._weight = np.sqrt(line.bend / line.bend.max())

    def best(self, left: NDArray[np.int64]) -> tuple[float, float, float]:
        """Angle, distance and votes of the best supported line."""
        width = 2 * self._reach + 1
        index = self._angle[left] * width + self._rho[left]
        weight = np.repeat(self._weight[left], len(_SPREAD))
        plane = np.bincount(index.ravel(), weight, minlength=_ANGLES * width)
        # Lines between two bins count in both.
        plane[:-1] += plane[1:]
        k = int(np.argmax(plane))
        rho = (k % width - self._reach + 1.0) * _RHO_PX
        return (k // width) * math.pi / _ANGLES, rho, float(plane[k])


def _fitted(
    line: Ridge, left: NDArray[np.int64], angle: float, rho: float
) -> tuple[NDArray[np.int64], float, float]:
    """The points on one line, and the line fitted to them."""
    normal = np.array([-math.sin(angle), math.cos(angle)])
    reach = 2.0 * _BESIDE_PX
    for _ in range(3):
        skew = np.mod(line.angle[left] - angle + 0.5 * math.pi, math.pi) - 0.5 * math.pi
        near = (np.abs(line.points[left] @ normal - rho) < reach) & (np.abs(skew) < _SKEW_RAD)
        members = left[near]
        if len(members) < 3:
            break
        weight = line.bend[members]
        middle = weight @ line.points[members] / weight.sum()
        x, y = (line.points[members] - middle).T
        angle = 0.5 * math.atan2(
            2.0 * float(weight @ (x * y)), float(weight @ (x * x)) - float(weight @ (y * y))
        )
        normal = np.array([-math.sin(angle), math.cos(angle)])
        rho = float(normal @ middle)
        reach = _BESIDE_PX
    return members, angle, rho


def _pieces(
    line: Ridge,
    members: NDArray[np.int64],
    angle: float,
    rho: float,
    found: Hessian,
    inside: Mask,
    shortest_px: float,
) -> list[Segment]:
    """Stretches of a fitted line across which the image bends by enough."""
    from scipy.ndimage import map_coordinates

    along = np.array([math.cos(angle), math.sin(angle)])
    foot = rho * np.array([-along[1], along[0]])
    t = line.points[members] @ along
    margin = _MARGIN_WIDTHS * found.width_px
    at = np.arange(t.min() - margin, t.max() + margin, _SAMPLE_PX)
    x, y = (foot + at[:, None] * along).T
    a, b, c = found.across(angle)
    fields = a * found.xx + b * found.xy + c * found.yy
    bend = -map_coordinates(fields, [y, x], order=1, mode="constant")
    rows, cols = np.round(y).astype(np.int64), np.round(x).astype(np.int64)
    known = (rows >= 0) & (cols >= 0) & (rows < inside.shape[0]) & (cols < inside.shape[1])
    known[known] = inside[rows[known], cols[known]]
    scale = math.sqrt(2.0 * math.pi) * found.width_px
    typical = float(np.median(line.bend[members])) / scale
    on = np.flatnonzero(known & (bend > max(_END_SHARE * typical, _END_NOISE * found.noise)))
    pieces = []
    for run in np.split(on, np.flatnonzero(np.diff(on) * _SAMPLE_PX > found.width_px) + 1):
        if not len(run) or at[run[-1]] - at[run[0]] < shortest_px:
            continue
        supported = (t >= at[run[0]]) & (t <= at[run[-1]])
        if np.count_nonzero(supported) >= 0.4 * (at[run[-1]] - at[run[0]]):
            ends = foot + at[run[[0, -1]], None] * along
            pieces.append(Segment(ends[0], ends[1], float(bend[run].mean()) * scale))
    return pieces
