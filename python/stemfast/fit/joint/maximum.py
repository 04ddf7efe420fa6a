"""The most likely parameters of one particle in one image or several, solved in blocks.

In the normal equations the images meet in the shared parameters alone (`Parameters`). Those of
each image are eliminated first (a Schur complement), so that the cost grows with the number of
images, and sixteen are as robust as one. The determinant, and with it the evidence, comes in the
same blocks. Cuts stay within their limits: one that would leave them rests at the limit while the
others go on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit.cuboid.shape import CORNERS
from stemfast.fit.cuboid.thickness import SHAPE_PARAMETERS
from stemfast.fit.evidence import log_evidence
from stemfast.fit.image.likelihood import Expected, Observation
from stemfast.fit.joint.parameters import Parameters, Slopes, State
from stemfast.fit.levenberg_marquardt import climb
from stemfast.fit.prior import Prior
from stemfast.fit.turns import Turns

__all__ = ["Maximisation", "Maximum"]

Float: TypeAlias = NDArray[np.float64]

_FARTHEST_TURN = 0.15  # rad a step


@dataclass(frozen=True, eq=False)
class Maximum:
    """A maximum of the posterior.

    Attributes
    ----------
    state : State
    shared_covariance : (n, n) float64
        Of edges and cuts.
    view_covariances : tuple of (P, P) float64
        Of turn, place, edges and cuts in each view.
    log_likelihood, log_evidence : float
    at_limit : (8,) bool
        Corners whose cut rests at one of its limits.
    electrons : tuple of (rows, columns) float64
        Expected in each image.
    steps : int
    converged : bool
    """

    state: State
    shared_covariance: Float
    view_covariances: tuple[Float, ...]
    log_likelihood: float
    log_evidence: float
    at_limit: NDArray[np.bool_]
    electrons: tuple[Float, ...]
    steps: int
    converged: bool


class Maximisation:
    """Posterior of the parameters of one set of cut corners, and the climb to its maximum.

    Parameters
    ----------
    observations : sequence of Observation
    mask : int
        The corners that are cut.
    prior : Prior
    turns : Turns or None
    """

    #: The state whose value was asked for last, that value, and what is expected in each view.
    _last: tuple[State, float, list[Expected]] | None = None

    def __init__(
        self,
        observations: tuple[Observation, ...],
        mask: int,
        prior: Prior,
        turns: Turns | None,
    ) -> None:
        self.observations = observations
        variances = tuple(seen.waves.variance for seen in observations)
        self.parameters = Parameters(variances, mask, prior, turns)

    def value(self, state: State) -> float:
        """Logarithm of the posterior."""
        total = self.parameters.log_prior(state)
        found = []
        for view, seen in enumerate(self.observations):
            expected = self._expected(view, state, derivatives=False)
            total += seen.log_likelihood(expected.electrons)
            found.append(expected)
        self._last = (state, total, found)
        return total

    def _expected(
        self, view: int, state: State, *, derivatives: bool, known: Expected | None = None
    ) -> Expected:
        return self.observations[view].expected(
            state.shapes[view],
            state.waves[view],
            float(state.log_scales[view]),
            derivatives=derivatives,
            known=known,
        )

    def slopes(self, state: State) -> Slopes:
        """The same with derivatives."""
        parameters = self.parameters
        # A climb asks for the value of every state first.
        known = self._last if self._last is not None and self._last[0] is state else None
        value = parameters.log_prior(state) if known is None else known[1]
        shared = -parameters.precision * parameters.shared_offset(state)
        shared_information = parameters.shared_prior
        found = Slopes(value, shared, shared_information, [], [], [], [])
        for view, seen in enumerate(self.observations):
            before = None if known is None else known[2][view]
            expected = self._expected(view, state, derivatives=True, known=before)
            gradient, information = seen.gradient_and_information(expected)
            to_shared, to_own = parameters.maps(view, state)
            if known is None:
                value += seen.log_likelihood(expected.electrons)
            shared = shared + to_shared.T @ gradient
            half = information @ to_shared
            shared_information = shared_information + to_shared.T @ half
            pull = parameters.own_precision[view] * parameters.own_offset(view, state)
            found.own.append(to_own.T @ gradient - pull)
            found.own_information.append(
                to_own.T @ information @ to_own + parameters.own_prior[view]
            )
            found.mixed.append(half.T @ to_own)
            found.electrons.append(expected.electrons)
        if not parameters.prior.equal_edges:
            return replace(found, value=value, shared=shared, shared_information=shared_information)
        basis = parameters.basis
        return replace(
            found,
            value=value,
            shared=basis.T @ shared,
            shared_information=basis.T @ shared_information @ basis,
            mixed=[basis.T @ mixed for mixed in found.mixed],
        )

    def _change(
        self, state: State, slopes: Slopes, damping: float
    ) -> tuple[Float, list[Float], float]:
        """Change of shared and own parameters, and what it should win."""
        parameters = self.parameters
        free = np.flatnonzero(~parameters.resting(state, slopes.shared))
        reduced = _damped(slopes.shared_information[free[:, None], free], damping)
        right = slopes.shared[free]
        back: list[tuple[Float, Float]] = []
        for view in range(len(self.observations)):
            mine = parameters.own_free[view]
            own = _damped(slopes.own_information[view][mine[:, None], mine], damping)
            mixed = slopes.mixed[view][free[:, None], mine]
            both = np.concatenate([mixed.T, slopes.own[view][mine, None]], axis=1)
            solved = np.linalg.solve(own, both)
            back.append((np.asarray(solved[:, :-1]), np.asarray(solved[:, -1])))
            reduced = reduced - mixed @ solved[:, :-1]
            right = right - mixed @ solved[:, -1]
        step = np.zeros(parameters.n_shared)
        step[free] = np.linalg.solve(reduced, right)
        gain = float(slopes.shared @ step)
        steps = []
        for view, (by_shared, alone) in enumerate(back):
            mine = parameters.own_free[view]
            change = np.zeros(len(parameters.own_precision[view]))
            change[mine] = alone - by_shared @ step[free]
            gain += float(slopes.own[view] @ change)
            steps.append(change)
        return step, steps, gain

    def step(self, state: State, slopes: Slopes, damping: float) -> tuple[State, float]:
        """State after a damped step, no turn too far, and what the whole step should win."""
        step, steps, gain = self._change(state, slopes, damping)
        farthest = max(self.parameters.largest_turn(step, steps), 1e-12)
        share = min(1.0, _FARTHEST_TURN / farthest)
        moved = self.parameters.moved(state, share * step, [share * change for change in steps])
        return moved, gain

    def promise(self, state: State) -> tuple[float, float]:
        """Log-likelihood at a state, and what the next step would win were all linear."""
        slopes = self.slopes(state)
        _, _, gain = self._change(state, slopes, 0.0)
        return slopes.value - self.parameters.log_prior(state), 0.5 * gain

    def run(self, state: State) -> Maximum:
        """Climb from a state to the nearest maximum."""
        top = climb(self, state)
        parameters, state, slopes = self.parameters, top.state, top.slopes
        free = np.flatnonzero(~parameters.known)
        reduced, back, volume = self._eliminated(slopes, free)
        is_cut = np.zeros(parameters.n_shared, bool)
        is_cut[parameters.cuts] = True
        evidence = log_evidence(
            slopes.value + volume,
            slopes.shared[free],
            reduced,
            is_cut[free],
            state.shapes[0].cuts[parameters.corners],
            parameters.prior.cut,
            parameters.precision[free],
        )
        shared = np.zeros((parameters.n_shared, parameters.n_shared))
        shared[np.ix_(free, free)] = np.linalg.inv(reduced)
        shared = parameters.basis @ shared @ parameters.basis.T
        at_limit = np.zeros(CORNERS, bool)
        at_limit[parameters.corners] = parameters.resting(state, slopes.shared)[parameters.cuts]
        return Maximum(
            state=state,
            shared_covariance=shared[parameters.n_turn :, parameters.n_turn :],
            view_covariances=tuple(
                self._covariance(view, state, shared, free, *eliminated)
                for view, eliminated in enumerate(back)
            ),
            log_likelihood=slopes.value - parameters.log_prior(state),
            log_evidence=evidence,
            at_limit=at_limit,
            electrons=tuple(slopes.electrons),
            steps=top.steps,
            converged=top.converged,
        )

    def _eliminated(
        self, slopes: Slopes, free: NDArray[np.intp]
    ) -> tuple[Float, list[tuple[Float, Float]], float]:
        """Information on shared parameters once those of each view are integrated out.

        Besides it, for each view the inverse of its own information and what its parameters follow
        shared ones by, and the logarithm of the integral over all of them.
        """
        reduced = slopes.shared_information[np.ix_(free, free)]
        back: list[tuple[Float, Float]] = []
        volume = 0.0
        for view in range(len(self.observations)):
            mine = self.parameters.own_free[view]
            own = slopes.own_information[view][np.ix_(mine, mine)]
            mixed = slopes.mixed[view][np.ix_(free, mine)]
            inverse = np.asarray(np.linalg.inv(own), np.float64)
            back.append((inverse, inverse @ mixed.T))
            reduced = reduced - mixed @ back[-1][1]
            volume += 0.5 * len(mine) * math.log(2 * math.pi)
            volume -= 0.5 * float(np.linalg.slogdet(own)[1])
            given = self.parameters.own_precision[view][mine]
            given = given[given > 0]
            volume += 0.5 * float(np.log(given).sum()) - 0.5 * len(given) * math.log(2 * math.pi)
        return reduced, back, volume

    def _covariance(
        self,
        view: int,
        state: State,
        shared: Float,
        free: NDArray[np.intp],
        inverse: Float,
        by_shared: Float,
    ) -> Float:
        """Of turn, place, edges and cuts in a view, of that of the shared parameters."""
        parameters = self.parameters
        to_shared, to_own = parameters.maps(view, state)
        mine = parameters.own_free[view]
        own_by_shared = np.zeros((to_own.shape[1], parameters.n_shared))
        own_by_shared[np.ix_(mine, free)] = -by_shared
        total = to_shared + to_own @ own_by_shared
        alone = to_own[:, mine]
        covariance = total @ shared @ total.T + alone @ inverse @ alone.T
        n = SHAPE_PARAMETERS + len(parameters.corners)
        return np.asarray(covariance[:n, :n])


def _damped(information: Float, damping: float) -> Float:
    """The same array, its diagonal larger by a share."""
    diagonal = information.reshape(-1)[:: len(information) + 1]
    diagonal += damping * diagonal
    return information
