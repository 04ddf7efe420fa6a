"""Pictures of fields from depth maps: dark field or bright field, probe, grain, noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast import _core, elementary
from stemfast.fields.chance import Chance
from stemfast.scattering import ScatteringCurve
from stemfast.simulation.contrast import curve_records

__all__ = ["Depths", "Optics", "grain", "taken"]

Map: TypeAlias = NDArray[np.float32]

_SIGMA_PER_FWHM = 0.42466090014400953
_MEAN = 400.0  # of the counts that white noise is made of: near enough to normal


@dataclass(frozen=True, eq=False, repr=False)
class Depths:
    """Thicknesses over mean free paths, and how plural scattering bends their effect.

    Attributes
    ----------
    particles, support, film : (rows, columns) float32
    curve : ScatteringCurve
        That of the strongest scatterer in the field.
    """

    particles: Map
    support: Map
    film: Map
    curve: ScatteringCurve

    def __repr__(self) -> str:
        return f"Depths of {self.particles.shape[0]} x {self.particles.shape[1]} px"

    @cached_property
    def total(self) -> Map:
        """All of it."""
        summed: Map = self.particles + self.support + self.film
        return np.maximum(summed, np.float32(0.0))


@dataclass(frozen=True)
class Optics:
    """Conditions that a picture of a field is taken under.

    Parameters
    ----------
    bright_field : bool
        1 − what is scattered out of the aperture, not what the annulus collects.
    electrons_px : float
        Dose [e/px].
    probe_px : float
        Full width at half maximum of the probe [px].
    grain : float
        Rms of the phase contrast of support and film where they are one mean free path thick, as
        a share of the signal. Bright field only.
    grain_px : float
        Its correlation length [px].
    fringes : float
        Amplitude of lattice fringes in crystals, as a share of the signal. Bright field only.
    fresnel : float
        Strength of the bright fringe about edges. Bright field only.
    fresnel_px : float
        Its width [px].
    row_jitter_px : float
        Standard deviation of the shifts of whole rows along the fast scan axis [px].
    """

    bright_field: bool
    electrons_px: float
    probe_px: float
    grain: float = 0.0
    grain_px: float = 1.5
    fringes: float = 0.0
    fresnel: float = 0.0
    fresnel_px: float = 2.0
    row_jitter_px: float = 0.0


def blurred(image: Map, sigma_px: float) -> Map:
    """Gaussian blur of this standard deviation; none below a tenth of a pixel."""
    return image if sigma_px < 0.1 else _core.blur(np.ascontiguousarray(image), sigma_px)


def halved(image: Map) -> Map:
    """Means of two by two pixels; an odd last row or column is repeated.

    Examples
    --------
    >>> halved(np.array([[1.0, 3.0, 5.0]], np.float32)).tolist()
    [[2.0, 5.0]]
    """
    rows, columns = image.shape
    odd = rows % 2 or columns % 2
    even = np.pad(image, ((0, rows % 2), (0, columns % 2)), mode="edge") if odd else image
    above = even[::2] + even[1::2]
    return np.asarray(np.float32(0.25) * (above[:, ::2] + above[:, 1::2]))


def scattered(depth: Map, curve: ScatteringCurve) -> Map:
    """Share of the beam that thicknesses over mean free paths scatter onto the detector."""
    record = curve_records([curve])
    return _core.scattered_fraction(depth.ravel(), record).reshape(depth.shape)


def white(seed: int, index: int, shape: tuple[int, int]) -> Map:
    """White noise of mean 0 and variance 1, from Poisson counts: the same bits everywhere."""
    counts = _counted(np.full(shape, _MEAN, np.float32), seed, index)
    return ((counts - np.float32(_MEAN)) / np.float32(np.sqrt(_MEAN))).astype(np.float32)


def grain(chance: Chance, shape: tuple[int, int], width_px: float) -> Map:
    """Band-pass noise of unit variance, like the phase contrast of amorphous matter."""
    noise = white(chance.whole(0, 2**31), chance.whole(0, 2**31), shape)
    a, b = max(0.45 * width_px, 0.3), max(0.9 * width_px, 0.6)
    band = blurred(noise, a) - blurred(noise, b)
    fine, wide = _kernel(a, 4.0 * b), _kernel(b, 4.0 * b)
    # Of the difference of two averages of white noise, each a product of rows and columns.
    variance = (fine @ fine) ** 2 + (wide @ wide) ** 2 - 2.0 * (fine @ wide) ** 2
    return (band / np.float32(np.sqrt(variance))).astype(np.float32)


def _kernel(sigma: float, reach: float) -> NDArray[np.float64]:
    """Weights of a Gaussian blur along one axis."""
    x = np.arange(-int(reach + 0.5), int(reach + 0.5) + 1)
    weight = elementary.exp(np.maximum(-0.5 * (x / sigma) ** 2, -500.0))
    return np.asarray(weight / weight.sum())


def taken(chance: Chance, depths: Depths, fringe: Map | None, optics: Optics) -> Map:
    """Electrons counted in every pixel, (rows, columns) float32.

    Parameters
    ----------
    chance : Chance
    depths : Depths
    fringe : (rows, columns) float32 or None
        Lattice fringes, −1 … 1 inside crystals and 0 elsewhere.
    optics : Optics
    """
    total = depths.total
    signal = blurred(scattered(total, depths.curve), _SIGMA_PER_FWHM * optics.probe_px)
    if optics.bright_field:
        signal = np.float32(1.0) - signal
        if optics.fresnel > 0.0:
            edge = signal - blurred(signal, optics.fresnel_px)
            signal = signal + np.float32(optics.fresnel) * edge
        if optics.grain > 0.0:
            amount = np.sqrt(np.minimum(total, np.float32(3.0)) + np.float32(0.02))
            own = np.float32(optics.grain) * grain(chance, total.shape, optics.grain_px)
            signal = signal + own * amount * np.float32(0.5)
        if fringe is not None and optics.fringes > 0.0:
            signal = signal + np.float32(optics.fringes) * fringe * signal
    if optics.row_jitter_px > 0.0:
        shifts = chance.apart(2).normal(signal.shape[0]) * optics.row_jitter_px
        signal = rows_shifted(signal, shifts)
    mean = np.maximum(signal, np.float32(0.0)) * np.float32(optics.electrons_px)
    return _counted(mean.astype(np.float32), chance.whole(0, 2**31), 0)


def rows_shifted(signal: Map, shifts_px: NDArray[np.float64]) -> Map:
    """Every row seen from so many pixels further on; straight lines between pixels.

    Parameters
    ----------
    signal : (rows, columns) float32
    shifts_px : (rows,) float64
        Where the beam was too far along each row [px].

    Examples
    --------
    >>> rows_shifted(np.array([[0.0, 1.0, 3.0]], np.float32), np.array([0.5])).tolist()
    [[0.5, 2.0, 3.0]]
    """
    rows, columns = signal.shape
    place = np.clip(np.arange(columns) + shifts_px[:, None], 0.0, columns - 1.0)
    left = np.minimum(place.astype(np.int64), max(columns - 2, 0))
    share = (place - left).astype(np.float32)
    row = np.arange(rows)[:, None]
    right = np.minimum(left + 1, columns - 1)
    return np.asarray(signal[row, left] * (np.float32(1.0) - share) + signal[row, right] * share)


def _counted(mean: Map, seed: int, index: int) -> Map:
    counts = _core.poisson(mean.ravel(), seed=seed, index=index)
    return counts.reshape(mean.shape).astype(np.float32)
