"""Recipes: named distributions of scenes with their labels.

Examples
--------
>>> from stemfast import recipes
>>> recipes.names()
('shapes', 'deformed', 'count', 'pairs-cube', 'pairs-cuboid', 'corners', 'ground-truth',
 'handedness')
>>> scenes = recipes.get("count", conditions="hard", image_px=64).sample(seed=1, start=0, stop=9)
>>> scenes.simulate().shape
(9, 64, 64)
"""

from __future__ import annotations

from stemfast.recipes.corner_recipes import Corners, Count, Deformed, PairsCube, PairsCuboid
from stemfast.recipes.recipe import Recipe
from stemfast.recipes.resolve import from_dump, get, names, resolve
from stemfast.recipes.scenes import Scenes
from stemfast.recipes.shapes import Shapes
from stemfast.recipes.view_recipes import GroundTruth, Handedness

__all__ = [
    "Corners",
    "Count",
    "Deformed",
    "GroundTruth",
    "Handedness",
    "PairsCube",
    "PairsCuboid",
    "Recipe",
    "Scenes",
    "Shapes",
    "from_dump",
    "get",
    "names",
    "resolve",
]
