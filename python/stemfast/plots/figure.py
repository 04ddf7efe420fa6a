"""Figures as objects: nothing here depends on, or changes, a caller's backend or style."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stemfast.atomic import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["new_figure", "save"]


def new_figure(
    width: float, height: float, *, dpi: float = 150, constrained: bool = True
) -> Figure:
    """An empty figure for the Agg canvas.

    Parameters
    ----------
    width, height : float
        [inches]
    dpi : float
        Pixels an inch, where the file has pixels.
    constrained : bool
        Whether matplotlib makes room for words around the axes.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=dpi, layout="constrained" if constrained else None)
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: str | PathLike[str]) -> Path:
    """Write a figure, whole or not at all, in the format that the ending of its name says."""
    target = Path(path)
    form = target.suffix.lstrip(".") or "png"
    # PNG packed harder takes twice the time and is no smaller.
    packed: dict[str, Any] = {"pil_kwargs": {"compress_level": 3}} if form == "png" else {}
    with replacing(target) as partial:
        figure.savefig(partial, format=form, **packed)
    return target
