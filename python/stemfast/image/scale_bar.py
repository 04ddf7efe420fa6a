"""Scale bars of a round length."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def scale_bar(axes: Axes, shape: tuple[int, ...], pixel_size_nm: float | None) -> None:
    """Draw a scale bar of a round length, about a quarter of the image wide, at the lower left.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Axes that show the image in pixel coordinates.
    shape : (int, int)
        Shape of the image [px].
    pixel_size_nm : float or None
        Pixel size [nm]; None where it is not known, for a bar in px.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> axes = Figure().add_subplot()
    >>> _ = axes.imshow(np.zeros((64, 64)))
    >>> scale_bar(axes, (64, 64), pixel_size_nm=0.5)
    >>> axes.texts[0].get_text()
    '5 nm'
    """
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import withStroke

    size, unit = (1.0, "px") if pixel_size_nm is None else (pixel_size_nm, "nm")
    told = round_length(0.28 * shape[1] * size)
    length, margin = told / size, 0.05 * shape[1]
    thickness = 0.025 * shape[0]
    left, bottom = margin - 0.5, shape[0] - 0.5 - margin
    axes.add_patch(
        Rectangle(
            (left, bottom - thickness),
            length,
            thickness,
            facecolor="white",
            edgecolor="black",
            linewidth=0.3,
        )
    )
    axes.text(
        left + length / 2,
        bottom - thickness - 0.02 * shape[0],
        f"{told:g} {unit}",
        color="white",
        fontsize=6.5,
        ha="center",
        va="bottom",
        path_effects=[withStroke(linewidth=1.2, foreground="black")],
    )


def round_length(length: float) -> float:
    """Largest of 1, 2, 5 times a power of ten that is not longer.

    Examples
    --------
    >>> round_length(37.0)
    20.0
    """
    decade = float(10.0 ** math.floor(math.log10(length)))
    return max(step for step in (1.0, 2.0, 5.0) if step * decade <= length * (1 + 1e-12)) * decade
