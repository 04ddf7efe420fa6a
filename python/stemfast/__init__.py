"""Experimental-like HAADF-STEM images of 3-D particles whose truth is known.

>>> import stemfast as sf
>>> image = sf.simulate(sf.Cuboid(edges=(24, 20, 16)), seed=7)
>>> image.shape, image.dtype
((128, 128), dtype('uint16'))
"""

from importlib import import_module
from importlib.metadata import version as _version
from typing import Any as _Any

from stemfast import materials, orientation, symmetry, units
from stemfast.image import Image
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

_LOADED_WHEN_USED = (
    "dataset",
    "fields",
    "fit",
    "micrograph",
    "recipes",
    "transfer",
)
_FUNCTIONS_LOADED_WHEN_USED = {
    "classify": "stemfast.classification",
    "features": "stemfast.describing",
    "find": "stemfast.finding",
    "ground_truth": "stemfast.reconstruction",
    "load_pretrained": "stemfast.pretrained.shipped",
    "match": "stemfast.matching",
    "reconstruct": "stemfast.reconstruction",
    "train": "stemfast.training",
}


def __getattr__(name: str) -> _Any:
    if name in _LOADED_WHEN_USED:
        return import_module(f"stemfast.{name}")
    if name in _FUNCTIONS_LOADED_WHEN_USED:
        return getattr(import_module(_FUNCTIONS_LOADED_WHEN_USED[name]), name)
    raise AttributeError(f"module 'stemfast' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
