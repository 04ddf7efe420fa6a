"""Figures as objects: nothing here depends on, or changes, a caller's backend or style."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from ..atomic import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["new_figure", "save"]

_DPI = 150


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of this size [inches], for the Agg canvas."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: str | PathLike[str]) -> Path:
    """Write a figure in the format that the ending of its name says."""
    target = Path(path)
    with replacing(target) as partial:
        figure.savefig(partial, format=target.suffix.lstrip(".") or "png")
    return target
