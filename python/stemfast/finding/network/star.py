"""Star-convex outlines: candidates from a network's reading, masks, and the choice among rivals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from stemfast import _core
from stemfast.finding.detection import keep_labels, pixels_of_labels

__all__ = ["Distances", "Stars", "candidates", "chosen", "painted", "star_mask"]

Floats: TypeAlias = NDArray[np.float64]
Map: TypeAlias = NDArray[np.float32]


class Distances(Protocol):
    """Distances along the rays, (n, rays) of n cells by their rows and columns [px]."""

    def __getitem__(self, cells: tuple[NDArray[np.intp], NDArray[np.intp]], /) -> Map: ...


@dataclass(frozen=True, eq=False, repr=False)
class Stars:
    """Star-convex outlines.

    Attributes
    ----------
    centre : (n, 2) float64
        Rows and columns, pixel centres at whole numbers [px].
    radii : (n, rays) float64
        Distance to the outline along each ray, counter-clockwise from the right, rows up [px].
    score : (n,) float64
        0 … 1.
    """

    centre: Floats
    radii: Floats
    score: Floats

    def __len__(self) -> int:
        return len(self.score)

    def __repr__(self) -> str:
        return f"Stars: {len(self)} outlines"

    def taken(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Stars:
        """Some of them."""
        return Stars(self.centre[rows], self.radii[rows], self.score[rows])

    def moved(self, rows: float, columns: float) -> Stars:
        """The same outlines elsewhere."""
        return Stars(self.centre + np.array([rows, columns]), self.radii, self.score)

    def scaled(self, factor: float) -> Stars:
        """The same outlines in pixels `factor` times as small."""
        # A pixel's middle is half a pixel from the image's corner.
        return Stars((self.centre + 0.5) * factor - 0.5, self.radii * factor, self.score)

    @staticmethod
    def joined(parts: list[Stars]) -> Stars:
        """Outlines of several lists."""
        if not parts:
            return Stars(np.zeros((0, 2)), np.zeros((0, 1)), np.zeros(0))
        return Stars(
            np.concatenate([p.centre for p in parts]),
            np.concatenate([p.radii for p in parts]),
            np.concatenate([p.score for p in parts]),
        )

    @property
    def area(self) -> Floats:
        """Areas [px²], (n,)."""
        step = 2.0 * np.pi / self.radii.shape[1]
        return np.asarray(
            0.5 * np.sin(step) * (self.radii * np.roll(self.radii, -1, axis=1)).sum(axis=1)
        )


def candidates(
    middle: Map, distance: Distances, least: float, stride: int, inner: tuple[slice, slice]
) -> Stars:
    """Outlines at the local maxima of `middle` above `least`.

    Parameters
    ----------
    middle : (H, W) float32
        0 at the edge of a particle … 1 in its middle.
    distance : (H, W, rays) float32, or what gives them for some cells
        [px].
    least : float
        Lowest value of `middle`.
    stride : int
        Pixels per cell, along each side.
    inner : (slice, slice)
        Cells that outlines may have their middle in.
    """
    peak = np.zeros(middle.shape, np.bool_)
    peak[inner] = ((middle == maximum_filter(middle, 3)) & (middle > least))[inner]
    row, column = np.nonzero(peak)
    centre = np.stack([row, column], axis=1) * float(stride) + 0.5 * (stride - 1)
    return Stars(
        centre.astype(np.float64),
        distance[row, column].astype(np.float64),
        middle[row, column].astype(np.float64),
    )


def star_mask(
    centre: Floats, radii: Floats, shape: tuple[int, int]
) -> tuple[slice, slice, NDArray[np.bool_]]:
    """Pixels inside an outline: the part of the image that holds them, and which they are.

    Examples
    --------
    >>> rows, columns, inside = star_mask(np.array([10.0, 10.0]), np.full(32, 4.0), (20, 30))
    >>> int(inside.sum())
    49
    """
    reach = float(radii.max())
    low = np.maximum(np.ceil(centre - reach), 0).astype(int)
    high = np.minimum(np.floor(centre + reach), np.array(shape) - 1).astype(int) + 1
    high = np.maximum(high, low)
    (top, left), (bottom, right) = low.tolist(), high.tolist()
    row, column = (centre - low).tolist()
    inside = _core.star_mask(row, column, radii, rows=bottom - top, columns=right - left)
    return slice(top, bottom), slice(left, right), inside


def chosen(stars: Stars, shape: tuple[int, int], most_shared: float = 0.45) -> Stars:
    """The best of outlines that lie over each other, best first.

    An outline is left out if it shares more than this part of its own area, or of a better one's,
    with a better one. Areas are compared on a grid on which small outlines have some ten cells.

    Parameters
    ----------
    stars : Stars
    shape : (int, int)
        Rows and columns of the image.
    most_shared : float
        Part of the smaller area.
    """
    order = np.argsort(-stars.score, kind="stable")
    taken = np.zeros(shape, np.int32)
    kept: list[int] = []
    areas: list[int] = [0]
    for k in order.tolist():
        rows, columns, inside = star_mask(stars.centre[k], stars.radii[k], shape)
        area = int(inside.sum())
        if area == 0:
            continue
        under = taken[rows, columns][inside]
        shared = np.bincount(under, minlength=1)
        shared[0] = 0
        if shared.sum() > most_shared * area:
            continue
        rivals = np.flatnonzero(shared)
        if any(shared[r] > most_shared * areas[r] for r in rivals.tolist()):
            continue
        kept.append(k)
        areas.append(area)
        part = taken[rows, columns]
        part[inside & (part == 0)] = len(kept)
    return stars.taken(np.array(kept, np.intp))


def painted(
    stars: Stars, shape: tuple[int, int]
) -> tuple[NDArray[np.int32], NDArray[np.intp], NDArray[np.bool_]]:
    """Label image of outlines, small ones over large ones.

    Returns
    -------
    labels : (rows, columns) int32
        Label k + 1 is outline order[k].
    order : (m,) int
        Outlines of which a pixel can be seen.
    overlapped : (m,) bool
        Another outline lies over more than a twentieth of it, or it over another.
    """
    labels = np.zeros(shape, np.int32)
    order = np.argsort(-stars.area, kind="stable")
    whole = np.zeros(len(stars) + 1, np.int64)
    over = np.zeros(len(stars) + 1, np.bool_)
    for number, k in enumerate(order.tolist(), start=1):
        rows, columns, inside = star_mask(stars.centre[k], stars.radii[k], shape)
        part = labels[rows, columns]
        under = np.bincount(part[inside], minlength=1)
        whole[number] = inside.sum()
        over[number] = under[1:].sum() > 0.05 * whole[number]
        part[inside] = number
    seen = pixels_of_labels(labels, len(stars))
    over |= seen < 0.95 * whole
    visible = seen[1:] > 0
    keep_labels(labels, visible)
    return labels, order[visible], over[1:][visible]
