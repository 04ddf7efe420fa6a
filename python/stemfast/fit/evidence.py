"""The probability of an image given a set of cut corners alone, by Laplace's method.

Around its highest point the posterior is taken for a normal distribution with the Fisher
information H as its precision, and integrated: ln ∫ = ln L + ln prior + ½ n ln 2π − ½ ln det H.
Cuts have limits, and a rival's cut often rests at one, where the posterior still rises. There the
normal distribution is cut off: with H = C Cᵀ, the cuts last, each cut u adds the integral of
exp(g u − ½ c² u²) between its limits, c its diagonal element of C and g its slope.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["log_evidence", "log_integral"]

Float: TypeAlias = NDArray[np.float64]


def log_integral(slope: float, precision: float, low: float, high: float) -> float:
    """Logarithm of ∫ exp(g u − ½ p u²) du from low to high.

    Parameters
    ----------
    slope, precision : float
        g and p > 0.
    low, high : float
        Limits, low < high.

    Examples
    --------
    >>> round(log_integral(0.0, 1.0, -50.0, 50.0) - 0.5 * math.log(2 * math.pi), 9)
    0.0
    >>> round(log_integral(-1e3, 1.0, 0.0, 1.0) + math.log(1e3), 5)
    -0.0
    """
    from scipy.special import log_ndtr

    root = math.sqrt(precision)
    mode = slope / precision
    a, b = (low - mode) * root, (high - mode) * root
    if a > 0:  # both tails alike: keep to the side where log_ndtr is precise
        a, b = -b, -a
    upper, lower = float(log_ndtr(b)), float(log_ndtr(a))
    mass = upper + math.log1p(-math.exp(min(lower - upper, -1e-16)))
    return 0.5 * slope * mode + mass + 0.5 * math.log(2 * math.pi) - math.log(root)


def log_evidence(
    highest: float,
    gradient: Float,
    information: Float,
    is_cut: NDArray[np.bool_],
    cuts: Float,
    limits: tuple[float, float | Float],
    prior_precision: Float,
) -> float:
    """Logarithm of the evidence, but for the prior density of poses, places and edges.

    Parameters
    ----------
    highest : float
        ln (likelihood · normal priors without their norm) at the fit.
    gradient, information : (n,), (n, n) float64
        There; the gradient is used for the cuts alone.
    is_cut : (n,) bool
        Which parameters are cuts.
    cuts : (k,) float64
        Their values.
    limits : (float, float or (k,) float64)
        Of the cuts, whose prior is even between them.
    prior_precision : (n,) float64
        Of the parameters with a normal prior, 0 for the others.

    Examples
    --------
    >>> one = np.ones((1, 1))
    >>> value = log_evidence(
    ...     0.0, np.zeros(1), 1e4 * one, np.ones(1, bool), np.array([0.3]), (0.1, 0.5), np.zeros(1)
    ... )
    >>> round(value - math.log(math.sqrt(2 * math.pi) * 0.01 / 0.4), 6)
    0.0
    """
    order = np.concatenate([np.flatnonzero(~is_cut), np.flatnonzero(is_cut)])
    factor = np.linalg.cholesky(information[np.ix_(order, order)])
    diagonal = factor.diagonal()
    n_other = int((~is_cut).sum())
    total = highest
    total += 0.5 * n_other * math.log(2 * math.pi) - float(np.log(diagonal[:n_other]).sum())
    known = prior_precision[prior_precision > 0]
    total += 0.5 * float(np.log(known).sum()) - 0.5 * len(known) * math.log(2 * math.pi)
    low, upper = limits[0], limits[1] + np.zeros(len(cuts))
    steps = np.stack([gradient[is_cut], diagonal[n_other:], cuts, upper], axis=1)
    for slope, root, cut, high in steps.tolist():
        inside = low < cut < high
        total += log_integral(0.0 if inside else slope, root**2, low - cut, high - cut)
        total -= math.log(high - low)
    return total
