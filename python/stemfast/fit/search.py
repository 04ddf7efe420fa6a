"""Search over sets of cut corners and handedness by their evidence, in one image or several.

There are 256 sets. The search starts from one, fits its neighbours (one corner more, one less, or,
where the count is given, one elsewhere), and goes on from every set that comes near the best, so
that it also meets what differs by two corners or three where the images leave that open. Where the
images tell a particle from its mirror image, that is searched as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.fit.cuboid.equivalents import axis_turns, mirrored, renamed
from stemfast.fit.cuboid.shape import MASKS, CutCuboid, rotation_matrix
from stemfast.fit.image.likelihood import Observation
from stemfast.fit.prior import Prior
from stemfast.fit.refine import OUT, Refined, fitted, log_likelihood, out_of_question, refine
from stemfast.fit.turns import Turns

__all__ = [
    "CornerComparison",
    "Rivals",
    "Rules",
    "compare",
    "count_prior",
    "same_particle",
    "search",
]

Float: TypeAlias = NDArray[np.float64]

# Those within this of the best, at most so many, are fitted from so many more starts at the end.
_CLOSE_CALL, _FINALISTS, _FINAL_STARTS = 12.0, 4, 4
_HOPELESS = 20.0  # logarithms of evidence that no other start would make up for
_COUNTS = np.array([mask.bit_count() for mask in range(MASKS)])
_TWINS = 3  # starts of a mirror image that are fitted
_SAME_TRACE = 1.0 + 2.0 * np.cos(np.radians(4.0))  # of a turn by 4°


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
class Rivals:
    """Sets of cut corners of one handedness.

    Attributes
    ----------
    fits : dict of int to Refined
        The fit of every mask that was tried.
    log_prior : (256,) float64
        Logarithm of each mask's probability before the images were seen.
    """

    fits: dict[int, Refined]
    log_prior: Float

    def log_posterior(self, mask: int) -> float:
        """Evidence times prior of a mask that was tried, but for a constant."""
        return self.fits[mask].log_evidence + float(self.log_prior[mask])

    @property
    def best(self) -> int:
        """The most probable mask."""
        return max(self.fits, key=self.log_posterior)

    @property
    def highest(self) -> float:
        """Evidence times prior of the most probable mask, but for a constant."""
        return self.log_posterior(self.best)


@dataclass(frozen=True, eq=False)
class CornerComparison:
    """Sets of cut corners compared over all images.

    Attributes
    ----------
    enantiomers : tuple of Rivals
        The first holds the best fit and its rivals; a second, where turns or a spin are known,
        those of the mirror image, unless the particle is its own.
    """

    enantiomers: tuple[Rivals, ...]

    @property
    def best(self) -> Refined:
        """The fit of the most probable particle."""
        return self.enantiomers[0].fits[self.enantiomers[0].best]

    @property
    def highest(self) -> float:
        """Evidence times prior of the most probable particle, but for a constant."""
        return self.enantiomers[0].highest

    @property
    def n_fits(self) -> int:
        """Number of sets of corners that were fitted."""
        return sum(len(rivals.fits) for rivals in self.enantiomers)

    @property
    def hand_probability(self) -> float:
        """Probability of the best fit's handedness against that of its mirror image.

        1 if they were not compared, which is so for views at unknown poses: these say nothing of
        it, and half a chance is then all that is known, unless the particle is its own mirror
        image.
        """
        masks = np.zeros(MASKS, np.int64)
        totals = [self._total(rivals, masks, 1)[0] for rivals in self.enantiomers]
        return float(totals[0] / sum(totals))

    def probabilities(self, class_of_mask: ArrayLike, n_classes: int) -> Float:
        """Probability of each class: (n_classes,), the sum over the masks tried of it.

        Examples
        --------
        See `search`.
        """
        classes = np.asarray(class_of_mask)
        total = sum(
            (self._total(rivals, classes, n_classes) for rivals in self.enantiomers), np.zeros(1)
        )
        return np.asarray(total / total.sum())

    def _total(self, rivals: Rivals, classes: NDArray[np.int64], n_classes: int) -> Float:
        total = np.zeros(n_classes)
        for mask in rivals.fits:
            total[classes[mask]] += math.exp(rivals.log_posterior(mask) - self.highest)
        return total


@dataclass(frozen=True, eq=False)
class Rules:
    """Rules of a search: its parameters, as of `search`."""

    weights: Float
    prior: Prior
    turns: Turns | None = None
    elsewhere: bool = False
    margin: float = 5.0
    most: int = MASKS
    starts: int = 1
    quick: bool = True

    def fitted(self, near: Refined, mask: int, starts: int) -> Refined:
        """A mask from the fit of one near it."""
        return fitted(
            near.observations, near.shapes, near.before, mask, self.prior, self.turns, starts
        )

    def out(self, near: Refined, mask: int, lead: float) -> bool:
        """True if a mask need not be fitted."""
        return self.quick and out_of_question(near, mask, self.prior, self.turns, lead)


def search(
    observations: Observation | Sequence[Observation],
    start: CutCuboid | Sequence[CutCuboid],
    *,
    log_prior: ArrayLike,
    prior: Prior,
    elsewhere: bool = False,
    turns: Turns | None = None,
    margin: float = 5.0,
    most: int = MASKS,
    starts: int = 1,
    quick: bool = True,
) -> CornerComparison:
    """Compare the set of corners of a first idea with its rivals, and theirs.

    Parameters
    ----------
    observations, start, turns
        As in `refine`. The first idea is a network's answer, or the truth.
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
    CornerComparison

    Raises
    ------
    ValueError
        If `log_prior` is not one number for each mask, or excludes that of the start.

    Examples
    --------
    >>> import stemfast as sf
    >>> from scipy.spatial.transform import Rotation
    >>> from stemfast.fit.image.likelihood import observe
    >>> particle = sf.Cuboid(edges=(14, 12, 10), corners={7: sf.Truncation(0.4)})
    >>> pose = Rotation.from_rotvec([0.5, 0.4, 0.3])
    >>> idea = CutCuboid.of(particle, pose)
    >>> image = observe(sf.simulate(particle, pose, seed=1), sf.Microscope(), idea)
    >>> known = Prior(cut=(0.2, 0.5))
    >>> found = search(image, idea, log_prior=count_prior(), prior=known, starts=3)
    >>> found.best.mask
    128
    >>> found.probabilities([mask.bit_count() for mask in range(256)], 9).round(2).tolist()
    [0.0, 0.93, 0.07, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    mask = (start if isinstance(start, CutCuboid) else start[0]).mask
    weights = np.asarray(log_prior, np.float64)
    if weights.shape != (MASKS,):
        raise ValueError(f"log_prior has shape {weights.shape}, expected ({MASKS},)")
    if not np.isfinite(weights[mask]):
        raise ValueError(f"the prior excludes the mask {mask} of the start")
    first = refine(observations, start, prior=prior, turns=turns, starts=starts)
    return compare(first, Rules(weights, prior, turns, elsewhere, margin, most, starts, quick))


def compare(first: Refined, rules: Rules) -> CornerComparison:
    """The same from the fit of the first idea.

    Parameters
    ----------
    first : Refined
    rules : Rules
    """
    weights, prior, turns = rules.weights, rules.prior, rules.turns
    own, seen = _explored(first, rules), first.observations
    spins = any(one.turned is not None for one in seen)
    if not spins and (turns is None or len(seen) == 1):
        return CornerComparison((own,))
    found = own.fits[own.best]
    ideas = [tuple(mirrored(shape) for shape in some.shapes) for some in (found, first)]
    ideas = [idea for idea in ideas if np.isfinite(weights[idea[0].mask])]
    fits = [
        fitted(seen, idea, pose, idea[0].mask, prior, turns, 1)
        for idea, pose in _twins(seen, ideas, turns)
    ]
    # From so far off, edges can change places on the way, and then it is the first idea again.
    fits = [one for one in fits if not same_particle(one.shape, found.shape)]
    if not fits:
        return CornerComparison((own,))
    twin = max(fits, key=lambda one: one.log_evidence)
    other = Rivals({twin.mask: twin}, weights)
    if twin.log_evidence >= found.log_evidence - OUT:
        apart = {
            mask: one
            for mask, one in _explored(twin, rules).fits.items()
            if not any(same_particle(one.shape, mine.shape) for mine in own.fits.values())
        }
        if not apart:
            return CornerComparison((own,))
        other = Rivals(apart, weights)
    return CornerComparison((own, other) if own.highest >= other.highest else (other, own))


def _explored(first: Refined, rules: Rules) -> Rivals:
    """Fit the neighbours of a fit's mask, and those of every one that comes near the best."""
    weights, starts = rules.weights, rules.starts
    found = Rivals({first.mask: first}, weights)
    left = {first.mask: None}
    while left:
        mask = max(left, key=found.log_posterior)
        best = found.highest
        if mask != first.mask and found.log_posterior(mask) < best - rules.margin:
            break
        del left[mask]
        for rival in _neighbours(mask, weights, rules.elsewhere):
            if rival in found.fits or len(found.fits) >= rules.most:
                continue
            near = found.fits[mask]
            lead = found.log_posterior(mask) - best + weights[rival] - weights[mask]
            if rules.out(near, rival, float(lead)):
                continue
            one = rules.fitted(near, rival, 1)
            if starts > 1 and one.log_evidence + weights[rival] > best - _HOPELESS:
                one = rules.fitted(one, rival, starts)
            found.fits[rival] = one
            left[rival] = None
    if starts > 1:
        _settle(found, rules)
    return found


def _settle(found: Rivals, rules: Rules) -> None:
    """Fit those once more that could be the best: from many starts, and from each other's shapes.

    Where one has found a better pose, that of the others is often better there, too.
    """
    best = found.highest
    ranked = sorted(found.fits, key=found.log_posterior, reverse=True)[:_FINALISTS]
    close = [mask for mask in ranked if found.log_posterior(mask) > best - _CLOSE_CALL]
    if len(close) == 1:
        return
    before = {mask: found.fits[mask] for mask in close}
    for mask in close:
        again = [rules.fitted(one, mask, 1) for other, one in before.items() if other != mask]
        own = rules.fitted(before[mask], mask, _FINAL_STARTS)
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


def _twins(
    seen: Sequence[Observation], ideas: Sequence[tuple[CutCuboid, ...]], turns: Turns | None
) -> list[tuple[tuple[CutCuboid, ...], Float]]:
    """Mirror images and their poses before the turns: those that are the most likely starts."""
    if turns is None:
        return [(idea, idea[0].quaternion) for idea in ideas]
    # What fits one view turns the wrong way to the others: any may be the start.
    tried = [
        (log_likelihood(seen, turns.posed(idea, pose)), idea, pose)
        for idea in ideas
        for pose in (turns.before(idea[view], view) for view in range(len(seen)))
    ]
    tried.sort(key=lambda one: -one[0])
    return [(idea, pose) for _, idea, pose in tried[:_TWINS]]


def same_particle(one: CutCuboid, other: CutCuboid) -> bool:
    """True if two shapes are one particle in one pose under different names of its axes.

    Examples
    --------
    >>> shape = CutCuboid(np.array([9.0, 8, 7]), np.eye(8)[0] / 3, np.eye(4)[3], np.zeros(2))
    >>> same_particle(shape, renamed(shape, axis_turns()[5]))
    True
    >>> same_particle(shape, mirrored(shape))
    False
    """
    target = rotation_matrix(other.quaternion)
    for turn in axis_turns():
        matrix = rotation_matrix(one.quaternion) @ turn
        if np.trace(matrix.T @ target) > _SAME_TRACE and renamed(one, turn).mask == other.mask:
            return True
    return False
