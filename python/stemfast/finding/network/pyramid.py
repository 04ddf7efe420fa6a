"""A finder's network on images of any size and any particle size: tiles and octaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.finding.network.scaling import as_seen
from stemfast.finding.network.star import Stars, candidates
from stemfast.models.finder import STRIDE

__all__ = ["Octave", "octaves", "read", "stars_of", "tiles"]

Map: TypeAlias = NDArray[np.float32]
#: Network on one tile: (H, W, 2) → (middle, distance), cells.
Reader: TypeAlias = Callable[[Map], tuple[Map, Map]]

TILE, MARGIN = 512, 96  # px; the margin is the reach of the network
_SMALLEST = 40  # px of an octave's shorter side
_UP_TO = 1200  # px: larger images are not enlarged


@dataclass(frozen=True, eq=False, repr=False)
class Octave:
    """The image at one scale: `factor` of its pixels make one of the original's, along a side."""

    image: Map
    factor: float

    def __repr__(self) -> str:
        return f"Octave of {self.image.shape[0]} x {self.image.shape[1]} px"


def octaves(image: Map) -> Iterator[Octave]:
    """The image at twice its scale if it is small, at its own, and halved again and again."""
    if max(image.shape) <= _UP_TO:
        yield Octave(_enlarged(image), 2.0)
    factor = 1.0
    while min(image.shape) >= _SMALLEST:
        yield Octave(image, factor)
        rows, columns = (side // 2 * 2 for side in image.shape)
        even = image[:rows, :columns]
        image = even.reshape(rows // 2, 2, columns // 2, 2).mean(axis=(1, 3), dtype=np.float32)
        factor *= 0.5


def _enlarged(image: Map) -> Map:
    """Twice as large, linear between pixel centres."""
    for axis in (0, 1):
        before = np.concatenate(
            [image.take([0], axis), image.take(range(image.shape[axis] - 1), axis)], axis
        )
        after = np.concatenate(
            [image.take(range(1, image.shape[axis]), axis), image.take([-1], axis)], axis
        )
        pair = np.stack([0.75 * image + 0.25 * before, 0.75 * image + 0.25 * after], axis=axis + 1)
        shape = list(image.shape)
        shape[axis] *= 2
        image = pair.reshape(shape).astype(np.float32)
    return image


def tiles(rows: int, columns: int) -> Iterator[tuple[int, int, int, int]]:
    """First row and column of each tile's inner part, and its height and width [px]."""
    step = TILE - 2 * MARGIN
    for top in range(0, rows, step):
        for left in range(0, columns, step):
            yield top, left, min(step, rows - top), min(step, columns - left)


def read(seen: Map, reader: Reader, least: float) -> Stars:
    """Candidates of an image of any size, tile by tile.

    Tiles overlap by more than the network reaches, so that there are no seams.

    Parameters
    ----------
    seen : (rows, columns, 2) float32
    reader : callable
    least : float
        Lowest score of a candidate.
    """
    found = []
    for top, left, height, width in tiles(*seen.shape[:2]):
        middle, distance = reader(_cut(seen, top - MARGIN, left - MARGIN))
        first = MARGIN // STRIDE
        inner = (
            slice(first, (MARGIN + height + 1) // STRIDE),
            slice(first, (MARGIN + width + 1) // STRIDE),
        )
        stars = candidates(middle, distance, least, STRIDE, inner)
        found.append(stars.moved(top - MARGIN, left - MARGIN))
    return Stars.joined(found)


def _cut(seen: Map, top: int, left: int) -> Map:
    """A tile, mirrored at the image's border."""
    rows = _mirrored(np.arange(top, top + TILE), seen.shape[0])
    columns = _mirrored(np.arange(left, left + TILE), seen.shape[1])
    return np.ascontiguousarray(seen[rows[:, None], columns[None, :]])


def _mirrored(index: NDArray[np.intp], length: int) -> NDArray[np.intp]:
    index = index % (2 * length)
    return np.minimum(index, 2 * length - 1 - index)


def stars_of(
    image: Map,
    reader: Reader,
    least: float,
    smallest_px: float,
    largest_px: float,
    octave: Callable[[Octave], bool] = lambda _: True,
) -> list[tuple[float, Stars]]:
    """Candidates of every octave, in pixels of the image.

    Parameters
    ----------
    image : (rows, columns) float32
        With particles bright.
    reader : callable
    least : float
        Lowest score of a candidate.
    smallest_px, largest_px : float
        Sizes that the network answers for, equivalent diameter [px of the octave].
    octave : callable
        Whether an octave is read.
    """
    found = []
    for level in octaves(image):
        if not octave(level):
            continue
        stars = read(as_seen(level.image), reader, least)
        size = np.sqrt(4.0 / np.pi * stars.area)
        stars = stars.taken((size >= smallest_px) & (size <= largest_px))
        found.append((level.factor, stars.scaled(1.0 / level.factor)))
    return found
