"""The photon transfer curve: variance against level, in groups of pixels of like level.

Levels and noise are those of the smooth parts, well inside particles and well away from them. Noise
is what filters leave that are blind to planes or, the second one, to cubic surfaces.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "FEWEST_PX",
    "FOURTH",
    "INFLATED",
    "SECOND",
    "Curve",
    "film_mask",
    "filtered",
    "grouped",
    "transfer_curve",
]

Image = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: Fewest pixels of a group.
FEWEST_PX = 60
#: Factor of the variance of a mean of filtered pixels: neighbours share noise.
INFLATED = 2.0
_GROUPS = 8
_FILM_SMOOTH_PX, _INSIDE_SMOOTH_PX = 4.0, 2.0
_WITHIN_3_SD = 0.973336  # of a normal distribution's variance
_LONG_TAILS = 3.1  # a normal distribution's fourth moment is 3
_FEW_OF = 200
_BENT_SIGMAS, _BENT = 4.0, 0.35
_LEAST_FOR_BEND = 5


def _kernel(*weights: float) -> NDArray[np.float64]:
    k = np.array(weights)
    return k / math.sqrt(float(k @ k))


#: Second and fourth differences that keep the variance of white noise.
SECOND, FOURTH = _kernel(1.0, -2.0, 1.0), _kernel(1.0, -4.0, 6.0, -4.0, 1.0)


def film_mask(labels: NDArray[np.int32], blur_px: float) -> Mask:
    """Pixels of the film, so far from particles that their blur does not reach there.

    Examples
    --------
    >>> labels = np.zeros((32, 32), np.int32)
    >>> labels[12:20, 12:20] = 1
    >>> mask = film_mask(labels, 1.0)
    >>> bool(mask[0, 0]), bool(mask[10, 16])
    (True, False)
    """
    from scipy import ndimage

    if not (labels != 0).any():
        return np.ones(labels.shape, bool)
    away = ndimage.distance_transform_edt(labels == 0)
    return np.asarray(away > 3.0 + 2.5 * blur_px)


def grouped(
    image: Image, labels: NDArray[np.int32], blur_px: float
) -> tuple[NDArray[np.int64], Mask]:
    """Groups of pixels of like level, 1 … n, and the film. Edges belong to none."""
    from scipy import ndimage

    film = film_mask(labels, blur_px)
    depth = ndimage.distance_transform_edt(labels != 0)
    inside = depth > 1.0 + 1.5 * blur_px
    group, made = np.zeros(image.shape, np.int64), 0
    for mask, width in ((film, _FILM_SMOOTH_PX), (inside, _INSIDE_SMOOTH_PX)):
        if np.count_nonzero(mask) < FEWEST_PX:
            continue
        share = ndimage.gaussian_filter(mask.astype(np.float64), width)
        smooth = ndimage.gaussian_filter(np.where(mask, image, 0.0), width)
        level = (smooth / np.maximum(share, 1e-9))[mask]
        # Groups of equally many pixels, and none of so different levels that their noise differs.
        shares = np.linspace(0.0, 1.0, _GROUPS + 1)[1:-1]
        low, high = np.quantile(level, (0.001, 0.999))
        cuts = np.sort([*np.quantile(level, shares), *(low + shares * (high - low))])
        group[mask] = made + 1 + np.searchsorted(cuts, level)
        made += len(cuts) + 1
    return group, film


def filtered(image: Image, kernel: NDArray[np.float64]) -> Image:
    """The image through a filter of differences; of white noise it keeps the variance."""
    from scipy import ndimage

    rows = ndimage.convolve1d(image, kernel, axis=0, mode="mirror")
    return np.asarray(ndimage.convolve1d(rows, kernel, axis=1, mode="mirror"))


@dataclass(frozen=True, eq=False)
class Curve:
    """Level, variance and number of pixels of each group.

    Attributes
    ----------
    level : ndarray, shape (n,)
        Mean [grey].
    variance : ndarray, shape (n,)
        Of the noise of a pixel [grey²].
    count : ndarray, shape (n,)
    """

    level: NDArray[np.float64]
    variance: NDArray[np.float64]
    count: NDArray[np.float64]

    def without(self, k: int) -> Curve:
        """All but one group."""
        return Curve(*(np.delete(one, k) for one in (self.level, self.variance, self.count)))

    def line(self) -> tuple[float, float, float]:
        """Weighted least squares of v = a + g·m: a, g and g's error, which grows with the misfit.

        Examples
        --------
        >>> level = np.array([10.0, 20.0, 40.0])
        >>> a, g, _ = Curve(level, 5.0 + 2.0 * level, np.full(3, 1000.0)).line()
        >>> round(a, 6), round(g, 6)
        (5.0, 2.0)
        """
        coefficients, errors, centre, scale, size = self._polynomial(1)
        slope = float(coefficients[1] * size / scale)
        return (
            float(coefficients[0] * size - slope * centre),
            slope,
            float(errors[1] * size / scale),
        )

    def jackknifed(self) -> float:
        """Standard error of the slope from leaving out one group after the other."""
        n = len(self.level)
        slopes = np.array([self.without(k).line()[1] for k in range(n)])
        return float(np.sqrt((n - 1) / n * np.sum((slopes - slopes.mean()) ** 2)))

    def is_bent(self) -> bool:
        """True if the curve is clearly not a line."""
        if len(self.level) < _LEAST_FOR_BEND:
            return False
        coefficients, errors, *_ = self._polynomial(2)
        bend = abs(coefficients[2])
        return bool(bend > _BENT_SIGMAS * errors[2] and bend > _BENT * abs(coefficients[1]))

    def _polynomial(
        self, degree: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], float, float, float]:
        """Coefficients and errors in units of the curve, and its centre, width and height."""
        centre, scale = float(self.level.mean()), max(float(np.ptp(self.level)), 1e-12)
        size = float(self.variance.mean())
        powers = np.vander((self.level - centre) / scale, degree + 1, increasing=True)
        seen = self.variance / size
        model = seen
        for _ in range(8):
            weight = self.count / (2.0 * INFLATED * np.maximum(model, 0.02) ** 2)
            inverse = np.linalg.pinv(powers.T @ (powers * weight[:, None]))
            coefficients = inverse @ (powers.T @ (weight * seen))
            model = powers @ coefficients
        freedom = max(len(seen) - degree - 1, 1)
        misfit = max(float(weight @ (seen - model) ** 2) / freedom, 1.0)
        return coefficients, np.sqrt(np.diag(inverse) * misfit), centre, scale, size


def transfer_curve(
    image: Image, group: NDArray[np.int64], left: Image, spoilt: Mask, rounding: float
) -> Curve:
    """The photon transfer curve; groups with clipped pixels or too few are left out.

    Edges that no filter is blind to stand out of the noise. Where it is nearly normal, what is
    beyond three standard deviations does not count.
    """
    order = np.argsort(group, axis=None, kind="stable")
    number = group.ravel()[order]
    starts = np.searchsorted(number, np.arange(1, int(group.max(initial=0)) + 2))
    rows = []
    for first, last in pairwise(starts.tolist()):
        own = order[first:last]
        if len(own) < FEWEST_PX or np.mean(spoilt.ravel()[own]) > 0.005:
            continue
        variance = _without_edges(left.ravel()[own]) - rounding
        rows.append((float(image.ravel()[own].mean()), max(variance, 1e-12), len(own)))
    return Curve(*np.array(rows, np.float64).reshape(-1, 3).T)


def _without_edges(left: NDArray[np.float64]) -> float:
    """Mean square within three standard deviations, scaled to that of a normal distribution.

    All of it where the noise itself has so long tails: at fewer than a few electrons.
    """
    square = left * left
    whole = float(square.mean())
    # Electrons that are counted one by one leave most differences at few values.
    few = len(np.unique(left[:_FEW_OF])) < _FEW_OF // 2
    if few and float(np.mean(square * square)) > _LONG_TAILS * whole * whole:
        return whole
    kept = whole
    for _ in range(6):
        kept = float(square[square < 9.0 * kept].mean()) / _WITHIN_3_SD if kept > 0 else 0.0
    return kept
