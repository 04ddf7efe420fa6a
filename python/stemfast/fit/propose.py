"""Starts of a fit: cuboids that explain an image, found from the image alone.

Some ten thousand whole cuboids and cuboids with all corners cut are compared with the image on a
coarse grid (`stemfast.fit.templates`). The best that are apart from each other are fitted with all
eight corners free to be cut or not, first on that grid, and the best of these on a finer one. So
poses are found before anyone asks which corners are cut, and the cuts come out as a first idea.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.fit.cuboid.equivalents import APART_DEG, APART_EDGES, apart
from stemfast.fit.cuboid.shape import CORNERS, MASKS, CutCuboid, rotation_matrix
from stemfast.fit.image.likelihood import Observation, observe
from stemfast.fit.maximum import Maximisation, Refined, State
from stemfast.fit.prior import Prior
from stemfast.fit.templates import Candidates, binned, candidates, outline
from stemfast.microscope import Microscope

__all__ = ["are_apart", "likely_mask", "proposals", "propose", "refitted", "relaxed_prior"]

Float: TypeAlias = NDArray[np.float64]

_COARSE_PX = 26  # rows of the coarse grid, about
_WAVES = 6  # of the film, in fits on coarse grids
_TEMPLATES = (0.0, 0.4)  # cuts of all corners of the candidates
_LOOKED_AT, _TRIED, _REFINED = 600, 16, 5
_SAME_DEG, _SAME_EDGES = 3.0, 0.04  # fits nearer than that are one
_FIRST_CUT, _LEAST_CUT = 0.2, 0.02
_ALL = 255
_CLEAR = 2.0  # standard deviations that a cut must stand out with to be in the first idea


def propose(
    image: ArrayLike,
    microscope: Microscope,
    *,
    material: str = "Au",
    prior: Prior | None = None,
    most: int = 3,
    beam_nm: ArrayLike | None = None,
) -> list[CutCuboid]:
    """Cuboids that may have made an image, found from the image alone.

    Parameters
    ----------
    image : (rows, columns) array_like
        Pixel values; of several particles, the largest is taken.
    microscope : Microscope
        What took it: dose, probe, film and detector are taken as known.
    material : str
        What the particle is made of.
    prior : Prior, optional
        Limits of the cuts, and whether edges are equal.
    most : int
        How many are wanted at most.
    beam_nm : (rows, columns, 2) array_like, optional
        Where the beam stood, if not on its grid.

    Returns
    -------
    list of CutCuboid
        Starts for `refine` and `search`, the most likely first, at poses apart from each other. A
        single image tells neither a particle from its mirror image nor the names of its axes, so
        each stands for all that look alike.

    Raises
    ------
    ValueError
        If no particle stands out of the image, or image and microscope do not fit each other.

    Examples
    --------
    >>> import stemfast as sf
    >>> from scipy.spatial.transform import Rotation
    >>> particle = sf.Cuboid(edges=(14, 12, 10), corners={7: sf.Truncation(0.4)})
    >>> image = sf.simulate(particle, Rotation.from_rotvec([0.5, 0.4, 0.3]), seed=1)
    >>> start = propose(image, sf.Microscope())[0]
    >>> bool(abs(np.sort(start.edges_nm) - (10, 12, 14)).max() < 0.5)
    True
    """
    known = prior or Prior()
    fits = proposals(image, microscope, material=material, prior=known, most=most, beam_nm=beam_nm)
    return [likely_mask(fit, known, np.zeros(MASKS)) for fit in fits]


def proposals(
    image: ArrayLike,
    microscope: Microscope,
    *,
    material: str,
    prior: Prior,
    most: int = 3,
    beam_nm: ArrayLike | None = None,
) -> list[Refined]:
    """The fits behind `propose`, all corners cut; those that are whole are cut as little as can be.

    They are fits to an image of pixels twice as large.

    Parameters
    ----------
    image, microscope, material, prior, most, beam_nm
        As for `propose`.

    Raises
    ------
    ValueError
        If `most` is below 1, no particle stands out of the image, or image and microscope do not
        fit each other.
    """
    if most < 1:
        raise ValueError(f"most must be at least 1, got {most}")
    seen = outline(image, microscope, material)
    side = np.full(3, 1.15 * np.cbrt(seen.volume_nm3))
    slanted = np.array([0.4, 0.2, 0.1, 0.8])  # reaches about as far to all sides
    around = CutCuboid(side, np.zeros(CORNERS), slanted, seen.centre_nm, material)
    fine = observe(image, microscope, around, beam_nm=beam_nm)
    factor = max(1, round(fine.counts.shape[0] / _COARSE_PX))
    coarse = binned(fine, factor, _WAVES)
    pixel = factor * microscope.scan.pixel_size_nm
    longest = 1.0 if prior.equal_edges else 1.6
    ranked = Candidates.joined(
        [candidates(coarse, seen, pixel, cut=cut, most_ratio=longest) for cut in _TEMPLATES],
        _LOOKED_AT,
    )
    relaxed = relaxed_prior(prior)
    starts = [_shape(ranked, k, seen.centre_nm, material) for k in _spread_out(ranked)]
    fits = _by_likelihood([_fitted(coarse, start, relaxed) for start in starts])
    medium = binned(fine, min(factor, 2), _WAVES)
    fits = [_fitted(medium, fit.shape, relaxed) for fit in _different(fits, _REFINED)]
    return _different(_by_likelihood(fits), most)


def refitted(observation: Observation, shapes: Sequence[CutCuboid], prior: Prior) -> list[Refined]:
    """Fits such as those behind `proposals`, from other starts; apart, the most likely first.

    Parameters
    ----------
    observation : Observation
        At full size.
    shapes : sequence of CutCuboid
        Where to start.
    prior : Prior
    """
    medium = binned(observation, 2, _WAVES)
    fits = _by_likelihood([_fitted(medium, shape, relaxed_prior(prior)) for shape in shapes])
    return _different(fits, len(fits))


def relaxed_prior(prior: Prior) -> Prior:
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
    calm = np.zeros(len(observation.waves.variance))
    shape = replace(shape, cuts=np.clip(shape.cuts, *prior.cut))
    return Maximisation(observation, _ALL, prior).run(State(shape, calm, 0.0))


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


def likely_mask(idea: Refined, prior: Prior, log_prior: Float) -> CutCuboid:
    """The shape of a fit with all corners cut, with those left whole that hardly are.

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
    place = [idea.names.index(f"cut_{corner}") for corner in range(CORNERS)]
    clear = np.minimum(cuts / (3.0 * idea.standard_errors[place]), 20.0) - _CLEAR
    clear = np.where(cuts < 0.6 * prior.cut[0], np.minimum(clear, -1.0), clear)
    bits = (np.arange(MASKS)[:, None] >> np.arange(CORNERS)) & 1
    score = np.where(np.isfinite(log_prior), (2 * bits - 1) @ clear, -np.inf)
    chosen = bits[int(score.argmax())].astype(bool)
    limits = np.clip(cuts, *prior.cut)
    return replace(idea.shape, cuts=np.where(chosen, limits, 0.0))
