"""Descriptions as a picture: what was found drawn over what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.describing.description import Description
from stemfast.image.scale_bar import scale_bar
from stemfast.micrograph.files.feature_error import FeatureError
from stemfast.plots.figure import new_figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_features", "draw_on"]

# Of Okabe and Ito's palette for every kind of colour vision.
OUTLINE, INTERIOR, CREASE = "#56b4e9", "#f0e442", "#e69f00"
_LONG_SIDE_INCHES = 7.5
_DPI = 160


def draw_features(
    image: ArrayLike,
    pixel_size_nm: float | None,
    described: Sequence[Description | FeatureError],
    path: str | Path,
) -> Path:
    """Draw the outlines, corners and creases of particles over their image.

    Outlines are blue with a dot on each corner, creases orange, interior corners yellow squares. A
    flagged particle's outline is dashed. Each has its number in the table beside it.

    Parameters
    ----------
    image : array_like, shape (rows, columns)
    pixel_size_nm : float or None
        Pixel size [nm]; None where it is not known.
    described : sequence of Description or FeatureError
        Errors are left out.
    path : str or Path
        The picture; its suffix (.png, .pdf, .svg) chooses the format. Its folder must exist.

    Returns
    -------
    Path
        The picture written.

    Raises
    ------
    FeatureError
        If the folder does not exist.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "features.png"
    >>> draw_features(np.eye(32), 0.5, [], file).name
    'features.png'
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise FeatureError(f"{target}: no such folder {target.parent}, expected one that exists")
    pixels = np.asarray(image, dtype=np.float64)
    rows, cols = pixels.shape
    scale = _LONG_SIDE_INCHES / max(rows, cols)
    figure = new_figure(cols * scale, rows * scale, dpi=_DPI, constrained=False)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    _show(axes, pixels)
    scale_bar(axes, (rows, cols), pixel_size_nm)
    for number, one in enumerate(described, start=1):
        if isinstance(one, Description):
            draw_on(axes, one, (rows, cols), label=str(number))
    axes.set_xlim(-0.5, cols - 0.5)
    axes.set_ylim(rows - 0.5, -0.5)
    return save(figure, target)


def draw_on(
    axes: Axes, one: Description, image_shape: tuple[int, int], *, label: str | None = None
) -> None:
    """Draw one description over an image that `axes` shows in pixels."""
    middle = 0.5 * (np.array(image_shape[::-1]) - 1.0)

    def pixels(places: NDArray[np.float64]) -> NDArray[np.float64]:
        return places / one.pixel_size_nm + middle

    outline = pixels(one.outline_nm)
    closed = np.vstack([outline, outline[:1]])
    axes.plot(*closed.T, color=OUTLINE, lw=1.0, ls="--" if one.flags else "-")
    if not one.is_round:
        axes.plot(*outline.T, ".", color=OUTLINE, ms=5)
    for crease in one.creases_nm:
        axes.plot(*pixels(crease).T, color=CREASE, lw=0.8)
    axes.plot(*pixels(one.interior_nm).T, "s", mec=INTERIOR, mfc="none", ms=5, mew=1.2)
    if label is not None:
        top = outline[np.argmin(outline[:, 1])]
        axes.annotate(
            label,
            (float(top[0]), float(top[1])),
            xytext=(0, 2),
            textcoords="offset points",
            color="white",
            fontsize=8,
            ha="center",
            va="bottom",
        )


def _show(axes: Axes, pixels: NDArray[np.float64]) -> None:
    low, high = np.percentile(pixels, [0.5, 99.8])
    grey = np.clip((pixels - low) / max(float(high - low), 1e-30), 0.0, 1.0)
    axes.imshow(grey**0.6, cmap="gray", interpolation="nearest")
