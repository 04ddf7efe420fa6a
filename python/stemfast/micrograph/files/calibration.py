"""Pixel size in nm from the axes that a microscope's file declares."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from stemfast import units
from stemfast.micrograph.files.error import MicrographError, NoScaleError

# A printer's unit is what ImageJ carries over from pictures that were never calibrated.
_NO_UNIT = {
    "",
    "px",
    "pix",
    "pixel",
    "pixels",
    "none",
    "dimensionless",
    "undefined",
    "<undefined>",
    "t.undefined",
    "unknown",
    "inch",
    "inches",
}
_ANGLES = {"rad", "mrad", "deg", "degree", "degrees", "\u00b0"}
_LONG_NAMES = re.compile(
    r"^(?:(?P<prefix>pico|nano|micro|milli|centi|)met(?:er|re)|(?P<micron>micron|\u00b5|\u03bc)"
    r"|(?P<angstrom>[a\u00e5]ngstr(?:o|\u00f6)m))s?$"
)
_SYMBOLS = {"pico": "pm", "nano": "nm", "micro": "um", "milli": "mm", "centi": "cm", "": "m"}
_SQUARE_TOLERANCE = 1e-3
_AVERAGED_TOLERANCE = 0.025

GIVE_PIXEL_SIZE = "give it with pixel_size_nm=... (on the command line --pixel-size-nm)"


def nm_per_unit(unit: str | None) -> float | None:
    r"""Length of one `unit` [nm], or None where the unit says nothing (missing, pixels).

    Parameters
    ----------
    unit : str or None
        As the file writes it: ``"nm"``, ``"µm"``, ``"microns"``, ``"[n_m]"``, ``"\u00C5"``, ...

    Raises
    ------
    MicrographError
        For a reciprocal unit (``"1/nm"``), an angle, or a unit that is no length.

    Examples
    --------
    >>> nm_per_unit("µm"), nm_per_unit("Å"), nm_per_unit("px")
    (1000.0, 0.1, None)
    """
    text = _plain("" if unit is None else str(unit))
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
        return units.to_nm(1.0, _symbol(text))
    except ValueError as error:
        raise NoScaleError(
            f"the axes are in {text!r}, expected a length (m, mm, µm, nm, Å or pm): "
            f"{GIVE_PIXEL_SIZE}"
        ) from error


def _plain(unit: str) -> str:
    """The unit without the escapes, brackets and underscores that programs wrap it in."""
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), unit)
    text = re.sub(r"\\x([0-9a-fA-F]{2})", lambda code: chr(int(code[1], 16)), text)
    text = html.unescape(text).strip("\x00")
    with suppress(UnicodeError):  # UTF-8 that was read as Latin-1
        text = text.encode("latin-1").decode("utf-8")
    text = re.sub(r"[\s_]", "", text).strip("[](){}")
    return re.sub(r"(?i)(/|per)(px|pix|pixels?)$", "", text)


def _symbol(text: str) -> str:
    """The symbol of a unit that is spelt out, or the text."""
    name = _LONG_NAMES.match(text.lower())
    if name is None:
        return text
    if name["micron"]:
        return "um"
    return "A" if name["angstrom"] else _SYMBOLS[name["prefix"]]


def is_reciprocal(unit: str) -> bool:
    """True if `unit` is a reciprocal one.

    Examples
    --------
    >>> is_reciprocal("1 / nm"), is_reciprocal("nm^-1"), is_reciprocal("nm")
    (True, True, False)
    """
    compact = unit.replace(" ", "")
    return compact.startswith("1/") or "-1" in compact or "\u207b" in compact


def choose(
    axes: Sequence[Mapping[str, Any]], given: float | None, *, calibrated: bool = True
) -> tuple[float, list[str]]:
    """The pixel size to use [nm] and what to tell of it: the caller's, or else the file's.

    Parameters
    ----------
    axes : sequence of two mappings
        RosettaSciIO's descriptions of the row and the column axis (``scale``, ``units``).
    given : float or None
        Pixel size of the caller [nm]; it wins over whatever the file says.
    calibrated : bool
        False where the file's scale is known to mean nothing.

    Raises
    ------
    MicrographError
        When nothing is given and the file has no scale or one that cannot be used.

    Examples
    --------
    >>> axis = {"scale": 0.5, "units": "nm"}
    >>> choose((axis, axis), 0.7)
    (0.7, ["pixel size 0.7 nm as given, in place of the file's 0.5 nm"])
    """
    found: float | None = None
    notes: list[str] = []
    try:
        if calibrated:
            found, notes = pixel_size(axes)
    except MicrographError as error:
        if given is None:
            raise
        reason = str(error).removesuffix(f": {GIVE_PIXEL_SIZE}")
        return given, [f"pixel size {given:g} nm as given; of the file: {reason}"]
    if given is not None:
        if found is None or abs(found - given) <= 1e-6 * given:
            return given, []
        return given, [f"pixel size {given:g} nm as given, in place of the file's {found:g} nm"]
    if found is None:
        raise NoScaleError(
            f"no pixel size in the file, expected a calibration in nm: {GIVE_PIXEL_SIZE}"
        )
    return found, notes


def pixel_size(axes: Sequence[Mapping[str, Any]]) -> tuple[float | None, list[str]]:
    """Size of a square pixel [nm] from the (row, column) axes, None where there is none, and notes.

    Parameters
    ----------
    axes : sequence of two mappings
        RosettaSciIO's descriptions of the row and the column axis (``scale``, ``units``).

    Raises
    ------
    MicrographError
        Units that are no length, a scale that is not a positive number, axes with different
        kinds of units, non-uniform axes, or pixels that are not square to 2.5 %.

    Examples
    --------
    >>> axis = {"scale": 0.00125, "units": "µm"}
    >>> pixel_size((axis, axis))
    (1.25, [])
    """
    row, col = [_axis_size(axis) for axis in axes]
    if row is None and col is None:
        return None, []
    if row is None or col is None:
        raise NoScaleError(
            f"only one axis is calibrated (rows {axes[0].get('units')!r}, columns "
            f"{axes[1].get('units')!r}), expected both in the same unit of length"
        )
    difference = abs(row - col) / max(row, col)
    if difference <= _SQUARE_TOLERANCE:
        return col, []
    sizes = f"rows {row:.6g} nm, columns {col:.6g} nm"
    if difference <= _AVERAGED_TOLERANCE:
        mean = 0.5 * (row + col)
        return mean, [f"the pixels are not quite square ({sizes}): taken as {mean:.6g} nm"]
    raise MicrographError(
        f"the pixels are not square ({sizes}), expected square pixels: resample the image first"
    )


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
    if isinstance(unit, bytes):
        unit = unit.decode("utf-8", "replace")
    factor = nm_per_unit(unit if unit is None else str(unit))
    if factor is None:
        return None
    if "scale" not in axis:
        raise NoScaleError("the axes are not uniform, expected one pixel size")
    scale = float(axis["scale"])
    if not math.isfinite(scale) or scale <= 0:
        raise NoScaleError(
            f"the file gives a pixel size of {scale!r} {unit}, expected a positive number: "
            f"{GIVE_PIXEL_SIZE}"
        )
    return scale * factor
