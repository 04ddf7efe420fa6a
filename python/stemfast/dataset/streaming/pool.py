"""Memory that is lent, and lent again when nobody looks at it any more."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Pool"]

#: NumPy's own memory starts 16 bytes into a line of the cache; JAX takes over without a copy only
#: what starts with one.
ALIGNMENT = 64


class _Loan:
    """Memory lent to an array and to all views of it; it goes back to its pool after the last."""

    def __init__(self, memory: NDArray[Any], pool: deque[NDArray[Any]]) -> None:
        self._memory = memory
        self._pool = pool
        self.__array_interface__ = memory.__array_interface__

    def __del__(self) -> None:
        self._pool.append(self._memory)


class Pool:
    """Arrays of one shape and type whose memory is used again when nobody looks at it.

    Parameters
    ----------
    shape : tuple of int
        Shape of the arrays.
    dtype : dtype
        Their type.
    kept : int
        Most arrays to keep that nobody uses.

    Examples
    --------
    >>> pool = Pool((4, 8), np.dtype(np.uint8), kept=1)
    >>> array = pool.borrow()
    >>> address, view = array.ctypes.data, array[2:]
    >>> del array
    >>> pool.borrow().ctypes.data == address  # the view is still there
    False
    >>> del view
    >>> pool.borrow().ctypes.data == address
    True
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], kept: int) -> None:
        self._shape = shape
        self._dtype = dtype
        self._free: deque[NDArray[Any]] = deque(maxlen=kept)

    def borrow(self) -> NDArray[Any]:
        """Return an array of any content; its memory comes back when it and its views are gone."""
        try:
            memory = self._free.pop()
        except IndexError:
            memory = self._allocate()
        return np.asarray(_Loan(memory, self._free))

    def _allocate(self) -> NDArray[Any]:
        n_bytes = int(np.prod(self._shape)) * self._dtype.itemsize
        raw = np.empty(n_bytes + ALIGNMENT, np.uint8)
        first = -raw.ctypes.data % ALIGNMENT
        return raw[first : first + n_bytes].view(self._dtype).reshape(self._shape)
