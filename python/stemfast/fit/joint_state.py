"""Where a joint fit of several images stands, how it slopes there, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit.cuboid.shape import CutCuboid

__all__ = ["JointResult", "JointState", "Slopes"]

Float: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class JointState:
    """Where a fit stands.

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


@dataclass(frozen=True, eq=False)
class JointResult:
    """The end of a climb.

    Attributes
    ----------
    state : JointState
    shared_covariance : (n, n) float64
        Of edges and cuts.
    view_covariances : tuple of (P, P) float64
        Of turn, place, edges and cuts in each view.
    log_likelihood, log_evidence : float
    at_limit : (8,) bool
    electrons : tuple of (rows, columns) float64
    steps : int
    converged : bool
    """

    state: JointState
    shared_covariance: Float
    view_covariances: tuple[Float, ...]
    log_likelihood: float
    log_evidence: float
    at_limit: NDArray[np.bool_]
    electrons: tuple[Float, ...]
    steps: int
    converged: bool
