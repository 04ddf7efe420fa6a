"""Uniform random numbers as a pure function of what they are for.

A number is fixed by (seed, image index, stage, position): never by batch, thread or call order.
Recipes are built on it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast import _core
from stemfast.arguments import index, seed_value


def uniform(seed: int, indices: ArrayLike, stage: int, n: int) -> NDArray[np.float64]:
    """Draw `n` numbers in [0, 1) for each image index.

    Parameters
    ----------
    seed : int
        0 … 2^64 − 1.
    indices : (m,) int
        Image indices.
    stage : int
        What the numbers are for, 0 … 65279; stages are independent of each other and of the
        core's own (dose, read noise, orientation).
    n : int
        Numbers per image.

    Returns
    -------
    (m, n) float64

    Raises
    ------
    TypeError, ValueError
        If an argument is not a whole number in its range.

    Notes
    -----
    Philox 4x32-10: J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11.

    Examples
    --------
    >>> a, b = uniform(1, [4, 5], stage=0, n=3), uniform(1, [5], stage=0, n=3)
    >>> bool((a[1] == b[0]).all())
    True
    """
    values = np.atleast_1d(np.asarray(indices))
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise TypeError(f"indices must be whole numbers in one row, got {indices!r}")
    if values.size and int(values.min()) < 0:
        raise ValueError(f"indices must not be negative, got {int(values.min())}")
    return _core.uniforms(
        seed_value(seed),
        np.ascontiguousarray(values, np.uint64),
        index("stage", stage, maximum=0xFEFF),
        index("n", n),
    )
