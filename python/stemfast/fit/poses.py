"""Poses of a particle whose shape is known, wherever they are in an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit.cuboid.equivalents import axis_turns, mirrored, renamed
from stemfast.fit.cuboid.shape import CutCuboid
from stemfast.fit.image.likelihood import Observation
from stemfast.fit.refine import Refined, log_likelihood
from stemfast.fit.templates import binned, misfits

__all__ = ["BIN", "FITTED", "WAVES", "named", "posed_anew"]

Float: TypeAlias = NDArray[np.float64]

#: Pixels that are joined, along rows and columns, and waves of the film in fits on coarse grids.
BIN, WAVES = 2, 6
#: Names of each proposal that are fitted.
FITTED = 4
_EDGES_APART = 0.15  # of ln: names under which edges differ by more are not tried
# Poses that are looked at, and then rad around so many of the best.
_POSES, _ROUNDS, _AROUND = 3000, ((0.12, 30), (0.05, 20)), 20
_POSED, _FAR_DEG = 4, 6.0  # how many are kept, and how far apart


def posed_anew(
    shape: CutCuboid, seen: Observation, *, apart_deg: float = _FAR_DEG
) -> list[CutCuboid]:
    """Poses of a known shape that explain a view, wherever they are.

    Parameters
    ----------
    shape : CutCuboid
    seen : Observation
    apart_deg : float
        Least angle between them [degrees].
    """
    from scipy.spatial.transform import Rotation

    coarse = binned(seen, BIN, WAVES)
    pixel = abs(float(coarse.x_nm[0, 1] - coarse.x_nm[0, 0]))
    rng = np.random.default_rng(0)  # the same poses each time

    def ranked(matrices: Float) -> Float:
        edges = np.tile(shape.edges_nm, (len(matrices), 1))
        misfit = misfits(coarse, matrices, edges, shape.cuts, shape.position_nm, pixel)
        return matrices[np.argsort(misfit)]

    best = ranked(Rotation.random(_POSES, rng=rng).as_matrix())
    for spread, most in _ROUNDS:
        every = np.repeat(best[:most], _AROUND, axis=0)
        near = Rotation.from_rotvec(spread * rng.standard_normal((len(every), 3)))
        best = ranked(np.concatenate([best[:most], near.as_matrix() @ every]))
    trace = 1.0 + 2.0 * np.cos(np.radians(apart_deg))
    chosen: list[Float] = []
    for matrix in best:
        if len(chosen) < _POSED and all(np.trace(matrix.T @ c) < trace for c in chosen):
            chosen.append(matrix)
    return [replace(shape, quaternion=Rotation.from_matrix(m).as_quat()) for m in chosen]


def named(shape: CutCuboid, seen: Observation, ideas: Sequence[Refined]) -> list[CutCuboid]:
    """Poses of a shape in a view: proposals under the names of axes that explain it best.

    Parameters
    ----------
    shape : CutCuboid
    seen : Observation
    ideas : sequence of Refined
        Proposals of the view alone.
    """
    tried: list[tuple[float, CutCuboid]] = []
    for idea in ideas:
        for enantiomer in (idea.shape, mirrored(idea.shape)):
            for turn in axis_turns():
                other = renamed(enantiomer, turn)
                if np.abs(np.log(other.edges_nm / shape.edges_nm)).max() > _EDGES_APART:
                    continue
                posed = replace(other, edges_nm=shape.edges_nm, cuts=shape.cuts)
                tried.append((log_likelihood([seen], (posed,)), posed))
    if not tried:
        return [replace(ideas[0].shape, edges_nm=shape.edges_nm, cuts=shape.cuts)]
    tried.sort(key=lambda pair: -pair[0])
    return [posed for _, posed in tried[:FITTED]]
