"""Recipes: named distributions of scenes with their labels.

Examples
--------
>>> from stemfast import recipes
>>> recipes.names()
('deformed', 'shapes')
>>> recipes.get("shapes", diameter_nm=(10, 20)).diameter_nm
(10.0, 20.0)
"""

from __future__ import annotations

from typing import Any

from stemfast.recipes.deformed import Deformed
from stemfast.recipes.recipe import Recipe
from stemfast.recipes.scenes import Scenes
from stemfast.recipes.shapes import Shapes

__all__ = ["Deformed", "Recipe", "Scenes", "Shapes", "get", "names"]

_RECIPES: dict[str, type[Recipe]] = {recipe.name: recipe for recipe in (Deformed, Shapes)}


def names() -> tuple[str, ...]:
    """Names that :func:`get` knows."""
    return tuple(_RECIPES)


def get(name: str, **settings: Any) -> Recipe:
    """The recipe called `name`.

    Parameters
    ----------
    name : str
        One of :func:`names`.
    **settings
        Settings to change; see the recipe's class for names and units.

    Returns
    -------
    Recipe

    Raises
    ------
    ValueError
        If there is no such recipe or setting, or a value is not allowed.
    """
    if name not in _RECIPES:
        raise ValueError(f"recipe is {name!r}, expected one of {', '.join(_RECIPES)}")
    return _RECIPES[name](**settings)
