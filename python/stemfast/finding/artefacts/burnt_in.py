"""Graphics drawn into an image after it was taken: letters, scale bars, panels, data bars.

Such graphics have one grey level, the image's darkest or brightest, and edges as sharp as the
pixels or a pixel's smoothing. A particle has neither, but for one that saturates the detector; so
their form decides as well: letters are strokes, bars and panels are rectangles along the pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["BurntIn", "Rectangle", "find_burnt_in"]

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]

_TOLERANCE = 8.0 / 255.0  # JPEG moves a drawn grey level by a few of 255
_LEAST_PX, _MOST_PIECES = 8, 4000
_SHARP_STEP, _SHARP_SHARE = 0.25, 0.6
_KINDS = ("bar", "letter", "panel")
_RUN_PX, _EVEN = 9, 2.0 / 255.0
_FULL, _BAR_ASPECT, _BAR_SHARE = 0.88, 1.9, 0.04
_FULL_HAIR, _HAIR_ASPECT = 0.75, 15.0
_WHOLE_WIDTH, _LONGEST_BAR, _GREY_ASPECT = 0.9, 0.6, 5.0
_TALLEST, _SHORTEST_PX = 0.16, 6
_STROKE = 0.36  # a stroke's width over the letter's height, at most
_HALO_PX = 3
_FAINT_PX, _FAINT = 10, 0.75
_MOST_SIDE_PX = 2304  # larger images are looked at in every second, third … pixel
_PANEL_PX = 300
_STRIP_SHARE, _DEEPEST_STRIP, _STRIP_STEP, _STRIP_EDGE = 0.55, 0.25, 0.06, 0.8


@dataclass(frozen=True)
class Rectangle:
    """A drawn rectangle: first row, first column, one past the last row and column [px]."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top


@dataclass(frozen=True, eq=False)
class BurntIn:
    """Graphics in an image.

    Attributes
    ----------
    mask : ndarray of bool, shape (rows, columns)
        Their pixels with a rim for the smoothing.
    bars : tuple of Rectangle
        What may be scale bars, the likeliest first.
    letters, panels : int
        How many of each.
    strip : tuple of int or None
        First and one past the last row of a data bar across the image.
    """

    mask: Mask = field(repr=False)
    bars: tuple[Rectangle, ...]
    letters: int
    panels: int
    strip: tuple[int, int] | None

    def notes(self) -> list[str]:
        """Notes for the user on the graphics found."""
        parts = []
        if self.strip is not None:
            parts.append(f"a data bar in rows {self.strip[0]} to {self.strip[1] - 1}")
        for number, one, many in (
            (len(self.bars), "a scale bar", "bars"),
            (self.letters, "a letter", "letters"),
            (self.panels, "a panel", "panels"),
        ):
            if number:
                parts.append(one if number == 1 else f"{number} {many}")
        return [f"left out what is drawn into the image: {', '.join(parts)}"] if parts else []


def find_burnt_in(image: Image) -> BurntIn:
    """Find letters, scale bars, panels and data bars in an image.

    Parameters
    ----------
    image : ndarray of float32, shape (rows, columns)

    Returns
    -------
    BurntIn

    Examples
    --------
    >>> image = np.random.default_rng(1).normal(100, 10, (128, 128)).astype(np.float32)
    >>> image[110:114, 20:60] = 255
    >>> find_burnt_in(image).bars
    (Rectangle(top=110, left=20, bottom=114, right=60),)
    """
    step = -(-max(image.shape) // _MOST_SIDE_PX)
    if step > 1:
        return _enlarged(find_burnt_in(image[::step, ::step]), step, image.shape)
    low, high = float(image.min()), float(image.max())
    span = max(high - low, 1e-30)
    mask = np.zeros(image.shape, bool)
    strip = _data_bar(image, low, high)
    if strip is not None:
        mask[strip[0] : strip[1]] = True
    bars: list[Rectangle] = []
    letters = panels = 0
    extremes = [np.abs(image - level) <= _TOLERANCE * span for level in (low, high)]
    grey = _even_runs(image, span) & ~extremes[0] & ~extremes[1]
    for flat, kinds in (*((e, _KINDS) for e in extremes), (grey, ("bar",))):
        pieces = list(_drawn(image, flat, span, kinds))
        if flat is grey:  # an even face of a crystal is a grey rectangle as well, but no long one
            pieces = [p for p in pieces if p.box.width >= _GREY_ASPECT * p.box.height]
        drawn_bars = [p for p in pieces if p.kind == "bar"]
        marks = _rows_of_letters([p for p in pieces if p.kind == "letter"], drawn_bars, image.shape)
        drawn_panels = [p for p in pieces if p.kind == "panel"]
        for piece in (*drawn_bars, *drawn_panels):
            box = piece.box
            mask[box.top : box.bottom, box.left : box.right] |= piece.mask
        for piece in marks:
            _add_letter(image, mask, piece)
        letters, panels = letters + len(marks), panels + len(drawn_panels)
        for box in (p.box for p in drawn_bars):
            if strip is None and box.width > _WHOLE_WIDTH * image.shape[1] and box.height > 3:
                strip = (box.top, box.bottom)
            elif box.width < _LONGEST_BAR * image.shape[1]:
                bars.append(box)
    return BurntIn(_with_halo(mask), tuple(sorted(bars, key=_likely)), letters, panels, strip)


def _enlarged(found: BurntIn, step: int, shape: tuple[int, ...]) -> BurntIn:
    """Graphics found in every `step`-th pixel, drawn in all of them."""
    mask = found.mask.repeat(step, axis=0).repeat(step, axis=1)[: shape[0], : shape[1]]
    bars = tuple(
        Rectangle(b.top * step, b.left * step, b.bottom * step, b.right * step) for b in found.bars
    )
    strip = None if found.strip is None else (found.strip[0] * step, found.strip[1] * step)
    return BurntIn(np.ascontiguousarray(mask), bars, found.letters, found.panels, strip)


@dataclass(frozen=True, eq=False)
class _Piece:
    kind: str
    box: Rectangle
    mask: Mask


def _even_runs(image: Image, span: float) -> Mask:
    """Pixels in rows of at least `_RUN_PX` of the same grey level."""
    from scipy import ndimage

    range_ = ndimage.maximum_filter1d(image, _RUN_PX, axis=1) - ndimage.minimum_filter1d(
        image, _RUN_PX, axis=1
    )
    even: Mask = ndimage.maximum_filter1d((range_ <= _EVEN * span).view(np.uint8), _RUN_PX, axis=1)
    return even.astype(bool)


def _drawn(image: Image, flat: Mask, span: float, kinds: tuple[str, ...]) -> Iterator[_Piece]:
    """Pieces of one level with sharp edges that look like a bar, a letter or a panel."""
    from scipy import ndimage

    labels, count = ndimage.label(flat, structure=np.ones((3, 3)))
    if not count:
        return
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    chosen = np.flatnonzero(areas >= _LEAST_PX)
    if len(chosen) > _MOST_PIECES:  # a noisy image at the end of its scale, not graphics
        return
    windows = ndimage.find_objects(labels)
    for number in chosen:
        rows, cols = windows[number - 1]
        box = Rectangle(rows.start, cols.start, rows.stop, cols.stop)
        mask = labels[rows, cols] == number
        kind = _kind(mask, box, image.shape)
        if kind in kinds and _is_sharp(image, labels, int(number), box, span):
            yield _Piece(kind, box, ndimage.binary_fill_holes(mask) if kind == "panel" else mask)


def _kind(mask: Mask, box: Rectangle, shape: tuple[int, ...]) -> str:
    """Bar, panel or letter by form; "" for anything else."""
    from scipy import ndimage

    filled = ndimage.binary_fill_holes(mask)
    area = int(np.count_nonzero(filled))
    full = area / (box.width * box.height)
    aspect = box.width / box.height
    if full >= (_FULL if aspect < _HAIR_ASPECT else _FULL_HAIR):
        long = box.width >= max(_BAR_SHARE * shape[1], 8)
        holes = area - int(np.count_nonzero(mask)) > _LEAST_PX
        if long and aspect >= _BAR_ASPECT and not (holes and aspect < _HAIR_ASPECT):
            return "bar"
        edge = box.top == 0 or box.left == 0 or box.bottom == shape[0] or box.right == shape[1]
        if area >= _PANEL_PX and (edge or holes) and area < 0.3 * shape[0] * shape[1]:
            return "panel"
        return ""
    if not _SHORTEST_PX <= box.height <= _TALLEST * max(shape) or box.width > 2.5 * box.height:
        return ""
    depth = ndimage.distance_transform_cdt(np.pad(mask, 1), "chessboard")
    stroke = 2.0 * float(depth.max())
    return "letter" if stroke <= max(_STROKE * box.height, 4.0) else ""


def _is_sharp(
    image: Image, labels: NDArray[np.int32], number: int, box: Rectangle, span: float
) -> bool:
    """True if most of the pixels two steps outside are far from the piece's level."""
    from scipy import ndimage

    reach = 3
    window = (
        slice(max(0, box.top - reach), box.bottom + reach),
        slice(max(0, box.left - reach), box.right + reach),
    )
    own = labels[window] == number
    near = ndimage.binary_dilation(own, np.ones((3, 3)), iterations=2)
    rim = ndimage.binary_dilation(near, np.ones((3, 3))) & ~near
    if not rim.any():
        return False
    level = float(np.median(image[window][own]))
    far = np.abs(image[window][rim] - level) > _SHARP_STEP * span
    return bool(np.mean(far) > _SHARP_SHARE)


def _rows_of_letters(
    letters: list[_Piece], bars: list[_Piece], shape: tuple[int, ...]
) -> list[_Piece]:
    """The letters that stand in a row with others or a bar, or alone near the image's edge."""
    boxes = np.array([[p.box.top, p.box.left, p.box.bottom, p.box.right] for p in letters], float)
    kept = []
    for n, piece in enumerate(letters):
        box, height = piece.box, piece.box.height
        margin = 0.15 * min(shape)
        middle = (0.5 * (box.top + box.bottom), 0.5 * (box.left + box.right))
        beside = False
        if len(letters) > 1:
            others = np.delete(boxes, n, axis=0)
            tall = others[:, 2] - others[:, 0]
            gap = np.maximum(others[:, 1] - box.right, box.left - others[:, 3])
            level = np.minimum(others[:, 2], box.bottom) - np.maximum(others[:, 0], box.top)
            fits = (gap < 1.2 * height) & (level > 0.4 * np.minimum(tall, height))
            beside = bool(np.any(fits & (tall < 2.5 * height) & (tall > 0.4 * height)))
        at_bar = any(
            b.box.left - 3 * height < middle[1] < b.box.right + 3 * height
            and b.box.top - 3 * height < middle[0] < b.box.bottom + 3 * height
            for b in bars
        )
        near_edge = min(box.top, box.left, shape[0] - box.bottom, shape[1] - box.right) < margin
        if at_bar or (near_edge and (beside or height >= 10)) or beside:
            kept.append(piece)
    return kept


def _add_letter(image: Image, mask: Mask, piece: _Piece) -> None:
    """Put a letter into the mask with its parts that smoothing has made fainter."""
    from scipy import ndimage

    box = piece.box
    top, left = max(0, box.top - _FAINT_PX), max(0, box.left - _FAINT_PX)
    window = (slice(top, box.bottom + _FAINT_PX), slice(left, box.right + _FAINT_PX))
    own = np.zeros(image[window].shape, bool)
    rows, cols = box.top - top, box.left - left
    own[rows : rows + box.height, cols : cols + box.width] = piece.mask
    around = ~ndimage.binary_dilation(own, np.ones((3, 3)), iterations=2)
    level = float(np.median(image[window][own]))
    ground = float(np.median(image[window][around])) if around.any() else level
    alike = np.abs(image[window] - level) < _FAINT * abs(ground - level)
    mask[window] |= own | ndimage.binary_propagation(own, np.ones((3, 3)), mask=alike | own)


def _data_bar(image: Image, low: float, high: float) -> tuple[int, int] | None:
    """Rows at the bottom or the top that are mostly of one extreme level, ending in a step."""
    span = max(high - low, 1e-30)
    for level in (low, high):
        flat = np.mean(np.abs(image - level) <= 0.5 * _TOLERANCE * span, axis=1) > _STRIP_SHARE
        if flat.mean() > 0.5:
            continue
        for rows, from_bottom in ((flat[::-1], True), (flat, False)):
            if not rows[0]:
                continue
            depth = int(np.argmin(rows)) if not rows.all() else len(rows)
            # Lines of text or a frame interrupt it.
            while depth < len(rows) and rows[depth : depth + 25].any():
                depth += int(np.flatnonzero(rows[depth : depth + 25])[-1]) + 1
            if not 4 <= depth <= _DEEPEST_STRIP * len(rows):
                continue
            first = len(rows) - depth if from_bottom else 0
            last = len(rows) if from_bottom else depth
            if _ends_in_step(image, first, last, span):
                return first, last
    return None


def _ends_in_step(image: Image, first: int, last: int, span: float) -> bool:
    """True if the image's rows beside the strip differ from it over most of the width."""
    inside, outside = (first, first - 3) if first else (last - 1, last + 2)
    if not 0 <= outside < len(image):
        return False
    step = np.abs(np.median(image[inside]) - image[outside])
    return bool(np.mean(step > _STRIP_STEP * span) > _STRIP_EDGE)


def _with_halo(mask: Mask) -> Mask:
    from scipy import ndimage

    if not mask.any():
        return mask
    wide: Mask = ndimage.binary_dilation(mask, np.ones((3, 3)), iterations=_HALO_PX)
    return wide


def _likely(bar: Rectangle) -> float:
    """Order of scale bars: the longest first, thick ones before hair lines."""
    return -bar.width * math.sqrt(min(bar.height, 6))
