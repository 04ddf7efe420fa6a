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

if TYPE_CHECKING:
    from stemfast.materials import Material
    from stemfast.microscope import Microscope

__all__ = ["Calibration", "thickness_nm", "volume_nm3"]

Image = NDArray[np.float64]

_REACH_SIGMAS = 3.0
_REACH_PX = 2
_HIGHEST = 0.999


class Calibration(Settings):
    """Calibration of pixel values as thickness.

    A pixel value v means the scattered fraction f = (v − offset) / (gain · electrons_px), and
    f = 1 − exp(−t/Λ).

    Parameters
    ----------
    mean_free_path_nm : float
        Λ, mean free path of the particle's material for scattering into the detector [nm].
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
    >>> print(f"{calibration.mean_free_path_nm:.1f} nm, {calibration.electrons_px:.0f} e/px")
    64.5 nm, 499 e/px
    """

    mean_free_path_nm: Annotated[float, Field(gt=0)]
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
        """
        return cls(
            mean_free_path_nm=microscope.mean_free_path_nm(material),
            electrons_px=microscope.electrons_per_pixel,
            gain=microscope.detector.gain,
            offset=microscope.detector.offset,
        )


def thickness_nm(
    signal: Image, film: Image, calibration: Calibration, *, pixel_noise: Image | float = 0.0
) -> Image:
    """Thickness of the particle in each pixel [nm].

    The film scatters too, and the exponents add up: exp(−t/Λ) = (1 − f) / (1 − f of the film).
    Noise goes through the curved logarithm and would make everything thicker by
    Λ·var(f) / 2(1 − f)² on average, which is taken off.

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
        If the image is brighter than all electrons scattered, or the film darker than none, so
        that the calibration cannot be the image's.

    Examples
    --------
    >>> calibration = Calibration(mean_free_path_nm=65, electrons_px=1000)
    >>> signal, film = np.full((1, 1), 1000 * (1 - np.exp(-10 / 65))), np.zeros((1, 1))
    >>> thickness_nm(signal, film, calibration).round(6)
    array([[10.]])
    """
    per_electron = 1.0 / (calibration.gain * calibration.electrons_px)
    of_film = (film - calibration.offset) * per_electron
    total = signal * per_electron + of_film
    spread = 4.0 * float(np.max(pixel_noise)) * per_electron
    high, low = float(total.max()), float(np.median(of_film))
    if high - spread >= _HIGHEST or low + spread < -0.01:
        raise FeatureError(
            f"calibration: it makes the scattered fraction {high:.3g} at the brightest and "
            f"{low:.3g} on the film, expected numbers of 0 … 1; are electrons_px "
            f"({calibration.electrons_px:g}), gain ({calibration.gain:g}) and offset "
            f"({calibration.offset:g}) those of this image?"
        )
    left = np.maximum(1.0 - total, 1.0 - _HIGHEST)
    bias = 0.5 * (pixel_noise * per_electron / left) ** 2
    thickness: Image = -calibration.mean_free_path_nm * (np.log(left / (1.0 - of_film)) + bias)
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
