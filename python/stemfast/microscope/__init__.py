"""The microscope: everything about an experiment that is not the specimen.

All settings are frozen: change one with `replace`, which checks again. Units are in the names.
"""

from stemfast.microscope.beam import Beam
from stemfast.microscope.bright_field import BrightField
from stemfast.microscope.detector import Detector
from stemfast.microscope.film import Film
from stemfast.microscope.haadf import Haadf
from stemfast.microscope.instrument import Microscope
from stemfast.microscope.probe import Probe
from stemfast.microscope.scan import Instability, Scan
from stemfast.microscope.settings import Settings

__all__ = [
    "Beam",
    "BrightField",
    "Detector",
    "Film",
    "Haadf",
    "Instability",
    "Microscope",
    "Probe",
    "Scan",
    "Settings",
]
