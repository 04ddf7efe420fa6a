"""Tetrahedron, cuboid or ellipsoid: the three compared by their evidence."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit.cuboid.shape import CutCuboid
from stemfast.fit.image.likelihood import Observation, observe
from stemfast.fit.kinds.family import Family, Placement
from stemfast.fit.kinds.solid_evidence import laplace, sampled
from stemfast.fit.kinds.solid_fit import SolidFit, modes
from stemfast.fit.kinds.solids import Box, Ellipse, Pyramid
from stemfast.fit.verdict import Verdict

if TYPE_CHECKING:
    from stemfast.recipes import Recipe
    from stemfast.recipes.scenes import Scenes

__all__ = ["Kinds", "compare", "families", "judge_shape", "truth_of"]

Float: TypeAlias = NDArray[np.float64]

_REACH = 1.01  # farthest that any of the solids reaches, in diameters of the ball of its volume
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
def families(edge_ratio: float, sphere_ratio: float) -> tuple[Family, Family, Family]:
    """The three kinds: tetrahedra, cuboids and ellipsoids of at most these ratios of lengths."""
    return Pyramid(), Box(edge_ratio), Ellipse(sphere_ratio)


def truth_of(recipe: Recipe, scenes: Scenes, i: int) -> Placement:
    """Where the solid of a scene is; of an ellipsoid, one without proportions there.

    Parameters
    ----------
    recipe, scenes, i
        As for `stemfast.studies.ceiling.judge`.
    """
    settings = recipe.particle  # type: ignore[attr-defined]
    kinds = families(settings.edge_ratio, settings.sphere_ratio)
    label = int(scenes.labels[i])
    size = math.log(float(scenes.columns["diameter_nm"][i]))
    own = kinds[label].mean
    if isinstance(kinds[label], Box):
        own = kinds[label].proportions(scenes.columns["size_nm"][i])  # type: ignore[attr-defined]
    position = scenes.positions_nm[i].reshape(3)
    return Placement(scenes.orientations[i].reshape(4), np.concatenate([position[:2], [size], own]))


def compare(
    observation: Observation, kinds: tuple[Family, ...], start: Placement, label: int
) -> Kinds:
    """Fit each kind and compare their evidence.

    Parameters
    ----------
    observation : Observation
    kinds : tuple of Family
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


def judge_shape(recipe: Recipe, scenes: Scenes, i: int) -> Verdict:
    """Have the observer read one image of `shapes`.

    Parameters
    ----------
    recipe, scenes, i
        As for `stemfast.studies.ceiling.judge`.
    """
    from stemfast.simulation import simulate

    begun = time.perf_counter()
    microscope, label = scenes.microscope(i), int(scenes.labels[i])
    start = truth_of(recipe, scenes, i)
    taken = simulate(
        scenes.particle(i),
        scenes.orientation(i),
        microscope,
        seed=scenes.seed,
        first_index=scenes.start + i,
        positions_nm=scenes.positions_nm[i].reshape(3),
        return_truth=True,
    )
    # The part of the image that any of the three could reach, so that it tells nothing of which.
    widest = 2 * _REACH * math.exp(float(start.values[2]))
    around = CutCuboid(
        np.full(3, widest),
        np.zeros(8),
        np.array([0.0, 0.0, 0.0, 1.0]),
        start.values[:2],
        scenes.materials[i].decode(),
    )
    image = observe(taken.images, microscope, around, beam_nm=taken.truth.beam_nm)
    settings = recipe.particle  # type: ignore[attr-defined]
    found = compare(image, families(settings.edge_ratio, settings.sphere_ratio), start, label)
    probability = found.probability
    deviance, pixels = image.deviance(found.fits[label][0].electrons)
    return Verdict(
        index=scenes.start + i,
        label=label,
        answer=int(probability.argmax()),
        probability=tuple(round(float(p), _DIGITS) for p in probability),
        mask=0,
        best_mask=0,
        fits=sum(len(fits) for fits in found.fits),
        deviance_per_pixel=round(deviance / pixels, _DIGITS),
        seconds=round(time.perf_counter() - begun, 3),
    )
