"""A user's own labelled images as training samples, beside the simulated ones.

A folder holds images in any format that `stemfast find` reads; beside NAME.png lies either
NAME.txt, one box a line (class, then centre, width and height as shares of the image, as YOLO
writes them), or a label image: NAME_labels.tif, or NAME.png or .tif in a folder ``masks`` or
``labels``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects, zoom

from stemfast.evaluation.detection import box_overlap, boxes_of, f1_score, matched
from stemfast.fields.shapes import sphere_outline
from stemfast.finding.hand_labels import read_labels
from stemfast.finding.network.pyramid import Reader
from stemfast.finding.network.reading import detected
from stemfast.finding.network.scaling import as_seen
from stemfast.finding.source import source_of
from stemfast.training.finder.targets import LARGEST_PX, SMALLEST_PX, Sample, targets_of

__all__ = ["Labelled", "read_folder", "sample_of", "score_on"]

Map: TypeAlias = NDArray[np.float32]
Outline: TypeAlias = NDArray[np.float64]

_LABELS = (".tif", ".png", ".npy")


@dataclass(frozen=True, eq=False, repr=False)
class Labelled:
    """One image with its particles.

    Attributes
    ----------
    name : str
    image : (rows, columns) float32
        With particles bright.
    outlines : tuple of (m, 2) float64
        Rows and columns of each particle's outline [px].
    """

    name: str
    image: Map
    outlines: tuple[Outline, ...]

    def __repr__(self) -> str:
        return f"Labelled {self.name}: {len(self.outlines)} particles"


def read_folder(folder: str | Path) -> list[Labelled]:
    """Images of a folder that have labels, in the order of their names.

    Raises
    ------
    ValueError
        If there is no folder, or no image with labels in it, or a file cannot be read.
    """
    place = Path(folder)
    if not place.is_dir():
        raise ValueError(f"--with {place}: there is no such folder")
    # The set of the literature has its images and its masks side by side.
    source = place / "images" if (place / "images").is_dir() else place
    found = []
    for path in sorted(source.iterdir()):
        if not path.is_file() or path.suffix == ".txt" or path.stem.endswith("_labels"):
            continue
        boxes, labels = _labels_of(place, path)
        if boxes is None and labels is None:
            continue
        rows = np.zeros((0, 5)) if boxes is None else _read_boxes(boxes)
        image = source_of(path).image.astype(np.float32)
        if boxes is not None or labels is None:
            outlines = _of_boxes(rows, image.shape)
        else:
            own = np.squeeze(read_labels(labels))[: image.shape[0], : image.shape[1]]
            outlines = _of_labels(own.astype(np.int64))
        if outlines:
            found.append(Labelled(path.stem, _bright(image, outlines), tuple(outlines)))
    if not found:
        raise ValueError(
            f"--with {place}: no image has labels beside it, expected NAME.txt with boxes, "
            "NAME_labels.tif, or masks/NAME.png"
        )
    return found


def _labels_of(folder: Path, path: Path) -> tuple[Path | None, Path | None]:
    """File of boxes and label image that belong to an image, where there are such."""
    boxes = path.with_suffix(".txt")
    names = [path.with_name(f"{path.stem}_labels{end}") for end in _LABELS]
    names += [folder / own / f"{path.stem}{end}" for own in ("masks", "labels") for end in _LABELS]
    labels = next((name for name in names if name.is_file()), None)
    return (boxes if boxes.is_file() and boxes != path else None), labels


def _read_boxes(path: Path) -> NDArray[np.float64]:
    try:
        rows = np.loadtxt(path, ndmin=2)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if rows.size and rows.shape[1] != 5:
        raise ValueError(f"{path} has {rows.shape[1]} columns, expected class x y width height")
    return rows.reshape(-1, 5)


def _of_boxes(rows: NDArray[np.float64], shape: tuple[int, ...]) -> list[Outline]:
    """Ellipses that fill the boxes."""
    found = []
    for _, x, y, width, height in rows:
        half = np.array([0.5 * height * shape[0], 0.5 * width * shape[1]])
        centre = np.array([y * shape[0], x * shape[1]]) - 0.5
        found.append(centre + sphere_outline()[::2] * half)
    return found


def _of_labels(labels: NDArray[np.int64]) -> list[Outline]:
    """Convex hulls of the labels."""
    _, dense = np.unique(labels, return_inverse=True)
    dense = dense.reshape(labels.shape)
    found = []
    for number, part in enumerate(find_objects(dense), start=1):
        if part is None:
            continue
        row, column = np.nonzero(dense[part] == number)
        if len(row) >= 9:
            corner = np.array([part[0].start, part[1].start])
            found.append(_hull(np.stack([row, column], axis=1).astype(np.float64)) + corner)
    return found


def _hull(points: Outline) -> Outline:
    from scipy.spatial import ConvexHull, QhullError

    try:
        hull = points[ConvexHull(points).vertices]
    except QhullError:  # all in one line
        low, high = points.min(axis=0) - 0.5, points.max(axis=0) + 0.5
        return np.array([low, [low[0], high[1]], high, [high[0], low[1]]])
    # Half a pixel outward: the hull runs through the middles of the outermost pixels.
    middle = hull.mean(axis=0)
    away = hull - middle
    length = np.maximum(np.hypot(*away.T), 1e-6)
    return np.asarray(middle + away * (1.0 + 0.5 / length)[:, None])


def _bright(image: Map, outlines: list[Outline]) -> Map:
    """The image, inverted if its particles are darker than what is around them."""
    differences = []
    for outline in outlines[:200]:
        low, high = outline.min(axis=0), outline.max(axis=0)
        size = high - low
        inner = _mean(image, low + 0.25 * size, high - 0.25 * size)
        wide = _mean(image, low - 0.3 * size, high + 0.3 * size)
        differences.append(inner - wide)
    return image if np.median(differences) >= 0 else -image


def _mean(image: Map, low: NDArray[np.float64], high: NDArray[np.float64]) -> float:
    top, left = np.clip(np.floor(low), 0, np.array(image.shape) - 1).astype(int)
    bottom, right = np.clip(np.ceil(high), 1, np.array(image.shape)).astype(int)
    return float(image[top : max(bottom, top + 1), left : max(right, left + 1)].mean())


def sample_of(own: Labelled, side: int, rng: np.random.Generator) -> Sample:
    """Random part of an image at a random scale at which some of its particles can be found.

    Parameters
    ----------
    own : Labelled
    side : int
        Rows and columns [px].
    rng : numpy.random.Generator
    """
    sizes = np.array([np.sqrt(np.ptp(o, axis=0).prod()) for o in own.outlines])
    pick = int(rng.integers(len(sizes)))
    wanted = np.exp(rng.uniform(np.log(1.3 * SMALLEST_PX), np.log(0.8 * LARGEST_PX)))
    scale = float(np.clip(wanted / max(sizes[pick], 2.0), 0.05, 2.0))
    scale = max(scale, side / min(own.image.shape) if min(own.image.shape) < side else scale)
    image = _resampled(own.image, scale)
    seen = as_seen(image)
    middle = (own.outlines[pick].mean(axis=0) + 0.5) * scale
    corner = np.round(middle - side * rng.uniform(0.2, 0.8, 2)).astype(int)
    corner = np.clip(corner, 0, np.maximum(np.array(image.shape) - side, 0))
    part = seen[corner[0] : corner[0] + side, corner[1] : corner[1] + side]
    full = np.zeros((side, side, part.shape[-1]), np.float32)
    full[: part.shape[0], : part.shape[1]] = part
    outlines = [(o + 0.5) * scale - 0.5 - corner for o in own.outlines]
    near = [o for o in outlines if (o.max(axis=0) > 0).all() and (o.min(axis=0) < side).all()]
    labels = _painted(near, side)
    asked = np.ones(len(near), np.bool_)
    return Sample(full.astype(np.float16), targets_of(labels, near, asked, ~asked))


def score_on(reader: Reader, images: list[Labelled], least: float = 0.4) -> float:
    """F1 on labelled images by boxes, at an overlap above `least`."""
    parts = []
    for own in images:
        labels = detected(own.image, reader, "bright").labels
        true = np.array(
            [[o[:, 0].min(), o[:, 0].max(), o[:, 1].min(), o[:, 1].max()] for o in own.outlines]
        ) + np.array([0.0, 1.0, 0.0, 1.0])
        parts.append(matched(box_overlap(boxes_of(labels), true), least=least))
    return f1_score(parts)[0]


def _resampled(image: Map, scale: float) -> Map:
    while scale <= 0.5:
        rows, columns = (n // 2 * 2 for n in image.shape)
        even = image[:rows, :columns]
        image = even.reshape(rows // 2, 2, columns // 2, 2).mean(axis=(1, 3), dtype=np.float32)
        scale *= 2.0
    enlarged: Any = zoom(image, scale, order=1, mode="nearest", grid_mode=True)
    return np.asarray(enlarged, np.float32)


def _painted(outlines: list[Outline], side: int) -> NDArray[np.int32]:
    """Label image of convex outlines, large ones first."""
    labels = np.zeros((side, side), np.int32)
    order = np.argsort([-np.ptp(o, axis=0).prod() for o in outlines], kind="stable")
    for k in order.tolist():
        outline = outlines[k]
        low = np.clip(np.floor(outline.min(axis=0)), 0, side).astype(int)
        high = np.clip(np.ceil(outline.max(axis=0)) + 1, 0, side).astype(int)
        y, x = np.mgrid[low[0] : high[0], low[1] : high[1]]
        ahead = np.roll(outline, -1, axis=0) - outline
        cross = [d[0] * (x - p[1]) - d[1] * (y - p[0]) for p, d in zip(outline, ahead, strict=True)]
        side_of = np.array(cross)
        inside = (side_of >= -1e-9).all(axis=0) | (side_of <= 1e-9).all(axis=0)
        labels[low[0] : high[0], low[1] : high[1]][inside] = k + 1
    return labels
