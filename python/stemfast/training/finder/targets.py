"""Targets of the finder's network from the truth of a field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, minimum_filter

from stemfast.fields import Field
from stemfast.fields.truth import ROSE, STANDS_OUT
from stemfast.models.finder import RAYS, STRIDE, rays

__all__ = ["FAINT", "LARGEST_PX", "SMALLEST_PX", "Sample", "Targets", "targets", "targets_of"]

Map: TypeAlias = NDArray[np.float32]

#: Particles that the network is to find at one scale, equivalent diameter [px]; smaller and larger
#: ones are found at other scales. Between the limits and half an octave beyond nothing is asked.
SMALLEST_PX, LARGEST_PX = 6.0, 80.0
_BEYOND = 1.35
#: Shares of what makes a particle visible, below which it is none: nothing is asked in between.
FAINT = 0.5
#: Small particles have few cells: what lies around them counts more, so that they are learnt as
#: large ones are. Size below which it does [px], most that a cell counts, and sizes around.
_LARGE_PX, _MOST, _AROUND = 24.0, 4.0, 1.0


@dataclass(frozen=True, eq=False, repr=False)
class Targets:
    """Targets on cells of 2 × 2 pixels, float16 to save memory.

    Attributes
    ----------
    middle, foreground, boundary : (H, W) float16
        0 … 1.
    distance : (H, W, RAYS) float16
        [px of the image].
    weight : (H, W) float16
        0 where nothing is asked, more than 1 in and around small particles.
    """

    middle: NDArray[np.float16]
    foreground: NDArray[np.float16]
    boundary: NDArray[np.float16]
    distance: NDArray[np.float16]
    weight: NDArray[np.float16]

    def __repr__(self) -> str:
        return f"Targets of {self.middle.shape[0]} x {self.middle.shape[1]} cells"


class Sample(NamedTuple):
    """One image for training: `seen` (H, W, 2) float16, and targets on cells."""

    seen: NDArray[np.float16]
    targets: Targets


def targets(field: Field) -> Targets:
    """Targets of a simulated field.

    Examples
    --------
    >>> from stemfast.fields import FieldRecipe
    >>> targets(FieldRecipe(kinds=("sparse",), rows=64, columns=64).draw(1, 0)).distance.shape
    (32, 32, 32)
    """
    truth = field.truth
    faint = (truth.signal_to_noise > FAINT * ROSE) & (truth.contrast > FAINT * STANDS_OUT)
    outlines = [field.outline_px(number) for number in range(len(truth))]
    return targets_of(field.labels, outlines, truth.visible, faint & ~truth.visible)


def targets_of(
    labels: NDArray[np.int32],
    outlines: list[NDArray[np.float64]],
    visible: NDArray[np.bool_],
    doubtful: NDArray[np.bool_],
) -> Targets:
    """Targets from a label image and the convex outlines of its particles.

    Parameters
    ----------
    labels : (rows, columns) int32
        Label k + 1 is particle k.
    outlines : list of (m, 2) float64
        Rows and columns of each particle's whole outline [px].
    visible : (n,) bool
        Particles that are to be found, if their size is one for this scale.
    doubtful : (n,) bool
        Particles of which nothing is asked.
    """
    # One pixel of each cell says whose it is; distances are from the cell's middle.
    cells_of = labels[1::STRIDE, 1::STRIDE]
    shape = cells_of.shape
    middle, weight = np.zeros(shape, np.float32), np.ones(shape, np.float32)
    distance = np.zeros((*shape, RAYS), np.float32)
    size = np.sqrt(4.0 / np.pi * np.array([_area(o) for o in outlines]))
    asked = visible & (size >= SMALLEST_PX) & (size <= LARGEST_PX)
    near = (size >= SMALLEST_PX / _BEYOND) & (size <= LARGEST_PX * _BEYOND)
    # Neither asked for nor to be called background: hard to see, or nearly of another scale.
    open_question = doubtful | (visible & near & ~asked)
    shown = np.concatenate([[False], visible & (size <= LARGEST_PX * _BEYOND)])
    foreground = shown[cells_of].astype(np.float32)
    order = np.argsort(cells_of, axis=None, kind="stable")
    start = np.searchsorted(cells_of.ravel()[order], np.arange(len(outlines) + 2))
    for number, outline in enumerate(outlines):
        cells = order[start[number + 1] : start[number + 2]]
        if len(cells) == 0:
            continue
        if not asked[number]:
            continue
        row, column = np.divmod(cells, shape[1])
        _count_more(weight, row, column, float(size[number]))
        points = np.stack([STRIDE * row + 0.5, STRIDE * column + 0.5], axis=1)
        reach = _reach(outline, points)
        distance[row, column] = reach
        nearest = reach.min(axis=1)
        middle[row, column] = nearest / max(float(nearest.max()), 1e-3)
    weight[np.concatenate([[False], open_question])[cells_of]] = 0.0
    visible_labels = np.where(shown[cells_of], cells_of, 0)
    edge = maximum_filter(visible_labels, 3) != minimum_filter(visible_labels, 3)
    half = np.float16
    return Targets(
        middle.astype(half),
        foreground.astype(half),
        (edge & (foreground > 0)).astype(half),
        distance.astype(half),
        weight.astype(half),
    )


def _count_more(
    weight: Map, row: NDArray[np.intp], column: NDArray[np.intp], size_px: float
) -> None:
    """Raise the weight of a small particle's cells, and of the background beside them as much.

    Were its own cells alone to count more, the network would see small particles everywhere.
    """
    more = min(_MOST, (_LARGE_PX / size_px) ** 1.5)
    if more > 1.0:
        reach = round(_AROUND * size_px / STRIDE)
        beside = weight[
            max(0, int(row.min()) - reach) : int(row.max()) + reach + 1,
            max(0, int(column.min()) - reach) : int(column.max()) + reach + 1,
        ]
        np.maximum(beside, np.float32(more), out=beside)


def _area(outline: NDArray[np.float64]) -> float:
    """Area inside an outline [px²], also of what lies outside the field."""
    y, x = outline.T
    return 0.5 * abs(float(np.dot(y, np.roll(x, 1)) - np.dot(x, np.roll(y, 1))))


def _reach(outline: NDArray[np.float64], points: NDArray[np.float64]) -> Map:
    """Distance from points inside a convex outline to it, along every ray: (n, RAYS)."""
    if len(outline) > 24:
        outline = outline[::2]
    ahead = np.roll(outline, -1, axis=0) - outline
    normal = np.stack([ahead[:, 1], -ahead[:, 0]], axis=1)
    middle = outline.mean(axis=0)
    turned = ((middle - outline) * normal).sum(axis=1) > 0
    normal[turned] *= -1.0  # outward
    gap = ((outline * normal).sum(axis=1)[None] - points @ normal.T).astype(np.float32)
    along = (rays() @ normal.T).astype(np.float32)
    with np.errstate(divide="ignore"):
        per = np.where(along > 1e-6, 1.0 / along, np.float32(np.inf)).astype(np.float32)
    reach = np.full((len(points), RAYS), 1e4, np.float32)
    gap = np.maximum(gap, np.float32(0.05))
    for side in range(len(outline)):
        np.minimum(reach, gap[:, side, None] * per[None, :, side], out=reach)
    return reach
