"""Reconstruction of a particle from several images of it: ``stemfast reconstruct``.

`reconstruct` takes images, fits the cuboid with cut corners that explains them, gives error bars,
and says so if none does; `ground_truth` is its older name. `read_series` reads a tilt series or
several files.
"""

from stemfast.particles.stl import write_stl
from stemfast.reconstruction.answer import NOT_EXPLAINED, ImageFit, Reconstruction
from stemfast.reconstruction.atoms import Atoms, read_xyz
from stemfast.reconstruction.families import FamilyReconstruction
from stemfast.reconstruction.picture import write_picture
from stemfast.reconstruction.series import Series, read_series
from stemfast.reconstruction.solve import ground_truth, reconstruct
from stemfast.reconstruction.write import write_answer

__all__ = [
    "NOT_EXPLAINED",
    "Atoms",
    "FamilyReconstruction",
    "ImageFit",
    "Reconstruction",
    "Series",
    "ground_truth",
    "read_series",
    "read_xyz",
    "reconstruct",
    "write_answer",
    "write_picture",
    "write_stl",
]
