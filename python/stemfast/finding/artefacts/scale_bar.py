"""The scale bar that is burnt into an image, and its length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfast.finding.artefacts.burnt_in import Rectangle, find_burnt_in

__all__ = ["ScaleBar", "find_scale_bar"]


@dataclass(frozen=True)
class ScaleBar:
    """A bar and its length.

    Attributes
    ----------
    box : Rectangle
        Its pixels.
    length_px : float
        Its length [px], its ends where the grey level is half way.
    """

    box: Rectangle
    length_px: float


def find_scale_bar(image: NDArray[np.float32]) -> ScaleBar | None:
    """Find the scale bar of an image, None where there is none.

    Examples
    --------
    >>> image = np.random.default_rng(1).normal(100, 10, (128, 128)).astype(np.float32)
    >>> image[110:114, 20:60] = 255
    >>> find_scale_bar(image).length_px
    40.0
    """
    bars = find_burnt_in(image).bars
    if not bars:
        return None
    return ScaleBar(bars[0], _length(image, bars[0]))


def _length(image: NDArray[np.float32], box: Rectangle) -> float:
    """Length between half levels, from the pixels just beyond the ends."""
    rows = image[box.top : box.bottom]
    profile = rows.mean(axis=0).astype(np.float64)
    level = float(np.median(profile[box.left : box.right]))
    total = float(box.width)
    for beyond, further in ((box.left - 1, box.left - 3), (box.right, box.right + 2)):
        if 0 <= further < len(profile) and profile[further] != level:
            share = (profile[beyond] - profile[further]) / (level - profile[further])
            # Half a pixel of smoothing counts; the grain of the image does not.
            if 0.15 < share < 0.95:
                total += float(share)
    return total
