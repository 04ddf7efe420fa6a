"""Shares of the classes of a batch, corrected for the classifier's own confusion.

A classifier that calls a particle of class i by the name j with probability C_ij sees the share
q_j = Σ_i p_i C_ij of a batch whose true shares are p_i. Solved for p, this is the estimator of
Rogan and Gladen (Am. J. Epidemiol. 107 (1978) 71) for any number of classes; where the solution
leaves the simplex, the shares of greatest likelihood within it are taken, by expectation
maximisation (Saerens et al., Neural Computation 14 (2002) 21).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Prevalence", "prevalence"]

Floats = NDArray[np.float64]

DRAWS = 4000
_SEED = 19_780_107
_STEPS = 400  # of expectation maximisation
_SINGULAR = 1e6  # condition number of a confusion that tells some classes apart by chance only
_LEVEL = (0.025, 0.975)


@dataclass(frozen=True, eq=False)
class Prevalence:
    """Shares of K classes.

    Attributes
    ----------
    counts : ndarray of int, shape (K,)
        Particles that the classifier gave each name.
    observed : ndarray, shape (K,)
        Their shares.
    shares : ndarray, shape (K,)
        Shares that explain the counts best, given the confusion; `observed` without one.
    low, high : ndarray, shape (K,)
        95 % interval of each share.
    draws : ndarray, shape (draws, K)
        Shares as uncertain as they are, for intervals of what follows from them.
    corrected : bool
        Whether a confusion was given.
    """

    counts: NDArray[np.int64]
    observed: Floats
    shares: Floats
    low: Floats
    high: Floats
    draws: Floats
    corrected: bool

    def mean_of(self, values: ArrayLike) -> tuple[float, float, float]:
        """Mean over the batch of a number that each class stands for, with its 95 % interval.

        Parameters
        ----------
        values : array_like, shape (K,)

        Returns
        -------
        mean, low, high : float

        Examples
        --------
        >>> mean, low, high = prevalence([50, 50]).mean_of([0.0, 8.0])
        >>> round(mean), low < 4.0 < high
        (4, True)
        """
        numbers = np.asarray(values, np.float64)
        low, high = np.quantile(self.draws @ numbers, _LEVEL)
        return float(self.shares @ numbers), float(low), float(high)

    def all_but(self, k: int) -> tuple[float, float, float]:
        """Share of all classes but one, with its 95 % interval.

        As for single classes, a lower end below half a particle is 0.

        Parameters
        ----------
        k : int
            Number of the class that is left out.

        Returns
        -------
        share, low, high : float

        Examples
        --------
        >>> share, low, high = prevalence([60, 30, 10]).all_but(0)
        >>> share, low < 0.4 < high
        (0.4, True)
        """
        low = 1.0 - float(self.high[k])
        if low * self.counts.sum() < 0.5:
            low = 0.0
        return 1.0 - float(self.shares[k]), low, 1.0 - float(self.low[k])


def prevalence(counts: ArrayLike, confusion: ArrayLike | None = None) -> Prevalence:
    """True shares of the classes of a batch, from how often a classifier gave each name.

    The 95 % interval holds what chance does to the counts and what is unknown of the confusion.
    Both are drawn from Dirichlet distributions, the posteriors under the objective prior of
    weight 1/K for each of K classes (Berger, Bernardo and Sun, Bayesian Analysis 10 (2015) 189; for
    two classes it is that of Jeffreys); for each draw the equation above is solved. A lower end
    below half a particle is 0. The upper end of a class that is hardly seen is raised by what
    Jeffreys' prior of this class against all others allows more.

    Parameters
    ----------
    counts : array_like of int, shape (K,)
        Particles by the name that the classifier gave them.
    confusion : array_like of int, shape (K, K), optional
        Test images by true class (rows) and given name (columns). Without it the classifier is
        taken to be always right.

    Returns
    -------
    Prevalence

    Raises
    ------
    ValueError
        If the counts are no counts or all 0, or the confusion is of another shape, has numbers
        below 0 or a class without a test image.

    Examples
    --------
    >>> batch = prevalence([905, 95], [[4900, 100], [500, 4500]])
    >>> batch.observed[1], batch.shares[1].round(3)
    (np.float64(0.095), np.float64(0.085))
    >>> bool(batch.low[1] < 0.085 < batch.high[1])
    True
    """
    n = _counted("counts", counts)
    if n.ndim != 1 or len(n) < 2 or not n.sum():
        raise ValueError(
            f"counts has shape {n.shape} and sum {n.sum()}, expected numbers of at least two "
            "classes that are not all 0"
        )
    classes, total = len(n), int(n.sum())
    rng = np.random.default_rng([_SEED, classes])
    seen = rng.dirichlet(n + 1.0 / classes, DRAWS)
    observed = n / total
    if confusion is None:
        shares, draws = observed, seen
    else:
        tested = _counted("confusion", confusion)
        if tested.shape != (classes, classes):
            raise ValueError(
                f"confusion has shape {tested.shape}, expected {(classes, classes)}, a row and a "
                "column for each class"
            )
        if not tested.sum(axis=1).all():
            raise ValueError(
                f"confusion has no test image of the classes {np.flatnonzero(~tested.any(axis=1))}"
                ", expected some of each"
            )
        rates = np.stack([rng.dirichlet(row + 1.0 / classes, DRAWS) for row in tested], axis=1)
        draws = _solved(seen, rates)
        own = tested / tested.sum(axis=1, keepdims=True)
        shares = _solved(observed[None], own[None])[0]
    low, high = np.quantile(draws, _LEVEL, axis=0)
    low = np.where(low * total < 0.5, 0.0, low)
    high = np.minimum(high + _allowance(n), 1.0)
    return Prevalence(
        counts=n,
        observed=observed,
        shares=shares,
        low=np.minimum(low, shares),
        high=np.maximum(high, shares),
        draws=draws,
        corrected=confusion is not None,
    )


def _allowance(n: NDArray[np.int64]) -> Floats:
    """Difference of the upper ends of a share under the weights 1/2 and 1/K of a class."""
    from scipy.special import betaincinv

    rest, weight = n.sum() - n, 1.0 / len(n)
    wide = betaincinv(n + 0.5, rest + 0.5, _LEVEL[1])
    allowance: Floats = np.maximum(
        wide - betaincinv(n + weight, rest + 1.0 - weight, _LEVEL[1]), 0.0
    )
    return allowance


def _counted(name: str, values: ArrayLike) -> NDArray[np.int64]:
    numbers = np.asarray(values, np.float64)
    whole = np.all(np.isfinite(numbers)) and np.all((numbers >= 0) & (numbers == np.round(numbers)))
    if not whole:
        raise ValueError(f"{name} is {numbers.tolist()}, expected whole numbers from 0")
    result: NDArray[np.int64] = numbers.astype(np.int64)
    return result


def _solved(seen: Floats, rates: Floats) -> Floats:
    """Shares p of greatest likelihood with seen = p · rates, for each draw: (draws, K)."""
    with np.errstate(all="ignore"):
        sound = np.linalg.cond(rates) < _SINGULAR
    result = np.full_like(seen, -1.0)
    if sound.any():
        turned = np.swapaxes(rates[sound], 1, 2)
        result[sound] = np.linalg.solve(turned, seen[sound][..., None])[..., 0]
    outside = (result < 0.0).any(axis=1)
    if outside.any():
        start = np.clip(result[outside], 1e-3 / seen.shape[1], None)
        result[outside] = _climbed(seen[outside], rates[outside], start)
    shares: Floats = result / result.sum(axis=1, keepdims=True)
    return shares


def _climbed(seen: Floats, rates: Floats, start: Floats) -> Floats:
    """Expectation maximisation from `start`, within the simplex."""
    result: Floats = start / start.sum(axis=1, keepdims=True)
    going, shares = np.arange(len(result)), result
    for step in range(1, _STEPS + 1):
        told = np.matmul(shares[:, None, :], rates)[:, 0, :]
        ratio = np.divide(seen, told, out=np.zeros_like(seen), where=told > 0.0)
        after: Floats = shares * np.matmul(rates, ratio[..., None])[..., 0]
        moved = np.abs(after - shares).max(axis=1) >= 1e-9
        shares = after
        # Most draws arrive early; the others go on without them.
        if step % 20 == 0 or step == _STEPS or not moved.any():
            result[going] = shares
            going, shares = going[moved], shares[moved]
            seen, rates = seen[moved], rates[moved]
            if not len(going):
                break
    return result
