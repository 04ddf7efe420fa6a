"""Particles of micrographs, found and named: what shape each one is, with a probability.

The steps are one file each: `network` (which network, and what it is shown), `classify`, `corners`
(those of cuboids), `hands` (theirs, from tilt series), and `answer` (the table and its files).
"""

from __future__ import annotations

from stemfast.classification.answer import OVERLAY_FILE, TABLE_FILE, Classification
from stemfast.classification.classify import (
    checked_limits,
    classify,
    classify_found,
    classify_in,
)
from stemfast.classification.corners import CORNER_COLUMNS, CORNERS_MODEL, CUBOID, check_cuboids
from stemfast.classification.hands import (
    HAND_COLUMNS,
    TiltAxis,
    frames_of,
    tell_hands,
    tilt_axis,
)
from stemfast.classification.network import (
    DEFAULT_MODEL,
    classes_of,
    known_model,
    load_model,
    model_folder,
    shown,
)
from stemfast.micrograph.table import NOT_SURE

__all__ = [
    "CORNERS_MODEL",
    "CORNER_COLUMNS",
    "CUBOID",
    "DEFAULT_MODEL",
    "HAND_COLUMNS",
    "NOT_SURE",
    "OVERLAY_FILE",
    "TABLE_FILE",
    "Classification",
    "TiltAxis",
    "check_cuboids",
    "checked_limits",
    "classes_of",
    "classify",
    "classify_found",
    "classify_in",
    "frames_of",
    "known_model",
    "load_model",
    "model_folder",
    "shown",
    "tell_hands",
    "tilt_axis",
]
