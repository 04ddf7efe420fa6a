"""Saturation: a report of the pixels outside the detector's range."""

from __future__ import annotations

import warnings
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.microscope import Detector

Saturation: TypeAlias = Literal["warn", "raise", "ignore"]


# Read noise takes a few pixels of a dark background below 0 whatever the offset; a smaller share
# than this shifts no mean worth a word.
TOLERATED_BELOW = 0.01


class SaturationWarning(UserWarning):
    """Pixels were clipped to the range of the detector's `bits`."""


class SaturationError(ValueError):
    """Pixels were clipped, and the caller asked for that to be an error."""


def report(
    clipped: NDArray[np.int64],
    pixels: int,
    detector: Detector,
    action: Saturation,
    *,
    stacklevel: int,
) -> None:
    """Say how many pixels were clipped: any at the top, at 0 more than `TOLERATED_BELOW` of all.

    Parameters
    ----------
    clipped : (n, 2) int64
        Pixels of each image that were above and below the range.
    pixels : int
        Pixels in an image.
    detector : Detector
        Of the first image.
    action : "warn", "raise" or "ignore"
    stacklevel : int
        Of the warning, as `warnings.warn` counts.

    Raises
    ------
    SaturationError
        If pixels were clipped and `action` is "raise".

    Examples
    --------
    >>> import pytest
    >>> with pytest.warns(SaturationWarning, match="2 pixels of 1 image "):
    ...     report(np.array([[2, 0]]), 64, Detector(bits=8), "warn", stacklevel=2)
    """
    bits = detector.bits
    if action == "ignore" or bits is None or not clipped.any():
        return
    above, below = clipped.sum(axis=0)
    all_pixels = pixels * len(clipped)
    parts = []
    if above:
        cure = "lower detector.gain or the dose" + (", or take bits=16" if bits == 8 else "")
        parts.append(
            f"{_how_many(clipped[:, 0], all_pixels)} reached the ceiling of {2**bits - 1}: {cure}"
        )
    if below > TOLERATED_BELOW * all_pixels:
        parts.append(f"{_how_many(clipped[:, 1], all_pixels)} fell below 0: raise detector.offset")
    if not parts:
        return
    message = "clipped " + "; clipped ".join(parts)
    if action == "raise":
        raise SaturationError(message)
    warnings.warn(
        f'{message} (saturation="ignore" silences this)', SaturationWarning, stacklevel=stacklevel
    )


def _how_many(clipped: NDArray[np.int64], all_pixels: int) -> str:
    pixels, images = int(clipped.sum()), int(np.count_nonzero(clipped))
    return (
        f"{pixels:,} pixel{'s' * (pixels != 1)} of {images:,} image{'s' * (images != 1)} "
        f"({pixels / all_pixels:.2g} of all)"
    )
