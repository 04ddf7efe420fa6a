"""Figures of a finder: found particles that are true, precision, recall, average precision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

__all__ = [
    "Matches",
    "average_precision",
    "box_overlap",
    "boxes_of",
    "f1_score",
    "mask_overlap",
    "matched",
]

Floats: TypeAlias = NDArray[np.float64]
Labels: TypeAlias = NDArray[np.int32]


@dataclass(frozen=True, eq=False, repr=False)
class Matches:
    """Found particles against true ones of one image.

    Attributes
    ----------
    right : (n,) bool
        Of each found particle: it is a true one.
    counted : (n,) bool
        Of each found particle: it is right or wrong; False for those that lie on particles that
        nobody is asked to find.
    true : int
        True particles that were to be found.
    """

    right: NDArray[np.bool_]
    counted: NDArray[np.bool_]
    true: int

    def __repr__(self) -> str:
        return (
            f"Matches: {int(self.right.sum())} right of {len(self.right)} found, {self.true} true"
        )


def boxes_of(labels: Labels) -> Floats:
    """Boxes (n, 4) of labels 1 … n: first and last row, first and last column, ends excluded.

    Examples
    --------
    >>> boxes_of(np.array([[0, 1], [0, 1]], np.int32)).tolist()
    [[0.0, 2.0, 1.0, 2.0]]
    """
    found = [
        (s[0].start, s[0].stop, s[1].start, s[1].stop)
        for s in find_objects(labels)
        if s is not None
    ]
    return np.array(found, np.float64).reshape(-1, 4)


def box_overlap(found: Floats, true: Floats) -> Floats:
    """Intersection over union of boxes, (n, m).

    Examples
    --------
    >>> box_overlap(np.array([[0, 2, 0, 2.0]]), np.array([[0, 2, 1, 3.0]])).round(3).tolist()
    [[0.333]]
    """
    low = np.maximum(found[:, None, [0, 2]], true[None, :, [0, 2]])
    high = np.minimum(found[:, None, [1, 3]], true[None, :, [1, 3]])
    common = np.clip(high - low, 0.0, None).prod(axis=2)

    def area(boxes: Floats) -> Floats:
        return np.asarray((boxes[:, 1] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 2]))

    return np.asarray(common / (area(found)[:, None] + area(true)[None] - common))


def mask_overlap(found: Labels, true: Labels) -> Floats:
    """Intersection over union of the labels 1 … n of one image and 1 … m of another, (n, m).

    Examples
    --------
    >>> a = np.array([[1, 1, 0, 2]], np.int32)
    >>> mask_overlap(a, np.array([[1, 0, 0, 2]], np.int32)).tolist()
    [[0.5, 0.0], [0.0, 1.0]]
    """
    n, m = int(found.max(initial=0)), int(true.max(initial=0))
    pair = found.astype(np.int64) * (m + 1) + true
    common = np.bincount(pair.ravel(), minlength=(n + 1) * (m + 1)).reshape(n + 1, m + 1)
    inner = common[1:, 1:].astype(np.float64)
    union = common[1:].sum(axis=1)[:, None] + common[:, 1:].sum(axis=0)[None] - inner
    return np.asarray(inner / np.maximum(union, 1.0))


def matched(overlap: Floats, asked: NDArray[np.bool_] | None = None, least: float = 0.5) -> Matches:
    """Match found and true particles one to one, as many as can be.

    Parameters
    ----------
    overlap : (n, m) float64
        Intersection over union.
    asked : (m,) bool, optional
        True particles that are to be found; finding another one is neither right nor wrong.
    least : float
        Overlap above which a found particle is the true one.
    """
    from scipy.optimize import linear_sum_assignment

    n, m = overlap.shape
    wanted = np.ones(m, np.bool_) if asked is None else asked
    rows, columns = linear_sum_assignment(-overlap * np.where(wanted, 1.0, 0.5)[None])
    hit = overlap[rows, columns] > least
    right, counted = np.zeros(n, np.bool_), np.ones(n, np.bool_)
    right[rows[hit]] = wanted[columns[hit]]
    counted[rows[hit]] = wanted[columns[hit]]
    return Matches(right, counted, int(wanted.sum()))


def f1_score(parts: list[Matches]) -> tuple[float, float, float]:
    """F1, recall and precision over all images.

    Examples
    --------
    >>> one = Matches(np.array([True, False]), np.array([True, True]), 2)
    >>> f1_score([one])
    (0.5, 0.5, 0.5)
    """
    right = sum(int(p.right.sum()) for p in parts)
    found = sum(int(p.counted.sum()) for p in parts)
    true = sum(p.true for p in parts)
    return 2 * right / max(found + true, 1), right / max(true, 1), right / max(found, 1)


def average_precision(parts: list[Matches], confidence: list[Floats]) -> float:
    """Area under the curve of precision over recall, over all images.

    Precision at each recall is the best at that recall or a higher one (M. Everingham et al., Int.
    J. Comput. Vis. 88 (2010) 303).

    Examples
    --------
    >>> one = Matches(np.array([True, False]), np.array([True, True]), 2)
    >>> average_precision([one], [np.array([0.9, 0.8])])
    0.5
    """
    counted = np.concatenate([p.counted for p in parts])
    right = np.concatenate([p.right for p in parts])[counted]
    order = np.argsort(-np.concatenate(confidence)[counted], kind="stable")
    hits = np.cumsum(right[order])
    precision = hits / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1] if len(hits) else precision
    return float((best * right[order]).sum() / max(sum(p.true for p in parts), 1))
