"""Width of the probe, read off the images that a fitted particle explains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from stemfast.fit.image.likelihood import blur_matrix
from stemfast.fit.refine import Refined
from stemfast.microscope import Microscope, Probe

__all__ = ["with_fitted_probe"]

_PROBES_PX = (0.5, 0.8, 1.1, 1.5, 2.0, 2.7)
_FWHM_PER_SIGMA = 2.3548


def with_fitted_probe(microscopes: Sequence[Microscope], fit: Refined) -> list[Microscope]:
    """The microscopes with the probe's width [px] that makes all images most likely.

    Parameters
    ----------
    microscopes : sequence of Microscope
        What took each image.
    fit : Refined
        The particle in them.
    """
    from scipy.optimize import minimize_scalar

    def likelihood(width_px: float) -> float:
        total = 0.0
        for observation, shape in zip(fit.observations, fit.shapes, strict=True):
            sigma = width_px / _FWHM_PER_SIGMA
            rows, columns = observation.counts.shape
            blurred = replace(
                observation,
                blur_rows=blur_matrix(rows, sigma),
                blur_columns=blur_matrix(columns, sigma),
            )
            total += blurred.log_likelihood_of(shape)
        return total

    best = max(_PROBES_PX, key=likelihood)
    number = _PROBES_PX.index(best)
    low, high = _PROBES_PX[max(number - 1, 0)], _PROBES_PX[min(number + 1, len(_PROBES_PX) - 1)]
    fine = minimize_scalar(
        lambda width_px: -likelihood(width_px),
        bounds=(low, high),
        method="bounded",
        options={"xatol": 0.02},
    )
    return [
        scope.replace(probe=Probe(fwhm_nm=float(fine.x) * scope.scan.pixel_size_nm))
        for scope in microscopes
    ]
