"""Pixel size in nm from the axes that a microscope's file declares."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from stemfast import units
from stemfast.micrograph.files.error import MicrographError

_NO_UNIT = {"", "px", "pixel", "pixels", "none", "undefined", "<undefined>", "t.undefined"}
_ANGLES = {"rad", "mrad", "deg", "degree", "degrees", "\u00b0"}
_SQUARE_TOLERANCE = 1e-3

GIVE_PIXEL_SIZE = "give it with pixel_size_nm=... (on the command line --pixel-size-nm)"


def nm_per_unit(unit: str | None) -> float | None:
    """Length of one `unit` [nm], or None where the unit says nothing (missing, pixels).

    Parameters
    ----------
    unit : str or None
        As the file writes it: ``"nm"``, ``"µm"``, ``"Å"``, ``"m"``, ``"pm"``, ...

    Raises
    ------
    MicrographError
        For a reciprocal unit (``"1/nm"``), an angle, or a unit that is no length.

    Examples
    --------
    >>> nm_per_unit("µm"), nm_per_unit("Å"), nm_per_unit("px")
    (1000.0, 0.1, None)
    """
    text = "" if unit is None else str(unit).strip()
    if text.lower() in _NO_UNIT:
        return None
    if is_reciprocal(text):
        raise MicrographError(
            f"the axes are in reciprocal units ({text!r}): a diffraction pattern or a Fourier "
            "transform, expected an image in real space"
        )
    if text.lower() in _ANGLES:
        raise MicrographError(
            f"the axes are angles ({text!r}): a diffraction pattern, expected an image in nm"
        )
    try:
        return units.to_nm(1.0, text)
    except ValueError as error:
        raise MicrographError(
            f"the axes are in {text!r}, expected a length (m, mm, µm, nm, Å or pm)"
        ) from error


def is_reciprocal(unit: str) -> bool:
    """Whether `unit` is one over something.

    Examples
    --------
    >>> is_reciprocal("1 / nm"), is_reciprocal("nm^-1"), is_reciprocal("nm")
    (True, True, False)
    """
    compact = unit.replace(" ", "")
    return compact.startswith("1/") or "-1" in compact or "\u207b" in compact


def pixel_size(axes: tuple[Mapping[str, Any], Mapping[str, Any]]) -> float | None:
    """Size of a square pixel [nm] from the (row, column) axes, or None where there is none.

    Parameters
    ----------
    axes : tuple of two mappings
        RosettaSciIO's descriptions of the row and the column axis (``scale``, ``units``).

    Raises
    ------
    MicrographError
        Units that are no length, a scale that is not a positive number, axes with different
        kinds of units, non-uniform axes, or pixels that are not square to 0.1 %.

    Examples
    --------
    >>> axis = {"scale": 0.00125, "units": "µm"}
    >>> pixel_size((axis, axis))
    1.25
    """
    sizes = [_axis_size(axis) for axis in axes]
    row, col = sizes
    if row is None and col is None:
        return None
    if row is None or col is None:
        raise MicrographError(
            f"only one axis is calibrated (rows {axes[0].get('units')!r}, columns "
            f"{axes[1].get('units')!r}), expected both in the same unit of length"
        )
    if abs(row - col) > _SQUARE_TOLERANCE * max(row, col):
        raise MicrographError(
            f"the pixels are not square (rows {row:.6g} nm, columns {col:.6g} nm), expected "
            "square pixels: resample the image first"
        )
    return col


def checked(pixel_size_nm: float) -> float:
    """Return `pixel_size_nm` [nm] as a float, or refuse it.

    Raises
    ------
    TypeError, MicrographError
        When it is not a number, or not positive and finite.

    Examples
    --------
    >>> checked(0.35)
    0.35
    """
    if isinstance(pixel_size_nm, bool) or not hasattr(pixel_size_nm, "__float__"):
        raise TypeError(f"pixel_size_nm: expected a number of nm, got {pixel_size_nm!r}")
    size = float(pixel_size_nm)
    if not math.isfinite(size) or size <= 0:
        raise MicrographError(f"pixel_size_nm: expected a positive number of nm, got {size!r}")
    return size


def _axis_size(axis: Mapping[str, Any]) -> float | None:
    unit = axis.get("units")
    factor = nm_per_unit(unit if unit is None else str(unit))
    if factor is None:
        return None
    if "scale" not in axis:
        raise MicrographError("the axes are not uniform, expected one pixel size")
    scale = float(axis["scale"])
    if not math.isfinite(scale) or scale <= 0:
        raise MicrographError(
            f"the file gives a pixel size of {scale!r} {unit}, expected a positive number: "
            f"{GIVE_PIXEL_SIZE}"
        )
    return scale * factor
