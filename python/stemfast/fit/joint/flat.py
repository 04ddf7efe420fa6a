"""Marginal posterior along turns of which the likelihood's slope says too little.

Where a face stands along the beam, a turn of it changes the image by its square, so that the
Fisher information of that turn vanishes, and with it Laplace's method: its error bar and evidence
are those of the floor that keeps parameters from running away. Along such a direction θ the
posterior is integrated as it is. Over all other parameters, at each θ, it is taken for a normal
distribution as before, so that

    ln p(θ) = ln p(θ, x̂(θ)) − ½ ln det H(θ),

with x̂ their most likely values, which follow from one point to the next by a step of Newton's.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from stemfast.fit.joint.maximum import Maximisation
    from stemfast.fit.joint.parameters import Slopes, State

__all__ = ["along_turn"]

Float: TypeAlias = NDArray[np.float64]

_FIRST = 0.015  # rad: longest step along a direction
_FAR, _MOST = 6.0, 10  # logarithms below the highest where it ends; steps to each side
_RESOLVED, _HALVED = 1.5, 8  # logarithms that a step may cost; how often steps are halved
_NORMAL = (0.4, 0.6)  # what one standard deviation costs a normal distribution, about


def along_turn(
    fit: Maximisation, state: State, axis: Float, sd_rad: float
) -> tuple[float, float] | None:
    """Integral and second moment of the posterior along a turn of the particle in one image.

    Parameters
    ----------
    fit : Maximisation
        Of one image, of unknown pose.
    state : State
        Its maximum.
    axis : (3,) float64
        Of the turn, a unit vector.
    sd_rad : float
        Standard deviation by Laplace's method [rad].

    Returns
    -------
    (log_mass, moment) or None
        Logarithm of the integral [rad] over the density at the maximum, and the mean square turn
        from there [rad²]; None where the posterior is as normal as Laplace's method takes it for.
    """
    middle = fit.slopes(state)
    rest = _Rest(fit, state, middle, axis)
    heights = {0: rest.height(middle.value, middle)}
    step = min(sd_rad, _FIRST)
    for _ in range(_HALVED):
        reached = {side: rest.next(state, side * step) for side in (1, -1)}
        lost = [heights[0] - height for _, height in reached.values()]
        if step == sd_rad and _NORMAL[0] < min(lost) and max(lost) < _NORMAL[1]:
            return None
        if max(lost) < _RESOLVED:
            break
        step *= 0.5
    states = {side: there for side, (there, _) in reached.items()}
    heights |= {side: height for side, (_, height) in reached.items()}
    for k in range(2, _MOST + 1):
        for side, there in list(states.items()):
            if heights[side * (k - 1)] < max(heights.values()) - _FAR:
                del states[side]
                continue
            states[side], heights[side * k] = rest.next(there, side * step)
    places = step * np.array(sorted(heights), np.float64)
    logs = np.array([heights[k] for k in sorted(heights)])
    weights = np.exp(logs - logs.max())
    mass = float(weights.sum())
    return (
        math.log(mass * step) + float(logs.max()) - heights[0],
        float(weights @ places**2) / mass,
    )


class _Rest:
    """All parameters but the turn about one axis, normally distributed at each such turn."""

    def __init__(self, fit: Maximisation, state: State, slopes: Slopes, axis: Float) -> None:
        parameters = fit.parameters
        free = np.flatnonzero(~parameters.resting(state, slopes.shared))
        own = parameters.n_shared + parameters.own_free[0]
        both = np.concatenate([free, own[3:]])
        n = parameters.n_shared + len(parameters.own_precision[0])
        basis = np.zeros((n, len(both) + 2))
        basis[both, np.arange(len(both))] = 1.0
        basis[own[:3], len(both) :] = np.linalg.svd(axis[None])[2][1:].T
        self.fit, self.axis = fit, axis
        self.basis = basis  # (n, free): what each of the free ones moves

    def next(self, state: State, turn_rad: float) -> tuple[State, float]:
        """The state a turn further, the rest following, and the logarithm of its density."""
        n = self.fit.parameters.n_shared
        whole = np.zeros(len(self.basis))
        whole[n : n + 3] = turn_rad * self.axis
        state = self.fit.parameters.moved(state, whole[:n], [whole[n:]])
        slopes = self.fit.slopes(state)
        change = self.basis @ np.linalg.solve(self._information(slopes), self._gradient(slopes))
        better = self.fit.parameters.moved(state, change[:n], [change[n:]])
        value = self.fit.value(better)
        if value > slopes.value:
            return better, self.height(value, slopes)
        return state, self.height(slopes.value, slopes)

    def height(self, value: float, slopes: Slopes) -> float:
        """Logarithm of the posterior integrated over the rest, but for a constant."""
        return value - 0.5 * float(np.linalg.slogdet(self._information(slopes))[1])

    def _gradient(self, slopes: Slopes) -> Float:
        return np.asarray(self.basis.T @ np.concatenate([slopes.shared, slopes.own[0]]))

    def _information(self, slopes: Slopes) -> Float:
        upper = np.hstack([slopes.shared_information, slopes.mixed[0]])
        lower = np.hstack([slopes.mixed[0].T, slopes.own_information[0]])
        return np.asarray(self.basis.T @ np.vstack([upper, lower]) @ self.basis)
