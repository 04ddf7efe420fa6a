"""Parameters of one particle in one image or several: which are shared, what is known of each.

Edges and cuts are those of all images; each has a place, a film and a dose of its own, and a pose:
its own, or, where the turns between them are known, one for all with a small error for each.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit.cuboid.shape import CORNERS, CutCuboid, compose
from stemfast.fit.cuboid.thickness import SHAPE_PARAMETERS
from stemfast.fit.prior import Prior
from stemfast.fit.turns import Turns

__all__ = ["Parameters", "Slopes", "State"]

Float: TypeAlias = NDArray[np.float64]

_EDGES = slice(5, 8)
# Keeps a parameter that no pixel tells about from being undefined: 1 rad, 2 nm, 10 nm of an edge or
# a cut of 10 is as much as is ever allowed to be unknown.
_FLOOR_TURN, _FLOOR_PLACE, _FLOOR = 1.0, 0.25, 0.01


@dataclass(frozen=True, eq=False)
class State:
    """State of a fit.

    Attributes
    ----------
    shapes : tuple of CutCuboid
        In each view.
    before : (4,) float64
        Pose before the turns, if these are known.
    errors : (K, 3) float64
        Of the turns, as rotation vectors [rad].
    waves : tuple of float64
        Of each film [nm].
    log_scales : (K,) float64
        Logarithms of the fitted doses over the given ones.
    """

    shapes: tuple[CutCuboid, ...]
    before: Float
    errors: Float
    waves: tuple[Float, ...]
    log_scales: Float


@dataclass(frozen=True, eq=False)
class Slopes:
    """Objective and its derivatives: shared, and of each view."""

    value: float
    shared: Float
    shared_information: Float
    own: list[Float]
    own_information: list[Float]
    mixed: list[Float]  # (shared, own)
    electrons: list[Float]


class Parameters:
    """Shared and own parameters of a fit with one set of cut corners.

    Parameters
    ----------
    variances : tuple of (n,) float64
        Of the waves of each view's film [nm^2].
    mask : int
        The corners that are cut.
    prior : Prior
    turns : Turns or None

    Attributes
    ----------
    corners : (n,) int64
        The corners that are cut.
    n_turn, n_shared : int
        How many of the shared parameters are turns, which come first, and how many there are.
    edges, cuts : slice
        Where those are among the shared ones.
    known : (n_shared,) bool
        Shared parameters that are no longer asked for.
    basis : (n_shared, n_shared) float64
        What a shared parameter moves, where edges are equal.
    precision, own_precision : (n_shared,) float64, and for each view
        What is known beforehand.
    floor, own_floor : (n_shared,) float64, and for each view
        What is added to the information, so that nothing runs away.
    own_free : list of (n,) int
        Own parameters of each view that are asked for.
    """

    def __init__(
        self, variances: tuple[Float, ...], mask: int, prior: Prior, turns: Turns | None
    ) -> None:
        self.prior, self.turns = prior, turns
        self.corners = np.flatnonzero([mask >> corner & 1 for corner in range(CORNERS)])
        self.n_turn = 3 if turns is not None else 0
        self.n_shared = self.n_turn + 3 + len(self.corners)
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
        self._waves = [len(variance) for variance in variances]
        # (3, n) for each view: the turns that are its own parameters.
        self._turning = [
            np.eye(3) if turns is None else turns.errors(view) for view in range(len(variances))
        ]
        self.own_precision = [self._own_precision(*view) for view in enumerate(variances)]
        self.own_floor = [self._own_floor(view) for view in range(len(variances))]
        self._maps = [self._fixed_maps(view) for view in range(len(variances))]
        n_fixed = 0 if prior.dose_sd > 0 else 1
        self.own_free = [np.arange(len(own) - n_fixed) for own in self.own_precision]

    @cached_property
    def shared_prior(self) -> Float:
        """Information on the shared parameters before the images are seen, with the floor."""
        return np.diag(self.precision + self.floor)

    @cached_property
    def own_prior(self) -> list[Float]:
        """The same of the parameters of each view."""
        both = zip(self.own_precision, self.own_floor, strict=True)
        return [np.diag(precision + floor) for precision, floor in both]

    def _own_precision(self, view: int, variance: Float) -> Float:
        n_turn = self._turning[view].shape[1]
        precision = np.zeros(n_turn + 2 + len(variance) + 1)
        if self.turns is not None and n_turn:
            precision[:n_turn] = math.radians(self.turns.sd_deg) ** -2
        precision[n_turn + 2 : -1] = 1.0 / variance
        if self.prior.dose_sd > 0:
            precision[-1] = self.prior.dose_sd**-2
        return precision

    def _own_floor(self, view: int) -> Float:
        n_turn = self._turning[view].shape[1]
        floor = np.full(len(self.own_precision[view]), _FLOOR)
        floor[:n_turn] = _FLOOR_TURN
        floor[n_turn : n_turn + 2] = _FLOOR_PLACE
        return floor

    def start(self, shapes: tuple[CutCuboid, ...], before: Float) -> State:
        """A state with these shapes, even films and the doses that were given."""
        waves = tuple(np.zeros(n) for n in self._waves)
        k = len(waves)
        return self._posed(State(shapes, before, np.zeros((k, 3)), waves, np.zeros(k)))

    def _posed(self, state: State) -> State:
        """With the poses that the turns make of the one before them."""
        if self.turns is None:
            return state
        shapes = self.turns.posed(state.shapes, state.before, state.errors)
        return replace(state, shapes=shapes)

    def maps(self, view: int, state: State) -> tuple[Float, Float]:
        """Jacobian of a view's parameters: by shared (n, shared) and own ones (n, own).

        Those of a view are turn, place, edges, cuts, waves and the logarithm of the dose.
        """
        if self.turns is None:
            return self._maps[view]
        from scipy.spatial.transform import Rotation

        shared, own = self._maps[view]
        turned = Rotation.from_rotvec(state.errors[view]) * self.turns.rotations[view]
        shared = shared.copy()
        shared[:3, :3] = turned.as_matrix()
        return shared, own

    def _fixed_maps(self, view: int) -> tuple[Float, Float]:
        """Maps without the known turns."""
        n_waves, n_cuts = self._waves[view], len(self.corners)
        n = SHAPE_PARAMETERS + n_cuts + n_waves + 1
        shared = np.zeros((n, self.n_shared))
        shared[_EDGES, self.edges] = np.eye(3)
        shared[SHAPE_PARAMETERS : SHAPE_PARAMETERS + n_cuts, self.cuts] = np.eye(n_cuts)
        turning = self._turning[view]
        n_turn = turning.shape[1]
        own = np.zeros((n, n_turn + 2 + n_waves + 1))
        own[:3, :n_turn] = turning
        own[3:5, n_turn : n_turn + 2] = np.eye(2)
        own[SHAPE_PARAMETERS + n_cuts :, n_turn + 2 :] = np.eye(n_waves + 1)
        return shared, own

    def shared_offset(self, state: State) -> Float:
        """Deviation of the shared parameters from the means of their prior."""
        off = np.zeros(self.n_shared)
        if self.prior.edge_nm is not None:
            off[self.edges] = state.shapes[0].edges_nm - self.prior.edge_nm[0]
        return off

    def own_offset(self, view: int, state: State) -> Float:
        """The same of the parameters of a view."""
        n_turn = self._turning[view].shape[1]
        off = np.zeros(len(self.own_precision[view]))
        if self.turns is not None and n_turn:
            off[:n_turn] = self._turning[view].T @ state.errors[view]
        off[n_turn + 2 : -1] = state.waves[view]
        off[-1] = state.log_scales[view]
        return off

    def log_prior(self, state: State) -> float:
        """Logarithm of the density of a state before the images are seen, but for its norm."""
        off = self.shared_offset(state)
        total = float(off @ (self.precision * off))
        for view, precision in enumerate(self.own_precision):
            off = self.own_offset(view, state)
            total += float(off @ (precision * off))
        return -0.5 * total

    def resting(self, state: State, shared: Float) -> NDArray[np.bool_]:
        """Shared parameters that stay: those known, and cuts that a slope pushes at a limit."""
        rests = self.known.copy()
        low, high = self.prior.cut
        cut, push = state.shapes[0].cuts[self.corners], shared[self.cuts]
        rests[self.cuts] = ((cut <= low) & (push < 0)) | ((cut >= high) & (push > 0))
        return rests

    def moved(self, state: State, step: Float, steps: list[Float]) -> State:
        """A state after a change of the shared parameters and of those of each view."""
        shared = self.basis @ step
        cuts = np.zeros(CORNERS)
        first = state.shapes[0]
        cuts[self.corners] = np.clip(first.cuts[self.corners] + shared[self.cuts], *self.prior.cut)
        edges = np.maximum(first.edges_nm + shared[self.edges], 0.5 * first.edges_nm)
        return self._carried(
            state,
            shared[:3],
            steps,
            lambda shape, turn, place: shape.moved(turn, place, edges, cuts),
        )

    def _carried(
        self,
        state: State,
        turned: Float,
        steps: list[Float],
        moved: Callable[[CutCuboid, Float, Float], CutCuboid],
    ) -> State:
        """A state after a change of the parameters of each view, and of the pose before turns.

        Parameters
        ----------
        state : State
        turned : (3,) float64
            Turn of the pose before turns, where those are known [rad].
        steps : list of (n,) float64
            Changes of the parameters of each view.
        moved : callable
            Called as ``moved(shape, turn, place)`` for each view's shape.
        """
        shapes, errors, waves, scales = [], state.errors.copy(), [], state.log_scales.copy()
        for view, (shape, change) in enumerate(zip(state.shapes, steps, strict=True)):
            turning = self._turning[view]
            n_turn = turning.shape[1]
            turn = turning @ change[:n_turn]
            if self.turns is not None:
                errors[view] = errors[view] + turn
                turn = np.zeros(3)
            shapes.append(moved(shape, turn, shape.position_nm + change[n_turn : n_turn + 2]))
            waves.append(state.waves[view] + change[n_turn + 2 : -1])
            scales[view] += change[-1]
        before = compose(turned, state.before) if self.turns is not None else state.before
        return self._posed(State(tuple(shapes), before, errors, tuple(waves), scales))

    def largest_turn(self, step: Float, steps: list[Float]) -> float:
        """Farthest that a step turns the particle in any view [rad]."""
        turns = [step[: self.n_turn]]
        turns += [change[: self._turning[view].shape[1]] for view, change in enumerate(steps)]
        return math.sqrt(max(float(turn @ turn) for turn in turns))
