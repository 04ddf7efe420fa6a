"""Elementary functions with the same bits on every machine.

NumPy and the C library pick their own code for each processor and may differ in the last bit from
one to the next. What a seed decides must not, so recipes use these in place of theirs, and nothing
else but + − × ÷, square roots and comparisons, which IEEE 754 leaves no freedom.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast import _core

__all__ = ["cbrt", "exp", "log", "sin_cos_turns"]

Float: TypeAlias = NDArray[np.float64]


def exp(x: ArrayLike) -> Float:
    """Exponential function, for |x| < 700.

    Raises
    ------
    ValueError
        If a number is outside.

    Examples
    --------
    >>> print(f"{exp(1.0):.14f}")
    2.71828182845905
    """
    values = np.asarray(x, np.float64)
    if not (np.abs(values) < 700.0).all():
        raise ValueError("x must be between -700 and 700, where the exponential is a float64")
    return _core.exponential(values)


def log(x: ArrayLike) -> Float:
    """Natural logarithm of positive numbers.

    Raises
    ------
    ValueError
        If a number is not positive and finite, or smaller than float64 holds in full.

    Examples
    --------
    >>> float(log(1.0))
    0.0
    """
    values = np.asarray(x, np.float64)
    if not ((values >= np.finfo(np.float64).tiny) & (values < np.inf)).all():
        raise ValueError("x must be positive and finite")
    return _core.logarithm(values)


def cbrt(x: ArrayLike) -> Float:
    """Cube root of positive numbers.

    Raises
    ------
    ValueError
        As for `log`.

    Examples
    --------
    >>> float(cbrt(27.0))
    3.0
    """
    values = np.asarray(x, np.float64)
    root = exp(log(values) / 3.0)
    # A step of Newton's takes away the error that the logarithm left.
    return root - (root - values / (root * root)) / 3.0


def sin_cos_turns(turns: ArrayLike) -> tuple[Float, Float]:
    """Sine and cosine of angles in full turns.

    Examples
    --------
    >>> [abs(float(value)) for value in sin_cos_turns(0.25)]
    [1.0, 0.0]
    """
    values = np.asarray(turns, np.float64)
    return _core.sine_turns(values), _core.cosine_turns(values)
