"""Families of shapes: faceted and round particles, fitted and compared by their evidence.

`Family` is any convex polyhedron with a symmetry, `family_of` gives the families that come with
stemfast, `compare_families` finds the most likely one in 1 … 16 images, `measured` its volume,
facet areas and edges with error bars. `Shelled` has a core of another material, or a void.
"""

from stemfast.fit.families.compare import FamilyComparison, compare_families
from stemfast.fit.families.family import Family
from stemfast.fit.families.maximum import FamilyFit
from stemfast.fit.families.measures import Measures, energies, measured
from stemfast.fit.families.shape_family import Placed, ShapeFamily
from stemfast.fit.families.shelled import Shelled
from stemfast.fit.families.shipped import FAMILIES, cut_cubes, family_of

__all__ = [
    "FAMILIES",
    "Family",
    "FamilyComparison",
    "FamilyFit",
    "Measures",
    "Placed",
    "ShapeFamily",
    "Shelled",
    "compare_families",
    "cut_cubes",
    "energies",
    "family_of",
    "measured",
]
