"""Matching: the conditions a micrograph was taken under, and simulated images like it.

Examples
--------
>>> from stemfast.matching import Estimate
>>> print(Estimate(0.8, 0.05, "nm"))
0.8 ± 0.05 nm
"""

from __future__ import annotations

from stemfast.matching.conditions import Conditions, read_conditions, write_conditions
from stemfast.matching.estimate import Estimate
from stemfast.matching.match import Match, match
from stemfast.matching.settings import recipe_settings, settings_like

__all__ = [
    "Conditions",
    "Estimate",
    "Match",
    "match",
    "read_conditions",
    "recipe_settings",
    "settings_like",
    "write_conditions",
]
