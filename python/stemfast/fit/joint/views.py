"""One particle in several images: one shape, a pose and a place in each.

`refine_views` fits one set of cut corners to all images at once, in blocks
(`stemfast.fit.joint.levenberg_marquardt`); `stemfast.fit.joint.search` compares sets of corners by
their joint evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit.cuboid.shape import CORNERS, MASKS, CutCuboid
from stemfast.fit.cuboid.thickness import SHAPE_PARAMETERS, shape_parameters
from stemfast.fit.image.goodness import Goodness, goodness
from stemfast.fit.image.likelihood import Observation
from stemfast.fit.joint.levenberg_marquardt import Joint
from stemfast.fit.joint.turns import Turns
from stemfast.fit.prior import Prior
from stemfast.fit.refine import with_corners

__all__ = ["RefinedViews", "fitted_views", "pose_before", "refine_views", "view_starts"]

Float: TypeAlias = NDArray[np.float64]

_TURN_SD, _PLACE_SD, _EDGE_SD = 0.02, 0.05, 0.01  # rad, nm, share: other starts


@dataclass(frozen=True, eq=False)
class RefinedViews:
    """A particle fitted to K images.

    Attributes
    ----------
    shapes : tuple of CutCuboid
        The particle in each view: the same edges and cuts, a pose and a place of its own.
    before : (4,) float64
        Pose before the turns (x, y, z, w), where these are known, or that in the first view.
    names : tuple of str
        Parameters that all views share: edges, and the cuts of the cut corners.
    covariance : (n, n) float64
        Of these.
    view_covariances : tuple of (P, P) float64
        Of all parameters of a view, in the order of `shape_parameters`.
    turn_errors_rad : (K, 3) float64
        What the turns were off by, as rotation vectors [rad]; 0 where they are not known.
    log_likelihood : float
        Of all images together, at its highest.
    log_evidence : float
        ln of the probability of all images given the set of cut corners alone, but for a constant
        that is the same for all sets.
    at_limit : (8,) bool
        Corners whose cut rests at one of its limits.
    goodness : tuple of Goodness
        Whether the particle explains each image.
    electrons : tuple of (rows, columns) float64
        Expected in each observation.
    dose_scales : (K,) float64
        Fitted doses over the given ones.
    waves_nm : tuple of float64
        Amplitudes of each film's waves [nm].
    steps : int
        Solutions of the normal equations.
    converged : bool
        Whether no step had anything left to win.
    """

    shapes: tuple[CutCuboid, ...]
    before: Float
    names: tuple[str, ...]
    covariance: Float
    view_covariances: tuple[Float, ...]
    turn_errors_rad: Float
    log_likelihood: float
    log_evidence: float
    at_limit: NDArray[np.bool_]
    goodness: tuple[Goodness, ...]
    electrons: tuple[Float, ...]
    dose_scales: Float
    waves_nm: tuple[Float, ...]
    steps: int
    converged: bool

    @property
    def shape(self) -> CutCuboid:
        """The particle in the first view."""
        return self.shapes[0]

    @property
    def mask(self) -> int:
        """The cut corners as 8 bits."""
        return self.shapes[0].mask

    @property
    def edge_errors_nm(self) -> Float:
        """Error bars of the three edges [nm]."""
        return np.asarray(np.sqrt(self.covariance.diagonal()[:3]))

    @property
    def cut_errors(self) -> Float:
        """(8,) error bars of the cuts; 0 for whole corners."""
        errors = np.zeros(CORNERS)
        errors[self.shape.cuts > 0] = np.sqrt(self.covariance.diagonal()[3:])
        return errors

    @property
    def volume_nm3(self) -> float:
        """Volume [nm^3]."""
        return self.shape.volume_nm3

    @property
    def volume_error_nm3(self) -> float:
        """Error bar of the volume [nm^3]."""
        shape = self.shape
        left = 1.0 - float((shape.cuts**3).sum()) / 6.0
        box = float(shape.edges_nm.prod())
        by_cut = -0.5 * box * shape.cuts[shape.cuts > 0] ** 2
        slope = np.concatenate([box * left / shape.edges_nm, by_cut])
        return float(np.sqrt(slope @ self.covariance @ slope))

    @property
    def pose_errors_rad(self) -> Float:
        """(K, 3) error bars of the poses: of a further turn about x, y and z [rad]."""
        return np.array([np.sqrt(c.diagonal()[:3]) for c in self.view_covariances])

    @property
    def place_errors_nm(self) -> Float:
        """(K, 2) error bars of the places [nm]."""
        return np.array([np.sqrt(c.diagonal()[3:5]) for c in self.view_covariances])

    @property
    def explained(self) -> bool:
        """True if the particle explains every image."""
        return all(one.explained for one in self.goodness)


def refine_views(
    observations: Sequence[Observation],
    start: CutCuboid | Sequence[CutCuboid],
    mask: int | None = None,
    *,
    prior: Prior | None = None,
    turns: Turns | None = None,
    starts: int = 1,
) -> RefinedViews:
    """Fit one particle to several images of it.

    Parameters
    ----------
    observations : sequence of Observation
        The images, from `observe`.
    start : CutCuboid or sequence of CutCuboid
        Where to start: the particle in each view; edges and cuts are taken from the first. Where
        the turns are known, one will do: the particle before them.
    mask : int, optional
        Which corners are cut; without it, those of the start.
    prior : Prior, optional
        Limits of the cuts, whether edges are equal, how well the doses are known.
    turns : Turns, optional
        How the views are turned against each other, if that is known.
    starts : int
        Fits from this start and, if more than one, from others around it, of which the one with
        the highest evidence counts.

    Returns
    -------
    RefinedViews

    Raises
    ------
    ValueError
        If there are no images, or starts or turns are not one for each.

    Examples
    --------
    >>> import stemfast as sf
    >>> from stemfast.fit import observe
    >>> particle = sf.Cuboid(edges=(14, 12, 10), corners={7: sf.Truncation(0.4)})
    >>> poses = sf.orientation.random(3, seed=1)
    >>> images = sf.simulate(particle, poses, seed=1)
    >>> shapes = [CutCuboid.of(particle, pose) for pose in poses]
    >>> seen = [observe(i, sf.Microscope(), s) for i, s in zip(images, shapes)]
    >>> fitted = refine_views(seen, shapes)
    >>> bool(abs(fitted.shape.edges_nm - (14, 12, 10)).max() < 0.2), fitted.explained
    (True, True)
    """
    shapes, before = view_starts(len(observations), start, turns)
    wanted = shapes[0].mask if mask is None else mask
    if not 0 <= wanted < MASKS:
        raise ValueError(f"mask must be from 0 to 255, got {wanted}")
    if starts < 1:
        raise ValueError(f"starts must be at least 1, got {starts}")
    known = prior or Prior()
    return fitted_views(tuple(observations), shapes, before, wanted, known, turns, starts)


def fitted_views(
    observations: tuple[Observation, ...],
    shapes: tuple[CutCuboid, ...],
    before: Float,
    mask: int,
    prior: Prior,
    turns: Turns | None,
    starts: int,
) -> RefinedViews:
    """The same of starts that are known to fit the images.

    Parameters
    ----------
    observations : tuple of Observation
    shapes : tuple of CutCuboid
        Where to start, in each view.
    before : (4,) float64
        Pose before the turns (x, y, z, w).
    mask, prior, turns, starts
        As for `refine_views`.
    """
    fit = Joint(observations, mask, prior, turns)
    shapes = tuple(with_corners(shape, mask, prior) for shape in shapes)
    rng = np.random.default_rng(mask)  # the same starts each time
    places = [(shapes, before)]
    places += [_nearby(shapes, before, prior, rng) for _ in range(starts - 1)]
    results = [fit.run(fit.parameters.start(*place)) for place in places]
    best = max(results, key=lambda result: result.log_evidence)
    state = best.state
    used = (3 + len(fit.parameters.corners)) / len(observations) + 5
    return RefinedViews(
        shapes=state.shapes,
        before=state.before if turns is not None else state.shapes[0].quaternion,
        names=shape_parameters(mask)[SHAPE_PARAMETERS - 3 :],
        covariance=best.shared_covariance,
        view_covariances=best.view_covariances,
        turn_errors_rad=state.errors,
        log_likelihood=best.log_likelihood,
        log_evidence=best.log_evidence,
        at_limit=best.at_limit,
        goodness=tuple(
            goodness(seen, electrons, round(used) + len(waves))
            for seen, electrons, waves in zip(
                observations, best.electrons, state.waves, strict=True
            )
        ),
        electrons=best.electrons,
        dose_scales=np.exp(state.log_scales),
        waves_nm=state.waves,
        steps=best.steps,
        converged=best.converged,
    )


def view_starts(
    k: int, start: CutCuboid | Sequence[CutCuboid], turns: Turns | None
) -> tuple[tuple[CutCuboid, ...], Float]:
    """The particle in each view, and its pose before the turns.

    Parameters
    ----------
    k : int
        Number of views.
    start, turns
        As for `refine_views`.

    Raises
    ------
    ValueError
        If there are no views, or starts or turns are not one for each.
    """
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
    return shapes, pose_before(shapes[0], turns, 0)


def _nearby(
    shapes: tuple[CutCuboid, ...], before: Float, prior: Prior, rng: np.random.Generator
) -> tuple[tuple[CutCuboid, ...], Float]:
    """A start a little beside another, its cuts anywhere within the limits."""
    scale = 1.0 + _EDGE_SD * rng.normal(size=1 if prior.equal_edges else 3)
    cuts = np.where(shapes[0].cuts > 0, rng.uniform(*prior.cut, size=CORNERS), 0.0)
    beside = tuple(
        shape.moved(
            _TURN_SD * rng.normal(size=3),
            shape.position_nm + _PLACE_SD * rng.normal(size=2),
            shape.edges_nm * scale,
            cuts,
        )
        for shape in shapes
    )
    one = replace(shapes[0], quaternion=before)
    turned = one.moved(_TURN_SD * rng.normal(size=3), one.position_nm, one.edges_nm, one.cuts)
    return beside, turned.quaternion


def pose_before(shape: CutCuboid, turns: Turns, view: int) -> Float:
    """Pose before the turns (x, y, z, w) of a particle that is seen in one of the views."""
    pose = turns.rotations[view].inv() * shape.orientation()
    return np.asarray(pose.as_quat())
