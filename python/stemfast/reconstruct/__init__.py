"""Reconstruct a particle from several images of it: ``stemfast reconstruct``.

`ground_truth` takes images, finds the cuboid with cut corners that explains them, says how sure
that is, and says so if none does. `read_series` reads a tilt series or several files.
"""

from stemfast.reconstruct.answer import NOT_EXPLAINED, GroundTruth, ImageFit
from stemfast.reconstruct.atoms import Atoms, read_xyz
from stemfast.reconstruct.picture import write_picture
from stemfast.reconstruct.series import Series, read_series
from stemfast.reconstruct.solve import ground_truth
from stemfast.reconstruct.stl import write_stl
from stemfast.reconstruct.write import write_answer

__all__ = [
    "NOT_EXPLAINED",
    "Atoms",
    "GroundTruth",
    "ImageFit",
    "Series",
    "ground_truth",
    "read_series",
    "read_xyz",
    "write_answer",
    "write_picture",
    "write_stl",
]
