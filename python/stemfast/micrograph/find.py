"""Find the particles of a micrograph."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from stemfast.micrograph.background import NOISE_SIGMAS, above_film
from stemfast.micrograph.files import calibration
from stemfast.micrograph.files.error import MicrographError, NothingFoundError
from stemfast.micrograph.files.read import Micrograph, checked_image
from stemfast.micrograph.separate import Labels, separate, trim

_EDGE_SMOOTHING_PX = 1.0
_DEFAULT_MIN_DIAMETER_PX = 4.0


@dataclass(frozen=True, eq=False)
class FoundParticle:
    """One particle of a micrograph.

    Parameters
    ----------
    label : int
        Its number in `FoundParticles.labels`, from 1, top to bottom.
    bbox : tuple of int
        First row, first column, one past the last row, one past the last column [px].
    pixel_size_nm : float
        Pixel size [nm].
    on_border : bool
        Whether it touches the edge of the image, so that a part of it is missing.
    labels : ndarray of int32, shape (rows, columns)
        The label image of all the particles (shared, read-only), so that neighbours are known.
    outlined_px2 : float, optional
        Area within its outline [px²], where one was drawn; else its pixels count.
    outline : ndarray of float64, shape (n, 2), optional
        x, y of that outline [px].

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.zeros((20, 20), np.int32)
    >>> labels[4:8, 6:14] = 1
    >>> particle = FoundParticle(1, (4, 6, 8, 14), 0.5, False, labels)
    >>> particle.centroid, particle.area_nm2
    ((5.5, 9.5), 8.0)
    """

    label: int
    bbox: tuple[int, int, int, int]
    pixel_size_nm: float
    on_border: bool
    labels: Labels = field(repr=False)
    outlined_px2: float | None = None
    outline: npt.NDArray[np.float64] | None = field(default=None, repr=False)

    @property
    def window(self) -> tuple[slice, slice]:
        """The bounding box as slices of the image."""
        return slice(self.bbox[0], self.bbox[2]), slice(self.bbox[1], self.bbox[3])

    @cached_property
    def mask(self) -> npt.NDArray[np.bool_]:
        """Its pixels, the shape of its bounding box."""
        return np.asarray(self.labels[self.window] == self.label)

    @cached_property
    def centroid(self) -> tuple[float, float]:
        """Row and column of the centre of its area [px]."""
        rows, cols = np.nonzero(self.mask)
        return float(rows.mean()) + self.bbox[0], float(cols.mean()) + self.bbox[1]

    @property
    def area_px(self) -> int:
        """Number of its pixels."""
        return int(np.count_nonzero(self.mask))

    @property
    def area_nm2(self) -> float:
        """Projected area [nm²]."""
        area = self.area_px if self.outlined_px2 is None else self.outlined_px2
        return area * self.pixel_size_nm**2

    @property
    def equivalent_diameter_nm(self) -> float:
        """Diameter of the circle of the same area [nm]."""
        return 2.0 * math.sqrt(self.area_nm2 / math.pi)

    @property
    def eccentricity(self) -> float:
        """Eccentricity of the ellipse of the same second moments: 0 a circle, 1 a line."""
        return float(self._properties.eccentricity)

    @property
    def solidity(self) -> float:
        """Area over the area of its convex hull: 1 for a convex outline."""
        return float(self._properties.solidity)

    @cached_property
    def _properties(self) -> Any:
        from skimage.measure import regionprops

        return regionprops(self.mask.astype(np.uint8))[0]


@dataclass(frozen=True, eq=False)
class FoundParticles(Sequence[FoundParticle]):
    """The particles of a micrograph, a sequence of `FoundParticle`.

    Parameters
    ----------
    particles : tuple of FoundParticle
    labels : ndarray of int32, shape (rows, columns)
        0 on the film, the particle's label on it, -1 on what is too small to be one; read-only.
    background : ndarray of float32, shape (rows, columns)
        The film's intensity under the particles.
    noise : float
        Standard deviation of the smoothed film.
    pixel_size_nm : float
        Pixel size [nm].
    smoothing_px : float
        Gaussian width the image was smoothed with to find the particles [px].

    Examples
    --------
    >>> import numpy as np
    >>> rows, cols = np.indices((64, 64))
    >>> found = find_particles(40.0 * (np.hypot(rows - 20, cols - 30) < 9), pixel_size_nm=0.5)
    >>> found[0].label, found.labels.max(), found.pixel_size_nm
    (1, np.int32(1), 0.5)
    """

    particles: tuple[FoundParticle, ...]
    labels: Labels = field(repr=False)
    background: npt.NDArray[np.float32] = field(repr=False)
    noise: float
    pixel_size_nm: float
    smoothing_px: float

    def __len__(self) -> int:
        return len(self.particles)

    def __iter__(self) -> Iterator[FoundParticle]:
        return iter(self.particles)

    @overload
    def __getitem__(self, index: int) -> FoundParticle: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[FoundParticle, ...]: ...
    def __getitem__(self, index: int | slice) -> FoundParticle | tuple[FoundParticle, ...]:
        return self.particles[index]


def find_particles(
    micrograph: Micrograph | npt.ArrayLike,
    pixel_size_nm: float | None = None,
    *,
    min_diameter_nm: float | None = None,
    smoothing_px: float | None = None,
    background_degree: int = 2,
    edge_fraction: float = 0.2,
    min_dip: float = 0.1,
    separate_touching: bool = True,
) -> FoundParticles:
    """Find the bright particles of an image, touching ones apart.

    The image is smoothed, the film under the particles is fitted by a polynomial, and what is
    five standard deviations above it (and 2 % of the brightest) is particle. Touching particles
    part where both the intensity and the distance to the outline dip
    (`stemfast.micrograph.separate`). Each one ends where it falls to `edge_fraction` of its own
    summit. The same image gives the same particles, always.

    Parameters
    ----------
    micrograph : Micrograph or array_like, shape (rows, columns)
        The image, bright particles on a dark film.
    pixel_size_nm : float, optional
        Pixel size [nm]; needed for an array, not accepted with a `Micrograph`, which knows it.
    min_diameter_nm : float, optional
        Smallest equivalent diameter kept [nm]. By default 4 pixels.
    smoothing_px : float, optional
        Gaussian width of the smoothing [px], 0 for none. By default the smallest of 0.7, 1, 1.5,
        2 and 3 that brings the noise on the particles below 3 % of their contrast.
    background_degree : int
        Degree of the film's polynomial: 0 a level, 1 a wedge, 2 a bowl.
    edge_fraction : float
        Fraction of a particle's summit at which it ends, 0 < f < 1. One half is where a sharp
        step's blurred edge lies, but cuts off the thin rims of spheres and tetrahedra.
    min_dip : float
        Relative depth of the dip that separates two particles, 0 < d < 1. Raise it when
        particles fall apart, lower it when neighbours stay together.
    separate_touching : bool
        Whether to part touching particles at all.

    Returns
    -------
    FoundParticles

    Raises
    ------
    NothingFoundError
        When no particle is found.
    MicrographError
        When an argument is out of range.
    TypeError
        When the pixel size is missing, given twice, or no number.

    Examples
    --------
    >>> import numpy as np
    >>> rows, cols = np.indices((64, 64))
    >>> image = 10.0 + 40.0 * (np.hypot(rows - 20, cols - 30) < 9)
    >>> found = find_particles(image, pixel_size_nm=0.5)
    >>> len(found), [round(x) for x in found[0].centroid]
    (1, [20, 30])
    """
    image, size, name = _image_and_size(micrograph, pixel_size_nm)
    min_diameter_px = _checked_options(
        size, min_diameter_nm, smoothing_px, background_degree, edge_fraction, min_dip
    )
    from scipy import ndimage

    above = above_film(image, smoothing_px, background_degree)
    width = above.smoothing_px
    if separate_touching:
        labels = separate(
            above.signal,
            above.mask,
            edge_fraction=edge_fraction,
            min_dip=min_dip,
            curvature_noise=_curvature_noise(above.pixel_noise, width),
        )
    else:
        labels = ndimage.label(above.mask)[0].astype(np.int32)
    sharp = None
    if width > _EDGE_SMOOTHING_PX:
        sharp = ndimage.gaussian_filter(image, _EDGE_SMOOTHING_PX) - above.background
    labels = trim(above.signal, labels, edge_fraction, sharp)
    labels, particles = _measure(labels, size, min_diameter_px)
    if not particles:
        raise NothingFoundError(
            f"{name}: no particle found: nothing of at least {min_diameter_px * size:.3g} nm "
            f"({min_diameter_px:.3g} px) across is {NOISE_SIGMAS:g} standard deviations of the "
            "film's noise above it; expected bright particles on a darker film"
        )
    return FoundParticles(
        particles=particles,
        labels=labels,
        background=above.background.astype(np.float32),
        noise=above.noise,
        pixel_size_nm=size,
        smoothing_px=width,
    )


def _curvature_noise(pixel_noise: float, width: float) -> float:
    """Noise of a second derivative after a Gaussian of `width`: sqrt(3 / 16 pi) / width³."""
    return pixel_noise * math.sqrt(3.0 / (16.0 * math.pi)) / max(width, 0.5) ** 3


def _image_and_size(
    micrograph: Micrograph | npt.ArrayLike, pixel_size_nm: float | None
) -> tuple[npt.NDArray[np.float64], float, str]:
    if isinstance(micrograph, Micrograph):
        if pixel_size_nm is not None:
            raise TypeError(
                f"pixel_size_nm: got {pixel_size_nm!r} with a Micrograph, which has its own "
                f"({micrograph.pixel_size_nm:g} nm); give it to read()"
            )
        name = str(micrograph.path) if micrograph.path else micrograph.title or "the image"
        return micrograph.image.astype(np.float64), micrograph.pixel_size_nm, name
    if pixel_size_nm is None:
        raise TypeError("pixel_size_nm: needed with an array, got None")
    return (
        checked_image(micrograph).astype(np.float64),
        calibration.checked(pixel_size_nm),
        "the image",
    )


def _checked_options(
    size: float,
    min_diameter_nm: float | None,
    smoothing_px: float | None,
    background_degree: int,
    edge_fraction: float,
    min_dip: float,
) -> float:
    """Refuse what is out of range; return the smallest diameter in pixels."""
    for name, value in (("edge_fraction", edge_fraction), ("min_dip", min_dip)):
        if not 0.0 < value < 1.0:
            raise MicrographError(f"{name}: got {value!r}, expected a number between 0 and 1")
    if background_degree not in (0, 1, 2, 3):
        raise MicrographError(f"background_degree: got {background_degree!r}, expected 0, 1, 2, 3")
    if smoothing_px is not None and not 0.0 <= smoothing_px < 100.0:
        raise MicrographError(f"smoothing_px: got {smoothing_px!r}, expected 0 ... 100 px")
    if min_diameter_nm is None:
        return _DEFAULT_MIN_DIAMETER_PX
    if not (math.isfinite(min_diameter_nm) and min_diameter_nm > 0):
        raise MicrographError(
            f"min_diameter_nm: got {min_diameter_nm!r}, expected a positive number of nm"
        )
    return min_diameter_nm / size


def _measure(
    labels: Labels, pixel_size_nm: float, min_diameter_px: float
) -> tuple[Labels, tuple[FoundParticle, ...]]:
    """Mark what is too small by -1, number the rest from top to bottom, left to right."""
    from scipy import ndimage

    areas = np.bincount(labels.ravel())
    areas[0] = 0
    keep = np.flatnonzero(areas >= math.pi / 4.0 * min_diameter_px**2)
    centres = ndimage.center_of_mass(labels > 0, labels, keep) if len(keep) else []
    order = sorted(range(len(keep)), key=lambda n: centres[n])
    renumber = np.full(len(areas), -1, dtype=np.int32)
    renumber[0] = 0
    renumber[keep[order]] = np.arange(1, len(keep) + 1)
    result: Labels = renumber[labels]
    result.setflags(write=False)
    rows, cols = labels.shape
    particles = []
    for label, window in enumerate(ndimage.find_objects(result), start=1):
        r, c = window
        border = r.start == 0 or c.start == 0 or r.stop == rows or c.stop == cols
        bbox = (r.start, c.start, r.stop, c.stop)
        particles.append(FoundParticle(label, bbox, pixel_size_nm, border, result))
    return result, tuple(particles)
