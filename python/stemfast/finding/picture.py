"""Pictures of a search: the outlines over the image, and the sizes as a histogram."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stemfast.finding.measured import FoundOne
from stemfast.finding.population import Population
from stemfast.finding.source import Source
from stemfast.plots.field import closed_lines, field_figure, legend_below, scale_below
from stemfast.plots.figure import new_figure, save
from stemfast.tables import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

__all__ = ["colour_of", "draw_found", "draw_sizes", "size_bins"]

Floats = NDArray[np.float64]

# Of Okabe and Ito's palette for every kind of colour vision.
_ALONE, _OVERLAPPED, _CUT, _BAR = "#56c4f9", "#f6a800", "#f0a0d0", "#ff5a3c"
_NUMBERED = 80
_MOST_BINS = 40


def draw_found(source: Source, found: Sequence[FoundOne], path: str | Path) -> Path:
    """Draw the outline of every particle over the image.

    Blue: alone. Orange: touches or overlaps another. Pink and dashed: cut by the border. Dotted:
    confidence below one half. Up to eighty particles have their numbers in the table. A scale bar
    that gave the scale has a red frame.

    Parameters
    ----------
    source : Source
        The image and its scale.
    found : sequence of FoundOne
        Its particles.
    path : str or Path
        The picture; its suffix chooses the format. Its folder must exist.

    Returns
    -------
    Path
        The picture written.
    """
    word = "particle" if len(found) == 1 else "particles"
    figure, axes, strip = field_figure(source.image, title=f"{source.name}: {len(found)} {word}")
    scale_below(strip, source.pixel_size_nm)
    width = 1.1 if len(found) <= 300 else 0.7
    closed_lines(
        axes,
        [one.outline for one in found],
        [colour_of(one) for one in found],
        [_style(one) for one in found],
        width=width,
    )
    if len(found) <= _NUMBERED:
        _number(axes, found)
    bar = source.bar
    if bar is not None:
        box = np.array(
            [
                [bar.box.left, bar.box.top],
                [bar.box.right, bar.box.top],
                [bar.box.right, bar.box.bottom],
                [bar.box.left, bar.box.bottom],
            ],
            np.float64,
        )
        closed_lines(axes, [box - 0.5], [_BAR], ["solid"])
    legend_below(strip, _legend(source, found))
    return save(figure, path)


def colour_of(one: FoundOne) -> str:
    """Colour of its outline: see `draw_found`."""
    return _CUT if one.on_border else _OVERLAPPED if one.overlapped else _ALONE


def _style(one: FoundOne) -> str:
    return "dashed" if one.on_border else "dotted" if one.confidence < 0.5 else "solid"


def _legend(source: Source, found: Sequence[FoundOne]) -> list[Line2D]:
    from matplotlib.lines import Line2D

    kinds = {
        "alone": (_ALONE, "solid", [o for o in found if not o.on_border and not o.overlapped]),
        "touching or overlapping": (
            _OVERLAPPED,
            "solid",
            [o for o in found if o.overlapped and not o.on_border],
        ),
        "cut by the border": (_CUT, "dashed", [o for o in found if o.on_border]),
        "confidence below ½": (
            _ALONE,
            "dotted",
            [o for o in found if o.confidence < 0.5 and not o.on_border],
        ),
    }
    lines = [
        Line2D([], [], color=colour, ls=style, label=f"{name} ({len(those)})")
        for name, (colour, style, those) in kinds.items()
        if those
    ]
    if source.bar is not None:
        label = f"scale bar, {source.bar.length_px:g} px"
        lines.append(Line2D([], [], color=_BAR, label=label))
    return lines


def _number(axes: Axes, found: Sequence[FoundOne]) -> None:
    from matplotlib.patheffects import withStroke

    for one in found:
        row, col = one.centroid
        axes.text(
            col,
            row,
            str(one.label),
            color="white",
            fontsize=6,
            ha="center",
            va="center",
            path_effects=[withStroke(linewidth=1.4, foreground="black")],
        )


def draw_sizes(sizes: Population, path: str | Path, *, title: str = "") -> Path:
    """Draw a histogram of diameters with mean, spread, median, count and the log-normal fit.

    Parameters
    ----------
    sizes : Population
    path : str or Path
        The picture; its suffix chooses the format. Its folder must exist.
    title : str
        Drawn above it.

    Returns
    -------
    Path
        The picture written.

    Examples
    --------
    >>> import tempfile
    >>> from stemfast.finding.population import population
    >>> file = Path(tempfile.mkdtemp()) / "sizes.png"
    >>> draw_sizes(population([9.0, 10.0, 11.0], [False] * 3, unit="nm"), file).name
    'sizes.png'
    """
    figure = new_figure(5.6, 3.9)
    axes = figure.subplots()
    axes.set_xlabel(f"equivalent diameter [{sizes.unit}]")
    axes.set_ylabel("particles")
    if title:
        axes.set_title(title, fontsize=9)
    d = sizes.diameters
    if len(d):
        edges = size_bins(d)
        axes.hist(d, bins=edges.tolist(), color="#56b4e9", edgecolor="white", linewidth=0.5)
        if len(d) > 2 and sizes.lognormal_sigma > 0:
            x = np.linspace(max(edges[0], 1e-9), edges[-1], 300)
            z = (np.log(x) - math.log(sizes.lognormal_median)) / sizes.lognormal_sigma
            density = np.exp(-0.5 * z * z) / (x * sizes.lognormal_sigma * math.sqrt(2 * math.pi))
            axes.plot(x, len(d) * (edges[1] - edges[0]) * density, color="#d55e00", lw=1.4)
        axes.axvline(sizes.median, color="black", lw=0.8, ls="--")
    axes.text(
        0.98,
        0.97,
        _words(sizes),
        transform=axes.transAxes,
        ha="right",
        va="top",
        fontsize=7.5,
    )
    return save(figure, path)


def size_bins(d: Floats) -> Floats:
    """Edges of a histogram by Freedman and Diaconis' rule, 5 to 40 bins."""
    low, high = float(d.min()), float(d.max())
    if high <= low:
        return np.array([0.9 * low, 1.1 * low])
    q = np.percentile(d, [25, 75])
    width = 2.0 * (q[1] - q[0]) / len(d) ** (1 / 3)
    n = math.ceil((high - low) / width) if width > 0 else 5
    return np.linspace(low, high, min(max(n, 5), _MOST_BINS) + 1)


def _words(sizes: Population) -> str:
    unit = sizes.unit
    lines = [counted(sizes.count, "particle")]
    if sizes.count:
        lines += [f"mean {sizes.mean:.3g} {unit}", f"median {sizes.median:.3g} {unit} (dashed)"]
    if sizes.count > 1:
        lines.insert(2, f"standard deviation {sizes.sd:.2g} {unit}")
        lines.append(
            f"log-normal: median {sizes.lognormal_median:.3g} {unit}, "
            f"sigma {sizes.lognormal_sigma:.2g}"
        )
    if sizes.left_out:
        lines.append(f"{sizes.left_out} cut by the border left out")
    return "\n".join(lines)
