"""Bessel functions by the trapezoidal rule on their integrals, which it sums to full precision.

NumPy has none, and SciPy's would make the first image wait for its import.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["j0", "j1", "k0_and_k1"]

Float: TypeAlias = NDArray[np.float64]

_STEP = 0.2  # the error of the rule is about exp(−π²/step)
_LARGEST = 700.0  # exp(−700) is the least that float64 holds in full


def j0(x: Float) -> Float:
    """J₀ of real numbers: J₀(x) = 1/π ∫ cos(x sin τ) dτ over half a turn.

    M. Abramowitz and I. A. Stegun, *Handbook of Mathematical Functions*, 9.1.21.

    Examples
    --------
    >>> abs(j0(np.array([0.0, 2.404825557695773])).round(12)).tolist()
    [1.0, 0.0]
    """
    return np.asarray(np.cos(np.multiply.outer(x, np.sin(_half_turn(x)))).mean(axis=-1))


def j1(x: Float) -> Float:
    """J₁ of real numbers: J₁(x) = 1/π ∫ cos(τ − x sin τ) dτ over half a turn.

    Examples
    --------
    >>> abs(j1(np.array([0.0, 3.831705970207512])).round(12)).tolist()
    [0.0, 0.0]
    """
    angle = _half_turn(x)
    return np.asarray(np.cos(angle - np.multiply.outer(x, np.sin(angle))).mean(axis=-1))


def _half_turn(x: Float) -> Float:
    # With n points round the circle the rule takes J of order n for 0, so n exceeds |x| by far.
    largest = float(np.abs(x).max(initial=0.0))
    n = math.ceil(0.5 * (largest + 12.0 * largest ** (1.0 / 3.0))) + 24
    return np.asarray((np.arange(n) + 0.5) * (math.pi / n))


def k0_and_k1(x: Float) -> tuple[Float, Float]:
    """Return K₀ and K₁ of positive numbers: K_n(x) = ∫ exp(−x cosh u) cosh(n u) du from 0 on.

    M. Abramowitz and I. A. Stegun, *Handbook of Mathematical Functions*, 9.6.24.

    Examples
    --------
    >>> [value.round(9).tolist() for value in k0_and_k1(np.array([1.0]))]
    [[0.421024438], [0.60190723]]
    """
    furthest = math.acosh(max(_LARGEST / float(x.min()), 1.0)) + 1.0
    u = np.arange(0.0, furthest, _STEP)
    weight = np.full(len(u), _STEP)
    weight[0] = 0.5 * _STEP
    cosh = np.cosh(u)
    # Where the product is larger the integrand is 0 in float64, without an underflow.
    falling = np.exp(-np.minimum(np.multiply.outer(x, cosh), _LARGEST))
    return np.asarray(falling @ weight), np.asarray(falling @ (weight * cosh))
