"""Images side by side in their own grey scales, with scale bars."""

from __future__ import annotations

import math
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stemfast.image.scale_bar import scale_bar
from stemfast.plots.figure import new_figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

__all__ = ["gallery"]

_PANEL_INCHES = 1.7


def gallery(
    images: Sequence[ArrayLike],
    titles: Sequence[str],
    path: str | PathLike[str],
    *,
    pixel_size_nm: float | Sequence[float] | None = None,
    outlines: Sequence[Sequence[ArrayLike]] | None = None,
    columns: int | None = None,
    title: str | None = None,
) -> Path:
    """Draw images side by side, each in its own grey scale from its minimum to its maximum.

    Parameters
    ----------
    images : sequence of (H, W) arrays
        Images; they may differ in size.
    titles : sequence of str
        One per image, drawn above it.
    path : path-like
        File to write; its ending chooses the format (.png, .pdf, .svg).
    pixel_size_nm : float or sequence of float, optional
        Size of the images' pixels, or of each image's [nm]; draws a scale bar into each.
    outlines : sequence of sequence of (m, 2) arrays, optional
        Closed outlines to draw over each image: rows and columns of their corners [px].
    columns : int, optional
        Images per row; default as square a grid as fits, at most six wide.
    title : str, optional
        Drawn above everything.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ValueError
        If there are no images, an image is not two-dimensional or not finite, titles, outlines or
        pixel sizes are not as many as the images, or a number is out of range.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> gallery([np.eye(16)], ["an eye"], folder / "eye.png", pixel_size_nm=0.35).name
    'eye.png'
    """
    arrays = [_image(f"images[{i}]", image) for i, image in enumerate(images)]
    if not arrays:
        raise ValueError("images must hold at least one image, got none")
    if len(titles) != len(arrays):
        raise ValueError(f"titles must be one per image ({len(arrays)}), got {len(titles)}")
    sizes = _pixel_sizes(pixel_size_nm, len(arrays))
    if outlines is not None and len(outlines) != len(arrays):
        raise ValueError(
            f"outlines must be one list per image ({len(arrays)}), got {len(outlines)}"
        )
    if columns is None:
        columns = min(6, math.ceil(math.sqrt(len(arrays))))
    if columns < 1:
        raise ValueError(f"columns must be at least 1, got {columns}")
    columns = min(columns, len(arrays))
    rows = math.ceil(len(arrays) / columns)
    height = rows * (_PANEL_INCHES + 0.2) + (0.35 if title else 0.0)
    figure = new_figure(columns * _PANEL_INCHES, height)
    # Ticks are laid out even where axes are off.
    grid = figure.subplots(rows, columns, squeeze=False, subplot_kw={"xticks": [], "yticks": []})
    for axes in grid.flat:
        axes.set_axis_off()
    for k, (axes, array, text) in enumerate(zip(grid.flat, arrays, titles, strict=False)):
        axes.imshow(array, cmap="gray", interpolation="nearest")
        axes.set_title(text, fontsize=7.5, pad=3)
        if sizes:
            scale_bar(axes, array.shape, sizes[k])
        if outlines is not None:
            _outlined(axes, array.shape, outlines[k])
    if title:
        figure.suptitle(title, fontsize=10)
    return save(figure, path)


def _pixel_sizes(pixel_size_nm: float | Sequence[float] | None, count: int) -> list[float]:
    if pixel_size_nm is None:
        return []
    sizes = list(pixel_size_nm) if isinstance(pixel_size_nm, Sequence) else [pixel_size_nm] * count
    if len(sizes) != count:
        raise ValueError(f"pixel_size_nm must be one or one per image ({count}), got {len(sizes)}")
    for size in sizes:
        if not 0.0 < size < math.inf:
            raise ValueError(f"pixel_size_nm must be positive and finite, got {size}")
    return sizes


def _outlined(axes: Axes, shape: tuple[int, ...], outlines: Sequence[ArrayLike]) -> None:
    from matplotlib.collections import PolyCollection

    corners = [np.asarray(outline, np.float64)[:, ::-1] for outline in outlines]
    axes.add_collection(
        PolyCollection(corners, facecolors="none", edgecolors="tab:orange", linewidths=0.6)
    )
    axes.set_xlim(-0.5, shape[1] - 0.5)
    axes.set_ylim(shape[0] - 0.5, -0.5)


def _image(name: str, image: ArrayLike) -> NDArray[Any]:
    array = np.asarray(image)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"{name} must be two-dimensional, (H, W), got shape {array.shape}")
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return array
