"""The most likely tetrahedra, cuboids or ellipsoids, climbed to from many starts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit import levenberg_marquardt
from stemfast.fit.cuboid.shape import compose
from stemfast.fit.image.likelihood import Expected, Observation
from stemfast.fit.kinds.kind import PLACE, Kind, Placement

__all__ = ["SolidFit", "climb", "expected_electrons", "modes"]

Float: TypeAlias = NDArray[np.float64]

_STEPS = 50
_FARTHEST = 0.3  # rad, and share of the size, a step
_FARTHEST_PROPORTION = 1.0
_BOUND = 5.0  # of a cuboid's proportions, where they no longer change anything
# Information on what no pixel tells about: 0.5 rad, 0.5 nm, a third of the size. A face along the
# beam has no slope anywhere, so that a fit there would seem to know nothing of its place.
_LEAST_TURN, _LEAST_PLACE, _LEAST_SIZE = 4.0, 4.0, 10.0
_TRIED = 96  # random starts looked at, of which the best are followed
_SAME = 0.3  # χ² between the images of two fits that are one and the same
_NEGLIGIBLE = 12.0  # logarithms below the best


@dataclass(frozen=True, eq=False)
class SolidFit:
    """A maximum of the posterior.

    Attributes
    ----------
    at : Placement
    waves_nm : (w,) float64
        Amplitudes of the film's waves.
    highest : float
        Logarithm of likelihood and of the normal priors of proportions and waves, but for the
        norms of these.
    information : (n + w, n + w) float64
        Of all parameters and the waves, with that of the priors.
    electrons : (rows, columns) float64
        Expected.
    converged : bool
    """

    at: Placement
    waves_nm: Float
    highest: float
    information: Float
    electrons: Float
    converged: bool


def expected_electrons(
    observation: Observation, kind: Kind, at: Placement, waves_nm: Float, *, derivatives: bool
) -> Expected:
    """Expected electrons of a placement, with derivatives on request.

    Parameters
    ----------
    observation : Observation
    kind : Kind
        The kind of solids.
    at : Placement
    waves_nm : (n,) float64
        How high each wave of the film is [nm].
    derivatives : bool
        Whether to add the jacobian: by the kind's parameters, the waves, and the logarithm of
        the dose.
    """
    if not derivatives:
        t = kind.thickness(at, observation.x_nm, observation.y_nm)
        return observation.through_optics(t, None, waves_nm)
    t, slopes = kind.thickness_and_jacobian(at, observation.x_nm, observation.y_nm)
    return observation.through_optics(t, slopes, waves_nm)


@dataclass(frozen=True, eq=False)
class _State:
    at: Placement
    waves: Float


@dataclass(frozen=True, eq=False)
class _Slopes:
    value: float
    gradient: Float
    information: Float
    electrons: Float


class _Climb:
    """Posterior of a solid's parameters and of the film's waves; see `Hill`."""

    def __init__(self, observation: Observation, kind: Kind) -> None:
        self.observation, self.kind = observation, kind
        self.wave_precision = 1.0 / observation.waves.variance
        n, w = kind.n, len(self.wave_precision)
        self.prior = np.zeros((n + w, n + w))
        own = slice(kind.turns + PLACE, n)
        self.prior[own, own] = kind.precision
        self.prior[n:, n:] = np.diag(self.wave_precision)
        self.own = own
        self.floor = np.full(n + w, 1e-9)
        self.floor[: kind.turns] = _LEAST_TURN
        self.floor[kind.turns : kind.turns + 2] = _LEAST_PLACE
        self.floor[kind.turns + 2] = _LEAST_SIZE
        self.farthest = np.full(n + w, np.inf)
        self.farthest[: kind.turns] = _FARTHEST
        self.farthest[kind.turns + 2] = _FARTHEST
        self.farthest[own] = _FARTHEST_PROPORTION

    def value(self, state: _State) -> float:
        at, waves = state.at, state.waves
        seen = expected_electrons(self.observation, self.kind, at, waves, derivatives=False)
        return self._objective(state, seen.electrons)

    def _objective(self, state: _State, electrons: Float) -> float:
        film = 0.5 * float((self.wave_precision * state.waves**2).sum())
        return self.observation.log_likelihood(electrons) + self.kind.log_prior(state.at) - film

    def slopes(self, state: _State) -> _Slopes:
        at, waves = state.at, state.waves
        seen = expected_electrons(self.observation, self.kind, at, waves, derivatives=True)
        gradient, information = self.observation.gradient_and_information(seen)
        gradient, information = gradient[:-1], information[:-1, :-1]  # the dose is known
        off = np.zeros(len(gradient))
        off[self.own] = at.values[PLACE:] - self.kind.mean
        off[self.kind.n :] = waves
        return _Slopes(
            self._objective(state, seen.electrons),
            gradient - self.prior @ off,
            information + self.prior + np.diag(self.floor),
            seen.electrons,
        )

    def step(self, state: _State, slopes: _Slopes, damping: float) -> tuple[_State, float]:
        damped = slopes.information + damping * np.diag(slopes.information.diagonal())
        change = np.linalg.solve(damped, slopes.gradient).astype(np.float64)
        gain = float(slopes.gradient @ change)
        change *= min(1.0, float((self.farthest / np.maximum(np.abs(change), 1e-12)).min()))
        there = self.kind.moved(state.at, change[: self.kind.n])
        np.clip(there.values[PLACE:], -_BOUND, _BOUND, out=there.values[PLACE:])
        return _State(there, state.waves + change[self.kind.n :]), gain

    def run(self, at: Placement) -> SolidFit:
        top = levenberg_marquardt.climb(
            self, _State(at, np.zeros(len(self.wave_precision))), most=_STEPS
        )
        slopes, state = top.slopes, top.state
        return SolidFit(
            state.at,
            state.waves,
            slopes.value,
            slopes.information,
            slopes.electrons,
            top.converged,
        )


def climb(observation: Observation, kind: Kind, start: Placement) -> SolidFit:
    """Climb from a placement to the nearest maximum.

    Parameters
    ----------
    observation : Observation
    kind : Kind
        The kind of solids.
    start : Placement
    """
    return _Climb(observation, kind).run(start)


def modes(
    observation: Observation,
    kind: Kind,
    values: Float,
    starts: Sequence[Placement] = (),
    *,
    climbs: int = 6,
    seed: int = 0,
) -> list[SolidFit]:
    """The maxima that matter, the highest first, each with an image of its own.

    Parameters
    ----------
    observation : Observation
    kind : Kind
    values : (3,) array
        Place and size to start from: those of the solid that is there.
    starts : sequence of Placement
        Where to start in any case.
    climbs : int
        Random starts to follow.
    seed : int
        Of the random starts: poses, and proportions as the kind has them. Of many, those whose
        image is most like the observed one are followed. A kind without turns needs but one.
    """
    climbing = _Climb(observation, kind)
    found: list[SolidFit] = []
    for start in [*starts, *_promising(climbing, values, climbs, seed)]:
        fit = climbing.run(start)
        if not any(_alike(observation, fit, other) for other in found):
            found.append(fit)
        else:
            found = [
                fit if _alike(observation, fit, other) and fit.highest > other.highest else other
                for other in found
            ]
    found.sort(key=lambda fit: -fit.highest)
    return [fit for fit in found if fit.highest > found[0].highest - _NEGLIGIBLE]


def _alike(observation: Observation, one: SolidFit, other: SolidFit) -> bool:
    noise = np.maximum(one.electrons, 0.0) * observation.excess + observation.noise + 1e-3
    return float(((one.electrons - other.electrons) ** 2 / noise).sum()) < _SAME


def _promising(climbing: _Climb, values: Float, climbs: int, seed: int) -> list[Placement]:
    kind, observation = climbing.kind, climbing.observation
    upright = np.array([0.0, 0.0, 0.0, 1.0])
    middle = np.concatenate([values[:PLACE], kind.mean])
    if not kind.turns:
        return [Placement(upright, middle)]
    rng = np.random.default_rng(seed)
    calm = np.zeros(len(climbing.wave_precision))
    ranked: list[tuple[float, Placement]] = []
    for _ in range(_TRIED):
        axis = rng.normal(size=4)
        own = 0.7 * rng.normal(size=kind.n_proportions)
        there = Placement(
            compose(np.zeros(3), axis / math.sqrt(float(axis @ axis))),
            np.concatenate([values[:PLACE], own]),
        )
        seen = expected_electrons(observation, kind, there, calm, derivatives=False)
        ranked.append((observation.log_likelihood(seen.electrons), there))
    ranked.sort(key=lambda entry: -entry[0])
    return [there for _, there in ranked[:climbs]]
