"""One member in several images: fits of single images brought together.

What single images say of sizes and poses is tried for all: the sizes of one view with the poses of
the others, under every name of the axes; or, where the turns between the views are known, a pose of
one view and its mirror image carried to the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit.families.glance import Glance, equivalent_quaternions, posed
from stemfast.fit.families.maximum import FamilyFit, Known, log_likelihood_of, refined
from stemfast.fit.families.shape_family import Placed, ShapeFamily
from stemfast.fit.image.likelihood import Observation
from stemfast.fit.turns import Turns

__all__ = ["gathered", "turned_on"]

Float: TypeAlias = NDArray[np.float64]
Ideas: TypeAlias = Sequence[Sequence[FamilyFit]]

_VIEWS = 4  # whose sizes are tried for all
_CLIMBED = 2
_LED, _TURNED = 3, 4  # ideas of each view that known turns carry on, and how many are fitted
_FAIR = 5.0  # standard deviations of χ² beyond its mean
_LOOKED = 4  # poses tried again of a view that is not explained
_CLEAR = 3.0  # logarithms of likelihood that another pose must win


def gathered(
    seen: tuple[Observation, ...],
    glances: Sequence[Glance],
    family: ShapeFamily,
    ideas: Ideas,
    known: Known,
) -> list[FamilyFit]:
    """Fits to all views at unknown poses, the most likely first.

    Parameters
    ----------
    seen : tuple of Observation
    glances : sequence of Glance
        Of the same images.
    family : ShapeFamily
    ideas : sequence of sequence of FamilyFit
        Fits of each view alone.
    known : Known
    """
    order = np.argsort([-own[0].log_likelihood for own in ideas])[:_VIEWS].tolist()
    tried: list[tuple[float, tuple[Placed, ...]]] = []
    for view in order:
        sizes = ideas[view][0].sizes_nm
        found = [
            _best_pose(one, family, [idea.shapes[0] for idea in own], sizes)
            for one, own in zip(seen, ideas, strict=True)
        ]
        tried.append((sum(value for value, _ in found), tuple(at for _, at in found)))
    tried.sort(key=lambda pair: -pair[0])
    fits = [refined(seen, family, shapes, known) for _, shapes in tried[:_CLIMBED]]
    fits = [_looked_again(fit, glances, known) for fit in fits]
    return sorted(fits, key=lambda fit: -fit.log_evidence)


def _best_pose(
    seen: Observation, family: ShapeFamily, poses: Sequence[Placed], sizes: Float
) -> tuple[float, Placed]:
    """Log-likelihood and pose of the one that shows a member of given sizes best."""
    tried = [
        replace(at, quaternion=quaternion, sizes_nm=sizes)
        for at in poses
        for quaternion in _names(family, at.quaternion)
    ]
    values = [log_likelihood_of([seen], family, [at]) for at in tried]
    best = int(np.argmax(values))
    return values[best], tried[best]


def _names(family: ShapeFamily, quaternion: Float) -> list[Float]:
    """Poses of members whose parameters go by other names, one for each order of them."""
    from scipy.spatial.transform import Rotation

    if len(family.relabellings) == len(family.group):
        return [quaternion]
    found: dict[tuple[int, ...], Float] = {}
    matrix = Rotation.from_quat(quaternion).as_matrix()
    for element, order in family.relabellings:
        turned = matrix @ element.T
        if np.linalg.det(turned) < 0:
            turned[2] *= -1.0
        found.setdefault(tuple(order.tolist()), np.asarray(Rotation.from_matrix(turned).as_quat()))
    return list(found.values())


def _looked_again(fit: FamilyFit, glances: Sequence[Glance], known: Known) -> FamilyFit:
    """The fit with other poses of the views it does not explain, where those are better."""
    seen, family = fit.observations, fit.family
    off = [k for k, one in enumerate(fit.goodness) if one.beyond > _FAIR]
    shapes = list(fit.shapes)
    for view in off:
        best = log_likelihood_of([seen[view]], family, [shapes[view]]) + _CLEAR
        for at in posed(family, fit.sizes_nm, glances[view], _LOOKED):
            trial = refined((seen[view],), family, (at,), known.alone, most=15).shapes[0]
            value, there = _best_pose(seen[view], family, [trial], fit.sizes_nm)
            if value > best:
                best, shapes[view] = value, there
    if all(one is other for one, other in zip(shapes, fit.shapes, strict=True)):
        return fit
    other = refined(seen, family, tuple(shapes), known)
    return max(fit, other, key=lambda one: one.log_evidence)


def turned_on(
    seen: tuple[Observation, ...], family: ShapeFamily, ideas: Ideas, known: Known
) -> list[FamilyFit]:
    """Fits to all views whose turns are known, the most likely first.

    Parameters
    ----------
    seen : tuple of Observation
    family : ShapeFamily
    ideas : sequence of sequence of FamilyFit
        Fits of each view alone.
    known : Known
    """
    turns = known.turns
    assert turns is not None
    tried: list[tuple[float, tuple[Placed, ...], Float]] = []
    for view, own in enumerate(ideas):
        for idea in own[:_LED]:
            for quaternion in _mirrored_too(family, idea.shapes[0].quaternion):
                before = _before(turns, quaternion, view)
                shapes = tuple(
                    Placed(
                        idea.sizes_nm,
                        turns.quaternion(k, before, np.zeros(3)),
                        others[0].shapes[0].position_nm,
                    )
                    for k, others in enumerate(ideas)
                )
                tried.append((log_likelihood_of(seen, family, shapes), shapes, before))
    tried.sort(key=lambda entry: -entry[0])
    fits = [
        refined(seen, family, shapes, known, before=before) for _, shapes, before in tried[:_TURNED]
    ]
    return sorted(fits, key=lambda fit: -fit.log_evidence)


def _mirrored_too(family: ShapeFamily, quaternion: Float) -> list[Float]:
    """A pose, and one with the mirror image along the beam of what it shows, if there is one."""
    mirror = np.linalg.det(family.group) < 0
    if not mirror.any():
        return [quaternion]
    alike = equivalent_quaternions(family, quaternion)
    return [quaternion, alike[int(np.flatnonzero(mirror)[0])]]


def _before(turns: Turns, quaternion: Float, view: int) -> Float:
    from scipy.spatial.transform import Rotation

    return np.asarray((turns.rotations[view].inv() * Rotation.from_quat(quaternion)).as_quat())
