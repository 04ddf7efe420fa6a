"""Confusion matrices."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stemfast.plots.figure import new_figure, save

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["confusion_matrix"]


def confusion_matrix(
    matrix: ArrayLike,
    class_names: Sequence[str],
    path: str | PathLike[str],
    *,
    title: str | None = None,
) -> Path:
    """Draw a confusion matrix: counts, and under them the share of their true class.

    Parameters
    ----------
    matrix : (C, C) array of int
        Counts; row = true class, column = predicted class.
    class_names : sequence of str
        Names of the C classes.
    path : path-like
        File to write.
    title : str, optional
        Drawn above.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ValueError
        If the matrix is not square, holds negative counts, or does not match the names.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> confusion_matrix([[9, 1], [2, 8]], ["cat", "dog"], folder / "c.png", title="test set").name
    'c.png'
    """
    counts = np.asarray(matrix)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or counts.size == 0:
        raise ValueError(f"matrix must be square, (C, C), got shape {counts.shape}")
    if len(class_names) != len(counts):
        raise ValueError(f"class_names must be {len(counts)} names, got {len(class_names)}")
    if not np.issubdtype(counts.dtype, np.integer) or np.any(counts < 0):
        raise ValueError("matrix must hold counts, whole numbers of at least 0")
    totals = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)

    size = 1.6 + 0.75 * len(counts)
    figure = new_figure(size + 0.5, size)
    axes = figure.add_subplot()
    axes.imshow(share, cmap="Blues", vmin=0.0, vmax=1.0)
    for row, column in np.ndindex(*counts.shape):
        axes.text(
            column,
            row,
            f"{counts[row, column]}\n{100 * share[row, column]:.1f} %",
            ha="center",
            va="center",
            fontsize=8,
            color="white" if share[row, column] > 0.5 else "black",
        )
    ticks = range(len(counts))
    axes.set_xticks(ticks, class_names, rotation=30, ha="right", rotation_mode="anchor")
    axes.set_yticks(ticks, class_names)
    axes.tick_params(length=0, labelsize=8)
    axes.set_xlabel("predicted", fontsize=9)
    axes.set_ylabel("true", fontsize=9)
    if title:
        axes.set_title(title, fontsize=10)
    return save(figure, path)
