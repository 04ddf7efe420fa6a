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
from stemfast.plots.field import closed_lines, field_figure, legend_below, scale_below
from stemfast.plots.figure import save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

# After Okabe & Ito's palette for every kind of colour vision, light enough for a dark picture.
_COLOURS = ("#56c4f9", "#f6a800", "#3fe0a0", "#f0a0d0", "#ff7a45", "#f0e442")
_NOT_SURE = "#ff5a8a"  # seen on the brightest particles as well
_MANY = 120


def draw_overlay(
    micrograph: Micrograph,
    found: Sequence[FoundParticle],
    shapes: Sequence[str],
    probabilities: npt.ArrayLike,
    path: str | Path,
    *,
    class_names: Sequence[str] | None = None,
    scaled: bool = True,
) -> Path:
    """Draw the micrograph with the outline, number, shape and probability of every particle.

    Outlines are coloured by shape and have a dark rim; shapes whose names begin with "not sure" are
    pink, and dotted where they are unlike anything learnt. A particle cut by the image's edge has a
    dashed outline. Scale bar and legend stand below the image.
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
    scaled : bool
        Whether the size of a pixel is known; without, the scale bar is in px.

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
        name: _NOT_SURE if name.startswith(NOT_SURE) else _COLOURS[n % len(_COLOURS)]
        for n, name in enumerate(names)
    }

    title = f"{micrograph.title}: {len(found)} particle{'' if len(found) == 1 else 's'}"
    figure, axes, strip = field_figure(micrograph.image, title=title)
    scale_below(strip, micrograph.pixel_size_nm if scaled else None)
    styles = [_style(shape, cut=p.on_border) for p, shape in zip(found, shapes, strict=True)]
    lines, colour_of, style_of = [], [], []
    for particle, shape, style in zip(found, shapes, styles, strict=True):
        for line in _outlines(particle):
            lines.append(line)
            colour_of.append(colours[shape])
            style_of.append(style)
    closed_lines(axes, lines, colour_of, style_of)
    counts = {name: list(shapes).count(name) for name in names}
    _legend(strip, colours, counts, any(p.on_border for p in found))
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


def _style(name: str, *, cut: bool = False) -> Literal["solid", "dashed", "dotted"]:
    if cut or name.endswith(CUT):
        return "dashed"
    return "dotted" if name.endswith(UNLIKE) else "solid"


def _outlines(particle: FoundParticle) -> list[npt.NDArray[np.float64]]:
    """Closed lines (x, y): its outline, or else around its pixels."""
    if particle.outline is not None:
        return [particle.outline]
    from skimage.measure import find_contours

    lines = find_contours(np.pad(particle.mask, 1).astype(np.float64), 0.5)
    shift = np.array([particle.bbox[1], particle.bbox[0]], np.float64) - 1.0
    return [line[:-1, ::-1] + shift for line in lines]


def _legend(strip: Axes, colours: dict[str, str], counts: dict[str, int], border: bool) -> None:
    from matplotlib.lines import Line2D

    lines = [
        Line2D([], [], color=colour, linestyle=_style(name), label=f"{name} ({counts[name]})")
        for name, colour in colours.items()
        if counts[name] or not name.startswith(NOT_SURE)
    ]
    if border and not any(name.endswith(CUT) for name in colours):
        lines.append(Line2D([], [], color="gray", linestyle="dashed", label=CUT))
    legend_below(strip, lines)


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
    centres = place_labels([p.bbox for p in found], sizes, found[0].labels.shape)
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
