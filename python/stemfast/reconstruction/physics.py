"""Physics decides: the fits of `stemfast.fit.decide`, with what a reconstruction knows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit.cuboid.equivalents import mirrored
from stemfast.fit.cuboid.spinning import checked_turned
from stemfast.fit.decide import Decision, decide
from stemfast.fit.image.likelihood import observe
from stemfast.fit.prior import Prior
from stemfast.fit.proposal import Proposal
from stemfast.fit.propose import propose
from stemfast.fit.refine import refine
from stemfast.microscope import Microscope
from stemfast.reconstruction.prepare import View

if TYPE_CHECKING:
    from stemfast.fit.turns import Turns

__all__ = ["CUTS", "judge"]

Float: TypeAlias = NDArray[np.float64]

#: Least and greatest cut that is looked for, as a fraction of the edges.
CUTS = (0.1, 0.5)
_EDGE_SHARE = 0.6  # standard deviation of an edge before anything is known, as a share
_ALL = 255


def judge(
    views: Sequence[View],
    microscopes: Sequence[Microscope],
    *,
    material: str,
    turns: Turns | None,
    turned: Sequence[Float | None] | None = None,
    dose_sd: float,
    fit_probe: bool,
    proposal: Proposal | None = None,
    report: Callable[[str], None] = lambda text: None,
) -> tuple[Decision, tuple[bool, ...] | None]:
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

    Returns
    -------
    decision : Decision
    alone : tuple of bool or None
        Whether each image is explained by a particle of its own, where they are not together.
    """
    side = math.sqrt(np.mean([view.area_nm2 for view in views]) / 1.5)
    prior = Prior(cut=CUTS, dose_sd=dose_sd, edge_nm=(side, _EDGE_SHARE * side))
    images = [view.image for view in views]
    rows = checked_turned(turned, len(views))
    decision = decide(
        images,
        microscopes,
        material=material,
        prior=prior,
        turns=turns,
        turned=rows,
        proposal=proposal,
        fit_probe=fit_probe,
        report=report,
    )
    if len(images) == 1 or any(good.explained for good in decision.best.goodness):
        return decision, None
    report("looking at each image alone")
    return decision, _alone(images, decision.microscopes, rows, material, prior)


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
        ((idea,),) = propose([image], [scope], material=material, prior=prior, most=1)
        seen = observe(image, scope, idea, turned=rows)
        starts = [idea] if rows is None else [idea, mirrored(idea)]
        fits = [refine(seen, start, _ALL, prior=prior) for start in starts]
        explained.append(any(fit.explained for fit in fits))
        if not explained[-1]:
            break
    return tuple(explained)
