"""The climb of every fit: Levenberg and Marquardt on Poisson likelihood.

Each step solves with the Fisher information in place of the curvature, (H + λ diag H) δ = g, and
is taken if the posterior becomes larger; λ falls tenfold then, and grows tenfold where it does not
(D. Marquardt, J. Soc. Indust. Appl. Math. 11 (1963) 431).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

__all__ = ["CLOSE", "Hill", "Slopes", "Summit", "climb"]

_DAMPING, _LEAST_DAMPING, _FIRST_DAMPING = 1e-4, 1e-9, 1e-3
#: Of log-likelihood that the next step would win, from which a climb has arrived.
CLOSE = 5e-3


class Slopes(Protocol):
    """Derivatives of the logarithm of the posterior at a state."""

    @property
    def value(self) -> float:
        """The logarithm itself."""


S = TypeVar("S")
D = TypeVar("D", bound=Slopes)


class Hill(Protocol[S, D]):
    """Posterior of the parameters of one model, to be climbed."""

    def value(self, state: S) -> float:
        """Logarithm of the posterior at a state."""

    def slopes(self, state: S) -> D:
        """The same with derivatives."""

    def step(self, state: S, slopes: D, damping: float) -> tuple[S, float]:
        """State after a damped step, and what the step would win were all linear."""


@dataclass(frozen=True, eq=False)
class Summit(Generic[S, D]):
    """End of a climb.

    Attributes
    ----------
    state, slopes
        The highest state that was reached, and the derivatives there.
    steps : int
        Solutions of the normal equations.
    converged : bool
        Whether it ended because no step had anything left to win, be it at a kink: thickness is
        taken at the centres of pixels, so the likelihood has one where an edge crosses one.
    """

    state: S
    slopes: D
    steps: int
    converged: bool


def climb(hill: Hill[S, D], state: S, *, most: int = 60) -> Summit[S, D]:
    """Climb from a state to the nearest maximum.

    Parameters
    ----------
    hill : Hill
    state
        Where to start.
    most : int
        Steps after which it ends in any case.

    Examples
    --------
    The maximum of −(x − 3)⁴, whose curvature −12 (x − 3)² stands for the information:

    >>> from types import SimpleNamespace
    >>> class Quartic:
    ...     def value(self, x):
    ...         return -((x - 3) ** 4)
    ...
    ...     def slopes(self, x):
    ...         return SimpleNamespace(value=self.value(x), by_x=-4 * (x - 3) ** 3)
    ...
    ...     def step(self, x, slopes, damping):
    ...         change = slopes.by_x / (12 * (x - 3) ** 2 * (1 + damping))
    ...         return x + change, slopes.by_x * change
    >>> top = climb(Quartic(), 5.0)
    >>> abs(top.state - 3) < 0.5, top.converged
    (True, True)
    """
    slopes, damping = hill.slopes(state), _DAMPING
    for steps in range(1, most + 1):
        trial, gain = hill.step(state, slopes, damping)
        if gain < CLOSE:
            return Summit(state, slopes, steps, converged=True)
        won = hill.value(trial) - slopes.value
        if won > 0:
            state, slopes = trial, hill.slopes(trial)
            damping = max(damping / 10, _LEAST_DAMPING)
            if won < CLOSE:
                return Summit(state, slopes, steps, converged=True)
        else:
            damping = max(10 * damping, _FIRST_DAMPING)
    return Summit(state, slopes, most, converged=False)
