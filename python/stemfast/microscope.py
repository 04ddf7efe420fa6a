"""The microscope: everything about an experiment that is not the specimen.

All settings are frozen: change one with `replace`, which checks again. Units are in the names.
"""

from __future__ import annotations

import difflib
import math
import operator
from numbers import Real
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from . import materials, units
from .materials import Material

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


def _number(value: object) -> float:
    # Strings and booleans would pass pydantic's own conversion; NumPy's float32 would not.
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise ValueError("expected a number")
    return float(value)


def _number_or_none(value: object) -> float | None:
    return None if value is None else _number(value)


def _whole(value: object) -> int:
    if isinstance(value, bool | np.bool_):
        raise ValueError("expected a whole number")
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise ValueError("expected a whole number") from None


# Full width at half maximum of an Airy pattern, in λ/α: 2·1.61634/(2π), where (2 J₁(v)/v)² = ½ at
# v = 1.61634.
_AIRY_FWHM = 0.514498

_Finite = Annotated[float, BeforeValidator(_number)]
_Positive = Annotated[float, BeforeValidator(_number), Field(gt=0)]
_NotNegative = Annotated[float, BeforeValidator(_number), Field(ge=0)]
_Angle = Annotated[float, BeforeValidator(_number), Field(gt=0, lt=1000)]
_FiniteOrNone = Annotated[float | None, BeforeValidator(_number_or_none)]
_PositiveOrNone = Annotated[float | None, Field(gt=0), BeforeValidator(_number_or_none)]
_Pixels = Annotated[int, BeforeValidator(_whole), Field(ge=1)]

_EXPECTED: dict[str, str] = {
    "greater_than": "a number greater than {gt:g}",
    "greater_than_equal": "a number of at least {ge:g}",
    "less_than_equal": "a number of at most {le:g}",
    "less_than": "a number less than {lt:g}",
    "finite_number": "a finite number",
    "literal_error": "{expected} or None",
    "tuple_type": "a tuple",
    "model_type": "a {class_name}",
    "missing": "a value",
    "too_long": "at most {max_length} values",
    "too_short": "at least {min_length} values",
}


class Settings(BaseModel):
    """Base of the microscope's parts: frozen, with errors that say what was wrong."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ValueError(_explain(type(self), error)) from None

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some settings changed, checked like a new one.

        Parameters
        ----------
        **changes
            Settings by name.

        Raises
        ------
        ValueError
            If a setting does not exist or its value is not allowed.

        Examples
        --------
        >>> Scan().replace(pixel_size_nm=0.2).pixel_size_nm
        0.2
        """
        return type(self)(**{**dict(self), **changes})


class Instability(Settings):
    """How the beam strays from its grid while it scans the specimen.

    The beam stands at grid + drift + row jitter + mains ripple + fly-back lag, and thickness is
    taken there; the image is not warped afterwards.

    Parameters
    ----------
    drift_nm_s : (float, float)
        Velocity of the beam over the specimen along x and y, at the start [nm/s].
    drift_decay_s : float or None
        Time in which the drift velocity falls to 1/e [s]; None for a steady drift.
    row_jitter_pm : float
        Each row is shifted by a normal number of this rms, in x and in y [pm].
    mains_pm : (float, float)
        Amplitude of the ripple along x and y [pm].
    mains_hz : float
        Frequency of the ripple [1/s].
    mains_phase_rad : float
        Its phase at the start of the first frame: the ripple is a sine [rad].
    flyback_lag_nm : float
        How far the beam is behind at the start of a row [nm].
    flyback_lag_us : float
        Time in which that falls to 1/e [us].

    Raises
    ------
    ValueError
        If a value is out of range or not finite, or a setting is unknown.

    Examples
    --------
    >>> Instability(drift_nm_s=(1.0, -0.5), row_jitter_pm=30).mains_hz
    50.0
    """

    drift_nm_s: tuple[_Finite, _Finite] = (0.0, 0.0)
    drift_decay_s: _Positive | None = None
    row_jitter_pm: _NotNegative = 0.0
    mains_pm: tuple[_Finite, _Finite] = (0.0, 0.0)
    mains_hz: _Positive = 50.0
    mains_phase_rad: _Finite = 0.0
    flyback_lag_nm: _NotNegative = 0.0
    flyback_lag_us: _Positive = 20.0

    def columns(self) -> tuple[float, ...]:
        """Return the core's row of numbers: see `Stray` in scene.hpp [nm, s, turns]."""
        moves = any((*self.drift_nm_s, self.row_jitter_pm, *self.mains_pm, self.flyback_lag_nm))
        if not moves:
            return (0.0,) * 10
        return (
            *self.drift_nm_s,
            self.drift_decay_s or 0.0,
            self.row_jitter_pm * 1e-3,
            self.mains_pm[0] * 1e-3,
            self.mains_pm[1] * 1e-3,
            self.mains_hz,
            self.mains_phase_rad / (2 * math.pi),
            self.flyback_lag_nm,
            self.flyback_lag_us * 1e-6,
        )


class Scan(Settings):
    """The raster: pixels, their size and their timing.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns [px].
    pixel_size_nm : float
        Distance between neighbouring pixels, the same in x and y [nm].
    dwell_us : float
        Time the beam rests on each pixel [us].
    flyback_us : float
        Time between the end of a row and the start of the next [us].
    instability : Instability
        How the beam strays from the raster.

    Raises
    ------
    ValueError
        If a value is out of range or not finite, or a setting is unknown.

    Examples
    --------
    >>> scan = Scan(shape=(64, 128), pixel_size_nm=0.5)
    >>> scan.field_nm
    (32.0, 64.0)
    """

    shape: tuple[_Pixels, _Pixels] = (128, 128)
    pixel_size_nm: _Positive = 0.35
    dwell_us: _Positive = 4.0
    flyback_us: _NotNegative = 60.0
    instability: Instability = Instability()

    @property
    def field_nm(self) -> tuple[float, float]:
        """Height and width of the scanned field [nm]."""
        return self.shape[0] * self.pixel_size_nm, self.shape[1] * self.pixel_size_nm

    @property
    def row_us(self) -> float:
        """Time from the start of one row to the start of the next [us]."""
        return self.shape[1] * self.dwell_us + self.flyback_us

    @property
    def frame_us(self) -> float:
        """Time from the first pixel's start to the last pixel's end [us]."""
        return self.shape[0] * self.row_us - self.flyback_us


class Beam(Settings):
    """The electron beam.

    Parameters
    ----------
    energy_kev : float
        Kinetic energy of the electrons [keV].
    current_pa : float
        Beam current at the specimen [pA].

    Raises
    ------
    ValueError
        If a value is not positive and finite, or a setting is unknown.

    Examples
    --------
    >>> round(Beam(energy_kev=300).wavelength_nm, 5)
    0.00197
    """

    energy_kev: _Positive = 200.0
    current_pa: _Positive = 20.0

    @property
    def wavelength_nm(self) -> float:
        """Relativistic wavelength of the electrons [nm]."""
        return units.wavelength_nm(self.energy_kev)


class Probe(Settings):
    """The focused beam: a Gaussian for diffraction and source size together, and a tail if wanted.

    The tail holds a share of the intensity far outside the central peak, as left there by
    aberrations and the surroundings of the source. Its profile is (1 + r²/γ²)^(-3/2)/(2πγ²), whose
    integral is 1 and which seen along a line is a Lorentzian of half width γ; the Gaussian widens
    it like everything else. What lies past the edge of the field is its mirror image to the tail.
    It is computed as a mixture of Gaussians, at about three times the cost of the Gaussian alone;
    where γ is at least a pixel, the tail is within 0.4 % of the field's contrast.

    Given the convergence angle α, the probe is a cone about its focus z₀ and blurs what it meets at
    z by σ(z)² = σ² + (α(z - z₀)/2)². The particles are then cut across the beam into slabs, each
    blurred by its own width. What a slab scatters is what is left of the beam above it less what is
    left below it, so that the slabs add up to the whole and α → 0 is the plain image. The film lies
    with the last slab. The cost is that of `slabs` images before the counting.

    Parameters
    ----------
    fwhm_nm : float
        Full width at half maximum of the Gaussian [nm]; 0 for an infinitely fine probe.
    tail_fraction : float
        Share of the intensity in the tail, below 1; 0 for none.
    tail_fwhm_nm : float
        Full width at half maximum of the tail [nm].
    convergence_mrad : float or None
        Convergence semi-angle [mrad], for the depth of focus; None for one width at all depths.
    focus_nm : float
        z of the focus [nm]; positive is below the specimen's origin, down the beam.
    slabs : int
        Slabs of equal thickness that the depth is cut into.

    Raises
    ------
    ValueError
        If a value is out of range or not finite, or a setting is unknown.

    See Also
    --------
    Probe.from_optics : the width from the convergence angle, defocus and source size.

    Examples
    --------
    >>> round(Probe(fwhm_nm=0.5).sigma_nm, 4)
    0.2123
    >>> Probe(tail_fraction=0.1, tail_fwhm_nm=3).tail_gamma_nm < 2
    True
    """

    fwhm_nm: _NotNegative = 0.5
    tail_fraction: Annotated[float, BeforeValidator(_number), Field(ge=0, lt=1)] = 0.0
    tail_fwhm_nm: _Positive = 2.0
    convergence_mrad: _Angle | None = None
    focus_nm: _Finite = 0.0
    slabs: Annotated[int, BeforeValidator(_whole), Field(ge=1, le=4096)] = 8

    @classmethod
    def from_optics(
        cls,
        *,
        convergence_mrad: float,
        energy_kev: float,
        defocus_nm: float = 0.0,
        source_fwhm_nm: float = 0.0,
        depth_of_focus: bool = False,
        **others: Any,
    ) -> Self:
        """Return the probe that a lens forms, its contributions added in quadrature.

        Diffraction: an aperture of semi-angle α makes an Airy pattern, whose first zero is at
        0.61 λ/α and whose full width at half maximum, here taken as the Gaussian's, is 0.5145 λ/α
        (M. Born and E. Wolf, *Principles of Optics*, section 8.5.2). Defocus by Δ spreads the
        beam over a disc of radius αΔ, whose standard deviation along x or y is αΔ/2. The
        source's demagnified image is a Gaussian. Adding squares is the usual estimate and is
        some 10 % off where two contributions are alike and not Gaussian (J. E. Barth and
        P. Kruit, *Optik* 101 (1996) 101). Spherical aberration is taken as corrected.

        Parameters
        ----------
        convergence_mrad : float
            Convergence semi-angle α [mrad].
        energy_kev : float
            Energy of the beam, for the wavelength λ [keV].
        defocus_nm : float
            Distance between focus and specimen Δ, of either sign [nm].
        source_fwhm_nm : float
            Full width at half maximum of the source's image [nm].
        depth_of_focus : bool
            Whether the blur by defocus follows the depth in the specimen, in place of one width:
            sets `convergence_mrad`, and `focus_nm` to `defocus_nm`.
        **others
            Further settings of the probe.

        Raises
        ------
        ValueError
            If a value is out of range or not finite, or a setting is unknown.

        Examples
        --------
        >>> round(Probe.from_optics(convergence_mrad=25, energy_kev=200).fwhm_nm, 4)
        0.0516
        """
        given = _Optics(
            convergence_mrad=convergence_mrad,
            energy_kev=energy_kev,
            defocus_nm=defocus_nm,
            source_fwhm_nm=source_fwhm_nm,
        )
        for name in ("fwhm_nm", "focus_nm"):
            if name in others:
                raise ValueError(f"Probe.from_optics works {name} out, leave it away")
        angle = given.convergence_mrad * 1e-3
        diffraction = _AIRY_FWHM * units.wavelength_nm(given.energy_kev) / angle
        blur = units.fwhm_from_sigma(0.5 * angle * abs(given.defocus_nm))
        if depth_of_focus:
            blur = 0.0
            cone = {"convergence_mrad": given.convergence_mrad, "focus_nm": given.defocus_nm}
            others = {**others, **cone}
        return cls(fwhm_nm=math.hypot(diffraction, blur, given.source_fwhm_nm), **others)

    @property
    def sigma_nm(self) -> float:
        """Standard deviation of the Gaussian [nm]."""
        return units.sigma_from_fwhm(self.fwhm_nm)

    def fwhm_at_nm(self, z_nm: float) -> float:
        """Full width at half maximum of the Gaussian at a depth [nm].

        Parameters
        ----------
        z_nm : float
            Depth, counted down the beam from the specimen's origin [nm].

        Examples
        --------
        >>> probe = Probe(fwhm_nm=0.1, convergence_mrad=20)
        >>> round(probe.fwhm_at_nm(50), 3)
        1.182
        """
        angle = 0.0 if self.convergence_mrad is None else self.convergence_mrad * 1e-3
        blur = units.fwhm_from_sigma(0.5 * angle * abs(z_nm - self.focus_nm))
        return math.hypot(self.fwhm_nm, blur)

    @property
    def tail_gamma_nm(self) -> float:
        """Half width γ of the tail seen along a line [nm]."""
        return self.tail_fwhm_nm / (2.0 * math.sqrt(2.0 ** (2.0 / 3.0) - 1.0))


class _Optics(Settings):
    convergence_mrad: _Angle
    energy_kev: _Positive
    defocus_nm: _Finite
    source_fwhm_nm: _NotNegative


class Haadf(Settings):
    """The annular dark-field detector's collection angles.

    Parameters
    ----------
    inner_mrad, outer_mrad : float
        Inner and outer semi-angle [mrad].

    Raises
    ------
    ValueError
        If an angle is not positive and finite, the inner one is not the smaller, or a setting
        is unknown.

    Examples
    --------
    >>> Haadf(inner_mrad=80).outer_mrad
    200.0
    """

    inner_mrad: _Positive = 60.0
    outer_mrad: _Positive = 200.0

    @model_validator(mode="after")
    def _inner_is_smaller(self) -> Self:
        if self.inner_mrad >= self.outer_mrad:
            raise ValueError(
                f"expected inner_mrad < outer_mrad, got inner_mrad={self.inner_mrad:g} "
                f"and outer_mrad={self.outer_mrad:g}"
            )
        return self


class Film(Settings):
    """The support that the particles lie on: an amorphous film, rough, perhaps a wedge with a hole.

    Every image has a film of its own, fixed by the seed and the image's index.

    Parameters
    ----------
    thickness_nm : float
        Mean thickness, at the centre of the scan if there is a wedge [nm]; 0 for no film.
    material : str or Material
        What it is made of.
    roughness_nm : float
        Standard deviation of the thickness over an area much larger than the correlation length
        [nm], at most a third of the thickness. Detail smaller than about a pixel is left out of an
        image, and its share of the variance with it.
    correlation_nm : float
        Distance xi over which the thickness forgets itself [nm].
    hurst : float
        Hurst exponent H, 0.1 … 1: the smaller, the more jagged the detail.
    wedge_nm_per_um : float
        How fast the film gets thicker in `wedge_direction_deg` [nm/um].
    wedge_direction_deg : float
        Direction in the image, 0 along x (right), 90 along y (down) [degrees].
    hole_distance_nm : float or None
        From the centre of the scan to the edge of a hole, in `hole_direction_deg` [nm]; negative
        if the centre of the scan is over the hole. None for no hole.
    hole_direction_deg : float
        Where the hole lies, counted like `wedge_direction_deg` [degrees].
    hole_radius_nm : float or None
        Radius of the hole [nm]; None for a straight edge.
    hole_taper_nm : float
        The film thins towards the edge as 1 - exp(-d / taper) with the distance d from it [nm];
        0 for a sharp edge.

    Raises
    ------
    ValueError
        If a value is out of range or not finite, the film is too thin for its roughness, the
        material is unknown, a hole has a radius but no distance, or a setting is unknown.

    Notes
    -----
    The thickness is that of a self-affine surface: a Gaussian random field with the spectral
    density S(q) = 4 pi H xi^2 rms^2 (1 + q^2 xi^2)^-(1 + H), q in rad/nm and rms^2 the integral of
    S(q) d^2q / (2 pi)^2, the k-correlation model of G. Palasantzas, Phys. Rev. B 48 (1993) 14472.
    Between H of 0.3 and 0.8 the images have it within 6 % for q up to 1/pixel_size_nm.

    No film is thinner than nothing: where the field would go below, it is cut at 0. As the film is
    at least three times thicker than its roughness that is 0.14 % of the area at most.

    Examples
    --------
    >>> Film(thickness_nm=10, material="SiO2").thickness_nm
    10.0
    >>> Film(roughness_nm=0.5, correlation_nm=6, hole_distance_nm=15).hole_taper_nm
    2.0
    """

    thickness_nm: _NotNegative = 5.0
    material: str | Material = "C"
    roughness_nm: _NotNegative = 0.0
    correlation_nm: Annotated[_Positive, Field(ge=0.1, le=1e4)] = 8.0
    hurst: Annotated[_Positive, Field(ge=0.1, le=1.0)] = 0.7
    wedge_nm_per_um: _Finite = 0.0
    wedge_direction_deg: _Finite = 0.0
    hole_distance_nm: _FiniteOrNone = None
    hole_direction_deg: _Finite = 0.0
    hole_radius_nm: _PositiveOrNone = None
    hole_taper_nm: _NotNegative = 2.0

    @field_validator("material", mode="before")
    @classmethod
    def _material_is_known(cls, value: object) -> object:
        if isinstance(value, dict):  # what a Material becomes in JSON
            return value
        if not isinstance(value, str | Material):
            raise ValueError("expected a name or a Material")
        materials.get(value)
        return value

    @model_validator(mode="after")
    def _thick_enough(self) -> Self:
        if 3 * self.roughness_nm > self.thickness_nm:
            raise ValueError(
                "expected a roughness_nm of at most a third of thickness_nm, got "
                f"roughness_nm={self.roughness_nm:g} and thickness_nm={self.thickness_nm:g}"
            )
        return self

    @model_validator(mode="after")
    def _hole_is_somewhere(self) -> Self:
        if self.hole_radius_nm is not None and self.hole_distance_nm is None:
            raise ValueError(
                "expected hole_distance_nm together with hole_radius_nm, got "
                f"hole_radius_nm={self.hole_radius_nm:g} alone"
            )
        return self


class Detector(Settings):
    """The detector: counted electrons in, pixel values out.

    In this order: every electron makes a pulse of random charge, the charge is recorded with a
    delay (afterglow), then value = gain·charge + offset + noise, rounded and clipped to `bits`.

    Parameters
    ----------
    bits : 8, 16 or None
        Bits per pixel of the unsigned image; None leaves it unquantised, as float32.
    gain : float
        Pixel value per counted electron [1/e].
    offset : float
        Pixel value without electrons.
    read_noise : float
        Standard deviation of the Gaussian electronic noise [pixel value].
    excess_noise_factor : float
        F² = ⟨q²⟩/⟨q⟩² of one electron's charge q, at least 1 (all pulses alike). Pulses are
        gamma-distributed with the mean 1 and the variance F² - 1, so that N electrons have the
        charge N with the variance (F² - 1)·N on top of the Poisson noise of N itself.
    decay_us : float
        Time constant of the scintillator's afterglow [us]; 0 for none. Of what an electron leaves,
        exp(-dwell/decay) is recorded in later pixels of the scan, x_j = (1 - a)·s_j + a·x_(j-1);
        what decays during the fly-back is lost, and what is left then appears in the next row.

    Raises
    ------
    ValueError
        If a value is out of range or not finite, or a setting is unknown.

    Examples
    --------
    >>> Detector(bits=8).dtype
    dtype('uint8')
    """

    bits: Literal[8, 16] | None = 16
    gain: _Positive = 1.0
    offset: _Finite = 0.0
    read_noise: _NotNegative = 0.0
    excess_noise_factor: Annotated[float, BeforeValidator(_number), Field(ge=1)] = 1.0
    decay_us: _NotNegative = 0.0

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels: uint8, uint16, or float32 when `bits` is None."""
        return np.dtype({8: np.uint8, 16: np.uint16, None: np.float32}[self.bits])

    @property
    def unit(self) -> str:
        """What pixel values count: "e-" at a gain of 1 and no offset, else "grey levels"."""
        return "e-" if self.gain == 1 and self.offset == 0 else "grey levels"


class Microscope(Settings):
    """A whole microscope, ready to take images.

    Parameters
    ----------
    scan : Scan
    beam : Beam
    probe : Probe
    haadf : Haadf
    film : Film
    detector : Detector

    Raises
    ------
    ValueError
        If a part is not what it should be, a setting is unknown, the probe is wider than the
        scanned field, or the film's wedge runs out within it.

    Examples
    --------
    >>> microscope = Microscope(scan=Scan(dwell_us=8), beam=Beam(current_pa=50))
    >>> round(microscope.electrons_per_pixel)
    2497
    >>> round(microscope.mean_free_path_nm("Pd"))
    153
    """

    scan: Scan = Scan()
    beam: Beam = Beam()
    probe: Probe = Probe()
    haadf: Haadf = Haadf()
    film: Film = Film()
    detector: Detector = Detector()

    @model_validator(mode="after")
    def _probe_fits_the_field(self) -> Self:
        height, width = self.scan.field_nm
        widths = {"fwhm_nm": self.probe.fwhm_nm}
        if self.probe.tail_fraction > 0:
            widths["tail_fwhm_nm"] = self.probe.tail_fwhm_nm
        for name, value in widths.items():
            if value > min(height, width):
                raise ValueError(
                    f"expected a probe narrower than the field, got probe.{name}={value:g} and a "
                    f"field of {height:g} x {width:g} nm; enlarge scan.shape or "
                    f"scan.pixel_size_nm, or lower probe.{name}"
                )
        return self

    @model_validator(mode="after")
    def _wedge_does_not_run_out(self) -> Self:
        film, (height, width) = self.film, self.scan.field_nm
        angle = math.radians(film.wedge_direction_deg)
        reach = abs(math.cos(angle)) * width / 2 + abs(math.sin(angle)) * height / 2
        thinnest = film.thickness_nm - abs(film.wedge_nm_per_um) * reach / 1000
        if film.wedge_nm_per_um != 0 and thinnest < 3 * film.roughness_nm:
            raise ValueError(
                "expected the wedge's thin side to be at least 3 film.roughness_nm thick in the "
                f"field, got {thinnest:g} nm with film.thickness_nm={film.thickness_nm:g}, "
                f"film.wedge_nm_per_um={film.wedge_nm_per_um:g}, "
                f"film.roughness_nm={film.roughness_nm:g} and a field of {height:g} x {width:g} nm"
            )
        return self

    @property
    def electrons_per_pixel(self) -> float:
        """Mean number of electrons that arrive in each pixel's dwell time [e/px]."""
        return units.electrons(self.beam.current_pa, self.scan.dwell_us)

    def mean_free_path_nm(self, material: str | Material) -> float:
        """Mean free path of a material for scattering into this detector at this energy.

        Parameters
        ----------
        material : str or Material
            A name from `stemfast.materials.names`, or a material of your own.

        Returns
        -------
        float
            Mean free path [nm].

        Raises
        ------
        ValueError
            If the material is unknown.

        Examples
        --------
        >>> round(Microscope().mean_free_path_nm("Au"), 1)
        64.5
        """
        return materials.get(material).mean_free_path_nm(
            self.beam.energy_kev, self.haadf.inner_mrad, self.haadf.outer_mrad
        )


def _explain(model: type[Settings], error: ValidationError) -> str:
    return "; ".join(
        _explain_one(model, problem["type"], problem["loc"], problem) for problem in error.errors()
    )


def _explain_one(
    model: type[Settings], kind: str, location: tuple[int | str, ...], problem: ErrorDetails
) -> str:
    if kind == "extra_forbidden":
        return _unknown(model, ".".join(map(str, location)))
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    where = model.__name__ + "".join(steps)
    context = problem.get("ctx", {})
    if kind == "value_error":
        message = str(context["error"])
        if not message.startswith("expected") or not location:
            return f"{where}: {message}"
        expected = message.removeprefix("expected ")
    else:
        expected = _EXPECTED.get(kind, problem["msg"]).format(**context)
    return f"{where}: expected {expected}, got {problem['input']!r}"


def _unknown(model: type[Settings], name: str) -> str:
    fields = list(model.model_fields)
    near = difflib.get_close_matches(name, fields, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{model.__name__} has no setting {name!r}; {hint}Its settings: {', '.join(fields)}"
