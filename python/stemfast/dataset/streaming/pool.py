"""Buffer pool: a buffer returns when its last view dies."""

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
    """Owner of a buffer that an array and its views share; its end returns the buffer."""

    def __init__(self, memory: NDArray[Any], pool: deque[NDArray[Any]]) -> None:
        self._memory = memory
        self._pool = pool
        self.__array_interface__ = memory.__array_interface__

    def __del__(self) -> None:
        self._pool.append(self._memory)


class Pool:
    """Buffer pool for arrays of one shape and type.

    Parameters
    ----------
    shape : tuple of int
        Shape of the arrays.
    dtype : dtype
        Their type.
    kept : int
        Most free buffers to keep.

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
        """Return an uninitialised array; its buffer returns when its last view dies."""
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
