"""Images of a data set, chosen by label and parameter, as one picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemfast.dataset import Dataset

__all__ = ["ANY", "Choice", "chosen", "mosaic", "numeric_columns", "open_set", "value_range"]

ANY = "any"
_GAP = 2


@dataclass(frozen=True)
class Choice:
    """Images of a set that are shown, by label and parameter.

    Attributes
    ----------
    label : str
        Name of a class, or `ANY`.
    column : str
        Name of a parameter, or `ANY`.
    between : (float, float)
        Values of that parameter.
    """

    label: str = ANY
    column: str = ANY
    between: tuple[float, float] = (-np.inf, np.inf)


def open_set(path: Path) -> Dataset:
    """Open a data set.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is none, or it cannot be read.
    """
    if not path.is_dir():
        raise FileNotFoundError(f"there is no folder {path}")
    return Dataset(path)


def numeric_columns(data: Dataset) -> list[str]:
    """Names of the parameters that have one number for each image."""
    return [n for n in data.columns if _is_number(data.columns[n])]


def value_range(data: Dataset, column: str) -> tuple[float, float]:
    """Smallest and largest finite value of a parameter; (0, 1) where there is none."""
    values = np.asarray(data.columns[column], np.float64)
    values = values[np.isfinite(values)]
    return (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)


def chosen(data: Dataset, choice: Choice) -> NDArray[np.intp]:
    """Numbers of the images that suit a choice.

    Raises
    ------
    ValueError
        If there is no such class or parameter.
    """
    suits = np.ones(len(data), bool)
    if choice.label != ANY:
        if choice.label not in data.class_names:
            known = ", ".join(data.class_names)
            raise ValueError(f"label is {choice.label!r}, expected {ANY} or one of {known}")
        suits &= data.labels == data.class_names.index(choice.label)
    if choice.column != ANY:
        if choice.column not in data.columns:
            known = ", ".join(numeric_columns(data))
            raise ValueError(f"parameter is {choice.column!r}, expected {ANY} or one of {known}")
        values = np.asarray(data.columns[choice.column], np.float64)
        suits &= (values >= choice.between[0]) & (values <= choice.between[1])
    return np.nonzero(suits)[0]


def mosaic(images: NDArray[Any], across: int) -> NDArray[np.float32]:
    """Images side by side, each with its own greys from 0 to 1.

    Parameters
    ----------
    images : ndarray, shape (n, rows, columns) or (n, views, rows, columns)
        Of several views the first is shown.
    across : int
        How many a row.

    Returns
    -------
    ndarray of float32

    Examples
    --------
    >>> mosaic(np.arange(24).reshape(3, 2, 4), across=2).shape
    (6, 10)
    """
    pictures = images[:, 0] if images.ndim == 4 else images
    n, rows, columns = pictures.shape
    down = -(-n // across)
    whole = np.ones((down * (rows + _GAP) - _GAP, across * (columns + _GAP) - _GAP), np.float32)
    for number, picture in enumerate(pictures.astype(np.float32)):
        row, column = divmod(number, across)
        top, left = row * (rows + _GAP), column * (columns + _GAP)
        low, high = float(picture.min()), float(picture.max())
        grey = (picture - low) / max(high - low, 1e-30)
        whole[top : top + rows, left : left + columns] = grey
    return whole


def _is_number(values: NDArray[Any]) -> bool:
    return values.ndim == 1 and values.dtype.kind in "iufb"
