"""Overlap of found particles with the truth, by each outline that there is for them.

Run: python examples/outlines_on_supports.py [NUMBER OF SIMULATED FIELDS]

The network draws a star-convex outline; where brightness falls across the edges tells another;
`stemfast find` takes the second where the two agree or the particle stands out. Printed is the
mean overlap (intersection over union) of those that any of them finds: of boxes for the catalysts
of ../shared/data/real, of masks for its transmission images and for simulated fields.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stemfast.evaluation.detection import box_overlap, boxes_of, mask_overlap
from stemfast.fields import FieldRecipe
from stemfast.finding.artefacts.damage import repair
from stemfast.finding.find import search
from stemfast.finding.measured import Believed, measure
from stemfast.finding.outline.paint import painted_labels

REAL = Path(__file__).resolve().parents[2] / "shared/data/real"
Labels = NDArray[np.int32]
Boxes = NDArray[np.float64]


def catalysts() -> Iterator[tuple[NDArray[np.float32], Boxes]]:
    """Images, and boxes of their particles as those of `boxes_of`."""
    from PIL import Image

    for path in sorted((REAL / "catalysts").glob("*.jpg")):
        image = np.asarray(Image.open(path).convert("L"), np.float32)
        _, x, y, width, height = np.loadtxt(path.with_suffix(".txt"), ndmin=2).T
        rows, columns = image.shape
        ends = (y - height / 2, y + height / 2), (x - width / 2, x + width / 2)
        yield image, np.stack([*np.array(ends[0]) * rows, *np.array(ends[1]) * columns], axis=1)


def transmission() -> Iterator[tuple[NDArray[np.float32], Labels]]:
    """Images and masks."""
    from PIL import Image

    for path in sorted((REAL / "emps/images").glob("*.png")):
        image = np.asarray(Image.open(path).convert("L"), np.float32)
        masks = np.asarray(Image.open(REAL / "emps/masks" / path.name)).astype(np.int32)
        yield image, masks[: image.shape[0], : image.shape[1]]


def simulated(count: int) -> Iterator[tuple[NDArray[np.float32], Labels]]:
    """Fields of all kinds and labels."""
    recipe = FieldRecipe(rows=384, columns=384, empty=0.0)
    for index in range(count):
        field = recipe.draw(77, index)
        yield field.image.astype(np.float32), field.labels


def overlaps(labels: Labels, truth: Labels | Boxes) -> NDArray[np.float64]:
    """Largest overlap of each found particle with any true one."""
    masks = truth.shape == labels.shape
    pairs = mask_overlap(labels, truth) if masks else box_overlap(boxes_of(labels), truth)
    return np.asarray(pairs.max(axis=1, initial=0.0))


def main(count: int) -> None:
    """Print the table."""
    print("images                 particles  network's  edges'  chosen")
    sources = {"simulated fields": simulated(count)}
    if REAL.is_dir():
        sources = {"catalysts": catalysts(), "transmission images": transmission(), **sources}
    for name, images in sources.items():
        found = []
        for image, truth in images:
            mended = repair(image)
            method, detection = search(mended)
            if method == "classical" or len(detection) == 0:
                continue
            ways = [overlaps(detection.labels, truth)]
            edges: Believed
            for edges in ("always", "clear"):
                particles, _ = measure(mended.image, detection, mended.mask, edges=edges)
                lines = [one.outline if one.edges_fitted else None for one in particles]
                ways.append(overlaps(painted_labels(detection.labels, lines), truth))
            found.append(np.stack(ways))
        table = np.concatenate(found, axis=1)
        table = table[:, table.max(axis=0) > 0.35]
        said = "  ".join(f"{value:9.3f}" for value in table.mean(axis=1))
        print(f"{name:22s} {table.shape[1]:9d}  {said}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
