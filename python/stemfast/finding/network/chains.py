"""Chains of outlines that are one long body: rods that others cross or touch.

As a star-convex network sees no rod whole, it draws outlines along it like beads, each about as
wide as the rod. Two of them are linked where they have the same width across the line between
their centres, that line runs through foreground, and there is background on both sides of it.
A chain of links that is straight, long and nearly fills its convex hull is one body. Where boundary
crosses the line, as between particles that touch, a chain has to be much longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast import _core
from stemfast.finding.detection import keep_labels, pixels_of_labels
from stemfast.finding.network.pyramid import OctaveReading
from stemfast.models.finder_config import STRIDE

__all__ = ["chained"]

Floats: TypeAlias = NDArray[np.float64]
Labels: TypeAlias = NDArray[np.int32]
Ints: TypeAlias = NDArray[np.intp]

_LARGEST_PX = 2200  # of an octave that is looked at, along a side
_NEIGHBOURS = 8
_COVERED = 0.6  # share of an outline that is foreground in an octave that shows it
_LIKE_WIDE, _NEAR = 1.5, 1.2  # ratio of widths, gap over width
_LONGER, _IN_LINE = 1.6, 0.93  # length over width that tells a direction, cosine to the line
_FOREGROUND, _BACKGROUND = 0.85, 0.45  # shares, on the line and on either side
_SEEN_INSIDE, _CROSSED = 3, 1.2  # cells
_NECK = 0.35  # of the width, to either side
_STRAIGHT = 1.15  # width of a chain over that of its pieces
_SLENDER, _SLENDER_CROSSED, _FEWEST_CROSSED = 3.0, 5.0, 3
_DRAWN, _SOLID = 0.6, 0.8  # shares of the convex hull: of the pieces, of foreground
_SURE = 0.6  # least score of a body
_ALONG, _ACROSS = np.linspace(0.0, 1.0, 33), np.linspace(-0.3, 0.3, 5)


def chained(
    labels: Labels, score: Floats, seen: Sequence[OctaveReading]
) -> tuple[Labels, Floats, Ints]:
    """Labels with chains of outlines joined.

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
    n = len(score)
    octaves = [o for o in seen if STRIDE * max(o.foreground.shape) <= _LARGEST_PX]
    if n < 2 or not octaves:
        return labels, score, np.arange(n)
    pieces = _Pieces.of(labels, n)
    octaves.sort(key=lambda octave: -octave.factor)
    links = _links(pieces, [_Cells.of(octave, labels, n) for octave in octaves])
    labels, scores, origin = labels.copy(), list(score), list(range(n))
    for chain, level in _chains(pieces, links):
        hull = _hull(labels, pieces, chain, octaves[level])
        if hull is None:
            continue
        labels[np.isin(labels, 1 + np.array(chain))] = 0  # the hull holds most of them
        scores.append(max(_SURE, float(np.mean(score[chain]))))
        origin.append(-1)
        free = labels[hull] == 0
        labels[hull[0][free], hull[1][free]] = len(scores)
    still = pixels_of_labels(labels, len(scores))[1:] > 0
    keep_labels(labels, still)
    return labels, np.array(scores)[still], np.array(origin, np.intp)[still]


@dataclass(frozen=True, eq=False)
class _Pieces:
    """Number of pixels, centre (row, column) and covariance of each outline [px]."""

    count: Floats
    centre: Floats
    spread: Floats
    pixels: list[Ints]

    @classmethod
    def of(cls, labels: Labels, n: int) -> _Pieces:
        from scipy.ndimage import find_objects

        pixels = []
        for number, window in enumerate(find_objects(labels, max_label=n), start=1):
            if window is None:
                pixels.append(np.empty((0, 2), np.intp))
                continue
            own = np.argwhere(labels[window] == number)
            pixels.append(own + np.array([window[0].start, window[1].start]))
        centre = np.array([own.mean(axis=0) if len(own) else (-np.inf, -np.inf) for own in pixels])
        spread = np.array(
            [np.cov(own.T, bias=True) if len(own) > 1 else np.zeros((2, 2)) for own in pixels]
        )
        count = np.array([len(own) for own in pixels], np.float64)
        return cls(count, centre, spread + np.eye(2) / 12.0, pixels)

    def together(self, chain: Sequence[int]) -> tuple[float, float]:
        """Width and length of the rectangle of the same second moments [px]."""
        share = self.count[chain] / self.count[chain].sum()
        off = self.centre[chain] - share @ self.centre[chain]
        spread = np.einsum("k,kij->ij", share, self.spread[chain] + off[:, :, None] * off[:, None])
        narrow, long = np.sqrt(12.0 * np.linalg.eigvalsh(spread)).tolist()
        return narrow, long


@dataclass(frozen=True, eq=False)
class _Cells:
    """An octave's cells: which outlines it shows, and how many cells of each are inside."""

    octave: OctaveReading
    shown: NDArray[np.bool_]
    inside: Ints

    @classmethod
    def of(cls, octave: OctaveReading, labels: Labels, n: int) -> _Cells:
        rows, columns = (
            np.minimum(((np.arange(cells) + 0.5) * STRIDE / octave.factor).astype(np.intp), px - 1)
            for cells, px in zip(octave.foreground.shape, labels.shape, strict=True)
        )
        own = labels[rows[:, None], columns]
        whole = np.bincount(own.ravel(), minlength=n + 1)[1:]
        on = np.bincount(own[octave.foreground], minlength=n + 1)[1:]
        within = octave.foreground & ~octave.boundary
        inside = np.bincount(own[within], minlength=n + 1)[1:]
        return cls(octave, on > _COVERED * np.maximum(whole, 1), inside)


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Pairs of neighbours: their numbers (m, 2) and how they lie to each other [px].

    From centre to centre, the unit vector across that, the mean width across, both lengths along
    (m, 2), and the distance.
    """

    number: Ints
    start: Floats
    apart: Floats
    across: Floats
    width: Floats
    long: Floats
    distance: Floats

    def taken(self, chosen: NDArray[np.intp] | NDArray[np.bool_]) -> _Pairs:
        """Some of the pairs."""
        return _Pairs(*(getattr(self, one.name)[chosen] for one in fields(self)))


@dataclass(frozen=True, eq=False)
class _Links:
    """Pairs of outlines (m, 2), the octave that shows both, whether boundary crosses them."""

    pair: Ints
    level: Ints
    crossed: NDArray[np.bool_]


def _at(mask: NDArray[np.bool_], places: Floats, factor: float) -> NDArray[np.bool_]:
    """Values of a mask of an octave's cells at places (…, 2) of the image [px]."""
    cell = np.floor((places + 0.5) * (factor / STRIDE)).astype(np.intp)
    row, column = (np.clip(cell[..., k], 0, mask.shape[k] - 1) for k in (0, 1))
    return np.asarray(mask[row, column])


def _links(pieces: _Pieces, levels: Sequence[_Cells]) -> _Links:
    """Neighbours that may be pieces of one body, the closest first."""
    pairs = _alike(pieces)
    level = np.full(len(pairs.number), -1)
    linked, crossed = np.zeros((2, len(level)), np.bool_)
    for number, cells in enumerate(levels):
        # The finest octave that shows both decides.
        own = np.flatnonzero((level < 0) & cells.shown[pairs.number].all(axis=1))
        if len(own):
            level[own] = number
            linked[own], crossed[own] = _along_foreground(pairs.taken(own), cells)
    order = np.argsort(pairs.distance / pairs.width, kind="stable")
    order = order[linked[order]]
    return _Links(pairs.number[order], level[order], crossed[order])


def _alike(pieces: _Pieces) -> _Pairs:
    """Neighbours as wide as each other across the line between their centres, and near."""
    from scipy.spatial import cKDTree

    some = np.flatnonzero(pieces.count > 0)
    near = cKDTree(pieces.centre[some]).query(
        pieces.centre[some], k=range(2, 2 + min(_NEIGHBOURS, len(some) - 1))
    )[1]
    number = np.stack([np.repeat(some, near.shape[1]), some[near.ravel()]], axis=1)
    number = np.unique(np.sort(number, axis=1), axis=0)
    start = pieces.centre[number[:, 0]]
    apart = pieces.centre[number[:, 1]] - start
    distance = np.maximum(np.hypot(*apart.T), 1e-9)
    along = apart / distance[:, None]
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    spread = pieces.spread[number]

    def extent(direction: Floats) -> Floats:
        """Four deviations of both outlines along a direction, (m, 2)."""
        return np.asarray(4.0 * np.sqrt(np.einsum("mi,mkij,mj->mk", direction, spread, direction)))

    wide, long = extent(across), extent(along)
    width = wide.mean(axis=1)
    values, vectors = np.linalg.eigh(spread)
    turned = np.abs(np.einsum("mki,mi->mk", vectors[..., 1], along)) < _IN_LINE
    askew = ((values[..., 1] > _LONGER**2 * values[..., 0]) & turned).any(axis=1)
    fits = (wide.max(axis=1) <= _LIKE_WIDE * wide.min(axis=1)) & ~askew
    fits &= distance - 0.5 * long.sum(axis=1) <= _NEAR * width
    return _Pairs(number, start, apart, across, width, long, distance).taken(fits)


def _along_foreground(pairs: _Pairs, cells: _Cells) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether foreground joins pairs in an octave, and whether boundary crosses it."""
    octave, factor = cells.octave, cells.octave.factor
    width, way = pairs.width, pairs.apart[:, None]
    line = pairs.start[:, None] + _ALONG[:, None] * way
    off = (_ACROSS * width[:, None])[:, :, None] * pairs.across[:, None]
    on = _at(octave.foreground, line[:, :, None] + off[:, None], factor).mean(axis=(1, 2))
    linked = on >= _FOREGROUND
    # From end to end of both outlines, beyond what is drawn and its blur.
    ends = 0.5 * pairs.long / pairs.distance[:, None]
    share = -ends[:, :1] + _ALONG * (1.0 + ends.sum(axis=1))[:, None]
    beside = 0.5 * width + np.maximum(1.5 * STRIDE / factor, 0.25 * width)
    for sign in (-1.0, 1.0):
        edge = pairs.start + sign * beside[:, None] * pairs.across
        on = _at(octave.foreground, edge[:, None] + share[..., None] * way, factor).mean(axis=1)
        linked &= 1.0 - on >= _BACKGROUND
    # Discs that touch have a neck there, where boundary parts them as well.
    middle = pairs.start + 0.5 * pairs.apart
    flank = np.array([-_NECK, _NECK])[:, None] * (width[:, None] * pairs.across)[:, None]
    necked = ~_at(octave.foreground, middle[:, None] + flank, factor).all(axis=1)
    run = _longest_run(_at(octave.boundary, line, factor)) * pairs.distance / len(_ALONG)
    inside = (cells.inside[pairs.number] >= _SEEN_INSIDE).all(axis=1)
    crossed = inside & (run > _CROSSED * STRIDE / factor)
    return linked & ~(crossed & necked), crossed


def _longest_run(mask: NDArray[np.bool_]) -> Ints:
    """Longest run of True in each row of (m, k)."""
    run = most = np.zeros(len(mask), np.intp)
    for column in mask.T:
        run = np.where(column, run + 1, 0)
        most = np.maximum(most, run)
    return most


def _chains(pieces: _Pieces, links: _Links) -> Iterable[tuple[list[int], int]]:
    """Straight and long chains of pieces, each with the coarsest octave of its links."""
    width = np.sqrt(12.0 * np.linalg.eigvalsh(pieces.spread)[:, 0])
    group = {k: [k] for k in range(len(width))}
    level = dict.fromkeys(group, 0)

    def grow(numbers: Ints) -> None:
        own = {piece: key for key, chain in group.items() for piece in chain}
        for number in numbers:
            one, other = (own[piece] for piece in links.pair[number].tolist())
            chain = group[one] + group[other]
            if one == other or pieces.together(chain)[0] > _STRAIGHT * np.median(width[chain]):
                continue
            group[one] = chain
            level[one] = max(level[one], level.pop(other), int(links.level[number]))
            own.update(dict.fromkeys(group.pop(other), one))

    def slender(chain: list[int], least: float) -> bool:
        narrow, long = pieces.together(chain)
        return long >= least * narrow

    grow(np.flatnonzero(~links.crossed))
    plain = [(list(chain), level[key]) for key, chain in group.items()]
    grow(np.flatnonzero(links.crossed))
    for key, chain in group.items():
        parts = [one for one in plain if one[0][0] in chain]
        long = len(chain) >= _FEWEST_CROSSED and slender(chain, _SLENDER_CROSSED)
        if len(parts) > 1 and long:
            parts = [(chain, level[key])]
        yield from (one for one in parts if len(one[0]) > 1 and slender(one[0], _SLENDER))


def _hull(
    labels: Labels, pieces: _Pieces, chain: list[int], octave: OctaveReading
) -> tuple[Ints, Ints] | None:
    """Rows and columns of the convex hull of a chain; None where it is no solid body."""
    from skimage.draw import polygon

    corners = _core.convex_hull(np.concatenate([pieces.pixels[k] for k in chain]).astype(float))
    rows, columns = polygon(corners[:, 0], corners[:, 1], labels.shape)
    if pieces.count[chain].sum() < _DRAWN * len(rows):
        return None
    solid = _at(octave.foreground, np.stack([rows, columns], axis=1), octave.factor)
    return (rows, columns) if solid.mean() >= _SOLID else None
