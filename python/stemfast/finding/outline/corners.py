"""Corners of polygons: where sides meet, and which corners belong to no particle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["intersections", "signed_area", "turns_deg", "without_flat_corners", "without_spikes"]

Floats = NDArray[np.float64]

_FLATTEST_DEG = 7.0
# A corner that turns by so much, between or beside corners that turn the other way, and holds less
# than this share of the area: where a neighbour is joined to the particle, or texture parts it.
_SHARP_DEG, _BACK_DEG, _SPIKE_SHARE = 100.0, 25.0, 0.06


def signed_area(points: Floats) -> float:
    """Area within a closed line, positive where x turns towards y.

    Examples
    --------
    >>> signed_area(np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 1.0], [0.0, 1.0]]))
    2.0
    """
    x, y = points.T
    last = x[-1] * y[0] - x[0] * y[-1]
    return 0.5 * float(x[:-1] @ y[1:] - x[1:] @ y[:-1] + last)


def turns_deg(outline: Floats) -> Floats:
    """Angle by which the outline (n, 2) turns at each corner [degrees], negative where concave.

    Examples
    --------
    >>> turns_deg(np.array([[0.0, 0], [2, 0], [2, 1], [0, 1]])).tolist()
    [90.0, 90.0, 90.0, 90.0]
    """
    into = outline - np.concatenate([outline[-1:], outline[:-1]])
    out = np.concatenate([into[1:], into[:1]])
    cross = into[:, 0] * out[:, 1] - into[:, 1] * out[:, 0]
    turn: Floats = np.degrees(np.arctan2(cross, np.sum(into * out, axis=1)))
    return turn


def intersections(sides: list[tuple[Floats, Floats]], near: Floats, *, farthest: float) -> Floats:
    """Intersections of each side with the one before; the point `near` if that is too far.

    Parameters
    ----------
    sides : list of (point, unit normal)
    near : ndarray, shape (n, 2)
        About where side k begins.
    farthest : float
        Largest distance from there.

    Examples
    --------
    >>> ex, ey = np.eye(2)
    >>> sides = [(np.zeros(2), ey), (3 * ex, ex)]
    >>> corners = intersections(sides, np.array([[3.2, 0], [2.9, 0]]), farthest=1.0)
    >>> np.abs(corners).tolist()
    [[3.0, 0.0], [3.0, 0.0]]
    """
    corners = near.astype(np.float64).copy()
    for k, (point, normal) in enumerate(sides):
        before, tilt = sides[k - 1]
        det = float(normal[0] * tilt[1] - normal[1] * tilt[0])
        if abs(det) < 1e-3:
            continue
        a, b = float(normal @ point), float(tilt @ before)
        meet = np.array([a * tilt[1] - b * normal[1], normal[0] * b - tilt[0] * a]) / det
        if np.hypot(*(meet - near[k])) <= farthest:
            corners[k] = meet
    return corners


def without_spikes(corners: Floats) -> Floats:
    """Cut off narrow spikes and notches (n, 2) of little area, the sharpest first.

    Convex particles have none, and those with arms have broader ones: a spike is drawn where the
    contour runs towards a particle beside it, or into texture. It begins at a corner that turns
    back. Where leaving out its tip takes too much, the tip comes to the point of its longer side
    that is nearest to that corner.

    Examples
    --------
    >>> square = [[0.0, 0], [10, 0], [10, 5], [12, 5.5], [10, 6], [10, 10], [0, 10]]
    >>> without_spikes(np.array(square)).tolist()
    [[0.0, 0.0], [10.0, 0.0], [10.0, 5.0], [10.0, 6.0], [10.0, 10.0], [0.0, 10.0]]
    >>> without_spikes(np.array([[0.0, 0], [14, 0], [10, 3], [10, 10], [0, 10]])).tolist()
    [[0.0, 0.0], [10.0, 0.0], [10.0, 3.0], [10.0, 10.0], [0.0, 10.0]]
    """
    for _ in range(2 * len(corners)):
        turn = turns_deg(corners)
        most = _SPIKE_SHARE * abs(signed_area(corners))
        sharp = np.flatnonzero(np.abs(turn) > _SHARP_DEG)
        sharpest_first = sharp[np.argsort(-np.abs(turn[sharp]), kind="stable")].tolist()
        cuts = (_cut_off(corners, turn, k, most) for k in sharpest_first)
        cut = next((one for one in cuts if one is not None), None)
        if cut is None:
            break
        corners = cut
    return corners


def _cut_off(corners: Floats, turn: Floats, k: int, most: float) -> Floats | None:
    """The polygon without corner k or nearer, if that is a spike of at most this area."""
    n, tip = len(corners), corners[k]
    ends = ((k - 1) % n, (k + 1) % n)
    back = [end for end in ends if -turn[end] * np.sign(turn[k]) > _BACK_DEG]
    if not back or n < 4:
        return None
    if abs(signed_area(corners[[ends[0], k, ends[1]]])) < most:
        return np.delete(corners, k, axis=0)
    stays, far = corners[back[0]], corners[ends[0] if back[0] == ends[1] else ends[1]]
    side = far - tip
    share = float((stays - tip) @ side) / max(float(side @ side), 1e-12)
    foot = tip + share * side
    if not 0.0 < share < 1.0 or abs(signed_area(np.stack([stays, tip, foot]))) > most:
        return None
    nearer = corners.copy()
    nearer[k] = foot
    return nearer


def without_flat_corners(corners: Floats) -> Floats:
    """Drop what hardly turns or turns back on itself, one corner at a time, flattest first."""
    while len(corners) > 3:
        turn = np.abs(turns_deg(corners))
        k = int(np.argmin(turn))
        if turn[k] >= _FLATTEST_DEG:
            break
        corners = np.delete(corners, k, axis=0)
    return corners if signed_area(corners) > 0 else corners[::-1]
