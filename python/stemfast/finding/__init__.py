"""Particles found in a micrograph: where they are, how large, how sure.

The steps are one file each: `source` (an image and its scale), `artefacts` (what is no sample), a
detector (`classical`, or the network), `outline` (where each particle ends), `measured`, `found`
(the answer), `population` (its sizes), `table`, `picture` and `files`.
"""

from __future__ import annotations

from stemfast.finding.detection import Detection
from stemfast.finding.find import find
from stemfast.finding.found import Found
from stemfast.finding.measured import FoundOne
from stemfast.finding.population import Population

__all__ = ["Detection", "Found", "FoundOne", "Population", "find"]
