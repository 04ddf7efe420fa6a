"""The answer to look at: what was measured, what the answer would give, and what is left over."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.atomic import write_bytes
from stemfast.image.scale_bar import scale_bar
from stemfast.plots.figure import new_figure
from stemfast.reconstruction.answer import NOT_EXPLAINED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from stemfast.reconstruction.answer import Reconstruction
    from stemfast.reconstruction.families import FamilyReconstruction

__all__ = ["draw", "png_bytes", "write_picture"]

Float: TypeAlias = NDArray[np.float64]

_PANEL_INCHES, _LABEL_INCHES, _BAR_INCHES = 1.3, 0.9, 0.65
_DPI = 130
_SIGMAS = 5.0
_GOOD, _BAD, _NETWORK = "#4477aa", "#cc3311", "#ddaa33"


def draw(answer: Reconstruction | FamilyReconstruction) -> Figure:
    """Draw the images of an answer.

    From the top: the images, the same as the answer would give them, the difference in standard
    deviations of the noise, how much of the signal no noise explains, and how much each image
    counted; where a network proposed, its attention beside that.

    Parameters
    ----------
    answer : Reconstruction or FamilyReconstruction

    Returns
    -------
    matplotlib.figure.Figure
    """
    n = len(answer.images)
    columns = max(n, 3)
    width = columns * _PANEL_INCHES + _LABEL_INCHES
    height = 3 * _PANEL_INCHES + 2 * _BAR_INCHES + 0.6
    figure = new_figure(width, height, dpi=_DPI)
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.02)  # type: ignore[union-attr, call-arg]
    heights = [_PANEL_INCHES] * 3 + [_BAR_INCHES] * 2
    grid = figure.add_gridspec(5, n, height_ratios=heights)
    _panels(figure, grid, answer)
    _bars(figure, grid, answer)
    figure.suptitle(_title(answer), fontsize=9, color="black" if answer.explained else _BAD)
    return figure


def png_bytes(answer: Reconstruction | FamilyReconstruction) -> bytes:
    """The picture of an answer as a PNG file."""
    content = BytesIO()
    draw(answer).savefig(content, format="png")
    return content.getvalue()


def write_picture(path: str | Path, answer: Reconstruction | FamilyReconstruction) -> Path:
    """Write the picture of an answer as PNG, whole or not at all."""
    write_bytes(path, png_bytes(answer))
    return Path(path)


def _panels(figure: Figure, grid: Any, answer: Reconstruction | FamilyReconstruction) -> None:
    rows: list[list[Any]] = [[], [], []]
    picture = None
    for k, image in enumerate(answer.images):
        low = float(np.nanmin(image.expected))
        high = max(float(np.nanmax(image.expected)), float(np.nanquantile(image.measured, 0.998)))
        off = (image.measured - image.expected) / image.noise
        for row, values in enumerate((image.measured, image.expected, off)):
            axes = figure.add_subplot(grid[row, k])
            axes.set_xticks([])
            axes.set_yticks([])
            for spine in axes.spines.values():
                spine.set_linewidth(0.3)
            rows[row].append(axes)
            if row < 2:
                axes.imshow(values, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
            else:
                picture = axes.imshow(
                    values, cmap="RdBu_r", vmin=-_SIGMAS, vmax=_SIGMAS, interpolation="nearest"
                )
        rows[0][-1].set_title(image.name, fontsize=6.5, pad=3)
        scale_bar(rows[0][-1], image.measured.shape, image.pixel_size_nm)
    for row, text in enumerate(("measured", "re-simulated", "difference")):
        rows[row][0].set_ylabel(text, fontsize=7.5)
    assert picture is not None
    # It takes room from all rows alike, so that images stay above each other.
    every = [axes for row in rows for axes in row]
    bar = figure.colorbar(
        picture, ax=every, fraction=0.08, pad=0.01, shrink=0.32, anchor=(0.0, 0.0)
    )
    bar.set_label("noise σ", fontsize=6.5)
    bar.ax.tick_params(labelsize=6)


def _bars(figure: Figure, grid: Any, answer: Reconstruction | FamilyReconstruction) -> None:
    places = np.arange(len(answer.images))
    misfit = figure.add_subplot(grid[3, :])
    colours = [_GOOD if image.explained else _BAD for image in answer.images]
    misfit.bar(places, [100 * image.misfit for image in answer.images], 0.6, color=colours)
    misfit.set_ylabel("misfit [%\nof signal]", fontsize=7)
    weight = figure.add_subplot(grid[4, :])
    network = any(image.attention is not None for image in answer.images)
    width = 0.35 if network else 0.6
    shift = 0.5 * width if network else 0.0
    shares = [100 * image.weight for image in answer.images]
    weight.bar(places - shift, shares, width, color=_GOOD, label="weight in the fit")
    if network:
        attention = [100 * (image.attention or 0.0) for image in answer.images]
        weight.bar(places + shift, attention, width, color=_NETWORK, label="network's attention")
        weight.legend(
            fontsize=6, frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1.0, 0.94)
        )
    weight.set_ylabel("weight [%]", fontsize=7)
    for axes in (misfit, weight):
        axes.set_xlim(-0.5, len(places) - 0.5)
        axes.set_xticks([])
        axes.tick_params(labelsize=6)
        axes.spines[["top", "right"]].set_visible(False)
    low = misfit.get_ylim()[1]
    misfit.set_ylim(0.0, max(low, 5.0))


def _title(answer: Reconstruction | FamilyReconstruction) -> str:
    if not answer.explained:
        return f"{NOT_EXPLAINED}: {100 * answer.misfit:.0f} % of the signal is left over"
    return answer.title
