"""Plural scattering as a smooth function of depth, cheap enough for every pixel.

In units of the mean free path, τ = t/Λ, a layer scatters f = 1 − exp(−h(τ)) with

    h(τ) = τ + τ² (c₁ + c₂ τ + c₃ τ²)    up to a limit,

fitted to the transport integral, and a straight line beyond. Where an annular detector sees most
the line is level: thicker layers scatter electrons out of the annulus again, which is left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.arguments import positive_number
from stemfast.scattering.transport import (
    Atoms,
    Collection,
    cross_section_nm2,
    scattered_fraction,
)

__all__ = ["ScatteringCurve", "exponent", "scattering_curve", "slope", "strongest"]

Float: TypeAlias = NDArray[np.float64]

_DEPTHS: Final = np.geomspace(1e-2, 1e2, 400)
_FITTED: Final = 64
# Fits go as far as they can within the tolerance, to these shares of the largest fraction.
_SHARES: Final = (1.0, 0.9, 0.8, 0.7, 0.6)
# A detector without an outer edge sees ever more.
_ALMOST_ALL: Final = 0.99
_TOLERANCE: Final = 0.005
# Images hang on every bit of these numbers, and the last few bits of an integral on the processor.
_DIGITS_OF_PATH: Final = 7
_DECIMALS: Final = 6


@dataclass(frozen=True)
class ScatteringCurve:
    """Mean free path, and how far plural scattering bends 1 − exp(−t/Λ).

    Attributes
    ----------
    mean_free_path_nm : float
        Λ of a thin layer [nm].
    terms : (float, float, float)
        c₁, c₂ and c₃ of h(τ) = τ + τ² (c₁ + c₂ τ + c₃ τ²).
    limit : float
        τ up to which that holds.
    beyond : float
        Slope of h beyond the limit, 0 where the detector sees most.

    Examples
    --------
    >>> gold = scattering_curve(((79, 59.0),), Collection(200, 60, 200, 20))
    >>> gold.terms[0] > 0, gold.beyond, round(gold.largest_fraction, 2)
    (True, 0.0, 0.54)
    """

    mean_free_path_nm: float
    terms: tuple[float, float, float]
    limit: float
    beyond: float

    @classmethod
    def exponential(cls, mean_free_path_nm: float) -> ScatteringCurve:
        """The curve 1 − exp(−t/Λ), without plural scattering, for a Λ known from elsewhere.

        Examples
        --------
        >>> float(ScatteringCurve.exponential(65.0).exponent(np.array(2.0)))
        2.0
        """
        path = positive_number("mean_free_path_nm", mean_free_path_nm)
        return cls(path, (0.0, 0.0, 0.0), 1.0, 1.0)

    @property
    def numbers(self) -> tuple[float, float, float, float, float]:
        """c₁, c₂, c₃, the limit and the slope beyond, as the core takes them."""
        return (*self.terms, self.limit, self.beyond)

    @property
    def largest_fraction(self) -> float:
        """Largest share of the beam that any thickness scatters onto the detector."""
        return 1.0 if self.beyond > 0.0 else float(self.fraction(np.array(self.limit)))

    def exponent(self, depth: Float) -> Float:
        """H of depths Σ t/Λ."""
        return np.asarray(exponent(depth, self.numbers))

    def fraction(self, depth: Float) -> Float:
        """Scattered fraction 1 − exp(−h) of depths Σ t/Λ."""
        return np.asarray(-np.expm1(-self.exponent(depth)))

    def slope(self, depth: Float) -> Float:
        """Derivative of h by the depth."""
        return np.asarray(slope(depth, self.numbers))

    def bend(self, depth: Float) -> Float:
        """Second derivative of h by the depth."""
        c1, c2, c3 = self.terms
        inside = depth < self.limit
        return np.asarray(np.where(inside, 2.0 * c1 + depth * (6.0 * c2 + 12.0 * c3 * depth), 0.0))

    def depth(self, fraction: Float) -> Float:
        """Depth Σ t/Λ that scatters a fraction: the inverse of `fraction`.

        Below 0 it goes on as −ln(1 − f), so that noise about 0 stays noise about 0; above the
        largest fraction it is the limit.

        Examples
        --------
        >>> gold = scattering_curve(((79, 59.0),), Collection(200, 60, 200, 20))
        >>> gold.depth(gold.fraction(np.array([0.01, 0.3]))).round(9).tolist()
        [0.01, 0.3]
        """
        wanted = -np.log1p(-np.minimum(fraction, self.largest_fraction))
        grid = np.linspace(0.0, self.limit, 4097)
        most = self.exponent(grid[-1:])[0]
        found = np.interp(wanted, self.exponent(grid), grid)
        for _ in range(3):
            off = self.exponent(found) - np.minimum(wanted, most)
            # At the brightest depth the slope is nearly 0: there the grid's answer stays.
            found = np.clip(found - off / np.maximum(self.slope(found), 0.05), 0.0, self.limit)
        if self.beyond > 0.0:
            found = found + np.maximum(wanted - most, 0.0) / self.beyond
        return np.asarray(np.where(wanted < 0.0, wanted, found))


def exponent(depth: Any, numbers: Any) -> Any:
    """H of depths, of NumPy's arrays or JAX's.

    Parameters
    ----------
    depth : array
        Σ t/Λ, not negative but for rounding.
    numbers : (5,) array or tuple
        c₁, c₂, c₃, the limit and the slope beyond.

    Examples
    --------
    >>> float(exponent(np.array(1.5), (0.0, 0.0, 0.0, 1.0, 0.5)))
    1.25
    """
    c1, c2, c3, limit, beyond = numbers
    over = (depth - limit) * (depth > limit)
    x = depth - over
    return x + x * x * (c1 + x * (c2 + x * c3)) + beyond * over


def slope(depth: Any, numbers: Any) -> Any:
    """Derivative of `exponent` by the depth.

    Examples
    --------
    >>> float(slope(np.array(0.5), (0.1, 0.0, 0.0, 1.0, 0.0)))
    1.1
    """
    c1, c2, c3, limit, beyond = numbers
    over = depth > limit
    x = depth
    inside = 1.0 + x * (2.0 * c1 + x * (3.0 * c2 + x * (4.0 * c3)))
    return inside * (1.0 - over) + beyond * over


def strongest(curves: Sequence[ScatteringCurve]) -> ScatteringCurve:
    """The curve of the smallest mean free path, the first of equals.

    Examples
    --------
    >>> thin, thick = (ScatteringCurve(path, (0.0, 0.0, 0.0), 1.0, 1.0) for path in (9.0, 8.0))
    >>> strongest([thin, thick]) is thick
    True
    """
    return min(curves, key=lambda curve: curve.mean_free_path_nm)


@lru_cache(maxsize=1024)
def scattering_curve(
    atoms: tuple[tuple[int, float], ...], collection: Collection
) -> ScatteringCurve:
    """Curve of an amorphous substance for a detector.

    Its numbers are rounded, Λ to 7 digits, so that they are the same on every machine.

    Parameters
    ----------
    atoms : tuple of (int, float)
        Atomic number and number density [1/nm³] of each element.
    collection : Collection

    Raises
    ------
    ValueError
        If an element is not in the table.

    Examples
    --------
    >>> carbon = scattering_curve(((6, 100.0),), Collection(200, 60, 200, 20))
    >>> print(f"{carbon.mean_free_path_nm:.0f} nm")
    5469 nm
    """
    per_nm = sum(n * cross_section_nm2(z, collection) for z, n in atoms)
    path = _rounded(1.0 / per_nm, _DIGITS_OF_PATH)
    fraction = _fraction_at(atoms, collection, path, _DEPTHS)
    largest = min(float(fraction.max()), _ALMOST_ALL)
    for share in _SHARES:
        limit = round(float(_DEPTHS[np.argmax(fraction >= share * largest)]), _DECIMALS)
        terms, error = _fitted(atoms, collection, path, limit)
        if error < _TOLERANCE:
            break
    rising = slope(np.array(limit), (*terms, math.inf, 0.0))
    at_top = share == 1.0 and largest < _ALMOST_ALL
    beyond = 0.0 if at_top else max(round(float(rising), _DECIMALS), 0.0)
    return ScatteringCurve(path, terms, limit, beyond)


def _fitted(
    atoms: Atoms, collection: Collection, path_nm: float, limit: float
) -> tuple[tuple[float, float, float], float]:
    """Least squares of the relative error of h up to a depth, and the largest error of f."""
    depth = limit * (np.arange(_FITTED) + 1.0) / _FITTED
    fraction = _fraction_at(atoms, collection, path_nm, depth)
    bent = -np.log1p(-fraction) / depth
    powers = np.stack([depth, depth**2, depth**3], axis=1) / bent[:, None]
    found = np.linalg.lstsq(powers, 1.0 - 1.0 / bent, rcond=None)[0]
    c1, c2, c3 = (round(float(c), _DECIMALS) for c in found)
    near = -np.expm1(-exponent(depth, (c1, c2, c3, limit, 0.0)))
    return (c1, c2, c3), float(np.abs(near / fraction - 1.0).max())


def _fraction_at(atoms: Atoms, collection: Collection, path_nm: float, depth: Float) -> Float:
    return scattered_fraction([(atoms, path_nm * depth)], collection)


def _rounded(value: float, digits: int) -> float:
    return round(value, digits - 1 - math.floor(math.log10(abs(value))))
