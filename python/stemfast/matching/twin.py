"""Simulated crops under a micrograph's conditions, to be seen beside its own."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from stemfast import materials
from stemfast.matching.conditions import Conditions
from stemfast.matching.exposure import VOLUME_OF_SHADOW, exposed
from stemfast.microscope import Beam, Detector, Film, Microscope, Probe, Scan
from stemfast.particles import Cuboid, Octahedron, Particle, Sphere, Tetrahedron
from stemfast.simulation.simulate import simulate

__all__ = ["simulated_crops"]

_MATERIAL = "Pt"
_ELECTRONS_PER_PA_US = 6.241509074
_DWELL_US = 4.0
_SEED = 22
_SHARPEST_PX = 0.3
_ROUGHEST = 0.3
_UNSCALED_NM = 5.0  # typical diameter where the scale is not known


def simulated_crops(
    conditions: Conditions, diameters: Sequence[float], side: int
) -> NDArray[np.float32]:
    """Platinum particles of these sizes under the conditions, one to a crop.

    Dark particles are drawn as the negative of bright ones, as networks see them.

    Parameters
    ----------
    conditions : Conditions
        With a gain, a signal and the noise of the background. Without a scale the typical particle
        is taken to be 5 nm wide.
    diameters : sequence of float, length n
        Of the discs of the particles' areas, in the unit of `conditions.diameter_median`.
    side : int
        Of the crops [px].

    Returns
    -------
    ndarray of float32, shape (n, side, side)
        Grey levels above the black level, or minus the electrons of the negative.
    """
    # Where the border cuts every particle, what is seen of them has to do.
    typical = conditions.diameter_median.value or float(np.median(diameters))
    in_nm = 1.0 if conditions.pixel_size.known else _UNSCALED_NM / typical
    pixel = conditions.pixel_size.value or in_nm
    gain = conditions.gain.number
    probe = conditions.probe_fwhm
    width = in_nm * probe.value if probe.value is not None else _SHARPEST_PX * pixel
    read = conditions.read_noise.value
    dark = conditions.contrast == "dark"
    behind = conditions.background_electrons.value if read is not None else None
    if dark:
        read, behind = math.sqrt(conditions.background_variance.number), 0.0
    elif behind is None:
        read, behind = 0.0, conditions.background_variance.number
    signal = conditions.signal_median.number
    platinum, carbon = (
        materials.get(name).scattering_curve(Microscope().collection) for name in (_MATERIAL, "C")
    )
    dose = exposed(signal, behind, VOLUME_OF_SHADOW * in_nm * typical, platinum, carbon)
    microscope = Microscope(
        scan=Scan(shape=(side, side), pixel_size_nm=pixel, dwell_us=_DWELL_US),
        beam=Beam(current_pa=dose.electrons_px / (_DWELL_US * _ELECTRONS_PER_PA_US)),
        probe=Probe(fwhm_nm=width),
        film=_film(conditions, dose.film_nm, behind, in_nm, 0.5 * side * pixel),
        detector=Detector(bits=None, gain=gain, read_noise=gain * (read or 0.0)),
    )
    crops = []
    for number, diameter in enumerate(diameters):
        ball = VOLUME_OF_SHADOW * in_nm * diameter
        pose = Rotation.random(rng=np.random.default_rng([_SEED, number]))
        image = simulate(
            _particle(number, ball), pose, microscope, seed=_SEED, first_index=number, n_threads=1
        )
        crops.append(-image if dark else image)
    return np.asarray(np.stack(crops), np.float32)


def _particle(number: int, diameter_nm: float) -> Particle:
    """A sphere, cuboid, octahedron or tetrahedron of a ball's volume, one after the other."""
    volume = math.pi / 6.0 * diameter_nm**3
    kind = number % 4
    if kind == 0:
        return Sphere(0.5 * diameter_nm, material=_MATERIAL)
    if kind == 1:
        edge = volume ** (1.0 / 3.0)
        return Cuboid(edges=(1.2 * edge, edge, edge / 1.2), material=_MATERIAL)
    if kind == 2:
        return Octahedron((3.0 * volume / math.sqrt(2.0)) ** (1.0 / 3.0), material=_MATERIAL)
    return Tetrahedron((6.0 * math.sqrt(2.0) * volume) ** (1.0 / 3.0), material=_MATERIAL)


def _film(
    conditions: Conditions, thickness_nm: float, electrons: float, in_nm: float, farthest_nm: float
) -> Film:
    """A film of that thickness and of the background's structure.

    Structure that reaches farther than could be told reaches half across a crop.
    """
    rough, reach = conditions.background_roughness, conditions.background_correlation
    share = 0.0
    if rough.value is not None and electrons > 0:
        share = min(rough.value / conditions.gain.number / electrons, _ROUGHEST)
    if thickness_nm <= 0 or share <= 0:
        return Film(thickness_nm=thickness_nm)
    return Film(
        thickness_nm=thickness_nm,
        roughness_nm=share * thickness_nm,
        correlation_nm=farthest_nm if reach.value is None else in_nm * reach.value,
    )
