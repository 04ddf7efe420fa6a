"""The most likely cuboid of given cut corners."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from stemfast.fit.cuboid.shape import CORNERS, CutCuboid
from stemfast.fit.image.likelihood import Observation, observe
from stemfast.fit.maximum import Maximisation, Refined, State
from stemfast.fit.prior import Prior
from stemfast.microscope import Microscope

__all__ = ["Prior", "Refined", "out_of_question", "refine", "refine_observation", "with_corners"]

OUT = 30.0  # logarithms of likelihood
_TURN_SD, _PLACE_SD, _EDGE_SD = 0.02, 0.05, 0.01  # rad, nm, share: other starts
_DEPTHS = (1 / 3, 0.05, 2 / 3)  # of a new cut, between its limits


def refine(
    image: ArrayLike,
    microscope: Microscope,
    start: CutCuboid,
    mask: int | None = None,
    *,
    prior: Prior | None = None,
    beam_nm: ArrayLike | None = None,
    starts: int = 1,
) -> Refined:
    """Fit a cuboid with given cut corners to an image.

    Parameters
    ----------
    image : (rows, columns) array_like
        Pixel values.
    microscope : Microscope
        What took it: dose, probe, film and detector are taken as known.
    start : CutCuboid
        Where to start. From 5° and 3 % of the edges away, 96 % of fits to standard images end in
        the highest maximum of the likelihood, from 10° away 92 %; more with several `starts`.
    mask : int, optional
        Which corners are cut; without it, those of `start`. Corners that `start` leaves whole
        start at a third of the way between the limits of the prior.
    prior : Prior, optional
        Limits of the cuts, whether edges are equal, how well the dose is known.
    beam_nm : (rows, columns, 2) array_like, optional
        Where the beam stood, if not on its grid.
    starts : int
        Fits from this start and, if more than one, from others around it, of which the one with the
        highest evidence counts.

    Returns
    -------
    Refined

    Raises
    ------
    ValueError
        If image, microscope or mask are not what they should be; see `observe`.

    Examples
    --------
    >>> import stemfast as sf
    >>> from scipy.spatial.transform import Rotation
    >>> particle = sf.Cuboid(edges=(14, 12, 10), corners={7: sf.Truncation(0.3)})
    >>> pose = Rotation.from_rotvec([0.5, 0.4, 0.3])
    >>> image = sf.simulate(particle, pose, seed=1)
    >>> fitted = refine(image, sf.Microscope(), CutCuboid.of(particle, pose))
    >>> bool(abs(fitted.shape.edges_nm - (14, 12, 10)).max() < 0.3), fitted.converged
    (True, True)
    """
    observation = observe(image, microscope, start, beam_nm=beam_nm)
    return refine_observation(observation, start, mask, prior or Prior(), starts=starts)


def refine_observation(
    observation: Observation,
    start: CutCuboid,
    mask: int | None,
    prior: Prior,
    *,
    starts: int = 1,
) -> Refined:
    """Fit one set of cut corners to an observation.

    Parameters
    ----------
    observation : Observation
    start, mask, prior, starts
        As for `refine`.

    Raises
    ------
    ValueError
        If `mask` is not one of 256, or `starts` is below 1.
    """
    wanted = start.mask if mask is None else mask
    if not 0 <= wanted < 256:
        raise ValueError(f"mask must be from 0 to 255, got {wanted}")
    if starts < 1:
        raise ValueError(f"starts must be at least 1, got {starts}")
    fit = Maximisation(observation, wanted, prior)
    calm = np.zeros(len(observation.waves.variance))
    first = _likeliest(observation, start, wanted, prior)
    rng = np.random.default_rng(wanted)  # the same starts each time
    places = [first, *(_nearby(first, prior, rng) for _ in range(starts - 1))]
    fits = [fit.run(State(place, calm, 0.0)) for place in places]
    return max(fits, key=lambda refined: refined.log_evidence)


def out_of_question(
    observation: Observation, near: Refined, rival: int, prior: Prior, lead: float
) -> bool:
    """True if a mask one corner off a fitted one explains the image far worse.

    One step of a fit, taken to win twice what it promises, must leave it behind by a wide margin.
    A corner is added at the least cut.

    Parameters
    ----------
    observation : Observation
    near : Refined
        The fit.
    rival : int
        The mask.
    prior : Prior
    lead : float
        What the rival's prior is ahead by, in logarithms.
    """
    low, _ = prior.cut
    chosen = np.array([bool(rival >> corner & 1) for corner in range(CORNERS)])
    kept = np.where(near.shape.cuts > 0, near.shape.cuts, low)
    shape = replace(near.shape, cuts=np.where(chosen, kept, 0.0))
    fit = Maximisation(observation, rival, prior)
    log_likelihood, promise = fit.promise(
        State(shape, near.waves_nm, float(np.log(near.dose_scale)))
    )
    return log_likelihood + 2.0 * promise + lead < near.log_likelihood - OUT


def _likeliest(observation: Observation, start: CutCuboid, mask: int, prior: Prior) -> CutCuboid:
    """The start with corners that it has not got cut by as much as looks best.

    From too deep a cut a fit can end in a lower maximum.
    """
    if not mask & ~start.mask:
        return with_corners(start, mask, prior)
    tried = [with_corners(start, mask, prior, depth) for depth in _DEPTHS]
    return max(tried, key=observation.log_likelihood_of)


def with_corners(start: CutCuboid, mask: int, prior: Prior, depth: float = _DEPTHS[0]) -> CutCuboid:
    """A shape with these cut corners: its own cuts where it has them, others of this depth.

    Parameters
    ----------
    start : CutCuboid
    mask : int
        The corners that are cut.
    prior : Prior
        Whose limits the cuts are kept within, and whether edges are equal.
    depth : float
        Of a new cut, between its limits.
    """
    low, high = prior.cut
    chosen = np.array([bool(mask >> corner & 1) for corner in range(CORNERS)])
    kept = np.clip(start.cuts, low, high)
    cuts = np.where(start.cuts > 0, kept, low + depth * (high - low))
    edges = np.full(3, np.cbrt(start.edges_nm.prod())) if prior.equal_edges else start.edges_nm
    return replace(start, edges_nm=edges, cuts=np.where(chosen, cuts, 0.0))


def _nearby(shape: CutCuboid, prior: Prior, rng: np.random.Generator) -> CutCuboid:
    """A start a little beside a shape, its cuts anywhere within the limits."""
    edges = 1.0 + _EDGE_SD * rng.normal(size=1 if prior.equal_edges else 3)
    return shape.moved(
        _TURN_SD * rng.normal(size=3),
        shape.position_nm + _PLACE_SD * rng.normal(size=2),
        shape.edges_nm * edges,
        np.where(shape.cuts > 0, rng.uniform(*prior.cut, size=CORNERS), 0.0),
    )
