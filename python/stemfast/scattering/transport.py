"""Many atoms, many times: the fraction of the beam that an amorphous layer scatters.

Deflections by independent atoms add up, so that the transform of a layer's distribution of angles
is the exponential of a single atom's (G. Molière, Z. Naturforsch. 3a (1948) 78). With N atoms a
volume, thickness t, a cone of illumination of transform A(ρ) and an annulus from q₁ to q₂,
q = θ/λ,

    f(t) = 2π ∫ [exp(−Nt(σ − σ̃(ρ))) − exp(−Ntσ)] A(ρ) [q₂ J₁(2πq₂ρ) − q₁ J₁(2πq₁ρ)] dρ,

A(ρ) = 2 J₁(x)/x, x = 2πq₀ρ, for a cone that is uniform out to q₀. Waves scattered by
different atoms are taken not to interfere, no energy is lost, and angles are small.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast import units
from stemfast.arguments import finite_number, positive_number
from stemfast.scattering.bessel import j1
from stemfast.scattering.eikonal import WIDEST_NM, clustered, transport_nm2

__all__ = ["Atoms", "Collection", "cross_section_nm2", "scattered_fraction"]

Float: TypeAlias = NDArray[np.float64]
#: Atomic number and atoms per nm³ of each element of a layer.
Atoms: TypeAlias = Sequence[tuple[int, float]]

_LEAST_NODES: Final = 96
_NODES_PER_WAVE: Final = 3.0


@dataclass(frozen=True)
class Collection:
    """Angles and energy that decide how much a detector sees of what is scattered.

    Parameters
    ----------
    energy_kev : float
        Energy of the beam [keV].
    inner_mrad, outer_mrad : float
        Semi-angles of the annulus [mrad]; infinite `outer_mrad` for everything beyond the inner.
    convergence_mrad : float
        Half angle of the cone of illumination [mrad], 0 for a parallel beam.

    Raises
    ------
    ValueError
        If a number is out of range, or the undeflected beam falls onto the annulus.

    Examples
    --------
    >>> Collection(200.0, 60.0, 200.0, 20.0).inner_mrad
    60.0
    """

    energy_kev: float
    inner_mrad: float
    outer_mrad: float
    convergence_mrad: float

    def __post_init__(self) -> None:
        positive_number("energy_kev", self.energy_kev)
        inner = finite_number("inner_mrad", self.inner_mrad)
        cone = finite_number("convergence_mrad", self.convergence_mrad)
        if self.outer_mrad != math.inf:
            finite_number("outer_mrad", self.outer_mrad)
        if not 0.0 <= inner < self.outer_mrad:
            raise ValueError(
                "inner_mrad must be at least 0 and less than outer_mrad, "
                f"got inner_mrad={inner:g} and outer_mrad={self.outer_mrad:g}"
            )
        if not 0.0 <= cone <= inner:
            raise ValueError(
                f"convergence_mrad must be from 0 to inner_mrad, got convergence_mrad={cone:g} and "
                f"inner_mrad={inner:g}: the undeflected beam would fall onto the detector"
            )

    def per_nm(self) -> tuple[float, float, float]:
        """Inner and outer edge and the cone as spatial frequencies θ/λ [1/nm]."""
        per_mrad = 1e-3 / units.wavelength_nm(self.energy_kev)
        angles = (self.inner_mrad, self.outer_mrad, self.convergence_mrad)
        inner, outer, cone = (angle * per_mrad for angle in angles)
        return inner, outer, cone


@dataclass(frozen=True, eq=False)
class _Rule:
    """Distances ρ [nm] and weights with which Σ weight·g(ρ) is the share inside the annulus."""

    rho: Float
    weight: Float


@lru_cache(maxsize=64)
def _rule(collection: Collection) -> _Rule:
    inner, outer, cone = collection.per_nm()
    finest = inner if math.isinf(outer) else outer
    n = _LEAST_NODES + math.ceil(_NODES_PER_WAVE * finest * WIDEST_NM)
    rho, weight = clustered(n, WIDEST_NM, 1.5)
    edge = np.zeros(n) if math.isinf(outer) else _disc(outer, rho)
    annulus = edge - _disc(inner, rho)
    if cone > 0.0:
        x = 2.0 * np.pi * cone * rho
        annulus = annulus * 2.0 * j1(x) / x
    return _Rule(rho, annulus * weight)


def _disc(q_per_nm: float, rho: Float) -> Float:
    """2π q J₁(2πqρ), the transform of a disc times 2πρ."""
    x = 2.0 * np.pi * q_per_nm
    return x * j1(x * rho)


def cross_section_nm2(atomic_number: int, collection: Collection) -> float:
    """Cross-section of one atom for a detector, averaged over the cone of illumination [nm²].

    Parameters
    ----------
    atomic_number : int
        Z.
    collection : Collection

    Raises
    ------
    ValueError
        If the element is not in the table.

    Examples
    --------
    >>> gold = cross_section_nm2(79, Collection(200, 60, 200, 0))
    >>> print(f"{gold:.3e} nm²")
    1.526e-04 nm²
    """
    rule = _rule(collection)
    energy = collection.energy_kev
    total = float(transport_nm2(atomic_number, energy, np.array([WIDEST_NM]))[0])
    scattered = total - transport_nm2(atomic_number, energy, rule.rho)
    inside = float(rule.weight @ scattered)
    return total + inside if math.isinf(collection.outer_mrad) else inside


def scattered_fraction(layers: Sequence[tuple[Atoms, ArrayLike]], collection: Collection) -> Float:
    """Fraction of the beam that layers together scatter onto a detector: the formula above.

    Their order does not matter.

    Parameters
    ----------
    layers : sequence of (atoms, thickness)
        Atomic number and number density [1/nm³] of each element, and thickness [nm]; thicknesses
        are arrays of one shape, or broadcast to it.
    collection : Collection

    Returns
    -------
    ndarray
        In the shape of the thicknesses.

    Examples
    --------
    >>> gold = [(79, 59.0)]
    >>> f = scattered_fraction([(gold, np.array([1.0, 40.0]))], Collection(200, 60, 200, 20))
    >>> f.round(4).tolist()
    [0.0097, 0.3321]
    """
    rule, energy = _rule(collection), collection.energy_kev
    exponent: Float | float = 0.0
    removed: Float | float = 0.0
    for atoms, thickness_nm in layers:
        thickness = np.asarray(thickness_nm, np.float64)
        for atomic_number, per_nm3 in atoms:
            number = per_nm3 * thickness
            section = transport_nm2(atomic_number, energy, np.append(rule.rho, WIDEST_NM))
            exponent = exponent + np.multiply.outer(number, section[:-1])
            removed = removed + number * section[-1]
    left = np.exp(-np.asarray(removed))
    inside = (np.exp(-np.asarray(exponent)) - left[..., None]) @ rule.weight
    return np.asarray(1.0 - left + inside if math.isinf(collection.outer_mrad) else inside)
