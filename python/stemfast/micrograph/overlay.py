"""The answer as a picture: the micrograph, every particle outlined and named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from stemfast.micrograph.files.error import MicrographError
from stemfast.micrograph.files.read import Micrograph
from stemfast.micrograph.find import FoundParticle
from stemfast.micrograph.placing import Box, place_labels
from stemfast.micrograph.table import CUT, NOT_SURE, UNLIKE
from stemfast.plots import scale_bar
from stemfast.plots.figure import new_figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

# After Okabe & Ito's palette for every kind of colour vision, light enough for a dark picture.
_COLOURS = ("#56c4f9", "#f6a800", "#3fe0a0", "#f0a0d0", "#ff7a45", "#f0e442")
_GREY = "#c8c8c8"
_LONG_SIDE_INCHES = 7.5
_DPI = 160
_MANY = 120


def draw_overlay(
    micrograph: Micrograph,
    found: Sequence[FoundParticle],
    shapes: Sequence[str],
    probabilities: npt.ArrayLike,
    path: str | Path,
    *,
    class_names: Sequence[str] | None = None,
) -> Path:
    """Draw the micrograph with the outline, number, shape and probability of every particle.

    Outlines are coloured by shape; shapes whose names begin with "not sure" are grey, and dotted
    where they are unlike anything learnt. A particle cut by the image's edge has a dashed outline.
    The labels (number and probability) stand beside the particles, where they cover neither each
    other nor, as far as there is room, a particle.

    Parameters
    ----------
    micrograph : Micrograph
    found : sequence of FoundParticle, length n
    shapes : sequence of str, length n
        Shape of each particle.
    probabilities : array_like, shape (n,)
        Probability of that shape.
    path : str or Path
        The picture; its suffix (.png, .pdf, .svg) chooses the format. Its folder must exist.
    class_names : sequence of str, optional
        Shapes in the order of their colours, so that pictures of several micrographs agree. By
        default the shapes that occur, sorted.

    Returns
    -------
    Path
        The picture written.

    Raises
    ------
    MicrographError
        Lengths that do not agree, a probability outside 0 ... 1, a shape that is not one of
        `class_names`, a folder that does not exist.

    Examples
    --------
    >>> import tempfile
    >>> from stemfast.micrograph import find_particles
    >>> rows, cols = np.indices((64, 64))
    >>> image = Micrograph(10.0 + 40.0 * (np.hypot(rows - 20, cols - 30) < 9), 0.5)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = f"{folder}/answer.png"
    ...     draw_overlay(image, find_particles(image), ["sphere"], [0.9], file).name
    'answer.png'
    """
    target = Path(path)
    chances = np.asarray(probabilities, dtype=np.float64)
    names = sorted(set(shapes)) if class_names is None else list(class_names)
    _check(target, len(found), shapes, chances, names)
    colours = {
        name: _GREY if name.startswith(NOT_SURE) else _COLOURS[n % len(_COLOURS)]
        for n, name in enumerate(names)
    }

    figure, axes = _figure(micrograph.image.shape, max(map(len, names)))
    low, high = np.percentile(micrograph.image, [0.5, 99.8])
    axes.imshow(
        np.clip((micrograph.image - low) / max(float(high - low), 1e-30), 0.0, 1.0) ** 0.6,
        cmap="gray",
        interpolation="nearest",
    )
    scale_bar(axes, micrograph.image.shape, micrograph.pixel_size_nm)
    for particle, shape in zip(found, shapes, strict=True):
        _outline(axes, particle, colours[shape], _style(shape, cut=particle.on_border))
    axes.set_xlim(-0.5, micrograph.image.shape[1] - 0.5)
    axes.set_ylim(micrograph.image.shape[0] - 0.5, -0.5)
    counts = {name: list(shapes).count(name) for name in names}
    _legend(axes, colours, counts, any(p.on_border for p in found))
    axes.set_title(f"{micrograph.title}: {len(found)} particles", fontsize=9)
    _labels(figure, axes, found, [colours[s] for s in shapes], chances)
    return save(figure, target)


def _check(
    target: Path,
    n: int,
    shapes: Sequence[str],
    chances: npt.NDArray[np.float64],
    names: Sequence[str],
) -> None:
    if len(shapes) != n or chances.shape != (n,):
        raise MicrographError(
            f"got {n} particles, {len(shapes)} shapes and probabilities of shape "
            f"{chances.shape}, expected one of each per particle"
        )
    if not np.all((chances >= 0) & (chances <= 1)):
        raise MicrographError("probabilities: expected numbers from 0 to 1")
    unknown = sorted(set(shapes) - set(names))
    if unknown:
        raise MicrographError(f"shapes: {unknown} are not among class_names {list(names)}")
    if not target.parent.is_dir():
        raise MicrographError(f"{target}: no such folder {target.parent}, expected one that exists")


def _figure(shape: tuple[int, ...], letters: int) -> tuple[Figure, Axes]:
    scale = _LONG_SIDE_INCHES / max(shape)
    height, width = shape[0] * scale, shape[1] * scale
    legend, title = max(1.5, 1.0 + 0.065 * letters), 0.35
    total = (width + legend + 0.2, max(height, 1.6) + title + 0.1)
    figure = new_figure(*total, dpi=_DPI, constrained=False)
    axes = figure.add_axes((0.1 / total[0], 0.1 / total[1], width / total[0], height / total[1]))
    axes.set_xticks([])
    axes.set_yticks([])
    return figure, axes


def _style(name: str, *, cut: bool = False) -> Literal["solid", "dashed", "dotted"]:
    if cut or name.endswith(CUT):
        return "dashed"
    return "dotted" if name.endswith(UNLIKE) else "solid"


def _outline(axes: Axes, particle: FoundParticle, colour: str, style: str) -> None:
    """The border of the mask, along the edges of its pixels."""
    mask = np.pad(particle.mask, 1)
    row, col = particle.bbox[0] - 1.5, particle.bbox[1] - 1.5
    across = np.argwhere(mask[1:] != mask[:-1])
    along = np.argwhere(mask[:, 1:] != mask[:, :-1])
    segments = [((col + c, row + r + 1), (col + c + 1, row + r + 1)) for r, c in across]
    segments += [((col + c + 1, row + r), (col + c + 1, row + r + 1)) for r, c in along]
    from matplotlib.collections import LineCollection

    axes.add_collection(LineCollection(segments, colors=colour, linewidths=1.1, linestyles=style))


def _legend(axes: Axes, colours: dict[str, str], counts: dict[str, int], border: bool) -> None:
    from matplotlib.lines import Line2D

    lines = [
        Line2D([], [], color=colour, linestyle=_style(name), label=f"{name} ({counts[name]})")
        for name, colour in colours.items()
    ]
    if border and not any(name.endswith(CUT) for name in colours):
        lines.append(Line2D([], [], color="gray", linestyle="dashed", label=CUT))
    axes.legend(
        handles=lines,
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        borderaxespad=0.0,
        frameon=False,
        fontsize=8,
        title="shape (particles)",
        title_fontsize=8,
    )


def _labels(
    figure: Figure,
    axes: Axes,
    found: Sequence[FoundParticle],
    colours: Sequence[str],
    chances: npt.NDArray[np.float64],
) -> None:
    """Write the labels where `place_labels` finds room, with a thin line where that is far."""
    from matplotlib.patheffects import withStroke

    size = 6.5 if len(found) <= _MANY else 4.5
    texts = [
        axes.text(
            *particle.centroid[::-1],
            f"{particle.label}  {chance:.2f}" if len(found) <= _MANY else f"{particle.label}",
            color=colour,
            fontsize=size,
            ha="center",
            va="center",
            path_effects=[withStroke(linewidth=1.4, foreground="black")],
        )
        for particle, chance, colour in zip(found, chances, colours, strict=True)
    ]
    sizes = [_size_in_data(figure, axes, text) for text in texts]
    bar = [_box_in_data(figure, axes, artist) for artist in axes.texts[: -len(texts) or None]]
    bar += [_box_in_data(figure, axes, patch) for patch in axes.patches]
    centres = place_labels([p.bbox for p in found], sizes, found[0].labels.shape, bar)
    for particle, text, (x, y), half in zip(found, texts, centres, sizes, strict=True):
        text.set_position((x, y))
        row, col = particle.centroid
        gap = np.hypot(max(abs(x - col) - half[0] / 2, 0), max(abs(y - row) - half[1] / 2, 0))
        reach = 0.75 * max(particle.bbox[2] - particle.bbox[0], particle.bbox[3] - particle.bbox[1])
        if gap > reach:
            axes.plot([col, x], [row, y], color=text.get_color(), linewidth=0.5, zorder=1.5)


def _box_in_data(figure: Figure, axes: Axes, artist: Any) -> Box:
    extent = artist.get_window_extent(figure.canvas.get_renderer())  # type: ignore[attr-defined]
    (x0, y1), (x1, y0) = axes.transData.inverted().transform(extent.get_points())
    return float(x0), float(y0), float(x1), float(y1)


def _size_in_data(figure: Figure, axes: Axes, text: Text) -> tuple[float, float]:
    x0, y0, x1, y1 = _box_in_data(figure, axes, text)
    return x1 - x0, y1 - y0
