"""The most likely cuboid of given cut corners, in one image of it or several.

One shape, and a pose and a place in each image. `stemfast.fit.search` compares sets of cut corners
by the evidence of such fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit.cuboid.shape import CORNERS, MASKS, CutCuboid
from stemfast.fit.cuboid.thickness import SHAPE_PARAMETERS, shape_parameters
from stemfast.fit.image.goodness import Goodness, goodness
from stemfast.fit.image.likelihood import Observation
from stemfast.fit.joint.maximum import Maximisation
from stemfast.fit.joint.parameters import State
from stemfast.fit.prior import Prior
from stemfast.fit.turns import Turns

__all__ = ["Refined", "fitted", "log_likelihood", "out_of_question", "refine"]

Float: TypeAlias = NDArray[np.float64]

OUT = 30.0  # logarithms of likelihood
_TURN_SD, _PLACE_SD, _EDGE_SD = 0.02, 0.05, 0.01  # rad, nm, share: other starts
_DEPTHS = (1 / 3, 0.05, 2 / 3)  # of a new cut, between its limits


@dataclass(frozen=True, eq=False)
class Refined:
    """A particle fitted to K images.

    Attributes
    ----------
    shapes : tuple of CutCuboid
        The particle in each view: the same edges and cuts, a pose and a place of its own.
    before : (4,) float64
        Pose before the turns (x, y, z, w), where these are known, or that in the first view.
    covariance : (n, n) float64
        Of the parameters that all views share, `names`. With equal edges the three edges stand
        there all the same, wholly correlated.
    view_covariances : tuple of (P, P) float64
        Of all parameters of a view, in the order of `shape_parameters`; a rotation vector turns
        from the fitted pose.
    turn_errors_rad : (K, 3) float64
        What the turns were off by, as rotation vectors [rad]; 0 where they are not known.
    log_likelihood : float
        Of all images together, at its highest.
    log_evidence : float
        ln of the probability of all images given the set of cut corners alone, by Laplace's
        method, but for a constant that is the same for all sets.
    at_limit : (8,) bool
        Corners whose cut rests at one of its limits.
    electrons : tuple of (rows, columns) float64
        Expected in each observation.
    dose_scales : (K,) float64
        Fitted doses over the given ones.
    waves_nm : tuple of float64
        Amplitudes of each film's waves [nm].
    steps : int
        Solutions of the normal equations.
    converged : bool
        Whether no step had anything left to win; see `stemfast.fit.levenberg_marquardt.Summit`.
    observations : tuple of Observation
        The images as they were fitted.
    """

    shapes: tuple[CutCuboid, ...]
    before: Float
    covariance: Float
    view_covariances: tuple[Float, ...]
    turn_errors_rad: Float
    log_likelihood: float
    log_evidence: float
    at_limit: NDArray[np.bool_]
    electrons: tuple[Float, ...] = field(repr=False)
    dose_scales: Float
    waves_nm: tuple[Float, ...]
    steps: int
    converged: bool
    observations: tuple[Observation, ...] = field(repr=False)

    @property
    def shape(self) -> CutCuboid:
        """The particle in the first view."""
        return self.shapes[0]

    @property
    def mask(self) -> int:
        """The cut corners as 8 bits."""
        return self.shapes[0].mask

    @property
    def names(self) -> tuple[str, ...]:
        """Parameters that all views share: edges, and the cuts of the cut corners."""
        return shape_parameters(self.mask)[SHAPE_PARAMETERS - 3 :]

    @property
    def edges_sd_nm(self) -> Float:
        """Error bars of the three edges [nm]."""
        return np.asarray(np.sqrt(self.covariance.diagonal()[:3]))

    @property
    def cuts_sd(self) -> Float:
        """(8,) error bars of the cuts; 0 for whole corners."""
        errors = np.zeros(CORNERS)
        errors[self.shape.cuts > 0] = np.sqrt(self.covariance.diagonal()[3:])
        return errors

    @property
    def volume_nm3(self) -> float:
        """Volume [nm^3]."""
        return self.shape.volume_nm3

    @property
    def volume_sd_nm3(self) -> float:
        """Error bar of the volume [nm^3]."""
        shape = self.shape
        left = 1.0 - float((shape.cuts**3).sum()) / 6.0
        box = float(shape.edges_nm.prod())
        by_cut = -0.5 * box * shape.cuts[shape.cuts > 0] ** 2
        slope = np.concatenate([box * left / shape.edges_nm, by_cut])
        return float(np.sqrt(slope @ self.covariance @ slope))

    @property
    def poses_sd_rad(self) -> Float:
        """(K, 3) error bars of the poses: of a further turn about x, y and z [rad]."""
        return np.array([np.sqrt(c.diagonal()[:3]) for c in self.view_covariances])

    @cached_property
    def goodness(self) -> tuple[Goodness, ...]:
        """True for each image that the particle explains."""
        used = round(len(self.names) / len(self.shapes) + 5)
        # An image of another particle among several leaves a pattern in those that are right.
        alone = len(self.shapes) == 1
        return tuple(
            goodness(seen, electrons, used + len(waves), pattern=alone)
            for seen, electrons, waves in zip(
                self.observations, self.electrons, self.waves_nm, strict=True
            )
        )

    @property
    def explained(self) -> bool:
        """True if the particle explains every image."""
        return all(one.explained for one in self.goodness)


def refine(
    observations: Observation | Sequence[Observation],
    start: CutCuboid | Sequence[CutCuboid],
    mask: int | None = None,
    *,
    prior: Prior | None = None,
    turns: Turns | None = None,
    starts: int = 1,
) -> Refined:
    """Fit one particle to an image of it, or to several.

    Parameters
    ----------
    observations : Observation or sequence of Observation
        The images, from `observe`.
    start : CutCuboid or sequence of CutCuboid
        Where to start: the particle in each view; edges and cuts are taken from the first. Where
        the turns are known, one will do: the particle before them. From 5° and 3 % of the edges
        away, 96 % of fits to single standard images end in the highest maximum of the likelihood,
        from 10° away 92 %; more with several `starts`.
    mask : int, optional
        Which corners are cut; without it, those of the start. Corners that it leaves whole start
        at the most likely of three depths.
    prior : Prior, optional
        Limits of the cuts, whether edges are equal, how well the doses are known.
    turns : Turns, optional
        How the views are turned against each other, if that is known.
    starts : int
        Fits from this start and, if more than one, from others around it, of which the one with
        the highest evidence counts.

    Returns
    -------
    Refined

    Raises
    ------
    ValueError
        If there are no images, starts or turns are not one for each, `mask` is not one of 256, or
        `starts` is below 1.

    Examples
    --------
    >>> import stemfast as sf
    >>> from stemfast.fit import observe
    >>> particle = sf.Cuboid(edges=(14, 12, 10), corners={7: sf.Truncation(0.4)})
    >>> poses = sf.orientation.random(3, seed=1)
    >>> images = sf.simulate(particle, poses, seed=1)
    >>> shapes = [CutCuboid.of(particle, pose) for pose in poses]
    >>> seen = [observe(i, sf.Microscope(), s) for i, s in zip(images, shapes)]
    >>> fitted = refine(seen, shapes)
    >>> bool(abs(fitted.shape.edges_nm - (14, 12, 10)).max() < 0.2), fitted.explained
    (True, True)
    >>> alone = refine(seen[0], shapes[0])
    >>> bool((fitted.edges_sd_nm < alone.edges_sd_nm).all())
    True
    """
    seen = (observations,) if isinstance(observations, Observation) else tuple(observations)
    shapes, before = _started(len(seen), start, turns)
    wanted = shapes[0].mask if mask is None else mask
    if not 0 <= wanted < MASKS:
        raise ValueError(f"mask must be from 0 to 255, got {wanted}")
    if starts < 1:
        raise ValueError(f"starts must be at least 1, got {starts}")
    return fitted(seen, shapes, before, wanted, prior or Prior(), turns, starts)


def fitted(
    observations: tuple[Observation, ...],
    shapes: tuple[CutCuboid, ...],
    before: Float,
    mask: int,
    prior: Prior,
    turns: Turns | None,
    starts: int,
) -> Refined:
    """The same of starts that are known to fit the images.

    Parameters
    ----------
    observations : tuple of Observation
    shapes : tuple of CutCuboid
        Where to start, in each view.
    before : (4,) float64
        Pose before the turns (x, y, z, w).
    mask, prior, turns, starts
        As for `refine`.
    """
    fit = Maximisation(observations, mask, prior, turns)
    shapes = _likeliest(observations, fit.parameters.start(shapes, before).shapes, mask, prior)
    rng = np.random.default_rng(mask)  # the same starts each time
    places = [(shapes, before)]
    places += [_nearby(shapes, before, prior, rng) for _ in range(starts - 1)]
    best = max(
        (fit.run(fit.parameters.start(*place)) for place in places),
        key=lambda found: found.log_evidence,
    )
    state = best.state
    return Refined(
        shapes=state.shapes,
        before=state.before if turns is not None else state.shapes[0].quaternion,
        covariance=best.shared_covariance,
        view_covariances=best.view_covariances,
        turn_errors_rad=state.errors,
        log_likelihood=best.log_likelihood,
        log_evidence=best.log_evidence,
        at_limit=best.at_limit,
        electrons=best.electrons,
        dose_scales=np.exp(state.log_scales),
        waves_nm=state.waves,
        steps=best.steps,
        converged=best.converged,
        observations=observations,
    )


def log_likelihood(seen: Sequence[Observation], shapes: Sequence[CutCuboid]) -> float:
    """Of shapes on smooth films, all images together."""
    return sum(one.log_likelihood_of(shape) for one, shape in zip(seen, shapes, strict=True))


def out_of_question(
    near: Refined, rival: int, prior: Prior, turns: Turns | None, lead: float
) -> bool:
    """True if a mask one corner off a fitted one explains the images far worse.

    One step of a fit, taken to win twice what it promises, must leave it behind by a wide margin.
    A corner is added at the least cut.

    Parameters
    ----------
    near : Refined
        The fit.
    rival : int
        The mask.
    prior : Prior
    turns : Turns or None
    lead : float
        What the rival's prior is ahead by, in logarithms.
    """
    kept = np.where(near.shape.cuts > 0, near.shape.cuts, prior.cut[0])
    cuts = np.where(_bits(rival), kept, 0.0)
    shapes = tuple(replace(shape, cuts=cuts) for shape in near.shapes)
    scales = np.log(near.dose_scales)
    state = State(shapes, near.before, near.turn_errors_rad, near.waves_nm, scales)
    value, gain = Maximisation(near.observations, rival, prior, turns).promise(state)
    return value + 2.0 * gain + lead < near.log_likelihood - OUT


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
    kept = np.clip(start.cuts, low, high)
    cuts = np.where(start.cuts > 0, kept, low + depth * (high - low))
    edges = np.full(3, np.cbrt(start.edges_nm.prod())) if prior.equal_edges else start.edges_nm
    return replace(start, edges_nm=edges, cuts=np.where(_bits(mask), cuts, 0.0))


def _bits(mask: int) -> NDArray[np.bool_]:
    return (mask >> np.arange(CORNERS) & 1).astype(bool)


def _started(
    k: int, start: CutCuboid | Sequence[CutCuboid], turns: Turns | None
) -> tuple[tuple[CutCuboid, ...], Float]:
    """The particle in each view, and its pose before the turns."""
    if k == 0:
        raise ValueError("observations is empty, expected at least one image")
    if turns is not None and len(turns) != k:
        raise ValueError(f"turns are {len(turns)}, expected one for each of {k} images")
    if isinstance(start, CutCuboid):
        if turns is None and k > 1:
            raise ValueError(f"start is one shape, expected {k}: poses are not known")
        return (start,) * k, start.quaternion
    shapes = tuple(start)
    if len(shapes) != k:
        raise ValueError(f"start is {len(shapes)} shapes, expected one for each of {k} images")
    if turns is None:
        return shapes, shapes[0].quaternion
    return shapes, turns.before(shapes[0], 0)


def _likeliest(
    observations: tuple[Observation, ...], start: tuple[CutCuboid, ...], mask: int, prior: Prior
) -> tuple[CutCuboid, ...]:
    """The start with corners that it has not got cut by as much as looks best.

    From too deep a cut a fit can end in a lower maximum.
    """
    depths = _DEPTHS if mask & ~start[0].mask else _DEPTHS[:1]
    tried = [tuple(with_corners(one, mask, prior, depth) for one in start) for depth in depths]
    if len(tried) == 1:
        return tried[0]
    return max(tried, key=lambda some: log_likelihood(observations, some))


def _nearby(
    shapes: tuple[CutCuboid, ...], before: Float, prior: Prior, rng: np.random.Generator
) -> tuple[tuple[CutCuboid, ...], Float]:
    """A start a little beside another, its cuts anywhere within the limits."""
    scale = 1.0 + _EDGE_SD * rng.normal(size=1 if prior.equal_edges else 3)
    moves = [
        (_TURN_SD * rng.normal(size=3), shape.position_nm + _PLACE_SD * rng.normal(size=2))
        for shape in shapes
    ]
    cuts = np.where(shapes[0].cuts > 0, rng.uniform(*prior.cut, size=CORNERS), 0.0)
    beside = tuple(
        shape.moved(turn, place, shape.edges_nm * scale, cuts)
        for shape, (turn, place) in zip(shapes, moves, strict=True)
    )
    one = replace(shapes[0], quaternion=before)
    turned = one.moved(_TURN_SD * rng.normal(size=3), one.position_nm, one.edges_nm, one.cuts)
    return beside, turned.quaternion
