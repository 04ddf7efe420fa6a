"""Fitting the physics to images: the most likely particle, its rivals, and what could be known.

The observer here knows the microscope and the family of shapes, and reads one image or several of
a particle as well as they can be read: `propose` finds starts, `refine` the most likely cuboid
with given cut corners, `search` compares sets of cut corners by their evidence, `decide` does all
of it, and `stemfast.fit.kinds.shapes` compares tetrahedra, cuboids and ellipsoids. How often the
best answer is right puts a bound on every classifier: ``stemfast ceiling`` reports it.
"""

from stemfast.fit.cuboid.shape import CutCuboid
from stemfast.fit.decide import Decision, decide
from stemfast.fit.image.goodness import Goodness, goodness
from stemfast.fit.image.likelihood import Observation, observe
from stemfast.fit.prior import Prior
from stemfast.fit.propose import propose
from stemfast.fit.refine import Refined, refine
from stemfast.fit.search import CornerComparison, Rivals, count_prior, search
from stemfast.fit.turns import Turns

__all__ = [
    "CornerComparison",
    "CutCuboid",
    "Decision",
    "Goodness",
    "Observation",
    "Prior",
    "Refined",
    "Rivals",
    "Turns",
    "count_prior",
    "decide",
    "goodness",
    "observe",
    "propose",
    "refine",
    "search",
]
