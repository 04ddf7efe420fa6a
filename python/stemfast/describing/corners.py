"""Interior corners: where creases meet. They are the projected 3-D corners off the outline.

A crease can end only in a corner. So a point where creases meet is a corner if one of them ends
there; where both go on, an edge of the upper side passes over one of the lower side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemfast.describing.wireframe import Segment

__all__ = ["interior_corners"]

Floats = NDArray[np.float64]

_LEAST_TURN = math.sin(math.radians(18.0))


def interior_corners(creases: Sequence[Segment], reach_px: float, merge_px: float) -> Floats:
    """Find where creases end in each other.

    Parameters
    ----------
    creases : sequence of Segment
    reach_px : float
        How far a segment may end from the corner, or reach beyond it [px]: near a corner one
        crease hides in the other's blur.
    merge_px : float
        Meetings closer than this are one corner [px].

    Returns
    -------
    ndarray, shape (n, 2)
        x, y [px].

    Examples
    --------
    >>> def crease(*ends):
    ...     return Segment(*np.array(ends, float), 1.0)
    >>> ell = [crease((0, 0), (9, 0)), crease((10, 1), (10, 9))]
    >>> interior_corners(ell, 2.0, 2.0).round(6).tolist()
    [[10.0, 0.0]]
    >>> cross = [crease((0, 5), (20, 5)), crease((10, -9), (10, 19))]
    >>> len(interior_corners(cross, 2.0, 2.0))
    0
    """
    meetings: list[tuple[float, float, int, int]] = []
    for i, first in enumerate(creases):
        for j in range(i + 1, len(creases)):
            meeting = _meeting(first, creases[j], reach_px)
            if meeting is not None:
                meetings.append((*meeting, i, j))
    groups: list[list[tuple[float, float, int, int]]] = []
    for entry in meetings:
        for group in groups:
            if any(math.hypot(entry[0] - o[0], entry[1] - o[1]) < merge_px for o in group):
                group.append(entry)
                break
        else:
            groups.append([entry])
    corners = []
    for group in groups:
        members = sorted({k for entry in group for k in entry[2:]})
        near = np.array([entry[:2] for entry in group]).mean(axis=0)
        place = _nearest_to_all([creases[k] for k in members], near, merge_px)
        if any(_ends_at(creases[k], place, reach_px) for k in members):
            corners.append(place)
    return np.array(corners).reshape(-1, 2)


def _meeting(first: Segment, second: Segment, reach: float) -> tuple[float, float] | None:
    """Intersection of two segments, each extended by `reach` at both ends."""
    u, v = first.direction, second.direction
    det = float(u[0] * v[1] - u[1] * v[0])
    if abs(det) < _LEAST_TURN:
        return None
    off = second.start - first.start
    s = float(off[0] * v[1] - off[1] * v[0]) / det
    t = float(off[0] * u[1] - off[1] * u[0]) / det
    if not (-reach <= s <= first.length + reach and -reach <= t <= second.length + reach):
        return None
    x, y = (first.start + s * u).tolist()
    return x, y


def _ends_at(crease: Segment, place: NDArray[np.floating[Any]], reach: float) -> bool:
    """True if a segment ends near a point instead of running through."""
    along = float((place - crease.start) @ crease.direction)
    return min(along, crease.length - along) < reach


def _nearest_to_all(
    creases: Sequence[Segment], near: NDArray[np.floating[Any]], farthest: float
) -> NDArray[np.floating[Any]]:
    """The point of the least squared distance from all lines, longer ones counting more."""
    matrix, right = np.zeros((2, 2)), np.zeros(2)
    for crease in creases:
        normal = np.array([-crease.direction[1], crease.direction[0]])
        part = crease.length * np.outer(normal, normal)
        matrix += part
        right += part @ crease.start
    place = np.linalg.solve(matrix, right)
    return place if np.hypot(*(place - near)) <= farthest else near
