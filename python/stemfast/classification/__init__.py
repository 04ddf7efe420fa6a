"""Particles of micrographs, found and named: what shape each one is, with a probability.

The steps are one file each: `network` (which network, and what it is shown), `classify`, and
`answer` (the table and its files).
"""

from __future__ import annotations

from stemfast.classification.answer import OVERLAY_FILE, TABLE_FILE, Classification
from stemfast.classification.classify import (
    checked_limits,
    classify,
    classify_found,
    classify_in,
)
from stemfast.classification.network import DEFAULT_MODEL, known_model, load_model, shown
from stemfast.micrograph.table import NOT_SURE

__all__ = [
    "DEFAULT_MODEL",
    "NOT_SURE",
    "OVERLAY_FILE",
    "TABLE_FILE",
    "Classification",
    "checked_limits",
    "classify",
    "classify_found",
    "classify_in",
    "known_model",
    "load_model",
    "shown",
]
