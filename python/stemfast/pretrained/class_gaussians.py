"""Class-conditional Gaussian with a distance threshold (Lee et al. 2018, arXiv:1807.03888)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["QUANTILE", "ClassGaussians", "fit"]

#: Share of known points that lie inside.
QUANTILE = 0.995
#: Principal axes that are kept; the other directions share one variance (Wang et al. 2022,
#: arXiv:2203.10807, find what is new mostly there).
AXES = 16
#: Smallest spread of a coordinate, in units of the median one: one that is silent for all known
#: points must not decide alone.
FLOOR = 0.1

Floats = NDArray[np.float64]

_ARRAYS = ("means", "spread", "axes", "variances", "limit")


@dataclass(frozen=True, eq=False, repr=False)
class ClassGaussians:
    """Gaussian with one mean per class, a shared covariance and a distance threshold.

    Attributes
    ----------
    means : ndarray, (C, F)
        Mean of each class, in units of `spread`.
    spread : ndarray, (F,)
        Standard deviation within a class.
    axes : ndarray, (K, F)
        Principal axes of the points divided by `spread`, orthonormal.
    variances : ndarray, (K + 1,)
        Variance along each axis, and along any direction across them all.
    limit : float
        Squared distance that the share :data:`QUANTILE` of known points stays below.
    """

    means: Floats
    spread: Floats
    axes: Floats
    variances: Floats
    limit: float

    def __repr__(self) -> str:
        """Numbers of classes, features and axes."""
        (classes, features), axes = self.means.shape, len(self.axes)
        return f"ClassGaussians({classes} classes, {features} features, {axes} axes)"

    def distance(self, points: ArrayLike) -> Floats:
        """Squared distance of points (N, F) to the nearest class, over the limit: (N,)."""
        scaled = np.asarray(points, np.float64) / self.spread
        nearest = np.full(len(scaled), np.inf)
        for mean in self.means:
            away = scaled - mean
            along = away @ self.axes.T
            across = (away * away).sum(axis=1) - (along * along).sum(axis=1)
            here = (along * along / self.variances[:-1]).sum(axis=1)
            here += np.maximum(across, 0.0) / self.variances[-1]
            nearest = np.minimum(nearest, here)
        return nearest / self.limit

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays for the disk, by name, means and axes rounded to float16."""
        # In C order: safetensors writes the memory as it lies.
        return {
            "means": self.means.astype(np.float16, order="C"),
            "spread": self.spread.astype(np.float32, order="C"),
            "axes": self.axes.astype(np.float16, order="C"),
            "variances": self.variances.astype(np.float32, order="C"),
            "limit": np.array(self.limit, np.float64),
        }

    @classmethod
    def of_arrays(cls, arrays: dict[str, NDArray[Any]]) -> ClassGaussians:
        """Gaussian from the arrays of :meth:`arrays`.

        Raises
        ------
        ValueError
            If arrays are missing or do not fit together.
        """
        shapes = {name: array.shape for name, array in arrays.items()}
        if set(shapes) != set(_ARRAYS):
            raise ValueError(f"the arrays are {sorted(shapes)}, expected {', '.join(_ARRAYS)}")
        if len(shapes["means"]) != 2 or not shapes["axes"]:
            raise ValueError(f"the arrays have shapes {shapes}, which do not fit together")
        (_, length), count = shapes["means"], shapes["axes"][0]
        wanted = ((length,), (count, length), (count + 1,), ())
        if tuple(shapes[name] for name in _ARRAYS[1:]) != wanted or not arrays["limit"] > 0:
            raise ValueError(f"the arrays have shapes {shapes}, which do not fit together")
        values = {name: arrays[name].astype(np.float64) for name in _ARRAYS[:-1]}
        return cls(**values, limit=float(arrays["limit"]))


def fit(points: ArrayLike, labels: ArrayLike) -> ClassGaussians:
    """Fit the mean of each class, the covariance within classes and the threshold.

    The first half gives means and covariance, the second half the limit, so that the limit is that
    of points which were not fitted.

    Parameters
    ----------
    points : array_like, (N, F)
        Of validation images.
    labels : array_like, (N,) int
        Their classes; each must occur twice in the first half.

    Raises
    ------
    ValueError
        If there are too few points.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels = np.arange(2000) % 2
    >>> known = fit(rng.normal(labels[:, None] * 9.0, 1.0, (2000, 8)), labels)
    >>> known.distance([[0.0] * 8, [9.0] * 8, [4.5] * 8]) > 1
    array([False, False,  True])
    """
    table, classes = np.asarray(points, np.float64), np.asarray(labels)
    half = len(table) // 2
    known = np.unique(classes)
    first = classes[:half]
    if half < 2 or min((first == label).sum() for label in known) < 2:
        raise ValueError(
            f"points are {len(table)} of {len(known)} classes, expected each class at least twice "
            "in the first half"
        )
    means = np.stack([table[:half][first == label].mean(axis=0) for label in known])
    within = table[:half] - means[np.searchsorted(known, first)]
    spread = within.std(axis=0)
    spread = np.maximum(spread, max(FLOOR * float(np.median(spread)), 1e-6))
    scaled = within / spread
    values, vectors = np.linalg.eigh(scaled.T @ scaled / half)
    count = min(AXES, len(values) - 1)
    variances = np.append(values[::-1][:count], values[:-count].mean())
    rough = ClassGaussians(means / spread, spread, vectors[:, ::-1][:, :count].T, variances, 1.0)
    rough = replace(rough, variances=np.maximum(variances, 1e-3))
    # As it will be kept on disk: the limit is that of the rounded numbers.
    rough = ClassGaussians.of_arrays(rough.arrays())
    return replace(rough, limit=float(np.quantile(rough.distance(table[half:]), QUANTILE)))
