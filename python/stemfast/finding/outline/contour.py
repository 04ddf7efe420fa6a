"""The outline: a contour, and the polygon with as few corners as the noise allows to tell.

A polygon is chosen among all that could be drawn through the contour by dynamic programming: the
squared distances of the contour from its sides, in units of the contour's own noise, plus a price
for every corner (Schwarz's criterion). The probe rounds corners, so a side is not asked to follow
the contour at its very ends. An ellipse competes at the same price, so round particles have no
corners rather than many.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfast import _core
from stemfast.finding.outline.corners import intersections, without_spikes
from stemfast.image.median import median
from stemfast.micrograph.files.feature_error import FeatureError
from stemfast.micrograph.isolate import Isolated

__all__ = [
    "Contour",
    "Ellipse",
    "Polygon",
    "contour",
    "fit_ellipse",
    "fit_polygon",
    "hides_corners",
]

Floats = NDArray[np.float64]

_SPACING_PX = 1.25
_FEWEST, _MOST = 40, 96
_FLOOR_PX = 0.1  # what pixels and blur do to a contour even without noise
_ROUNDED_SIGMAS = 1.2
_MIN_SIDE_PX = 3.0
_ROUND_SHARE = 0.17
_BESIDE_PX, _MOST_BESIDE, _UNKNOWN = 1.6, 0.6, 8.0
_PRICE = 1.5  # of a corner, in units of its two numbers' log(n)


@dataclass(frozen=True, eq=False)
class Contour:
    """A closed line around the particle, evenly sampled.

    Attributes
    ----------
    points : ndarray, shape (n, 2)
        x, y [px] in the window, the first pixel's centre being 0.
    sigma : ndarray, shape (n,)
        Standard deviation of each point across the line [px].
    spacing, length : float
        Distance between neighbours, length of the line [px].
    rounding : float
        How far from a corner the line cuts it [px].
    independent : float
        Independent positions per point, at most 1: smoothing makes neighbours move together.
    """

    points: Floats
    sigma: Floats
    spacing: float
    length: float
    rounding: float
    independent: float


@dataclass(frozen=True, eq=False)
class Polygon:
    """Corners (n, 2) [px], x and y, in the contour's order, and the criterion's value."""

    corners: Floats
    cost: float


@dataclass(frozen=True, eq=False)
class Ellipse:
    """Centre [px], semi-axes [px], angle of the first from x [rad], and the criterion's value.

    `off_px` is how far the contour lies from it, root mean square [px].
    """

    centre: tuple[float, float]
    semi_axes: tuple[float, float]
    angle: float
    cost: float
    off_px: float

    def points(self, n: int = 72) -> Floats:
        """Points on the ellipse, shape (n, 2)."""
        turn = 2.0 * math.pi * np.arange(n) / n
        u, v = self.semi_axes[0] * np.cos(turn), self.semi_axes[1] * np.sin(turn)
        c, s = math.cos(self.angle), math.sin(self.angle)
        return np.column_stack([self.centre[0] + c * u - s * v, self.centre[1] + s * u + c * v])


def contour(isolated: Isolated, blur_px: float) -> Contour:
    """Draw the line where the smoothed particle falls to its level.

    Parameters
    ----------
    isolated : Isolated
    blur_px : float
        Gaussian width of the probe in the image [px].

    Returns
    -------
    Contour

    Raises
    ------
    FeatureError
        If there is no such line.
    """
    inside = np.where(isolated.mask | (isolated.smooth <= isolated.level), isolated.smooth, 0.0)
    points, slopes, away, length = _core.even_level_line(
        inside,
        isolated.level,
        isolated.smooth,
        isolated.foreign,
        spacing=_SPACING_PX,
        fewest=_FEWEST,
        most=_MOST,
    )
    if not len(points):
        raise FeatureError(f"no part of the particle is above its level of {isolated.level:.3g}")
    typical = max(median(slopes), 1e-12)
    width = isolated.smoothing_px
    spacing = length / len(points)
    sigma = np.hypot(isolated.level_noise / np.maximum(slopes, 0.3 * typical), _FLOOR_PX)
    # Where another particle ends it, the line says nothing of this one.
    near = away < _BESIDE_PX
    if np.mean(near) < _MOST_BESIDE:
        sigma = np.where(near, _UNKNOWN * sigma, sigma)
    return Contour(
        points=points,
        sigma=sigma,
        spacing=spacing,
        length=length,
        rounding=_ROUNDED_SIGMAS * math.hypot(blur_px, width),
        independent=min(1.0, spacing / (2.0 * math.sqrt(math.pi) * width)),
    )


def fit_polygon(line: Contour) -> Polygon:
    """The polygon of the least cost; see the module's first lines.

    Returns
    -------
    Polygon
        Of at least three corners, which are where neighbouring sides meet.
    """
    n = len(line.points)
    trim = max(1, round(line.rounding / line.spacing))
    shortest = max(2 * trim + 2, math.ceil(_MIN_SIDE_PX / line.spacing))
    price = _PRICE * 2.0 * math.log(n)
    middle = line.points.mean(axis=0)
    begins, sides = _core.fit_polygon(
        line.points - middle,
        1.0 / line.sigma**2 * line.independent,
        trim=trim,
        shortest=shortest,
        price=price,
    )
    places, angle = sides[:, :2] + middle, sides[:, 2]
    normals = np.stack([-np.sin(angle), np.cos(angle)], axis=1)
    at = line.points[begins]
    corners = intersections(
        list(zip(places, normals, strict=True)), at, farthest=3.0 * line.rounding + 2.0
    )
    corners = without_spikes(corners)
    return Polygon(corners, sum(sides[:, 3].tolist()) + price * len(sides))


def hides_corners(line: Contour, ellipse: Ellipse) -> bool:
    """True if the contour strays from an ellipse by a fraction of what the probe rounds off.

    What looks like corners then is not to be told from a round rim.
    """
    return ellipse.off_px < _ROUND_SHARE * line.rounding


def fit_ellipse(line: Contour) -> Ellipse | None:
    """The ellipse through the contour, None where there is none.

    References
    ----------
    R. Halir and J. Flusser, Numerically stable direct least squares fitting of ellipses, WSCG 1998,
    as `skimage.measure.EllipseModel` has it.
    """
    middle = line.points.mean(axis=0)
    x, y = (line.points - middle).T / line.length
    weight = 1.0 / line.sigma
    quadratic = np.column_stack([x * x, x * y, y * y]) * weight[:, None]
    linear = np.column_stack([x, y, np.ones_like(x)]) * weight[:, None]
    try:
        carry = -np.linalg.solve(linear.T @ linear, linear.T @ quadratic)
        reduced = quadratic.T @ quadratic + (quadratic.T @ linear) @ carry
        matrix = np.array([0.5 * reduced[2], -reduced[1], 0.5 * reduced[0]])
        vectors = np.linalg.eig(matrix)[1].real
    except np.linalg.LinAlgError:
        return None
    positive = 4.0 * vectors[0] * vectors[2] - vectors[1] ** 2 > 0
    if not positive.any():
        return None
    a, b, c = vectors[:, int(np.argmax(positive))]
    d, e, f = carry @ np.array([a, b, c])
    matrix = np.array([[a, 0.5 * b], [0.5 * b, c]])
    centre = np.linalg.solve(2.0 * matrix, -np.array([d, e]))
    scale = centre @ matrix @ centre - f
    eigen, axes = np.linalg.eigh(matrix / scale)
    if not (np.isfinite(eigen).all() and (eigen > 0).all()):
        return None
    semi = 1.0 / np.sqrt(eigen) * line.length
    # Distance to first order: |F| over the length of its gradient.
    p = np.column_stack([x, y]) - centre
    q = p @ (matrix / scale)
    value = np.sum(p * q, axis=1) - 1.0
    off = line.length * value / np.maximum(2.0 * np.hypot(*q.T), 1e-12)
    n = len(line.points)
    cost = float(np.sum((off / line.sigma) ** 2)) * line.independent
    cost += _PRICE * 5.0 * math.log(n)
    cx, cy = (centre * line.length + middle).tolist()
    angle = math.atan2(float(axes[1, 0]), float(axes[0, 0]))
    return Ellipse(
        (cx, cy), (float(semi[0]), float(semi[1])), angle, cost, float(np.sqrt(np.mean(off * off)))
    )
