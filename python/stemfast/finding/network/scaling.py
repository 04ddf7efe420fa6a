"""Images as the finder's network sees them: grey levels made comparable, two channels."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast import _core

__all__ = ["LOCAL_PX", "Seen", "as_seen"]

Map: TypeAlias = NDArray[np.float32]

LOCAL_PX = 14.0  # reach of the local average [px]
# Rows that change what is seen of a row: blurs end at four standard deviations.
_REACH_PX = round(4.0 * LOCAL_PX) + round(8.0 * LOCAL_PX)


class Seen:
    """Channels of an image whose particles are bright, made of some of its rows at a time.

    The first is the grey level, 0 at the median and 1 from there to the 99.7th percentile (but not
    less than three times the spread). The second is the difference from the local average, over
    the local standard deviation, which brings up faint particles on a bright support.

    Parameters
    ----------
    image : (rows, columns) float32
    sign : float
        1 where particles are bright, −1 where they are dark.
    n_threads : int
        0 for all cores.

    Examples
    --------
    >>> Seen(np.eye(40, dtype=np.float32)).rows(10, 30).shape
    (20, 40, 2)
    """

    def __init__(self, image: Map, sign: float = 1.0, *, n_threads: int = 0) -> None:
        sample = np.float32(sign) * (image[::2, ::2] if image.size > 1 << 18 else image)
        low, middle, high = np.percentile(sample, (16.0, 50.0, 99.7))
        self._image, self._sign, self._n_threads = image, np.float32(sign), n_threads
        self._middle = np.float32(middle)
        self._span = np.float32(max(float(high - middle), 3.0 * float(middle - low), 1e-6))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self._image.shape
        return rows, columns

    def rows(self, first: int, last: int) -> Map:
        """Channels of rows first … last − 1: (rows, columns, 2) float32."""
        top = max(0, first - _REACH_PX)
        own = slice(first - top, last - top)
        # One array after the other in place: an image of 8192² px is a quarter of a gigabyte.
        level = self._sign * self._image[top : last + _REACH_PX]
        level -= self._middle
        level /= self._span
        np.clip(level, -2.0, 3.0, out=level)
        seen = np.empty((last - first, level.shape[1], 2), np.float32)
        seen[..., 0] = level[own]
        detail = np.subtract(level, self._blurred(level, LOCAL_PX), out=level)
        spread = self._blurred(detail * detail, 2.0 * LOCAL_PX)[own]
        np.maximum(spread, np.float32(1e-4), out=spread)
        detail = detail[own]
        detail /= np.sqrt(spread, out=spread)
        np.clip(detail, -4.0, 6.0, out=seen[..., 1])
        return seen

    def _blurred(self, image: Map, sigma_px: float) -> Map:
        return _core.blur(image, sigma_px, n_threads=self._n_threads)


def as_seen(image: Map) -> Map:
    """Channels of all of an image whose particles are bright: (rows, columns, 2) float32.

    Parameters
    ----------
    image : (rows, columns) float32

    Examples
    --------
    >>> as_seen(np.eye(40, dtype=np.float32)).shape
    (40, 40, 2)
    """
    return Seen(image, n_threads=1).rows(0, len(image))
