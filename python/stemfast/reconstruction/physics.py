"""Physics decides: fits of the particle to all images, and the rivals compared."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit import CutCuboid, Observation, Prior, count_prior, observe
from stemfast.fit.cuboid.equivalents import mirrored
from stemfast.fit.cuboid.spinning import checked_turned
from stemfast.fit.image.likelihood import blur_matrix
from stemfast.fit.joint.propose import propose_views
from stemfast.fit.joint.search import ViewsComparison, search_views
from stemfast.fit.joint.views import refine_views
from stemfast.fit.proposal import Proposal, placed
from stemfast.fit.propose import propose
from stemfast.fit.search import Comparison
from stemfast.microscope import Microscope, Probe
from stemfast.reconstruction.prepare import View

if TYPE_CHECKING:
    from stemfast.fit.joint.turns import Turns
    from stemfast.fit.joint.views import RefinedViews

__all__ = ["CUTS", "Verdict", "decide"]

Float: TypeAlias = NDArray[np.float64]
Report: TypeAlias = Callable[[str], None]

#: Least and greatest cut that is looked for, as a fraction of the edges.
CUTS = (0.1, 0.5)
_ROOM = 1.12  # around the first idea, for what it is wrong by
_PROBES_PX = (0.5, 0.8, 1.1, 1.5, 2.0, 2.7)
_STARTS, _IDEAS = 2, 4
_FAR_OFF = 0.08  # misfit of the best of all images
_EDGE_SHARE = 0.6  # standard deviation of an edge before anything is known, as a share
_ALL = 255
_HOPELESS = 60.0  # logarithms of likelihood behind the best start


@dataclass(frozen=True, eq=False)
class Verdict:
    """Outcome of the fits.

    Attributes
    ----------
    comparison : ViewsComparison
        Of the sets of cut corners.
    observations : tuple of Observation
        The images as they were compared.
    microscopes : tuple of Microscope
        As they were used in the end.
    alone : tuple of bool or None
        Whether each image is explained by a particle of its own, where they are not together.
    """

    comparison: ViewsComparison
    observations: tuple[Observation, ...]
    microscopes: tuple[Microscope, ...]
    alone: tuple[bool, ...] | None = None

    @property
    def best(self) -> RefinedViews:
        """The fit of the most probable set of corners."""
        return self.comparison.best


def decide(
    views: Sequence[View],
    microscopes: Sequence[Microscope],
    *,
    material: str,
    turns: Turns | None,
    turned: Sequence[Float | None] | None = None,
    dose_sd: float,
    fit_probe: bool,
    proposal: Proposal | None = None,
    report: Report = lambda text: None,
) -> Verdict:
    """Find the particle of several images.

    Parameters
    ----------
    views, microscopes : sequences of K
    material : str
    turns : Turns or None
        How the particle was turned between them.
    turned : sequence of K (rows, 3, 3) float64 or None, optional
        How it is turned in each row of each view, if it spins during the scan.
    dose_sd : float
        Uncertainty of the logarithm of the doses.
    fit_probe : bool
        Whether the width of the probe is read off the images.
    proposal : Proposal, optional
        What the network says of the corners.
    report : callable
        Told what is being done.
    """
    side = math.sqrt(np.mean([view.area_nm2 for view in views]) / 1.5)
    prior = Prior(cut=CUTS, dose_sd=dose_sd, edge_nm=(side, _EDGE_SHARE * side))
    images = [view.image for view in views]
    used, rows = list(microscopes), checked_turned(turned, len(views))
    report("proposing shapes and poses")
    ideas = propose_views(
        images, used, material=material, prior=prior, turns=turns, turned=rows, most=_IDEAS
    )
    seen = _observe(images, used, ideas[0], rows)
    report(f"fitting {len(ideas)} proposals")
    fits = [refine_views(seen, idea, prior=prior, turns=turns) for idea in ideas]
    fits.sort(key=lambda fit: -fit.log_likelihood)
    if fit_probe:
        used = _probes(used, seen, fits[0])
        seen = _observe(images, used, fits[0].shapes, rows)
        fits = [refine_views(seen, fit.shapes, prior=prior, turns=turns) for fit in fits]
        fits.sort(key=lambda fit: -fit.log_likelihood)
    if proposal is not None:
        # The network knows the corners, the images the poses.
        report("fitting what the network proposes")
        laid = [start for fit in fits[:2] for start in placed(proposal, fit.shapes)]
        fits += [refine_views(seen, start, prior=prior, turns=turns) for start in laid]
        fits.sort(key=lambda fit: -fit.log_evidence)
    best_misfit = min(good.misfit for good in fits[0].goodness)
    if best_misfit > _FAR_OFF and not any(good.explained for good in fits[0].goodness):
        # No set of corners makes up for that: the family is the wrong one.
        report("nothing of this family explains the images")
        nearest = Comparison({fits[0].mask: fits[0]}, count_prior())
        verdict = Verdict(ViewsComparison((nearest,)), tuple(seen), tuple(used))
        return _apart(verdict, images, rows, material, prior, report)
    near = [fit for fit in fits if fit.log_likelihood > fits[0].log_likelihood - _HOPELESS]
    found = []
    for number, fit in enumerate(near[:_STARTS], start=1):
        report(f"comparing sets of corners, start {number} of {len(near[:_STARTS])}")
        compared = search_views(seen, fit.shapes, log_prior=count_prior(), prior=prior, turns=turns)
        found.append(compared)
    best = max(found, key=_log_posterior)
    if fit_probe and not all(good.explained for good in best.best.goodness):
        # A probe read off a wrong first fit spoils the right one: once more, from the best.
        report("reading the probe off the best fit, and comparing again")
        used = _probes(used, seen, best.best)
        seen = _observe(images, used, best.best.shapes, rows)
        best = search_views(
            seen, best.best.shapes, log_prior=count_prior(), prior=prior, turns=turns
        )
    verdict = Verdict(best, tuple(seen), tuple(used))
    return _apart(verdict, images, rows, material, prior, report)


def _apart(
    verdict: Verdict,
    images: Sequence[Float],
    turned: Sequence[Float | None],
    material: str,
    prior: Prior,
    report: Report,
) -> Verdict:
    """Look at each image alone where they are not explained together."""
    if len(images) == 1 or any(good.explained for good in verdict.best.goodness):
        return verdict
    report("looking at each image alone")
    return replace(verdict, alone=_alone(images, verdict.microscopes, turned, material, prior))


def _log_posterior(compared: ViewsComparison) -> float:
    return max(hand.log_posterior(hand.best) for hand in compared.hands)


def _alone(
    images: Sequence[Float],
    microscopes: Sequence[Microscope],
    turned: Sequence[Float | None],
    material: str,
    prior: Prior,
) -> tuple[bool, ...]:
    """True for each image that a particle of its own explains."""
    explained = []
    for image, scope, rows in zip(images, microscopes, turned, strict=True):
        idea = propose(image, scope, material=material, prior=prior, most=1)[0]
        seen = observe(image, scope, idea, turned=rows)
        hands = [idea] if rows is None else [idea, mirrored(idea)]
        fits = [refine_views([seen], [hand], _ALL, prior=prior) for hand in hands]
        explained.append(any(fit.goodness[0].explained for fit in fits))
        if not explained[-1]:
            break
    return tuple(explained)


def _observe(
    images: Sequence[Float],
    microscopes: Sequence[Microscope],
    shapes: Sequence[CutCuboid],
    turned: Sequence[Float | None],
) -> list[Observation]:
    return [
        observe(image, scope, replace(shape, edges_nm=_ROOM * shape.edges_nm), turned=rows)
        for image, scope, shape, rows in zip(images, microscopes, shapes, turned, strict=True)
    ]


def _probes(
    microscopes: Sequence[Microscope],
    seen: Sequence[Observation],
    fit: RefinedViews,
) -> list[Microscope]:
    """The microscopes with the probe's width [px] that makes all images most likely."""
    from scipy.optimize import minimize_scalar

    def likelihood(width_px: float) -> float:
        total = 0.0
        for observation, shape in zip(seen, fit.shapes, strict=True):
            sigma = width_px / 2.3548
            rows, columns = observation.counts.shape
            blurred = replace(
                observation,
                blur_rows=blur_matrix(rows, sigma),
                blur_columns=blur_matrix(columns, sigma),
            )
            total += blurred.log_likelihood_of(shape)
        return total

    best = max(_PROBES_PX, key=likelihood)
    number = _PROBES_PX.index(best)
    low, high = _PROBES_PX[max(number - 1, 0)], _PROBES_PX[min(number + 1, len(_PROBES_PX) - 1)]
    fine = minimize_scalar(
        lambda width_px: -likelihood(width_px),
        bounds=(low, high),
        method="bounded",
        options={"xatol": 0.02},
    )
    return [
        scope.replace(probe=Probe(fwhm_nm=float(fine.x) * scope.scan.pixel_size_nm))
        for scope in microscopes
    ]
