"""The width of the probe, read off the edges of the particles themselves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.finding.outline.contour import Ellipse
from stemfast.finding.outline.draw import rough_form
from stemfast.finding.outline.edges import blur_evidence, steep_share
from stemfast.micrograph.files.feature_error import FeatureError
from stemfast.micrograph.isolate import Isolated

__all__ = ["FWHM_PER_SIGMA", "USUAL_PX", "Blur", "find_blur"]

Floats = NDArray[np.float64]
Drawn: TypeAlias = tuple[Isolated, Floats | Ellipse]

FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))
#: Gaussian width and its uncertainty where no edge tells [px].
USUAL_PX = (0.64, 0.2)
_WIDTHS_PX = np.array([0.3, 0.45, 0.6, 0.8, 1.1, 1.5, 2.1, 3.0, 4.2, 6.0])
_WIDEST = 2.5
_MOST_PARTICLES, _ENOUGH_ALONE = 20, 8
_LEAST_SIDE_PX, _LARGE_PX, _CLEAR = 7.0, 30, 30.0
_MOST_SAID = 20.0  # by one particle: the logarithm of a likelihood
_LEAST_SPREAD = 0.05
# A side is drawn a little askew, which widens the mean profile across it: measured on simulated
# fields of known blur.
_DRAWN_PX = 0.17


class Blur(NamedTuple):
    """The probe of an image, and how its particles lie.

    Attributes
    ----------
    width, deviation : float
        Gaussian width and its standard deviation [px].
    steep : float
        Probability that its particles rest on their faces, so that most of their sides are steep;
        else they lie in any pose.
    """

    width: float
    deviation: float
    steep: float


def find_blur(particles: Sequence[Isolated], known_px: float | None = None) -> Blur:
    """Gaussian width of the blur in an image, its standard deviation, and how particles lie.

    How likely the profiles across the particles' sides are, with every place and form of the edge
    allowed, as a function of the width. A sharp probe on faces a little askew and a wider one on
    steep faces look nearly the same; all particles together tell, as those of an image either rest
    on their faces or do not. One particle's say is limited, so that an odd one does not decide.

    Parameters
    ----------
    particles : sequence of Isolated
        Particles of one image; the largest and clearest of them are used.
    known_px : float, optional
        The width, where it is known.

    Returns
    -------
    Blur
        With the width `USUAL_PX` where there is none to use.

    Examples
    --------
    >>> from scipy.ndimage import gaussian_filter
    >>> from stemfast.micrograph.isolate import isolate
    >>> rows, cols = np.indices((96, 96))
    >>> depth = np.sqrt(np.maximum(1.0 - ((rows - 46) ** 2 + (cols - 50) ** 2) / 400.0, 0.0))
    >>> image = np.random.default_rng(1).poisson(5 + 300 * gaussian_filter(depth, 1.2))
    >>> blur = find_blur([isolate(image)])
    >>> abs(blur.width - 1.2) < 0.15
    True
    """
    drawn: list[Drawn] = []
    for one in _clearest(particles):
        with suppress(FeatureError, np.linalg.LinAlgError):
            drawn.append((one, rough_form(one, USUAL_PX[0] if known_px is None else known_px)))
    if known_px is not None:
        said = _said(drawn, np.array([known_px]), max(1.0, known_px))
        return Blur(known_px, 0.0, _share(*said.sum(axis=0)))
    if not drawn:
        return Blur(*USUAL_PX, 0.5)
    coarse = _likeliest(drawn, _WIDTHS_PX, _WIDEST).width
    near = coarse * np.geomspace(0.6, 1.65, 11)
    seen = _likeliest(drawn, near, max(1.0, coarse))
    width = math.sqrt(max(seen.width**2 - _DRAWN_PX**2, (0.5 * seen.width) ** 2))
    return Blur(width, seen.deviation, seen.steep)


def _likeliest(drawn: list[Drawn], widths: Floats, wide: float) -> Blur:
    """Mean and deviation of the width, from what the particles together say."""
    from scipy.interpolate import PchipInterpolator

    said = _said(drawn, widths, wide)
    if len(said) == 0:
        return Blur(*USUAL_PX, 0.5)
    fine = np.linspace(np.log(widths[0]), np.log(widths[-1]), 400)
    posed, resting = (PchipInterpolator(np.log(widths), one)(fine) for one in said.sum(axis=0))
    curve = np.logaddexp(posed, resting)
    chance = np.exp(curve - curve.max())
    chance /= chance.sum()
    mean = float(chance @ fine)
    spread = float(np.sqrt(chance @ (fine - mean) ** 2))
    width = float(np.exp(mean))
    return Blur(width, width * max(spread, _LEAST_SPREAD), _share(posed, resting))


def _said(drawn: list[Drawn], widths: Floats, wide: float) -> Floats:
    """Logarithm of how likely each particle is for each width, in any pose and at rest.

    (m, 2, k), of the m particles whose profiles are seen.
    """
    said = []
    for one, form in drawn:
        try:
            free, steep = blur_evidence(one, form, widths, wide)
        except (FeatureError, np.linalg.LinAlgError):
            continue
        sides = len(form) if isinstance(form, np.ndarray) else 0
        shares = np.array([[steep_share(sides, resting=resting)] for resting in (False, True)])
        both = np.logaddexp(np.log(1.0 - shares) + free, np.log(shares) + steep)
        said.append(np.maximum(both - max(free.max(), steep.max()), -_MOST_SAID))
    return np.array(said).reshape(-1, 2, len(widths))


def _share(posed: Floats, resting: Floats) -> float:
    """Probability that particles are at rest, both being as likely before they are seen."""
    from scipy.special import expit

    return float(expit(np.logaddexp.reduce(resting) - np.logaddexp.reduce(posed)))


def _clearest(particles: Sequence[Isolated]) -> list[Isolated]:
    """Those whose whole outline is seen, the clearest and largest first."""
    able = [
        one
        for one in particles
        if np.count_nonzero(one.mask) > _LEAST_SIDE_PX**2 and "touches the border" not in one.flags
    ]
    alone = [one for one in able if "touches a neighbour" not in one.flags]
    if len(alone) >= _ENOUGH_ALONE:
        able = alone

    def clear(one: Isolated) -> float:
        noise = max(one.pixel_noise, one.film_noise, 1e-30)
        area = min(int(np.count_nonzero(one.mask)), _LARGE_PX**2)
        return min(one.bright / noise, _CLEAR) * math.sqrt(area)

    return sorted(able, key=clear, reverse=True)[:_MOST_PARTICLES]
