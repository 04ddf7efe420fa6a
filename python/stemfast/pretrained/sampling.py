"""Images of any size and pixel size as a network learnt to see them.

A network reads images of one size, of particles at one pixel size. `sampled` brings others there:
a window about the particle, as wide as the field that the network learnt from, is averaged over
areas where pixels grow and interpolated where they shrink (R. Keys, IEEE Trans. Acoust. Speech
Signal Process. 29 (1981) 1153). Where the image ends before the window, pixels of its own film
follow, drawn at random, so that the film keeps its level and its noise. Interpolation leaves no
noise finer than the old pixels; as much is added as a scan with the new ones would have had.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.framing import standing_out
from stemfast.noise import measure_noise, missing_noise

__all__ = [
    "Learnt",
    "Sampled",
    "Sight",
    "check_images",
    "check_pixel_size",
    "sampled",
    "sight",
    "window",
]

Floats = NDArray[np.float64]

#: Sides of images that are resampled [px].
SMALLEST_PX, LARGEST_PX = 16, 4096
#: Pixel sizes that a microscope can have [nm].
PIXEL_SIZES_NM = (1e-4, 1e4)
_FILM_SEED = 20_240_607
#: Pixels along the rim of an image that show its film, as a share of the side.
_RIM = 0.06
#: A projection is wider than the sphere of the particle's volume: of cuboids by a tenth on average.
_SLACK = 1.35
_SAME = 0.02
#: Pixels so many times as large as the learnt ones show less than the network needs.
_COARSE = 1.25


@dataclass(frozen=True)
class Learnt:
    """Sampling that a network learnt from.

    Attributes
    ----------
    shape : (int, int)
        Rows and columns [px].
    pixel_size_nm : float
        [nm].
    diameters_nm : (float, float)
        Smallest and largest particle, as diameters of the sphere of the same volume [nm].
    """

    shape: tuple[int, int]
    pixel_size_nm: float
    diameters_nm: tuple[float, float]

    @classmethod
    def of(cls, card: Mapping[str, Any], shape: tuple[int, int]) -> Learnt | None:
        """Sampling in a model card, None for a network without a recipe.

        Examples
        --------
        >>> recipe = {"field_nm": 32.0, "particle": {"diameter_nm": [11.0, 18.0]}}
        >>> Learnt.of({"recipe": recipe}, (128, 128))
        Learnt(shape=(128, 128), pixel_size_nm=0.25, diameters_nm=(11.0, 18.0))
        """
        recipe = card.get("recipe")
        try:
            low, high = recipe["particle"]["diameter_nm"]  # type: ignore[index]
            pixel = float(recipe["field_nm"]) / shape[1]  # type: ignore[index]
            return cls(shape, pixel, (float(low), float(high)))
        except (KeyError, TypeError, ValueError):
            return None


@dataclass(frozen=True, eq=False)
class Sight:
    """Place and pixels of a particle in an image.

    Attributes
    ----------
    row, column : float
        Middle of its bounding box [px].
    diameter_px : float
        Of the disc of its area [px].
    mask : (H, W) bool
        Its pixels.
    """

    row: float
    column: float
    diameter_px: float
    mask: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Sampled:
    """Images that a network can read, and what was done for that.

    Attributes
    ----------
    images : (N, H, W) float32
    pixel_size_nm : (N,) float64
        Of these images [nm]: the learnt one, or a larger one for a particle that is too large.
    outside : (N,) bool
        True where a particle is larger or smaller than all learnt, or sampled too coarsely.
    notes, warnings : tuple of str
        What was done, and what is beyond the learnt range, in words.
    """

    images: NDArray[np.float32]
    pixel_size_nm: Floats
    outside: NDArray[np.bool_]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def sampled(images: ArrayLike, pixel_size_nm: float, learnt: Learnt) -> Sampled:
    """Images of any one size and pixel size, as a network learnt to see them.

    Particles within the learnt range of sizes are shown at the learnt pixel size; larger and
    smaller ones are scaled to its nearest end.

    Parameters
    ----------
    images : array_like, (N, H, W)
        Real numbers in any unit; one bright particle in each.
    pixel_size_nm : float
        [nm].
    learnt : Learnt

    Raises
    ------
    ValueError, TypeError
        If the images have another shape, hold NaN, are constant or no numbers, or the pixel size is
        out of any sense.

    Examples
    --------
    >>> rows, columns = np.indices((200, 200))
    >>> fine = np.exp(-((((rows - 90) ** 2 + (columns - 120) ** 2) / 50**2) ** 4))
    >>> seen = sampled(fine[None], 0.125, Learnt((128, 128), 0.25, (11.0, 18.0)))
    >>> seen.images.shape, seen.pixel_size_nm
    ((1, 128, 128), array([0.25]))
    """
    array = np.asarray(images)
    check_pixel_size(pixel_size_nm)
    check_images(array)
    low, high = learnt.diameters_nm[0] / _SLACK, learnt.diameters_nm[1] * _SLACK
    size = learnt.shape
    seen = np.empty((len(array), *size), np.float32)
    pixels, outside = np.empty(len(array)), np.zeros(len(array), bool)
    coarse = pixel_size_nm > _COARSE * learnt.pixel_size_nm
    for n, image in enumerate(array):
        values = image.astype(np.float64)
        particle = sight(values)
        diameter = particle.diameter_px * pixel_size_nm
        wanted = min(max(diameter, low), high)
        outside[n] = wanted != diameter
        pixels[n] = learnt.pixel_size_nm * diameter / wanted
        seen[n] = window(values, particle, pixels[n] / pixel_size_nm, size)
    notes = _notes(array.shape[1:], pixel_size_nm, learnt)
    warnings = _warnings(pixel_size_nm, learnt, pixels, outside)
    return Sampled(seen, pixels, outside | coarse, notes, warnings)


def check_pixel_size(pixel_size_nm: float) -> None:
    """Refuse a pixel size that no microscope has.

    Raises
    ------
    TypeError, ValueError
        If it is no number, or not one of 0.0001 … 10,000 nm.
    """
    number = isinstance(pixel_size_nm, (int, float, np.integer, np.floating))
    if not number or isinstance(pixel_size_nm, bool):
        raise TypeError(f"pixel_size_nm is {pixel_size_nm!r}, expected a number of nm")
    low, high = PIXEL_SIZES_NM
    if not low <= float(pixel_size_nm) <= high:
        raise ValueError(
            f"pixel_size_nm is {pixel_size_nm:g}, expected a number of {low:g} … {high:g} nm"
        )


def check_images(images: NDArray[Any]) -> None:
    """Refuse images that nothing can be told from.

    Raises
    ------
    TypeError, ValueError
        If they are no stack of images of sensible size, hold NaN or infinity, or are of one value.
    """
    if images.dtype.kind not in "iuf":
        raise TypeError(f"images has dtype {images.dtype}, expected real numbers")
    sides = images.shape[1:]
    if images.ndim != 3 or not all(SMALLEST_PX <= side <= LARGEST_PX for side in sides):
        raise ValueError(
            f"images has shape {images.shape}, expected (N, H, W) with sides of {SMALLEST_PX} … "
            f"{LARGEST_PX} px"
        )
    for index, image in enumerate(images):
        low, high = image.min(), image.max()
        if not (np.isfinite(low) and np.isfinite(high)):
            raise ValueError(f"images[{index}] holds NaN or infinity, expected finite numbers")
        if low == high:
            raise ValueError(
                f"images[{index}] is {low} everywhere, expected an image with some contrast"
            )


def _notes(sides: tuple[int, ...], pixel_nm: float, learnt: Learnt) -> tuple[str, ...]:
    notes = []
    ratio = learnt.pixel_size_nm / pixel_nm
    if abs(ratio - 1.0) > _SAME:
        how = "averaged over areas" if ratio > 1.0 else "interpolated"
        notes.append(
            f"images of {sides[0]} × {sides[1]} px at {pixel_nm:.4g} nm were {how} to "
            f"{learnt.pixel_size_nm:.4g} nm"
        )
    left = [side / ratio - wanted for side, wanted in zip(sides, learnt.shape, strict=True)]
    changes = ["cropped about the particle"] if max(left) > 1 else []
    changes += ["padded with their film"] if min(left) < -1 else []
    if changes:
        size = f"{learnt.shape[0]} × {learnt.shape[1]} px"
        notes.append(f"images were {' and '.join(changes)} to {size}")
    return tuple(notes)


def _warnings(
    pixel_nm: float, learnt: Learnt, pixels: Floats, other: NDArray[np.bool_]
) -> tuple[str, ...]:
    found = []
    ratio = pixel_nm / learnt.pixel_size_nm
    if ratio > _COARSE:
        found.append(
            f"pixels of {pixel_nm:.4g} nm are {ratio:.2g} times as large as those that the network "
            "learnt from: what it needs may not be in the image, and its probabilities may be too "
            "high"
        )
    if other.any():
        low, high = learnt.diameters_nm
        factors = learnt.pixel_size_nm / pixels[other]
        found.append(
            f"{np.count_nonzero(other)} of {len(other)} particles are beyond the {low:g} to "
            f"{high:g} nm that the network learnt from: it sees them {factors.min():.2g} to "
            f"{factors.max():.2g} times their size, and its probabilities may be too high"
        )
    return tuple(found)


def sight(image: Floats) -> Sight:
    """The particle of an image (H, W), as far as its outline shows at first sight.

    It is what :func:`stemfast.framing.standing_out` finds. Where nothing stands out, the
    middle of the image stands for it.

    Examples
    --------
    >>> rows, columns = np.indices((64, 64))
    >>> found = sight(1.0 * (np.hypot(rows - 30, columns - 40) < 10))
    >>> round(found.row), round(found.column), round(found.diameter_px)
    (30, 40, 20)
    """
    found = standing_out(image)
    if found is None:
        mask = np.zeros(image.shape, bool)
        mask[tuple(slice(n // 4, n - n // 4) for n in image.shape)] = True
    else:
        mask = found[0]
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return Sight(
        0.5 * float(rows[0] + rows[-1]),
        0.5 * float(columns[0] + columns[-1]),
        2.0 * math.sqrt(np.count_nonzero(mask) / math.pi),
        mask,
    )


def _film(image: Floats) -> Floats:
    """Pixels along the rim of an image."""
    width = max(2, round(_RIM * min(image.shape)))
    inner = image[width:-width]
    parts = (image[:width], image[-width:], inner[:, :width], inner[:, -width:])
    return np.concatenate([part.ravel() for part in parts])


def window(
    image: Floats, particle: Sight, step: float, size: tuple[int, int]
) -> NDArray[np.float32]:
    """A window of an image at another pixel size.

    An image about as large as the window, or smaller, is taken as it lies; of a larger one the part
    about the particle.

    Parameters
    ----------
    image : (H, W) float64
    particle : Sight
    step : float
        Pixels of the image along a side of a pixel of the window.
    size : (int, int)
        Rows and columns of the window [px].
    """
    film = _film(image)
    result = image
    for axis, middle in enumerate((particle.row, particle.column)):
        length, side = image.shape[axis], step * size[axis]
        centre = 0.5 * (length - 1)
        if side < length - 1:
            reach = 0.5 * (length - side)
            centre += min(max(middle - centre, -reach), reach)
        # The window begins between two pixels, or it would average neighbours that need not be.
        centre = round(centre - 0.5 * side + 0.5) + 0.5 * side - 0.5
        result, centre = _padded(result, film, axis, centre, side)
        weights = _weights(result.shape[axis], centre, step, size[axis])
        result = weights @ result if axis == 0 else result @ weights.T
    if step < 1.0:
        level = float(np.median(film))
        noise = measure_noise(image - level, particle.mask.astype(np.int32))
        result = result + missing_noise(result - level, step, noise)
    return result.astype(np.float32)


def _padded(
    image: Floats, film: Floats, axis: int, centre: float, side: float
) -> tuple[Floats, float]:
    """The image with film before and after, where the window reaches beyond it."""
    length = image.shape[axis]
    before = max(0, math.ceil(0.5 * side - centre - 0.5 - 1e-6))
    after = max(0, math.ceil(centre + 0.5 * side - (length - 0.5) - 1e-6))
    if before == after == 0:
        return image, centre
    shape = list(image.shape)
    shape[axis] += before + after
    draw = np.random.default_rng([_FILM_SEED, axis])
    wide = draw.choice(film, size=tuple(shape))
    inner = [slice(None), slice(None)]
    inner[axis] = slice(before, before + length)
    wide[tuple(inner)] = image
    return wide, centre + before


def _weights(length: int, centre: float, step: float, size: int) -> Floats:
    """Weights (size, length) of input pixels in output pixels along one axis."""
    place = centre + step * (np.arange(size) - 0.5 * (size - 1))
    pixel = np.arange(length)
    if step >= 1.0:
        high = np.minimum(place[:, None] + 0.5 * step, pixel + 0.5)
        low = np.maximum(place[:, None] - 0.5 * step, pixel - 0.5)
        weights = np.maximum(high - low, 0.0)
    else:
        away = np.abs(np.clip(place, 0, length - 1)[:, None] - pixel)
        near = 1.0 + away * away * (1.5 * away - 2.5)
        far = 2.0 + away * (-4.0 + away * (2.5 - 0.5 * away))
        weights = np.where(away < 1.0, near, np.where(away < 2.0, far, 0.0))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
