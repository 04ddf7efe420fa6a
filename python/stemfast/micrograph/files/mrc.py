"""The header of an MRC file: byte order, signed bytes and whether there is a scale."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["byte_order", "has_cell", "scale_notes", "signed"]

_IMOD_STAMP = 1146047817
_BIG_ENDIAN_STAMP = b"\x11\x11"


def byte_order(path: Path) -> str:
    """``"<"`` or ``">"``, as the machine stamp says."""
    with path.open("rb") as file:
        header = file.read(216)
    return ">" if header[212:214] == _BIG_ENDIAN_STAMP else "<"


def has_cell(original: Mapping[str, Any]) -> bool:
    """True if an MRC header holds a cell: RosettaSciIO reports 1 nm or 0 nm where it does not."""
    if "fei_header" in original:
        return True
    header = original.get("std_header", {})
    return all(float(header.get(key, 0)) > 0 for key in ("Xlen", "Ylen", "MX", "MY"))


def scale_notes(original: Mapping[str, Any]) -> tuple[str, ...]:
    """A doubt about a cell of 1 Å per pixel, which is what programs write that know no scale."""
    header = original.get("std_header", {})
    if "fei_header" in original or not has_cell(original):
        return ()
    if any(abs(float(header[f"{c}len"]) / float(header[f"M{c}"]) - 1.0) > 1e-6 for c in "XY"):
        return ()
    return (
        "the cell of 1 Å per pixel may mean that nobody set the scale: if it is wrong, give the "
        "pixel size with pixel_size_nm=... (on the command line --pixel-size-nm)",
    )


def signed(path: Path, data: npt.NDArray[Any], original: Mapping[str, Any]) -> npt.NDArray[Any]:
    """The bytes of mode 0 as signed numbers where they are.

    MRC 2014 says signed. IMOD wrote unsigned bytes for long, and since then says in a flag what
    they are. Where no flag and no least and greatest value tell, the reading is taken that has the
    smaller steps between neighbours: the other one wraps round.
    """
    header = original.get("std_header", {})
    if data.dtype != np.uint8 or int(header.get("MODE", -1)) != 0:
        return data
    with path.open("rb") as file:
        stamp = np.frombuffer(file.read(160)[152:160], byte_order(path) + "u4")
    turned = data.view(np.int8)
    if int(stamp[0]) == _IMOD_STAMP:
        return turned if int(stamp[1]) & 1 else data
    if float(header.get("AMIN", 0.0)) < 0.0:
        return turned
    if float(header.get("AMAX", 0.0)) > 127.0:
        return data
    return turned if _roughness(turned) <= _roughness(data) else data


def _roughness(data: npt.NDArray[Any]) -> float:
    wide = data[..., :: max(1, data.shape[-2] // 1024), :].astype(np.int16)
    return float(np.abs(np.diff(wide, axis=-1)).sum(dtype=np.int64))
