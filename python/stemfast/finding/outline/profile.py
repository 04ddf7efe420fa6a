"""The profile of brightness across a side of an outline, and where the particle ends by it.

A contour at a fixed level lies inside where a thin wedge rises slowly, and outside where a steep
face rises at once behind the probe's blur. Along a straight side the profile is averaged and
compared with a wedge that begins at d₀ and grows less steep at d₁, blurred by the probe:

    I(d) = a·R(d − d₀) − b·R(d − d₁),  R(x) = x·Φ(x/σ) + σ·φ(x/σ),  a > 0, b ≥ 0, d₁ > d₀

d is the distance inwards. A step is the limit d₁ → d₀, a bare wedge is b = 0, and a face nearly
along the beam is what lies between. A round rim is compared with these and with an ellipsoid,
a·s − b·s² with s = √(1 − (1 − d/R)²), where b is the scattering's saturation. a and b follow by
least squares; d₀ is the mean, over all d₀ and d₁, with weights exp(−χ²/2), and its spread is the
error. ``cpp/include/stemfast/edge_profile.hpp`` computes it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stemfast import _core
from stemfast.micrograph.isolate import Isolated

__all__ = ["Place", "rim_evidence", "rim_place", "side_evidence", "side_places"]

Floats = NDArray[np.float64]


class Place(NamedTuple):
    """Distance of a side inwards of the drawn one [px], and its standard deviation.

    The same if the particle is of even thickness there up to a steep face, and the logarithm of how
    much likelier the profile is then.
    """

    shift: float
    sd: float
    steep_shift: float
    steep_sd: float
    odds: float


def side_places(isolated: Isolated, corners: Floats, blur_px: float) -> list[Place]:
    """Places of all sides of a polygon, from the pixels beside each.

    Pixels beside the ends of a side are left out, and such as belong to other particles. A side
    outside of which nothing is seen stays where it was drawn, with a deviation of 1 px.

    Parameters
    ----------
    isolated : Isolated
    corners : ndarray, shape (n, 2)
        x, y [px], turning from x towards y.
    blur_px : float
        Gaussian width of the probe [px].
    """
    places = _core.side_places(
        isolated.signal, isolated.foreign, corners, blur_px, _noise(isolated)
    )
    return [Place(*row) for row in places.tolist()]


def rim_place(
    isolated: Isolated, d: Floats, values: Floats, blur_px: float, radius: float
) -> tuple[float, float]:
    """Place of a round rim and its deviation [px], from pixels at the distances d inwards of it."""
    return _core.rim_place(d, values, blur_px, radius, _noise(isolated))


def side_evidence(
    isolated: Isolated, corners: Floats, widths_px: Floats, *, wide: float, steep_share: float
) -> tuple[Floats, Floats]:
    """Logarithm of how likely the profiles of all sides are for each width of the blur.

    Parameters
    ----------
    isolated : Isolated
    corners : ndarray, shape (n, 2)
        x, y [px], turning from x towards y.
    widths_px : ndarray, shape (k,)
        Gaussian widths [px].
    wide : float
        How far from the outline to look, in units of a sharp image's.
    steep_share : float
        Share of steep sides where there are some.

    Returns
    -------
    free, steep : ndarray, shape (k,)
        With sides of any slope, and with that share of steep ones, up to the same constant.
    """
    free, steep = _core.side_evidence(
        isolated.signal,
        isolated.foreign,
        corners,
        widths_px,
        _noise(isolated),
        wide=wide,
        steep_share=steep_share,
    )
    return free, steep


def rim_evidence(
    isolated: Isolated,
    d: Floats,
    values: Floats,
    widths_px: Floats,
    *,
    wide: float,
    radius: float,
) -> Floats:
    """Logarithm of how likely the profile of a round rim is for each width of the blur."""
    return _core.rim_evidence(d, values, widths_px, _noise(isolated), wide=wide, radius=radius)


def _noise(isolated: Isolated) -> _core.EdgeNoise:
    return _core.EdgeNoise(
        film=isolated.film_noise,
        pixel=isolated.pixel_noise,
        smoothing_px=isolated.smoothing_px,
        bright=isolated.bright,
    )
