"""A batch of simulated images with their labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Batch"]


@dataclass(frozen=True, eq=False)
class Batch:
    """Simulated images with their labels; ``images, labels = batch`` unpacks it.

    Attributes
    ----------
    images : ndarray, (N, H, W) or (N, K, H, W)
        The images. They stay as they are for as long as this array, or any view of it, is held.
    labels : ndarray, (N,) int64
        Their classes.
    columns : dict of str to ndarray, (N, ...)
        Everything drawn for them, by name with its unit.
    start, next_index : int
        First scene of the batch, counted from the start of its split, and of the next one: a
        stream that starts there continues.
    first_scene : int
        Scene index of the first image: ``recipe.sample(seed, first_scene, first_scene + N)``.
    """

    images: NDArray[Any]
    labels: NDArray[np.int64]
    columns: dict[str, NDArray[Any]]
    start: int
    next_index: int
    first_scene: int

    def __iter__(self) -> Iterator[NDArray[Any]]:
        yield self.images
        yield self.labels

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def indices(self) -> NDArray[np.int64]:
        """Scene index of each image, (N,)."""
        return np.arange(self.first_scene, self.first_scene + len(self), dtype=np.int64)

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.images.shape))
        return f"Batch({self.start} to {self.next_index}: {shape} {self.images.dtype})"
