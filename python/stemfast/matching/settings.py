"""Settings of a recipe whose images are like a micrograph.

A network keeps the size of its images and how large particles are in them; so the recipe's field
gets as wide as the micrograph's particles need, and the electrons in a pixel change with the
pixel's area. What could not be told stays as the recipe has it, lengths in proportion to the
field.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from stemfast.matching.conditions import Conditions, read_conditions
from stemfast.matching.estimate import Estimate
from stemfast.matching.exposure import VOLUME_OF_SHADOW, exposed
from stemfast.recipes import Recipe

__all__ = ["recipe_settings", "settings_like"]

_SIZES, _SIGNALS = 1.25, 1.4  # of a range around the median, where only that is known
_ROUGHEST = 1.0 / 3.0
_HALF_DIAGONAL_UM = 1e-3 * math.sqrt(0.5)
_WEDGE_LEFT = 0.9
_CORRELATION_NM = (0.1, 1e4)


def settings_like(path: str | Path, recipe: Recipe) -> dict[str, Any]:
    """Settings of a recipe that are like the conditions in a file.

    Parameters
    ----------
    path : str or Path
        `conditions.toml` of ``stemfast match``.
    recipe : Recipe
        With its usual settings.

    Returns
    -------
    dict
        By dotted names, such as ``"imaging.probe_fwhm_nm"``.

    Raises
    ------
    ValueError
        If the file is none, or the conditions have no scale or no size.
    OSError
        If it cannot be read.
    """
    conditions = read_conditions(path)
    try:
        return recipe_settings(conditions, recipe)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def recipe_settings(conditions: Conditions, recipe: Recipe) -> dict[str, Any]:
    """Settings of a recipe that are like conditions.

    Parameters
    ----------
    conditions : Conditions
    recipe : Recipe
        With its usual settings.

    Returns
    -------
    dict
        By dotted names, such as ``"imaging.probe_fwhm_nm"``.

    Raises
    ------
    ValueError
        If the conditions have no scale or no size, or the recipe has no such settings.
    """
    if not hasattr(recipe, "imaging") or not hasattr(recipe, "particle"):
        raise ValueError(
            f"the recipe {recipe.name} has no settings imaging and particle, expected one that has"
        )
    for name in ("pixel_size", "diameter_median"):
        needed = conditions.estimates[name]
        if not needed.known or needed.unit != "nm":
            why = needed.why_not or f"it is in {needed.unit}"
            raise ValueError(f"{name} could not be told ({why}), expected a value in nm")
    usual = recipe.particle_settings
    low, high = _sizes(conditions)
    grown = high / usual.diameter_nm[1]
    field = grown * recipe.field_nm
    found: dict[str, Any] = {
        "field_nm": _rounded(field),
        "particle.diameter_nm": [_rounded(low), _rounded(high)],
        "particle.shift_nm": _rounded(grown * usual.shift_nm),
    }
    area = (field / recipe.image_px / conditions.pixel_size.number) ** 2
    found |= _probe(conditions, recipe, grown, field)
    film = recipe.imaging.film_nm
    if conditions.signal_median.known:
        found |= _electrons(conditions, area)
        film = _film(conditions, recipe) or film
        found["imaging.film_nm"] = [_rounded(one) for one in film]
    found |= _texture(conditions, recipe, grown, film, field)
    return found


def _sizes(conditions: Conditions) -> tuple[float, float]:
    """Range of the diameters of spheres of the particles' volumes [nm]."""
    median = conditions.diameter_median
    low, high = conditions.diameter_low, conditions.diameter_high
    first = low.number - low.spread if low.known else median.number / _SIZES
    last = high.number + high.spread if high.known else median.number * _SIZES
    first = max(first, 0.25 * median.number)
    return VOLUME_OF_SHADOW * first, VOLUME_OF_SHADOW * last


def _probe(
    conditions: Conditions, recipe: Recipe, grown: float, field: float
) -> dict[str, list[float]]:
    one = conditions.probe_fwhm
    usual = [grown * width for width in recipe.imaging.probe_fwhm_nm]
    width = usual if one.value is None else [one.value - one.spread, one.value + one.spread]
    most = 0.49 * field
    return {"imaging.probe_fwhm_nm": [_rounded(min(max(x, 0.0), most)) for x in width]}


def _electrons(conditions: Conditions, area: float) -> dict[str, list[float]]:
    """Signal and read noise in pixels of `area` times the micrograph's."""
    middle = conditions.signal_median.number
    first, last = conditions.signal_low, conditions.signal_high
    low = first.number - first.spread if first.known else middle / _SIGNALS
    high = last.number + last.spread if last.known else middle * _SIGNALS
    low = max(low, 0.1 * middle, 1e-3)
    found = {"imaging.signal_e_px": [_rounded(area * low), _rounded(area * max(high, low))]}
    read = conditions.read_noise
    if conditions.contrast == "dark":
        # Of dark particles the electrons around them are noise that no film explains.
        read = _root(conditions.background_variance)
    noise = [0.0, 0.0]
    if read.value is not None:
        noise = [max(read.value - read.spread, 0.0), read.value + read.spread]
    found["imaging.read_noise_e"] = [_rounded(math.sqrt(area) * one) for one in noise]
    return found


def _root(one: Estimate) -> Estimate:
    if one.value is None:
        return one
    root = math.sqrt(max(one.value, 0.0))
    return Estimate(root, one.spread / (2.0 * max(root, 1e-6)), one.unit)


def _film(conditions: Conditions, recipe: Recipe) -> tuple[float, float] | None:
    """Range of carbon's thickness that gives the background beside particles of each material."""
    if conditions.contrast == "dark":
        return 0.0, 0.0
    seen = conditions.background_electrons
    if seen.value is None or conditions.read_noise.value is None:
        seen = conditions.background_variance
    if seen.value is None:
        return None
    diameter = VOLUME_OF_SHADOW * conditions.diameter_median.number
    carbon = recipe.imaging.scattering_curve("C")
    films = [
        exposed(
            conditions.signal_median.number,
            max(seen.value + sign * seen.spread, 0.0),
            diameter,
            recipe.imaging.scattering_curve(material),
            carbon,
        ).film_nm
        for material in recipe.particle_settings.materials
        for sign in (-1.0, 1.0)
    ]
    return min(films), max(films)


def _texture(
    conditions: Conditions, recipe: Recipe, grown: float, film: tuple[float, float], field: float
) -> dict[str, list[float]]:
    """Roughness, correlation length, Hurst exponent and wedge of the film."""
    usual = recipe.imaging
    found: dict[str, list[float]] = {}
    share = _share(conditions.background_roughness, conditions)
    rough = usual.film_roughness
    if film[1] <= 0.0:
        rough = (0.0, 0.0)
    elif share is not None:
        rough = (min(0.5 * share, _ROUGHEST), min(1.2 * share, _ROUGHEST))
    found["imaging.film_roughness"] = [_rounded(one) for one in rough]
    reach = conditions.background_correlation
    lengths = (
        [grown * one for one in usual.film_correlation_nm]
        if reach.value is None
        else [reach.value - reach.spread, reach.value + reach.spread]
    )
    found["imaging.film_correlation_nm"] = [
        _rounded(min(max(one, _CORRELATION_NM[0]), _CORRELATION_NM[1])) for one in lengths
    ]
    hurst = conditions.background_hurst
    if hurst.value is not None:
        ends = (hurst.value - hurst.spread, hurst.value + hurst.spread)
        found["imaging.film_hurst"] = [_rounded(min(max(one, 0.1), 1.0)) for one in ends]
    # The film must not run out within the field.
    thinnest = film[0] * max(1.0 - 3.0 * rough[1], 0.0)
    most = _WEDGE_LEFT * thinnest / (_HALF_DIAGONAL_UM * field)
    found["imaging.film_wedge_nm_per_um"] = [
        _rounded(min(one, most)) for one in usual.film_wedge_nm_per_um
    ]
    return found


def _share(one: Estimate, conditions: Conditions) -> float | None:
    """A change of the background as a share of its electrons, None where that is unknown."""
    seen, gain = conditions.background_electrons, conditions.gain
    if one.value is None or seen.value is None or gain.value is None or seen.value <= 0:
        return None
    return one.value / gain.value / seen.value


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")
