"""Coarse shapes of labelled real particles, by the network of portraits.

Run: python examples/real_shapes.py [FOLDER OF A NETWORK]

The images are those of ../shared/data/real/emps with their masks; their shapes were read by eye
(tests/emps_shapes.json). Printed are, for each image, how many of its whole particles got their
coarse shape, and the names that they got.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from stemfast.micrograph import FoundParticle, portraits
from stemfast.micrograph.families import coarse_shapes
from stemfast.pretrained import TrainedClassifier, load, load_pretrained

HERE = Path(__file__).resolve().parents[1]
FOLDER = HERE.parent / "shared/data/real/emps"
TRUTH = HERE / "tests/emps_shapes.json"


def particles(name: str) -> tuple[np.ndarray, list[FoundParticle]]:
    """Image with bright particles, and the particles of its masks that no border cuts."""
    from PIL import Image

    image = np.array(Image.open(FOLDER / f"images/{name}.png").convert("L"), float)
    masks = np.array(Image.open(FOLDER / f"masks/{name}.png")).astype(np.int32)
    whole = []
    for label in np.unique(masks[masks > 0]).tolist():
        rows, columns = np.nonzero(masks == label)
        box = (int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1)
        edge = box[0] == 0 or box[1] == 0 or box[2] == len(masks) or box[3] == masks.shape[1]
        if len(rows) >= 60 and not edge:
            whole.append(FoundParticle(label, box, 1.0, False, masks))
    return -image, whole


def main(network: TrainedClassifier) -> tuple[int, int]:
    """Print the table; right answers and particles."""
    right = total = 0
    for name, truth in json.loads(TRUTH.read_text("utf-8"))["shapes"].items():
        image, whole = particles(name)
        if not whole:
            print(f"{name}  no whole particle")
            continue
        views = portraits(image, whole)
        chances = network.probabilities(views)
        kinds = [kind for kind, _ in coarse_shapes(network.class_names, chances, whole)]
        likely = Counter(network.class_names[k] for k in chances.argmax(axis=1))
        own = sum(kind == truth for kind in kinds)
        right, total = right + own, total + len(whole)
        said = ", ".join(f"{count} {shape}" for shape, count in likely.most_common(5))
        print(f"{name}  {truth:7s} {own:3d} of {len(whole):3d}   {said}")
    print(f"all: {right} of {total}, {100 * right / total:.1f} %")
    return right, total


if __name__ == "__main__":
    main(load(sys.argv[1]) if len(sys.argv) > 1 else load_pretrained("open-shapes"))
