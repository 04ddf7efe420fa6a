"""Proposals of single images brought together: a particle whose shape and poses agree.

An image says nothing of how the axes are named or whether the particle is its own or its mirror
image, so the proposals of different images are brought together: each is tried under all names and
both enantiomers with the shape of those that are joined already, and the likelihood decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stemfast.fit.cuboid.equivalents import mirrored
from stemfast.fit.cuboid.shape import CutCuboid
from stemfast.fit.image.likelihood import Observation
from stemfast.fit.poses import FITTED, named, posed_anew
from stemfast.fit.prior import Prior
from stemfast.fit.refine import Refined, log_likelihood, refine
from stemfast.fit.turns import Turns

__all__ = ["ALL", "fits_of", "gathered", "turned_on"]

#: All corners cut.
ALL = 255
_FIRST = 2  # views that a fit may be grown from, where the first does not lead anywhere
_LED = 3  # ideas of each view that known turns carry to the others
_FAIR = 5.0  # standard deviations of χ² beyond its mean that noise alone may reach


def turned_on(
    seen: Sequence[Observation], ideas: Sequence[Sequence[Refined]], prior: Prior, turns: Turns
) -> list[Refined]:
    """Fits from the proposals of each view and their mirror images, as the turns take them on.

    Parameters
    ----------
    seen : sequence of Observation
    ideas : sequence of sequence of Refined
        Of each view alone.
    prior : Prior
    turns : Turns
    """
    tried: list[tuple[float, tuple[CutCuboid, ...]]] = []
    places = [own[0].shape.position_nm for own in ideas]
    for view, own in enumerate(ideas):
        for idea in own[:_LED]:
            for shape in (idea.shape, mirrored(idea.shape)):
                placed = [replace(shape, position_nm=place) for place in places]
                shapes = turns.posed(placed, turns.before(shape, view))
                tried.append((log_likelihood(seen, shapes), shapes))
    tried.sort(key=lambda pair: -pair[0])
    return [refine(seen, shapes, ALL, prior=prior, turns=turns) for _, shapes in tried[:FITTED]]


def gathered(
    seen: Sequence[Observation], ideas: Sequence[Sequence[Refined]], prior: Prior
) -> Refined:
    """A fit to all views, grown from the one that knows its edges best.

    What an image alone proposes first can be wrong, and so can the names it is joined under. Both
    show as views that noise does not explain: then the joint shape looks at them again, and if
    that does not help, the fit is grown from another view.

    Parameters
    ----------
    seen : sequence of Observation
    ideas : sequence of sequence of Refined
        Of each view alone.
    prior : Prior
    """
    doubt = [float((own[0].edges_sd_nm / own[0].shape.edges_nm).max()) for own in ideas]
    order = np.argsort(doubt).tolist()
    found: list[Refined] = []
    for first in order[:_FIRST]:
        rest = [view for view in order if view != first]
        grown = _grown(seen, ideas, prior, [first, *rest])
        found.append(_looked_again(seen, ideas, prior, grown))
        if not _unfair(found[-1]):
            break
    return max(found, key=lambda fit: fit.log_likelihood)


def _grown(
    seen: Sequence[Observation],
    ideas: Sequence[Sequence[Refined]],
    prior: Prior,
    order: list[int],
) -> Refined:
    """A fit to all views, joined in this order."""
    joined = order[:1]
    fit = refine(seen[joined[0]], ideas[joined[0]][0].shape, ALL, prior=prior)
    for view in order[1:]:
        shapes = named(fit.shape, seen[view], ideas[view])
        joined.append(view)
        together = [seen[i] for i in joined]
        fits = [refine(together, (*fit.shapes, shape), ALL, prior=prior) for shape in shapes]
        fit = max(fits, key=lambda one: one.log_likelihood)
    back = np.argsort(joined)
    return refine(seen, [fit.shapes[i] for i in back], ALL, prior=prior)


def _unfair(fit: Refined) -> list[int]:
    """Views that a fit leaves more of than noise would, the worst first."""
    beyond = [left.beyond for left in fit.goodness]
    return [view for view in np.argsort(beyond)[::-1].tolist() if beyond[view] > _FAIR]


def _looked_again(
    seen: Sequence[Observation],
    ideas: Sequence[Sequence[Refined]],
    prior: Prior,
    fit: Refined,
) -> Refined:
    """The fit with other poses of the views that it does not explain, where those are better."""
    for view in _unfair(fit):
        shapes = named(fit.shape, seen[view], ideas[view])
        fit = max([fit, *fits_of(fit, view, shapes, prior)], key=lambda one: one.log_likelihood)
        if view in _unfair(fit):
            place = ideas[view][0].shape.position_nm
            shapes = posed_anew(replace(fit.shape, position_nm=place), seen[view])
            fit = max([fit, *fits_of(fit, view, shapes, prior)], key=lambda one: one.log_likelihood)
    return fit


def fits_of(fit: Refined, view: int, shapes: Sequence[CutCuboid], prior: Prior) -> list[Refined]:
    """Fits from one with other shapes in a view; one that breaks down on its way leads nowhere.

    Parameters
    ----------
    fit : Refined
    view : int
    shapes : sequence of CutCuboid
        Guesses.
    prior : Prior
    """
    fits = []
    for shape in shapes:
        start = (*fit.shapes[:view], shape, *fit.shapes[view + 1 :])
        try:
            fits.append(refine(fit.observations, start, fit.mask, prior=prior))
        except np.linalg.LinAlgError:
            continue
    return fits
