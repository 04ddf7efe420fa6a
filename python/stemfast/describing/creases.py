"""Creases: where the thickness of a polyhedron bends, which is along its projected edges.

Thickness is linear across the shadow of a pair of faces, so its second derivatives vanish but for
the lines where one face gives way to the next. Behind a Gaussian of width s a bend of slope Δg
has the second derivative −Δg / (√(2π) s) on the line, across it. The eigenvalues of the Hessian at
several widths show where that is, and along which direction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Hessian", "Ridge", "hessian", "ridge", "width_px"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_NARROWEST_PX = 1.2
_WIDEST_SHARE = 0.16  # of the particle's radius
_WANTED = 6.0  # signal to noise of a typical crease
_TYPICAL_BEND = 0.7  # of a typical crease, in units of summit / radius
_SECOND = math.sqrt(3.0 / (16.0 * math.pi))


@dataclass(frozen=True, eq=False)
class Hessian:
    """Second derivatives of an image behind a Gaussian, in the image's units per px².

    Attributes
    ----------
    xx, xy, yy : ndarray, shape (h, w)
    weak, strong : ndarray, shape (h, w)
        Eigenvalues: the larger, and the smaller, which on the crease of a convex body is negative.
    width_px : float
        Width of the Gaussian [px].
    noise : float
        Standard deviation of a second derivative from the image's noise.
    """

    xx: Floats
    xy: Floats
    yy: Floats
    weak: Floats
    strong: Floats
    width_px: float
    noise: float

    def across(self, angle: float) -> tuple[float, float, float]:
        """Weights of xx, xy and yy in the second derivative across a direction `angle` [rad]."""
        c, s = math.cos(angle), math.sin(angle)
        return s * s, -2.0 * s * c, c * c


def width_px(summit: float, radius_px: float, pixel_noise: float) -> float:
    """The width [px] at which a typical crease stands out of the noise, no wider than that.

    A second derivative of white noise behind a Gaussian of width s has the standard deviation
    √(3/16π) / s³ in units of the pixels', and the crease falls as 1/s, so the ratio grows as s².

    Parameters
    ----------
    summit : float
        Brightness of the particle.
    radius_px : float
        Radius of the disc of its area [px].
    pixel_noise : float
        Standard deviation of a pixel, in units of the brightness.

    Examples
    --------
    >>> width_px(100.0, 30.0, 0.0), round(width_px(100.0, 30.0, 5.0), 1)
    (1.2, 2.8)
    """
    bend = _TYPICAL_BEND * summit / radius_px
    needed = math.sqrt(_WANTED * pixel_noise * _SECOND * math.sqrt(2.0 * math.pi) / bend)
    return min(max(needed, _NARROWEST_PX), max(_WIDEST_SHARE * radius_px, _NARROWEST_PX))


def hessian(height: Floats, width_px: float, pixel_noise: float) -> Hessian:
    """Second derivatives behind a Gaussian.

    Examples
    --------
    >>> bent = np.minimum(np.arange(32.0), 16.0)[:, None] + np.zeros(32)
    >>> found = hessian(bent, 1.5, 0.0)
    >>> print(f"{found.strong[16, 16]:.3f} {-1 / np.sqrt(2 * np.pi) / 1.5:.3f}")
    -0.278 -0.266
    """
    from scipy.ndimage import gaussian_filter1d

    def along(image: Floats, axis: int, order: int) -> Floats:
        result: Floats = gaussian_filter1d(image, width_px, axis, order, mode="nearest")
        return result

    rows = [along(height, 0, order) for order in (0, 1, 2)]
    xx, xy, yy = along(rows[0], 1, 2), along(rows[1], 1, 1), along(rows[2], 1, 0)
    half, root = 0.5 * (xx + yy), np.hypot(0.5 * (xx - yy), xy)
    noise = pixel_noise * _SECOND / width_px**3
    return Hessian(xx, xy, yy, half + root, half - root, width_px, noise)


@dataclass(frozen=True, eq=False)
class Ridge:
    """Points on creases, one to two per pixel of their length.

    Attributes
    ----------
    points : ndarray, shape (n, 2)
        x, y [px], between the pixels.
    angle : ndarray, shape (n,)
        Direction of the crease, 0 … π from x towards y [rad].
    bend : ndarray, shape (n,)
        How much the slope changes across it, in the image's units per px.
    """

    points: Floats
    angle: Floats
    bend: Floats


def ridge(found: Hessian, inside: Mask, threshold: float) -> Ridge:
    """The points where the image bends most strongly across the bend's own direction.

    Parameters
    ----------
    found : Hessian
    inside : ndarray of bool, shape (h, w)
        Where to look.
    threshold : float
        Smallest second derivative that counts.

    Examples
    --------
    >>> bent = np.minimum(np.arange(32.0), 16.0)[:, None] + np.zeros(32)
    >>> line = ridge(hessian(bent, 1.5, 0.0), np.ones((32, 32), bool), 0.1)
    >>> np.unique(line.points[:, 1].round(2)).tolist(), float(line.bend.mean().round(1))
    ([16.0], 1.0)
    """
    strength = -found.strong
    usable = inside & (strength > threshold)
    usable[[0, -1]] = usable[:, [0, -1]] = False
    rows, cols = np.nonzero(usable)
    # Where the second derivative is most negative across a line, it is largest along it.
    angle = 0.5 * np.arctan2(2.0 * found.xy, found.xx - found.yy)[rows, cols]
    dc, dr = -np.sin(angle), np.cos(angle)
    turn = np.maximum(np.abs(dc), np.abs(dr))
    dc, dr = np.round(dc / turn).astype(np.int64), np.round(dr / turn).astype(np.int64)
    here = strength[rows, cols]
    after, before = strength[rows + dr, cols + dc], strength[rows - dr, cols - dc]
    best = (here >= after) & (here > before)
    shift = 0.5 * (before - after) / np.minimum(before - 2.0 * here + after, -1e-12 * here)
    return Ridge(
        points=np.column_stack([cols + shift * dc, rows + shift * dr])[best],
        angle=np.mod(angle, math.pi)[best],
        bend=here[best] * math.sqrt(2.0 * math.pi) * found.width_px,
    )
