"""Recipes by name, with settings from a file and from the command line."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from stemfast.recipes.corner_recipes import Corners, Count, Deformed, PairsCube, PairsCuboid
from stemfast.recipes.recipe import Recipe
from stemfast.recipes.shapes import Shapes
from stemfast.recipes.view_recipes import GroundTruth, Handedness
from stemfast.untrusted import settings_table

__all__ = ["from_dump", "get", "names", "resolve", "settings_of"]

_ALL: tuple[type[Recipe], ...] = (
    Shapes,
    Deformed,
    Count,
    PairsCube,
    PairsCuboid,
    Corners,
    GroundTruth,
    Handedness,
)
_RECIPES: dict[str, type[Recipe]] = {recipe.name: recipe for recipe in _ALL}


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
        Settings to change, such as ``conditions="hard"``, ``image_px=64`` or
        ``particle={"severity": (0.3, 0.5)}``; see the recipe's class for names and units.

    Returns
    -------
    Recipe

    Raises
    ------
    ValueError
        If there is no such recipe or setting, or a value is not allowed.

    Examples
    --------
    >>> recipe = get("count", conditions="hard", imaging={"film_nm": (10, 10)})
    >>> recipe.imaging.film_nm, recipe.imaging.signal_e_px
    ((10.0, 10.0), (25.0, 100.0))
    """
    return _class(name)(**settings)


def from_dump(name: str, dump: Mapping[str, Any]) -> Recipe:
    """The recipe that was stored as ``recipe.model_dump(mode="json")``.

    Parameters
    ----------
    name : str
        One of :func:`names`.
    dump : mapping
        What was stored.

    Raises
    ------
    ValueError
        If there is no such recipe or setting, or a value is not allowed.

    Examples
    --------
    >>> recipe = get("count", spin=True)
    >>> from_dump("count", recipe.model_dump(mode="json")) == recipe
    True
    """
    return get(name, **dump)


def resolve(
    name: str,
    *,
    conditions: str | None = None,
    spin: bool | None = None,
    image_px: int | None = None,
    dtype: str | None = None,
    file: str | Path | None = None,
    sets: Iterable[str] = (),
) -> Recipe:
    """The recipe that a command line describes.

    Later sources win: the conditions' values, the file, the arguments, `sets`.

    Parameters
    ----------
    name : str
        One of :func:`names`.
    conditions : {"clean", "standard", "hard"}, optional
    spin : bool, optional
    image_px : int, optional
    dtype : {"uint8", "uint16", "float32"}, optional
        As in :class:`stemfast.recipes.Recipe`.
    file : str or Path, optional
        A ``.toml``, ``.yaml`` or ``.yml`` file of settings.
    sets : iterable of str
        Single settings, such as ``"particle.severity=[0.25, 0.5]"``.

    Returns
    -------
    Recipe

    Raises
    ------
    ValueError
        Naming the key, what came, what was expected and the nearest key that exists.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> resolve("count", image_px=64, sets=["imaging.film_nm=[5, 5]"]).imaging.film_nm
    (5.0, 5.0)
    """
    recipe = _class(name)
    given = {"conditions": conditions, "spin": spin, "image_px": image_px, "dtype": dtype}
    return recipe(**settings_of(file, given, sets))


def settings_of(
    file: str | Path | None, given: Mapping[str, Any], sets: Iterable[str] = ()
) -> dict[str, Any]:
    """Settings of a file, of arguments that are not None, and of ``NAME=VALUE`` words, in order.

    Raises
    ------
    ValueError
        If the file or a word cannot be read.
    OSError
        If the file cannot be opened.

    Examples
    --------
    >>> settings_of(None, {"rows": 64, "columns": None}, ["cover=[0.1, 0.2]"])
    {'rows': 64, 'cover': [0.1, 0.2]}
    """
    settings = {} if file is None else read_settings(file)
    settings |= {key: value for key, value in given.items() if value is not None}
    for entry in sets:
        _set(settings, entry)
    return settings


def read_settings(file: str | Path) -> dict[str, Any]:
    """The settings in a TOML or YAML file.

    Raises
    ------
    ValueError
        If the file is neither, or is not a table of settings.
    OSError
        If it cannot be read.
    """
    path = Path(file)
    kind = path.suffix.lower()
    if kind not in (".toml", ".yaml", ".yml"):
        raise ValueError(f"{path} must end in .toml, .yaml or .yml")
    return settings_table(path, "TOML" if kind == ".toml" else "YAML")


def _class(name: str) -> type[Recipe]:
    if name in ("field", "fields"):
        raise ValueError(
            f"recipe is {name!r}: fields of many particles are drawn by "
            "stemfast.fields.FieldRecipe and written by: stemfast dataset fields"
        )
    if name not in _RECIPES:
        near = difflib.get_close_matches(str(name), _RECIPES, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"recipe is {name!r}, expected one of {', '.join(_RECIPES)}{hint}")
    return _RECIPES[name]


def _set(settings: dict[str, Any], entry: str) -> None:
    """Put one ``a.b=value`` in."""
    key, equals, text = entry.partition("=")
    steps = key.strip().split(".")
    if not equals or not all(steps):
        raise ValueError(f"{entry!r} is not a setting, expected NAME=VALUE or GROUP.NAME=VALUE")
    place = settings
    for step in steps[:-1]:
        inner = place.get(step, {})
        if not isinstance(inner, dict):
            raise ValueError(f"{entry!r}: {step} is {inner!r}, not a group of settings")
        place[step] = dict(inner)
        place = place[step]
    place[steps[-1]] = _value(text.strip())


def _value(text: str) -> Any:
    """A number, list or boolean as TOML writes it; anything else is a word."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text
