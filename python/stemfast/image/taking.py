"""Images as they come in: arrays, our own, and HyperSpy's signals, with their pixel size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemfast import units
from stemfast.image.image import Image

__all__ = ["pixel_size_of", "pixels_of", "scaled", "taken"]

_SQUARE = 1e-3  # by how much the sides of a square pixel may differ
_SAME = 1e-6  # by how much pixel sizes may differ that are meant to be the same
_NO_UNIT = ("", "px", "pixel", "pixels", "none", "<undefined>")


def taken(image: Any, pixel_size_nm: Any = None) -> tuple[NDArray[Any], Any]:
    """Pixels of an image or a stack, and the pixel size: the caller's, or else the image's own.

    Parameters
    ----------
    image : array_like, stemfast Image or Micrograph, or HyperSpy signal
    pixel_size_nm : float, optional
        What the caller says [nm].

    Returns
    -------
    pixels : ndarray
    pixel_size_nm : float or None
        [nm]; None where nobody says it.

    Raises
    ------
    ValueError
        If a signal has pixels that are not square or a scale that is no length.

    Examples
    --------
    >>> from stemfast.image import Image
    >>> taken(Image(np.eye(8), 0.5))[1], taken(Image(np.eye(8), 0.5), 0.4)[1], taken(np.eye(8))[1]
    (0.5, 0.4, None)
    """
    return pixels_of(image), pixel_size_of(image) if pixel_size_nm is None else pixel_size_nm


def scaled(
    pixels: NDArray[Any], pixel_size_nm: float, title: str = "", unit: str = "grey levels"
) -> Image:
    """An array of pixels as an image; letters of the title that are no Unicode are replaced.

    Examples
    --------
    >>> scaled(np.eye(8), 0.5, "eye")
    Image of 8 x 8 px of 0.5 nm, float64 [grey levels]
    """
    return Image(pixels, pixel_size_nm, unit, title.encode("utf-8", "replace").decode("utf-8"))


def pixels_of(image: Any) -> NDArray[Any]:
    """Plain array of an image's pixels; those of a lazy signal are computed."""
    if hasattr(image, "axes_manager"):
        image = image.data.compute() if hasattr(image.data, "compute") else image.data
    elif not isinstance(image, np.ndarray) and hasattr(image, "image"):
        image = image.image
    return np.asarray(image)


def pixel_size_of(image: Any) -> float | None:
    """Pixel size that an image says [nm], that of the images of a list if all say the same.

    Raises
    ------
    ValueError
        As for `taken`, or if images of a list have different pixel sizes.

    Examples
    --------
    >>> from stemfast.image import Image
    >>> pixel_size_of([Image(np.eye(8), 0.5), Image(np.eye(9), 0.5)])
    0.5
    """
    if hasattr(image, "axes_manager"):
        return _of_signal(image)
    if isinstance(image, list | tuple):
        return _of_several(image)
    size = getattr(image, "pixel_size_nm", None)
    return None if size is None else float(size)


def _of_several(images: Sequence[Any]) -> float | None:
    numbers = (list, tuple, float, int)
    sizes = [pixel_size_of(one) for one in images if not isinstance(one, numbers)]
    known = sorted(size for size in sizes if size is not None)
    if not known or len(known) < len(images):
        return None
    if known[-1] > known[0] * (1.0 + _SAME):
        raise ValueError(
            f"the images have different pixel sizes, {known[0]:g} to {known[-1]:g} nm, expected "
            "one for all"
        )
    return known[0]


def _of_signal(signal: Any) -> float | None:
    """Scale of the two signal axes of HyperSpy's `Signal2D` [nm]; None where they have no unit."""
    axes = signal.axes_manager.signal_axes
    if len(axes) != 2:
        raise ValueError(f"the signal has {len(axes)} signal axes, expected 2: an image")
    sizes = []
    for axis in axes:
        if str(axis.units).lower() in _NO_UNIT:
            return None
        try:
            sizes.append(units.to_nm(float(axis.scale), str(axis.units)))
        except ValueError as error:
            raise ValueError(
                f"the axis {axis.name} of the signal is in {str(axis.units)!r}, expected a length: "
                "set its units, or give pixel_size_nm"
            ) from error
    if abs(sizes[0] - sizes[1]) > _SQUARE * sizes[0]:
        raise ValueError(
            f"the pixels of the signal are {sizes[0]:g} nm x {sizes[1]:g} nm, expected squares"
        )
    return sizes[0]
