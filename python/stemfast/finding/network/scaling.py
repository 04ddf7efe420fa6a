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
    level = np.clip((image - np.float32(middle)) / np.float32(span), -2.0, 3.0).astype(np.float32)
    smooth = _core.blur(np.ascontiguousarray(level), LOCAL_PX)
    detail = level - smooth
    variance = _core.blur(np.ascontiguousarray(detail * detail), 2.0 * LOCAL_PX)
    local = detail / np.sqrt(np.maximum(variance, np.float32(1e-4)))
    return np.stack([level, np.clip(local, -4.0, 6.0)], axis=-1).astype(np.float32)
