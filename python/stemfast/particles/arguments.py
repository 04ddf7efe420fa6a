"""Checks of a particle's arguments: numbers in nm, three of them at a time, and a material.

Every check names the argument, what came and what was expected.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from stemfast.arguments import LONGEST_NM, positive_number

if TYPE_CHECKING:
    from stemfast.materials import Material

#: Vertices of a solid. A hull of more takes minutes.
MOST_POINTS = 100_000

MaterialLike: TypeAlias = "str | Material"


def points_array(
    name: str, value: object, least: int
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """``value`` as a read-only (n, 3) float64 array of finite points, n >= ``least``."""
    array = np.asarray(value)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be real numbers of shape (n, 3), got dtype {array.dtype}")
    if array.ndim != 2 or array.shape[1] != 3 or array.shape[0] < least:
        raise ValueError(f"{name} must have shape (n, 3) with n >= {least}, got {array.shape}")
    if array.shape[0] > MOST_POINTS:
        raise ValueError(f"{name} must have at most {MOST_POINTS} rows, got {array.shape[0]}")
    points = np.array(array, np.float64)
    bad = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if bad.size:
        raise ValueError(f"{name} must be finite, but row {bad[0]} is {points[bad[0]].tolist()}")
    if (largest := float(np.abs(points).max())) > LONGEST_NM:
        raise ValueError(f"{name} must be from -1e9 to 1e9 nm, got {largest:g}")
    points.flags.writeable = False
    return points


def checked_material(material: object) -> MaterialLike:
    """``material`` if it is a name or a `stemfast.Material`; the name is looked up later."""
    if isinstance(material, str):
        if not material.strip():
            raise ValueError("material must be a name such as 'Au', got an empty string")
        return material
    if isinstance(getattr(material, "name", None), str) and hasattr(material, "mean_free_path_nm"):
        return material  # type: ignore[return-value]
    raise TypeError(
        f"material must be a name such as 'Au' or a stemfast.Material, got {material!r}"
    )


def material_name(material: MaterialLike) -> str:
    """The name that a ``repr`` shows."""
    return material if isinstance(material, str) else str(material.name)


def numbers_text(values: Sequence[float]) -> str:
    """Numbers as a ``repr`` shows them: ``(24, 20.5, 16)``."""
    return "(" + ", ".join(f"{value:.6g}" for value in values) + ")"


def checked_factors(factors: object, count: int) -> tuple[float, ...]:
    """Positive factors, one for each of `count` grains; a single number is for all of them.

    Raises
    ------
    TypeError, ValueError
        If they are not positive finite numbers, or not as many.

    Examples
    --------
    >>> checked_factors(0.8, 2)
    (0.8, 0.8)
    """
    if isinstance(factors, Real) and not isinstance(factors, bool):
        return (positive_number("grain_brightness", factors),) * count
    if isinstance(factors, str) or not isinstance(factors, Sequence | np.ndarray):
        raise TypeError(f"grain_brightness must be a number or {count} of them, got {factors!r}")
    if len(factors) != count:
        raise ValueError(
            f"grain_brightness must be one number or one for each of {count} grains, got "
            f"{len(factors)}"
        )
    return tuple(
        positive_number(f"grain_brightness[{k}]", value) for k, value in enumerate(factors)
    )
