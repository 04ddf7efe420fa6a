"""Reconstruct a particle from several images of it: ``stemfast reconstruct``.

`ground_truth` takes images, finds the cuboid with cut corners that explains them, says how sure
that is, and says so if none does. `read_series` reads a tilt series or several files.
"""

from stemfast.reconstruction.answer import NOT_EXPLAINED, GroundTruth, ImageFit
from stemfast.reconstruction.atoms import Atoms, read_xyz
from stemfast.reconstruction.picture import write_picture
from stemfast.reconstruction.series import Series, read_series
from stemfast.reconstruction.solve import ground_truth
from stemfast.reconstruction.stl import write_stl
from stemfast.reconstruction.write import write_answer

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
