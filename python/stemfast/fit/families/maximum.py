"""The most likely member of a family, in one image of it or several, with its evidence.

The climb and the blocks are those of the fit of cuboids (`stemfast.fit.joint.maximum`). The
evidence is Laplace's, sizes cut off at their limits. A member turned by one of its own rotations is
the same, and one mirrored along the beam has the same image, so that a maximum stands for as many
as the family's group has: once for each view at an unknown pose, by rotations alone where the turns
between the views are known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit.evidence import log_evidence
from stemfast.fit.families.parameters import FamilyParameters, placed, state_of
from stemfast.fit.families.shape_family import Placed, ShapeFamily
from stemfast.fit.image.goodness import Goodness, goodness
from stemfast.fit.image.likelihood import Expected, Observation
from stemfast.fit.joint.maximum import Maximisation
from stemfast.fit.joint.parameters import Slopes, State
from stemfast.fit.levenberg_marquardt import climb
from stemfast.fit.turns import Turns

__all__ = ["FamilyFit", "Known", "log_likelihood_of", "refined"]

Float: TypeAlias = NDArray[np.float64]

# How a size at 0 is followed: first step over the size, growth of steps, and where it ends.
_FIRST, _FACTOR, _GONE, _POINTS = 4e-3, 1.6, 8.0, 400
_END = 1e-3  # of the sum of all sizes, that is none
_HARDLY = 0.5  # logarithm of likelihood by which a size without a slope at 0 differs from none
_ALL_POSES = math.log(8.0 * math.pi**2)


@dataclass(frozen=True, eq=False)
class Known:
    """Knowledge besides the images.

    Attributes
    ----------
    limit_nm : float
        Largest size of any kind, whose prior is even from 0 to it.
    turns : Turns or None
        How the views are turned against each other.
    dose_sd : float
        Standard deviation of the logarithm of the doses; 0 if they are known.
    """

    limit_nm: float
    turns: Turns | None = None
    dose_sd: float = 0.0

    @property
    def alone(self) -> Known:
        """The same of one view by itself."""
        return replace(self, turns=None)


@dataclass(frozen=True, eq=False)
class FamilyFit:
    """A member of a family fitted to K images.

    Attributes
    ----------
    family : ShapeFamily
    shapes : tuple of Placed
        The member in each view: the same sizes, a pose and a place of its own.
    before : (4,) float64
        Pose before the turns (x, y, z, w), where these are known, or that in the first view.
    covariance : (P, P) float64
        Of the sizes [nm²].
    at_limit : (P,) bool
        Sizes that rest at a limit.
    poses_sd_rad : (K, 3) float64
        Error bars of the poses [rad].
    turn_errors_rad : (K, 3) float64
        What the turns were off by [rad].
    log_likelihood : float
    log_evidence : float
        -inf where the images do not hold the member, so that it is no maximum.
    electrons : tuple of (rows, columns) float64
        Expected in each observation.
    dose_scales : (K,) float64
        Fitted doses over the given ones.
    converged : bool
    observations : tuple of Observation
    """

    family: ShapeFamily
    shapes: tuple[Placed, ...]
    before: Float
    covariance: Float
    at_limit: NDArray[np.bool_]
    poses_sd_rad: Float
    turn_errors_rad: Float
    log_likelihood: float
    log_evidence: float
    electrons: tuple[Float, ...] = field(repr=False)
    dose_scales: Float
    converged: bool
    observations: tuple[Observation, ...] = field(repr=False)

    @property
    def sizes_nm(self) -> Float:
        """Sizes (P,) of the family's parameters [nm]."""
        return self.shapes[0].sizes_nm

    @cached_property
    def goodness(self) -> tuple[Goodness, ...]:
        """Goodness of fit of each image."""
        used = round(self.family.n / len(self.shapes) + 5)
        return tuple(
            goodness(seen, electrons, used + len(seen.waves.variance))
            for seen, electrons in zip(self.observations, self.electrons, strict=True)
        )

    @property
    def explained(self) -> bool:
        """True if the member explains every image."""
        return all(one.explained for one in self.goodness)


class _Maximisation(Maximisation):
    """Posterior of the sizes, poses and places of a member, and the climb to its maximum."""

    parameters: FamilyParameters

    def __init__(
        self, observations: tuple[Observation, ...], family: ShapeFamily, known: Known
    ) -> None:
        self.observations, self.family = observations, family
        variances = tuple(seen.waves.variance for seen in observations)
        self.parameters = FamilyParameters(
            variances, family, known.limit_nm, known.dose_sd, known.turns
        )

    def _expected(
        self, view: int, state: State, *, derivatives: bool, known: Expected | None = None
    ) -> Expected:
        seen, at = self.observations[view], placed(state)[view]
        slopes: Float | None = None
        if derivatives:
            t, slopes = self.family.thickness_and_jacobian(at, seen.x_nm, seen.y_nm)
        else:
            t = self.family.thickness(at, seen.x_nm, seen.y_nm)
        scale = float(state.log_scales[view])
        return seen.through_optics(t, slopes, state.waves[view], scale, known=known)

    def fit(self, shapes: tuple[Placed, ...], before: Float, most: int) -> FamilyFit:
        """Climb from members in each view to the nearest maximum."""
        parameters, family = self.parameters, self.family
        k = len(self.observations)
        empty = tuple(np.zeros(len(seen.waves.variance)) for seen in self.observations)
        start = State((), before, np.zeros((k, 3)), empty, np.zeros(k))
        top = climb(self, parameters._posed(state_of(start, shapes)), most=most)
        for size in family.flat:
            gone = self._without(top.state, size)
            if self.value(gone) > top.slopes.value - _HARDLY:
                top = climb(self, gone, most=most)
        state, slopes, found = top.state, top.slopes, placed(top.state)
        try:
            evidence, shared, poses = self._laplace(state, slopes)
        except np.linalg.LinAlgError:  # a climb that ended where the images hold nothing
            n = parameters.n_shared
            evidence, shared, poses = -np.inf, np.full((n, n), np.nan), np.full((k, 3), np.nan)
        return FamilyFit(
            family=family,
            shapes=found,
            before=state.before if parameters.turns is not None else found[0].quaternion,
            covariance=shared[parameters.sizes, parameters.sizes],
            at_limit=parameters.resting(state, slopes.shared)[parameters.sizes],
            poses_sd_rad=poses,
            turn_errors_rad=state.errors,
            log_likelihood=slopes.value - parameters.log_prior(state),
            log_evidence=evidence,
            electrons=tuple(slopes.electrons),
            dose_scales=np.exp(state.log_scales),
            converged=top.converged,
            observations=self.observations,
        )

    def _without(self, state: State, size: int) -> State:
        """The state with a size at 0."""
        step = np.zeros(self.parameters.n_shared)
        step[self.parameters.sizes.start + size] = -placed(state)[0].sizes_nm[size]
        still = [np.zeros(len(own)) for own in self.parameters.own_precision]
        return self.parameters.moved(state, step, still)

    def _laplace(self, state: State, slopes: Slopes) -> tuple[float, Float, Float]:
        """Evidence at a maximum, covariance of the shared parameters, error bars of poses [rad]."""
        parameters, found = self.parameters, placed(state)
        every = np.arange(parameters.n_shared)
        reduced, back, volume = self._eliminated(slopes, every)
        is_size = np.zeros(parameters.n_shared, bool)
        is_size[parameters.sizes] = True
        ends = parameters.n_turn + np.flatnonzero(
            found[0].sizes_nm <= _END * found[0].sizes_nm.sum()
        )
        free = np.setdiff1d(every, ends)
        inside = free[free >= parameters.n_turn] - parameters.n_turn
        highest = self.family.highest(found[0].sizes_nm, parameters.limit_nm)
        evidence = log_evidence(
            slopes.value + volume,
            slopes.shared[free],
            reduced[np.ix_(free, free)],
            is_size[free],
            found[0].sizes_nm[inside],
            (0.0, highest[inside]),
            parameters.precision[free],
        )
        shared = np.zeros_like(reduced)
        inner = np.asarray(np.linalg.inv(reduced[np.ix_(free, free)]), np.float64)
        shared[np.ix_(free, free)] = inner
        for end in ends.tolist():
            along = np.zeros(parameters.n_shared)
            along[free], along[end] = -inner @ reduced[free, end], 1.0
            most = float(highest[end - parameters.n_turn])
            mass, square = self._beyond_zero(state, slopes.value, along, back, most)
            evidence += math.log(mass / most)
            shared += square * np.outer(along, along)
        poses = [
            self._covariance(view, state, shared, every, *eliminated)[:3, :3]
            for view, eliminated in enumerate(back)
        ]
        errors = np.array([np.sqrt(np.maximum(c.diagonal(), 0.0)) for c in poses])
        copies = _copies(self.family, len(found), turned=parameters.turns is not None)
        return evidence + copies, shared, errors

    def _beyond_zero(
        self,
        state: State,
        highest: float,
        along: Float,
        back: list[tuple[Float, Float]],
        most: float,
    ) -> tuple[float, float]:
        """Integral of the posterior over a size from 0 to most [nm], and its mean square [nm²].

        A facet that only just appears changes an image by the square of its size and more, so that
        there is no slope at 0: the posterior is followed, the other parameters along with it.
        """
        parameters = self.parameters
        steps = [-by_shared @ along for _, by_shared in back]
        reach = _FIRST * float(placed(state)[0].sizes_nm.sum())
        far, logs = [0.0], [0.0]
        while logs[-1] > -_GONE and far[-1] < most:
            u = min(reach if len(far) == 1 else _FACTOR * far[-1], most)
            own = []
            for view, change in enumerate(steps):
                full = np.zeros(len(parameters.own_precision[view]))
                full[parameters.own_free[view]] = u * change
                own.append(full)
            moved = parameters.moved(state, u * along, own)
            far.append(u)
            logs.append(min(self.value(moved) - highest, 0.0))
        grid = np.linspace(0.0, far[-1], _POINTS)
        density = np.exp(np.interp(grid, far, logs))
        mass = float(density.sum() * grid[1])
        return mass, float((density * grid**2).sum() * grid[1]) / mass


def _copies(family: ShapeFamily, views: int, *, turned: bool) -> float:
    """Logarithm of how many maxima are the same, times the prior density of the poses."""
    names = math.log(len(family.relabellings) / len(family.group))
    same = math.log(family.copies(turned=turned)) - _ALL_POSES
    return names + (1 if turned else views) * same


def refined(
    observations: tuple[Observation, ...],
    family: ShapeFamily,
    shapes: tuple[Placed, ...],
    known: Known,
    *,
    before: Float | None = None,
    most: int = 40,
) -> FamilyFit:
    """Fit a member of a family to an image of it, or to several.

    Parameters
    ----------
    observations : tuple of Observation
        Of particles that rest during the scan.
    family : ShapeFamily
    shapes : tuple of Placed
        Where to start, in each view.
    known : Known
    before : (4,) float64, optional
        Pose before the turns, where those are known.
    most : int
        Steps of the climb, at most.

    Examples
    --------
    >>> import stemfast as sf
    >>> from stemfast.fit import CutCuboid, observe
    >>> from stemfast.fit.families.shipped import family_of
    >>> pose = sf.orientation.random(1, seed=4)[0]
    >>> image = sf.simulate(sf.Octahedron(edge=12), pose, seed=1)
    >>> around = CutCuboid(np.full(3, 12.0), np.zeros(8), pose.as_quat(), np.zeros(2))
    >>> seen = observe(image, sf.Microscope(), around)
    >>> family = family_of("octahedron")
    >>> start = Placed(np.array([5.2]), pose.as_quat(), np.zeros(2))
    >>> fit = refined((seen,), family, (start,), Known(limit_nm=30.0))
    >>> round(float(fit.sizes_nm[0]) * 6**0.5, 1), fit.explained
    (12.0, True)
    """
    if any(seen.turned is not None for seen in observations):
        raise ValueError("family: got a particle that spins during the scan, expected cuboids then")
    first = shapes[0].quaternion if before is None else before
    observations = tuple(family.seen(one) for one in observations)
    return _Maximisation(observations, family, known).fit(shapes, first, most)


def log_likelihood_of(
    observations: Sequence[Observation], family: ShapeFamily, shapes: Sequence[Placed]
) -> float:
    """Log-likelihood of a member, placed in each view, on smooth films.

    Parameters
    ----------
    observations : sequence of Observation
    family : ShapeFamily
    shapes : sequence of Placed
        The member in each.
    """
    total = 0.0
    for seen, at in zip(observations, shapes, strict=True):
        calm = np.zeros(len(seen.waves.variance))
        t = family.thickness(at, seen.x_nm, seen.y_nm)
        optics = family.seen(seen)
        total += optics.log_likelihood(optics.through_optics(t, None, calm).electrons)
    return total
