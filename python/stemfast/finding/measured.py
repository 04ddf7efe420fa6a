"""Every particle of a detection measured: outline, area, calliper widths."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stemfast import _core
from stemfast.finding.detection import Detection
from stemfast.finding.outline.accept import accepted
from stemfast.finding.outline.blur import Blur, find_blur
from stemfast.finding.outline.corners import signed_area
from stemfast.finding.outline.draw import Outline, draw_outline
from stemfast.finding.outline.measure import centroid, feret, perimeter
from stemfast.micrograph.files.feature_error import FeatureError
from stemfast.micrograph.isolate import Isolated, isolate_label

__all__ = ["Believed", "FoundOne", "bounding_boxes", "measure"]

Floats = NDArray[np.float64]
Believed = Literal["always", "clear", "alike"]

_ASKED = 100
# How far an outline moves for a change of the probe's width, about (see docs/find.md).
_SHIFT_PER_BLUR = 1.2
# What polygons and ellipses leave out of a form, along its whole length.
_DRAWN_SD_PX = 0.06


@dataclass(frozen=True, eq=False)
class FoundOne:
    """One particle that was found; lengths in px.

    Attributes
    ----------
    label : int
        Its number in `Found.labels`.
    bbox : tuple of int
        First row, first column, one past the last row, one past the last column.
    outline : ndarray, shape (n, 2)
        x, y [px], the first pixel's centre being 0.
    centroid : (float, float)
        Row and column of the centre of its area [px].
    area, area_sd : float
        Area within the outline and its standard deviation [px²].
    perimeter, min_feret, max_feret : float
        Of the outline [px].
    confidence : float
        How sure the finder is, 0 … 1.
    on_border : bool
        Whether the image's edge, or graphics drawn into it, cut it.
    overlapped : bool
        Whether it touches or overlaps another.
    edges_fitted : bool
        Whether the outline comes from how brightness falls across it; else from the label.
    """

    label: int
    bbox: tuple[int, int, int, int]
    outline: Floats = field(repr=False)
    centroid: tuple[float, float]
    area: float
    area_sd: float
    perimeter: float
    min_feret: float
    max_feret: float
    confidence: float
    on_border: bool
    overlapped: bool
    edges_fitted: bool

    @property
    def equivalent_diameter(self) -> float:
        """Diameter of the disc of the same area [px]."""
        return 2.0 * math.sqrt(self.area / math.pi)

    @property
    def equivalent_diameter_sd(self) -> float:
        """Its standard deviation [px]."""
        return self.area_sd / math.sqrt(math.pi * max(self.area, 1e-12))

    @property
    def circularity(self) -> float:
        """4π area / perimeter²: 1 for a disc."""
        return min(4.0 * math.pi * self.area / max(self.perimeter, 1e-12) ** 2, 1.0)


def measure(
    image: NDArray[np.float32],
    detection: Detection,
    cut: NDArray[np.bool_],
    blur_px: float | None = None,
    *,
    edges: Believed = "always",
    progress: Callable[[float], None] | None = None,
) -> tuple[tuple[FoundOne, ...], float]:
    """Measure every particle of a detection.

    Parameters
    ----------
    image : ndarray of float32, shape (rows, columns)
        Without damage.
    detection : Detection
    cut : ndarray of bool, shape (rows, columns)
        Where nothing can be seen: a particle beside it is cut as by the border.
    blur_px : float, optional
        Gaussian width of the probe [px]; by default read off the particles' edges.
    edges : {"always", "clear", "alike"}
        Where brightness is believed on where a particle ends: always, as on an even film; where
        its label says much the same or the particle ends clearly there; where its label says the
        same.
    progress : callable, optional
        Called with the share that is done, 0 … 1.

    Returns
    -------
    particles : tuple of FoundOne
        In the order of the labels.
    blur_px : float
        The width that was used [px].
    """
    from threadpoolctl import threadpool_limits

    # Thousands of small matrices: threads that wait for each other take ten times as long.
    with threadpool_limits(limits=1, user_api="blas"):
        return _measured(image, detection, cut, blur_px, edges, progress)


def _measured(
    image: NDArray[np.float32],
    detection: Detection,
    cut: NDArray[np.bool_],
    blur_px: float | None,
    edges: Believed,
    progress: Callable[[float], None] | None,
) -> tuple[tuple[FoundOne, ...], float]:
    bright = image if detection.contrast == "bright" else -image
    labels, boxes = detection.labels, bounding_boxes(detection.labels)
    borders = [_on_border(labels, number, box, cut) for number, box in enumerate(boxes, start=1)]
    asked = _asked(bright, labels, boxes)
    blur = find_blur(list(asked.values()), blur_px)
    result = []
    for number, (box, border) in enumerate(zip(boxes, borders, strict=True), start=1):
        outline = _outline(bright, labels, number, box, blur, asked.pop(number, None))
        if outline.fitted and edges != "always":
            own = _around_pixels(labels, number, box)
            clear = edges == "clear"
            if not accepted(bright, labels, number, box, outline.points, own.points, clear=clear):
                outline = _unsure(own, outline)
        x, y = centroid(outline.points)
        small, large = feret(outline.points)
        around = perimeter(outline.points)
        area_sd = math.hypot(
            outline.area_sd, _SHIFT_PER_BLUR * blur.deviation * around, _DRAWN_SD_PX * around
        )
        result.append(
            FoundOne(
                label=number,
                bbox=box,
                outline=outline.points,
                centroid=(y, x),
                area=outline.area,
                area_sd=area_sd if outline.fitted else outline.area_sd,
                perimeter=around,
                min_feret=small,
                max_feret=large,
                confidence=float(detection.confidence[number - 1]),
                on_border=border,
                overlapped=bool(detection.overlapped[number - 1]),
                edges_fitted=outline.fitted,
            )
        )
        if progress is not None and number % 16 == 0:
            progress(number / len(detection))
    return tuple(result), blur.width


Box = tuple[int, int, int, int]


def bounding_boxes(labels: NDArray[np.int32]) -> list[Box]:
    """First row and column, and one past the last, of each label."""
    from scipy import ndimage

    return [
        (rows.start, cols.start, rows.stop, cols.stop)
        for rows, cols in ndimage.find_objects(labels)
    ]


def _on_border(labels: NDArray[np.int32], number: int, box: Box, cut: NDArray[np.bool_]) -> bool:
    """True if the edge of the image, or something that hides it, cuts a particle."""
    rows, cols = labels.shape
    if box[0] == 0 or box[1] == 0 or box[2] == rows or box[3] == cols:
        return True
    wide = (slice(max(0, box[0] - 2), box[2] + 2), slice(max(0, box[1] - 2), box[3] + 2))
    return bool(cut[wide].any()) and _beside(labels[wide] == number, cut[wide])


def _asked(
    bright: NDArray[np.float32], labels: NDArray[np.int32], boxes: list[Box]
) -> dict[int, Isolated]:
    """The particles that tell the width of the probe by label, some hundred at most."""
    step = max(1, len(boxes) // _ASKED)
    isolated = {}
    for number, box in list(enumerate(boxes, start=1))[::step]:
        with suppress(FeatureError, np.linalg.LinAlgError):
            isolated[number] = isolate_label(bright, labels, number, box)
    return isolated


def _beside(own: NDArray[np.bool_], cut: NDArray[np.bool_]) -> bool:
    from scipy import ndimage

    return bool((ndimage.binary_dilation(own, iterations=2) & cut).any())


def _outline(
    bright: NDArray[np.float32],
    labels: NDArray[np.int32],
    number: int,
    box: Box,
    blur: Blur,
    isolated: Isolated | None,
) -> Outline:
    """The outline [px of the image]; that of the label's pixels where the particle hardly shows.

    `isolated` is the particle, where it has been cut out before.
    """
    try:
        isolated = isolated or isolate_label(bright, labels, number, box)
        line = draw_outline(isolated, blur.width, blur.steep)
    except (FeatureError, ValueError, np.linalg.LinAlgError):
        return _around_pixels(labels, number, box)
    return replace(line, points=line.points + np.array(isolated.first[::-1], np.float64))


def _unsure(own: Outline, other: Outline) -> Outline:
    """The label's outline, as unsure as the two differ."""
    return replace(own, area_sd=max(own.area_sd, 0.5 * abs(own.area - other.area)))


def _around_pixels(labels: NDArray[np.int32], number: int, box: Box) -> Outline:
    own = labels[box[0] : box[2], box[1] : box[3]] == number
    points = _core.level_line(own.astype(np.float64), 0.5)
    if signed_area(points) < 0:
        points = points[::-1]
    points = points + np.array([box[1], box[0]], np.float64)
    area = float(np.count_nonzero(own))
    # Half a pixel either way around the label.
    return Outline(points, False, area, 0.5 * perimeter(points), fitted=False)
