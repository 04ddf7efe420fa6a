"""Slow, obvious NumPy versions of what the core does fast, in float64.

Tests compare the two on random input. Nothing here calls the core or shares code with it, and
nothing is optimised: read it to learn what the core is meant to compute.
"""

from stemfast.reference.clock import beam_shift, pixel_centres, pixel_times, pose_times
from stemfast.reference.film import (
    beam_positions,
    film_thickness,
    octaves,
    rough_surface,
    roughness_density,
)
from stemfast.reference.image import (
    afterglow,
    detected_fraction,
    focused_fraction,
    gaussian_blur,
    lorentzian_blur,
)
from stemfast.reference.random import haar_quaternion, philox, uniforms
from stemfast.reference.resting import resting_faces
from stemfast.reference.solids import chords, occupancy, project_volume, thickness

__all__ = [
    "afterglow",
    "beam_positions",
    "beam_shift",
    "chords",
    "detected_fraction",
    "film_thickness",
    "focused_fraction",
    "gaussian_blur",
    "haar_quaternion",
    "lorentzian_blur",
    "occupancy",
    "octaves",
    "philox",
    "pixel_centres",
    "pixel_times",
    "pose_times",
    "project_volume",
    "resting_faces",
    "rough_surface",
    "roughness_density",
    "thickness",
    "uniforms",
]
