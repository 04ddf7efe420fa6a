"""Width of the probe from the power spectrum around the particles, and from their edges.

The power spectrum of a solid body with sharp faces, averaged over its orientations, falls as q⁻⁴
(G. Porod, Kolloid-Z. 124 (1951) 83). The spectrum of its projection is a slice of that, so many
particles, turned at random, have the spectrum

    P(q) = A q⁻⁴ exp(−4π²σ²q²) + n

of a Gaussian probe of width σ and white noise of variance n, which is known from photon transfer.
Sampling folds what is beyond the Nyquist frequency back. Where the probe is narrow, the spectrum
says little of it; the profiles across single edges (`stemfast.finding.outline.blur`) say more. They
are misled where outlines go astray, so they count only where the spectrum agrees.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemfast.finding.found import Found
from stemfast.finding.measured import FoundOne
from stemfast.finding.outline.blur import FWHM_PER_SIGMA, USUAL_PX, find_blur
from stemfast.matching.estimate import Estimate, told, untold
from stemfast.micrograph.files.feature_error import FeatureError
from stemfast.micrograph.isolate import isolate_label

__all__ = ["probe_width", "spectral_width"]

Floats = NDArray[np.float64]

_MOST_WINDOWS, _MOST_EDGES = 150, 60
_LEAST_SIDE, _LEAST_RINGS, _MOST_RINGS = 24, 6, 30
_FIRST = 1.2  # times q·d: beyond, a particle's own form is averaged out
_POROD, _POROD_SD = 4.0, 0.3
_WAVES = 0.1  # of the logarithm: forms that are not averaged out
_ANGLES = (np.arange(6) + 0.5) * (math.pi / 24.0)
_FOLDED = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
_STARTS_PX2 = (0.1, 1.0, 5.0, 25.0, 80.0)
# Errors of widths from edges beyond those of their likelihoods, on simulated fields. A wide probe
# rounds corners off until no side is straight: edges then say as little as half of its width.
_EDGE_SHARE, _EDGE_PX = 0.12, 0.06
_BLUNT_SHARE, _BLUNT_FWHM_PX = 0.2, 5.0
# Those of the spectrum's σ² beyond its fit: forms that are not turned at random, and what sampling
# folds back [px²].
_POROD_SHARE, _POROD_PX2 = 0.2, 0.6
_STRUCTURE = 2.0  # of σ², times the structure of the background over the particles' height
_FRESNEL_SHARE = 0.4  # of σ²: bright fringes about edges in bright field
_AGREE = 2.0
_LEAST_NOISE_SD, _UNKNOWN_SD = 0.06, 0.3  # of the noise's variance, as shares
_TAIL = 3  # rings
_MOST_ERROR = 0.27


@dataclass(frozen=True, eq=False)
class _Rings:
    """Power around the particles in rings of like frequency, and in how many waves of each."""

    frequency: Floats
    power: Floats
    waves: Floats
    level: float


def probe_width(
    found: Found, variance: float, variance_sd: float, structure: float = 0.0
) -> Estimate:
    """Full width at half maximum of the probe.

    Parameters
    ----------
    found : Found
        Particles of the image.
    variance : float
        That of the noise of a pixel of the particles' level [grey²].
    variance_sd : float
        Its error, as a share.
    structure : float
        Standard deviation of the background's structure over the particles' height. What a support
        adds to the spectrum and to edges makes the error larger.

    Returns
    -------
    Estimate
        [px].
    """
    edges = _from_edges(found)
    square, square_sd = spectral_width(found.image, found.particles, variance, variance_sd)
    if math.isfinite(square_sd):
        square_sd = math.hypot(square_sd, _POROD_SHARE * square, _POROD_PX2)
        if edges is not None:
            width, error = edges
            widest = FWHM_PER_SIGMA * math.sqrt(max(width**2, square))
            blunt = _BLUNT_SHARE * (widest / _BLUNT_FWHM_PX) ** 2
            other, other_sd = width**2, 2.0 * width * math.hypot(error, blunt * width)
            if abs(other - square) < _AGREE * math.hypot(other_sd, square_sd):
                weight = 1.0 / other_sd**2
                share = 1.0 / square_sd**2
                square = (square * share + other * weight) / (share + weight)
                square_sd = 1.0 / math.sqrt(share + weight)
    elif edges is not None:
        square, square_sd = edges[0] ** 2, 2.0 * edges[0] * edges[1]
    else:
        return untold("no particle shows its edge clearly enough", "px")
    if found.contrast == "dark":
        square_sd = math.hypot(square_sd, _FRESNEL_SHARE * square)
    square_sd = math.hypot(square_sd, _STRUCTURE * min(structure, 1.0) * square)
    if square <= 0 or square_sd > 2.0 * _MOST_ERROR * square:
        most = FWHM_PER_SIGMA * math.sqrt(max(square, 0.0) + square_sd)
        return untold(f"the probe is narrow or the noise hides it: {most:.2g} px at most", "px")
    width = math.sqrt(square)
    return told(FWHM_PER_SIGMA * width, FWHM_PER_SIGMA * square_sd / (2.0 * width), "px")


def _from_edges(found: Found) -> tuple[float, float] | None:
    """Gaussian width and error from profiles across the particles' edges [px], None without."""
    sign = np.float32(1.0 if found.contrast == "bright" else -1.0)
    isolated = []
    for one in found.particles[:: max(1, len(found) // _MOST_EDGES)]:
        try:
            isolated.append(isolate_label(sign * found.image, found.labels, one.label, one.bbox))
        except (FeatureError, np.linalg.LinAlgError):
            continue
    width, error, _ = find_blur(isolated)
    if (width, error) == USUAL_PX:
        return None
    return width, math.hypot(error, _EDGE_SHARE * width, _EDGE_PX)


def spectral_width(
    image: NDArray[np.float32],
    particles: Sequence[FoundOne],
    variance: float,
    variance_sd: float,
) -> tuple[float, float]:
    """Square of the probe's Gaussian width and its error from the spectrum [px²].

    Parameters
    ----------
    image : ndarray of float32, shape (rows, columns)
    particles : sequence of FoundOne
    variance : float
        Of the noise of a pixel [grey²].
    variance_sd : float
        Its error, as a share.

    Returns
    -------
    square, error : float
        The error is infinite where no particle shows enough.
    """
    diameters = [one.equivalent_diameter for one in particles]
    if not diameters:
        return 0.0, math.inf
    typical = float(np.median(diameters))
    rings = _rings(image, particles, typical)
    return _fitted(rings, typical, variance, variance_sd)


def _rings(image: NDArray[np.float32], particles: Sequence[FoundOne], typical: float) -> _Rings:
    """Mean periodogram of windows around the particles, in rings."""
    side = int(np.clip(2 * round(1.5 * typical), _LEAST_SIDE, min(image.shape)))
    edge = np.hanning(side + 2)[1:-1]
    window = edge[:, None] * edge[None, :]
    power, level, count = np.zeros((side, side)), 0.0, 0
    for one in particles[:: max(1, len(particles) // _MOST_WINDOWS)]:
        first = [
            int(np.clip(round(middle) - side // 2, 0, length - side))
            for middle, length in zip(one.centroid, image.shape, strict=True)
        ]
        part = image[first[0] : first[0] + side, first[1] : first[1] + side].astype(np.float64)
        left = (part - np.average(part, weights=window)) * window
        power += np.abs(np.fft.fft2(left)) ** 2
        level += float(np.average(part, weights=window**2))
        count += 1
    power /= count * float(np.sum(window**2))
    axis = np.fft.fftfreq(side)
    q = np.hypot(axis[:, None], axis[None, :])
    bounds = np.geomspace(1.5 / side, 0.5, min(_MOST_RINGS, side // 2))
    ring = np.digitize(q, bounds)
    ring[(ring == 0) | (ring == len(bounds))] = 0
    number = np.bincount(ring.ravel(), minlength=len(bounds))
    use = (number >= 4) & (np.arange(len(number)) > 0)
    mean = np.bincount(ring.ravel(), power.ravel(), minlength=len(bounds))[use] / number[use]
    with np.errstate(divide="ignore"):
        log_q = np.where(q > 0, np.log(np.maximum(q, 1e-9)), 0.0)
    middle = np.exp(
        np.bincount(ring.ravel(), log_q.ravel(), minlength=len(bounds))[use] / number[use]
    )
    # Half of the waves are the other half's mirror; Hann's window joins 2.25 of them to one.
    waves = 0.7 * count * number[use] / (2.0 * 2.25)
    return _Rings(middle, mean, np.asarray(waves, np.float64), level / count)


def _fitted(
    rings: _Rings, typical: float, variance: float, variance_sd: float
) -> tuple[float, float]:
    """Least squares of logarithms. Noise that nothing is known of is that of the last rings."""
    from scipy.optimize import least_squares

    use = rings.frequency > _FIRST / typical
    if np.count_nonzero(use) < _LEAST_RINGS:
        use = np.arange(len(use)) >= len(use) - _LEAST_RINGS
    q, power, waves = rings.frequency[use], rings.power[use], rings.waves[use]
    if len(q) < _LEAST_RINGS - 1 or variance <= 0:
        return 0.0, math.inf
    if variance_sd >= _UNKNOWN_SD:
        variance = float(power[-_TAIL:].mean())
    weight = 1.0 / np.sqrt(1.0 / waves + _WAVES**2)
    folded = _folded(q)

    def left(p: Floats) -> Floats:
        level, slope, square, noise = p
        falls = -slope * np.log(folded / q[0]) - 4.0 * math.pi**2 * square * (folded**2 - q[0] ** 2)
        signal = np.exp(np.minimum(level + falls, 60.0)).sum(axis=(0, 1)) / len(_ANGLES)
        model = np.log(signal + variance * math.exp(noise))
        return np.concatenate(
            [
                (np.log(power) - model) * weight,
                [(slope - _POROD) / _POROD_SD, noise / max(variance_sd, _LEAST_NOISE_SD)],
            ]
        )

    start = math.log(max(power[0] - variance, 1e-3 * variance))
    fits = [
        least_squares(
            left,
            [start, _POROD, square, 0.0],
            bounds=([-50.0, 1.0, 0.0, -3.0], [60.0, 8.0, 400.0, 3.0]),
        )
        for square in _STARTS_PX2
    ]
    best = min(fits, key=lambda fit: float(fit.cost))
    inverse = np.linalg.pinv(best.jac.T @ best.jac)
    misfit = max(2.0 * float(best.cost) / max(len(q) - 3, 1), 1.0)
    error = math.sqrt(max(float(inverse[2, 2]), 0.0) * misfit)
    return float(best.x[2]), error if error > 0 else math.inf


def _folded(q: Floats) -> Floats:
    """Frequencies (9, angles, n) that sampling folds onto those of each ring."""
    x, y = q * np.cos(_ANGLES)[:, None], q * np.sin(_ANGLES)[:, None]
    return np.array([np.hypot(x + i, y + j) for i, j in _FOLDED])
