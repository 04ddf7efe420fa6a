"""A reconstruction as it is asked for, and its answer in what a page shows of it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stemfast.explore.job import Tell

if TYPE_CHECKING:
    from stemfast.reconstruction import FamilyReconstruction, ImageFit, Reconstruction

__all__ = ["Asked", "Solved", "command", "compared", "degrees", "families", "solve"]


@dataclass(frozen=True)
class Asked:
    """Files of one particle, and what is known of them; see `stemfast.reconstruct`.

    Attributes
    ----------
    files : tuple of Path
        A stack, or several images.
    pixel_size_nm : float or None
        In place of what files say [nm].
    views : int or None
        How many frames of a stack.
    tilts_deg : tuple of float
        Of each image [degrees]; () for what the files say.
    tilt_axis_deg : float or None
        Direction of the tilt axis [degrees].
    unknown_poses : bool
        Takes all poses as unknown, whatever files say.
    material : str
    contrast, method : str
        As for `stemfast.find`.
    family : str or None
        As for `stemfast.reconstruct`.
    """

    files: tuple[Path, ...]
    pixel_size_nm: float | None = None
    views: int | None = None
    tilts_deg: tuple[float, ...] = ()
    tilt_axis_deg: float | None = None
    unknown_poses: bool = False
    material: str = "Au"
    contrast: str = "auto"
    method: str = "auto"
    family: str | None = None


@dataclass(frozen=True, eq=False)
class Solved:
    """A reconstruction with what it was asked for.

    Attributes
    ----------
    asked : Asked
    answer : Reconstruction or FamilyReconstruction
    notes : tuple of str
        Decisions taken while the images were read.
    """

    asked: Asked
    answer: Reconstruction | FamilyReconstruction
    notes: tuple[str, ...]


def degrees(text: str) -> tuple[float, ...]:
    """Numbers separated by commas or blanks; none for an empty text.

    Raises
    ------
    ValueError
        If there is something else.

    Examples
    --------
    >>> degrees("-40, 0 40")
    (-40.0, 0.0, 40.0)
    """
    try:
        return tuple(float(word) for word in text.replace(",", " ").split())
    except ValueError:
        raise ValueError(f"tilts are {text!r}, expected degrees such as -40, 0, 40") from None


def solve(asked: Asked, tell: Tell) -> Solved:
    """Read the images and reconstruct the particle.

    Raises
    ------
    ValueError, TypeError, OSError
        If files cannot be read, show no particle, or something does not go together.
    """
    from stemfast.reconstruction import read_series, reconstruct

    if asked.unknown_poses and asked.tilts_deg:
        raise ValueError("tilts are given and poses are said to be unknown, expected one of them")
    tell("opening", -1.0)
    series = read_series(
        asked.files,
        pixel_size_nm=asked.pixel_size_nm,
        views=asked.views,
        contrast=asked.contrast,
        method=asked.method,
    )
    known: Any = None if asked.unknown_poses else asked.tilts_deg or series.tilts_deg
    answer = reconstruct(
        series.images,
        series.pixel_size_nm.tolist(),
        known,
        tilt_axis_deg=asked.tilt_axis_deg,
        material=asked.material,
        energy_kev=series.energy_kev,
        names=series.names,
        family=asked.family,
        report=lambda doing: tell(doing, -1.0),
    )
    return Solved(asked, answer, series.notes)


def families() -> list[tuple[str, str]]:
    """Choices of ``stemfast reconstruct --family``, "" for its default, and their words."""
    from stemfast.fit.families.shipped import FAMILIES

    usual = [("", "cuboid, else any other"), ("auto", "any, all compared")]
    return [*usual, ("cuboid", "cuboid"), *((n, n) for n in FAMILIES if n != "cuboid")]


def compared(image: ImageFit) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Measured image, image that the answer predicts, and their difference in units of the noise.

    Returns
    -------
    measured, expected, difference : ndarray of float32, shape (rows, columns)
        Electrons, electrons, and standard deviations.
    """
    difference = (image.measured - image.expected) / np.maximum(image.noise, 1e-12)
    return (
        image.measured.astype(np.float32),
        image.expected.astype(np.float32),
        difference.astype(np.float32),
    )


def command(asked: Asked) -> str:
    """The command that reconstructs the same.

    Examples
    --------
    >>> command(Asked((Path("tilts.dm3"),), tilt_axis_deg=90, tilts_deg=(-5, 5)))
    'stemfast reconstruct tilts.dm3 --tilt -5 --tilt 5 --tilt-axis-deg 90'
    """
    words = ["stemfast", "reconstruct", *map(str, asked.files)]
    options = {
        "--pixel-size-nm": asked.pixel_size_nm,
        "--views": asked.views,
        "--tilt": asked.tilts_deg,
        "--tilt-axis-deg": asked.tilt_axis_deg,
    }
    for option, values in options.items():
        for value in values if isinstance(values, tuple) else (values,):
            if value is not None:
                words += [option, f"{value:.12g}"]
    if asked.unknown_poses:
        words.append("--no-tilts")
    for option, choice, usual in (
        ("--material", asked.material, "Au"),
        ("--contrast", asked.contrast, "auto"),
        ("--method", asked.method, "auto"),
        ("--family", asked.family, None),
    ):
        if choice is not None and choice != usual:
            words += [option, choice]
    return shlex.join(words)
