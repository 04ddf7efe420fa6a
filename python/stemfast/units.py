"""Conversions between the units of the bench and the units of the code.

Inside stemfast lengths are nm, angles mrad, energies keV, currents pA, times us. Everything
that converts lives here, each way with its inverse. Physical constants are CODATA 2022
(https://physics.nist.gov/cuu/Constants/); they are written out because ``scipy.constants``
would cost an import that most programs never need.
"""

from __future__ import annotations

import math
from typing import Final

from stemfast.arguments import finite_number, positive_number

PLANCK_J_S: Final = 6.62607015e-34
SPEED_OF_LIGHT_M_S: Final = 299792458.0
ELEMENTARY_CHARGE_C: Final = 1.602176634e-19
ELECTRON_MASS_KG: Final = 9.1093837139e-31
BOHR_RADIUS_NM: Final = 5.29177210544e-2
AVOGADRO_PER_MOL: Final = 6.02214076e23

ELECTRON_REST_ENERGY_KEV: Final = (
    ELECTRON_MASS_KG * SPEED_OF_LIGHT_M_S**2 / ELEMENTARY_CHARGE_C * 1e-3
)
_HC_KEV_NM: Final = PLANCK_J_S * SPEED_OF_LIGHT_M_S / ELEMENTARY_CHARGE_C * 1e6
_FWHM_PER_SIGMA: Final = 2.0 * math.sqrt(2.0 * math.log(2.0))
_ELECTRONS_PER_PA_US: Final = 1e-18 / ELEMENTARY_CHARGE_C

_NM_PER_UNIT: Final[dict[str, float]] = {
    "pm": 1e-3,
    "A": 0.1,
    "Å": 0.1,
    "\u212b": 0.1,  # the angstrom sign, a different code point from the letter Å
    "Angstrom": 0.1,
    "angstrom": 0.1,
    "nm": 1.0,
    "um": 1e3,
    "\u00b5m": 1e3,  # micro sign
    "\u03bcm": 1e3,  # Greek mu; files hold either
    "micron": 1e3,
    "mm": 1e6,
    "cm": 1e7,
    "m": 1e9,
}


def to_nm(length: float, unit: str) -> float:
    """Convert a length to nm.

    Parameters
    ----------
    length : float
        The length [unit].
    unit : str
        ``"pm"``, ``"A"`` or ``"Å"``, ``"nm"``, ``"um"`` or ``"µm"``, ``"mm"``, ``"cm"``, ``"m"``.

    Returns
    -------
    float
        The length [nm].

    Raises
    ------
    ValueError
        If the unit is not a length stemfast knows, or the length is not finite.

    Examples
    --------
    >>> to_nm(3.5, "Å")
    0.35000000000000003
    >>> to_nm(2, "um")
    2000.0
    """
    return finite_number("length", length) * _nm_per(unit)


def from_nm(length_nm: float, unit: str) -> float:
    """Convert a length in nm to another unit; the inverse of `to_nm`.

    Parameters
    ----------
    length_nm : float
        The length [nm].
    unit : str
        The unit to express it in, as for `to_nm`.

    Returns
    -------
    float
        The length [unit].

    Raises
    ------
    ValueError
        If the unit is not a length stemfast knows, or the length is not finite.

    Examples
    --------
    >>> from_nm(2000, "µm")
    2.0
    """
    return finite_number("length_nm", length_nm) / _nm_per(unit)


def wavelength_nm(energy_kev: float) -> float:
    """Relativistic de Broglie wavelength of an electron.

    λ = h c / sqrt(E (E + 2 m c²)), e.g. R. F. Egerton, *Physical Principles of Electron
    Microscopy*, 2nd ed., Springer 2016.

    Parameters
    ----------
    energy_kev : float
        Kinetic energy [keV], the accelerating voltage in kV.

    Returns
    -------
    float
        Wavelength [nm].

    Raises
    ------
    ValueError
        If the energy is not a positive finite number.

    Examples
    --------
    >>> round(wavelength_nm(200), 6)
    0.002508
    """
    energy = positive_number("energy_kev", energy_kev)
    return _HC_KEV_NM / math.sqrt(energy * (energy + 2.0 * ELECTRON_REST_ENERGY_KEV))


def energy_kev(wavelength_nm: float) -> float:
    """Kinetic energy of an electron of a given wavelength; the inverse of `wavelength_nm`.

    Parameters
    ----------
    wavelength_nm : float
        Wavelength [nm].

    Returns
    -------
    float
        Kinetic energy [keV].

    Raises
    ------
    ValueError
        If the wavelength is not a positive finite number.

    Examples
    --------
    >>> round(energy_kev(0.0025079340), 3)
    200.0
    """
    momentum = _HC_KEV_NM / positive_number("wavelength_nm", wavelength_nm)
    # sqrt(p² + m²) − m, rearranged so that slow electrons do not cancel.
    rest = ELECTRON_REST_ENERGY_KEV
    return momentum**2 / (math.sqrt(momentum**2 + rest**2) + rest)


def lorentz_factor(energy_kev: float) -> float:
    """Total over rest energy of an electron, γ = 1 + E/(m c²).

    Parameters
    ----------
    energy_kev : float
        Kinetic energy [keV].

    Returns
    -------
    float
        γ, dimensionless.

    Raises
    ------
    ValueError
        If the energy is not a positive finite number.

    Examples
    --------
    >>> round(lorentz_factor(200), 4)
    1.3914
    """
    return 1.0 + positive_number("energy_kev", energy_kev) / ELECTRON_REST_ENERGY_KEV


def electrons(current_pa: float, dwell_us: float) -> float:
    """Electrons that a beam current delivers in a dwell time, N = I τ / e.

    Parameters
    ----------
    current_pa : float
        Beam current [pA].
    dwell_us : float
        Time [us].

    Returns
    -------
    float
        Mean number of electrons.

    Raises
    ------
    ValueError
        If either number is not finite.

    Examples
    --------
    >>> round(electrons(20, 4), 1)
    499.3
    """
    charge = finite_number("current_pa", current_pa) * finite_number("dwell_us", dwell_us)
    return charge * _ELECTRONS_PER_PA_US


def current_pa(electrons: float, dwell_us: float) -> float:
    """Beam current that delivers a number of electrons in a dwell time; inverse of `electrons`.

    Parameters
    ----------
    electrons : float
        Mean number of electrons.
    dwell_us : float
        Time [us].

    Returns
    -------
    float
        Beam current [pA].

    Raises
    ------
    ValueError
        If the number is not finite, or the time is not a positive finite number.

    Examples
    --------
    >>> round(current_pa(499.3, 4), 1)
    20.0
    """
    charge = finite_number("electrons", electrons) / _ELECTRONS_PER_PA_US
    return charge / positive_number("dwell_us", dwell_us)


def electrons_per_nm2(electrons_per_pixel: float, pixel_size_nm: float) -> float:
    """Dose per area from dose per pixel.

    Parameters
    ----------
    electrons_per_pixel : float
        Dose [e/px].
    pixel_size_nm : float
        Side of a square pixel [nm].

    Returns
    -------
    float
        Dose [e/nm²].

    Raises
    ------
    ValueError
        If the dose is not finite, or the pixel size is not a positive finite number.

    Examples
    --------
    >>> electrons_per_nm2(500, 0.5)
    2000.0
    """
    dose = finite_number("electrons_per_pixel", electrons_per_pixel)
    return dose / positive_number("pixel_size_nm", pixel_size_nm) ** 2


def electrons_per_pixel(electrons_per_nm2: float, pixel_size_nm: float) -> float:
    """Dose per pixel from dose per area; the inverse of `electrons_per_nm2`.

    Parameters
    ----------
    electrons_per_nm2 : float
        Dose [e/nm²].
    pixel_size_nm : float
        Side of a square pixel [nm].

    Returns
    -------
    float
        Dose [e/px].

    Raises
    ------
    ValueError
        If the dose is not finite, or the pixel size is not a positive finite number.

    Examples
    --------
    >>> electrons_per_pixel(2000, 0.5)
    500.0
    """
    dose = finite_number("electrons_per_nm2", electrons_per_nm2)
    return dose * positive_number("pixel_size_nm", pixel_size_nm) ** 2


def sigma_from_fwhm(fwhm: float) -> float:
    """Standard deviation of a Gaussian from its full width at half maximum.

    Parameters
    ----------
    fwhm : float
        Full width at half maximum [any unit].

    Returns
    -------
    float
        Standard deviation [the same unit].

    Raises
    ------
    ValueError
        If the width is not finite.

    Examples
    --------
    >>> round(sigma_from_fwhm(1.0), 6)
    0.424661
    """
    return finite_number("fwhm", fwhm) / _FWHM_PER_SIGMA


def fwhm_from_sigma(sigma: float) -> float:
    """Full width at half maximum of a Gaussian; the inverse of `sigma_from_fwhm`.

    Parameters
    ----------
    sigma : float
        Standard deviation [any unit].

    Returns
    -------
    float
        Full width at half maximum [the same unit].

    Raises
    ------
    ValueError
        If the width is not finite.

    Examples
    --------
    >>> round(fwhm_from_sigma(1.0), 6)
    2.35482
    """
    return finite_number("sigma", sigma) * _FWHM_PER_SIGMA


def _nm_per(unit: str) -> float:
    if not isinstance(unit, str):
        raise TypeError(f"unit must be a string such as 'nm', got {unit!r}")
    try:
        return _NM_PER_UNIT[unit.strip()]
    except KeyError:
        known = "pm, A (Å), nm, um (µm), mm, cm, m"
        raise ValueError(f"unit must be a length ({known}), got {unit!r}") from None
