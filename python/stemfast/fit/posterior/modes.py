"""Several maxima of the posterior of one image whose dose is not known.

Seen along one of its faces, a cuboid is a trapezoid of brightness: its height, its width and the
width of its top are three numbers, and two edges, a turn and the dose are four. The image then fits
particles of quite different edges as well as each other, and what tells them apart (corners, the
dose beforehand) leaves maxima that lie further apart than their widths. They are found by turning
the fit about the axis that it is least sure of and climbing again; the covariance is that of all.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from stemfast.fit.posterior.integrate import integrated
from stemfast.fit.prior import Prior
from stemfast.fit.refine import Refined, refine
from stemfast.fit.search import CornerComparison

__all__ = ["over_modes"]

Float: TypeAlias = NDArray[np.float64]

_TURNS_RAD = (-0.5, -0.25, -0.1, 0.1, 0.25, 0.5)
_NEGLIGIBLE = 8.0  # logarithms of evidence
_APART = 1.0  # standard deviations between the edges of maxima that differ


def over_modes(compared: CornerComparison, prior: Prior) -> CornerComparison:
    """A comparison whose best fit stands for all maxima of its corners.

    Parameters
    ----------
    compared : CornerComparison
        Of one image.
    prior : Prior
        Of the parameters. With a known dose, or without a face along the beam, there is nothing to
        do.
    """
    fit = compared.best
    if prior.dose_sd == 0 or len(fit.shapes) > 1 or fit.observations[0].rim_nm == 0:
        return compared
    _, axes = np.linalg.eigh(fit.view_covariances[0][:3, :3])
    found = [fit]
    for angle in _TURNS_RAD:
        turned = Rotation.from_rotvec(angle * axes[:, -1]) * Rotation.from_quat(
            fit.shape.quaternion
        )
        start = replace(fit.shape, quaternion=turned.as_quat())
        found.append(integrated(refine(fit.observations, (start,), fit.mask, prior=prior), prior))
    found.sort(key=lambda one: -one.log_evidence)
    modes: list[Refined] = []
    for one in found:
        if one.log_evidence > found[0].log_evidence - _NEGLIGIBLE and all(
            _differ(one, other) for other in modes
        ):
            modes.append(one)
    first = compared.enantiomers[0]
    together = replace(modes[0], covariance=_covariance(modes))
    best = replace(first, fits={**first.fits, fit.mask: together})
    return replace(compared, enantiomers=(best, *compared.enantiomers[1:]))


def _differ(one: Refined, other: Refined) -> bool:
    apart = np.abs(one.shape.edges_nm - other.shape.edges_nm)
    return bool((apart > _APART * np.hypot(one.edges_sd_nm, other.edges_sd_nm)).any())


def _covariance(modes: list[Refined]) -> Float:
    """Mean square deviations of edges and cuts from those of the first mode."""
    evidence = np.array([one.log_evidence for one in modes])
    weights = np.exp(evidence - evidence.max())
    places = np.array([np.append(m.shape.edges_nm, m.shape.cuts[m.shape.cuts > 0]) for m in modes])
    away = places - places[0]
    spread = np.array([one.covariance for one in modes]) + away[:, :, None] * away[:, None]
    return np.asarray(np.tensordot(weights / weights.sum(), spread, 1))
