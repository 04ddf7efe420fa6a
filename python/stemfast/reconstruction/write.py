"""The answer as files: all of them, or none."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from stemfast.atomic import new_folder, write_bytes

if TYPE_CHECKING:
    from stemfast.particles import Particle
    from stemfast.reconstruction.answer import Reconstruction
    from stemfast.reconstruction.families import FamilyReconstruction

__all__ = ["check_folder", "write_answer"]

JSON_FILE, PICTURE_FILE = "reconstruct.json", "reconstruct.png"
# The outer surface, and that of a core or void.
STL_FILES = "particle.stl", "inside.stl"


def check_folder(folder: str | Path) -> Path:
    """Refuse a folder that could not be written, before any work.

    Raises
    ------
    ValueError
        If something else is in its place, or the folder above is missing or may not be written to.

    Examples
    --------
    >>> import tempfile
    >>> check_folder(tempfile.mkdtemp() + "/answer").name
    'answer'
    """
    target = Path(folder)
    if target.exists() and not target.is_dir():
        raise ValueError(f"out: {target} is a file, expected a folder")
    above = target if target.is_dir() else target.absolute().parent
    if not above.is_dir():
        raise ValueError(f"out: the folder {above} does not exist")
    if not os.access(above, os.W_OK):
        raise ValueError(f"out: the folder {above} is not writable")
    return target


def write_answer(folder: str | Path, answer: Reconstruction | FamilyReconstruction) -> list[Path]:
    """Write JSON, picture, and the solid as STL, into a folder that is made if it is not there.

    Of a core or a void there is a second STL. Of a particle that is not explained there is none;
    one of an earlier answer is removed.

    Returns
    -------
    list of Path
        The files written.
    """
    from stemfast.particles.stl import stl_bytes
    from stemfast.reconstruction.picture import png_bytes

    target = check_folder(folder)
    # All that can fail is made before the first file takes its place.
    text = json.dumps(answer.to_dict(), indent=2, allow_nan=False) + "\n"
    made = {JSON_FILE: text.encode(), PICTURE_FILE: png_bytes(answer)}
    if answer.explained:
        for name, solid in zip(STL_FILES, _solids(answer), strict=False):
            made[name] = stl_bytes(solid, "stemfast reconstruct, lengths in nm")
    if target.exists():
        for name, content in made.items():
            write_bytes(target / name, content)
        for name in set(STL_FILES) - set(made):
            (target / name).unlink(missing_ok=True)
    else:
        with new_folder(target) as partial:
            for name, content in made.items():
                (partial / name).write_bytes(content)
    return [target / name for name in made]


def _solids(answer: Reconstruction | FamilyReconstruction) -> list[Particle]:
    """The particle and what is inside, with faces: of a round one, of many facets."""
    from stemfast.fit.families.round import faceted
    from stemfast.particles import CoreShell, Ellipsoid, Hollow

    particle = answer.particle
    solids = [particle]
    if isinstance(particle, CoreShell | Hollow):
        solids = [layer.shape for layer in particle.layers]
    return [faceted(solid) if isinstance(solid, Ellipsoid) else solid for solid in solids]
