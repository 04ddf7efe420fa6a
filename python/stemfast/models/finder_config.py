"""Architecture of a finder and the geometry of what it answers, for those who need no JAX."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["RAYS", "STRIDE", "UNIT_PX", "FinderConfig", "rays"]

RAYS = 32
STRIDE = 2  # pixels of the image per cell of the output, along each side
UNIT_PX = 8.0  # distances of about 1 at the start
_CHANNELS = 2 * STRIDE**2  # of a cell: its pixels, two channels each
_SAID = 3  # middle, foreground, boundary


@dataclass(frozen=True)
class FinderConfig:
    """Architecture of a finder.

    Parameters
    ----------
    widths : tuple of int
        Channels at 1/2, 1/4, … of the resolution.
    head : int
        Channels before the last layer.
    """

    widths: tuple[int, ...] = (16, 32, 64, 96)
    head: int = 32

    @property
    def multiple(self) -> int:
        """Images must have sides that are multiples of this [px]."""
        return int(STRIDE * 2 ** (len(self.widths) - 1))

    def kernels(self) -> dict[str, tuple[int, int, int]]:
        """Side, channels and filters of each convolution, by dotted name.

        Examples
        --------
        >>> FinderConfig(widths=(4, 8), head=6).kernels()["up.0.first"]
        (3, 12, 4)
        """
        found: dict[str, tuple[int, int, int]] = {}

        def block(name: str, channels: int, filters: int) -> None:
            found[f"{name}.first"] = 3, channels, filters
            found[f"{name}.second"] = 3, filters, filters
            found[f"{name}.past"] = 1, channels, filters

        for level, own in enumerate(self.widths):
            block(f"down.{level}", self.widths[level - 1] if level else _CHANNELS, own)
        coarse_first = self.widths[::-1]
        for level, (below, own) in enumerate(pairwise(coarse_first)):
            block(f"up.{level}", below + own, own)
        found["head"] = 3, self.widths[0], self.head
        found["out"] = 1, self.head, _SAID + RAYS
        return found


@cache
def rays() -> NDArray[np.float64]:
    """Unit vectors (RAYS, 2) of the rays, rows and columns, counter-clockwise from the right.

    Examples
    --------
    >>> rays()[0].tolist()
    [0.0, 1.0]
    """
    angle = 2.0 * np.pi * np.arange(RAYS) / RAYS
    return np.stack([np.sin(angle), np.cos(angle)], axis=1)
