"""Images in, the particle out: proposals, the search among corners, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.fit.cuboid.shape import CORNERS, CutCuboid
from stemfast.fit.cuboid.spinning import checked_turned
from stemfast.fit.image.likelihood import Observation, observe
from stemfast.fit.image.probe import with_fitted_probe
from stemfast.fit.image.rims import has_sharp_rims, softened
from stemfast.fit.joint.gather import fits_of
from stemfast.fit.one_thread import one_thread
from stemfast.fit.poses import BIN, WAVES, posed_anew
from stemfast.fit.posterior.integrate import integrated_rivals
from stemfast.fit.posterior.modes import over_modes
from stemfast.fit.prior import Prior
from stemfast.fit.proposal import Proposal, placed
from stemfast.fit.propose import are_apart, likely_mask, proposals, relaxed
from stemfast.fit.refine import Refined, log_likelihood, refine
from stemfast.fit.search import CornerComparison, Rivals, Rules, compare, same_particle
from stemfast.fit.tasks import Question, question
from stemfast.fit.templates import binned
from stemfast.fit.turns import Turns
from stemfast.microscope import Microscope

__all__ = ["Decision", "decide"]

Float: TypeAlias = NDArray[np.float64]
Report: TypeAlias = Callable[[str], None]

_IDEAS_OF_ONE, _IDEAS = 5, 3  # of one image, and of several
_STARTS = 3  # of each rival in one image
_LAID = 2  # of a network's proposals that are fitted
_APART_DEG, _AGAIN = 2.5, 2  # where poses are looked for again: how far apart, how many searched
_HOPELESS = 40.0  # logarithms of likelihood behind the best proposal
_BETTER = 1.0  # logarithms of probability by which another pose must be better
_NEAR = 5.0  # logarithms of probability within which rivals are integrated
_ROOM = 1.12  # around a first idea, for what an unknown dose makes it wrong by
_FAR_OFF = 0.08  # misfit that no set of corners makes up for
# Standard deviations of χ² beyond its mean that noise alone may reach: in one image, in several,
# and from which on the pose in one of several is in doubt.
_FAIR_ALONE, _FAIR, _DOUBTFUL = 2.0, 4.0, 2.0


@dataclass(frozen=True, eq=False)
class Decision:
    """Decision about the particle in one image or several.

    Attributes
    ----------
    comparisons : tuple of CornerComparison
        Of the sets of cut corners, one for each pose that explains the images, the best first.
    task : str
        What is asked of the corners.
    microscopes : tuple of Microscope
        What took the images, with the probe that was fitted.
    """

    comparisons: tuple[CornerComparison, ...]
    task: str
    microscopes: tuple[Microscope, ...]

    @property
    def best(self) -> Refined:
        """The fit of the most probable set of corners."""
        return self.comparisons[0].best

    @property
    def probability(self) -> Float:
        """(n_classes,) of each class: evidence times prior, over sets of corners and over poses.

        Which edge is the longest is for each fit to say: it need not be that of the first idea.
        """
        highest = self.comparisons[0].highest
        total = np.zeros(1 + int(_any_edges(self.task).class_of_mask.max()))
        for compared in self.comparisons:
            for rivals in compared.enantiomers:
                for mask, fit in rivals.fits.items():
                    of_mask = question(self.task, fit.shape.edges_nm).class_of_mask
                    total[of_mask[mask]] += math.exp(rivals.log_posterior(mask) - highest)
        return np.asarray(total / total.sum())

    @property
    def answer(self) -> int:
        """The most probable class."""
        return int(self.probability.argmax())

    @property
    def explained(self) -> bool:
        """True if the best fit explains every image."""
        return self.best.explained


@one_thread
def decide(
    images: ArrayLike | Sequence[ArrayLike],
    microscopes: Microscope | Sequence[Microscope],
    task: str = "count",
    *,
    material: str = "Au",
    prior: Prior | None = None,
    turns: Turns | None = None,
    turned: Sequence[Float | None] | None = None,
    proposal: Proposal | None = None,
    fit_probe: bool = False,
    starts: int | None = None,
    report: Report = lambda text: None,
) -> Decision:
    """Find the particle of one image or several from the images alone, or with a network's help.

    Parameters
    ----------
    images : (rows, columns) array_like, or a sequence of K of them
        Pixel values; of one particle.
    microscopes : Microscope, or a sequence of K
        What took the one image, or each: dose, probe, film and detector are taken as known.
    task : str
        One of `stemfast.fit.tasks.CORNER_TASKS`: what is asked of the corners, and how likely each
        set of them is beforehand.
    material : str
        What the particle is made of.
    prior : Prior, optional
        Limits of the cuts and the like.
    turns : Turns, optional
        How the views are turned against each other, if that is known.
    turned : sequence of (rows, 3, 3) float64 or None, optional
        How the particle is turned in each row of each image, from `row_turns`, if it spins during
        the scan.
    proposal : Proposal, optional
        What a network says of the corners: fitted as well, in the poses that the images propose.
    fit_probe : bool
        Whether the width of the probe is read off the images.
    starts : int, optional
        Fits of each rival that is not hopeless; see `search`. Without it 3 of one image, and 1 of
        several, which have fewer maxima.
    report : callable
        Told in words what is being done.

    Returns
    -------
    Decision

    Raises
    ------
    ValueError
        If there is no such task, there are no images, no particle stands out of one, or images and
        microscopes do not fit each other.

    Examples
    --------
    >>> import stemfast as sf
    >>> particle = sf.Cuboid(edges=(14, 12, 10), corners={7: sf.Truncation(0.4)})
    >>> scope = sf.Microscope(beam=sf.Beam(current_pa=32))
    >>> images = sf.simulate(particle, sf.orientation.random(2, seed=1), scope, seed=1)
    >>> known = Prior(cut=(0.2, 0.5))
    >>> found = decide(images, [scope] * 2, prior=known)
    >>> found.answer, found.explained, np.sort(found.best.shape.edges_nm).round().tolist()
    (1, True, [10.0, 12.0, 14.0])
    >>> decide(images[1], scope, prior=known).answer
    1
    """
    known = prior or Prior()
    if _any_edges(task).equal_edges:
        known = replace(known, equal_edges=True)
    pictures: list[ArrayLike]
    if isinstance(microscopes, Microscope):
        pictures, scopes = [np.asarray(images)], [microscopes]
    else:
        pictures, scopes = list(images), list(microscopes)  # type: ignore[arg-type]
    k = len(pictures)
    rows = checked_turned(turned, k)
    turns = turns if k > 1 else None  # what one image is turned by tells nothing
    case = _Case(pictures, scopes, rows, task, known, turns, starts or (_STARTS if k == 1 else 1))
    report("proposing shapes and poses")
    ideas = proposals(
        pictures,
        scopes,
        material=material,
        prior=known,
        turns=turns,
        turned=rows,
        most=_IDEAS_OF_ONE if k == 1 else _IDEAS,
    )
    places = [(idea.log_likelihood, case.likely(idea)) for idea in ideas]
    case.observe(ideas[0].shapes)
    if fit_probe:
        report("reading the probe off the images")
        fits = [case.refined(shapes) for _, shapes in places]
        fits.sort(key=lambda fit: -fit.log_likelihood)
        case.fit_probe(fits[0])
        places = [(fit.log_likelihood, fit.shapes) for fit in fits]
    case.soften(places[0][1])
    found, nearest = case.searched(places, proposal, report)
    if not found:
        report("nothing of this family explains the images")
        found = [CornerComparison((Rivals({nearest.mask: nearest}, case.rules(nearest).weights),))]
    elif fit_probe and not found[0].best.explained:
        # A probe read off a wrong first fit spoils the right one: once more, from the best.
        report("reading the probe off the best fit, and comparing again")
        case.fit_probe(found[0].best)
        case.soften(found[0].best.shapes)
        found = [case.compared(case.refined(found[0].best.shapes))]
    elif not case.soft and case.soften(found[0].best.shapes):
        report("comparing again, with rims that pixels can show")
        found = [case.compared(case.refined(one.best.shapes)) for one in found]
    if case.soft:
        found = [integrated_rivals(one, known, _NEAR) for one in found]
        found.sort(key=lambda one: -one.highest)
    if k == 1:
        found[0] = over_modes(found[0], known)
    return Decision(tuple(_distinct(found)), task, tuple(case.microscopes))


@dataclass(eq=False)
class _Case:
    """Images of a particle with all that is known beforehand."""

    images: Sequence[ArrayLike]
    microscopes: Sequence[Microscope]
    turned: Sequence[Float | None]
    task: str
    prior: Prior
    turns: Turns | None
    starts: int
    seen: tuple[Observation, ...] = ()

    def observe(self, shapes: Sequence[CutCuboid]) -> None:
        """See what is around these shapes."""
        room = _ROOM if self.prior.dose_sd > 0 else 1.0
        self.seen = tuple(
            observe(image, scope, replace(shape, edges_nm=room * shape.edges_nm), turned=rows)
            for image, scope, shape, rows in zip(
                self.images, self.microscopes, shapes, self.turned, strict=True
            )
        )

    def fit_probe(self, fit: Refined) -> None:
        """See through the probe that makes a fit most likely."""
        self.microscopes = with_fitted_probe(self.microscopes, fit)
        self.observe(fit.shapes)

    @property
    def soft(self) -> bool:
        """True if rims are seen as wide as pixels."""
        return any(one.rim_nm > 0 for one in self.seen)

    def soften(self, shapes: Sequence[CutCuboid]) -> bool:
        """See no rim sharper than pixels can show it, if faces of these shapes have such rims."""
        sharp = has_sharp_rims(self.seen, shapes)
        if sharp:
            fit = refine(self.seen, shapes, prior=self.prior, turns=self.turns)
            self.seen = tuple(
                softened(one, shape) for one, shape in zip(self.seen, fit.shapes, strict=True)
            )
        return sharp

    def likely(self, idea: Refined) -> tuple[CutCuboid, ...]:
        """Shapes of a fit with all corners cut, with those that are clearly so."""
        return likely_mask(idea, self.prior, question(self.task, idea.shape.edges_nm).log_prior)

    def rules(self, fit: Refined) -> Rules:
        """Rules of the search among its corners."""
        own = question(self.task, fit.shape.edges_nm)
        # Without the steps that sharp rims make, one start finds what several do.
        starts = 1 if self.soft else self.starts
        return Rules(own.log_prior, self.prior, self.turns, own.elsewhere, starts=starts)

    def refined(self, shapes: Sequence[CutCuboid]) -> Refined:
        """The fit from these shapes."""
        return refine(self.seen, shapes, prior=self.prior, turns=self.turns, starts=self.starts)

    def compared(self, first: Refined) -> CornerComparison:
        """A fit and its rivals."""
        return compare(first, self.rules(first))

    def searched(
        self,
        places: Sequence[tuple[float, tuple[CutCuboid, ...]]],
        proposal: Proposal | None,
        report: Report,
    ) -> tuple[list[CornerComparison], Refined]:
        """Comparisons from shapes of these likelihoods, the best first, and the nearest fit."""
        found: list[CornerComparison] = []
        nearest: Refined | None = None
        for number, (value, shapes) in enumerate(places, start=1):
            near = value > places[0][0] - _HOPELESS and len(self.images) == 1
            # With all corners free a fit can end in a lower maximum, and its pose be right all the
            # same: while noise alone does not explain what is left, the others are looked at, too.
            if not near and any(self._is_fair(one.best) for one in found):
                break
            first = self.refined(shapes)
            if proposal is not None:
                first = self._best_of(first, proposal)
            if nearest is None or first.log_likelihood > nearest.log_likelihood:
                nearest = first
            if not _is_far_off(first) and not any(_was_tried(first, one) for one in found):
                report(f"comparing sets of corners, start {number} of {len(places)}")
                found.append(self.compared(first))
        assert nearest is not None
        if not found and len(self.images) == 1:
            found = [self.compared(nearest)]  # at a wrong pose any corners may be far off
        found.sort(key=lambda one: -one.highest)
        if found and self.turns is None and all(rows is None for rows in self.turned):
            found += [self.compared(fit) for fit in self._posed_again(found)]
            found.sort(key=lambda one: -one.highest)
        return found, nearest

    def _best_of(self, fit: Refined, proposal: Proposal) -> Refined:
        """A fit, or that with a network's corners in its poses, whichever is more probable."""
        weights = self.rules(fit).weights
        laid = [some for some in placed(proposal, fit.shapes) if some[0].mask != fit.mask]
        laid = [some for some in laid if np.isfinite(weights[some[0].mask])]
        laid.sort(key=lambda some: -log_likelihood(self.seen, some))
        fits = [fit, *(self.refined(some) for some in laid[:_LAID])]
        return max(fits, key=lambda one: one.log_evidence + float(weights[one.mask]))

    def _is_fair(self, fit: Refined) -> bool:
        """True if noise alone explains the residuals of every image."""
        fair = _FAIR_ALONE if len(self.seen) == 1 else _FAIR
        return all(left.beyond < fair for left in fit.goodness)

    def _posed_again(self, found: Sequence[CornerComparison]) -> list[Refined]:
        """Fits at other poses, of images whose pose is in doubt.

        Cuts can make up for a wrong pose, and then hold it: in a single image, poses are looked
        for of what was found and of the cuboid with all its corners. Of several images, the others
        hold the cuts; a wrong pose, a few degrees off, can leave little more than noise.
        """
        best = found[0].best
        if len(self.seen) == 1:
            if any(self._is_fair(one.best) for one in found):
                return []
            medium = binned(self.seen[0], BIN, WAVES)
            poses = [
                pose
                for cuts in (best.shape.cuts, np.zeros(CORNERS))
                for pose in posed_anew(replace(best.shape, cuts=cuts), medium, apart_deg=_APART_DEG)
            ]
            ideas = relaxed(self.seen[0], poses, self.prior)[:_AGAIN]
            return [self.refined(self.likely(idea)) for idea in ideas]
        again = best
        for view, left in enumerate(best.goodness):
            if left.beyond > _DOUBTFUL:
                poses = posed_anew(best.shapes[view], self.seen[view], apart_deg=_APART_DEG)
                fits = fits_of(best, view, poses, self.prior)
                again = max([again, *fits], key=lambda one: one.log_evidence)
        return [again] if again.log_evidence > best.log_evidence + _BETTER else []


def _any_edges(task: str) -> Question:
    return question(task, (3.0, 2.0, 1.0))


def _is_far_off(fit: Refined) -> bool:
    """True if no set of corners makes up for what a fit leaves in every image."""
    return min(left.misfit for left in fit.goodness) > _FAR_OFF and not any(
        left.explained for left in fit.goodness
    )


def _was_tried(fit: Refined, compared: CornerComparison) -> bool:
    """True if a fit is one that was compared, or a lower maximum of the same particle."""
    return any(
        same_particle(fit.shape, other.shape) and fit.log_evidence < other.log_evidence + _BETTER
        for rivals in compared.enantiomers
        for other in rivals.fits.values()
    )


def _distinct(found: Sequence[CornerComparison]) -> list[CornerComparison]:
    """Those whose best poses and edges are apart: others are the same fit under other names."""
    chosen: list[CornerComparison] = []
    for compared in found:
        if all(are_apart(compared.best.shape, one.best.shape) for one in chosen):
            chosen.append(compared)
    return chosen
