"""The outline of one particle, the same for all commands."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stemfast.finding.outline.contour import (
    Ellipse,
    contour,
    fit_ellipse,
    fit_polygon,
    hides_corners,
)
from stemfast.finding.outline.corners import signed_area
from stemfast.finding.outline.edges import refine_ellipse, refine_polygon
from stemfast.micrograph.isolate import Isolated

__all__ = ["Outline", "draw_outline", "rough_form"]

Floats = NDArray[np.float64]

_AGREES = (0.62, 2.0)  # area of the outline over that of the label


@dataclass(frozen=True, eq=False)
class Outline:
    """A closed line where a particle ends.

    Attributes
    ----------
    points : ndarray, shape (n, 2)
        x, y [px] in the particle's window, the first pixel's centre being 0, turning from x
        towards y: corners, or points on the ellipse.
    is_round : bool
        Whether it is an ellipse.
    area, area_sd : float
        Area within it and its standard deviation [px²].
    fitted : bool
        Whether it comes from how brightness falls across it; else it is the ellipse of the label.
    """

    points: Floats = field(repr=False)
    is_round: bool
    area: float
    area_sd: float
    fitted: bool = True

    @property
    def diameter(self) -> float:
        """Diameter of the disc of the same area [px]."""
        return 2.0 * math.sqrt(self.area / math.pi)


def draw_outline(isolated: Isolated, blur_px: float, steep: float = 0.5) -> Outline:
    """Draw the outline of a particle: polygon or ellipse, each side where the particle ends.

    Where that has far more or less area than the label, the edges are not to be followed, and the
    ellipse of the label is drawn.

    Parameters
    ----------
    isolated : Isolated
        The particle without what is around it.
    blur_px : float
        Gaussian width of the probe in the image [px].
    steep : float
        Probability that particles of this image rest on their faces.

    Returns
    -------
    Outline

    Examples
    --------
    >>> from stemfast.micrograph.isolate import isolate
    >>> rows, cols = np.indices((64, 64))
    >>> disc = np.clip(9.5 - np.hypot(rows - 20, cols - 30), 0.0, 1.0)
    >>> line = draw_outline(isolate(10.0 + 40.0 * disc), 0.3)
    >>> line.is_round, round(line.diameter)
    (True, 18)
    """
    form = rough_form(isolated, blur_px)
    if isinstance(form, Ellipse):
        fitted = refine_ellipse(isolated, form, blur_px)
    else:
        fitted = refine_polygon(isolated, form, blur_px, steep)
    area = abs(signed_area(fitted.points))
    labelled = float(np.count_nonzero(isolated.own))
    if not _AGREES[0] * labelled < area < _AGREES[1] * labelled:
        return _of_label(isolated.own)
    return Outline(fitted.points, isinstance(form, Ellipse), area, fitted.area_sd)


def _of_label(own: NDArray[np.bool_]) -> Outline:
    """The ellipse of a label's area and second moments; half a pixel around is its uncertainty."""
    rows, cols = np.nonzero(own)
    centre = (float(cols.mean()), float(rows.mean()))
    # Twelfths for the pixels' own extent.
    spread = np.cov(np.stack([cols, rows]).astype(np.float64), bias=True) + np.eye(2) / 12.0
    variances, axes = np.linalg.eigh(spread)
    semi = 2.0 * np.sqrt(variances)
    semi *= math.sqrt(len(rows) / (math.pi * semi.prod()))
    angle = math.atan2(float(axes[1, 0]), float(axes[0, 0]))
    points = Ellipse(centre, (float(semi[0]), float(semi[1])), angle, 0.0, 0.0).points()
    if signed_area(points) < 0:
        points = points[::-1]
    return Outline(points, True, float(len(rows)), math.pi * float(semi.mean()), fitted=False)


def rough_form(isolated: Isolated, blur_px: float) -> Floats | Ellipse:
    """The ellipse, or the corners (n, 2) of the polygon, along a contour of the particle."""
    line = contour(isolated, blur_px)
    ellipse = fit_ellipse(line)
    if ellipse is not None and hides_corners(line, ellipse):
        return ellipse
    polygon = fit_polygon(line)
    return ellipse if ellipse is not None and ellipse.cost < polygon.cost else polygon.corners
