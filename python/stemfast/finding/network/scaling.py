"""Images as the finder's network sees them: grey levels made comparable, two channels."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast import _core

__all__ = ["LOCAL_PX", "as_seen"]

Map: TypeAlias = NDArray[np.float32]

LOCAL_PX = 14.0  # reach of the local average [px]


def as_seen(image: NDArray[np.float32]) -> Map:
    """Channels of an image whose particles are bright: (rows, columns, 2) float32.

    The first is the grey level, 0 at the median and 1 from there to the 99.7th percentile (but not
    less than three times the spread). The second is the difference from the local average, over
    the local standard deviation, which brings up faint particles on a bright support.

    Parameters
    ----------
    image : (rows, columns) float32

    Examples
    --------
    >>> as_seen(np.eye(40, dtype=np.float32)).shape
    (40, 40, 2)
    """
    sample = image[::2, ::2] if image.size > 1 << 18 else image
    low, middle, high = np.percentile(sample, (16.0, 50.0, 99.7))
    span = max(float(high - middle), 3.0 * float(middle - low), 1e-6)
    # One array after the other in place: an image of 8192² px is a quarter of a gigabyte.
    seen = np.empty((*image.shape, 2), np.float32)
    level = np.ascontiguousarray(image - np.float32(middle))
    level /= np.float32(span)
    np.clip(level, -2.0, 3.0, out=level)
    seen[..., 0] = level
    detail = np.subtract(level, _core.blur(level, LOCAL_PX), out=level)
    spread = _core.blur(detail * detail, 2.0 * LOCAL_PX)
    np.maximum(spread, np.float32(1e-4), out=spread)
    detail /= np.sqrt(spread, out=spread)
    np.clip(detail, -4.0, 6.0, out=seen[..., 1])
    return seen
