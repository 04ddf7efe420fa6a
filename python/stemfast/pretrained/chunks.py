"""Descriptions of many images, some at a time on each core."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["in_chunks"]

_CHUNK = 16  # images, few enough to stay in a core's cache
T = TypeVar("T", bound=np.generic)


def in_chunks(describe: Callable[[NDArray[Any]], NDArray[T]], images: NDArray[Any]) -> NDArray[T]:
    """Describe images (N, H, W), one row or image each, on all cores.

    Parameters
    ----------
    describe : callable
        Of a few images; most of its time in NumPy, which lets other threads run.
    images : (N, H, W) ndarray

    Examples
    --------
    >>> in_chunks(lambda few: few.mean(axis=(1, 2))[:, None], np.arange(40.0)[:, None, None]).shape
    (40, 1)
    """
    if len(images) <= _CHUNK:
        return describe(images)
    parts = np.array_split(images, -(-len(images) // _CHUNK))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return np.concatenate(list(pool.map(describe, parts)))
