"""Goodness of fit of an image: residuals against those that noise leaves.

Pixels are joined in small squares, where a smooth misfit adds up and noise does not. In a square
with m expected counts of variance v, the noise leaves (y − m)² of mean v, and Σ (y − m)²/v over n
squares follows χ² with n degrees of freedom less those that the fit used up. Real microscopes are
never quite what they are said to be, so a model error is allowed for: a root mean square misfit of
a stated share of the particle's own signal makes that a non-central χ², and the p-value is that of
a misfit as large as was found if the model were wrong by so much, not if it were perfect. A misfit
that small can still lie in one place: its pattern is judged as well (`stemfast.fit.image.pattern`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit.image.likelihood import Observation
from stemfast.fit.image.pattern import joined_squares, pattern_p

__all__ = ["LEAST_P", "Goodness", "goodness"]

Float: TypeAlias = NDArray[np.float64]

#: Misfit that is put down to the microscope, as a share of the particle's signal.
TOLERANCE = 0.02
#: Below this p-value, a model does not explain an image.
LEAST_P = 1e-3
_SQUARE_NM = 1.0


@dataclass(frozen=True)
class Goodness:
    """Goodness of fit of one image.

    Attributes
    ----------
    chi2 : float
        Of squares of about 1 nm on the particle.
    expected, spread : float
        Mean and standard deviation of that if the model were perfect.
    misfit : float
        Root mean square of what neither model nor noise explains, as a share of that of the
        particle's signal; 0 where the noise explains all.
    p_value : float
        Probability of so large a misfit if the model were wrong by `TOLERANCE` of the signal, or
        of one so much in one place, whichever is smaller.
    """

    chi2: float
    expected: float
    spread: float
    misfit: float
    p_value: float

    @property
    def beyond(self) -> float:
        """Excess of χ² over its mean, in its standard deviations."""
        return (self.chi2 - self.expected) / self.spread

    @property
    def explained(self) -> bool:
        """True if the model explains the image: a p-value of at least 0.001."""
        return self.p_value >= LEAST_P


def goodness(
    observation: Observation, electrons: Float, used: int = 0, *, pattern: bool = True
) -> Goodness:
    """Goodness of fit of expected electrons to an observation.

    Parameters
    ----------
    observation : Observation
    electrons : (rows, columns) float64
        What the fit expects, as one of `Refined.electrons`.
    used : int
        Parameters that were fitted.
    pattern : bool
        Whether the pattern of the misfit is judged, beside its size.

    Examples
    --------
    >>> import stemfast as sf
    >>> from scipy.spatial.transform import Rotation
    >>> from stemfast.fit import CutCuboid, observe, refine
    >>> scope, pose = sf.Microscope(), Rotation.from_rotvec([0.5, 0.4, 0.3])
    >>> idea = CutCuboid.of(sf.Cuboid(edges=(14, 12, 10)), pose)
    >>> def verdict(particle):
    ...     seen = observe(sf.simulate(particle, pose, scope, seed=1), scope, idea)
    ...     return goodness(seen, refine(seen, idea, 0).electrons[0]).explained
    >>> verdict(sf.Cuboid(edges=(14, 12, 10))), verdict(sf.Sphere(radius=7))
    (True, False)
    """
    from scipy import stats

    excess = observation.excess
    mean = observation.means(electrons)
    signal = np.maximum(electrons - observation.film_electrons, 0.0) / excess
    on = (signal > 0.05 * signal.max()) & (observation.weight > 0)
    pixel = abs(float(observation.x_nm[0, 1] - observation.x_nm[0, 0]))
    side = max(1, round(_SQUARE_NM / pixel)) if pixel > 0 else 1
    residual = np.where(on, observation.counts - mean, 0.0)
    noise = np.where(on, mean / np.where(on, observation.weight, 1.0), 0.0)
    off, variance = joined_squares(residual, side), joined_squares(noise, side)
    strength = joined_squares(np.where(on, signal, 0.0), side)
    counted = variance > 0
    if not counted.any():
        # A fit that shows nothing, far outside of the image or shrunk away, explains nothing.
        square = float(np.square(observation.counts).sum())
        return Goodness(square, 1.0, float(np.sqrt(2.0)), 1.0, 0.0)
    off, variance, strength = off[counted], variance[counted], strength[counted]
    n = max(len(variance) - used, 1)
    chi2 = float((off**2 / variance).sum())
    # Of a Poisson number with mean m, the variance of (y − m)²/m is 2 + 1/m.
    spread = float(np.sqrt(2.0 * n + (1.0 / variance).sum() * n / len(variance)))
    weight = float((strength**2 / variance).sum())
    misfit = float(np.sqrt(max(chi2 - n, 0.0) / weight)) if weight > 0 else 0.0
    allowed = TOLERANCE**2 * weight
    by_size = float(stats.ncx2.sf(chi2, n, allowed + 1e-9))
    by_pattern = (
        pattern_p(residual, noise, mean, signal, side, pixel) if pattern and pixel > 0 else 1.0
    )
    return Goodness(chi2, float(n), spread, misfit, min(by_size, by_pattern))
