"""Particles of a field followed through a tilt series.

A tilt about an axis in the image plane leaves the place of a particle along the axis as it is, and
takes its place v across the axis to v cos θ − z sin θ, where its height z is not known. Frames are
paired with their neighbours in tilt, where heights count least: first the drift that most pairs of
particles of like size agree on, then the pairs that fit best together (Kuhn, Naval Res. Logist. Q.
2 (1955) 83). A particle that could as well be another is not followed further.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Places", "follow"]

Floats: TypeAlias = NDArray[np.float64]

_HEIGHTS_NM = (3.0, 10.0, 30.0)  # standard deviations, from a film to a thick support
_DIAMETER = 0.15  # share of it that the middle of an outline moves as the particle turns
_LIKE = 0.15  # logarithm of the ratio of two diameters, as particles turn
_FARTHEST = 3.0  # standard deviations
_MOST_TRIED = 2000  # shifts
_CLEARLY = 3.0  # by how much a second one must fit worse, in squares of standard deviations


@dataclass(frozen=True, eq=False)
class Places:
    """Particles of one frame.

    Attributes
    ----------
    xy_nm : (n, 2) float64
        Their middles: x right, y down [nm].
    diameters_nm : (n,) float64
        Diameters of discs of the same area [nm].
    """

    xy_nm: Floats = field(repr=False)
    diameters_nm: Floats = field(repr=False)

    def __len__(self) -> int:
        return len(self.xy_nm)


def follow(
    frames: Sequence[Places], tilts_deg: ArrayLike, axis_deg: float, reference: int
) -> NDArray[np.intp]:
    """Follow the particles of one frame through the others.

    Parameters
    ----------
    frames : sequence of K Places
    tilts_deg : (K,) array_like
        Tilt of each frame [degrees].
    axis_deg : float
        Direction of the tilt axis, 0 along x (right), 90 along y (down) [degrees].
    reference : int
        Frame whose n particles are followed.

    Returns
    -------
    (n, K) ndarray of int
        The number of each particle in each frame, from 0; -1 where it is not known.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> there, sizes = rng.uniform(0.0, 300.0, (12, 2)), rng.uniform(8.0, 20.0, 12)
    >>> tilted = there * (np.cos(np.radians(20.0)), 1.0) + (7.0, -3.0)
    >>> frames = [Places(there, sizes), Places(tilted[::-1], sizes[::-1])]
    >>> follow(frames, [0.0, 20.0], 90.0, 0)[:, 1].tolist()
    [11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    """
    tilts = np.radians(np.asarray(tilts_deg, np.float64))
    found = np.full((len(frames[reference]), len(frames)), -1, np.intp)
    found[:, reference] = np.arange(len(found))
    order = np.argsort(tilts, kind="stable").tolist()
    place = order.index(reference)
    for chain in (order[place:], order[: place + 1][::-1]):
        for before, after in itertools.pairwise(chain):
            pairs = _pairs(frames[before], frames[after], tilts[[before, after]], axis_deg)
            known = found[:, before] >= 0
            found[known, after] = pairs[found[known, before]]
    return found


def _pairs(one: Places, other: Places, tilts: Floats, axis_deg: float) -> NDArray[np.intp]:
    """The particle of the second frame that each of the first is, -1 where none is sure.

    Of several spreads of heights, the most likely one counts.
    """
    if not len(one) or not len(other):
        return np.full(len(one), -1, np.intp)
    angle, (first, second) = np.radians(axis_deg), np.cos(tilts)
    axes = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    start, end = one.xy_nm @ axes, other.xy_nm @ axes
    start = start * (1.0, second / first)
    apart = end[None] - start[:, None]
    own = _DIAMETER * np.sqrt(one.diameters_nm[:, None] * other.diameters_nm[None])
    unlike = (np.log(one.diameters_nm[:, None] / other.diameters_nm[None]) / _LIKE) ** 2
    lever = abs(np.sin(tilts[1]) - np.sin(tilts[0]) * second / first)
    area = float(np.prod(np.ptp(end, axis=0) + own.mean()))
    likeliest, best = -np.inf, np.full(len(one), -1, np.intp)
    for height in _HEIGHTS_NM:
        sd = np.stack([own, np.hypot(own, lever * height)], axis=2)
        cost = (((apart - _drift(apart, sd, unlike)) / sd) ** 2).sum(axis=2) + unlike
        # Against a particle that may be anywhere.
        gain = np.log(area / (2.0 * np.pi * sd.prod(axis=2))) - 0.5 * cost
        pairs = _assigned(cost)
        there = np.flatnonzero(pairs >= 0)
        likely = float(gain[there, pairs[there]].sum())
        if likely > likeliest:
            likeliest, best = likely, np.where(_clear(cost, pairs), pairs, -1)
    return best


def _assigned(cost: Floats) -> NDArray[np.intp]:
    """Pairs of rows and columns that fit best together, -1 where none is near."""
    from scipy.optimize import linear_sum_assignment

    limit = _FARTHEST**2
    rows, columns = linear_sum_assignment(np.minimum(cost, limit))
    near = cost[rows, columns] < limit
    result = np.full(len(cost), -1, np.intp)
    result[rows[near]] = columns[near]
    return result


def _clear(cost: Floats, pairs: NDArray[np.intp]) -> NDArray[np.bool_]:
    """True for each pair that fits much better than any other pairing of it would."""
    owner = np.full(cost.shape[1], -1, np.intp)
    owner[pairs[pairs >= 0]] = np.flatnonzero(pairs >= 0)
    free = np.flatnonzero(pairs < 0)
    clear = np.zeros(len(pairs), np.bool_)
    for row in np.flatnonzero(pairs >= 0).tolist():
        own = pairs[row]
        # Another column, whose own row would take this one in exchange; or a free row.
        instead = cost[row].copy()
        taken = owner >= 0
        instead[taken] += cost[owner[taken], own] - cost[owner[taken], np.flatnonzero(taken)]
        instead[own] = np.inf
        rivals = np.concatenate([instead, cost[free, own]])
        clear[row] = rivals.min() > cost[row, own] + _CLEARLY
    return clear


def _drift(apart: Floats, sd: Floats, unlike: Floats) -> Floats:
    """The shift that most pairs agree on, among the shifts of pairs of like size."""
    like = unlike < _FARTHEST**2
    if not like.any():
        return np.zeros(2)
    shifts, widths, worth = apart[like], sd[like], np.exp(-0.5 * unlike[like])
    tried = shifts[np.argsort(-worth, kind="stable")[:_MOST_TRIED]]
    agreed = [
        float((worth * np.exp(-0.5 * (((shifts - one) / widths) ** 2).sum(axis=1))).sum())
        for one in tried
    ]
    best = tried[int(np.argmax(agreed))]
    for _ in range(3):  # from that of one pair to the mean of all that agree
        weight = worth * np.exp(-0.5 * (((shifts - best) / widths) ** 2).sum(axis=1))
        best = weight @ shifts / weight.sum()
    return np.asarray(best, np.float64)
