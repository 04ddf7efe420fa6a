"""The width of the probe, read off the edges of the particles themselves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.finding.outline.contour import Ellipse
from stemfast.finding.outline.draw import rough_form
from stemfast.finding.outline.edges import blur_evidence
from stemfast.micrograph.files.feature_error import FeatureError
from stemfast.micrograph.isolate import Isolated

__all__ = ["FWHM_PER_SIGMA", "USUAL_PX", "find_blur"]

Floats = NDArray[np.float64]
Drawn: TypeAlias = tuple[Isolated, Floats | Ellipse]

FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))
#: Gaussian width and its uncertainty where no edge tells [px].
USUAL_PX = (0.64, 0.2)
_WIDTHS_PX = np.array([0.3, 0.45, 0.6, 0.8, 1.1, 1.5, 2.1, 3.0, 4.2, 6.0])
_WIDEST = 2.5
_MOST_PARTICLES = 20
_LEAST_SIDE_PX, _LARGE_PX, _CLEAR = 7.0, 30, 30.0
_MOST_SAID = 20.0  # by one particle: the logarithm of a likelihood
_LEAST_SPREAD = 0.05
# A side is drawn a little askew, which widens the mean profile across it: measured on simulated
# fields of known blur.
_DRAWN_PX = 0.17


def find_blur(particles: Sequence[Isolated]) -> tuple[float, float]:
    """Gaussian width of the blur in an image and its standard deviation [px].

    How likely the profiles across the particles' sides are, with every place and form of the edge
    allowed, as a function of the width. One particle's say is limited, so that an odd one does not
    decide.

    Parameters
    ----------
    particles : sequence of Isolated
        Particles of one image; the largest and clearest of them are used.

    Returns
    -------
    width, deviation : float
        `USUAL_PX` where there is none to use.

    Examples
    --------
    >>> from scipy.ndimage import gaussian_filter
    >>> from stemfast.micrograph.isolate import isolate
    >>> rows, cols = np.indices((96, 96))
    >>> depth = np.sqrt(np.maximum(1.0 - ((rows - 46) ** 2 + (cols - 50) ** 2) / 400.0, 0.0))
    >>> image = np.random.default_rng(1).poisson(5 + 300 * gaussian_filter(depth, 1.2))
    >>> width, deviation = find_blur([isolate(image)])
    >>> abs(width - 1.2) < 0.15
    True
    """
    drawn: list[Drawn] = []
    for one in _clearest(particles):
        with suppress(FeatureError, np.linalg.LinAlgError):
            drawn.append((one, rough_form(one, USUAL_PX[0])))
    if not drawn:
        return USUAL_PX
    coarse, _ = _likeliest(drawn, _WIDTHS_PX, _WIDEST)
    near = coarse * np.geomspace(0.6, 1.65, 11)
    seen, deviation = _likeliest(drawn, near, max(1.0, coarse))
    width = math.sqrt(max(seen**2 - _DRAWN_PX**2, (0.5 * seen) ** 2))
    return width, deviation


def _likeliest(drawn: list[Drawn], widths: Floats, wide: float) -> tuple[float, float]:
    """Mean and deviation of the width, from what the particles together say."""
    from scipy.interpolate import PchipInterpolator

    said = []
    for one, form in drawn:
        with suppress(FeatureError, np.linalg.LinAlgError):
            said.append(blur_evidence(one, form, widths, wide))
    if not said:
        return USUAL_PX
    total = sum((np.maximum(one - one.max(), -_MOST_SAID) for one in said), np.zeros(len(widths)))
    fine = np.linspace(np.log(widths[0]), np.log(widths[-1]), 400)
    curve = PchipInterpolator(np.log(widths), total)(fine)
    chance = np.exp(curve - curve.max())
    chance /= chance.sum()
    mean = float(chance @ fine)
    spread = float(np.sqrt(chance @ (fine - mean) ** 2))
    width = float(np.exp(mean))
    return width, width * max(spread, _LEAST_SPREAD)


def _clearest(particles: Sequence[Isolated]) -> list[Isolated]:
    """Those whose whole outline is seen, the clearest and largest first."""
    able = [
        one
        for one in particles
        if np.count_nonzero(one.mask) > _LEAST_SIDE_PX**2 and "touches the border" not in one.flags
    ]
    alone = [one for one in able if "touches a neighbour" not in one.flags]
    if len(alone) >= 3:
        able = alone

    def clear(one: Isolated) -> float:
        noise = max(one.pixel_noise, one.film_noise, 1e-30)
        area = min(int(np.count_nonzero(one.mask)), _LARGE_PX**2)
        return min(one.bright / noise, _CLEAR) * math.sqrt(area)

    return sorted(able, key=clear, reverse=True)[:_MOST_PARTICLES]
