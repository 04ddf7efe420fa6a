"""Fitting the physics to images: the most likely particle, its rivals, and what could be known.

The observer here knows the microscope and the family of shapes, and reads an image as well as it
can be read: `refine` finds the most likely cuboid with given cut corners, `search` compares sets of
cut corners by their evidence, `stemfast.fit.kinds.shapes` tetrahedra, cuboids and ellipsoids, and
`ceiling` counts how often the best one is right. The bound that this puts on every classifier is
what ``stemfast ceiling`` reports.
"""

from stemfast.fit.cuboid.shape import CutCuboid
from stemfast.fit.decide import Decision, decide
from stemfast.fit.image.goodness import Goodness, goodness
from stemfast.fit.image.likelihood import Observation, observe
from stemfast.fit.joint.propose import propose_views
from stemfast.fit.joint.search import ViewsComparison, search_views
from stemfast.fit.joint.turns import Turns
from stemfast.fit.joint.views import RefinedViews, refine_views
from stemfast.fit.propose import propose
from stemfast.fit.refine import Prior, Refined, refine
from stemfast.fit.search import Comparison, count_prior, search

__all__ = [
    "Comparison",
    "CutCuboid",
    "Decision",
    "Goodness",
    "Observation",
    "Prior",
    "Refined",
    "RefinedViews",
    "Turns",
    "ViewsComparison",
    "count_prior",
    "decide",
    "goodness",
    "observe",
    "propose",
    "propose_views",
    "refine",
    "refine_views",
    "search",
    "search_views",
]
