"""Scattering of the beam into a detector, by one atom and by many."""

from stemfast.scattering.curve import ScatteringCurve, exponent, scattering_curve, slope, strongest
from stemfast.scattering.transport import (
    Collection,
    cross_section_nm2,
    scattered_fraction,
)

__all__ = [
    "Collection",
    "ScatteringCurve",
    "cross_section_nm2",
    "exponent",
    "scattered_fraction",
    "scattering_curve",
    "slope",
    "strongest",
]
