"""Search over sets of cut corners and handedness, by joint evidence of several images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.fit.cuboid.equivalents import axis_turns, mirrored, renamed
from stemfast.fit.cuboid.shape import CORNERS, MASKS, CutCuboid, rotation_matrix
from stemfast.fit.image.likelihood import Observation
from stemfast.fit.joint.levenberg_marquardt import Joint
from stemfast.fit.joint.parameters import JointState
from stemfast.fit.joint.turns import Turns
from stemfast.fit.joint.views import RefinedViews, fitted_views, pose_before, view_starts
from stemfast.fit.prior import Prior
from stemfast.fit.refine import OUT
from stemfast.fit.search import Comparison, checked_log_prior, explore

__all__ = ["ViewsComparison", "log_likelihood", "replace_poses", "same_particle", "search_views"]

Float: TypeAlias = NDArray[np.float64]

_TWINS = 3  # starts of a mirror image that are fitted
_SAME_TRACE = 1.0 + 2.0 * np.cos(np.radians(4.0))  # of a turn by 4°


@dataclass(frozen=True, eq=False)
class ViewsComparison:
    """Sets of cut corners compared over several images.

    Attributes
    ----------
    hands : tuple of Comparison
        The first holds the best fit and its rivals; a second, where turns or a spin are known,
        those of the mirror image, unless the particle is its own.
    """

    hands: tuple[Comparison[RefinedViews], ...]

    @property
    def best(self) -> RefinedViews:
        """The fit of the most probable particle."""
        return self.hands[0].fits[self.hands[0].best]

    @property
    def hand_probability(self) -> float:
        """Probability of the best fit's hand against that of its mirror image.

        1 if they were not compared, which is so for views at unknown poses: these say nothing of
        it, and half a chance is then all that is known, unless the particle is its own mirror
        image.
        """
        masks = np.zeros(MASKS, np.int64)
        totals = [self._total(hand, masks, 1)[0] for hand in self.hands]
        return float(totals[0] / sum(totals))

    def probabilities(self, class_of_mask: ArrayLike, n_classes: int) -> Float:
        """Probability of each class: (n_classes,), the sum over the masks tried of it."""
        classes = np.asarray(class_of_mask)
        total = sum((self._total(hand, classes, n_classes) for hand in self.hands), np.zeros(1))
        return np.asarray(total / total.sum())

    def _total(
        self, hand: Comparison[RefinedViews], classes: NDArray[np.int64], n_classes: int
    ) -> Float:
        highest = self.hands[0].log_posterior(self.hands[0].best)
        total = np.zeros(n_classes)
        for mask in hand.fits:
            total[classes[mask]] += np.exp(hand.log_posterior(mask) - highest)
        return total


def search_views(
    observations: Sequence[Observation],
    start: CutCuboid | Sequence[CutCuboid],
    *,
    log_prior: ArrayLike,
    prior: Prior,
    elsewhere: bool = False,
    turns: Turns | None = None,
    margin: float = 5.0,
    most: int = MASKS,
    starts: int = 1,
) -> ViewsComparison:
    """Compare the set of corners of a first idea with its rivals over several images.

    Parameters
    ----------
    observations, start, turns
        As in `refine_views`.
    log_prior, prior, elsewhere, margin, most, starts
        As in `stemfast.fit.search`.

    Returns
    -------
    ViewsComparison
    """
    shapes, before = view_starts(len(observations), start, turns)
    weights = checked_log_prior(log_prior, shapes[0].mask)

    seen = tuple(observations)

    def fit(near: RefinedViews, mask: int, count: int) -> RefinedViews:
        return fitted_views(seen, near.shapes, near.before, mask, prior, turns, count)

    def hopeless(near: RefinedViews, mask: int, lead: float) -> bool:
        return _out_of_question(seen, near, mask, prior, turns, lead)

    def compared(first: RefinedViews) -> Comparison[RefinedViews]:
        return explore(
            {first.mask: first},
            fit,
            weights,
            elsewhere=elsewhere,
            margin=margin,
            most=most,
            starts=starts,
            hopeless=hopeless,
        )

    own = compared(fitted_views(seen, shapes, before, shapes[0].mask, prior, turns, starts))
    spins = any(one.turned is not None for one in seen)
    if not spins and (turns is None or len(seen) == 1):
        return ViewsComparison((own,))
    found = own.fits[own.best]
    ideas = [tuple(mirrored(shape) for shape in some) for some in (found.shapes, shapes)]
    ideas = [idea for idea in ideas if np.isfinite(weights[idea[0].mask])]
    fits = [
        fitted_views(seen, idea, pose, idea[0].mask, prior, turns, 1)
        for idea, pose in _twins(seen, ideas, turns)
    ]
    # From so far off, edges can change places on the way, and then it is the first idea again.
    fits = [one for one in fits if not same_particle(one.shape, found.shape)]
    if not fits:
        return ViewsComparison((own,))
    twin = max(fits, key=lambda one: one.log_evidence)
    if twin.log_evidence < found.log_evidence - OUT:
        return _ranked(own, Comparison({twin.mask: twin}, weights))
    other = compared(twin)
    apart = {
        mask: one
        for mask, one in other.fits.items()
        if not any(same_particle(one.shape, mine.shape) for mine in own.fits.values())
    }
    return _ranked(own, Comparison(apart, weights)) if apart else ViewsComparison((own,))


def _twins(
    seen: Sequence[Observation], ideas: Sequence[tuple[CutCuboid, ...]], turns: Turns | None
) -> list[tuple[tuple[CutCuboid, ...], Float]]:
    """Mirror images and their poses before the turns: those that are the most likely starts."""
    if turns is None:
        return [(idea, idea[0].quaternion) for idea in ideas]
    # What fits one view turns the wrong way to the others: any may be the start.
    tried = [
        (log_likelihood(seen, replace_poses(idea, turns, pose)), idea, pose)
        for idea in ideas
        for pose in (pose_before(idea[view], turns, view) for view in range(len(seen)))
    ]
    tried.sort(key=lambda one: -one[0])
    return [(idea, pose) for _, idea, pose in tried[:_TWINS]]


def _ranked(*hands: Comparison[RefinedViews]) -> ViewsComparison:
    """With the hand of the best fit first."""
    return ViewsComparison(tuple(sorted(hands, key=lambda hand: -hand.log_posterior(hand.best))))


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


def replace_poses(
    shapes: Sequence[CutCuboid], turns: Turns, before: Float
) -> tuple[CutCuboid, ...]:
    """Shapes at the poses that the turns make of one before them.

    Parameters
    ----------
    shapes : sequence of CutCuboid
        In each view.
    turns : Turns
    before : (4,) float64
        Pose before the turns (x, y, z, w).
    """
    return tuple(
        replace(shape, quaternion=turns.quaternion(view, before, np.zeros(3)))
        for view, shape in enumerate(shapes)
    )


def log_likelihood(seen: Sequence[Observation], shapes: Sequence[CutCuboid]) -> float:
    """Of shapes on smooth films, all images together."""
    return sum(one.log_likelihood_of(shape) for one, shape in zip(seen, shapes, strict=True))


def _out_of_question(
    observations: tuple[Observation, ...],
    near: RefinedViews,
    rival: int,
    prior: Prior,
    turns: Turns | None,
    lead: float,
) -> bool:
    """As `stemfast.fit.refine.out_of_question`, over several images."""
    low, _ = prior.cut
    chosen = np.array([bool(rival >> corner & 1) for corner in range(CORNERS)])
    kept = np.where(near.shape.cuts > 0, near.shape.cuts, low)
    shapes = tuple(replace(shape, cuts=np.where(chosen, kept, 0.0)) for shape in near.shapes)
    scales = np.log(near.dose_scales)
    state = JointState(shapes, near.before, near.turn_errors_rad, near.waves_nm, scales)
    log_likelihood, promise = Joint(observations, rival, prior, turns).promise(state)
    return log_likelihood + 2.0 * promise + lead < near.log_likelihood - OUT
