"""The most likely cuboid of given cut corners: Levenberg and Marquardt on Poisson likelihood.

Each step solves with the Fisher information in place of the curvature, (H + λ diag H) δ = g, and
is taken if the image becomes more likely. Cuts stay within their limits: one that would leave them
rests at the limit while the others go on.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.fit.cuboid import CORNERS, CutCuboid
from stemfast.fit.jacobian import SHAPE_PARAMETERS, shape_parameters
from stemfast.fit.likelihood import Observation, observe
from stemfast.microscope import Microscope

__all__ = ["Prior", "Refined", "refine", "refine_observation"]

Float: TypeAlias = NDArray[np.float64]

_STEPS = 60
_DAMPING = 1e-4
_CLOSE = 2e-3  # of log-likelihood that the next step would win
_FARTHEST_TURN = 0.15  # rad a step
_EDGES = slice(5, 8)
# Keeps a parameter that no pixel tells about from being undefined: 1 rad, 2 nm, 10 nm or a cut of
# 10 is as much as is ever allowed to be unknown.
_LEAST_INFORMATION = np.array([1.0] * 3 + [0.25] * 2 + [0.01] * 3)


@dataclass(frozen=True)
class Prior:
    """What is known before the image is seen.

    Poses and places are even, edges even in nm or normal, cuts even within limits: their densities
    are the same for all sets of cut corners, but for the width of the limits, once for each cut.

    Parameters
    ----------
    cut : (float, float)
        Least and greatest cut fraction.
    equal_edges : bool
        Whether the three edges are one and the same.
    dose_sd : float
        Standard deviation of the logarithm of the dose; 0 if it is known.
    edge_nm : (float, float) or None
        Mean and standard deviation of each edge [nm]; None for even. Without it a fit to almost
        nothing can run away.

    Raises
    ------
    ValueError
        If the limits are not 0 < least < greatest <= 0.5, `dose_sd` is negative, or `edge_nm` is
        not positive.

    Examples
    --------
    >>> Prior(cut=(0.25, 0.5)).dose_sd
    0.0
    """

    cut: tuple[float, float] = (0.02, 0.5)
    equal_edges: bool = False
    dose_sd: float = 0.0
    edge_nm: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not 0 < self.cut[0] < self.cut[1] <= 0.5:
            raise ValueError(f"expected 0 < least cut < greatest cut <= 0.5, got cut={self.cut}")
        if not 0 <= self.dose_sd < np.inf:
            raise ValueError(f"dose_sd must be at least 0 and finite, got {self.dose_sd}")
        if self.edge_nm is not None and not min(self.edge_nm) > 0:
            raise ValueError(f"edge_nm must be two positive numbers, got {self.edge_nm}")


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
class _State:
    shape: CutCuboid
    waves: Float
    log_scale: float

    def moved(
        self, change: Float, corners: NDArray[np.intp], limits: tuple[float, float]
    ) -> _State:
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
        return _State(shape, self.waves + change[n:-1], self.log_scale + float(change[-1]))


def refine(
    image: ArrayLike,
    microscope: Microscope,
    start: CutCuboid,
    mask: int | None = None,
    *,
    prior: Prior | None = None,
    beam_nm: ArrayLike | None = None,
) -> Refined:
    """Fit a cuboid with given cut corners to an image.

    Parameters
    ----------
    image : (rows, columns) array_like
        Pixel values.
    microscope : Microscope
        What took it: dose, probe, film and detector are taken as known.
    start : CutCuboid
        Where to start: pose within 2° or so, place and edges within some 2 %. From farther away
        the fit may end in another maximum of the likelihood.
    mask : int, optional
        Which corners are cut; without it, those of `start`. Corners that `start` leaves whole
        start at a third of the way between the limits of the prior.
    prior : Prior, optional
        Limits of the cuts, whether edges are equal, how well the dose is known.
    beam_nm : (rows, columns, 2) array_like, optional
        Where the beam stood, if not on its grid.

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
    return refine_observation(
        observe(image, microscope, start, beam_nm=beam_nm), start, mask, prior or Prior()
    )


def refine_observation(
    observation: Observation, start: CutCuboid, mask: int | None, prior: Prior
) -> Refined:
    """Fit one set of cut corners to an observation: see `refine`."""
    wanted = start.mask if mask is None else mask
    if not 0 <= wanted < 256:
        raise ValueError(f"mask must be from 0 to 255, got {wanted}")
    state = _State(
        _with_corners(start, wanted, prior), np.zeros(len(observation.waves.variance)), 0.0
    )
    return _Fit(observation, wanted, prior).run(state)


def _with_corners(start: CutCuboid, mask: int, prior: Prior) -> CutCuboid:
    low, high = prior.cut
    chosen = np.array([bool(mask >> corner & 1) for corner in range(CORNERS)])
    kept = np.clip(start.cuts, low, high)
    cuts = np.where(start.cuts > 0, kept, low + (high - low) / 3)
    edges = np.full(3, np.cbrt(start.edges_nm.prod())) if prior.equal_edges else start.edges_nm
    return replace(start, edges_nm=edges, cuts=np.where(chosen, cuts, 0.0))


class _Fit:
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

    def offsets(self, state: _State) -> Float:
        """How far parameters are from the means of their normal priors."""
        off = np.zeros(self.n)
        if self.prior.edge_nm is not None:
            off[_EDGES] = state.shape.edges_nm - self.prior.edge_nm[0]
        off[self.cuts.stop : -1] = state.waves
        off[-1] = state.log_scale
        return off

    def objective(self, state: _State, electrons: Float) -> float:
        prior = 0.5 * float((self.precision * self.offsets(state) ** 2).sum())
        return self.observation.log_likelihood(electrons) - prior

    def slopes(self, state: _State) -> tuple[float, Float, Float, Float]:
        """Objective, gradient and information in the free parameters, and the electrons."""
        expected = self.observation.expected(
            state.shape, state.waves, state.log_scale, derivatives=True
        )
        gradient, information = self.observation.gradient_and_information(expected)
        gradient -= self.precision * self.offsets(state)
        information[np.diag_indices(self.n)] += self.precision + self.floor
        gradient = self.basis.T @ gradient
        information = self.basis.T @ information @ self.basis
        return self.objective(state, expected.electrons), gradient, information, expected.electrons

    def resting(self, state: _State, gradient: Float) -> NDArray[np.bool_]:
        """Parameters that do not move: known ones, and cuts that push against a limit."""
        rests = self.known.copy()
        low, high = self.prior.cut
        cut, push = state.shape.cuts[self.corners], gradient[self.cuts]
        rests[self.cuts] = ((cut <= low) & (push < 0)) | ((cut >= high) & (push > 0))
        return rests

    def run(self, state: _State) -> Refined:
        best, gradient, information, electrons = self.slopes(state)
        damping, steps, converged = _DAMPING, 0, False
        while steps < _STEPS:
            steps += 1
            free = np.flatnonzero(~self.resting(state, gradient))
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
            value = self.objective(trial, seen.electrons)
            if value > best:
                won, state = value - best, trial
                best, gradient, information, electrons = self.slopes(state)
                damping = max(damping / 10, 1e-9)
                if won < _CLOSE:
                    converged = True
                    break
            else:
                damping = max(10 * damping, 1e-3)
        return self.result(state, best, gradient, information, electrons, steps, converged)

    def result(
        self,
        state: _State,
        best: float,
        gradient: Float,
        information: Float,
        electrons: Float,
        steps: int,
        converged: bool,
    ) -> Refined:
        from stemfast.fit.evidence import log_evidence

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
        at_limit[self.corners] = self.resting(state, gradient)[self.cuts]
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
