"""Experimental-like HAADF-STEM images of 3-D particles whose truth is known.

>>> import stemfast as sf
>>> image = sf.simulate(sf.Cuboid(edges=(24, 20, 16)), seed=7)
>>> image.shape, image.dtype
((128, 128), dtype('uint16'))
"""

from importlib.metadata import version as _version

from stemfast import materials, orientation, symmetry, units
from stemfast.image import Image
from stemfast.lazy import loaded_when_used as _loaded_when_used
from stemfast.materials import Material
from stemfast.microscope import (
    Beam,
    BrightField,
    Detector,
    Film,
    Haadf,
    Instability,
    Microscope,
    Probe,
    Scan,
)
from stemfast.particles import (
    CoreShell,
    Cuboid,
    Decahedron,
    Displacement,
    Ellipsoid,
    HexagonalPrism,
    Hollow,
    Icosahedron,
    Octahedron,
    Particle,
    Polyhedron,
    Rounding,
    Sphere,
    Tetrahedron,
    TruncatedOctahedron,
    Truncation,
    Wulff,
    contaminated,
)
from stemfast.particles.specimen import Specimen
from stemfast.simulation.motion import PosePath
from stemfast.simulation.saturation import SaturationError, SaturationWarning
from stemfast.simulation.simulate import simulate, thickness
from stemfast.simulation.taken import Simulation
from stemfast.simulation.truth import Truth
from stemfast.simulation.voxels import project_volume, voxelize

__version__ = _version("stemfast")

__all__ = [
    "Beam",
    "BrightField",
    "CoreShell",
    "Cuboid",
    "Decahedron",
    "Detector",
    "Displacement",
    "Ellipsoid",
    "Film",
    "Haadf",
    "HexagonalPrism",
    "Hollow",
    "Icosahedron",
    "Image",
    "Instability",
    "Material",
    "Microscope",
    "Octahedron",
    "Particle",
    "Polyhedron",
    "PosePath",
    "Probe",
    "Rounding",
    "SaturationError",
    "SaturationWarning",
    "Scan",
    "Simulation",
    "Specimen",
    "Sphere",
    "Tetrahedron",
    "TruncatedOctahedron",
    "Truncation",
    "Truth",
    "Wulff",
    "__version__",
    "classify",
    "contaminated",
    "dataset",
    "features",
    "fields",
    "find",
    "fit",
    "ground_truth",
    "load_pretrained",
    "match",
    "materials",
    "micrograph",
    "orientation",
    "project_volume",
    "recipes",
    "reconstruct",
    "simulate",
    "symmetry",
    "thickness",
    "train",
    "transfer",
    "units",
    "voxelize",
]

__getattr__ = _loaded_when_used(
    __name__,
    {
        "classify": "classification",
        "features": "describing",
        "find": "finding",
        "ground_truth": "reconstruction",
        "load_pretrained": "pretrained.shipped",
        "match": "matching",
        "reconstruct": "reconstruction",
        "train": "training",
    },
    ("dataset", "fields", "fit", "micrograph", "recipes", "transfer"),
)


def __dir__() -> list[str]:
    return sorted(__all__)
