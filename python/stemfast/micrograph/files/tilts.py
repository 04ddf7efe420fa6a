"""Tilts of a series: from files that lie beside it, and of the stage's two axes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["beside", "stage_tilts"]

# Smaller changes of a tilt are the goniometer's.
_STILL_DEG = 0.2


def beside(path: Path, frames: int) -> tuple[NDArray[np.float64] | None, str]:
    """Tilts of a stack's frames [degrees] from SerialEM's or IMOD's files beside it, and a note.

    Parameters
    ----------
    path : Path
        The stack; ``name.mrc.mdoc``, ``name.mdoc``, ``name.rawtlt`` and ``name.tlt`` are read.
    frames : int
        Frames in the stack.

    Returns
    -------
    (frames,) float64 or None
    str
        Name of the file that was used, or why one was not, or "".

    Examples
    --------
    >>> beside(Path("nothing.mrc"), 4)
    (None, '')
    """
    why = ""
    for ending in (".mdoc", ".rawtlt", ".tlt"):
        for file in (Path(f"{path}{ending}"), path.with_suffix(ending)):
            if not file.is_file():
                continue
            text = file.read_text(encoding="utf-8", errors="replace")
            found = _mdoc(text) if ending == ".mdoc" else _numbers(text)
            if len(found) == frames:
                return np.array(found), file.name
            why = why or f"{file.name} gives {len(found)} tilts for {frames} frames: not used"
    return None, why


def _mdoc(text: str) -> list[float]:
    """Tilts of a SerialEM ``.mdoc`` in the order of the frames."""
    found = {}
    for section in re.split(r"^\[ZValue\s*=\s*", text, flags=re.MULTILINE)[1:]:
        number = re.match(r"(\d+)\s*\]", section)
        tilt = re.search(r"^TiltAngle\s*=\s*(\S+)", section, flags=re.MULTILINE)
        values = _numbers(tilt[1]) if tilt else []
        if number and values:
            found[int(number[1])] = values[0]
    return [found[n] for n in sorted(found)]


def _numbers(text: str) -> list[float]:
    """The numbers of a text, none where anything else stands in it."""
    try:
        found = [float(word) for word in text.split()]
    except ValueError:
        return []
    return found if np.isfinite(found).all() else []


def stage_tilts(
    alpha: Sequence[float | None], beta: Sequence[float | None]
) -> tuple[NDArray[np.float64] | None, str, list[str]]:
    """Tilts of several images [degrees] about the axis of the stage that turned.

    Parameters
    ----------
    alpha, beta : sequence of float or None
        Tilts that the file of each image says.

    Returns
    -------
    (K,) float64 or None
        None where they are not known of all images, or both axes turned.
    str
        Name of the axis.
    list of str
        Notes for the user.

    Examples
    --------
    >>> stage_tilts([0.0, 0.0], [-30.0, 30.0])[:2]
    (array([-30.,  30.]), 'tilt_beta')
    """
    turned = {}
    for name, tilts in (("tilt_alpha", alpha), ("tilt_beta", beta)):
        known = [tilt for tilt in tilts if tilt is not None]
        if len(known) == len(tilts):
            turned[name] = np.array(known, np.float64)
    moving = [name for name, tilts in turned.items() if np.ptp(tilts) > _STILL_DEG]
    if len(moving) == 2:
        return None, "", ["tilt_alpha and tilt_beta both change from image to image: not used"]
    if moving == ["tilt_beta"]:
        note = "tilt_beta changes from image to image, tilt_alpha does not: took tilt_beta"
        return turned["tilt_beta"], "tilt_beta", [note]
    if "tilt_alpha" not in turned:
        some = sum(tilt is not None for tilt in alpha)
        note = f"{some} of {len(alpha)} files say how the stage was tilted: not used"
        return None, "", [note] if some else []
    still = ["the files give the same tilt for all images"] if not moving else []
    return turned["tilt_alpha"], "tilt_alpha", still
