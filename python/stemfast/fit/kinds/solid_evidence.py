"""The probability of an image given a tetrahedron, a cuboid or an ellipsoid of any pose and size.

First by Laplace's method, summed over the maxima found and their equivalents: a solid turned by one
of its own rotations is the same solid, and one mirrored along the beam has the same image, so each
maximum of a tetrahedron stands for 24, of a cuboid for 48. Where that leaves the answer open, by
weighted random draws (importance sampling), which assume neither that the posterior is normal nor
that equivalents lie apart: poses that no pixel tells about, or faces along the beam, are met as
they are. Waves of the film stay integrated by Laplace's method, in which they are linear.

Places and sizes are drawn alike for all three kinds, so their density is left out. Poses count by
the rotation-invariant measure, of total 8π².
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit.image.likelihood import Observation
from stemfast.fit.kinds.kind import PLACE, Faceted, Kind, Placement
from stemfast.fit.kinds.solid_fit import SolidFit
from stemfast.fit.kinds.solids import Ellipse
from stemfast.orientation import quaternion_product

__all__ = ["WavesOut", "laplace", "sampled"]

Float: TypeAlias = NDArray[np.float64]

_ALL_POSES = math.log(8 * math.pi**2)
_TAIL = 5.0  # degrees of freedom of the draws: fewer than a normal distribution has
_WIDER = 1.2  # standard deviation of the draws over that of the posterior
_WIDEST_TURN = 0.5  # rad
_CLOUD = 0.002  # of proportions that one draw of an ellipsoid's stands for


def laplace(observation: Observation, kind: Kind, fits: Sequence[SolidFit]) -> float:
    """Logarithm of the evidence by Laplace's method.

    Parameters
    ----------
    observation : Observation
    kind : Kind
        The kind of solids.
    fits : sequence of SolidFit
        The maxima found, see `stemfast.fit.kinds.solid_fit.modes`.
    """
    parts = [
        _ellipse(observation, kind, fit)
        if isinstance(kind, Ellipse)
        else _faceted(observation, kind, fit)
        for fit in fits
    ]
    return _log_sum(np.array(parts))


def _faceted(observation: Observation, kind: Kind, fit: SolidFit) -> float:
    assert isinstance(kind, Faceted)
    waves = np.log(observation.waves.variance).sum()
    volume = kind.n * math.log(2 * math.pi) - np.linalg.slogdet(fit.information)[1] - waves
    norm = -0.5 * kind.n_proportions * math.log(2 * math.pi)
    return fit.highest + 0.5 * float(volume) + norm + math.log(len(kind.group)) - _ALL_POSES


class _Outlines:
    """The posterior around an ellipse: normal in place and size, of draws in its proportions.

    With a gradient g and precision B of the proportions s, once place and size are integrated out,
    the evidence is that at the fit times the mean of exp(g·δ − ½ δ·Bδ) over the recipe's draws.
    Each draw stands for a small cloud, so that a sharp likelihood does not fall between them.
    """

    def __init__(self, observation: Observation, kind: Ellipse, fit: SolidFit) -> None:
        n = kind.n
        joint, rest = fit.information[:n, :n], fit.information[n:, n:]
        across = fit.information[:n, n:]
        a = joint - across @ np.linalg.solve(rest, across.T) if len(rest) else joint.copy()
        own = slice(PLACE, n)
        a[own, own] -= kind.precision  # the draws are the prior
        self.values = fit.at.values
        self.first = a[:PLACE, :PLACE]
        self.link = np.linalg.solve(self.first, a[:PLACE, own])
        b = a[own, own] - a[own, :PLACE] @ self.link
        values, vectors = np.linalg.eigh(0.5 * (b + b.T))
        b = (vectors * np.maximum(values, 1e-3)) @ vectors.T
        # At the fit the likelihood's slope holds that of the normal prior.
        slope = kind.precision @ (fit.at.values[PLACE:] - kind.mean)
        self.shift = np.linalg.solve(b, slope)
        self.gain = 0.5 * float(slope @ self.shift)
        self.cloud = _CLOUD**2 * np.eye(3)
        self.covariance = np.linalg.inv(b)
        self.height = fit.highest - kind.log_prior(fit.at)
        waves = observation.waves.variance
        self.height -= 0.5 * float(np.log(waves).sum())
        self.height -= 0.5 * float(np.linalg.slogdet(rest)[1]) if len(rest) else 0.0

    def log_weights(self, draws: Float, wider: float = 1.0) -> Float:
        """Logarithm of the posterior of draws of proportions, over that at the fit."""
        spread = self.covariance * wider**2 + self.cloud
        off = draws - self.values[PLACE:] - self.shift
        distance = np.einsum("ni,ij,nj->n", off, np.linalg.inv(spread), off)
        lost = np.linalg.slogdet(spread)[1] - np.linalg.slogdet(self.covariance)[1]
        return np.asarray(self.gain - 0.5 * distance - 0.5 * lost)


def _ellipse(observation: Observation, kind: Ellipse, fit: SolidFit) -> float:
    around = _Outlines(observation, kind, fit)
    place = 0.5 * PLACE * math.log(2 * math.pi) - 0.5 * np.linalg.slogdet(around.first)[1]
    mean = _log_sum(around.log_weights(kind.draws)) - math.log(len(kind.draws))
    return float(around.height + place + mean)


def sampled(
    observation: Observation,
    kind: Kind,
    fits: Sequence[SolidFit],
    n: int = 300,
    *,
    seed: int = 0,
) -> tuple[float, float]:
    """Logarithm of the evidence by weighted draws around the maxima found.

    Parameters
    ----------
    observation : Observation
    kind : Kind
    fits : sequence of SolidFit
    n : int
        Draws.
    seed : int
        Of them.

    Returns
    -------
    log_evidence, effective : float
        And the number of draws of equal weight that would be worth as much.
    """
    rng = np.random.default_rng(seed)
    if isinstance(kind, Ellipse):
        places, log_density, waves_of = _draw_outlines(observation, kind, fits[0], n, rng)
        prior = np.zeros(n)
    else:
        assert isinstance(kind, Faceted)
        places, log_density, waves_of = _draw_faceted(observation, kind, fits, n, rng)
        prior = np.array([kind.log_prior(at) for at in places]) - _ALL_POSES
        prior -= 0.5 * kind.n_proportions * math.log(2 * math.pi)
    seen = [WavesOut(observation, kind, fit) for fit in fits]
    heights = np.array(
        [
            seen[k].height(at) if np.isfinite(density) else -np.inf
            for at, k, density in zip(places, waves_of.tolist(), log_density, strict=True)
        ]
    )
    weights = np.where(np.isfinite(log_density), heights + prior - log_density, -np.inf)
    total = _log_sum(weights)
    effective = math.exp(2 * total - _log_sum(2 * weights))
    return total - math.log(n), effective


class WavesOut:
    """The likelihood of a placement, integrated over the film's waves, in which it is normal."""

    def __init__(self, observation: Observation, kind: Kind, fit: SolidFit) -> None:
        self.observation, self.kind, self.waves = observation, kind, fit.waves_nm
        precision = 1.0 / observation.waves.variance
        information = fit.information[kind.n :, kind.n :]
        self.pull = precision * self.waves
        self.norm = 0.5 * float(np.log(precision).sum())
        self.norm -= 0.5 * float((precision * self.waves**2).sum())
        self.norm -= 0.5 * float(np.linalg.slogdet(information)[1]) if len(precision) else 0.0
        self.inverse = np.linalg.inv(information)

    def height(self, at: Placement) -> float:
        """Its logarithm."""
        observation = self.observation
        t = self.kind.thickness(at, observation.x_nm, observation.y_nm)
        seen = observation.through_optics(t, np.zeros((*t.shape, 0)), self.waves)
        slope = observation.gradient(seen)[:-1] - self.pull
        won = 0.5 * float(slope @ self.inverse @ slope)
        return observation.log_likelihood(seen.electrons) + won + self.norm


def _draw_outlines(
    observation: Observation,
    kind: Ellipse,
    fit: SolidFit,
    n: int,
    rng: np.random.Generator,
) -> tuple[list[Placement], Float, NDArray[np.intp]]:
    around = _Outlines(observation, kind, fit)
    log_weights = around.log_weights(kind.draws, _WIDER)
    chance = np.exp(log_weights - log_weights.max())
    chance /= chance.sum()
    chosen = rng.choice(len(chance), size=n, p=chance)
    # As many draws as there are stand for the prior, each with its share of it.
    log_density = np.log(chance[chosen]) + math.log(len(chance))
    root = np.linalg.inv(np.linalg.cholesky(around.first)).T * _WIDER
    steps, log_student = _student(rng, n, PLACE)
    log_density += log_student - np.linalg.slogdet(root)[1]
    off = kind.draws[chosen] - around.values[PLACE:]
    middle = around.values[:PLACE] - off @ around.link.T
    values = np.concatenate([middle + steps @ root.T, kind.draws[chosen]], axis=1)
    places = [Placement(fit.at.quaternion, row) for row in values]
    return places, log_density, np.zeros(n, np.intp)


def _draw_faceted(
    observation: Observation,
    kind: Faceted,
    fits: Sequence[SolidFit],
    n: int,
    rng: np.random.Generator,
) -> tuple[list[Placement], Float, NDArray[np.intp]]:
    """Draws around all maxima, and their density, that of all equivalents included."""
    height = np.array([_faceted(observation, kind, fit) for fit in fits])
    share = 0.9 * np.exp(height - _log_sum(height)) + 0.1 / len(fits)
    roots = [_root(kind, fit) for fit in fits]
    chosen = rng.choice(len(fits), size=n, p=share)
    steps, _ = _student(rng, n, kind.n)
    change = np.einsum("nij,nj->ni", np.stack(roots)[chosen], steps)
    places = [kind.moved(fits[k].at, d) for k, d in zip(chosen.tolist(), change, strict=True)]
    values = np.stack([at.values for at in places])
    turned = kind.turned(np.stack([at.quaternion for at in places])).reshape(-1, 4)
    own = kind.permuted(values[:, PLACE:])  # (n, G, p)
    shared = np.repeat(values[:, None, :PLACE], len(kind.group), axis=1)
    all_values = np.concatenate([shared, own], axis=2).reshape(-1, values.shape[1])
    density = np.full((len(fits), n), -np.inf)
    for k, (fit, root) in enumerate(zip(fits, roots, strict=True)):
        turn = _turns(turned, fit.at.quaternion)
        off = np.concatenate([turn, all_values - fit.at.values], axis=1)
        steps = off @ np.linalg.inv(root).T
        angle = np.sqrt((turn**2).sum(axis=1))
        bend = 2 * np.log(np.maximum(np.sinc(angle / (2 * math.pi)), 1e-12))
        log_density = _log_student(steps) - np.linalg.slogdet(root)[1] - bend
        of_orbit = log_density.reshape(n, -1)
        density[k] = _log_sums(of_orbit, axis=1) - math.log(of_orbit.shape[1]) + math.log(share[k])
    total = _log_sums(density, axis=0)
    # A turn beyond half a circle is another, smaller one, and was counted there.
    beyond = (change[:, :3] ** 2).sum(axis=1) > math.pi**2
    return places, np.where(beyond, np.nan, total), chosen


def _root(kind: Faceted, fit: SolidFit) -> Float:
    """A root of the covariance of the draws around a maximum."""
    covariance = np.linalg.inv(fit.information)[: kind.n, : kind.n]
    root = np.linalg.cholesky(covariance) * _WIDER
    widest = math.sqrt(float(np.linalg.eigvalsh(root[:3, :3] @ root[:3, :3].T)[-1]))
    root[:3] *= min(1.0, _WIDEST_TURN / widest)
    return np.asarray(root)


def _turns(quaternions: Float, start: Float) -> Float:
    """Rotation vectors (n, 3), at most half a circle long, that lead from a rotation to others."""
    back = start * [-1.0, -1.0, -1.0, 1.0]
    change = quaternion_product(quaternions, back[None, :])
    change = np.where(change[:, 3:] < 0, -change, change)
    sine = np.sqrt((change[:, :3] ** 2).sum(axis=1))
    angle = 2 * np.arctan2(sine, change[:, 3])
    share = np.where(sine > 1e-9, angle / np.maximum(sine, 1e-9), 2.0)
    return np.asarray(change[:, :3] * share[:, None])


def _student(rng: np.random.Generator, n: int, p: int) -> tuple[Float, Float]:
    """Steps (n, p) of Student's distribution of covariance about 1, and their log density."""
    steps = rng.normal(size=(n, p)) / np.sqrt(rng.chisquare(_TAIL, size=(n, 1)) / _TAIL)
    return steps, _log_student(steps)


def _log_student(steps: Float) -> Float:
    p = steps.shape[1]
    norm = math.lgamma(0.5 * (_TAIL + p)) - math.lgamma(0.5 * _TAIL)
    norm -= 0.5 * p * math.log(_TAIL * math.pi)
    square = (steps**2).sum(axis=1)
    return np.asarray(norm - 0.5 * (_TAIL + p) * np.log1p(square / _TAIL))


def _log_sum(logs: Float) -> float:
    """Logarithm of the sum of exp(logs)."""
    return float(_log_sums(logs, axis=0))


def _log_sums(logs: Float, axis: int) -> Float:
    from scipy.special import logsumexp

    return np.asarray(logsumexp(logs, axis=axis))
