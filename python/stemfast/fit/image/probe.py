"""Width of the probe, read off the images that a fitted particle explains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from stemfast.fit.image.blur import blur_matrix
from stemfast.fit.image.likelihood import Observation
from stemfast.fit.refine import Refined
from stemfast.microscope import Microscope, Probe

__all__ = ["fitted_probe", "with_fitted_probe"]

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

    def total(blurred: Sequence[Observation]) -> float:
        pairs = zip(blurred, fit.shapes, strict=True)
        return sum(observation.log_likelihood_of(shape) for observation, shape in pairs)

    return fitted_probe(microscopes, fit.observations, total)


def fitted_probe(
    microscopes: Sequence[Microscope],
    observations: Sequence[Observation],
    total: Callable[[Sequence[Observation]], float],
) -> list[Microscope]:
    """The same for any model of the particle.

    Parameters
    ----------
    microscopes : sequence of Microscope
    observations : sequence of Observation
    total : callable
        Log-likelihood of the model in observations of another probe.
    """
    from scipy.optimize import minimize_scalar

    def likelihood(width_px: float) -> float:
        sigma = width_px / _FWHM_PER_SIGMA
        return total(
            [
                replace(
                    one,
                    blur_rows=blur_matrix(one.counts.shape[0], sigma),
                    blur_columns=blur_matrix(one.counts.shape[1], sigma),
                )
                for one in observations
            ]
        )

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
