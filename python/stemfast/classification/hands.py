"""Handedness of the cuboids in a tilt series of a field, by fits of each through its frames.

One image at an unknown pose does not tell a particle from its mirror image; images at known tilts
do (:mod:`stemfast.reconstruction`). The frame with the least tilt is classified as any image is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stemfast import materials
from stemfast.arguments import finite_number
from stemfast.classification.answer import Classification
from stemfast.classification.corners import CUBOID, Row, check_cuboids, probable_cuboids
from stemfast.micrograph.files.error import MicrographError

if TYPE_CHECKING:
    from stemfast.finding import Found
    from stemfast.finding.source import Source
    from stemfast.reconstruction.following import Places

__all__ = [
    "HAND_COLUMNS",
    "LEFT",
    "RIGHT",
    "SYMMETRIC",
    "UNTOLD",
    "Frames",
    "TiltAxis",
    "frames_of",
    "tell_hands",
    "tilt_axis",
]

HAND_COLUMNS = ("hand", "hand_probability", "hand_images")
"""Columns behind all others: see `tell_hands`."""
RIGHT, LEFT = "right-handed", "left-handed"
SYMMETRIC, UNTOLD = "mirror-symmetric", "not told"
_MOST_FRAMES = 8


@dataclass(frozen=True)
class TiltAxis:
    """Tilt axis and material, which hands cannot be told without.

    Parameters
    ----------
    axis_deg : float
        Direction of the tilt axis in the images, 0 along x (right), 90 along y (down); a positive
        tilt turns the right-handed way about it [degrees].
    material : str
        What the particles are made of.

    Raises
    ------
    ValueError
        If the direction is not finite, or the material is not known.
    """

    axis_deg: float
    material: str

    def __post_init__(self) -> None:
        finite_number("tilt_axis_deg", self.axis_deg)
        materials.get(self.material)


def tilt_axis(axis_deg: float | None, material: str | None) -> TiltAxis | None:
    """Tilt axis and material where hands are to be told, gold if not said; else None.

    Raises
    ------
    ValueError
        If one is wrong, or there is a material without an axis, which nothing would use.

    Examples
    --------
    >>> tilt_axis(90.0, None)
    TiltAxis(axis_deg=90.0, material='Au')
    """
    if axis_deg is not None:
        return TiltAxis(axis_deg, "Au" if material is None else material)
    if material is not None:
        raise ValueError(
            f"material: got {material!r}, but no tilt axis; only hands need it, expected both or "
            "neither"
        )
    return None


@dataclass(frozen=True)
class Frames:
    """Frames of a tilt series.

    Attributes
    ----------
    index : tuple of int
        Their numbers in the file, from 0.
    tilts_deg : tuple of float
        [degrees]
    reference : int
        Which of them is tilted least.
    """

    index: tuple[int, ...]
    tilts_deg: tuple[float, ...]
    reference: int


def frames_of(path: str | Path, dataset: int | str | None = None) -> Frames | None:
    """Frames of a file to tell hands from: all, or eight of more; None where there are no tilts.

    Parameters
    ----------
    path : str or Path
    dataset : int or str, optional
        Which data set, where the file holds several.
    """
    from stemfast.reconstruction.series import evenly, stack_tilts
    from stemfast.reconstruction.turns import SAME_DEG

    tilts = stack_tilts(path, dataset)
    if tilts is None or np.ptp(tilts) < SAME_DEG:
        return None
    chosen = evenly(len(tilts), min(len(tilts), _MOST_FRAMES))
    angles = tilts[chosen]
    return Frames(tuple(chosen), tuple(angles.tolist()), int(np.argmin(np.abs(angles))))


def tell_hands(
    answer: Classification,
    frames: Frames | None,
    open_frame: Callable[[int], Source],
    tilt: TiltAxis,
    method: str = "auto",
) -> Classification:
    """Add the handedness of the cuboids in a tilt series to its table.

    Parameters
    ----------
    answer : Classification
        Of the frame that is tilted least.
    frames : Frames or None
        None for an image that is no tilt series: then no hand is told.
    open_frame : callable
        Opens a frame by its number.
    tilt : TiltAxis
    method : str
        Who finds the particles in the other frames; see :func:`stemfast.find`.

    Returns
    -------
    Classification
        Its table has the columns ``hand`` ("right-handed", "left-handed", "mirror-symmetric", or
        "not told" where the fit does not explain the images or fewer than two show it; "" of
        particles that are not whole, most probably cuboids and of a kind that was learnt),
        ``hand_probability`` (of this hand against the other, "" where there is none) and
        ``hand_images`` (frames in which the particle was followed).

    Raises
    ------
    ValueError
        If the network names no cuboid, or a frame cannot be read.
    """
    from stemfast.finding.find import find_in

    check_cuboids(answer.class_names, "tilt_axis_deg")
    empty = Row(dict.fromkeys(HAND_COLUMNS, ""))
    told: dict[int, Row] = {}
    notes = answer.notes
    if frames is not None:
        found = [
            answer.found
            if k == frames.reference
            else find_in(open_frame(index), answer.found.contrast, method)
            for k, index in enumerate(frames.index)
        ]
        told = _told(answer, found, frames, tilt)
        followed = sum(row["hand_images"] == len(found) for row in told.values())
        notes += (
            f"hands: tilts of {', '.join(f'{one:g}' for one in frames.tilts_deg)} degrees; "
            f"{followed} of {len(told)} cuboids were followed through all frames",
        )
    rows = [row | told.get(n, empty) for n, row in enumerate(answer.table)]
    return replace(answer, table=rows, notes=notes)


def _told(
    answer: Classification,
    found: Sequence[Found],
    frames: Frames,
    tilt: TiltAxis,
) -> dict[int, Row]:
    """Columns of every cuboid that is whole and like those learnt."""
    from stemfast.reconstruction.following import follow

    chances = np.array([[row[name] for name in answer.class_names] for row in answer.table])
    cuboids = probable_cuboids(answer.class_names, chances, answer.doubts)
    angles = np.array(frames.tilts_deg)
    ways = follow([_places(one) for one in found], angles, tilt.axis_deg, frames.reference)
    told = {}
    for n in cuboids.tolist():
        there = [
            k
            for k in np.flatnonzero(ways[n] >= 0).tolist()
            if not found[k].particles[ways[n, k]].on_border
        ]
        seen = [(found[k], int(ways[n, k])) for k in there]
        told[n] = _hand(seen, angles[there], tilt) | {"hand_images": len(there)}
    return told


def _places(found: Found) -> Places:
    from stemfast.reconstruction.following import Places

    size = found.pixel_size_nm or 1.0
    middles = np.array([one.centroid[::-1] for one in found], np.float64).reshape(-1, 2)
    diameters = np.array([one.equivalent_diameter for one in found], np.float64)
    return Places(size * middles, size * diameters)


def _hand(seen: Sequence[tuple[Found, int]], angles: NDArray[np.float64], tilt: TiltAxis) -> Row:
    """Hand of one particle, and its probability."""
    from stemfast.reconstruction import Reconstruction, reconstruct
    from stemfast.reconstruction.alone import only
    from stemfast.reconstruction.turns import SAME_DEG

    untold: Row = {"hand": UNTOLD, "hand_probability": ""}
    if len(seen) < 2 or np.ptp(angles) < SAME_DEG:
        return untold
    images = [
        only(
            np.asarray(found.image, np.float32),
            found.labels,
            found.particles[n].label,
            found.contrast,
        )
        for found, n in seen
    ]
    sizes = [found.pixel_size_nm or 1.0 for found, _ in seen]
    try:
        fitted = reconstruct(
            images,
            sizes,
            angles,
            tilt_axis_deg=tilt.axis_deg,
            material=tilt.material,
            family=CUBOID,
        )
    except (MicrographError, ValueError):
        return untold
    assert isinstance(fitted, Reconstruction)  # of the family that was asked for
    if not fitted.explained:
        return untold
    if fitted.hand_probability is None:
        return {"hand": SYMMETRIC, "hand_probability": ""}
    return _likelier(fitted.handedness, fitted.hand_probability)


def _likelier(hand: str, chance: float) -> Row:
    """Hand and its probability; the other if sets of corners behind the best are so together.

    Examples
    --------
    >>> _likelier("left-handed", 0.25)
    {'hand': 'right-handed', 'hand_probability': 0.75}
    """
    if chance < 0.5:
        hand, chance = LEFT if hand == RIGHT else RIGHT, 1.0 - chance
    return {"hand": hand, "hand_probability": chance}
