"""One particle in several images: one shape, a pose and a place in each.

`refine_views` fits one set of cut corners to all images at once, `search_views` compares sets by
their joint evidence. Where the turns between the images are known, a particle and its mirror image
no longer look alike, and the search fits the mirror image as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.fit.cuboid import CORNERS, CutCuboid, rotation_matrix
from stemfast.fit.goodness import Goodness, goodness
from stemfast.fit.jacobian import SHAPE_PARAMETERS, shape_parameters
from stemfast.fit.joint import Joint, JointState
from stemfast.fit.likelihood import Observation
from stemfast.fit.naming import axis_turns, mirrored, renamed
from stemfast.fit.prior import Prior
from stemfast.fit.refine import OUT
from stemfast.fit.rivals import MASKS, Comparison, checked_log_prior, explore
from stemfast.fit.turns import Turns

__all__ = ["RefinedViews", "ViewsComparison", "refine_views", "search_views"]

Float: TypeAlias = NDArray[np.float64]

_TURN_SD, _PLACE_SD, _EDGE_SD = 0.02, 0.05, 0.01  # rad, nm, share: other starts
_TWINS = 3  # starts of a mirror image that are fitted
_SAME_TRACE = 1.0 + 2.0 * np.cos(np.radians(4.0))  # of a turn by 4°


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
        Of all parameters of a view, in the order of `stemfast.fit.jacobian.shape_parameters`.
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
        """Whether the particle explains every image."""
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
    shapes, before = _starts(len(observations), start, turns)
    wanted = shapes[0].mask if mask is None else mask
    if not 0 <= wanted < MASKS:
        raise ValueError(f"mask must be from 0 to 255, got {wanted}")
    if starts < 1:
        raise ValueError(f"starts must be at least 1, got {starts}")
    known = prior or Prior()
    return _fitted(tuple(observations), shapes, before, wanted, known, turns, starts)


def _fitted(
    observations: tuple[Observation, ...],
    shapes: tuple[CutCuboid, ...],
    before: Float,
    mask: int,
    prior: Prior,
    turns: Turns | None,
    starts: int,
) -> RefinedViews:
    fit = Joint(observations, mask, prior, turns)
    shapes = _with_corners(shapes, mask, prior)
    rng = np.random.default_rng(mask)  # the same starts each time
    places = [(shapes, before)]
    places += [_nearby(shapes, before, prior, rng) for _ in range(starts - 1)]
    results = [fit.run(fit.state(*place)) for place in places]
    best = max(results, key=lambda result: result.log_evidence)
    state = best.state
    used = (3 + len(fit.corners)) / len(observations) + 5
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


def _starts(
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
    return shapes, _before(shapes[0], turns, 0)


def _with_corners(
    shapes: tuple[CutCuboid, ...], wanted: int, prior: Prior
) -> tuple[CutCuboid, ...]:
    low, high = prior.cut
    first = shapes[0]
    chosen = np.array([bool(wanted >> corner & 1) for corner in range(CORNERS)])
    cuts = np.where(first.cuts > 0, np.clip(first.cuts, low, high), low + (high - low) / 3)
    cuts = np.where(chosen, cuts, 0.0)
    edges = np.full(3, np.cbrt(first.edges_nm.prod())) if prior.equal_edges else first.edges_nm
    return tuple(replace(shape, edges_nm=edges, cuts=cuts) for shape in shapes)


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


@dataclass(frozen=True, eq=False)
class ViewsComparison:
    """Sets of cut corners compared over several images.

    Attributes
    ----------
    hands : tuple of Comparison
        The first holds the best fit and its rivals; a second, where turns are known, those of the
        mirror image, unless the particle is its own.
    """

    hands: tuple[Comparison[RefinedViews], ...]

    @property
    def best(self) -> RefinedViews:
        """The fit of the most probable particle."""
        return self.hands[0].fits[self.hands[0].best]

    @property
    def hand_probability(self) -> float:
        """Probability of the best fit's hand against that of its mirror image.

        1 if they were not compared, which is so for views at unknown poses: these say nothing of
        it, and half a chance is then all that is known, unless the particle is its own mirror
        image.
        """
        masks = np.zeros(MASKS, np.int64)
        totals = [self._total(hand, masks, 1)[0] for hand in self.hands]
        return float(totals[0] / sum(totals))

    def probabilities(self, class_of_mask: ArrayLike, n_classes: int) -> Float:
        """Probability of each class: (n_classes,), the sum over the masks tried of it."""
        classes = np.asarray(class_of_mask)
        total = sum((self._total(hand, classes, n_classes) for hand in self.hands), np.zeros(1))
        return np.asarray(total / total.sum())

    def _total(
        self, hand: Comparison[RefinedViews], classes: NDArray[np.int64], n_classes: int
    ) -> Float:
        highest = self.hands[0].log_posterior(self.hands[0].best)
        total = np.zeros(n_classes)
        for mask in hand.fits:
            total[classes[mask]] += np.exp(hand.log_posterior(mask) - highest)
        return total


def search_views(
    observations: Sequence[Observation],
    start: CutCuboid | Sequence[CutCuboid],
    *,
    log_prior: ArrayLike,
    prior: Prior,
    elsewhere: bool = False,
    turns: Turns | None = None,
    margin: float = 5.0,
    most: int = MASKS,
    starts: int = 1,
) -> ViewsComparison:
    """Compare the set of corners of a first idea with its rivals over several images.

    Parameters
    ----------
    observations, start, turns
        As in `refine_views`.
    log_prior, prior, elsewhere, margin, most, starts
        As in `stemfast.fit.search`.

    Returns
    -------
    ViewsComparison
    """
    shapes, before = _starts(len(observations), start, turns)
    weights = checked_log_prior(log_prior, shapes[0].mask)

    seen = tuple(observations)

    def fit(near: RefinedViews, mask: int, count: int) -> RefinedViews:
        return _fitted(seen, near.shapes, near.before, mask, prior, turns, count)

    def hopeless(near: RefinedViews, mask: int, lead: float) -> bool:
        return _out_of_question(seen, near, mask, prior, turns, lead)

    def compared(first: RefinedViews) -> Comparison[RefinedViews]:
        return explore(
            {first.mask: first},
            fit,
            weights,
            elsewhere=elsewhere,
            margin=margin,
            most=most,
            starts=starts,
            hopeless=hopeless,
        )

    own = compared(_fitted(seen, shapes, before, shapes[0].mask, prior, turns, starts))
    if turns is None or len(seen) == 1:
        return ViewsComparison((own,))
    found = own.fits[own.best]
    # What fits one view turns the wrong way to the others: any may be the start.
    ideas = [tuple(mirrored(shape) for shape in some) for some in (found.shapes, shapes)]
    tried = [
        (replace_poses(idea, turns, _before(idea[view], turns, view)), idea, view)
        for idea in ideas
        if np.isfinite(weights[idea[0].mask])
        for view in range(len(seen))
    ]
    tried.sort(key=lambda one: -log_likelihood(seen, one[0]))
    fits = [
        _fitted(seen, idea, _before(idea[view], turns, view), idea[0].mask, prior, turns, 1)
        for _, idea, view in tried[:_TWINS]
    ]
    # From so far off, edges can change places on the way, and then it is the first idea again.
    fits = [one for one in fits if not same_particle(one.shape, found.shape)]
    if not fits:
        return ViewsComparison((own,))
    twin = max(fits, key=lambda one: one.log_evidence)
    if twin.log_evidence < found.log_evidence - OUT:
        return _ranked(own, Comparison({twin.mask: twin}, weights))
    other = compared(twin)
    apart = {
        mask: one
        for mask, one in other.fits.items()
        if not any(same_particle(one.shape, mine.shape) for mine in own.fits.values())
    }
    return _ranked(own, Comparison(apart, weights)) if apart else ViewsComparison((own,))


def _ranked(*hands: Comparison[RefinedViews]) -> ViewsComparison:
    """With the hand of the best fit first."""
    return ViewsComparison(tuple(sorted(hands, key=lambda hand: -hand.log_posterior(hand.best))))


def same_particle(one: CutCuboid, other: CutCuboid) -> bool:
    """Whether two shapes are one particle in one pose under different names of its axes.

    Examples
    --------
    >>> shape = CutCuboid(np.array([9.0, 8, 7]), np.eye(8)[0] / 3, np.eye(4)[3], np.zeros(2))
    >>> same_particle(shape, renamed(shape, axis_turns()[5]))
    True
    >>> same_particle(shape, mirrored(shape))
    False
    """
    target = rotation_matrix(other.quaternion)
    for turn in axis_turns():
        matrix = rotation_matrix(one.quaternion) @ turn
        if np.trace(matrix.T @ target) > _SAME_TRACE and renamed(one, turn).mask == other.mask:
            return True
    return False


def replace_poses(
    shapes: Sequence[CutCuboid], turns: Turns, before: Float
) -> tuple[CutCuboid, ...]:
    """Shapes at the poses that the turns make of one before them."""
    return tuple(
        replace(shape, quaternion=turns.quaternion(view, before, np.zeros(3)))
        for view, shape in enumerate(shapes)
    )


def log_likelihood(seen: Sequence[Observation], shapes: Sequence[CutCuboid]) -> float:
    """Of shapes on smooth films, all images together."""
    total = 0.0
    for one, shape in zip(seen, shapes, strict=True):
        calm = np.zeros(len(one.waves.variance))
        total += one.log_likelihood(one.expected(shape, calm, derivatives=False).electrons)
    return total


def _before(shape: CutCuboid, turns: Turns, view: int) -> Float:
    """Pose before the turns of a particle in a view."""
    pose = turns.rotations[view].inv() * shape.orientation()
    return np.asarray(pose.as_quat())


def _out_of_question(
    observations: tuple[Observation, ...],
    near: RefinedViews,
    rival: int,
    prior: Prior,
    turns: Turns | None,
    lead: float,
) -> bool:
    """As `stemfast.fit.refine.out_of_question`, over several images."""
    low, _ = prior.cut
    chosen = np.array([bool(rival >> corner & 1) for corner in range(CORNERS)])
    kept = np.where(near.shape.cuts > 0, near.shape.cuts, low)
    shapes = tuple(replace(shape, cuts=np.where(chosen, kept, 0.0)) for shape in near.shapes)
    scales = np.log(near.dose_scales)
    state = JointState(shapes, near.before, near.turn_errors_rad, near.waves_nm, scales)
    log_likelihood, promise = Joint(observations, rival, prior, turns).promise(state)
    return log_likelihood + 2.0 * promise + lead < near.log_likelihood - OUT
