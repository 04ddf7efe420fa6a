"""Evidence and error bars of fits to faces along the beam, where Laplace's method fails.

Turns that the image hardly changes with are integrated as they are (`stemfast.fit.joint.flat`):
the integral of the posterior takes the place of √(2π) s in the evidence, and its mean square that
of s² in the covariance, C + (s'²/s² − 1) c cᵀ/s², with c the covariance of all parameters with the
turn. Edges get the error that the sampling of their rims leaves (`stemfast.fit.image.rims`), and no
cut is more uncertain than its limits leave it: its error bar is the root mean square deviation of a
normal distribution cut off at them.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit.cuboid.thickness import SHAPE_PARAMETERS
from stemfast.fit.image.rims import sampling_variance_nm2
from stemfast.fit.joint.flat import along_turn
from stemfast.fit.joint.maximum import Maximisation
from stemfast.fit.joint.parameters import State
from stemfast.fit.prior import Prior
from stemfast.fit.refine import Refined
from stemfast.fit.search import CornerComparison, Rivals

__all__ = ["integrated", "integrated_rivals"]

Float: TypeAlias = NDArray[np.float64]

_DOUBTFUL = 0.01  # rad: a turn known better than this is normally distributed
_EDGES = slice(5, SHAPE_PARAMETERS)


def integrated_rivals(compared: CornerComparison, prior: Prior, margin: float) -> CornerComparison:
    """A comparison with all fits integrated that come near the best.

    Parameters
    ----------
    compared : CornerComparison
    prior : Prior
        Of the parameters.
    margin : float
        How near, in natural logarithms of evidence times prior.
    """
    fits = [dict(rivals.fits) for rivals in compared.enantiomers]
    left = {(side, mask) for side, own in enumerate(fits) for mask in own}
    sides = compared.enantiomers
    while True:
        highest = max(rivals.highest for rivals in sides)
        # What falls back by being integrated may bring others into reach.
        near = [(k, mask) for k, mask in left if sides[k].log_posterior(mask) > highest - margin]
        if not near:
            break
        for side, mask in near:
            fits[side][mask] = integrated(fits[side][mask], prior)
        left.difference_update(near)
        sides = tuple(
            Rivals(own, rivals.log_prior) for own, rivals in zip(fits, sides, strict=True)
        )
    return CornerComparison(tuple(sorted(sides, key=lambda rivals: -rivals.highest)))


def integrated(fit: Refined, prior: Prior) -> Refined:
    """A fit to one image with evidence and covariance that do not rest on Laplace's method alone.

    Parameters
    ----------
    fit : Refined
        Of one image at rest, or of several, whose turns then stay as they are.
    prior : Prior
        Of the parameters.
    """
    evidence = fit.log_evidence
    shared, own = fit.covariance, fit.view_covariances[0]
    if len(fit.shapes) == 1 and fit.observations[0].rim_nm > 0:
        climbed = Maximisation(fit.observations, fit.mask, prior, None)
        scales = np.log(fit.dose_scales)
        state = State(fit.shapes, fit.before, fit.turn_errors_rad, fit.waves_nm, scales)
        variances, axes = np.linalg.eigh(own[:3, :3])
        for variance, axis in zip(variances.tolist(), axes.T, strict=True):
            if variance < _DOUBTFUL**2:
                continue
            found = along_turn(climbed, state, axis, math.sqrt(variance))
            if found is not None:
                evidence += found[0] - 0.5 * math.log(2 * math.pi * variance)
                mixed = own[:, :3] @ axis
                change = (found[1] / variance - 1.0) / variance
                own = own + change * np.outer(mixed, mixed)
                shared = shared + change * np.outer(mixed[5:], mixed[5:])
    sampled = sampling_variance_nm2(fit.observations, fit.shapes)
    scale = _within_limits(fit, shared, prior.cut)
    shared = shared * np.outer(scale, scale)
    scale = np.concatenate([np.ones(len(own) - len(scale)), scale])
    own = own * np.outer(scale, scale)
    shared[np.arange(3), np.arange(3)] += sampled
    own[_EDGES, _EDGES] += np.diag(sampled)
    return replace(
        fit,
        log_evidence=evidence,
        covariance=shared,
        view_covariances=(own, *fit.view_covariances[1:]),
    )


def _within_limits(fit: Refined, shared: Float, limits: tuple[float, float]) -> Float:
    """Error bars of edges and cuts over those without limits: 1 but for cuts near a limit."""
    from scipy.stats import norm

    cuts = fit.shape.cuts[fit.shape.cuts > 0]
    sd = np.sqrt(shared.diagonal()[3:])
    low, high = ((limit - cuts) / sd for limit in limits)
    mass = np.maximum(norm.cdf(high) - norm.cdf(low), 1e-12)
    lost = (high * norm.pdf(high) - low * norm.pdf(low)) / mass
    return np.concatenate([np.ones(3), np.sqrt(np.clip(1.0 - lost, 1e-6, 1.0))])
