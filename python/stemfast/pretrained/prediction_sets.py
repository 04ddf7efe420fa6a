"""Prediction sets: classes that hold the right one with a stated frequency, whatever the network.

Split conformal prediction. The probability that each validation image gives to its right class is
ranked; a class of a new image is in its set if its probability is at least the one that the wanted
share of the validation images reaches. Of images like these, so many sets hold the right class:
on average over them, not for each class or condition by itself. Of all such rules it gives the
smallest sets (M. Sadinle, J. Lei, L. Wasserman, J. Am. Stat. Assoc. 114 (2019) 223; V. Vovk et al.,
Algorithmic Learning in a Random World, 2005).

Where a coverage below the network's accuracy is asked for, some sets are empty: no class is
probable enough. Asked for 90 %, a network that is right in 98 % leaves the least sure images
without an answer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["FEWEST", "SetThresholds", "calibrate"]

#: Coverages that are stored; others between them are rounded up to the next.
COVERAGES = tuple(round(0.01 * percent, 2) for percent in range(50, 100))
#: Validation images from which thresholds are calibrated: fewer know nothing of 99 %.
FEWEST = 200


@dataclass(frozen=True, repr=False)
class SetThresholds:
    """Smallest probability that puts a class into a set, for each coverage.

    Attributes
    ----------
    images : int
        Validation images that it was calibrated with.
    coverages : tuple of float
        Ascending, 0 … 1.
    least_probabilities : tuple of float
        For each of them.
    """

    images: int
    coverages: tuple[float, ...]
    least_probabilities: tuple[float, ...]

    def __post_init__(self) -> None:
        shares, least = np.array(self.coverages), np.array(self.least_probabilities)
        right = shares.ndim == least.ndim == 1 and len(shares) == len(least) > 0
        right = right and bool((np.diff(shares) > 0).all() and shares[0] > 0 and shares[-1] < 1)
        right = right and bool((np.diff(least) <= 0).all() and least[-1] >= 0 and least[0] <= 1)
        if not right:
            raise ValueError(
                "coverages, least_probabilities: expected rising shares of 0 … 1, and a falling "
                "probability for each"
            )

    def __repr__(self) -> str:
        """Range of coverages, and number of images."""
        return (
            f"SetThresholds({self.coverages[0]:g} to {self.coverages[-1]:g}, {self.images} images)"
        )

    def least(self, coverage: float) -> float:
        """Smallest probability of a class in a set of this coverage.

        Raises
        ------
        TypeError, ValueError
            If the coverage is no number, or none between the smallest and the largest calibrated.
        """
        if isinstance(coverage, bool) or not isinstance(coverage, (int, float, np.floating)):
            raise TypeError(f"coverage is {coverage!r}, expected a number")
        low, high = self.coverages[0], self.coverages[-1]
        if not low <= coverage <= high:
            raise ValueError(f"coverage is {coverage:g}, expected a number of {low:g} … {high:g}")
        row = int(np.searchsorted(np.array(self.coverages), coverage - 1e-9))
        return self.least_probabilities[row]

    def sets(self, probabilities: ArrayLike, coverage: float) -> NDArray[np.bool_]:
        """Sets (N, C) of classes, true for those in the set, by calibrated probabilities (N, C)."""
        return np.asarray(np.asarray(probabilities, np.float64) >= self.least(coverage))

    def to_dict(self) -> dict[str, Any]:
        """The same, of plain Python types for JSON."""
        return {
            "images": self.images,
            "coverages": list(self.coverages),
            "least_probabilities": list(self.least_probabilities),
        }

    @classmethod
    def of_dict(cls, stored: Any) -> SetThresholds:
        """Thresholds that :meth:`to_dict` told.

        Raises
        ------
        ValueError
            If these are none.
        """
        try:
            shares = tuple(float(value) for value in stored["coverages"])
            least = tuple(float(value) for value in stored["least_probabilities"])
            return cls(int(stored["images"]), shares, least)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"thresholds of prediction sets: {error}") from None


def calibrate(probabilities: ArrayLike, labels: ArrayLike) -> SetThresholds | None:
    """Thresholds from the probabilities of images that the network did not learn from.

    For a coverage c, the k-th largest of the n probabilities of right classes with
    k = ⌈(n + 1) c⌉: then a new image's is as large with a probability of at least c.

    Parameters
    ----------
    probabilities : (N, C) array_like
        Calibrated, as the network will give them.
    labels : (N,) array_like of int
        The right classes.

    Returns
    -------
    SetThresholds or None
        None for fewer than 200 images.

    Examples
    --------
    >>> right = np.linspace(1.0, 0.0, 999)
    >>> known = calibrate(np.stack([right, 1 - right], axis=1), np.zeros(999, int))
    >>> round(known.least(0.9), 2)
    0.1
    """
    table, truth = np.asarray(probabilities, np.float64), np.asarray(labels)
    n = len(truth)
    if n < FEWEST:
        return None
    right = np.sort(table[np.arange(n), truth])[::-1]
    places = [math.ceil((n + 1) * share - 1e-9) for share in COVERAGES]
    least = tuple(float(right[k - 1]) if k <= n else 0.0 for k in places)
    return SetThresholds(n, COVERAGES, least)
