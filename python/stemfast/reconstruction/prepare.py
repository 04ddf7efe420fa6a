"""Every image cut down to its particle, and joined to fewer pixels where there are many."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.describing import FeatureError
from stemfast.fit.cuboid.spinning import row_turns
from stemfast.micrograph.files.read import checked_image
from stemfast.micrograph.isolate import Isolated, isolate
from stemfast.microscope import Microscope

__all__ = ["View", "prepare"]

Float: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]

_MOST_ACROSS_PX = 96  # of the particle: finer pixels make fits slower and no better
_MARGIN = 0.35  # of the particle's size, on each side: the film must be seen, too
_LEAST_MARGIN_PX = 10
_FEW_PIXELS = 8
_TOUCHING_PX = 3
_FILLED = 0.45  # of the border, from which an image shows no film to speak of


@dataclass(frozen=True, eq=False)
class View:
    """One image around its particle.

    Attributes
    ----------
    name : str
        What to call it.
    image : (rows, columns) float64
        The part of the image that is used, pixels joined by `joined`.
    pixel_size_nm : float
        Of that part [nm].
    joined : int
        How many of the image's pixels make up one along each side; values are their sum.
    middle_nm : (2,) float64
        x and y of the middle of the part from the middle of the whole image [nm].
    particle : (rows, columns) bool
        Where the particle is seen.
    film : (rows, columns) float64
        The level of the film around it.
    noise : float
        Standard deviation of a pixel on the particle.
    warnings : tuple of str
        What is doubtful about the image.
    whole : bool
        Whether the particle ends within the image.
    """

    name: str
    image: Float = field(repr=False)
    pixel_size_nm: float
    joined: int
    middle_nm: Float
    particle: Mask = field(repr=False)
    film: Float = field(repr=False)
    noise: float
    warnings: tuple[str, ...] = ()
    whole: bool = True

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.image.shape
        return rows, columns

    @property
    def area_nm2(self) -> float:
        """Projected area of the particle [nm^2]."""
        return int(self.particle.sum()) * self.pixel_size_nm**2

    def turned(self, spin_deg: ArrayLike, whole_rows: int) -> Float:
        """Rotation of a particle in each row of this part from the middle of the whole frame.

        Parameters
        ----------
        spin_deg : (3,) array_like
            Rotation vector of the turn during the whole frame [degrees].
        whole_rows : int
            Rows of the whole image.

        Returns
        -------
        (rows, 3, 3) float64
        """
        rows, frame = self.shape[0], whole_rows / self.joined
        off = float(self.middle_nm[1]) / self.pixel_size_nm
        return row_turns(spin_deg, rows, of=frame, first=0.5 * (frame - rows) + off)

    def microscope(self, whole: Microscope) -> Microscope:
        """The microscope of the whole image as one that took this part."""
        f = self.joined
        scan = whole.scan.replace(
            shape=self.shape,
            pixel_size_nm=self.pixel_size_nm,
            dwell_us=whole.scan.dwell_us * f**2,
        )
        if f == 1:
            return whole.replace(scan=scan)
        # A square of pixels blurs like a Gaussian of its variance.
        square = (f**2 - 1) / 12.0 * whole.scan.pixel_size_nm**2
        widened = math.sqrt(8 * math.log(2) * (whole.probe.sigma_nm**2 + square))
        detector = whole.detector.replace(
            bits=None,
            offset=whole.detector.offset * f**2,
            read_noise=whole.detector.read_noise * f,
        )
        probe = whole.probe.replace(fwhm_nm=widened)
        return whole.replace(scan=scan, probe=probe, detector=detector)


def prepare(name: str, image: ArrayLike, pixel_size_nm: float) -> View:
    """Find the particle of an image and cut out what is needed of it.

    Of several particles the largest is taken; the others are covered by film.

    Parameters
    ----------
    name : str
        What to call the image in messages.
    image : (rows, columns) array_like
    pixel_size_nm : float
        [nm].

    Raises
    ------
    ValueError
        If the image is not one, or shows no particle, naming it.

    Examples
    --------
    >>> rows, cols = np.indices((64, 64))
    >>> view = prepare("disc", 10.0 + 40.0 * (np.hypot(rows - 20, cols - 30) < 9), 0.5)
    >>> view.shape, view.joined, view.middle_nm.tolist()
    ((39, 39), 1, [-0.75, -5.75])
    """
    raw = np.asarray(image)
    try:
        checked_image(raw)
        framed, frame = _framed(raw)
        found = isolate(framed)
    except FeatureError as error:
        raise ValueError(
            f"{name}: {error}; either there is no particle, or it fills the image: expected one "
            "with film around it"
        ) from error
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    pixels = framed.astype(np.float64)
    mask, film = _whole(found, pixels.shape)
    inner = tuple(slice(frame, n - frame) for n in pixels.shape)
    beyond = _reaches_border(mask[inner])
    filled = _share_of_border(mask[inner])
    if filled > _FILLED:
        raise ValueError(
            f"{name}: the particle fills its image, {100 * filled:.0f} % of whose border it "
            "covers; expected film around it: crop less tightly"
        )
    level, covered = _without_neighbours(pixels, found, mask, film)
    # What lies beyond the image is not film where the particle goes on.
    window = _window(mask, inner if beyond else tuple(slice(0, n) for n in pixels.shape))
    across = max(np.ptp(np.flatnonzero(mask.any(axis=axis))) + 1 for axis in (0, 1))
    factor = max(1, math.ceil(across / _MOST_ACROSS_PX))
    window = tuple(slice(s.start, s.stop - (s.stop - s.start) % factor) for s in window)
    flags = [*found.flags, *(["touches the border"] if beyond else [])]
    middle = [
        (0.5 * (s.start + s.stop - 1) - 0.5 * (n - 1)) * pixel_size_nm
        for s, n in zip(window, pixels.shape, strict=True)
    ]
    return View(
        name=name,
        image=_joined(covered[window], factor),
        pixel_size_nm=pixel_size_nm * factor,
        joined=factor,
        middle_nm=np.array(middle[::-1]),
        particle=_joined(mask[window].astype(np.float64), factor) >= 0.5 * factor**2,
        film=_joined(level[window], factor),
        noise=found.pixel_noise * factor,
        warnings=tuple(f"{name}: {_WORDS.get(flag, flag)}" for flag in dict.fromkeys(flags)),
        whole=not beyond,
    )


_WORDS = {
    "several particles": "several particles; the largest was taken",
    "touches the border": "the particle reaches beyond the image",
    "saturated": "the brightest pixels are saturated",
}


def _whole(found: Isolated, shape: tuple[int, ...]) -> tuple[Mask, Float]:
    """The mask and the film's plane of the window on the whole image."""
    rows, columns = found.mask.shape
    place = tuple(
        slice(first, first + n) for first, n in zip(found.first, (rows, columns), strict=True)
    )
    mask = np.zeros(shape, bool)
    mask[place] = found.mask
    # The film is a plane: its slopes carry on outside the window.
    film, (r0, c0) = found.film, found.first
    down = (film[-1, 0] - film[0, 0]) / max(rows - 1, 1)
    right = (film[0, -1] - film[0, 0]) / max(columns - 1, 1)
    r, c = np.indices(shape)
    return mask, np.asarray(film[0, 0] + down * (r - r0) + right * (c - c0))


def _without_neighbours(
    pixels: Float, found: Isolated, mask: Mask, film: Float
) -> tuple[Float, Float]:
    """The film without its slope, and the image like that with film in place of others."""
    from scipy import ndimage

    level = np.full(film.shape, float(film[mask].mean()))
    flat = pixels - film + level
    smooth = ndimage.gaussian_filter(flat - level, found.smoothing_px)
    near = ndimage.binary_dilation(mask, iterations=3)
    other = ndimage.binary_opening((smooth > found.level) & ~near, iterations=1)
    if not other.any():
        return level, flat
    other = ndimage.binary_dilation(other, iterations=4) & ~near
    free = flat[~other & ~ndimage.binary_dilation(mask, iterations=4)]
    if free.size < _FEW_PIXELS:
        return level, flat
    draw = np.random.default_rng(1)
    flat[other] = draw.choice(free, size=int(other.sum()))
    return level, flat


def _framed(image: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """The image in a frame of film drawn from its own border, so that enough film is seen.

    Film is what is dark along the border: within five standard deviations, those of the darker
    three quarters, of the median.
    """
    frame = max(image.shape) // 2
    border = np.concatenate([image[0], image[-1], image[1:-1, 0], image[1:-1, -1]])
    middle, high = np.quantile(border, (0.5, 0.75))
    film = border[border <= middle + 5.0 * border[border <= high].std()]
    shape = tuple(n + 2 * frame for n in image.shape)
    framed = np.random.default_rng(1).choice(film, size=shape)
    framed[frame:-frame, frame:-frame] = image
    return framed, frame


def _reaches_border(mask: Mask) -> bool:
    """True if the particle goes on beyond the image: more than a blurred corner at its border."""
    sides = (mask[0], mask[-1], mask[:, 0], mask[:, -1])
    return max(int(side.sum()) for side in sides) > _TOUCHING_PX


def _share_of_border(mask: Mask) -> float:
    """Share of the pixels along the border that belong to the particle."""
    return float(np.concatenate([mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]]).mean())


def _window(mask: Mask, within: tuple[slice, ...]) -> tuple[slice, ...]:
    """The particle's bounding box and a margin around it, within some rows and columns."""
    slices = []
    for axis, limits in zip((1, 0), within, strict=True):
        along = np.flatnonzero(mask.any(axis=axis))
        low, high = int(along[0]), int(along[-1]) + 1
        margin = max(_LEAST_MARGIN_PX, math.ceil(_MARGIN * (high - low)))
        slices.append(slice(max(limits.start, low - margin), min(limits.stop, high + margin)))
    return tuple(slices)


def _joined(values: Float, factor: int) -> Float:
    rows, columns = values.shape
    parts = values.reshape(rows // factor, factor, columns // factor, factor)
    return np.asarray(parts.sum(axis=(1, 3)))
