"""Parameters of one member of a family in one image or several.

Sizes take the place of the edges and cuts of `stemfast.fit.joint.parameters`; places, films, doses
and poses are as there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from stemfast.fit.cuboid.shape import CutCuboid
from stemfast.fit.families.shape_family import POSE, Placed, ShapeFamily
from stemfast.fit.joint.parameters import Parameters, State
from stemfast.fit.prior import Prior
from stemfast.fit.turns import Turns

__all__ = ["FamilyParameters", "placed", "state_of"]

Float: TypeAlias = NDArray[np.float64]

_SMALLEST = 0.5  # of the sum of the sizes, after a step


def placed(state: State) -> tuple[Placed, ...]:
    """Members in each view of a state."""
    return cast("tuple[Placed, ...]", state.shapes)


def state_of(state: State, shapes: tuple[Placed, ...]) -> State:
    """A state with other members."""
    return replace(state, shapes=cast("tuple[CutCuboid, ...]", shapes))


class FamilyParameters(Parameters):
    """Shared and own parameters of a fit of a family: sizes, instead of edges and cuts.

    Parameters
    ----------
    variances : tuple of (n,) float64
        Of the waves of each view's film [nm^2].
    family : ShapeFamily
    limit_nm : float
        Largest size; the prior of each is even from 0 to it.
    dose_sd : float
        Standard deviation of the logarithm of the dose; 0 if it is known.
    turns : Turns or None
    """

    def __init__(
        self,
        variances: tuple[Float, ...],
        family: ShapeFamily,
        limit_nm: float,
        dose_sd: float,
        turns: Turns | None,
    ) -> None:
        self.family, self.n_sizes, self.limit_nm = family, family.n, limit_nm
        super().__init__(variances, 0, Prior(dose_sd=dose_sd), turns)
        n = self.n_turn + family.n
        self.n_shared = n
        self.sizes = slice(self.n_turn, n)
        self.precision, self.known, self.basis = np.zeros(n), np.zeros(n, bool), np.eye(n)
        self.floor = np.full(n, self.floor[-1])
        self.floor[: self.n_turn] = 1.0

    def _fixed_maps(self, view: int) -> tuple[Float, Float]:
        n_waves, n_sizes = self._waves[view], self.n_sizes
        n = POSE + n_sizes + n_waves + 1
        shared = np.zeros((n, self.n_turn + n_sizes))
        shared[POSE : POSE + n_sizes, self.n_turn :] = np.eye(n_sizes)
        turning = self._turning[view]
        n_turn = turning.shape[1]
        own = np.zeros((n, n_turn + 2 + n_waves + 1))
        own[:3, :n_turn] = turning
        own[3:POSE, n_turn : n_turn + 2] = np.eye(2)
        own[POSE + n_sizes :, n_turn + 2 :] = np.eye(n_waves + 1)
        return shared, own

    def shared_offset(self, state: State) -> Float:
        """Deviation of the shared parameters from the means of their prior, which is even."""
        return np.zeros(self.n_shared)

    def resting(self, state: State, shared: Float) -> NDArray[np.bool_]:
        """Sizes that a slope pushes at a limit."""
        rests = self.known.copy()
        sizes, push = placed(state)[0].sizes_nm, shared[self.sizes]
        at_end = (sizes <= 0.0) & (push < 0)
        highest = self.family.highest(sizes, self.limit_nm)
        rests[self.sizes] = at_end | ((sizes >= highest) & (push > 0))
        return rests

    def moved(self, state: State, step: Float, steps: list[Float]) -> State:
        """A state after a change of the shared parameters and of those of each view."""
        old = placed(state)[0].sizes_nm
        sizes = np.clip(old + step[self.sizes], 0.0, self.limit_nm)
        lost, most = float(old.sum() - sizes.sum()), _SMALLEST * float(old.sum())
        if lost > most:
            sizes = old + (sizes - old) * (most / lost)
        sizes = np.minimum(sizes, self.family.highest(sizes, self.limit_nm))

        def moved(shape: CutCuboid, turn: Float, place: Float) -> CutCuboid:
            return cast("CutCuboid", cast("Placed", shape).moved(turn, place, sizes))

        return self._carried(state, step[:3], steps, moved)
