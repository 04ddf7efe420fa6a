"""One atom in the eikonal approximation: the whole phase shift, no series in it.

The wave behind an atom is exp(iσV(r)), and the amplitude that it scatters is

    F(q) = ∫ (exp(iσV(r)) − 1) exp(−2πi q·r) d²r,

of which the first Born approximation keeps iσV alone (G. Molière, Z. Naturforsch. 2a (1947) 133;
R. J. Glauber, in *Lectures in Theoretical Physics* 1, Interscience 1959). dσ = |F(q)|² d²q with
q = θ/λ.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.scattering.bessel import j0
from stemfast.scattering.potential import phase

__all__ = ["amplitude_nm2", "clustered", "interpolated", "transport_nm2"]

Float: TypeAlias = NDArray[np.float64]
Complex: TypeAlias = NDArray[np.complex128]

# Radii between which the phase is tabulated: nearer to the nucleus nothing scatters into angles
# that a detector sees, and farther away there is no potential left.
_NEAREST_NM: Final = 1e-6
_FARTHEST_NM: Final = 3.0
_RADII: Final = 500
#: Distances ρ of the transport cross-section: from the least to where it has reached its limit.
_CLOSEST_NM: Final = 3e-5
WIDEST_NM: Final = 1.3
_DISTANCES: Final = 140
_REACH_NM: Final = 2.0
_NODES: Final = (32, 20)


def amplitude_nm2(atomic_number: int, q_per_nm: Float, energy_kev: float) -> Complex:
    """Amplitude F(q) that an atom scatters [nm²].

    Parameters
    ----------
    atomic_number : int
        Z.
    q_per_nm : ndarray
        Spatial frequency θ/λ [1/nm].
    energy_kev : float
        Energy of the beam [keV].

    Returns
    -------
    ndarray of complex128
        Its squared modulus is the cross-section per area of q [nm⁴].

    Examples
    --------
    >>> small, large = np.abs(amplitude_nm2(6, np.array([1.0, 40.0]), 200.0))
    >>> bool(small > 20 * large)
    True
    """
    step = np.log(_FARTHEST_NM / _NEAREST_NM) / 8000
    r = _NEAREST_NM * np.exp(step * np.arange(8001))
    weight = 2.0 * np.pi * step * r * r
    wave = np.expm1(1j * phase(atomic_number, r, energy_kev)) * weight
    rows = [j0(2.0 * np.pi * q * r) @ wave for q in np.ravel(q_per_nm)]
    return np.asarray(rows).reshape(np.shape(q_per_nm))


@lru_cache(maxsize=256)
def _tabulated(atomic_number: int, energy_kev: float) -> Float:
    """σ − σ̃(ρ) at logarithmically spaced ρ, as its logarithm."""
    step = _log_step(_NEAREST_NM, _FARTHEST_NM, _RADII)
    shifts = phase(atomic_number, _NEAREST_NM * np.exp(step * np.arange(_RADII)), energy_kev)
    rho = _CLOSEST_NM * np.exp(
        _log_step(_CLOSEST_NM, WIDEST_NM, _DISTANCES) * np.arange(_DISTANCES)
    )
    # Elliptic coordinates with the two atoms for foci, r₁,₂ = ρ/2 (cosh μ ± cos ν): the element of
    # area ¼ρ² (cosh²μ − cos²ν) dμ dν = r₁ r₂ dμ dν takes the edge off both.
    nu, of_nu = clustered(_NODES[1], 0.5 * np.pi, 2.0)
    u, of_u = clustered(_NODES[0], 1.0, 2.0)
    furthest = np.arccosh(2.0 * _REACH_NM / rho)[:, None]
    mu, of_mu = furthest * u, furthest * of_u
    half = 0.5 * rho[:, None, None]
    far = half * (np.cosh(mu)[:, :, None] + np.cos(nu))
    near = 2.0 * half * (np.square(np.sinh(0.5 * mu))[:, :, None] + np.square(np.sin(0.5 * nu)))
    apart = _phase_at(shifts, near, step) - _phase_at(shifts, far, step)
    inner = 2.0 * np.square(np.sin(0.5 * apart)) * near * far
    return np.asarray(np.log(4.0 * np.einsum("rmn,rm,n->r", inner, of_mu, of_nu)))


def _phase_at(shifts: Float, radius: Float, step: float) -> Float:
    return interpolated(shifts, np.log(np.maximum(radius, _NEAREST_NM) / _NEAREST_NM) / step)


def transport_nm2(atomic_number: int, energy_kev: float, rho_nm: Float) -> Float:
    """Cross-section σ − σ̃(ρ) [nm²], with σ̃(ρ) = ∫ |F(q)|² exp(2πi q·ρ) d²q and σ = σ̃(0).

    By Parseval's theorem it is half the mean square by which two waves differ, of which one has
    passed the atom at a distance ρ from the other,

        σ − σ̃(ρ) = ∫ [1 − cos(σV(r) − σV(r + ρ))] d²r,

    which needs no transform. Its limit for large ρ is the total elastic cross-section. The result
    is within 3e-5 of the integral.

    Parameters
    ----------
    atomic_number : int
        Z.
    energy_kev : float
        Energy of the beam [keV].
    rho_nm : ndarray
        Distance ρ, not negative [nm]; beyond 1.3 nm the limit is taken.

    Examples
    --------
    >>> total = transport_nm2(79, 200.0, np.array([1.0]))[0]
    >>> print(f"{total:.3e} nm²")
    1.425e-03 nm²
    """
    table = _tabulated(atomic_number, float(energy_kev))
    rho = np.asarray(rho_nm, np.float64)
    step = _log_step(_CLOSEST_NM, WIDEST_NM, _DISTANCES)
    place = np.log(np.maximum(rho, _CLOSEST_NM) / _CLOSEST_NM) / step
    # Nearer than the table begins it is ρ² but for a logarithm, and next to nothing.
    below = np.square(np.minimum(rho / _CLOSEST_NM, 1.0))
    return np.asarray(below * np.exp(interpolated(table, place)))


def _log_step(first: float, last: float, n: int) -> float:
    return float(np.log(last / first)) / (n - 1)


def interpolated(values: Float, place: Float) -> Float:
    """Values between equally spaced ones: the cubic through the four nearest.

    Parameters
    ----------
    values : (n,) float64
        At the places 0 … n − 1.
    place : ndarray
        Where to; beyond an end, the end's value.

    Examples
    --------
    >>> interpolated(np.arange(6.0) ** 3, np.array([2.5, 7.0])).tolist()
    [15.625, 125.0]
    """
    inside = np.clip(place, 0.0, len(values) - 1.0)
    first = np.clip(np.floor(inside).astype(np.intp) - 1, 0, len(values) - 4)
    s = inside - first
    a, b, c, d = (values[first + k] for k in range(4))
    return np.asarray(
        -a * (s - 1.0) * (s - 2.0) * (s - 3.0) / 6.0
        + b * s * (s - 2.0) * (s - 3.0) / 2.0
        - c * s * (s - 1.0) * (s - 3.0) / 2.0
        + d * s * (s - 1.0) * (s - 2.0) / 6.0
    )


def clustered(n: int, last: float, power: float) -> tuple[Float, Float]:
    """Nodes and weights of an integral from 0 to `last`, crowded at 0.

    Gauss and Legendre's rule in the variable x^(1/power).

    Examples
    --------
    >>> x, weight = clustered(12, 2.0, 2.0)
    >>> round(float(weight @ x), 9)
    2.0
    """
    # Newton's iteration for the zeros of P_n: NumPy's eigenvalues would take far longer.
    x = np.cos(np.pi * (np.arange(n, 0, -1) - 0.25) / (n + 0.5))
    for _ in range(4):
        below, value = np.ones(n), x
        for k in range(2, n + 1):
            below, value = value, ((2 * k - 1) * x * value - (k - 1) * below) / k
        derivative = n * (x * value - below) / (x * x - 1.0)
        x = x - value / derivative
    weights = 2.0 / ((1.0 - x * x) * derivative**2)
    s = 0.5 * (x + 1.0)
    return last * s**power, 0.5 * last * power * weights * s ** (power - 1.0)
