"""A micrograph as a picture to draw on: grey image, and a strip below for scale and legend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from stemfast.image.scale_bar import round_length
from stemfast.plots.figure import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from numpy.typing import NDArray

__all__ = ["closed_lines", "field_figure", "legend_below", "scale_below"]

_LONG_SIDE_INCHES = 7.5
_DPI = 160
_MOST_PX = 1600
_STRIP_INCHES, _TITLE_INCHES, _MARGIN_INCHES = 0.5, 0.3, 0.08
_HALO = 2.6


def field_figure(
    image: NDArray[Any], *, title: str = "", strip_inches: float = _STRIP_INCHES
) -> tuple[Figure, Axes, Axes]:
    """Figure of an image, with a title above and an empty strip below.

    Parameters
    ----------
    image : ndarray, shape (rows, columns)
        Shown from its 0.5th to its 99.8th percentile, the dark parts lifted.
    title : str
    strip_inches : float
        Height of the strip [inches].

    Returns
    -------
    figure, axes, strip
        The axes have the image's pixels for coordinates, those of the strip the same columns.

    Examples
    --------
    >>> figure, axes, strip = field_figure(np.eye(32), title="an eye")
    >>> axes.get_xlim() == strip.get_xlim()
    True
    """
    rows, cols = image.shape
    step = max(1, math.ceil(max(rows, cols) / _MOST_PX))
    shown = image
    if step > 1:
        cut = image[: rows - rows % step, : cols - cols % step]
        shown = cut.reshape(rows // step, step, cols // step, step).mean(axis=(1, 3))
    low, high = np.percentile(shown, [0.5, 99.8])
    grey = np.clip((shown - low) / max(float(high - low), 1e-30), 0.0, 1.0) ** 0.6
    scale = _LONG_SIDE_INCHES / max(rows, cols)
    width, height = cols * scale, rows * scale
    across = max(width, 3.0) + 2 * _MARGIN_INCHES
    down = height + _TITLE_INCHES + strip_inches + _MARGIN_INCHES
    figure = new_figure(across, down, dpi=_DPI, constrained=False)
    left = 0.5 * (across - width)
    axes = figure.add_axes((left / across, strip_inches / down, width / across, height / down))
    axes.imshow(
        np.asarray(255 * grey, np.uint8),
        cmap="gray",
        vmin=0,
        vmax=255,
        interpolation="nearest",
        extent=(-0.5, shown.shape[1] * step - 0.5, shown.shape[0] * step - 0.5, -0.5),
    )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlim(-0.5, cols - 0.5)
    axes.set_ylim(rows - 0.5, -0.5)
    if title:
        axes.set_title(title, fontsize=9, pad=4)
    strip = figure.add_axes((left / across, 0.0, width / across, strip_inches / down))
    strip.set_axis_off()
    strip.set_xlim(-0.5, cols - 0.5)
    strip.set_ylim(0.0, 1.0)
    return figure, axes, strip


def scale_below(strip: Axes, pixel_size_nm: float | None) -> None:
    """Draw a scale bar of a round length into the strip below an image.

    Parameters
    ----------
    strip : matplotlib.axes.Axes
        As `field_figure` gives it.
    pixel_size_nm : float or None
        Pixel size [nm]; None where it is not known, then the bar is in px.
    """
    low, high = strip.get_xlim()
    length = round_length(0.2 * (high - low) * (pixel_size_nm or 1.0))
    end = low + length / (pixel_size_nm or 1.0)
    strip.plot([low, end], [0.72, 0.72], color="black", linewidth=3, solid_capstyle="butt")
    unit = "px" if pixel_size_nm is None else "nm"
    strip.text(0.5 * (low + end), 0.52, f"{length:g} {unit}", fontsize=8, ha="center", va="top")


def legend_below(strip: Axes, lines: Sequence[Line2D], *, title: str | None = None) -> None:
    """Put a legend into the strip below an image, in columns right of the scale bar."""
    strip.legend(
        handles=list(lines),
        loc="upper right",
        bbox_to_anchor=(1.0, 0.98),
        borderaxespad=0.0,
        ncols=min(3, max(1, -(-len(lines) // 3) if len(lines) > 3 else len(lines))),
        frameon=False,
        fontsize=7,
        title=title,
        title_fontsize=7,
        columnspacing=1.2,
        handlelength=2.2,
    )


def closed_lines(
    axes: Axes,
    lines: Sequence[NDArray[np.float64]],
    colours: Sequence[str],
    styles: Sequence[str],
    *,
    width: float = 1.1,
) -> None:
    """Draw closed lines with a dark rim, so that they show on bright and on dark parts.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    lines : sequence of ndarray, shape (n, 2)
        x, y of each line's points.
    colours, styles : sequence of str
        Of each line.
    width : float
        Of the lines [points].
    """
    from matplotlib.collections import LineCollection

    closed = [np.vstack([line, line[:1]]) for line in lines]
    axes.add_collection(
        LineCollection(closed, colors="black", linewidths=_HALO * width, alpha=0.55)
    )
    axes.add_collection(
        LineCollection(closed, colors=list(colours), linewidths=width, linestyles=list(styles))
    )
