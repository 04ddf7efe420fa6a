"""Where to start: cuboids that explain an image, found from the image alone."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import permutations, product
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.fit.coarse import Candidates, binned, candidates, outline
from stemfast.fit.cuboid import CORNERS, CutCuboid, rotation_matrix
from stemfast.fit.likelihood import Observation, observe
from stemfast.fit.maximum import Maximisation, Refined, State
from stemfast.fit.prior import Prior
from stemfast.microscope import Microscope

__all__ = ["propose"]

Float: TypeAlias = NDArray[np.float64]

_COARSE_PX = 26
_COARSE_WAVES = 6
_TEMPLATES = (0.0, 0.4)
_TRIED, _REFINED = 16, 5
_APART_DEG, _APART_EDGES = 9.0, 0.09
_FIRST_CUT = 0.2
_WHOLE = 0.1
_ALL = 255


@cache
def axis_turns() -> Float:
    """The 24 rotations (24, 3, 3) that lay axes on axes."""
    found = []
    for order in permutations(range(3)):
        for signs in product((1.0, -1.0), repeat=3):
            matrix = np.zeros((3, 3))
            matrix[np.arange(3), order] = signs
            if np.linalg.det(matrix) > 0:
                found.append(matrix)
    return np.array(found)


def apart(matrices: Float, edges: Float, matrix: Float, edges_nm: Float) -> tuple[Float, Float]:
    """How far poses and edges of whole cuboids are from one: angle [deg], and of ln edges.

    Up to what leaves the image of a whole cuboid as it is: naming its axes anew, and mirroring it
    along the beam.
    """
    mirror = np.diag([1.0, 1.0, -1.0])
    turns = axis_turns()
    # (2, n, 24): trace of (M g)ᵀ M0 = trace of gᵀ (Mᵀ M0)
    both = np.stack([matrices, mirror @ matrices @ mirror])
    inner = np.swapaxes(both, 2, 3) @ matrix
    trace = np.einsum("gji,bnji->bng", turns, inner)
    angle = np.degrees(np.arccos(np.clip(0.5 * (trace - 1.0), -1.0, 1.0)))
    named = np.einsum("gji,nj->ngi", np.abs(turns), edges)
    edge = np.abs(np.log(named / edges_nm)).max(axis=2)
    scaled = np.hypot(angle / _APART_DEG, (edge / _APART_EDGES)[None])
    n = len(matrices)
    flat = np.moveaxis(scaled, 1, 0).reshape(n, -1).argmin(axis=1)
    b, g = np.divmod(flat, len(turns))
    rows = np.arange(n)
    return angle[b, rows, g], edge[rows, g]


def _spread_out(found: Candidates, most: int) -> list[int]:
    """The best candidates that are apart from each other."""
    left = np.arange(min(len(found.misfit), 600))
    chosen = []
    while len(left) and len(chosen) < most:
        first = int(left[0])
        chosen.append(first)
        angle, edge = apart(
            found.matrices[left], found.edges_nm[left], found.matrices[first], found.edges_nm[first]
        )
        left = left[np.hypot(angle / _APART_DEG, edge / _APART_EDGES) > 1.0]
    return chosen


def propose(
    image: ArrayLike,
    microscope: Microscope,
    *,
    material: str = "Au",
    prior: Prior | None = None,
    most: int = 3,
    beam_nm: ArrayLike | None = None,
) -> list[CutCuboid]:
    fits = proposals(image, microscope, material=material, prior=prior, most=most, beam_nm=beam_nm)
    return [_settled(fit.shape) for fit in fits]


def proposals(image, microscope, *, material="Au", prior=None, most=3, beam_nm=None, times=None):
    import time
    t0=time.perf_counter()
    seen = outline(image, microscope, material)
    t1=time.perf_counter()
    prior = prior or Prior()
    around = CutCuboid(
        np.full(3, 1.15 * np.cbrt(seen.volume_nm3)),
        np.zeros(CORNERS),
        np.array([0.4, 0.2, 0.1, 0.8]),
        seen.centre_nm,
        material,
    )
    fine = observe(image, microscope, around, beam_nm=beam_nm)
    factor = max(1, round(fine.counts.shape[0] / _COARSE_PX))
    coarse = binned(fine, factor, _COARSE_WAVES)
    pixel = factor * microscope.scan.pixel_size_nm
    found = [candidates(coarse, seen, cut=cut, pixel_nm=pixel) for cut in _TEMPLATES]
    merged = Candidates(*(np.concatenate(part) for part in zip(*((c.matrices, c.edges_nm, c.misfit) for c in found))))
    order = np.argsort(merged.misfit)[:600]
    merged = Candidates(merged.matrices[order], merged.edges_nm[order], merged.misfit[order])
    t2=time.perf_counter()
    relaxed = replace(prior, cut=(min(0.02, prior.cut[0]), prior.cut[1]))
    tried = [
        _relaxed(coarse, _shape(merged, k, seen.centre_nm, material), relaxed)
        for k in _spread_out(merged, _TRIED)
    ]
    t3=time.perf_counter()
    tried.sort(key=lambda fit: -fit.log_likelihood)
    best = _different(tried, _REFINED)
    if factor >= 2:
        medium = fine if factor <2 else binned(fine, 2, _COARSE_WAVES)
        best = [_relaxed(medium, fit.shape, relaxed) for fit in best]
        best.sort(key=lambda fit: -fit.log_likelihood)
    t4=time.perf_counter()
    if times is not None:
        times.update(out=t1-t0,cand=t2-t1,lm=t3-t2,fine=t4-t3,n=len(order), steps=np.mean([f.steps for f in tried]))
    return _different(best, most)


def _shape(found: Candidates, k: int, centre: Float, material: str) -> CutCuboid:
    from scipy.spatial.transform import Rotation

    quaternion = Rotation.from_matrix(found.matrices[k]).as_quat()
    cuts = np.full(CORNERS, _FIRST_CUT)
    return CutCuboid(found.edges_nm[k], cuts, quaternion, centre, material)


def _relaxed(observation: Observation, shape: CutCuboid, prior: Prior) -> Refined:
    calm = np.zeros(len(observation.waves.variance))
    cuts = np.clip(shape.cuts, *prior.cut)
    return Maximisation(observation, _ALL, prior).run(State(replace(shape, cuts=cuts), calm, 0.0))


def _different(fits: list[Refined], most: int) -> list[Refined]:
    chosen: list[Refined] = []
    for fit in fits:
        matrix = rotation_matrix(fit.shape.quaternion)[None]
        near = (
            apart(matrix, fit.shape.edges_nm[None], rotation_matrix(other.shape.quaternion), other.shape.edges_nm)
            for other in chosen
        )
        if all(float(a[0]) > 3.0 or float(e[0]) > 0.04 for a, e in near):
            chosen.append(fit)
        if len(chosen) == most:
            break
    return chosen


def _settled(shape: CutCuboid) -> CutCuboid:
    return replace(shape, cuts=np.where(shape.cuts < _WHOLE, 0.0, shape.cuts))
