"""Random numbers of one simulated field, a pure function of seed, index and the order of asking."""

from __future__ import annotations

from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from stemfast import _core, elementary
from stemfast.orientation import quaternion_product
from stemfast.recipes import distributions

__all__ = ["Chance"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
T = TypeVar("T")

_FIRST_STAGE = 0x2000  # stages of the recipes of single particles lie below
_APART = 0x4000


class Chance:
    """Draws of one field: every call takes the next stage of the counter-based generator.

    Parameters
    ----------
    seed, index : int
        Seed of the set, and number of the field in it.

    Examples
    --------
    >>> Chance(1, 5).uniform(2).tolist() == Chance(1, 5).uniform(3)[:2].tolist()
    True
    """

    def __init__(self, seed: int, index: int) -> None:
        self._seed, self._index = seed, np.array([index], np.uint64)
        self._stage = _FIRST_STAGE

    def __repr__(self) -> str:
        return f"Chance of seed {self._seed}, field {int(self._index[0])}"

    def apart(self, purpose: int = 0) -> Chance:
        """Draws that move none of this one's, for what is off unless it is asked for."""
        other = Chance(self._seed, int(self._index[0]))
        other._stage = _APART + 0x100 * purpose
        return other

    def uniform(self, n: int) -> Floats:
        """Evenly in [0, 1), (n,)."""
        self._stage += 1
        return np.asarray(_core.uniforms(self._seed, self._index, self._stage, max(n, 1))[0, :n])

    def one(self) -> float:
        """One number in [0, 1)."""
        return float(self.uniform(1)[0])

    def happens(self, share: float) -> bool:
        """True in this share of the cases."""
        return self.one() < share

    def between(self, low: float, high: float) -> float:
        """One number evenly in a range."""
        return low + (high - low) * self.one()

    def between_log(self, low: float, high: float) -> float:
        """One number in a range, evenly in the logarithm."""
        return float(distributions.between_log((low, high), self.uniform(1))[0])

    def whole(self, low: int, high: int) -> int:
        """A whole number of low … high."""
        return low + int((high - low + 1) * self.one())

    def choice(self, options: tuple[T, ...]) -> T:
        """One of some options, all as likely."""
        return options[int(len(options) * self.one())]

    def picks(self, n: int, count: int) -> Ints:
        """`n` indices of 0 … count − 1, (n,)."""
        return distributions.pick(count, self.uniform(n))

    def by_weight(self, n: int, weight: Floats) -> Ints:
        """`n` indices of weights, each as often as its weight says, (n,)."""
        summed = np.cumsum(weight)
        found = np.searchsorted(summed, summed[-1] * self.uniform(n), side="right")
        return np.asarray(np.minimum(found, len(summed) - 1), np.int64)

    def normal(self, n: int) -> Floats:
        """Standard normal numbers, (n,)."""
        u = self.uniform(2 * n)
        return distributions.normal(u[:n], u[n:])

    def log_normal(self, median: float, sigma: float, n: int) -> Floats:
        """Log-normal numbers of this median and standard deviation of the logarithm, (n,)."""
        return np.asarray(median * elementary.exp(sigma * np.clip(self.normal(n), -3.5, 3.5)))

    def directions(self, n: int) -> Floats:
        """Unit vectors evenly over the sphere, (n, 3)."""
        u = self.uniform(2 * n)
        return distributions.isotropic(u[:n], u[n:])

    def orientations(self, n: int) -> Floats:
        """Unit quaternions (x, y, z, w) evenly over all rotations, (n, 4); K. Shoemake 1992."""
        u = self.uniform(3 * n).reshape(3, n)
        s1, c1 = elementary.sin_cos_turns(u[1])
        s2, c2 = elementary.sin_cos_turns(u[2])
        a, b = np.sqrt(1.0 - u[0]), np.sqrt(u[0])
        return np.stack([a * s1, a * c1, b * s2, b * c2], axis=-1)

    def about_the_beam(self, n: int, tilt_deg: float) -> Floats:
        """Quaternions turned at random about z, then tilted by some `tilt_deg` [degrees]."""
        turn = self.uniform(n)
        sine, cosine = elementary.sin_cos_turns(0.5 * turn)
        spin = np.stack([np.zeros(n), np.zeros(n), sine, cosine], axis=-1)
        axis = self.uniform(n)
        lean_sine, lean_cosine = elementary.sin_cos_turns(0.5 * tilt_deg / 360.0 * self.normal(n))
        along_y, along_x = elementary.sin_cos_turns(axis)
        lean = np.stack(
            [along_x * lean_sine, along_y * lean_sine, np.zeros(n), lean_cosine], axis=-1
        )
        return quaternion_product(lean, spin)
