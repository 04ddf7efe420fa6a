"""Probe and gain, read off the images that a fitted member of a family shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stemfast.fit.families.maximum import FamilyFit, log_likelihood_of
from stemfast.fit.image.likelihood import Observation
from stemfast.fit.image.probe import fitted_probe
from stemfast.microscope import Microscope

__all__ = ["with_family_gain", "with_family_probe"]

_GAINS = (0.3, 3.0)  # times the gain that was estimated, at the least and at the most


def with_family_probe(microscopes: Sequence[Microscope], fit: FamilyFit) -> list[Microscope]:
    """The microscopes with the probe's width [px] that makes all images most likely.

    Parameters
    ----------
    microscopes : sequence of Microscope
        What took each image.
    fit : FamilyFit
        The particle in them.
    """

    def likelihood(blurred: Sequence[Observation]) -> float:
        scales = fit.dose_scales.tolist()
        dosed = [
            replace(seen, dose=seen.dose * scale)
            for seen, scale in zip(blurred, scales, strict=True)
        ]
        return log_likelihood_of(dosed, fit.family, fit.shapes)

    return fitted_probe(microscopes, fit.observations, likelihood)


def with_family_gain(microscopes: Sequence[Microscope], fit: FamilyFit) -> list[Microscope]:
    """The microscopes with the gains that the noise around a fit asks for, and doses to match.

    Noise is the response of a mixed second difference to what the fit leaves: of its mean square,
    36 times a pixel's variance, a smooth misfit has no part. A gauge of the image alone takes steep
    facets for noise.

    Parameters
    ----------
    microscopes : sequence of Microscope
        What took each image.
    fit : FamilyFit
        The particle in them.
    """
    found = []
    for scope, seen, electrons in zip(microscopes, fit.observations, fit.electrons, strict=True):
        mean = seen.means(electrons)
        left = np.where(seen.weight > 0, seen.counts - mean, 0.0)
        mixed = left[:-2] - 2.0 * left[1:-1] + left[2:]
        mixed = mixed[:, :-2] - 2.0 * mixed[:, 1:-1] + mixed[:, 2:]
        more = float(np.clip((mixed**2).mean() / 36.0 / mean[1:-1, 1:-1].mean(), *_GAINS))
        detector = scope.detector.replace(gain=scope.detector.gain * more)
        beam = scope.beam.replace(current_pa=scope.beam.current_pa / more)
        found.append(scope.replace(detector=detector, beam=beam))
    return found
