"""Starts of joint fits to several images: shapes and poses that agree.

Each image alone gives proposals (`stemfast.fit.propose`). An image says nothing of how the axes
are named or whether the particle is its own or its mirror image, so the proposals of different
images are brought together: each is tried under all names and both hands with the shape of those
that are joined already, and the likelihood decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.fit.cuboid.equivalents import axis_turns, mirrored, renamed
from stemfast.fit.cuboid.shape import CutCuboid
from stemfast.fit.cuboid.spinning import checked_turned
from stemfast.fit.image.likelihood import Observation, observe
from stemfast.fit.joint.search import log_likelihood, replace_poses
from stemfast.fit.joint.turns import Turns
from stemfast.fit.joint.views import RefinedViews, refine_views
from stemfast.fit.maximum import Refined
from stemfast.fit.prior import Prior
from stemfast.fit.propose import proposals, relaxed_prior
from stemfast.fit.templates import binned, misfits
from stemfast.microscope import Microscope

__all__ = ["posed_again", "posed_anew", "propose_views", "relaxed_fits"]

Float: TypeAlias = NDArray[np.float64]

_BIN = 2
_WAVES = 6
_ALL = 255
_EDGES_APART = 0.15  # of ln: names under which edges differ by more are not tried
_FITTED = 4  # names of each proposal that are fitted
_IDEAS = 5  # of each view
_FIRST = 2  # views that a fit may be grown from, where the first does not lead anywhere
# Poses of a known shape that are looked at, and then rad around so many of the best.
_POSES, _ROUNDS, _AROUND = 3000, ((0.12, 30), (0.05, 20)), 20
_POSED, _FAR_DEG, _NEAR_DEG = 4, 6.0, 2.5  # how many are fitted, and how far apart
_DOUBTFUL = 2.0  # standard deviations of χ² beyond its mean from which poses are looked at again
_FAIR = 5.0  # standard deviations of χ² beyond its mean that noise alone may reach


def propose_views(
    images: Sequence[ArrayLike],
    microscopes: Sequence[Microscope],
    *,
    material: str = "Au",
    prior: Prior | None = None,
    turns: Turns | None = None,
    turned: Sequence[Float | None] | None = None,
    most: int = 2,
) -> list[tuple[CutCuboid, ...]]:
    """Particles that may have made several images, found from these alone.

    Parameters
    ----------
    images : sequence of (rows, columns) array_like
        Of one particle.
    microscopes : sequence of Microscope
        What took each.
    material : str
        What the particle is made of.
    prior : Prior, optional
        Limits of the cuts and the like.
    turns : Turns, optional
        How the views are turned against each other, if that is known.
    turned : sequence of (rows, 3, 3) float64 or None, optional
        How the particle is turned in each row of each image, if it spins during the scan.
    most : int
        How many starts are wanted at most.

    Returns
    -------
    list of tuple of CutCuboid
        Starts for `refine_views` and `search_views`, the most likely first: the particle in each
        view, with the cuts that the images ask for. Of several views without turns, there is one,
        or one of each hand of a spinning particle.

    Raises
    ------
    ValueError
        If there are no images, or microscopes or turns are not one for each.
    """
    k = len(images)
    if k == 0:
        raise ValueError("images is empty, expected at least one")
    if len(microscopes) != k:
        raise ValueError(f"microscopes are {len(microscopes)}, expected one for each of {k} images")
    if turns is not None and len(turns) != k:
        raise ValueError(f"turns are {len(turns)}, expected one for each of {k} images")
    rows = checked_turned(turned, k)
    known = prior or Prior()
    relaxed = relaxed_prior(known)
    ideas = [
        proposals(image, microscope, material=material, prior=known, most=_IDEAS)
        for image, microscope in zip(images, microscopes, strict=True)
    ]
    seen = [
        binned(observe(image, microscope, idea[0].shape, turned=row), _BIN, _WAVES)
        for image, microscope, idea, row in zip(images, microscopes, ideas, rows, strict=True)
    ]
    if turns is not None:
        fits = _turned(seen, ideas, relaxed, turns)
    else:
        hands = [ideas]
        if any(row is not None for row in rows):
            # What an image at rest says of one hand it says of the other.
            hands.append(
                [[replace(idea, shape=mirrored(idea.shape)) for idea in own] for own in ideas]
            )
        if k == 1:  # no other view will tell the ideas apart
            hands = [[[idea]] for hand in hands for idea in hand[0]]
        fits = [_gathered(seen, hand, relaxed) for hand in hands]
    fits.sort(key=lambda fit: -fit.log_likelihood)
    return [_settled(fit, known) for fit in fits[:most]]


def _turned(
    seen: list[Observation], ideas: list[list[Refined]], prior: Prior, turns: Turns
) -> list[RefinedViews]:
    """Fits from the proposals of each view and their mirror images, as the turns take them on."""
    tried: list[tuple[float, tuple[CutCuboid, ...]]] = []
    places = [own[0].shape.position_nm for own in ideas]
    for view, own in enumerate(ideas):
        for idea in own[:3]:
            for shape in (idea.shape, mirrored(idea.shape)):
                before = turns.rotations[view].inv() * shape.orientation()
                placed = [replace(shape, position_nm=place) for place in places]
                shapes = replace_poses(placed, turns, before.as_quat())
                tried.append((log_likelihood(seen, shapes), shapes))
    tried.sort(key=lambda pair: -pair[0])
    return [
        refine_views(seen, shapes, _ALL, prior=prior, turns=turns) for _, shapes in tried[:_FITTED]
    ]


def _gathered(seen: list[Observation], ideas: list[list[Refined]], prior: Prior) -> RefinedViews:
    """A fit to all views, grown from the one that knows its edges best.

    What an image alone proposes first can be wrong, and so can the names it is joined under. Both
    show as views that noise does not explain: then the joint shape looks at them again, and if
    that does not help, the fit is grown from another view.
    """
    doubt = [float((own[0].standard_errors[5:8] / own[0].shape.edges_nm).max()) for own in ideas]
    order = np.argsort(doubt).tolist()
    found: list[RefinedViews] = []
    for first in order[:_FIRST]:
        rest = [view for view in order if view != first]
        grown = _grown(seen, ideas, prior, [first, *rest])
        found.append(_looked_again(seen, ideas, prior, grown))
        if not _unfair(found[-1]):
            break
    return max(found, key=lambda fit: fit.log_likelihood)


def _grown(
    seen: list[Observation], ideas: list[list[Refined]], prior: Prior, order: list[int]
) -> RefinedViews:
    """A fit to all views, joined in this order."""
    joined = order[:1]
    fit = refine_views([seen[joined[0]]], [ideas[joined[0]][0].shape], _ALL, prior=prior)
    for view in order[1:]:
        names = _names(fit.shape, seen[view], ideas[view])
        joined.append(view)
        together = [seen[i] for i in joined]
        fits = [refine_views(together, (*fit.shapes, shape), _ALL, prior=prior) for shape in names]
        fit = max(fits, key=lambda one: one.log_likelihood)
    back = np.argsort(joined)
    return refine_views(seen, [fit.shapes[i] for i in back], _ALL, prior=prior)


def _unfair(fit: RefinedViews) -> list[int]:
    """Views that a fit leaves more of than noise would, the worst first."""
    beyond = [left.beyond for left in fit.goodness]
    return [view for view in np.argsort(beyond)[::-1].tolist() if beyond[view] > _FAIR]


def _looked_again(
    seen: list[Observation], ideas: list[list[Refined]], prior: Prior, fit: RefinedViews
) -> RefinedViews:
    """The fit with other poses of the views that it does not explain, where those are better."""
    for view in _unfair(fit):
        fit = _best_of(seen, prior, fit, view, _names(fit.shape, seen[view], ideas[view]))
        if view in _unfair(fit):
            place = ideas[view][0].shape.position_nm
            posed = posed_anew(replace(fit.shape, position_nm=place), seen[view])
            fit = _best_of(seen, prior, fit, view, posed)
    return fit


def _best_of(
    seen: list[Observation],
    prior: Prior,
    fit: RefinedViews,
    view: int,
    shapes: list[CutCuboid],
) -> RefinedViews:
    """The best of a fit and those with one of these shapes in a view."""
    others = [(*fit.shapes[:view], shape, *fit.shapes[view + 1 :]) for shape in shapes]
    fits = [fit, *_fits_of(seen, prior, others)]
    return max(fits, key=lambda one: one.log_likelihood)


def _fits_of(
    seen: Sequence[Observation],
    prior: Prior,
    starts: Sequence[Sequence[CutCuboid]],
    mask: int | None = _ALL,
) -> list[RefinedViews]:
    """Fits from starts that are guesses; one that breaks down on its way leads nowhere."""
    fits = []
    for start in starts:
        try:
            fits.append(refine_views(seen, start, mask, prior=prior))
        except np.linalg.LinAlgError:
            continue
    return fits


def _names(shape: CutCuboid, seen: Observation, ideas: list[Refined]) -> list[CutCuboid]:
    """Poses of a shape in a view: proposals under the names that explain it best."""
    tried: list[tuple[float, CutCuboid]] = []
    for idea in ideas:
        for hand in (idea.shape, mirrored(idea.shape)):
            for turn in axis_turns():
                named = renamed(hand, turn)
                if np.abs(np.log(named.edges_nm / shape.edges_nm)).max() > _EDGES_APART:
                    continue
                posed = replace(named, edges_nm=shape.edges_nm, cuts=shape.cuts)
                tried.append((log_likelihood([seen], (posed,)), posed))
    if not tried:
        return [replace(ideas[0].shape, edges_nm=shape.edges_nm, cuts=shape.cuts)]
    tried.sort(key=lambda pair: -pair[0])
    return [posed for _, posed in tried[:_FITTED]]


def relaxed_fits(shape: CutCuboid, seen: Observation, prior: Prior) -> list[CutCuboid]:
    """Shapes like one in other poses near and far, fitted to a view; the most likely first.

    A fit can end in a pose a few degrees off the most likely one.
    """
    medium = binned(seen, _BIN, _WAVES)
    poses = posed_anew(shape, medium, apart_deg=_NEAR_DEG)
    fits = _fits_of([medium], relaxed_prior(prior), [[pose] for pose in poses])
    fits.sort(key=lambda fit: -fit.log_likelihood)
    return [_settled(fit, prior)[0] for fit in fits]


def posed_again(seen: Sequence[Observation], fit: RefinedViews, prior: Prior) -> RefinedViews:
    """The most probable fit with the same corners and another pose in a view that is in doubt.

    A wrong pose, a few degrees off, can leave little more than noise in two images.

    Parameters
    ----------
    seen : sequence of Observation
        At poses that are not known.
    fit : RefinedViews
        Returned if no other is more probable.
    prior : Prior
    """
    best = fit
    for view, left in enumerate(fit.goodness):
        if left.beyond > _DOUBTFUL:
            posed = posed_anew(fit.shapes[view], seen[view], apart_deg=_NEAR_DEG)
            starts = [(*fit.shapes[:view], one, *fit.shapes[view + 1 :]) for one in posed]
            fits = _fits_of(seen, prior, starts, None)
            best = max([best, *fits], key=lambda one: one.log_evidence)
    return best


def posed_anew(
    shape: CutCuboid, seen: Observation, *, apart_deg: float = _FAR_DEG
) -> list[CutCuboid]:
    """Poses of a known shape that explain a view, wherever they are."""
    from scipy.spatial.transform import Rotation

    coarse = binned(seen, _BIN, _WAVES)
    pixel = abs(float(coarse.x_nm[0, 1] - coarse.x_nm[0, 0]))
    rng = np.random.default_rng(0)  # the same poses each time

    def ranked(matrices: Float) -> Float:
        edges = np.tile(shape.edges_nm, (len(matrices), 1))
        misfit = misfits(coarse, matrices, edges, shape.cuts, shape.position_nm, pixel)
        return matrices[np.argsort(misfit)]

    best = ranked(Rotation.random(_POSES, rng=rng).as_matrix())
    for spread, most in _ROUNDS:
        every = np.repeat(best[:most], _AROUND, axis=0)
        near = Rotation.from_rotvec(spread * rng.standard_normal((len(every), 3)))
        best = ranked(np.concatenate([best[:most], near.as_matrix() @ every]))
    trace = 1.0 + 2.0 * np.cos(np.radians(apart_deg))
    chosen: list[Float] = []
    for matrix in best:
        if len(chosen) < _POSED and all(np.trace(matrix.T @ c) < trace for c in chosen):
            chosen.append(matrix)
    return [replace(shape, quaternion=Rotation.from_matrix(m).as_quat()) for m in chosen]


def _settled(fit: RefinedViews, prior: Prior) -> tuple[CutCuboid, ...]:
    """The shapes of a fit with all corners cut, those left whole that hardly are."""
    cuts = fit.shape.cuts
    clear = cuts / np.maximum(3.0 * fit.cut_errors, 1e-9)
    kept = (clear > 2.0) & (cuts > 0.6 * prior.cut[0])
    settled = np.where(kept, np.clip(cuts, *prior.cut), 0.0)
    return tuple(replace(shape, cuts=settled) for shape in fit.shapes)
