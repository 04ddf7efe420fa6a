"""The most likely parameters of one particle in several images: Levenberg and Marquardt in blocks.

In the normal equations the images meet in the shared parameters alone (`joint_parameters`). Those
of each image are eliminated first (a Schur complement), so that the cost grows with the number of
images, and sixteen are as robust as one. The determinant, and with it the evidence, comes in the
same blocks.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit.cuboid.shape import CORNERS
from stemfast.fit.cuboid.thickness import SHAPE_PARAMETERS
from stemfast.fit.evidence import log_evidence
from stemfast.fit.image.likelihood import Observation
from stemfast.fit.joint.parameters import JointParameters, JointResult, JointState, Slopes
from stemfast.fit.joint.turns import Turns
from stemfast.fit.prior import Prior

__all__ = ["Joint"]

Float: TypeAlias = NDArray[np.float64]

_STEPS = 60
_DAMPING = 1e-4
_CLOSE = 5e-3  # of log-likelihood that the next step would win
_FARTHEST_TURN = 0.15  # rad a step


class Joint:
    """The search for the most likely parameters of one set of cut corners in several images.

    Parameters
    ----------
    observations : sequence of Observation
    mask : int
        The corners that are cut.
    prior : Prior
    turns : Turns or None
    """

    def __init__(
        self,
        observations: tuple[Observation, ...],
        mask: int,
        prior: Prior,
        turns: Turns | None,
    ) -> None:
        self.observations = observations
        variances = tuple(seen.waves.variance for seen in observations)
        self.parameters = JointParameters(variances, mask, prior, turns)

    def _value(self, state: JointState) -> float:
        total = self.parameters.log_prior(state)
        for view, seen in enumerate(self.observations):
            expected = seen.expected(
                state.shapes[view],
                state.waves[view],
                float(state.log_scales[view]),
                derivatives=False,
            )
            total += seen.log_likelihood(expected.electrons)
        return total

    def _slopes(self, state: JointState) -> Slopes:
        parameters = self.parameters
        value = parameters.log_prior(state)
        shared = -parameters.precision * parameters.shared_offset(state)
        shared_information = np.diag(parameters.precision + parameters.floor)
        found = Slopes(value, shared, shared_information, [], [], [], [])
        for view, seen in enumerate(self.observations):
            expected = seen.expected(
                state.shapes[view],
                state.waves[view],
                float(state.log_scales[view]),
                derivatives=True,
            )
            gradient, information = seen.gradient_and_information(expected)
            to_shared, to_own = parameters.maps(view, state)
            value += seen.log_likelihood(expected.electrons)
            shared = shared + to_shared.T @ gradient
            half = information @ to_shared
            shared_information = shared_information + to_shared.T @ half
            precision, floor = parameters.own_precision[view], parameters.own_floor[view]
            found.own.append(to_own.T @ gradient - precision * parameters.own_offset(view, state))
            found.own_information.append(
                to_own.T @ information @ to_own + np.diag(precision + floor)
            )
            found.mixed.append(half.T @ to_own)
            found.electrons.append(expected.electrons)
        basis = parameters.basis
        return replace(
            found,
            value=value,
            shared=basis.T @ shared,
            shared_information=basis.T @ shared_information @ basis,
            mixed=[basis.T @ mixed for mixed in found.mixed],
        )

    def _step(
        self, slopes: Slopes, rests: NDArray[np.bool_], damping: float
    ) -> tuple[Float, list[Float], float]:
        """Change of shared and own parameters, and what it should win."""
        parameters = self.parameters
        free = np.flatnonzero(~rests)
        inner = slopes.shared_information[np.ix_(free, free)]
        reduced = inner + damping * np.diag(inner.diagonal())
        right = slopes.shared[free]
        back: list[tuple[Float, Float]] = []
        for view in range(len(self.observations)):
            mine = parameters.own_free[view]
            own = slopes.own_information[view][np.ix_(mine, mine)]
            own = own + damping * np.diag(own.diagonal())
            mixed = slopes.mixed[view][np.ix_(free, mine)]
            solved = np.linalg.solve(own, np.c_[mixed.T, slopes.own[view][mine]])
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

    def promise(self, state: JointState) -> tuple[float, float]:
        """Log-likelihood at a state, and what the next step would win were all linear."""
        slopes = self._slopes(state)
        _, _, gain = self._step(slopes, self.parameters.resting(state, slopes.shared), 0.0)
        return slopes.value - self.parameters.log_prior(state), 0.5 * gain

    def run(self, state: JointState) -> JointResult:
        """Climb from a state to the nearest maximum."""
        parameters = self.parameters
        slopes = self._slopes(state)
        damping, taken, converged = _DAMPING, 0, False
        while taken < _STEPS:
            taken += 1
            step, steps, gain = self._step(
                slopes, parameters.resting(state, slopes.shared), damping
            )
            if gain < _CLOSE:
                converged = True
                break
            share = min(1.0, _FARTHEST_TURN / max(parameters.largest_turn(step, steps), 1e-12))
            trial = parameters.moved(state, share * step, [share * change for change in steps])
            value = self._value(trial)
            if value > slopes.value:
                won, state = value - slopes.value, trial
                slopes = self._slopes(state)
                damping = max(damping / 10, 1e-9)
                if won < _CLOSE:
                    converged = True
                    break
            else:
                damping = max(10 * damping, 1e-3)
        return self._result(state, slopes, taken, converged)

    def _result(
        self, state: JointState, slopes: Slopes, steps: int, converged: bool
    ) -> JointResult:
        parameters = self.parameters
        free = np.flatnonzero(~parameters.known)
        reduced = slopes.shared_information[np.ix_(free, free)]
        evidence = slopes.value
        back: list[tuple[Float, Float]] = []
        for view in range(len(self.observations)):
            mine = parameters.own_free[view]
            own = slopes.own_information[view][np.ix_(mine, mine)]
            mixed = slopes.mixed[view][np.ix_(free, mine)]
            inverse = np.asarray(np.linalg.inv(own), np.float64)
            back.append((inverse, inverse @ mixed.T))
            reduced = reduced - mixed @ back[-1][1]
            evidence += 0.5 * len(mine) * math.log(2 * math.pi)
            evidence -= 0.5 * float(np.linalg.slogdet(own)[1])
            given = parameters.own_precision[view][mine]
            given = given[given > 0]
            evidence += 0.5 * float(np.log(given).sum()) - 0.5 * len(given) * math.log(2 * math.pi)
        is_cut = np.zeros(parameters.n_shared, bool)
        is_cut[parameters.cuts] = True
        cut = state.shapes[0].cuts[parameters.corners]
        evidence = log_evidence(
            evidence,
            slopes.shared[free],
            reduced,
            is_cut[free],
            cut,
            parameters.prior.cut,
            parameters.precision[free],
        )
        shared = np.zeros((parameters.n_shared, parameters.n_shared))
        shared[np.ix_(free, free)] = np.linalg.inv(reduced)
        shared = parameters.basis @ shared @ parameters.basis.T
        views = tuple(
            self._covariance(view, state, shared, free, *eliminated)
            for view, eliminated in enumerate(back)
        )
        at_limit = np.zeros(CORNERS, bool)
        at_limit[parameters.corners] = parameters.resting(state, slopes.shared)[parameters.cuts]
        return JointResult(
            state=state,
            shared_covariance=shared[parameters.n_turn :, parameters.n_turn :],
            view_covariances=views,
            log_likelihood=slopes.value - parameters.log_prior(state),
            log_evidence=evidence,
            at_limit=at_limit,
            electrons=tuple(slopes.electrons),
            steps=steps,
            converged=converged,
        )

    def _covariance(
        self,
        view: int,
        state: JointState,
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
