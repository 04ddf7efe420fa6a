"""Long bodies: rods and needles, which come out in pieces as star-convex outlines.

The network also says of every cell whether it lies on a particle, and whether on its boundary.
What is inside, in one piece, straight and much longer than wide, is one body: the outlines that
lie in it are its pieces. Particles that touch are parted by boundary: a chain of them is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.finding.detection import keep_labels, pixels_of_labels
from stemfast.finding.network.pyramid import OctaveReading
from stemfast.models.finder_config import STRIDE

__all__ = ["joined"]

Mask: TypeAlias = NDArray[np.bool_]
Labels: TypeAlias = NDArray[np.int32]

_LARGEST_PX = 1100  # of an octave that is looked at, along a side
_SLENDER = 3.0  # length over width
_FULL = 0.72  # share of the rectangle of the same second moments
_SHORTEST, _NARROWEST = 10.0, 1.5  # cells
_WITHIN = 0.6  # share of an outline that lies in the body
_RIM = 2  # cells of boundary around the inside
_STRAIGHT = 0.995  # cosine between bodies in line
_SURE = 0.6  # least score of a body


def joined(
    labels: Labels, score: NDArray[np.float64], seen: Sequence[OctaveReading]
) -> tuple[Labels, NDArray[np.float64], NDArray[np.intp]]:
    """Labels with the pieces of long bodies joined.

    Parameters
    ----------
    labels : (rows, columns) int32
        1 … n on outlines.
    score : (n,) float64
    seen : sequence of OctaveReading
        The network's answers for this image.

    Returns
    -------
    labels : (rows, columns) int32
        1 … m.
    score : (m,) float64
    origin : (m,) int
        Row of `score` that each label had before, −1 for a body that was joined.
    """
    bodies = _bodies(seen, labels.shape) if len(score) > 1 else []
    if not bodies:
        return labels, score, np.arange(len(score))
    labels = labels.copy()
    scores = list(score)
    origin = list(range(len(score)))
    for mask in bodies:
        inside = np.bincount(labels[mask], minlength=len(scores) + 1)
        whole = pixels_of_labels(labels, len(scores))
        pieces = 1 + np.flatnonzero(inside[1:] > _WITHIN * np.maximum(whole[1:], 1))
        if len(pieces) < 2 or any(origin[piece - 1] < 0 for piece in pieces):
            continue
        labels[np.isin(labels, pieces)] = 0
        scores.append(max(_SURE, float(np.mean([scores[piece - 1] for piece in pieces]))))
        origin.append(-1)
        labels[mask & (labels == 0)] = len(scores)
    seen_still = pixels_of_labels(labels, len(scores))[1:] > 0
    keep_labels(labels, seen_still)
    return labels, np.array(scores)[seen_still], np.array(origin, np.intp)[seen_still]


def _bodies(seen: Sequence[OctaveReading], shape: tuple[int, ...]) -> list[Mask]:
    """Long bodies of all octaves in an image of this shape, the largest first, none twice."""
    found: list[tuple[int, Mask]] = []
    for octave in seen:
        if STRIDE * max(octave.foreground.shape) > _LARGEST_PX:
            continue
        for cells in _long(octave.foreground, octave.boundary):
            mask = _enlarged(cells, shape, octave.factor / STRIDE)
            found.append((int(np.count_nonzero(mask)), mask))
    chosen: list[Mask] = []
    for size, mask in sorted(found, key=lambda one: -one[0]):
        if all(np.count_nonzero(mask & other) < 0.3 * size for other in chosen):
            chosen.append(mask)
    return _in_line(chosen)


def _in_line(bodies: list[Mask]) -> list[Mask]:
    """Bodies whose ends face each other are one, which something crosses."""
    rods = [_axis(mask) for mask in bodies]
    while True:
        for one, other in combinations(range(len(rods)), 2):
            bridge = _bridge(rods[one], rods[other], bodies[0].shape)
            if bridge is not None:
                break
        else:
            return bodies
        bodies[one] = bodies[one] | bodies[other] | bridge
        rods[one] = _axis(bodies[one])
        del rods[other], bodies[other]


def _axis(mask: Mask) -> tuple[NDArray[np.float64], NDArray[np.float64], float, float]:
    """Middle, direction, length and width [px] of a long body, from its moments."""
    pixels = np.argwhere(mask).astype(np.float64)
    values, vectors = np.linalg.eigh(np.cov(pixels.T))
    narrow, long = np.sqrt(12.0 * np.maximum(values, 1.0 / 12.0)).tolist()
    return pixels.mean(axis=0), vectors[:, 1], long, narrow


def _bridge(
    one: tuple[NDArray[np.float64], NDArray[np.float64], float, float],
    other: tuple[NDArray[np.float64], NDArray[np.float64], float, float],
    shape: tuple[int, ...],
) -> Mask | None:
    """The gap between two bodies that are in line, filled; None for others."""
    (at, along, length, width), (there, its, its_length, its_width) = one, other
    apart = there - at
    ahead = float(apart @ along)
    aside = abs(float(apart[0] * along[1] - apart[1] * along[0]))
    gap = abs(ahead) - 0.5 * (length + its_length)
    together = width + its_width
    if abs(float(along @ its)) < _STRAIGHT or aside > 0.4 * together or gap > 2.0 * together:
        return None
    row, column = np.indices(shape)
    way = (row - at[0]) * along[0] + (column - at[1]) * along[1]
    off = (row - at[0]) * along[1] - (column - at[1]) * along[0]
    low, high = min(0.0, ahead), max(0.0, ahead)
    between: Mask = (way > low) & (way < high) & (np.abs(off) < 0.25 * together)
    return between


def _long(foreground: Mask, boundary: Mask) -> list[Mask]:
    """Pieces of the inside that are straight and long, each with its rim."""
    from scipy import ndimage

    pieces, _ = ndimage.label(foreground & ~boundary, structure=np.ones((3, 3)))
    found = []
    for number, part in enumerate(ndimage.find_objects(pieces), start=1):
        cells = np.argwhere(pieces[part] == number).astype(np.float64)
        if len(cells) < _SHORTEST:
            continue
        spread = np.sqrt(np.maximum(np.linalg.eigvalsh(np.cov(cells.T)), 1.0 / 12.0) * 12.0)
        narrow, long = float(spread[0]), float(spread[1])
        if long < _SHORTEST or narrow < _NARROWEST:
            continue
        if long + 2 * _RIM < _SLENDER * (narrow + 2 * _RIM) or len(cells) < _FULL * narrow * long:
            continue
        own = pieces == number
        found.append(ndimage.binary_dilation(own, iterations=_RIM) & (foreground | own))
    return found


def _enlarged(cells: Mask, shape: tuple[int, ...], scale: float) -> Mask:
    """Mask of pixels from a mask of cells, of which `scale` make a pixel."""
    row, column = (
        np.minimum((np.arange(n) * scale).astype(np.int64), m - 1)
        for n, m in zip(shape, cells.shape, strict=True)
    )
    return np.asarray(cells[row[:, None], column[None, :]])
