"""Projected volume from calibrated intensity: intensity → scattered fraction → thickness."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from stemfast.micrograph.files.feature_error import FeatureError
from stemfast.micrograph.isolate import Isolated
from stemfast.microscope import Settings
from stemfast.scattering import ScatteringCurve

if TYPE_CHECKING:
    from stemfast.materials import Material
    from stemfast.microscope import Microscope

__all__ = ["Calibration", "thickness_nm", "volume_nm3"]

Image = NDArray[np.float64]

_REACH_SIGMAS = 3.0
_REACH_PX = 2
_HIGHEST = 0.999
_NEARLY = 0.98  # of the largest fraction, where thickness still can be told
# Where thickness hardly changes brightness, noise has no small effect to correct for.
_LEAST_SLOPE = 0.3


class Calibration(Settings):
    """Calibration of pixel values as thickness.

    A pixel value v means the scattered fraction f = (v − offset) / (gain · electrons_px), and
    f = 1 − exp(−h(t/Λ)), with h from `stemfast.scattering.ScatteringCurve`.

    Parameters
    ----------
    curve : ScatteringCurve
        Scattered fraction against thickness of the particle's material, from
        `Material.scattering_curve` or `Microscope.scattering_curve`.
    electrons_px : float
        Electrons that arrive in each pixel [e/px].
    gain : float
        Pixel value per electron.
    offset : float
        Pixel value without electrons.

    Raises
    ------
    ValueError
        If a number is out of range or not finite.

    Examples
    --------
    >>> import stemfast as sf
    >>> calibration = Calibration.of(sf.Microscope(), "Au")
    >>> path = calibration.curve.mean_free_path_nm
    >>> print(f"{path:.1f} nm, {calibration.electrons_px:.0f} e/px")
    103.1 nm, 499 e/px
    """

    curve: ScatteringCurve
    electrons_px: Annotated[float, Field(gt=0)]
    gain: Annotated[float, Field(gt=0)] = 1.0
    offset: float = 0.0

    @classmethod
    def of(cls, microscope: Microscope, material: str | Material = "Au") -> Calibration:
        """The calibration of a known microscope for one material.

        Parameters
        ----------
        microscope : Microscope
        material : str or Material
            What the particle is made of.

        Returns
        -------
        Calibration

        Raises
        ------
        ValueError
            If the microscope takes bright-field images.
        """
        if microscope.bright_field is not None:
            raise ValueError(
                "a calibration is of dark-field images, expected microscope.bright_field=None"
            )
        return cls(
            curve=microscope.scattering_curve(material),
            electrons_px=microscope.electrons_per_pixel,
            gain=microscope.detector.gain,
            offset=microscope.detector.offset,
        )

    def brightest(self, film: Image) -> Image:
        """Signal above a film that nearly the brightest thickness of the material gives."""
        most = min(_HIGHEST, self.curve.largest_fraction)
        return np.asarray(self.gain * self.electrons_px * _NEARLY * most + self.offset - film)


def thickness_nm(
    signal: Image, film: Image, calibration: Calibration, *, pixel_noise: Image | float = 0.0
) -> Image:
    """Thickness of the particle in each pixel [nm].

    The film scatters too, and depths in mean free paths add up. Noise goes through a curved
    function, τ(f) with h(τ) = −ln(1 − f), and would make everything thicker by half the variance of
    f times its second derivative, (1/s − h₂/s³) / (1 − f)² with s and h₂ the first and second
    derivatives of h, which is taken off.

    Parameters
    ----------
    signal : ndarray of float64, shape (h, w)
        Intensity above the film, in the image's units.
    film : ndarray of float64, shape (h, w)
        The film's intensity.
    calibration : Calibration
    pixel_noise : float or ndarray, shape (h, w)
        Standard deviation of the pixels, in the image's units.

    Returns
    -------
    ndarray of float64, shape (h, w)

    Raises
    ------
    FeatureError
        If the image is brighter than the material is at any thickness, or the film darker than
        none, so that the calibration cannot be the image's.

    Examples
    --------
    >>> import stemfast as sf
    >>> curve = sf.Microscope().scattering_curve("Au")
    >>> calibration = Calibration(curve=curve, electrons_px=1000)
    >>> depth = np.full((1, 1), 10 / curve.mean_free_path_nm)
    >>> signal, film = 1000 * curve.fraction(depth), np.zeros((1, 1))
    >>> thickness_nm(signal, film, calibration).round(6)
    array([[10.]])
    """
    per_electron = 1.0 / (calibration.gain * calibration.electrons_px)
    of_film = (film - calibration.offset) * per_electron
    total = signal * per_electron + of_film
    spread = 4.0 * float(np.max(pixel_noise)) * per_electron
    high, low = float(total.max()), float(np.median(of_film))
    curve = calibration.curve
    most = min(_HIGHEST, curve.largest_fraction)
    if high - spread >= most or low + spread < -0.01:
        raise FeatureError(
            f"calibration: it makes the scattered fraction {high:.3g} at the brightest and "
            f"{low:.3g} on the film, expected numbers of 0 … {most:.3g}, the most that the "
            f"material scatters; are electrons_px ({calibration.electrons_px:g}), gain "
            f"({calibration.gain:g}) and offset ({calibration.offset:g}) those of this image?"
        )
    depth = curve.depth(np.minimum(total, _HIGHEST))
    left = np.maximum(1.0 - total, 1.0 - _HIGHEST)
    slope = np.maximum(curve.slope(depth), _LEAST_SLOPE)
    second = (1.0 / slope - curve.bend(depth) / slope**3) / left**2
    bias = 0.5 * (pixel_noise * per_electron) ** 2 * second
    thickness: Image = curve.mean_free_path_nm * (depth - curve.depth(of_film) - bias)
    return thickness


def volume_nm3(
    isolated: Isolated, calibration: Calibration, pixel_size_nm: float, blur_px: float
) -> float:
    """Volume of the isolated particle [nm³]: the sum of its thickness times the pixels' area.

    Everything is summed that the probe spread over the outline: 3 blurs and 2 px beyond it.
    """
    from scipy import ndimage

    reach = _REACH_PX + math.ceil(_REACH_SIGMAS * blur_px)
    region = ndimage.binary_dilation(isolated.mask, iterations=reach)
    noise = np.where(isolated.mask, isolated.pixel_noise, 0.0)
    thickness = thickness_nm(isolated.signal, isolated.film, calibration, pixel_noise=noise)
    return float(thickness[region].sum()) * pixel_size_nm**2
