"""The most likely parameters: Levenberg and Marquardt on Poisson likelihood.

Each step solves with the Fisher information in place of the curvature, (H + λ diag H) δ = g, and
is taken if the image becomes more likely. Cuts stay within their limits: one that would leave them
rests at the limit while the others go on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit.cuboid.shape import CORNERS, CutCuboid
from stemfast.fit.cuboid.thickness import SHAPE_PARAMETERS, shape_parameters
from stemfast.fit.evidence import log_evidence
from stemfast.fit.image.likelihood import Observation
from stemfast.fit.prior import Prior

__all__ = ["Maximisation", "Refined", "State"]

Float: TypeAlias = NDArray[np.float64]

_STEPS = 60
_DAMPING = 1e-4
_CLOSE = 5e-3  # of log-likelihood that the next step would win
_FARTHEST_TURN = 0.15  # rad a step
_EDGES = slice(5, 8)
# Keeps a parameter that no pixel tells about from being undefined: 1 rad, 2 nm, 10 nm or a cut of
# 10 is as much as is ever allowed to be unknown.
_LEAST_INFORMATION = np.array([1.0] * 3 + [0.25] * 2 + [0.01] * 3)


@dataclass(frozen=True, eq=False)
class Refined:
    """A fitted cuboid.

    Attributes
    ----------
    shape : CutCuboid
        The most likely one.
    names : tuple of str
        Parameters of the shape, in the order of the covariance. With equal edges the three edges
        stand there all the same, wholly correlated.
    covariance : (P, P) float64
        Of the parameters; a rotation vector turns from the fitted pose.
    log_likelihood : float
        ln P(image | shape), at its highest.
    log_evidence : float
        ln of the probability of the image, given the set of cut corners alone, by Laplace's
        method, but for a constant that is the same for all sets.
    at_limit : (8,) bool
        Corners whose cut rests at one of its limits.
    dose_scale : float
        Fitted dose over the given one.
    waves_nm : (n,) float64
        Amplitudes of the film's waves [nm].
    deviance_per_pixel : float
        About 1 where the model explains the image and counts are not few.
    steps : int
        Solutions of the normal equations.
    converged : bool
        Whether it ended because no step had anything left to win, be it at a kink: thickness is
        taken at the centres of pixels, so the likelihood has one where an edge crosses one.
    """

    shape: CutCuboid
    names: tuple[str, ...]
    covariance: Float
    log_likelihood: float
    log_evidence: float
    at_limit: NDArray[np.bool_]
    dose_scale: float
    waves_nm: Float
    deviance_per_pixel: float
    steps: int
    converged: bool
    electrons: Float = field(repr=False)

    @property
    def standard_errors(self) -> Float:
        """Square roots of the variances, in the order of `names`."""
        return np.asarray(np.sqrt(self.covariance.diagonal()))


@dataclass(frozen=True, eq=False)
class State:
    """State of a fit: the shape, the film's waves [nm], and the logarithm of the dose."""

    shape: CutCuboid
    waves: Float
    log_scale: float

    def moved(self, change: Float, corners: NDArray[np.intp], limits: tuple[float, float]) -> State:
        """The state after a change of all parameters.

        Parameters
        ----------
        change : (n,) float64
            Of turn, place and edges, of the cuts, of the waves, and of the log scale.
        corners : (n_cuts,) int
            Those that are cut.
        limits : (float, float)
            Within which cuts are kept.
        """
        cuts = np.zeros(CORNERS)
        n = SHAPE_PARAMETERS + len(corners)
        cuts[corners] = np.clip(self.shape.cuts[corners] + change[SHAPE_PARAMETERS:n], *limits)
        edges = self.shape.edges_nm
        shape = self.shape.moved(
            change[:3],
            self.shape.position_nm + change[3:5],
            np.maximum(edges + change[5:8], 0.5 * edges),
            cuts,
        )
        return State(shape, self.waves + change[n:-1], self.log_scale + float(change[-1]))


class Maximisation:
    """The search for the most likely parameters of one set of cut corners.

    Parameters
    ----------
    observation : Observation
    mask : int
        The corners that are cut.
    prior : Prior
    """

    def __init__(self, observation: Observation, mask: int, prior: Prior) -> None:
        self.observation, self.mask, self.prior = observation, mask, prior
        self.corners = np.flatnonzero([mask >> corner & 1 for corner in range(CORNERS)])
        n_cuts, n_waves = len(self.corners), len(observation.waves.variance)
        self.n = SHAPE_PARAMETERS + n_cuts + n_waves + 1
        self.cuts = slice(SHAPE_PARAMETERS, SHAPE_PARAMETERS + n_cuts)
        self.precision = np.zeros(self.n)
        self.precision[self.cuts.stop : -1] = 1.0 / observation.waves.variance
        if prior.dose_sd > 0:
            self.precision[-1] = prior.dose_sd**-2
        if prior.edge_nm is not None:
            self.precision[_EDGES] = prior.edge_nm[1] ** -2
        self.floor = np.full(self.n, 0.01)
        self.floor[:SHAPE_PARAMETERS] = _LEAST_INFORMATION
        self.known = np.zeros(self.n, bool)
        self.known[-1] = prior.dose_sd == 0
        # Equal edges are one parameter that moves all three: `basis` maps free onto all.
        self.basis = np.eye(self.n)
        if prior.equal_edges:
            self.basis[_EDGES, 5] = 1.0
            self.known[6:8] = True

    def _offsets(self, state: State) -> Float:
        """Deviation of parameters from the means of their normal priors."""
        off = np.zeros(self.n)
        if self.prior.edge_nm is not None:
            off[_EDGES] = state.shape.edges_nm - self.prior.edge_nm[0]
        off[self.cuts.stop : -1] = state.waves
        off[-1] = state.log_scale
        return off

    def _objective(self, state: State, electrons: Float) -> float:
        prior = 0.5 * float((self.precision * self._offsets(state) ** 2).sum())
        return self.observation.log_likelihood(electrons) - prior

    def _slopes(self, state: State) -> tuple[float, Float, Float, Float]:
        """Objective, gradient and information in the free parameters, and the electrons."""
        expected = self.observation.expected(
            state.shape, state.waves, state.log_scale, derivatives=True
        )
        gradient, information = self.observation.gradient_and_information(expected)
        gradient -= self.precision * self._offsets(state)
        information[np.diag_indices(self.n)] += self.precision + self.floor
        gradient = self.basis.T @ gradient
        information = self.basis.T @ information @ self.basis
        return self._objective(state, expected.electrons), gradient, information, expected.electrons

    def _resting(self, state: State, gradient: Float) -> NDArray[np.bool_]:
        """Parameters that do not move: known ones, and cuts that push against a limit."""
        rests = self.known.copy()
        low, high = self.prior.cut
        cut, push = state.shape.cuts[self.corners], gradient[self.cuts]
        rests[self.cuts] = ((cut <= low) & (push < 0)) | ((cut >= high) & (push > 0))
        return rests

    def promise(self, state: State) -> tuple[float, float]:
        """Log-likelihood at a state, and what the next step would win were all linear."""
        _, gradient, information, electrons = self._slopes(state)
        free = np.flatnonzero(~self._resting(state, gradient))
        change = np.linalg.solve(information[np.ix_(free, free)], gradient[free])
        return self.observation.log_likelihood(electrons), 0.5 * float(gradient[free] @ change)

    def run(self, state: State) -> Refined:
        """Climb from a state to the nearest maximum."""
        best, gradient, information, electrons = self._slopes(state)
        damping, steps, converged = _DAMPING, 0, False
        while steps < _STEPS:
            steps += 1
            free = np.flatnonzero(~self._resting(state, gradient))
            inner = information[np.ix_(free, free)]
            change = np.zeros(self.n)
            damped = inner + damping * np.diag(inner.diagonal())
            change[free] = np.linalg.solve(damped, gradient[free])
            gain = float(gradient @ change)
            if gain < _CLOSE:
                converged = True
                break
            turn = float(np.sqrt((change[:3] ** 2).sum()))
            change *= min(1.0, _FARTHEST_TURN / max(turn, 1e-12))
            trial = state.moved(self.basis @ change, self.corners, self.prior.cut)
            seen = self.observation.expected(
                trial.shape, trial.waves, trial.log_scale, derivatives=False
            )
            value = self._objective(trial, seen.electrons)
            if value > best:
                won, state = value - best, trial
                best, gradient, information, electrons = self._slopes(state)
                damping = max(damping / 10, 1e-9)
                if won < _CLOSE:
                    converged = True
                    break
            else:
                damping = max(10 * damping, 1e-3)
        return self._result(state, best, gradient, information, electrons, steps, converged)

    def _result(
        self,
        state: State,
        best: float,
        gradient: Float,
        information: Float,
        electrons: Float,
        steps: int,
        converged: bool,
    ) -> Refined:
        free = np.flatnonzero(~self.known)
        inner = information[np.ix_(free, free)]
        is_cut = np.zeros(self.n, bool)
        is_cut[self.cuts] = True
        cut = state.shape.cuts[self.corners]
        evidence = log_evidence(
            best, gradient[free], inner, is_cut[free], cut, self.prior.cut, self.precision[free]
        )
        covariance = np.zeros((self.n, self.n))
        covariance[np.ix_(free, free)] = np.linalg.inv(inner)
        covariance = self.basis @ covariance @ self.basis.T
        at_limit = np.zeros(CORNERS, bool)
        at_limit[self.corners] = self._resting(state, gradient)[self.cuts]
        deviance, pixels = self.observation.deviance(electrons)
        n_shape = self.cuts.stop
        return Refined(
            shape=state.shape,
            names=shape_parameters(self.mask),
            covariance=covariance[:n_shape, :n_shape],
            log_likelihood=self.observation.log_likelihood(electrons),
            log_evidence=evidence,
            at_limit=at_limit,
            dose_scale=float(np.exp(state.log_scale)),
            waves_nm=state.waves,
            deviance_per_pixel=deviance / max(pixels, 1),
            steps=steps,
            converged=converged,
            electrons=electrons,
        )
