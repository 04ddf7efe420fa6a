"""Several images in, the particle out: proposals, the search among corners, how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.fit.cuboid.shape import CutCuboid
from stemfast.fit.cuboid.spinning import checked_turned
from stemfast.fit.decide import decide
from stemfast.fit.image.likelihood import Observation, observe
from stemfast.fit.joint.propose import posed_again, propose_views, relaxed_fits
from stemfast.fit.joint.search import ViewsComparison, log_likelihood, same_particle, search_views
from stemfast.fit.joint.turns import Turns
from stemfast.fit.joint.views import RefinedViews, refine_views
from stemfast.fit.one_thread import one_thread
from stemfast.fit.prior import Prior
from stemfast.fit.search import Comparison, count_prior
from stemfast.microscope import Microscope

__all__ = ["Starts", "decide_views", "is_fair"]

Float: TypeAlias = NDArray[np.float64]
#: Further starts, made of a particle whose poses are known: what a network says of its corners.
Starts: TypeAlias = Callable[[Sequence[CutCuboid]], Sequence[tuple[CutCuboid, ...]]]

_IDEAS = 3
_LAID = 2  # further starts that are fitted
_HOPELESS = 40.0  # logarithms of likelihood behind the best start
_BETTER = 1.0  # logarithms of probability by which a start must be better to be looked at
_ROOM = 1.1  # around a first idea, for what it is wrong by
_FAIR = 4.0  # standard deviations of χ² beyond its mean that noise alone may reach


@one_thread
def decide_views(
    images: Sequence[ArrayLike],
    microscopes: Sequence[Microscope],
    *,
    material: str = "Au",
    prior: Prior | None = None,
    turns: Turns | None = None,
    turned: Sequence[Float | None] | None = None,
    starts: Starts | None = None,
) -> ViewsComparison:
    """Find the particle of several images from the images alone, or with a network's help.

    Each number of cut corners is taken for as likely beforehand, and so is each choice of them.

    Parameters
    ----------
    images : sequence of (rows, columns) array_like
        Of one particle.
    microscopes : sequence of Microscope
        What took each; dose, probe, film and detector are taken as known.
    material : str
        What the particle is made of.
    prior : Prior, optional
        Limits of the cuts and the like.
    turns : Turns, optional
        How the views are turned against each other, if that is known.
    turned : sequence of (rows, 3, 3) float64 or None, optional
        How the particle is turned in each row of each image, from `row_turns`, if it spins during
        the scan.
    starts : callable, optional
        Given the particle as it was found in each view, returns others in the same poses to be
        tried as well, each a shape for each view: with the corners that a network names.

    Returns
    -------
    ViewsComparison
        The most probable particle and its rivals.

    Raises
    ------
    ValueError
        If there are no images, no particle stands out of one, or numbers differ.

    Examples
    --------
    >>> import stemfast as sf
    >>> particle = sf.Cuboid(edges=(14, 12, 10), corners={7: sf.Truncation(0.4)})
    >>> scope = sf.Microscope(beam=sf.Beam(current_pa=32))
    >>> images = sf.simulate(particle, sf.orientation.random(2, seed=1), scope, seed=1)
    >>> found = decide_views(images, [scope] * 2, prior=Prior(cut=(0.2, 0.5)))
    >>> np.sort(found.best.shape.edges_nm).round().tolist(), found.best.mask.bit_count()
    ([10.0, 12.0, 14.0], 1)
    """
    known, rows = prior or Prior(), checked_turned(turned, len(images))
    spins = any(row is not None for row in rows)
    if len(images) == 1 and len(microscopes) == 1 and not spins:
        return _single(images[0], microscopes[0], material, known, starts)
    weights = count_prior()
    ideas = propose_views(
        images, microscopes, material=material, prior=known, turns=turns, turned=rows, most=_IDEAS
    )
    seen = [
        observe(image, scope, shape, turned=row)
        for image, scope, shape, row in zip(images, microscopes, ideas[0], rows, strict=True)
    ]
    fits = [refine_views(seen, idea, prior=known, turns=turns) for idea in ideas]

    def posterior(fit: RefinedViews) -> float:
        return fit.log_evidence + float(weights[fit.mask])

    if starts is not None:
        fits += _laid(seen, max(fits, key=posterior), starts, known, turns)
    fits.sort(key=posterior, reverse=True)
    found: list[ViewsComparison] = []
    for fit in fits:
        if found and (
            is_fair(found[0].best)
            or fit.log_likelihood < fits[0].log_likelihood - _HOPELESS
            or any(_tried(fit, one) for one in found)
        ):
            continue
        found.append(search_views(seen, fit.shapes, log_prior=weights, prior=known, turns=turns))
        found.sort(key=_log_posterior, reverse=True)
    if turns is None and not spins:
        again = posed_again(seen, found[0].best, known)
        if again.log_evidence > found[0].best.log_evidence + _BETTER:
            found.append(search_views(seen, again.shapes, log_prior=weights, prior=known))
    return max(found, key=_log_posterior)


def is_fair(fit: RefinedViews) -> bool:
    """True if noise alone explains the residuals of every image."""
    return all(left.beyond < _FAIR for left in fit.goodness)


def _log_posterior(compared: ViewsComparison) -> float:
    first = compared.hands[0]
    return first.log_posterior(first.best)


def _tried(fit: RefinedViews, compared: ViewsComparison) -> bool:
    return any(
        same_particle(fit.shape, other.shape)
        for hand in compared.hands
        for other in hand.fits.values()
    )


def _laid(
    seen: list[Observation],
    base: RefinedViews,
    starts: Starts,
    prior: Prior,
    turns: Turns | None,
) -> list[RefinedViews]:
    """Fits of the further starts that are likeliest in the poses that were found."""
    laid = sorted(starts(base.shapes), key=lambda some: -log_likelihood(seen, some))
    return [
        refine_views(seen, some, prior=prior, turns=turns)
        for some in laid[:_LAID]
        if some[0].mask != base.mask
    ]


def _single(
    image: ArrayLike,
    microscope: Microscope,
    material: str,
    prior: Prior,
    starts: Starts | None,
) -> ViewsComparison:
    """The search of `decide`, as one of several views that happen to be one."""
    decision = decide(image, microscope, "count", material=material, prior=prior)
    compared, shape = decision.comparisons[0], decision.best.shape
    seen = [observe(image, microscope, replace(shape, edges_nm=_ROOM * shape.edges_nm))]
    highest = compared.log_posterior(compared.best)
    fits = {
        mask: refine_views(seen, [fit.shape], prior=prior)
        for mask, fit in compared.fits.items()
        if compared.log_posterior(mask) > highest - _HOPELESS
    }
    found = Comparison(fits, compared.log_prior)
    best = found.fits[found.best]
    others = [] if starts is None else _laid(seen, best, starts, prior, None)
    others += [
        refine_views(seen, [other], prior=prior)
        for other in relaxed_fits(best.shape, seen[0], prior)[:_LAID]
    ]
    best_log = found.log_posterior(found.best) + _BETTER
    for other in others:
        if other.log_evidence + float(found.log_prior[other.mask]) > best_log:
            again = search_views(seen, other.shapes, log_prior=found.log_prior, prior=prior)
            (found,) = max((ViewsComparison((found,)), again), key=_log_posterior).hands
            best_log = found.log_posterior(found.best) + _BETTER
    return ViewsComparison((found,))
