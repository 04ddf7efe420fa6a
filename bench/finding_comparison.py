"""Finders on the labelled real images of ../shared/data/real: F1 of each method, the worst images.

    python bench/finding_comparison.py [--images NAME,NAME] [--methods classical,network]

Catalysts have labelled boxes, a found particle is right at an overlap above 0.4; transmission
images have masks, above 0.5. Each method is given the picture alone: no scale, no contrast. The
blob detector and the watershed are scikit-image's and are tried in both contrasts, of which the
better one counts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from stemfast.evaluation.detection import (
    Matches,
    box_overlap,
    boxes_of,
    f1_score,
    mask_overlap,
    matched,
)

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "real"
Labels = NDArray[np.int32]
Grey = NDArray[np.float32]


def by_stemfast(method: str) -> Callable[[Grey], list[Labels]]:
    """Labels that `sf.find` gives, or none where it refuses the image."""

    def run(image: Grey) -> list[Labels]:
        import stemfast as sf
        from stemfast.micrograph import MicrographError

        try:
            return [np.asarray(sf.find(image, method=method).labels)]
        except MicrographError:
            return [np.zeros(image.shape, np.int32)]

    return run


def blobs(image: Grey) -> list[Labels]:
    """Multi-scale Laplacian of Gaussian, each blob a disc of its size."""
    from skimage.feature import blob_log

    found = []
    factor = max(1, round(max(image.shape) / 640))
    small = ndimage.zoom(image, 1 / factor, order=1)
    span = np.ptp(np.percentile(small, (0.5, 99.5))) or 1.0
    for sign in (1.0, -1.0):
        unit = sign * (small - np.median(small)) / span
        rows = blob_log(unit, min_sigma=2, max_sigma=30, num_sigma=12, threshold=0.08, overlap=0.4)
        labels = np.zeros(image.shape, np.int32)
        for number, (y, x, sigma) in enumerate(sorted(rows.tolist(), key=lambda r: -r[2]), 1):
            reach = sigma * np.sqrt(2.0) * factor
            low = np.maximum(np.array([y, x]) * factor - reach, 0).astype(int)
            high = (np.array([y, x]) * factor + reach).astype(int) + 2
            part = labels[low[0] : high[0], low[1] : high[1]]
            r, c = np.indices(part.shape)
            inside = np.hypot(r + low[0] - y * factor, c + low[1] - x * factor) <= reach
            part[inside] = number
        found.append(labels)
    return found


def watershed(image: Grey) -> list[Labels]:
    """Otsu's threshold of the smoothed image, then a watershed of the distance to the edge."""
    from skimage.feature import peak_local_max
    from skimage.filters import threshold_otsu
    from skimage.segmentation import watershed as flooded

    found = []
    smooth = ndimage.gaussian_filter(image, max(1.0, max(image.shape) / 640))
    for sign in (1.0, -1.0):
        own = sign * smooth
        inside = own > threshold_otsu(own)
        distance = ndimage.distance_transform_edt(inside)
        peaks = peak_local_max(distance, min_distance=5, labels=ndimage.label(inside)[0])
        seeds = np.zeros(image.shape, np.int32)
        seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
        found.append(flooded(-distance, seeds, mask=inside).astype(np.int32))
    return found


def boundary(image: Grey) -> list[Labels]:
    """The shipped network's foreground and boundary, parted by a watershed, in both contrasts.

    The rival of its star-convex outlines: pieces of foreground without boundary are seeds, the
    foreground is flooded from them, and the surest of regions of different octaves that share half
    of the smaller is kept.
    """
    import jax
    from flax import nnx
    from skimage.segmentation import watershed as flooded

    from stemfast.finding.network.pyramid import octaves
    from stemfast.finding.network.scaling import as_seen
    from stemfast.models.finder import STRIDE
    from stemfast.pretrained import load_pretrained

    model = load_pretrained("finder").model
    side = model.config.multiple
    answers = []
    for sign in (np.float32(1.0), np.float32(-1.0)):
        regions: list[tuple[float, float, NDArray[np.intp]]] = []
        for octave in octaves(image):
            seen = as_seen(sign * octave.image)
            rows, columns = seen.shape[:2]
            full = np.pad(seen, ((0, -rows % side), (0, -columns % side), (0, 0)), mode="edge")
            reading = nnx.jit(model)(full[None])
            middle, inside, edge = (
                np.asarray(jax.nn.sigmoid(part[0]))[: rows // STRIDE, : columns // STRIDE]
                for part in (reading.middle, reading.foreground, reading.boundary)
            )
            seeds = ndimage.label((inside > 0.5) & (edge < 0.5) & (middle > 0.3))[0]
            labels = flooded(-middle, seeds, mask=inside > 0.5)
            for number, part in enumerate(ndimage.find_objects(labels), start=1):
                if part is None:
                    continue
                own = labels[part] == number
                size = STRIDE * np.sqrt(4.0 / np.pi * own.sum())
                if not 5.0 <= size <= 110.0:
                    continue
                score = float(middle[part][own].max())
                cells = np.argwhere(own) + np.array([part[0].start, part[1].start])
                regions.append((score, octave.factor / STRIDE, cells))
        answers.append(_surest(regions, image.shape))
    return answers


def _surest(regions: list[tuple[float, float, NDArray[np.intp]]], shape: tuple[int, ...]) -> Labels:
    """Label image of regions of cells, the surest first, without those that share half."""
    labels = np.zeros(shape, np.int32)
    for score, scale, cells in sorted(regions, key=lambda one: -one[0]):
        if score < 0.55:
            break
        low, high = cells.min(axis=0), cells.max(axis=0) + 1
        mask = np.zeros(high - low, bool)
        mask[tuple((cells - low).T)] = True
        start = np.maximum(np.floor(low / scale), 0).astype(int)
        stop = np.minimum(np.ceil(high / scale), shape).astype(int)
        y, x = (np.arange(a, b) for a, b in zip(start, stop, strict=True))
        row = np.clip((y * scale).astype(int) - low[0], 0, mask.shape[0] - 1)
        column = np.clip((x * scale).astype(int) - low[1], 0, mask.shape[1] - 1)
        own = mask[row[:, None], column[None, :]]
        part = labels[start[0] : stop[0], start[1] : stop[1]]
        if own.sum() and (part[own] > 0).mean() < 0.45:
            part[own & (part == 0)] = labels.max() + 1
    return labels


METHODS: dict[str, Callable[[Grey], list[Labels]]] = {
    "classical": by_stemfast("classical"),
    "blobs": blobs,
    "watershed": watershed,
    "boundary": boundary,
    "network": by_stemfast("network"),
}


def labelled() -> list[tuple[str, Path, Any]]:
    """Collection, picture and truth (boxes, or a mask) of every labelled image."""
    found: list[tuple[str, Path, Any]] = []
    for path in sorted((REAL / "catalysts").glob("*.jpg")):
        rows, columns = Image.open(path).size[::-1]
        _, x, y, width, height = np.loadtxt(path.with_suffix(".txt"), ndmin=2).T
        boxes = np.stack(
            [
                (y - height / 2) * rows,
                (y + height / 2) * rows,
                (x - width / 2) * columns,
                (x + width / 2) * columns,
            ],
            axis=1,
        )
        found.append(("catalysts", path, boxes))
    for path in sorted((REAL / "emps" / "images").glob("*.png")):
        rows, columns = Image.open(path).size[::-1]
        mask = np.asarray(Image.open(REAL / "emps" / "masks" / path.name))[:rows, :columns]
        dense = np.unique(mask, return_inverse=True)[1].reshape(mask.shape).astype(np.int32)
        found.append(("emps", path, dense))
    return found


def score(labels: Labels, kind: str, truth: Any) -> Matches:
    """Matches of one label image."""
    if kind == "catalysts":
        return matched(box_overlap(boxes_of(labels), truth), least=0.4)
    dense = np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int32)
    return matched(mask_overlap(dense, truth), least=0.5)


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--images", default="", help="names of images, all by default")
    options.add_argument("--methods", default=",".join(METHODS))
    asked = options.parse_args()
    if not REAL.is_dir():
        raise SystemExit(f"there is no {REAL}: the labelled images are not at hand")
    names = [name for name in asked.images.split(",") if name]
    methods = asked.methods.split(",")
    parts: dict[tuple[str, str], list[Matches]] = {}
    spent = dict.fromkeys(methods, 0.0)
    each: list[tuple[float, str, str]] = []
    for kind, path, truth in labelled():
        if names and path.stem not in names:
            continue
        image = np.asarray(Image.open(path).convert("L")).astype(np.float32)
        line = f"{path.stem:14s}"
        for method in methods:
            began = time.perf_counter()
            answers = [score(labels, kind, truth) for labels in METHODS[method](image)]
            spent[method] += time.perf_counter() - began
            best = max(answers, key=lambda m: f1_score([m])[0])
            parts.setdefault((kind, method), []).append(best)
            line += f"  {method} {int(best.right.sum())} of {len(best.right)} found"
            if method == methods[-1]:
                each.append((f1_score([best])[0], path.stem, method))
        print(f"{line}  ({best.true} true)", flush=True)
    for (kind, method), own in parts.items():
        f1, recall, precision = f1_score(own)
        print(
            f"{kind:10s} {method:10s} F1 {f1:.3f}  recall {recall:.3f}  precision {precision:.3f}"
            f"  {spent[method]:.0f} s for all"
        )
    print("worst: " + ", ".join(f"{name} {value:.2f}" for value, name, _ in sorted(each)[:10]))


if __name__ == "__main__":
    main()
