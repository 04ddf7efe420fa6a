"""The most likely parameters of one particle in several images: Levenberg and Marquardt in blocks.

Edges and cuts are those of all images; each has a place, a film and a dose of its own, and a pose:
its own, or, where the turns between them are known, one for all with a small error for each. In
the normal equations the images meet in the shared parameters alone. Those of each image are
eliminated first (a Schur complement), so that the cost grows with the number of images, and
sixteen are as robust as one. The determinant, and with it the evidence, comes in the same blocks.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit.cuboid import CORNERS, CutCuboid, compose
from stemfast.fit.evidence import log_evidence
from stemfast.fit.jacobian import SHAPE_PARAMETERS
from stemfast.fit.joint_state import JointResult, JointState, Slopes
from stemfast.fit.likelihood import Observation
from stemfast.fit.prior import Prior
from stemfast.fit.turns import Turns

__all__ = ["Joint"]

Float: TypeAlias = NDArray[np.float64]

_STEPS = 60
_DAMPING = 1e-4
_CLOSE = 5e-3  # of log-likelihood that the next step would win
_FARTHEST_TURN = 0.15  # rad a step
_EDGES = slice(5, 8)
# As in `maximum`: what a parameter that no pixel tells about is still known to.
_FLOOR_TURN, _FLOOR_PLACE, _FLOOR = 1.0, 0.25, 0.01


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
        self.observations, self.mask, self.prior, self.turns = observations, mask, prior, turns
        self.corners = np.flatnonzero([mask >> corner & 1 for corner in range(CORNERS)])
        n_cuts = len(self.corners)
        # Shared: the turn before the turns if these are known, edges, cuts.
        self.n_turn = 3 if turns is not None else 0
        self.n_shared = self.n_turn + 3 + n_cuts
        self.edges = slice(self.n_turn, self.n_turn + 3)
        self.cuts = slice(self.n_turn + 3, self.n_shared)
        self.precision = np.zeros(self.n_shared)
        if prior.edge_nm is not None:
            self.precision[self.edges] = prior.edge_nm[1] ** -2
        self.floor = np.full(self.n_shared, _FLOOR)
        self.floor[: self.n_turn] = _FLOOR_TURN
        self.known = np.zeros(self.n_shared, bool)
        self.basis = np.eye(self.n_shared)
        if prior.equal_edges:
            self.basis[self.edges, self.n_turn] = 1.0
            self.known[self.n_turn + 1 : self.n_turn + 3] = True
        self.turning = [self._turning(k) for k in range(len(observations))]
        self.own_precision = [self._own_precision(k) for k in range(len(observations))]
        self.own_floor = [self._own_floor(k) for k in range(len(observations))]

    def _turning(self, view: int) -> Float:
        """(3, n): the turns of a view that are its own parameters."""
        return np.eye(3) if self.turns is None else self.turns.errors(view)

    def _own_precision(self, view: int) -> Float:
        n_turn = self.turning[view].shape[1]
        waves = self.observations[view].waves.variance
        precision = np.zeros(n_turn + 2 + len(waves) + 1)
        if self.turns is not None and n_turn:
            precision[:n_turn] = math.radians(self.turns.sd_deg) ** -2
        precision[n_turn + 2 : -1] = 1.0 / waves
        if self.prior.dose_sd > 0:
            precision[-1] = self.prior.dose_sd**-2
        return precision

    def _own_floor(self, view: int) -> Float:
        n_turn = self.turning[view].shape[1]
        floor = np.full(len(self.own_precision[view]), _FLOOR)
        floor[:n_turn] = _FLOOR_TURN
        floor[n_turn : n_turn + 2] = _FLOOR_PLACE
        return floor

    def _own_free(self, view: int) -> NDArray[np.intp]:
        n = len(self.own_precision[view])
        return np.arange(n if self.prior.dose_sd > 0 else n - 1)

    def state(self, shapes: tuple[CutCuboid, ...], before: Float) -> JointState:
        """Where to start."""
        waves = tuple(np.zeros(len(seen.waves.variance)) for seen in self.observations)
        k = len(self.observations)
        state = JointState(shapes, before, np.zeros((k, 3)), waves, np.zeros(k))
        return self._posed(state)

    def _posed(self, state: JointState) -> JointState:
        """With the poses that the turns make of the one before them."""
        if self.turns is None:
            return state
        shapes = tuple(
            replace(shape, quaternion=self.turns.quaternion(k, state.before, state.errors[k]))
            for k, shape in enumerate(state.shapes)
        )
        return replace(state, shapes=shapes)

    def _maps(self, view: int, state: JointState) -> tuple[Float, Float]:
        """What shared and own parameters do to those of a single fit: (n, shared), (n, own)."""
        n_waves = len(state.waves[view])
        n_cuts = len(self.corners)
        n = SHAPE_PARAMETERS + n_cuts + n_waves + 1
        shared = np.zeros((n, self.n_shared))
        shared[_EDGES, self.edges] = np.eye(3)
        shared[SHAPE_PARAMETERS : SHAPE_PARAMETERS + n_cuts, self.cuts] = np.eye(n_cuts)
        if self.turns is not None:
            from scipy.spatial.transform import Rotation

            turned = Rotation.from_rotvec(state.errors[view]) * self.turns.rotations[view]
            shared[:3, :3] = turned.as_matrix()
        turning = self.turning[view]
        n_turn = turning.shape[1]
        own = np.zeros((n, n_turn + 2 + n_waves + 1))
        own[:3, :n_turn] = turning
        own[3:5, n_turn : n_turn + 2] = np.eye(2)
        own[SHAPE_PARAMETERS + n_cuts :, n_turn + 2 :] = np.eye(n_waves + 1)
        return shared, own

    def _shared_offset(self, state: JointState) -> Float:
        off = np.zeros(self.n_shared)
        if self.prior.edge_nm is not None:
            off[self.edges] = state.shapes[0].edges_nm - self.prior.edge_nm[0]
        return off

    def _own_offset(self, view: int, state: JointState) -> Float:
        n_turn = self.turning[view].shape[1]
        off = np.zeros(len(self.own_precision[view]))
        if self.turns is not None and n_turn:
            off[:n_turn] = self.turning[view].T @ state.errors[view]
        off[n_turn + 2 : -1] = state.waves[view]
        off[-1] = state.log_scales[view]
        return off

    def _log_prior(self, state: JointState) -> float:
        total = float((self.precision * self._shared_offset(state) ** 2).sum())
        for view, precision in enumerate(self.own_precision):
            total += float((precision * self._own_offset(view, state) ** 2).sum())
        return -0.5 * total

    def _value(self, state: JointState) -> float:
        total = self._log_prior(state)
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
        value = self._log_prior(state)
        shared = -self.precision * self._shared_offset(state)
        shared_information = np.diag(self.precision + self.floor)
        found = Slopes(value, shared, shared_information, [], [], [], [])
        for view, seen in enumerate(self.observations):
            expected = seen.expected(
                state.shapes[view],
                state.waves[view],
                float(state.log_scales[view]),
                derivatives=True,
            )
            gradient, information = seen.gradient_and_information(expected)
            to_shared, to_own = self._maps(view, state)
            value += seen.log_likelihood(expected.electrons)
            shared = shared + to_shared.T @ gradient
            half = information @ to_shared
            shared_information = shared_information + to_shared.T @ half
            precision, floor = self.own_precision[view], self.own_floor[view]
            found.own.append(to_own.T @ gradient - precision * self._own_offset(view, state))
            found.own_information.append(
                to_own.T @ information @ to_own + np.diag(precision + floor)
            )
            found.mixed.append(half.T @ to_own)
            found.electrons.append(expected.electrons)
        basis = self.basis
        return replace(
            found,
            value=value,
            shared=basis.T @ shared,
            shared_information=basis.T @ shared_information @ basis,
            mixed=[basis.T @ mixed for mixed in found.mixed],
        )

    def _resting(self, state: JointState, shared: Float) -> NDArray[np.bool_]:
        rests = self.known.copy()
        low, high = self.prior.cut
        cut, push = state.shapes[0].cuts[self.corners], shared[self.cuts]
        rests[self.cuts] = ((cut <= low) & (push < 0)) | ((cut >= high) & (push > 0))
        return rests

    def _step(
        self, slopes: Slopes, rests: NDArray[np.bool_], damping: float
    ) -> tuple[Float, list[Float], float]:
        """Change of shared and own parameters, and what it should win."""
        free = np.flatnonzero(~rests)
        inner = slopes.shared_information[np.ix_(free, free)]
        reduced = inner + damping * np.diag(inner.diagonal())
        right = slopes.shared[free]
        back: list[tuple[Float, Float]] = []
        for view in range(len(self.observations)):
            mine = self._own_free(view)
            own = slopes.own_information[view][np.ix_(mine, mine)]
            own = own + damping * np.diag(own.diagonal())
            mixed = slopes.mixed[view][np.ix_(free, mine)]
            solved = np.linalg.solve(own, np.c_[mixed.T, slopes.own[view][mine]])
            back.append((np.asarray(solved[:, :-1]), np.asarray(solved[:, -1])))
            reduced = reduced - mixed @ solved[:, :-1]
            right = right - mixed @ solved[:, -1]
        step = np.zeros(self.n_shared)
        step[free] = np.linalg.solve(reduced, right)
        gain = float(slopes.shared @ step)
        steps = []
        for view, (by_shared, alone) in enumerate(back):
            mine = self._own_free(view)
            change = np.zeros(len(self.own_precision[view]))
            change[mine] = alone - by_shared @ step[free]
            gain += float(slopes.own[view] @ change)
            steps.append(change)
        return step, steps, gain

    def _moved(self, state: JointState, step: Float, steps: list[Float]) -> JointState:
        shared = self.basis @ step
        cuts = np.zeros(CORNERS)
        first = state.shapes[0]
        cuts[self.corners] = np.clip(first.cuts[self.corners] + shared[self.cuts], *self.prior.cut)
        edges = np.maximum(first.edges_nm + shared[self.edges], 0.5 * first.edges_nm)
        shapes, errors, waves, scales = [], state.errors.copy(), [], state.log_scales.copy()
        for view, (shape, change) in enumerate(zip(state.shapes, steps, strict=True)):
            turning = self.turning[view]
            n_turn = turning.shape[1]
            turn = turning @ change[:n_turn]
            if self.turns is not None:
                errors[view] = errors[view] + turn
                turn = np.zeros(3)
            place = shape.position_nm + change[n_turn : n_turn + 2]
            shapes.append(shape.moved(turn, place, edges, cuts))
            waves.append(state.waves[view] + change[n_turn + 2 : -1])
            scales[view] += change[-1]
        before = compose(shared[:3], state.before) if self.turns is not None else state.before
        return self._posed(JointState(tuple(shapes), before, errors, tuple(waves), scales))

    def _largest_turn(self, step: Float, steps: list[Float]) -> float:
        turns = [step[: self.n_turn]]
        turns += [change[: self.turning[view].shape[1]] for view, change in enumerate(steps)]
        return max(float(np.sqrt((turn**2).sum())) for turn in turns)

    def promise(self, state: JointState) -> tuple[float, float]:
        """Log-likelihood at a state, and what the next step would win were all linear."""
        slopes = self._slopes(state)
        _, _, gain = self._step(slopes, self._resting(state, slopes.shared), 0.0)
        return slopes.value - self._log_prior(state), 0.5 * gain

    def run(self, state: JointState) -> JointResult:
        """Climb from a state to the nearest maximum."""
        slopes = self._slopes(state)
        damping, taken, converged = _DAMPING, 0, False
        while taken < _STEPS:
            taken += 1
            step, steps, gain = self._step(slopes, self._resting(state, slopes.shared), damping)
            if gain < _CLOSE:
                converged = True
                break
            share = min(1.0, _FARTHEST_TURN / max(self._largest_turn(step, steps), 1e-12))
            trial = self._moved(state, share * step, [share * change for change in steps])
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
        free = np.flatnonzero(~self.known)
        reduced = slopes.shared_information[np.ix_(free, free)]
        evidence = slopes.value
        back: list[tuple[Float, Float]] = []
        for view in range(len(self.observations)):
            mine = self._own_free(view)
            own = slopes.own_information[view][np.ix_(mine, mine)]
            mixed = slopes.mixed[view][np.ix_(free, mine)]
            inverse = np.asarray(np.linalg.inv(own), np.float64)
            back.append((inverse, inverse @ mixed.T))
            reduced = reduced - mixed @ back[-1][1]
            evidence += 0.5 * len(mine) * math.log(2 * math.pi)
            evidence -= 0.5 * float(np.linalg.slogdet(own)[1])
            given = self.own_precision[view][mine]
            given = given[given > 0]
            evidence += 0.5 * float(np.log(given).sum()) - 0.5 * len(given) * math.log(2 * math.pi)
        is_cut = np.zeros(self.n_shared, bool)
        is_cut[self.cuts] = True
        cut = state.shapes[0].cuts[self.corners]
        evidence = log_evidence(
            evidence,
            slopes.shared[free],
            reduced,
            is_cut[free],
            cut,
            self.prior.cut,
            self.precision[free],
        )
        shared = np.zeros((self.n_shared, self.n_shared))
        shared[np.ix_(free, free)] = np.linalg.inv(reduced)
        shared = self.basis @ shared @ self.basis.T
        views = []
        for view, (inverse, by_shared) in enumerate(back):
            to_shared, to_own = self._maps(view, state)
            mine = self._own_free(view)
            own_by_shared = np.zeros((to_own.shape[1], self.n_shared))
            own_by_shared[np.ix_(mine, free)] = -by_shared
            total = to_shared + to_own @ own_by_shared
            alone = to_own[:, mine]
            covariance = total @ shared @ total.T + alone @ inverse @ alone.T
            n = SHAPE_PARAMETERS + len(self.corners)
            views.append(covariance[:n, :n])
        at_limit = np.zeros(CORNERS, bool)
        at_limit[self.corners] = self._resting(state, slopes.shared)[self.cuts]
        return JointResult(
            state=state,
            shared_covariance=shared[self.n_turn :, self.n_turn :],
            view_covariances=tuple(views),
            log_likelihood=slopes.value - self._log_prior(state),
            log_evidence=evidence,
            at_limit=at_limit,
            electrons=tuple(slopes.electrons),
            steps=steps,
            converged=converged,
        )
