"""Uniform draws onto ranges, axes and turns, with the same bits on every machine.

Only + − × ÷, square roots, comparisons and :mod:`stemfast.elementary`: NumPy's own exp, log and
sine differ in the last bit from one CPU to the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast import draws, elementary

__all__ = [
    "Stage",
    "between",
    "between_log",
    "isotropic",
    "normal",
    "numbered",
    "pick",
]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]


class Stage(IntEnum):
    """Stages of the counter-based generator that recipes draw from."""

    SIZE = 0x1006
    IMAGING = 0x1000
    POSITION = 0x1001
    PARTICLE = 0x1002
    CORNERS = 0x1003
    SPIN = 0x1004
    TILT = 0x1005
    GRAIN = 0x1007
    REST = 0x1008


def numbered(seed: int, indices: Ints, stage: Stage, n: int) -> Iterator[Floats]:
    """The `n` uniform numbers of each index, one contiguous row at a time, in order."""
    return iter(np.ascontiguousarray(draws.uniform(seed, indices, stage, n).T))


def between(limits: tuple[float, float], u: Floats) -> Floats:
    """Map uniform draws in [0, 1) evenly onto a range."""
    return np.asarray(limits[0] + (limits[1] - limits[0]) * u)


def between_log(limits: tuple[float, float], u: Floats) -> Floats:
    """Map uniform draws in [0, 1) onto a range, evenly in the logarithm."""
    if limits[0] == limits[1]:
        return np.full(u.shape, limits[0])
    low, high = elementary.log(np.array(limits)).tolist()
    # Rounding of exp(log(x)) must not step outside.
    return np.clip(elementary.exp(between((low, high), u)), *limits)


def pick(n: int, u: Floats) -> Ints:
    """Map uniform draws in [0, 1) onto 0 … n − 1."""
    return (n * u).astype(np.int64)


def normal(u: Floats, v: Floats) -> Floats:
    """One standard normal number from two uniform ones, after G. E. P. Box and M. E. Muller.

    Ann. Math. Statist. 29 (1958) 610.
    """
    _, cosine = elementary.sin_cos_turns(v)
    return np.asarray(np.sqrt(-2.0 * elementary.log(1.0 - u)) * cosine)


def isotropic(u: Floats, v: Floats) -> Floats:
    """Unit vectors (N, 3) evenly over the sphere from two uniform draws each."""
    z = 2.0 * u - 1.0
    sine, cosine = elementary.sin_cos_turns(v)
    ring = np.sqrt(1.0 - z * z)
    return np.stack([ring * cosine, ring * sine, z], axis=-1)
