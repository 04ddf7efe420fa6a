"""Pictures of images: grey, with a scale bar, on axes and in notebooks."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stemfast.image.facts import Imaged
from stemfast.image.scale_bar import round_length, scale_bar

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIDE_PX = 320  # about the width of one image in a notebook
_SHEET = 4  # images a row of a stack, and rows
_STRIP_PX = 20


def draw(image: Imaged, axes: Axes | None, options: dict[str, Any]) -> Axes:
    """Draw an image on axes: see `Image.plot`.

    Raises
    ------
    ValueError
        If it is a stack.
    """
    pixels = image.pixels
    if pixels.ndim != 2:
        raise ValueError(
            f"plot draws one image, got a stack of shape {pixels.shape}: take one, with images[i], "
            "or draw all with stemfast.plots.gallery"
        )
    if axes is None:
        from matplotlib import pyplot

        axes = pyplot.subplots(layout="constrained")[1]
    axes.imshow(pixels, **{"cmap": "gray", "interpolation": "nearest", **options})
    axes.set_axis_off()
    axes.set_title(f"{image.title} [{image.unit}]" if image.title else f"[{image.unit}]")
    scale_bar(axes, pixels.shape, image.pixel_size_nm)
    return axes


def grey_levels(pixels: NDArray[Any]) -> tuple[NDArray[np.uint8], float, float]:
    """8-bit grey of an image, and its least (0) and largest (255) finite value.

    Examples
    --------
    >>> grey, low, high = grey_levels(np.array([[-3.0, 12.0], [np.inf, 4.5]]))
    >>> grey.tolist(), float(low), float(high)
    ([[0, 255], [255, 128]], -3.0, 12.0)
    """
    values = np.asarray(pixels, np.float64)
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    values = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
    grey = np.round((values - low) * (255.0 / (high - low if high > low else 1.0)))
    return grey.astype(np.uint8), low, high


def notebook_png(image: Imaged) -> bytes:
    """PNG of an image, or of the first sixteen of a stack, with a scale bar below.

    Examples
    --------
    >>> from stemfast.image import Image
    >>> notebook_png(Image(np.eye(16), 0.5))[1:4]
    b'PNG'
    """
    from PIL import Image as Picture

    sheet, columns = _sheet(image.pixels)
    zoom = _zoom(sheet.shape[1], _SIDE_PX if columns == 1 else 2 * _SIDE_PX)
    width, height = (max(1, round(zoom * side)) for side in sheet.shape[::-1])
    how = Picture.Resampling.NEAREST if zoom >= 1 else Picture.Resampling.BOX
    picture = Picture.new("L", (max(width, _SIDE_PX), height + _STRIP_PX), 255)
    picture.paste(Picture.fromarray(sheet).resize((width, height), how), (0, 0))
    _write_strip(picture, image, zoom, image.pixels.shape[-1], height)
    file = io.BytesIO()
    picture.save(file, format="PNG")
    return file.getvalue()


def _sheet(pixels: NDArray[Any]) -> tuple[NDArray[np.uint8], int]:
    """One image in grey, or images of a stack side by side, each in its own grey; and columns."""
    rows, columns = pixels.shape[-2:]
    stack = pixels.reshape(-1, rows, columns)[: _SHEET**2]
    across = min(_SHEET, len(stack))
    down = math.ceil(len(stack) / across)
    gap = 0 if len(stack) == 1 else max(1, columns // 32)
    sheet = np.full((down * (rows + gap) - gap, across * (columns + gap) - gap), 255, np.uint8)
    for k, one in enumerate(stack):
        top, left = k // across * (rows + gap), k % across * (columns + gap)
        sheet[top : top + rows, left : left + columns] = grey_levels(one)[0]
    return sheet, across


def _zoom(width: int, wanted: int) -> float:
    """Whole steps up, so that pixels stay squares; any step down."""
    return float(-(-wanted // width)) if width <= wanted else wanted / width


def _write_strip(picture: Any, image: Imaged, zoom: float, columns: int, top: int) -> None:
    from PIL import ImageDraw

    pen = ImageDraw.Draw(picture)
    words = repr(image).partition(" of ")[2]
    left = 4
    try:
        size = image.pixel_size_nm
    except ValueError:  # a stack of several pixel sizes has no one bar
        pass
    else:
        length = round_length(0.28 * columns * size)
        bar = max(1, round(length / size * zoom))
        pen.rectangle((left, top + 8, left + bar, top + 11), fill=0)
        words, left = f"{length:g} nm | {words}", left + bar + 6
    pen.text((left, top + 4), words.encode("latin-1", "replace").decode("latin-1"), fill=0)
