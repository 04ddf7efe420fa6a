"""Search over sets of cut corners by their evidence.

There are 256 sets. The search starts from one, fits its neighbours (one corner more, one less, or,
where the count is given, one elsewhere), and goes on from every set that comes near the best, so
that it also meets what differs by two corners or three where the image leaves that open.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.fit.cuboid.shape import MASKS, CutCuboid
from stemfast.fit.image.likelihood import Observation
from stemfast.fit.refine import Prior, Refined, out_of_question, refine_observation

__all__ = ["Comparison", "count_prior", "explore", "search"]

Float: TypeAlias = NDArray[np.float64]

# Those within this of the best, at most so many, are fitted from so many more starts at the end.
_CLOSE_CALL, _FINALISTS, _FINAL_STARTS = 12.0, 4, 4
_HOPELESS = 20.0  # logarithms of evidence that no other start would make up for
_COUNTS = np.array([mask.bit_count() for mask in range(MASKS)])


class Fit(Protocol):
    """A fit with the logarithm of its evidence."""

    @property
    def log_evidence(self) -> float:
        """Logarithm of the evidence."""


T = TypeVar("T", bound=Fit)


def count_prior() -> Float:
    """Logarithms of the probabilities of the 256 masks if each count of cut corners is as likely.

    Examples
    --------
    >>> probability = np.exp(count_prior())
    >>> bool(np.isclose(probability.sum(), 1)), float(probability[0].round(4))
    (True, 0.1111)
    """
    ways = np.array([math.comb(8, count) for count in range(9)])
    return np.asarray(-np.log(9 * ways[_COUNTS]))


@dataclass(frozen=True, eq=False)
class Comparison(Generic[T]):
    """Sets of cut corners compared.

    Attributes
    ----------
    fits : dict of int to Refined or RefinedViews
        The fit of every mask that was tried.
    log_prior : (256,) float64
        Logarithm of each mask's probability before the image was seen.
    """

    fits: dict[int, T]
    log_prior: Float

    def log_posterior(self, mask: int) -> float:
        """Evidence times prior of a mask that was tried, but for a constant."""
        return self.fits[mask].log_evidence + float(self.log_prior[mask])

    @property
    def best(self) -> int:
        """The most probable mask."""
        return max(self.fits, key=self.log_posterior)

    def probabilities(self, class_of_mask: ArrayLike, n_classes: int) -> Float:
        """Probability of each class: (n_classes,), the sum over the masks tried of it.

        Examples
        --------
        See `search`.
        """
        classes = np.asarray(class_of_mask)
        highest = self.log_posterior(self.best)
        total = np.zeros(n_classes)
        for mask in self.fits:
            total[classes[mask]] += math.exp(self.log_posterior(mask) - highest)
        return np.asarray(total / total.sum())


def search(
    observation: Observation,
    start: CutCuboid,
    *,
    log_prior: ArrayLike,
    prior: Prior,
    elsewhere: bool = False,
    margin: float = 5.0,
    most: int = MASKS,
    starts: int = 3,
    quick: bool = False,
) -> Comparison[Refined]:
    """Compare the set of corners of a first idea with its rivals, and theirs.

    Parameters
    ----------
    observation : Observation
        The image, from `observe`.
    start : CutCuboid
        The first idea: a network's answer, or the truth.
    log_prior : (256,) array_like
        Logarithm of each mask's probability; -inf for one that cannot be.
    prior : Prior
        Of the parameters.
    elsewhere : bool
        Whether the neighbours of a mask are those with one corner elsewhere, too. They are the only
        ones where the prior allows no other count.
    margin : float
        Go on from every mask whose evidence times prior is within this of the best, in natural
        logarithms.
    most : int
        Most masks to fit.
    starts : int
        How often to fit the first idea, and a rival that is not hopeless, from starts a little
        apart: the likelihood can have several maxima, and what ended in the wrong one would be
        underrated.
    quick : bool
        Leave out rivals with one corner more or less of which one step of a fit says already that
        they are out of the question.

    Returns
    -------
    Comparison

    Examples
    --------
    >>> import stemfast as sf
    >>> from scipy.spatial.transform import Rotation
    >>> from stemfast.fit.image.likelihood import observe
    >>> particle = sf.Cuboid(edges=(14, 12, 10), corners={7: sf.Truncation(0.4)})
    >>> pose = Rotation.from_rotvec([0.5, 0.4, 0.3])
    >>> idea = CutCuboid.of(particle, pose)
    >>> image = observe(sf.simulate(particle, pose, seed=1), sf.Microscope(), idea)
    >>> found = search(image, idea, log_prior=count_prior(), prior=Prior(cut=(0.2, 0.5)))
    >>> found.best
    128
    >>> found.probabilities([mask.bit_count() for mask in range(256)], 9).round(2).tolist()
    [0.0, 0.93, 0.07, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """

    def fit(near: Refined | CutCuboid, mask: int, starts: int) -> Refined:
        shape = near if isinstance(near, CutCuboid) else near.shape
        return refine_observation(observation, shape, mask, prior, starts=starts)

    def hopeless(near: Refined, rival: int, lead: float) -> bool:
        return quick and out_of_question(observation, near, rival, prior, lead)

    weights = checked_log_prior(log_prior, start.mask)
    first = fit(start, start.mask, starts)
    return explore(
        {start.mask: first},
        fit,
        weights,
        elsewhere=elsewhere,
        margin=margin,
        most=most,
        starts=starts,
        hopeless=hopeless,
    )


def checked_log_prior(log_prior: ArrayLike, mask: int) -> Float:
    """The prior as an array, if it is one for all masks and allows this one."""
    weights = np.asarray(log_prior, np.float64)
    if weights.shape != (MASKS,):
        raise ValueError(f"log_prior has shape {weights.shape}, expected ({MASKS},)")
    if not np.isfinite(weights[mask]):
        raise ValueError(f"the prior excludes the mask {mask} of the start")
    return weights


def explore(
    first: dict[int, T],
    fit: Callable[[T, int, int], T],
    weights: Float,
    *,
    elsewhere: bool,
    margin: float,
    most: int,
    starts: int,
    hopeless: Callable[[T, int, float], bool] | None = None,
) -> Comparison[T]:
    """Fit the neighbours of masks, and those of every one that comes near the best.

    Parameters
    ----------
    first : dict of int to fit
        Masks and their fits to begin with.
    fit : callable
        ``fit(near, mask, starts)`` fits a mask from the fit of one near it.
    weights : (256,) float64
        Logarithm of each mask's probability.
    elsewhere, margin, most, starts
        As in `search`.
    hopeless : callable, optional
        ``hopeless(near, mask, lead)`` says whether a mask need not be fitted, where only one with
        a fit within `lead` of that of `near` would matter.
    """
    found = Comparison(dict(first), weights)
    left: dict[int, None] = dict.fromkeys(first)
    while left:
        mask = max(left, key=found.log_posterior)
        best = found.log_posterior(found.best)
        if mask not in first and found.log_posterior(mask) < best - margin:
            break
        del left[mask]
        for rival in _neighbours(mask, weights, elsewhere):
            if rival in found.fits or len(found.fits) >= most:
                continue
            near = found.fits[mask]
            lead = found.log_posterior(mask) - best + weights[rival] - weights[mask]
            if hopeless is not None and hopeless(near, rival, float(lead)):
                continue
            one = fit(near, rival, 1)
            if starts > 1 and one.log_evidence + weights[rival] > best - _HOPELESS:
                one = fit(one, rival, starts)
            found.fits[rival] = one
            left[rival] = None
    if starts > 1:
        _settle(found, fit)
    return found


def _settle(found: Comparison[T], fit: Callable[[T, int, int], T]) -> None:
    """Fit those once more that could be the best: from many starts, and from each other's shapes.

    Where one has found a better pose, that of the others is often better there, too.
    """
    best = found.log_posterior(found.best)
    ranked = sorted(found.fits, key=found.log_posterior, reverse=True)[:_FINALISTS]
    close = [mask for mask in ranked if found.log_posterior(mask) > best - _CLOSE_CALL]
    if len(close) == 1:
        return
    before = {mask: found.fits[mask] for mask in close}
    for mask in close:
        again = [fit(one, mask, 1) for other, one in before.items() if other != mask]
        own = fit(before[mask], mask, _FINAL_STARTS)
        fits = (found.fits[mask], own, *again)
        found.fits[mask] = max(fits, key=lambda one: one.log_evidence)


def _neighbours(mask: int, log_prior: Float, elsewhere: bool) -> list[int]:
    possible = np.flatnonzero(np.isfinite(log_prior))
    distance = _COUNTS[possible ^ mask]
    near = possible[distance == 1]
    moved = possible[(distance == 2) & (_COUNTS[possible] == _COUNTS[mask])]
    if not len(near):
        return [int(rival) for rival in moved]
    return [int(rival) for rival in (np.concatenate([near, moved]) if elsewhere else near)]
