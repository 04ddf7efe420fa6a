"""Electrons assumed where a micrograph tells none, for simulated crops to be seen beside its own.

Grey levels that were compressed, smoothed or stretched say nothing of electrons. Crops can still
have the contrast and the noise that are there: shot noise alone, above the lowest grey level o, so
that N electrons at the film's level m have the variance v that is seen there,

    v = g·(m − o),    N = (m − o)/g = (m − o)²/v.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stemfast.matching.conditions import Conditions
from stemfast.matching.estimate import Estimate, told
from stemfast.matching.noise import Noise

__all__ = ["with_assumed_electrons"]

_FEWEST, _MOST = 1.0, 1e5  # electrons a pixel of the film
_LEAST_GREY = 1e-6


def with_assumed_electrons(
    conditions: Conditions, height: float, noise: Noise, lowest: float
) -> Conditions:
    """Conditions with electrons where they could not be told; the same if all were.

    Parameters
    ----------
    conditions : Conditions
    height : float
        Median brightness of the particles against their surroundings [grey].
    noise : Noise
    lowest : float
        Lowest grey level of the image.

    Returns
    -------
    Conditions
        With a gain, a signal and a background; values that were assumed have no error bar.
    """
    known = conditions
    if all(one.known for one in (known.gain, known.signal_median, known.background_variance)):
        return known
    level = max(noise.film_level - lowest, _LEAST_GREY)
    behind = float(np.clip(level**2 / max(noise.film_variance, 1e-30), _FEWEST, _MOST))
    gain = known.gain if known.gain.known else told(level / behind, 0.0, "grey/e")

    def electrons(one: Estimate, value: float) -> Estimate:
        return one if one.known else told(value, 0.0, "e")

    variance = electrons(known.background_variance, behind)
    signal = electrons(known.signal_median, max(height, _LEAST_GREY) / gain.number)
    return replace(known, gain=gain, signal_median=signal, background_variance=variance)
