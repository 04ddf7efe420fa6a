"""Electrostatic potential of an atom, from tabulated electron scattering factors."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast import units
from stemfast.scattering.bessel import k0_and_k1

__all__ = ["HEAVIEST", "coefficients", "phase", "scattering_factor_nm"]

Float: TypeAlias = NDArray[np.float64]

#: Largest atomic number of the table.
HEAVIEST: Final = 103
_TABLE: Final = "lobato.txt"


@lru_cache(maxsize=1)
def _table() -> Float:
    text = files("stemfast.scattering").joinpath(_TABLE).read_text(encoding="ascii")
    rows = [line.split() for line in text.splitlines() if not line.startswith("#")]
    return np.array(rows, np.float64)


def coefficients(atomic_number: int) -> tuple[Float, Float]:
    """Coefficients a [nm] and b [nm²] of an element's scattering factor.

    Parameters
    ----------
    atomic_number : int
        Z, 1 … 103.

    Returns
    -------
    a, b : (5,) float64
        Of `scattering_factor_nm`.

    Raises
    ------
    ValueError
        If the table has no such element.

    Examples
    --------
    >>> a, b = coefficients(79)
    >>> len(a), bool((b > 0).all())
    (5, True)
    """
    if atomic_number != int(atomic_number) or not 1 <= atomic_number <= HEAVIEST:
        raise ValueError(
            f"atomic_number must be a whole number of 1 … {HEAVIEST}, the elements whose "
            f"scattering factors are tabulated; got {atomic_number!r}"
        )
    row = _table()[int(atomic_number) - 1]
    return 0.1 * row[1:6], 0.01 * row[6:11]


def scattering_factor_nm(atomic_number: int, q_per_nm: Float) -> Float:
    """Electron scattering factor of an atom, for the electron's rest mass [nm].

        f(q) = Σ aᵢ (2 + bᵢ q²) / (1 + bᵢ q²)²

    I. Lobato and D. Van Dyck, Acta Cryst. A 70 (2014) 636, doi:10.1107/S205327331401643X. For large
    q it is the nucleus alone (Mott and Bethe), f → Z / (2π² a₀ q²).

    Parameters
    ----------
    atomic_number : int
        Z.
    q_per_nm : ndarray
        Spatial frequency q = θ/λ [1/nm].

    Examples
    --------
    >>> float(scattering_factor_nm(79, np.array([0.0]))[0].round(3))
    1.058
    """
    a, b = coefficients(atomic_number)
    x = np.multiply.outer(np.square(q_per_nm), b)
    return np.asarray((a * (2.0 + x) / np.square(1.0 + x)).sum(axis=-1))


def phase(atomic_number: int, radius_nm: Float, energy_kev: float) -> Float:
    """Phase σ V(r) by which an atom's projected potential shifts the wave [rad].

    The two-dimensional Fourier transform of the scattering factor, times γλ:

        σ V(r) = γλ Σ aᵢ [2π/bᵢ K₀(κᵢ r) + 2π² r/bᵢ^(3/2) K₁(κᵢ r)],   κᵢ = 2π/√bᵢ

    Parameters
    ----------
    atomic_number : int
        Z.
    radius_nm : ndarray
        Distance r from the nucleus, positive [nm].
    energy_kev : float
        Energy of the beam [keV].

    Examples
    --------
    >>> phase(79, np.array([0.01]), 200.0).round(2).tolist()
    [1.06]
    """
    a, b = coefficients(atomic_number)
    root = np.sqrt(b)
    r = np.asarray(radius_nm)[..., None]
    k0, k1 = k0_and_k1(2.0 * np.pi * r / root)
    terms = a * (2.0 * np.pi / b * k0 + 2.0 * np.pi**2 * r / (b * root) * k1)
    strength = units.lorentz_factor(energy_kev) * units.wavelength_nm(energy_kev)
    return np.asarray(strength * terms.sum(axis=-1))
