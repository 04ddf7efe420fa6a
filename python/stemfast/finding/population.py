"""Sizes of many particles: mean, spread, median, a log-normal fit, and what the border does.

A particle that touches the image's edge has no size, so it is left out; the larger a particle, the
more often that happens. A particle w columns wide and h rows high lies whole within an image of
W × H with a probability in proportion to (W − w)(H − h); weights of W·H / (W − w)(H − h) mend the
mean (Miles and Lantuéjoul; J. Serra, Image Analysis and Mathematical Morphology, 1982, ch. VIII).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.tables import counted

__all__ = ["Population", "joined", "population"]

Floats = NDArray[np.float64]

_LEAST_SHARE = 0.1


@dataclass(frozen=True, eq=False)
class Population:
    """Statistics of the equivalent diameters of whole particles.

    Attributes
    ----------
    unit : {"nm", "px"}
        Unit of all lengths.
    diameters : ndarray, shape (n,)
        Equivalent diameters that count.
    weights : ndarray, shape (n,)
        How many particles each stands for, those that the border cut among them.
    left_out : int
        Particles that touch the border.
    mean, sd, median : float
        Of the diameters; NaN where there are too few.
    mean_sd : float
        Standard error of the mean.
    mended_mean : float
        Mean with weights for what the border takes away.
    lognormal_median, lognormal_sigma : float
        Log-normal fit of greatest likelihood: exp of the mean and standard deviation of ln d.
    """

    unit: str
    diameters: Floats = field(repr=False)
    weights: Floats = field(repr=False)
    left_out: int
    mean: float
    sd: float
    median: float
    mean_sd: float
    mended_mean: float
    lognormal_median: float
    lognormal_sigma: float

    @property
    def count(self) -> int:
        """Number of particles that count."""
        return len(self.diameters)

    def __str__(self) -> str:
        if not self.count:
            return f"no whole particle ({self.left_out} touch the border)"
        text = f"{counted(self.count, 'whole particle')}: {self.mean:.3g}"
        if self.count > 1:
            text += (
                f" ± {self.sd:.2g} {self.unit} across (mean ± sd; standard error "
                f"{self.mean_sd:.2g}), median {self.median:.3g} {self.unit}, log-normal with "
                f"median {self.lognormal_median:.3g} {self.unit} and sigma "
                f"{self.lognormal_sigma:.2g}"
            )
        else:
            text += f" {self.unit} across"
        if self.left_out:
            text += (
                f"; {self.left_out} that touch the border left out: large ones touch it more "
                f"often, allowing for that the mean is {self.mended_mean:.3g} {self.unit}"
            )
        return text


def population(
    diameters: ArrayLike,
    on_border: ArrayLike,
    *,
    unit: str = "px",
    sizes: ArrayLike | None = None,
    field_size: tuple[float, float] | None = None,
) -> Population:
    """Statistics of particles' diameters.

    Parameters
    ----------
    diameters : array_like, shape (n,)
        Equivalent diameters.
    on_border : array_like of bool, shape (n,)
        Which of them touch the border and are left out.
    unit : str
        Of the diameters.
    sizes : array_like, shape (n, 2), optional
        Height and width of each particle, in the same unit; the diameters if None.
    field_size : (float, float), optional
        Height and width of the image; without it the mean is not mended.

    Returns
    -------
    Population

    Examples
    --------
    >>> found = population([9.0, 10.0, 11.0, 30.0], [False, False, False, True], unit="nm")
    >>> found.count, found.left_out, found.mean, found.sd
    (3, 1, 10.0, 1.0)
    """
    all_of_them = np.asarray(diameters, np.float64).reshape(-1)
    whole = ~np.asarray(on_border, bool).reshape(-1)
    d = all_of_them[whole]
    weights = np.ones(len(d))
    if field_size is not None:
        extent = np.column_stack([d, d]) if sizes is None else np.asarray(sizes, float)[whole]
        share = 1.0 - extent / np.array(field_size)
        weights = 1.0 / np.maximum(share, _LEAST_SHARE).prod(axis=1)
    return _statistics(unit, d, weights, int(np.count_nonzero(~whole)))


def joined(populations: Sequence[Population]) -> dict[str, Population]:
    """The populations of several images as one for each unit.

    Examples
    --------
    >>> both = joined([population([9.0], [False]), population([11.0], [False])])
    >>> both["px"].mean
    10.0
    """
    result = {}
    for unit in dict.fromkeys(one.unit for one in populations):
        those = [one for one in populations if one.unit == unit]
        d = np.concatenate([one.diameters for one in those])
        weights = np.concatenate([one.weights for one in those])
        result[unit] = _statistics(unit, d, weights, sum(one.left_out for one in those))
    return result


def _statistics(unit: str, d: Floats, weights: Floats, left_out: int) -> Population:
    n, nan = len(d), math.nan
    sd = float(d.std(ddof=1)) if n > 1 else nan
    return Population(
        unit=unit,
        diameters=d,
        weights=weights,
        left_out=left_out,
        mean=float(d.mean()) if n else nan,
        sd=sd,
        median=float(np.median(d)) if n else nan,
        mean_sd=sd / math.sqrt(n) if n > 1 else nan,
        mended_mean=float(np.sum(weights * d) / np.sum(weights)) if n else nan,
        lognormal_median=float(np.exp(np.log(d).mean())) if n else nan,
        lognormal_sigma=float(np.log(d).std(ddof=1)) if n > 1 else nan,
    )
