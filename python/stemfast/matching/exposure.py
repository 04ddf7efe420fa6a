"""Dose and film that give a micrograph's electrons, for a material of the particles.

The signal of a particle is that of the mean chord of a sphere of its size, 2d/3 (volume over the
area of its shadow), as in :class:`stemfast.recipes.exposure.ImagingSettings`:

    S = I·f(2d/3), B = I·f_C(t)

with the shares f and f_C of the beam that the particle and carbon scatter onto the detector. So
I follows from the signal S, and the thickness t from the background B.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stemfast.scattering import ScatteringCurve

__all__ = ["VOLUME_OF_SHADOW", "Exposed", "exposed"]

#: Diameter of the sphere of a particle's volume over that of the disc of its shadow, on average
#: over its poses. By Cauchy's theorem a convex body's mean shadow is a quarter of its surface: 1
#: for spheres, 0.90 for cubes, 0.82 for tetrahedra.
VOLUME_OF_SHADOW = 0.9

_THICKEST_NM = 400.0


@dataclass(frozen=True)
class Exposed:
    """Dose and film.

    Attributes
    ----------
    electrons_px : float
        Electrons of the beam in a pixel [e].
    film_nm : float
        Thickness of carbon [nm].
    """

    electrons_px: float
    film_nm: float


def exposed(
    signal: float,
    background: float,
    diameter_nm: float,
    particle: ScatteringCurve,
    carbon: ScatteringCurve,
) -> Exposed:
    """Dose and film of a signal and a background.

    Parameters
    ----------
    signal, background : float
        [e/px].
    diameter_nm : float
        Of the sphere of the particle's volume [nm].
    particle, carbon : ScatteringCurve

    Returns
    -------
    Exposed
        A film of at most 400 nm.

    Examples
    --------
    >>> from stemfast import materials
    >>> from stemfast.scattering import Collection
    >>> haadf = Collection(200, 60, 200, 20)
    >>> gold, carbon = (materials.get(name).scattering_curve(haadf) for name in ("Au", "C"))
    >>> thin = exposed(100.0, 10.0, 12.0, gold, carbon)
    >>> round(thin.electrons_px), round(thin.film_nm)
    (1299, 41)
    """
    chord = 2.0 / 3.0 * diameter_nm
    share = float(particle.fraction(np.array(chord / particle.mean_free_path_nm)))
    electrons = signal / max(share, 1e-12)
    depth = float(carbon.depth(np.array(min(max(background, 0.0) / electrons, 0.99))))
    return Exposed(electrons, min(depth * carbon.mean_free_path_nm, _THICKEST_NM))
