"""A finder's network on images of any size and any particle size: tiles and octaves."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.finding.network.scaling import Seen
from stemfast.finding.network.star import Distances, Stars, candidates
from stemfast.models.finder_config import STRIDE

__all__ = [
    "Octave",
    "OctaveReading",
    "TileReading",
    "octaves",
    "read",
    "read_enlarged",
    "read_octaves",
    "spans",
]

Map: TypeAlias = NDArray[np.float32]
Mask: TypeAlias = NDArray[np.bool_]


class TileReading(NamedTuple):
    """Answers of the network for the cells of one tile (H, W), and distances by row and column."""

    middle: Map
    distance: Distances
    foreground: Map
    boundary: Map


#: Network on one tile (H, W, 2).
Reader: TypeAlias = Callable[[Map], TileReading]

#: Sides of tiles [px], few of them, as a network is compiled for each; multiples of what the
#: network asks for. The margin is its reach.
TILES, MARGIN = (256, 512, 768, 1120), 96
_SMALLEST = 40  # px of an octave's shorter side
_UP_TO = 1200  # px: larger images are enlarged where a first reading finds small particles or none
_AT_MOST = 4200  # px: not even then
_FEW, _SMALL_PX, _SURE = 10, 7.0, 0.9  # candidates, size and score of which that is told


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


@dataclass(frozen=True)
class Span:
    """One tile along one axis: it begins at `start`, and answers for first … last − 1 [px]."""

    start: int
    first: int
    last: int


def spans(length: int, tile: int) -> list[Span]:
    """Tiles along an axis, each but at the image's ends with a margin that only informs.

    Examples
    --------
    >>> [(s.start, s.first, s.last) for s in spans(1000, 768)]
    [(0, 0, 672), (576, 672, 1000)]
    """
    found: list[Span] = []
    start = first = 0
    while first < length:
        last = length if start + tile >= length else start + tile - MARGIN
        found.append(Span(start, first, last))
        first = last
        start = first - MARGIN
    return found


class OctaveReading(NamedTuple):
    """Answers of the network for one octave.

    Attributes
    ----------
    stars : Stars
        Candidates.
    foreground, boundary : (H, W) bool
        Cells that lie on a particle, and on the boundary of one.
    factor : float
        Of the octave's pixels make one of the image's, along a side.
    """

    stars: Stars
    foreground: Mask
    boundary: Mask
    factor: float = 1.0


class Rows(Protocol):
    """Channels of an image for the network, some rows at a time."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""

    def rows(self, first: int, last: int) -> Map:
        """Rows first … last − 1: (rows, columns, 2) float32."""


def read(seen: Rows, reader: Reader, least: float) -> OctaveReading:
    """Candidates, foreground and boundary of an image of any size, tile by tile.

    Tiles overlap by more than the network reaches, so that there are no seams.

    Parameters
    ----------
    seen : Rows
    reader : callable
    least : float
        Lowest score of a candidate.
    """
    rows, columns = seen.shape
    # The fewest pixels, margins included; of two that are alike, the larger tiles.
    tile = min(TILES[::-1], key=lambda t: len(spans(rows, t)) * len(spans(columns, t)) * t * t)
    found = []
    foreground, boundary = (
        np.zeros((-(-rows // STRIDE), -(-columns // STRIDE)), np.bool_) for _ in range(2)
    )
    for down in spans(rows, tile):
        row = _mirrored(np.arange(down.start, down.start + tile), rows)
        strip = seen.rows(int(row.min()), int(row.max()) + 1)
        row -= row.min()
        for along in spans(columns, tile):
            column = _mirrored(np.arange(along.start, along.start + tile), columns)
            answer = reader(np.ascontiguousarray(strip[row[:, None], column[None, :]]))
            inner = _cells(down), _cells(along)
            stars = candidates(answer.middle, answer.distance, least, STRIDE, inner)
            found.append(stars.moved(down.start, along.start))
            place = _moved(inner[0], down.start), _moved(inner[1], along.start)
            foreground[place] = answer.foreground[inner] > 0.5
            boundary[place] = answer.boundary[inner] > 0.5
    return OctaveReading(Stars.joined(found), foreground, boundary)


def _moved(cells: slice, start: int) -> slice:
    """Cells of a tile that begins at a pixel, as cells of the image."""
    return slice(cells.start + start // STRIDE, cells.stop + start // STRIDE)


def _cells(span: Span) -> slice:
    """Cells of a tile that it answers for."""
    return slice(
        (span.first - span.start) // STRIDE, (span.last - span.start + STRIDE - 1) // STRIDE
    )


def _mirrored(index: NDArray[np.intp], length: int) -> NDArray[np.intp]:
    """Pixels along an axis, mirrored beyond the image's end."""
    index = index % (2 * length)
    return np.minimum(index, 2 * length - 1 - index)


def read_octaves(
    levels: Sequence[Octave],
    sign: float,
    reader: Reader,
    least: float,
    sizes_px: tuple[float, float],
) -> list[OctaveReading]:
    """Answers for some octaves, their candidates in pixels of the image.

    Parameters
    ----------
    levels : sequence of Octave
    sign : float
        1 where particles are bright, −1 where they are dark.
    reader : callable
    least : float
        Lowest score of a candidate.
    sizes_px : (float, float)
        Sizes that the network answers for, equivalent diameter [px of the octave].
    """
    found = []
    for level in levels:
        answer = read(Seen(level.image, sign), reader, least)
        stars = answer.stars
        size = np.sqrt(4.0 / np.pi * stars.area)
        stars = stars.taken((size >= sizes_px[0]) & (size <= sizes_px[1]))
        stars = stars.scaled(1.0 / level.factor)
        found.append(answer._replace(stars=stars, factor=level.factor))
    return found


def read_enlarged(
    image: Map,
    answers: Sequence[OctaveReading],
    sign: float,
    reader: Reader,
    least: float,
    sizes_px: tuple[float, float],
) -> list[OctaveReading]:
    """Answer for a large image at twice its scale, where that was found wanting; else none.

    The network answers for particles of 5 px and more, and of those not much larger it misses half.
    So a large image is enlarged where what was found is small, or little and not sure.

    Parameters
    ----------
    image : (rows, columns) float32
    answers : sequence of OctaveReading
        For its octaves, candidates in pixels of the image.
    sign, reader, least, sizes_px
        As for :func:`read_octaves`.
    """
    if not (_UP_TO < max(image.shape) <= _AT_MOST and _wanting(answers)):
        return []
    found = read_octaves([Octave(_enlarged(image), 2.0)], sign, reader, least, sizes_px)
    # Some of thousands of grains of noise look like particles, but to nobody's certainty.
    return found if np.count_nonzero(found[0].stars.score > _SURE) >= _FEW else []


def _wanting(answers: Sequence[OctaveReading]) -> bool:
    """True if what was found is small, or little and not sure."""
    own = np.concatenate([one.stars.area for one in answers if one.factor == 1.0])
    if len(own) >= _FEW and math.sqrt(4.0 / math.pi * float(np.median(own))) <= _SMALL_PX:
        return True
    every = np.concatenate([one.stars.score for one in answers])
    return len(every) < _FEW and float(every.max(initial=0.0)) < _SURE
