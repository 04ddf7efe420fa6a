"""Measures of a fitted member with error bars: volume, facet areas by type and shares, edges.

Error bars are those of the sizes carried through the Jacobian, σ² = J C Jᵀ, by differences of the
measures on both sides of the fit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit.families.family import Family
from stemfast.fit.families.shape_family import ShapeFamily

__all__ = ["Measures", "energies", "measured"]

Float: TypeAlias = NDArray[np.float64]

_STEP = 1e-3  # of the size, for differences
_SIZES = ("volume", "surface")


@dataclass(frozen=True)
class Measures:
    """Measures of a member, each with its standard error.

    Attributes
    ----------
    volume_nm3, surface_nm2 : (float, float)
    areas_nm2 : dict of str to (float, float)
        Area of each type of facet.
    shares : dict of str to (float, float)
        Of the surface.
    edges_nm : dict of str to (float, float)
        Mean length of the edges between two types, as "100/111".
    inside : dict of str to (float, float)
        Sizes [nm] and volumes [nm³] of core or void and shell, as "core volume"; else empty.
    """

    volume_nm3: tuple[float, float]
    surface_nm2: tuple[float, float]
    areas_nm2: dict[str, tuple[float, float]]
    shares: dict[str, tuple[float, float]]
    edges_nm: dict[str, tuple[float, float]]
    inside: dict[str, tuple[float, float]] = field(default_factory=dict)


def measured(family: ShapeFamily, sizes_nm: Float, covariance: Float) -> Measures:
    """Measures of a member whose sizes have a covariance.

    Parameters
    ----------
    family : ShapeFamily
    sizes_nm : (P,) float64
    covariance : (P, P) float64
        [nm²]

    Examples
    --------
    >>> from stemfast.fit.families.shipped import family_of
    >>> found = measured(family_of("cube"), np.array([5.0]), np.array([[0.01]]))
    >>> [round(value, 3) for value in found.volume_nm3], found.shares["100"]
    ([1000.0, 60.0], (1.0, 0.0))
    """
    here = _all(family, sizes_nm)
    names = list(here)
    step = _STEP * float(np.abs(sizes_nm).max())
    jacobian = np.zeros((len(names), family.n))
    for k in range(family.n):
        low, high = sizes_nm.copy(), sizes_nm.copy()
        low[k], high[k] = max(sizes_nm[k] - step, 0.0), sizes_nm[k] + step
        try:
            before, after = (_all(family, one) for one in (low, high))
        except ValueError:  # beyond the last member
            continue
        width = float(high[k] - low[k])
        # An edge that is there on one side alone has no slope.
        jacobian[:, k] = [
            (after[name] - before[name]) / width if name in before and name in after else 0.0
            for name in names
        ]
    errors = np.sqrt(np.maximum(np.einsum("ik,kl,il->i", jacobian, covariance, jacobian), 0.0))
    pairs = {
        name: (here[name], round(error, 12))
        for name, error in zip(names, errors.tolist(), strict=True)
    }
    types = [name.removeprefix("share of ") for name in names if name.startswith("share of ")]
    return Measures(
        volume_nm3=pairs["volume"],
        surface_nm2=pairs["surface"],
        areas_nm2={kind: pairs[kind] for kind in types},
        shares={kind: pairs[f"share of {kind}"] for kind in types},
        edges_nm={name: pair for name, pair in pairs.items() if "/" in name},
        inside={name: pairs[name] for name in family.inside(sizes_nm)},
    )


def _all(family: ShapeFamily, sizes_nm: Float) -> dict[str, float]:
    """Measures by name, shares of the surface too, and those of what is inside."""
    found = family.measures(sizes_nm)
    types = [name for name in found if name not in _SIZES and "/" not in name]
    shares = {f"share of {kind}": found[kind] / found["surface"] for kind in types}
    return found | shares | family.inside(sizes_nm)


def energies(family: Family, sizes_nm: Float, covariance: Float) -> dict[str, tuple[float, float]]:
    """Surface energies of the forms of a Wulff shape, over that of the first, with errors.

    Parameters
    ----------
    family : Family
        From `Family.wulff`.
    sizes_nm, covariance : (P,), (P, P) float64

    Examples
    --------
    >>> ratios = energies(Family.wulff(["100", "111"]), np.array([5.0, 4.5]), 0.01 * np.eye(2))
    >>> {form: (round(value, 3), round(sd, 3)) for form, (value, sd) in ratios.items()}
    {'100': (1.0, 0.0), '111': (0.9, 0.027)}
    """
    ratios = {}
    for k, form in enumerate(family.parameters):
        slope = np.zeros(family.n)
        slope[k] += 1.0 / sizes_nm[0]
        slope[0] -= sizes_nm[k] / sizes_nm[0] ** 2
        error = math.sqrt(max(float(slope @ covariance @ slope), 0.0))
        ratios[form] = (float(sizes_nm[k] / sizes_nm[0]), error)
    return ratios
