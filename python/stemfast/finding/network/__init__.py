"""Finding particles with the trained network: scales, tiles, star-convex outlines."""

from __future__ import annotations

from stemfast.finding.network.reading import detect

__all__ = ["detect"]
