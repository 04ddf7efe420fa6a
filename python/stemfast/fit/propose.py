"""Starts of a fit: cuboids that explain one image or several, found from the images alone.

Some ten thousand whole cuboids and cuboids with all corners cut are compared with each image on a
coarse grid (`stemfast.fit.templates`). The best that are apart from each other are fitted with all
eight corners free to be cut or not, first on that grid, and the best of these on a finer one. So
poses are found before anyone asks which corners are cut, and the cuts come out as a first idea.
Several images are then brought together (`stemfast.fit.joint.gather`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.fit.cuboid.equivalents import APART_DEG, APART_EDGES, apart, mirrored
from stemfast.fit.cuboid.shape import CORNERS, MASKS, CutCuboid, rotation_matrix
from stemfast.fit.cuboid.spinning import checked_turned
from stemfast.fit.image.likelihood import Observation, observe
from stemfast.fit.joint.gather import ALL, gathered, turned_on
from stemfast.fit.poses import BIN, WAVES
from stemfast.fit.prior import Prior
from stemfast.fit.refine import Refined, refine
from stemfast.fit.templates import Candidates, binned, candidates, outline
from stemfast.fit.turns import Turns
from stemfast.microscope import Microscope

__all__ = ["are_apart", "likely_mask", "proposals", "propose", "relaxed"]

Float: TypeAlias = NDArray[np.float64]

_COARSE_PX = 26  # rows of the coarse grid, about
_TEMPLATES = (0.0, 0.4)  # cuts of all corners of the candidates
_LOOKED_AT, _TRIED, _REFINED = 600, 16, 5
_SAME_DEG, _SAME_EDGES = 3.0, 0.04  # fits nearer than that are one
_FIRST_CUT, _LEAST_CUT = 0.2, 0.02
_CLEAR = 2.0  # standard deviations that a cut must stand out with to be in the first idea
_IDEAS = 5  # of each of several views


def propose(
    images: Sequence[ArrayLike],
    microscopes: Sequence[Microscope],
    *,
    material: str = "Au",
    prior: Prior | None = None,
    turns: Turns | None = None,
    turned: Sequence[Float | None] | None = None,
    most: int = 3,
) -> list[tuple[CutCuboid, ...]]:
    """Particles that may have made one image or several, found from these alone.

    Parameters
    ----------
    images : sequence of (rows, columns) array_like
        Of one particle; of several in an image, the largest is taken.
    microscopes : sequence of Microscope
        What took each: dose, probe, film and detector are taken as known.
    material : str
        What the particle is made of.
    prior : Prior, optional
        Limits of the cuts, and whether edges are equal.
    turns : Turns, optional
        How the views are turned against each other, if that is known.
    turned : sequence of (rows, 3, 3) float64 or None, optional
        How the particle is turned in each row of each image, if it spins during the scan.
    most : int
        How many are wanted at most.

    Returns
    -------
    list of tuple of CutCuboid
        Starts for `refine` and `search`, the most likely first: the particle in each view, with
        the cuts that the images ask for. An image at rest tells neither a particle from its mirror
        image nor the names of its axes, so each stands for all that look alike. Of several views
        without turns, there is one, or one of each handedness of a spinning particle.

    Raises
    ------
    ValueError
        If `most` is below 1, there are no images, microscopes or turns are not one for each, no
        particle stands out of an image, or image and microscope do not fit each other.

    Examples
    --------
    >>> import stemfast as sf
    >>> from scipy.spatial.transform import Rotation
    >>> particle = sf.Cuboid(edges=(14, 12, 10), corners={7: sf.Truncation(0.4)})
    >>> image = sf.simulate(particle, Rotation.from_rotvec([0.5, 0.4, 0.3]), seed=1)
    >>> ((start,), *others) = propose([image], [sf.Microscope()])
    >>> bool(abs(np.sort(start.edges_nm) - (10, 12, 14)).max() < 0.5)
    True
    """
    known = prior or Prior()
    fits = proposals(
        images,
        microscopes,
        material=material,
        prior=known,
        turns=turns,
        turned=turned,
        most=most,
    )
    return [likely_mask(fit, known, np.zeros(MASKS)) for fit in fits]


def proposals(
    images: Sequence[ArrayLike],
    microscopes: Sequence[Microscope],
    *,
    material: str,
    prior: Prior,
    turns: Turns | None = None,
    turned: Sequence[Float | None] | None = None,
    most: int = 3,
) -> list[Refined]:
    """The fits behind `propose`, all corners cut; those that are whole are cut as little as can be.

    They are fits to images of pixels twice as large.

    Parameters
    ----------
    images, microscopes, material, prior, turns, turned, most
        As for `propose`.
    """
    k = len(images)
    if most < 1:
        raise ValueError(f"most must be at least 1, got {most}")
    if k == 0:
        raise ValueError("images is empty, expected at least one")
    if len(microscopes) != k:
        raise ValueError(f"microscopes are {len(microscopes)}, expected one for each of {k} images")
    if turns is not None and len(turns) != k:
        raise ValueError(f"turns are {len(turns)}, expected one for each of {k} images")
    rows = checked_turned(turned, k)
    spins = any(row is not None for row in rows)
    ideas = [
        _of_one(image, microscope, material, prior, max(most, _IDEAS))
        for image, microscope in zip(images, microscopes, strict=True)
    ]
    if k == 1 and not spins:
        return ideas[0][:most]
    seen = [
        binned(observe(image, microscope, idea[0].shape, turned=row), BIN, WAVES)
        for image, microscope, idea, row in zip(images, microscopes, ideas, rows, strict=True)
    ]
    loose = _relaxed_prior(prior)
    if turns is not None and k > 1:
        fits = turned_on(seen, ideas, loose, turns)
    else:
        enantiomers = [ideas]
        if spins:
            # What an image at rest says of one enantiomer it says of the other.
            enantiomers.append([[_mirrored(idea) for idea in own] for own in ideas])
        if k == 1:  # no other view will tell the ideas apart
            enantiomers = [[[idea]] for one in enantiomers for idea in one[0]]
        fits = [gathered(seen, one, loose) for one in enantiomers]
    return _by_likelihood(fits)[:most]


def _mirrored(fit: Refined) -> Refined:
    return replace(fit, shapes=tuple(mirrored(shape) for shape in fit.shapes))


def _of_one(
    image: ArrayLike, microscope: Microscope, material: str, prior: Prior, most: int
) -> list[Refined]:
    """Proposals of an image alone, of a particle at rest."""
    seen = outline(image, microscope, material)
    side = np.full(3, 1.15 * np.cbrt(seen.volume_nm3))
    slanted = np.array([0.4, 0.2, 0.1, 0.8])  # reaches about as far to all sides
    around = CutCuboid(side, np.zeros(CORNERS), slanted, seen.centre_nm, material)
    fine = observe(image, microscope, around)
    factor = max(1, round(fine.counts.shape[0] / _COARSE_PX))
    coarse = binned(fine, factor, WAVES)
    pixel = factor * microscope.scan.pixel_size_nm
    longest = 1.0 if prior.equal_edges else 1.6
    ranked = Candidates.joined(
        [candidates(coarse, seen, pixel, cut=cut, most_ratio=longest) for cut in _TEMPLATES],
        _LOOKED_AT,
    )
    loose = _relaxed_prior(prior)
    starts = [_shape(ranked, k, seen.centre_nm, material) for k in _spread_out(ranked)]
    fits = _by_likelihood([_fitted(coarse, start, loose) for start in starts])
    medium = binned(fine, min(factor, 2), WAVES)
    fits = [_fitted(medium, fit.shape, loose) for fit in _different(fits, _REFINED)]
    return _different(_by_likelihood(fits), most)


def relaxed(observation: Observation, shapes: Sequence[CutCuboid], prior: Prior) -> list[Refined]:
    """Fits such as those behind `proposals`, from other starts; apart, the most likely first.

    Parameters
    ----------
    observation : Observation
        At full size.
    shapes : sequence of CutCuboid
        Where to start.
    prior : Prior
    """
    medium, loose = binned(observation, BIN, WAVES), _relaxed_prior(prior)
    fits = _by_likelihood([_fitted(medium, shape, loose) for shape in shapes])
    return _different(fits, len(fits))


def _relaxed_prior(prior: Prior) -> Prior:
    """One that lets cuts be as small as a corner that is whole may pass for."""
    return replace(prior, cut=(min(_LEAST_CUT, prior.cut[0]), prior.cut[1]))


def _spread_out(found: Candidates) -> list[int]:
    """The best candidates that are apart from each other."""
    left = np.arange(len(found.misfit))
    chosen: list[int] = []
    while len(left) and len(chosen) < _TRIED:
        first = int(left[0])
        chosen.append(first)
        angle, edge = apart(
            found.matrices[left], found.edges_nm[left], found.matrices[first], found.edges_nm[first]
        )
        left = left[np.hypot(angle / APART_DEG, edge / APART_EDGES) > 1.0]
    return chosen


def _shape(found: Candidates, k: int, centre_nm: Float, material: str) -> CutCuboid:
    from scipy.spatial.transform import Rotation

    quaternion = Rotation.from_matrix(found.matrices[k]).as_quat()
    cuts = np.full(CORNERS, _FIRST_CUT)
    return CutCuboid(found.edges_nm[k], cuts, quaternion, centre_nm, material)


def _fitted(observation: Observation, shape: CutCuboid, prior: Prior) -> Refined:
    shape = replace(shape, cuts=np.clip(shape.cuts, *prior.cut))
    return refine(observation, shape, ALL, prior=prior)


def _by_likelihood(fits: list[Refined]) -> list[Refined]:
    return sorted(fits, key=lambda fit: -fit.log_likelihood)


def _different(fits: list[Refined], most: int) -> list[Refined]:
    """The first of the fits that are apart from each other."""
    chosen: list[Refined] = []
    for fit in fits:
        if len(chosen) < most and all(are_apart(fit.shape, one.shape) for one in chosen):
            chosen.append(fit)
    return chosen


def are_apart(one: CutCuboid, other: CutCuboid) -> bool:
    """True if two shapes differ in pose or edges, up to names of axes and the mirror."""
    matrix = rotation_matrix(one.quaternion)[None]
    angle, edges = apart(
        matrix, one.edges_nm[None], rotation_matrix(other.quaternion), other.edges_nm
    )
    return bool(angle[0] > _SAME_DEG or edges[0] > _SAME_EDGES)


def likely_mask(idea: Refined, prior: Prior, log_prior: Float) -> tuple[CutCuboid, ...]:
    """Shapes of a fit with all corners cut, with those left whole that hardly are.

    What a cut takes away grows with its cube, so that a cut f ± s stands out by f/3s.

    Parameters
    ----------
    idea : Refined
        The fit.
    prior : Prior
        Whose limits the cuts are kept within.
    log_prior : (256,) float64
        Logarithms of the probabilities of the masks; none at -inf is chosen.
    """
    cuts = idea.shape.cuts
    clear = np.minimum(cuts / np.maximum(3.0 * idea.cuts_sd, 1e-9), 20.0) - _CLEAR
    clear = np.where(cuts < 0.6 * prior.cut[0], np.minimum(clear, -1.0), clear)
    bits = (np.arange(MASKS)[:, None] >> np.arange(CORNERS)) & 1
    score = np.where(np.isfinite(log_prior), (2 * bits - 1) @ clear, -np.inf)
    chosen = bits[int(score.argmax())].astype(bool)
    settled = np.where(chosen, np.clip(cuts, *prior.cut), 0.0)
    return tuple(replace(shape, cuts=settled) for shape in idea.shapes)
