"""Deformed corners of the particles that are most probably cuboids, by a second network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stemfast.classification.network import load_model, shown
from stemfast.micrograph.table import CUT, NOT_SURE, UNLIKE

if TYPE_CHECKING:
    from stemfast.micrograph import FoundParticles, Micrograph
    from stemfast.pretrained import TrainedClassifier

__all__ = [
    "CORNERS_MODEL",
    "CORNER_COLUMNS",
    "CUBOID",
    "Row",
    "check_cuboids",
    "corner_columns",
    "probable_cuboids",
]

#: The network that counts corners.
CORNERS_MODEL = "count"
CORNER_COLUMNS = ("corners", "corners_probability", "corners_novelty", "corners_verdict")
"""Columns behind the classes' own: see `corner_columns`."""
CUBOID = "cuboid"
"""Name of the shape whose corners are counted."""

Row = dict[str, str | int | float | bool]


def check_cuboids(class_names: Sequence[str], argument: str = "corners") -> None:
    """Refuse a network that names no particle a cuboid.

    Parameters
    ----------
    class_names : sequence of str
    argument : str
        What asks for cuboids.

    Raises
    ------
    ValueError
        Also if one of its classes has the name of a column of corners.

    Examples
    --------
    >>> check_cuboids(["sphere", "cuboid"])
    >>> check_cuboids(["undeformed", "deformed"])
    Traceback (most recent call last):
        ...
    ValueError: corners: the network names undeformed, deformed, expected one that names a cuboid
    """
    if CUBOID not in class_names:
        raise ValueError(
            f"{argument}: the network names {', '.join(class_names)}, expected one that names a "
            f"{CUBOID}"
        )
    taken = sorted(set(class_names) & set(CORNER_COLUMNS))
    if taken:
        raise ValueError(f"corners: {taken} are classes of the network and columns of the table")


def probable_cuboids(
    class_names: Sequence[str], chances: NDArray[np.float64], doubts: Sequence[str]
) -> NDArray[np.intp]:
    """Numbers of the whole particles like those learnt that are most probably cuboids.

    Those that are sure alone would be too few with cut corners, whose shape is less often so.

    Parameters
    ----------
    class_names : sequence of k str
        With a cuboid.
    chances : ndarray, shape (n, k)
        Probabilities of the classes.
    doubts : sequence of n str
        Of each particle.

    Examples
    --------
    >>> chances = np.array([[0.4, 0.6], [0.9, 0.1], [0.1, 0.9]])
    >>> probable_cuboids(["sphere", "cuboid"], chances, ["low probability", "", CUT]).tolist()
    [0]
    """
    likely = chances.argmax(axis=1) == class_names.index(CUBOID)
    return np.flatnonzero(likely & ~np.isin(doubts, (CUT, UNLIKE)))


def corner_columns(
    image: Micrograph,
    found: FoundParticles,
    cuboids: NDArray[np.intp],
    min_probability: float,
    max_novelty: float,
) -> tuple[list[Row], list[str]]:
    """Columns of corners for the table of shapes, and what to tell of them.

    Parameters
    ----------
    image : Micrograph
    found : FoundParticles, length n
        What was found in it.
    cuboids : ndarray of int
        Those to read.
    min_probability, max_novelty : float
        As for :func:`stemfast.classify`.

    Returns
    -------
    list of dict
        ``corners`` (most probable number of deformed corners), ``corners_probability`` (of this
        number), ``corners_novelty`` (how unlike all that the network learnt from the particle
        looks; "" if not known), ``corners_verdict`` (the number, "unlike anything learnt" or "not
        sure"); all "" for particles that were not read.
    list of str
        Notes for the user.
    """
    columns = [Row(dict.fromkeys(CORNER_COLUMNS, "")) for _ in found]
    if not len(cuboids):
        return columns, []
    network = _network()
    some = replace(found, particles=tuple(found[n] for n in cuboids))
    views, notes = shown(image, some, network)
    said = network.predict(views)
    novelty = np.full(len(cuboids), np.nan) if said.novelty is None else said.novelty
    for n, chances, new in zip(cuboids, said.probabilities, novelty, strict=True):
        best = int(chances.argmax())
        number, chance = network.class_names[best], float(chances[best])
        verdict = UNLIKE if new > max_novelty else NOT_SURE if chance < min_probability else number
        told = (int(number), chance, "" if np.isnan(new) else float(new), verdict)
        columns[n] = dict(zip(CORNER_COLUMNS, told, strict=True))
    return columns, [f"corners of cuboids: {note}" for note in notes]


@lru_cache(maxsize=1)
def _network() -> TrainedClassifier:
    """The network, loaded once for all images."""
    return load_model(CORNERS_MODEL)
