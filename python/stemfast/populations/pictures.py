"""Small pictures of single particles for the report, and which particles are worth one."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfast.micrograph.table import CUT, UNLIKE
from stemfast.populations.part import Row

__all__ = ["CHOICES", "Choice", "best_class", "chosen", "counts", "jpeg"]

SIDE_PX = 72
_CONTEXT = 1.6
_QUALITY = 80


@dataclass(frozen=True)
class Choice:
    """A way to choose particles.

    Attributes
    ----------
    title : str
    most : int
        Particles shown; of each class if `by_class`.
    by_class : bool
    rank : callable
        Of a row: smaller is shown first, None is not shown.
    """

    title: str
    most: int
    by_class: bool
    rank: Callable[[Row], float | None]


def counts(row: Row) -> bool:
    """True if a particle counts for the shares: whole, and like what the network learnt from."""
    return row["not_sure_because"] not in (CUT, UNLIKE)


def best_class(row: Row, class_names: Sequence[str]) -> int:
    """Number of a particle's most probable class, sure or not."""
    return max(range(len(class_names)), key=lambda k: float(row[class_names[k]]))


def _surest(row: Row) -> float | None:
    return -float(row["probability"]) if counts(row) else None


def _least_sure(row: Row) -> float | None:
    return float(row["probability"]) if counts(row) else None


def _outlier(row: Row) -> float | None:
    known = row["novelty"] != "" and row["not_sure_because"] != CUT
    return -float(row["novelty"]) if known else None


CHOICES = {
    "surest": Choice("The surest of each shape", 6, True, _surest),
    "least_sure": Choice("The least sure", 18, False, _least_sure),
    "outliers": Choice("The most unlike all that the network learnt from", 18, False, _outlier),
}


def chosen(rows: Sequence[Row], class_names: Sequence[str]) -> set[int]:
    """Labels of the particles of one file that may come into the report's pictures.

    No more than the report shows: a file that holds the best of all files holds that many at most.
    """
    labels: set[int] = set()
    for choice in CHOICES.values():
        groups: dict[int, list[tuple[float, int]]] = {}
        for row in rows:
            rank = choice.rank(row)
            if rank is not None:
                group = best_class(row, class_names) if choice.by_class else -1
                groups.setdefault(group, []).append((rank, int(row["particle"])))
        for those in groups.values():
            labels.update(label for _, label in sorted(those)[: choice.most])
    return labels


def jpeg(image: NDArray[np.float32], bbox: tuple[int, int, int, int]) -> str:
    """A particle and what is around it as a grey JPEG in base64.

    Parameters
    ----------
    image : ndarray, shape (rows, columns)
    bbox : (int, int, int, int)
        First row, first column, one past the last row and column of the particle [px].

    Returns
    -------
    str

    Examples
    --------
    >>> base64.b64decode(jpeg(np.eye(40, dtype=np.float32), (10, 10, 20, 20)))[:2].hex()
    'ffd8'
    """
    from PIL import Image

    top, left, bottom, right = bbox
    half = max(4, round(0.5 * _CONTEXT * max(bottom - top, right - left)))
    row, col = (top + bottom) // 2, (left + right) // 2
    rows = np.clip(np.arange(row - half, row + half), 0, image.shape[0] - 1)
    cols = np.clip(np.arange(col - half, col + half), 0, image.shape[1] - 1)
    window = image[np.ix_(rows, cols)].astype(np.float64)
    low, high = np.percentile(window, [0.5, 99.8])
    grey = np.clip(255.0 * (window - low) / max(float(high - low), 1e-30), 0.0, 255.0)
    picture = Image.fromarray(grey.astype(np.uint8)).resize(
        (SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR, reducing_gap=None
    )
    told = io.BytesIO()
    picture.save(told, "JPEG", quality=_QUALITY)
    return base64.b64encode(told.getvalue()).decode("ascii")
