"""Stage tilts between the images and their axis.

A tilt axis lies in the image plane; its direction is counted like a wedge's, 0° along x (right),
90° along y (down). The sum of a particle's thickness across the axis does not change with the tilt:
of every image it is the same profile along the axis, which is how the axis can be found where
nobody wrote it down. What that cannot tell is which way along the axis is positive, and with it the
sense of the tilt; then nothing is known of handedness.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from stemfast.fit.turns import Turns
from stemfast.reconstruction.prepare import View

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

__all__ = ["SAME_DEG", "checked_tilts", "find_axis", "turns_between"]

Float: TypeAlias = NDArray[np.float64]

_FOUND_AXIS_SD_DEG = 2.0
#: Turns closer than this tell nothing of hands [degrees].
SAME_DEG = 0.5
_UNTILTED = "cannot be known from images at one tilt"
_STEP_DEG = 5.0
_BINS = 24


def checked_tilts(tilts: object, n: int) -> Float | Rotation | None:
    """Tilts of n images: angles [degrees], SciPy's rotations, or None.

    Raises
    ------
    ValueError
        If their number is not n or one is not finite.

    Examples
    --------
    >>> checked_tilts([0, 30], 2)
    array([ 0., 30.])
    """
    if tilts is None:
        return None
    if type(tilts).__module__.startswith("scipy.spatial.transform"):
        turned = cast("Rotation", tilts)
        length = 1 if turned.single else len(turned)
        if length != n:
            raise ValueError(f"tilts: got {length} rotations, expected {n}, one for each image")
        return turned
    try:
        angles = np.atleast_1d(np.asarray(tilts, np.float64))
    except (TypeError, ValueError):
        raise TypeError(f"tilts: got {tilts!r}, expected angles in degrees") from None
    if angles.shape != (n,):
        raise ValueError(
            f"tilts: got {angles.size} in shape {angles.shape}, expected {n}, one for each image"
        )
    if not np.isfinite(angles).all():
        raise ValueError(f"tilts: got {angles.tolist()}, expected finite angles in degrees")
    return angles


def find_axis(views: Sequence[View], paths_nm: Sequence[Float]) -> float:
    """Direction of the tilt axis [degrees], 0 to 180, from the images alone.

    Parameters
    ----------
    views : sequence of View
        Images at different tilts.
    paths_nm : sequence of (rows, columns) float64
        What each shows of the particle, in proportion to its thickness.

    Returns
    -------
    float
        The direction along which the profiles of all images agree best.
    """
    from scipy.optimize import minimize_scalar

    points = [_points(view, path) for view, path in zip(views, paths_nm, strict=True)]
    reach = max(float(np.abs(xy).max()) for xy, _ in points)
    edges = np.linspace(-reach, reach, _BINS + 1)

    def spread(axis_deg: float) -> float:
        angle = np.radians(axis_deg)
        along = np.array([np.cos(angle), np.sin(angle)])
        profiles = np.array([_profile(xy @ along, weight, edges) for xy, weight in points])
        return float(profiles.var(axis=0).sum())

    grid = np.arange(0.0, 180.0, _STEP_DEG)
    best = float(grid[int(np.argmin([spread(axis) for axis in grid.tolist()]))])
    fine = minimize_scalar(spread, bounds=(best - _STEP_DEG, best + _STEP_DEG), method="bounded")
    return float(fine.x) % 180.0


def _points(view: View, path: Float) -> tuple[Float, Float]:
    """Places (n, 2) about the centre of mass [nm], and their share of the mass."""
    weight = np.where(view.particle, np.maximum(path, 0.0), 0.0)
    rows, columns = np.nonzero(weight)
    share = weight[rows, columns] / weight.sum()
    places = np.column_stack([columns, rows]) * view.pixel_size_nm
    return places - share @ places, share


def _profile(along: Float, weight: Float, edges: Float) -> Float:
    """Mass in each bin, shared out between the two nearest."""
    step = edges[1] - edges[0]
    place = (along - edges[0]) / step
    left = np.clip(np.floor(place).astype(int), 0, len(edges) - 2)
    part = place - left
    n = len(edges)
    whole = np.bincount(left, weight * (1 - part), n) + np.bincount(left + 1, weight * part, n)
    return np.asarray(whole, np.float64)


def turns_between(
    views: Sequence[View],
    angles: Float | Rotation | None,
    axis_deg: float | None,
    sd_deg: float,
    warnings: list[str],
) -> tuple[Turns | None, str]:
    """The turns between the views, and what hides the handedness ("" if nothing does).

    Parameters
    ----------
    views : sequence of View
    angles : (K,) float64, Rotation or None
        Of the stage, or of the particle.
    axis_deg : float or None
        Direction of the tilt axis, where it is known [degrees].
    sd_deg : float
        Uncertainty of each [degrees].
    warnings : list of str
        What the user should be told is added.
    """
    if len(views) == 1:
        return None, "cannot be known from one image"
    if angles is None:
        return None, "cannot be known from images at unknown poses"
    if not isinstance(angles, np.ndarray):
        apart = (angles[0].inv() * angles).magnitude()
        same = bool(np.degrees(apart).max() < SAME_DEG)
        return Turns(angles, sd_deg), _UNTILTED if same else ""
    if np.ptp(angles) < SAME_DEG:
        return Turns.about_axis(angles, axis_deg=axis_deg or 0.0, sd_deg=sd_deg), _UNTILTED
    if axis_deg is not None:
        return Turns.about_axis(angles, axis_deg=axis_deg, sd_deg=sd_deg), ""
    found = find_axis(views, [view.image - view.film for view in views])
    warnings.append(
        f"the tilt axis is not known: taken at {found:.0f}° from the images' x axis, where they "
        "agree best (--tilt-axis-deg); which way it points stays open, and so does the hand"
    )
    turns = Turns.about_axis(angles, axis_deg=found, sd_deg=sd_deg)
    return replace(turns, sd_deg=max(sd_deg, _FOUND_AXIS_SD_DEG), axis=None), (
        "cannot be known without the sense of the tilts"
    )
