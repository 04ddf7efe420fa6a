"""Portraits: found particles cut out at a scale that goes with their size.

A network that reads portraits needs no pixel size, and images of any size will do: a particle
takes up about half of its portrait whether it was 8 px across or 800.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from stemfast.framing import resample, standardised, window_side
from stemfast.micrograph.crop import fill, padded_window
from stemfast.micrograph.files.read import Micrograph, checked_image
from stemfast.micrograph.find import FoundParticle, FoundParticles

__all__ = ["PORTRAIT_PX", "portrait", "portraits", "side_px"]

#: Rows and columns of a portrait.
PORTRAIT_PX = 80


def side_px(particle: FoundParticle) -> float:
    """Side of the square window that a particle is shown in [px]."""
    low_row, low_column, high_row, high_column = particle.bbox
    return window_side(particle.area_px, max(high_row - low_row, high_column - low_column))


def portrait(
    image: npt.NDArray[np.floating],
    particle: FoundParticle,
    *,
    zoom: float = 1.0,
    shift: tuple[float, float] = (0.0, 0.0),
    alone: bool = True,
) -> npt.NDArray[np.float32]:
    """One particle in the middle of a square at the scale of its size, standardised.

    Other particles, with a rim of 2 px, and what lies beyond the image's edge are replaced by
    pixels of the film around this one drawn at random. Where the window shrinks, a Gaussian comes
    before the sampling against aliasing; where it grows, it is interpolated linearly.

    Parameters
    ----------
    image : ndarray, shape (rows, columns)
        Particles are bright.
    particle : FoundParticle
    zoom : float
        Factor of the window's side.
    shift : (float, float)
        Rows and columns that the window is off the particle's middle, as shares of its side.
    alone : bool
        Replace the other particles.

    Returns
    -------
    ndarray of float32, shape (PORTRAIT_PX, PORTRAIT_PX)
        Mean 0 and standard deviation 1.

    Examples
    --------
    >>> labels = np.zeros((40, 50), np.int32)
    >>> labels[10:20, 10:24] = 1
    >>> one = FoundParticle(1, (10, 10, 20, 24), 1.0, False, labels)
    >>> seen = portrait(labels.astype(float), one)
    >>> seen.shape, bool(seen[40, 40] > 1.0), bool(seen[0, 0] < 0.0)
    ((80, 80), True, True)
    """
    side = side_px(particle)
    first_row, first_column, last_row, last_column = particle.bbox
    rows, columns = image.shape
    centre = (  # never beyond the image, wherever it was shifted
        min(max(0.5 * (first_row + last_row - 1) + shift[0] * side, 0.0), rows - 1.0),
        min(max(0.5 * (first_column + last_column - 1) + shift[1] * side, 0.0), columns - 1.0),
    )
    side *= zoom
    window, labels, first = padded_window(image, particle, centre, side)
    if not alone:
        labels = np.where(labels < 0, labels, 0)
    filled = fill(window, labels, particle.label)
    offset = (centre[0] - first[0], centre[1] - first[1])
    return standardised(resample(filled, offset, side, PORTRAIT_PX, order=1))


def portraits(
    image: Micrograph | npt.ArrayLike, found: FoundParticles | Sequence[FoundParticle]
) -> npt.NDArray[np.float32]:
    """Portraits of all particles of an image, (n, PORTRAIT_PX, PORTRAIT_PX); see `portrait`.

    Parameters
    ----------
    image : Micrograph or array_like, shape (rows, columns)
        The image in which they were found; particles are bright.
    found : sequence of FoundParticle, length n

    Examples
    --------
    >>> portraits(np.eye(16), []).shape
    (0, 80, 80)
    """
    pixels = image.image if isinstance(image, Micrograph) else checked_image(image)
    values = pixels.astype(np.float64)
    result = np.empty((len(found), PORTRAIT_PX, PORTRAIT_PX), dtype=np.float32)
    for n, particle in enumerate(found):
        result[n] = portrait(values, particle)
    return result
