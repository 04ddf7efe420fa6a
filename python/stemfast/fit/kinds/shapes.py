"""Tetrahedron, cuboid or ellipsoid: the three compared by their evidence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit.image.likelihood import Observation
from stemfast.fit.kinds.kind import Kind, Placement
from stemfast.fit.kinds.solid_evidence import laplace, sampled
from stemfast.fit.kinds.solid_fit import SolidFit, modes
from stemfast.fit.kinds.solids import Box, Ellipse, Pyramid

__all__ = [
    "REACH",
    "Kinds",
    "compare",
    "shape_kinds",
]

Float: TypeAlias = NDArray[np.float64]

REACH = 1.01  # farthest that any of the solids reaches, in diameters of the ball of its volume
_CLIMBS = (2, 8)  # random starts followed at first, and where that leaves a rival that is not ...
_HOPELESS = 200.0  # logarithms of evidence behind
_OPEN = 30.0  # logarithms within which Laplace's method has no last word
_TRUSTED = 0.99  # probability of an answer that more draws would not change
_DRAWS, _MORE_DRAWS = 300, 1500
_DIGITS = 6


@dataclass(frozen=True, eq=False)
class Kinds:
    """The kinds of solids compared.

    Attributes
    ----------
    log_evidence, log_laplace : (3,) float64
        Of tetrahedron, cuboid and ellipsoid, but for a common constant; the first by weighted draws
        where they were made.
    effective : (3,) float64
        Draws that the first rests on, counted by their weights; 0 where Laplace's method does.
    fits : list of list of SolidFit
        The maxima of each.
    """

    log_evidence: Float
    log_laplace: Float
    effective: Float
    fits: list[list[SolidFit]]

    @property
    def probability(self) -> Float:
        """Of each kind, as they come equally often."""
        share = np.exp(self.log_evidence - self.log_evidence.max())
        return np.asarray(share / share.sum())


@cache
def shape_kinds(edge_ratio: float, sphere_ratio: float) -> tuple[Kind, Kind, Kind]:
    """The three kinds: tetrahedra, cuboids and ellipsoids of at most these ratios of lengths."""
    return Pyramid(), Box(edge_ratio), Ellipse(sphere_ratio)


def compare(
    observation: Observation, kinds: tuple[Kind, ...], start: Placement, label: int
) -> Kinds:
    """Fit each kind and compare their evidence.

    Parameters
    ----------
    observation : Observation
    kinds : tuple of Kind
    start : Placement
        The true one, of kind `label`: the others start at its place, with its volume.
    label : int
    """
    for climbs in _CLIMBS:
        fits = [
            modes(observation, kind, start.values[:3], [start] * (k == label), climbs=climbs)
            if kind.turns
            else modes(observation, kind, start.values[:3])
            for k, kind in enumerate(kinds)
        ]
        pairs = list(zip(kinds, fits, strict=True))
        quick = np.array([laplace(observation, kind, found) for kind, found in pairs])
        if np.sort(quick)[-2] < quick.max() - _HOPELESS:
            break
    outcome = Kinds(quick, quick, np.zeros(len(kinds)), fits)
    for draws in (_DRAWS, _MORE_DRAWS):
        near = outcome.log_evidence > outcome.log_evidence.max() - _OPEN
        if near.sum() < 2 or (draws == _MORE_DRAWS and outcome.probability.max() > _TRUSTED):
            break
        evidence, effective = outcome.log_evidence.copy(), outcome.effective.copy()
        for k in np.flatnonzero(near).tolist():
            evidence[k], effective[k] = sampled(observation, *pairs[k], draws)
        outcome = replace(outcome, log_evidence=evidence, effective=effective)
    return outcome
