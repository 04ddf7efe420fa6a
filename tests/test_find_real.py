"""The shipped finder on labelled real micrographs; skipped where they are not at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("flax")
Image = pytest.importorskip("PIL.Image")

from stemfast.evaluation.detection import (  # noqa: E402
    box_overlap,
    boxes_of,
    f1_score,
    matched,
)
from stemfast.finding.network import detect  # noqa: E402

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "real"
#: The shipped weights reach 0.75; bench/finding_comparison.py has the other collection as well.
CATALYSTS = 0.71

needs_images = pytest.mark.skipif(
    not REAL.is_dir(), reason="the labelled images of ../shared/data/real are not at hand"
)


def grey(path):
    return np.asarray(Image.open(path).convert("L")).astype(np.float32)


@needs_images
def test_particles_of_supported_catalysts_are_found():
    """Boxes, right above an overlap of 0.4; the picture alone is known."""
    parts = []
    for path in sorted((REAL / "catalysts").glob("*.jpg")):
        image = grey(path)
        rows, columns = image.shape
        _, x, y, width, height = np.loadtxt(path.with_suffix(".txt"), ndmin=2).T
        true = np.stack(
            [
                (y - height / 2) * rows,
                (y + height / 2) * rows,
                (x - width / 2) * columns,
                (x + width / 2) * columns,
            ],
            axis=1,
        )
        parts.append(matched(box_overlap(boxes_of(detect(image).labels), true), least=0.4))
    assert f1_score(parts)[0] >= CATALYSTS
