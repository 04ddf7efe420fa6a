"""Real micrographs: read a file, find its particles, crop them for the networks, draw the answer.

The steps are one file each: `read`, `find_particles`, `views` (or `crops`), then a network, then
`table_rows`, `write_table` and `draw_overlay`. Nothing heavy loads before it is needed.
"""

from __future__ import annotations

from stemfast.micrograph.crop import crop, crops, prepare_single, standardise
from stemfast.micrograph.field import SimulatedField, simulated_field
from stemfast.micrograph.files.error import MicrographError
from stemfast.micrograph.files.read import Micrograph, read
from stemfast.micrograph.find import FoundParticle, FoundParticles, find_particles
from stemfast.micrograph.fit import SphereFit, fit_sphere, sphere_fit_mask, sphere_thickness
from stemfast.micrograph.overlay import draw_overlay
from stemfast.micrograph.portrait import portraits
from stemfast.micrograph.table import NOT_SURE, table_rows, write_table
from stemfast.micrograph.view import electrons_nm2, views, widths_nm

__all__ = [
    "NOT_SURE",
    "FoundParticle",
    "FoundParticles",
    "Micrograph",
    "MicrographError",
    "SimulatedField",
    "SphereFit",
    "crop",
    "crops",
    "draw_overlay",
    "electrons_nm2",
    "find_particles",
    "fit_sphere",
    "portraits",
    "prepare_single",
    "read",
    "simulated_field",
    "sphere_fit_mask",
    "sphere_thickness",
    "standardise",
    "table_rows",
    "views",
    "widths_nm",
    "write_table",
]
