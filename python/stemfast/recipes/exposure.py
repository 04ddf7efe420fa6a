"""Imaging conditions of a recipe: settings, and the drawing of one microscope per scene."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, model_validator

from stemfast import elementary, materials
from stemfast.recipes.distributions import Floats, Ints, Stage, between, between_log, numbered
from stemfast.recipes.settings import Group, LogRange, NotNegative, Positive, Range, ordered
from stemfast.scattering import Collection, ScatteringCurve, exponent, slope
from stemfast.simulation.imaging import Imaging

__all__ = ["Exposure", "ImagingSettings", "Scatterers", "draw_exposure"]

Columns: TypeAlias = dict[str, NDArray[Any]]

_ORDERED = AfterValidator(ordered)
_Third = Annotated[NotNegative, Field(le=1 / 3)]
_Correlation = Annotated[Positive, Field(ge=0.1, le=1e4)]
_Hurst = Annotated[Positive, Field(ge=0.1, le=1.0)]
_Cone = Annotated[NotNegative, Field(lt=1000)]
_Excess = Annotated[Positive, Field(ge=1.0)]
_BelowOne = Annotated[NotNegative, Field(lt=1)]
_AboveZero = Annotated[Positive, Field(le=1)]
#: Standard deviations between the highest expected value, or the lowest, and the detector's limits.
HEADROOM = 6.0
_HALF_DIAGONAL_UM = 1e-3 * math.sqrt(0.5)  # of a field of 1 nm
_ROUGHEST = 5.0  # standard deviations that a rough film is thicker than its mean, at most


class ImagingSettings(Group):
    """Ranges of dose, probe, film, detector and stability, drawn anew for every scene.

    All ranges are (lowest, highest) and drawn evenly, or evenly in the logarithm where it says so.
    Their values in `clean`, `standard` and `hard` are in :mod:`stemfast.recipes.conditions`.

    Parameters
    ----------
    signal_e_px : (float, float)
        Dose: electrons per pixel that the particle scatters into the detector where it is as
        thick as the mean chord of the sphere of its volume; logarithmic [e/px].
    probe_fwhm_nm : (float, float)
        Full width at half maximum of probe and source size together [nm].
    film_nm : (float, float)
        Mean thickness of the carbon film [nm].
    film_roughness : (float, float)
        Standard deviation of the film's thickness as a share of its mean, at most 1/3.
    film_correlation_nm : (float, float)
        Distance over which the film's thickness forgets itself [nm].
    film_hurst : (float, float)
        Hurst exponent of the film's surface, 0.1 … 1.
    film_wedge_nm_per_um : (float, float)
        How fast the film gets thicker, in a direction drawn evenly [nm/um].
    read_noise_e : (float, float)
        Standard deviation of the electronic noise, in electrons [e].
    excess_noise_factor : (float, float)
        F² of the detector's pulses: their noise is that of Poisson counts times F².
    brightness : (float, float)
        Pixel value of the lowest signal, six standard deviations of the read noise below no
        electrons, as a share of the range of the pixels' type. Below 1. Not for float32, whose
        values are electrons.
    contrast : (float, float)
        Share of the range above `brightness` that the brightest pixel can reach: the longest
        chord that a particle of this size and material can have, film and six standard deviations
        of the noise included. So nothing is clipped. Above 0. Not for float32.
    dwell_us : (float, float)
        Time the beam rests on each pixel [us].
    flyback_us : float
        Time between two rows [us].
    drift_nm_s : (float, float)
        Speed of the drift, in a direction drawn evenly [nm/s].
    row_jitter_pm : (float, float)
        Rms of the random shift of each row [pm].
    mains_pm : (float, float)
        Amplitude of the ripple from the mains, along x and along y [pm].
    turn_deg : (float, float)
        Angle through which the particle turns during the frame, if it spins [degrees].
    turn_axis : "isotropic", "x", "y" or "z"
        What it turns about: any axis, either way round; or one axis of the laboratory, always the
        way that takes x to y, y to z or z to x.
    energy_kev : float
        Energy of the beam [keV].
    convergence_mrad : float
        Half angle of the illumination [mrad].
    inner_mrad, outer_mrad : float
        Collection angles of the detector [mrad].
    """

    signal_e_px: LogRange
    probe_fwhm_nm: Range
    film_nm: Range
    film_roughness: Annotated[tuple[_Third, _Third], _ORDERED]
    film_correlation_nm: Annotated[tuple[_Correlation, _Correlation], _ORDERED] = (2.0, 20.0)
    film_hurst: Annotated[tuple[_Hurst, _Hurst], _ORDERED] = (0.5, 0.8)
    film_wedge_nm_per_um: Range
    read_noise_e: Range
    excess_noise_factor: Annotated[tuple[_Excess, _Excess], _ORDERED]
    brightness: Annotated[tuple[_BelowOne, _BelowOne], _ORDERED] = (0.02, 0.15)
    contrast: Annotated[tuple[_AboveZero, _AboveZero], _ORDERED] = (0.6, 0.95)
    dwell_us: Annotated[tuple[Positive, Positive], _ORDERED]
    flyback_us: NotNegative = 60.0
    drift_nm_s: Range
    row_jitter_pm: Range
    mains_pm: Range
    turn_deg: Range = (10.0, 60.0)
    turn_axis: Literal["isotropic", "x", "y", "z"] = "isotropic"
    energy_kev: Positive = 200.0
    convergence_mrad: _Cone = 20.0
    inner_mrad: Positive = 60.0
    outer_mrad: Positive = 200.0

    @model_validator(mode="after")
    def _angles_are_an_annulus(self) -> Self:
        if self.inner_mrad >= self.outer_mrad:
            raise ValueError(
                f"expected inner_mrad < outer_mrad, got {self.inner_mrad:g} and {self.outer_mrad:g}"
            )
        if self.convergence_mrad > self.inner_mrad:
            raise ValueError(
                f"expected convergence_mrad of at most inner_mrad, got {self.convergence_mrad:g} "
                f"and {self.inner_mrad:g}: the undeflected beam would fall onto the detector"
            )
        return self

    def scattering_curve(self, material: str) -> ScatteringCurve:
        """Scattered fraction against thickness of a material for this detector."""
        collection = Collection(
            self.energy_kev, self.inner_mrad, self.outer_mrad, self.convergence_mrad
        )
        return materials.get(material).scattering_curve(collection)

    def scatterers(self, names: Sequence[str], pick: Ints) -> Scatterers:
        """Scattering of the particle in each of N scenes, of the materials named."""
        curves = [self.scattering_curve(name) for name in names]
        return Scatterers(
            np.array([curve.mean_free_path_nm for curve in curves])[pick],
            np.array([curve.numbers for curve in curves])[pick].T,
        )

    def require_fit(self, field_nm: float, image_px: int) -> None:
        """Refuse a probe, a wedge or a drift that the field has no room for.

        Raises
        ------
        ValueError
            If one is too large for a field of that width [nm].
        """
        if self.probe_fwhm_nm[1] > 0.5 * field_nm:
            raise ValueError(
                f"imaging.probe_fwhm_nm is {self.probe_fwhm_nm}, expected at most half the field "
                f"of {field_nm:g} nm"
            )
        thinnest = self.film_nm[0] * (1.0 - 3.0 * self.film_roughness[1])
        if self.film_wedge_nm_per_um[1] * _HALF_DIAGONAL_UM * field_nm > thinnest:
            raise ValueError(
                f"imaging.film_wedge_nm_per_um is {self.film_wedge_nm_per_um}, expected a wedge "
                f"that does not run out within the field of {field_nm:g} nm on the thinnest and "
                f"roughest film, of {self.film_nm[0]:g} nm"
            )
        moved = self.drift_nm_s[1] * self.frame_s(self.dwell_us[1], image_px)
        if moved > 0.1 * field_nm:
            raise ValueError(
                f"imaging.drift_nm_s is {self.drift_nm_s}, expected at most a tenth of the field "
                f"of {field_nm:g} nm during the slowest frame, got {moved:.3g} nm"
            )

    def frame_s(self, dwell_us: Any, image_px: int) -> Any:
        """Time from the first pixel's start to the last one's end [s]."""
        row = image_px * dwell_us + self.flyback_us
        return (image_px * row - self.flyback_us) * 1e-6


@dataclass(frozen=True, eq=False)
class Scatterers:
    """Scattered fraction against depth, the particle's own in each of N scenes.

    Attributes
    ----------
    mean_free_path_nm : (N,) ndarray
        Λ [nm].
    numbers : (5, N) ndarray
        Of `stemfast.scattering.exponent`.
    """

    mean_free_path_nm: Floats
    numbers: Floats

    def left(self, depth: Floats) -> Floats:
        """Share of the beam (N,) that is not scattered onto the detector at depths Σ t/Λ."""
        return elementary.exp(-exponent(depth, self.numbers))

    def slope(self, depth: Floats) -> Floats:
        """Derivative (N,) of −ln of that by the depth."""
        return np.asarray(slope(depth, self.numbers))


@dataclass(frozen=True, eq=False)
class Exposure:
    """Imaging conditions drawn for each scene, the same for all its views.

    Attributes
    ----------
    settings : ImagingSettings
    image_px : int
    pixel_size_nm : float
    drawn : dict of str to (N,) or (N, 2) ndarray
        By the names of the columns, with units.
    scatterers : Scatterers
        Of the particle's material.
    film_electrons : (N,) ndarray
        Expected electrons per pixel from the film alone [e/px].
    levels : (2, N) ndarray
        Uniform draws for brightness and contrast.
    """

    settings: ImagingSettings
    image_px: int
    pixel_size_nm: float
    drawn: Columns
    scatterers: Scatterers
    film_electrons: Floats
    levels: Floats

    @property
    def frame_s(self) -> Floats:
        """Time of a frame [s]."""
        return np.asarray(self.settings.frame_s(self.drawn["dwell_us"], self.image_px))

    @property
    def drift_reach_nm(self) -> Floats:
        """Largest drift of the beam during a frame, in x or in y [nm]."""
        fastest: Floats = np.abs(self.drawn["drift_nm_s"]).max(axis=1)
        return fastest * self.frame_s

    def imaging(
        self, reach_nm: Floats, dtype: np.dtype[Any], views: int
    ) -> tuple[Imaging, Columns]:
        """The microscopes of all views, and the columns of each scene.

        Parameters
        ----------
        reach_nm : (N,) ndarray
            Bound of the particle's bounding radius that knows nothing of its class [nm].
        dtype : dtype
            Of the pixels.
        views : int
            Images of each scene.
        """
        gain, offset = self._levels(reach_nm, dtype)
        columns = self.drawn | {"gain": gain, "offset": offset}
        per_image = {
            k: v if views == 1 else np.repeat(v, views, axis=0) for k, v in columns.items()
        }
        named = {k: v for k, v in per_image.items() if k in _OF_IMAGING}
        bits: dict[str, Literal[8, 16] | None] = {"uint8": 8, "uint16": 16, "float32": None}
        return (
            Imaging(
                image_px=self.image_px,
                pixel_size_nm=self.pixel_size_nm,
                bits=bits[dtype.name],
                energy_kev=self.settings.energy_kev,
                convergence_mrad=self.settings.convergence_mrad,
                inner_mrad=self.settings.inner_mrad,
                outer_mrad=self.settings.outer_mrad,
                flyback_us=self.settings.flyback_us,
                read_noise=per_image["read_noise_e"] * per_image["gain"],
                **named,
            ),
            columns,
        )

    def _levels(self, reach_nm: Floats, dtype: np.dtype[Any]) -> tuple[Floats, Floats]:
        """Gain and offset with which neither the darkest nor the brightest pixel is clipped."""
        if dtype.kind == "f":
            return np.ones(len(reach_nm)), np.zeros(len(reach_nm))
        d, s = self.drawn, self.settings
        wedge = d["film_wedge_nm_per_um"] * (_HALF_DIAGONAL_UM * self.image_px * self.pixel_size_nm)
        film = d["film_nm"] + _ROUGHEST * d["film_roughness_nm"] + wedge
        carbon = s.scattering_curve("C").mean_free_path_nm
        depth = 2.0 * reach_nm / self.scatterers.mean_free_path_nm + film / carbon
        peak = d["electrons_px"] * (1.0 - self.scatterers.left(depth))
        read = d["read_noise_e"]
        noise = np.sqrt(d["excess_noise_factor"] * peak + read * read)
        lowest, highest = -HEADROOM * read, peak + HEADROOM * noise
        top = float(np.iinfo(dtype).max)
        black = top * between(s.brightness, self.levels[0])
        gain = (top - black) * between(s.contrast, self.levels[1]) / (highest - lowest)
        return gain, black - gain * lowest


_OF_IMAGING = {
    "electrons_px",
    "dwell_us",
    "probe_fwhm_nm",
    "film_nm",
    "film_roughness_nm",
    "film_correlation_nm",
    "film_hurst",
    "film_wedge_nm_per_um",
    "film_wedge_direction_deg",
    "gain",
    "offset",
    "excess_noise_factor",
    "drift_nm_s",
    "row_jitter_pm",
    "mains_pm",
    "mains_phase_turns",
}


def draw_exposure(
    settings: ImagingSettings,
    seed: int,
    indices: Ints,
    *,
    image_px: int,
    pixel_size_nm: float,
    diameter_nm: Floats,
    scatterers: Scatterers,
) -> Exposure:
    """Draw dose, probe, film, detector and stability of each scene.

    Parameters
    ----------
    settings : ImagingSettings
    seed : int
    indices : (N,) ndarray of int
        Of the scenes.
    image_px : int
    pixel_size_nm : float
    diameter_nm : (N,) ndarray
        Of the particles [nm].
    scatterers : Scatterers
        Of their materials.
    """
    s = settings
    u = numbered(seed, indices, Stage.IMAGING, 19)
    signal = between_log(s.signal_e_px, next(u))
    # Of a sphere: its volume over the area of its shadow.
    mean_chord = 2.0 / 3.0 * diameter_nm
    electrons = signal / (1.0 - scatterers.left(mean_chord / scatterers.mean_free_path_nm))
    film = between(s.film_nm, next(u))
    drawn: Columns = {
        "signal_e_px": signal,
        "electrons_px": electrons,
        "probe_fwhm_nm": between(s.probe_fwhm_nm, next(u)),
        "film_nm": film,
        "film_roughness_nm": film * between(s.film_roughness, next(u)),
        "film_correlation_nm": between(s.film_correlation_nm, next(u)),
        "film_hurst": between(s.film_hurst, next(u)),
        "film_wedge_nm_per_um": between(s.film_wedge_nm_per_um, next(u)),
        "film_wedge_direction_deg": 360.0 * next(u),
        "read_noise_e": between(s.read_noise_e, next(u)),
        "excess_noise_factor": between(s.excess_noise_factor, next(u)),
        "dwell_us": between(s.dwell_us, next(u)),
        "row_jitter_pm": between(s.row_jitter_pm, next(u)),
    }
    speed, (sine, cosine) = between(s.drift_nm_s, next(u)), elementary.sin_cos_turns(next(u))
    drawn["drift_nm_s"] = np.stack([speed * cosine, speed * sine], axis=1)
    drawn["mains_pm"] = np.stack([between(s.mains_pm, next(u)) for _ in "xy"], axis=1)
    drawn["mains_phase_turns"] = next(u)
    levels = np.stack([next(u), next(u)])
    scattered = 1.0 - scatterers.left(film / s.scattering_curve("C").mean_free_path_nm)
    return Exposure(
        settings=s,
        image_px=image_px,
        pixel_size_nm=pixel_size_nm,
        drawn=drawn,
        scatterers=scatterers,
        film_electrons=electrons * scattered,
        levels=levels,
    )
