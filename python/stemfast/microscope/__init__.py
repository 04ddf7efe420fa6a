"""The microscope: everything about an experiment that is not the specimen.

All settings are frozen: change one with `replace`, which checks again. Units are in the names.
"""

from .beam import Beam
from .detector import Detector
from .film import Film
from .haadf import Haadf
from .instrument import Microscope
from .probe import Probe
from .scan import Instability, Scan
from .settings import Settings

__all__ = [
    "Beam",
    "Detector",
    "Film",
    "Haadf",
    "Instability",
    "Microscope",
    "Probe",
    "Scan",
    "Settings",
]
