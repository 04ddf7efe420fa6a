"""Visibility of a deformed corner: its d', in closed form and for all poses together.

An observer who knows everything but whether the corner is whole does best with a matched filter,
and then tells the two apart with the signal-to-noise

    d'² = Σ ΔE² / (F² b + σ²)        over the pixels,

with ΔE the electrons that are missing, b those expected there with the corner whole, F² the
detector's excess noise factor and σ its read noise [e]. In a thin slice of matter
ΔE = N exp(−h) s δ/Λ, with N the dose, Λ the mean free path, h the exponent of the scattered
fraction (t/Λ but for plural scattering), s its slope by t/Λ, t the thickness and δ the missing part
of it. Three steps make that a formula:

- A Gaussian blob of the missing volume v with the mean variance s² of the missing piece, blurred
  by the probe's variance p², has Σ δ² = v² / (4π (s² + p²) a²) at pixels of size a.
- In three poses out of four a corner lies on the outline, where the particle is about as thick as
  the missing piece itself: t = κ v^(1/3). κ is 1.3 for a corner cut off, and 0.65 for a displaced
  one, which leaves a thin shell: these two numbers were fitted to simulated images.
- b = N (1 − exp(−h)) + the film's electrons.

The root mean square of d' over poses is that within a factor of 1.35 for cuts of 10 … 50 % and
displacements of 5 … 25 % of the edges, which a test shows by simulating both. In single poses it
scatters: in one of ten it is below 0.4 of that, where a corner hides in front of or behind the
particle. Whoever does not know the edges and pose beforehand sees less: d' is a bound.
"""

from __future__ import annotations

import numpy as np

from stemfast import elementary
from stemfast.recipes.distributions import Floats
from stemfast.recipes.exposure import Exposure
from stemfast.units import fwhm_from_sigma

__all__ = ["Corner", "least_severity"]

_KAPPA_CUT, _KAPPA_DISPLACED = 1.3, 0.65
_CUT_ROOT = _KAPPA_CUT / float(elementary.cbrt(6.0))
_HALVINGS = 16


class Corner:
    """The corners of N cuboids in their images; all eight of a cuboid are alike.

    Parameters
    ----------
    edges_nm : (N, 3) ndarray
        Edges [nm].
    displaced : (N,) ndarray of bool
        Whether its corners are displaced rather than cut.
    exposure : Exposure
        How the images are taken.
    """

    def __init__(self, edges_nm: Floats, displaced: np.ndarray, exposure: Exposure) -> None:
        a, b, c = (edges_nm[:, k] for k in range(3))
        drawn = exposure.drawn
        squares = a * a + b * b + c * c
        self._displaced = displaced
        self._volume = a * b * c
        self._root = elementary.cbrt(self._volume)
        self._squares = squares
        self._shortest = np.minimum(np.minimum(a, b), c) / np.sqrt(squares)
        self._electrons = drawn["electrons_px"]
        self._scatterers = exposure.scatterers
        sigma = drawn["probe_fwhm_nm"] / fwhm_from_sigma(1.0)
        self._blur = sigma * sigma
        self._area = 4.0 * np.pi * (exposure.pixel_size_nm * exposure.pixel_size_nm)
        self._film = exposure.film_electrons
        self._excess = drawn["excess_noise_factor"]
        self._read = drawn["read_noise_e"] * drawn["read_noise_e"]

    def visibility(self, severity: Floats) -> Floats:
        """D' (N,) of a corner so deep: cut so far, or displaced by so many of the shortest edge."""
        cut = severity
        volume, root = cut * cut * cut / 6.0, cut * _CUT_ROOT
        variance = cut * cut / 80.0
        if self._displaced.any():
            t = severity * self._shortest
            # Three tetrahedra between the corner, two of its neighbours and where it goes.
            spread = (2.0 + 3.0 * t * t + 2.0 * (1.0 + t) * (1.0 + t) + t * t) / 60.0
            centre = (2.0 + 3.0 * t) / 12.0
            positive = np.where(t > 0.0, t, 1.0)
            shell = _KAPPA_DISPLACED * elementary.cbrt(0.5 * positive)
            volume = np.where(self._displaced, 0.5 * t, volume)
            root = np.where(self._displaced, shell, root)
            variance = np.where(self._displaced, (spread - centre * centre) / 3.0, variance)
        missing = self._volume * volume
        path = self._scatterers.mean_free_path_nm
        depth = root * self._root / path
        left, slope = self._scatterers.left(depth), self._scatterers.slope(depth)
        background = self._electrons * (1.0 - left) + self._film
        lost = self._electrons * left * slope / path * missing
        noise = self._excess * background + self._read
        return np.asarray(
            lost / np.sqrt(self._area * (variance * self._squares + self._blur) * noise)
        )


def least_severity(corner: Corner, wanted: float, limits: tuple[Floats, Floats]) -> Floats:
    """The smallest severity (N,) within limits at which corners have a d' of `wanted`.

    The upper limit where even that has less.

    Parameters
    ----------
    corner : Corner
    wanted : float
        d'.
    limits : (N,) ndarray, (N,) ndarray
        Lowest and highest severity.
    """
    low, high = limits
    seen = corner.visibility(low) >= wanted
    if seen.all():
        return low
    below, above = low, high
    for _ in range(_HALVINGS):
        middle = 0.5 * (below + above)
        enough = corner.visibility(middle) >= wanted
        below, above = np.where(enough, below, middle), np.where(enough, middle, above)
    return np.where(seen, low, above)
