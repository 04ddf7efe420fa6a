"""Annotations of fields in the formats of other programs: COCO, YOLO, Hugging Face ``datasets``.

COCO and YOLO get the particles that can be seen: whose `visible` is true. Boxes and polygons are of
the whole projection in the field, also where another particle lies over it; the masks hold the
visible parts.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemfast.dataset.fields.record import Record, clipped
from stemfast.fields.shapes import CLASSES, COMPOSITES, library

__all__ = ["coco", "metadata", "yolo", "yolo_yaml"]

_LOST, _HIDDEN, _SEEN = 0, 1, 2  # COCO's flags of key points


def coco(records: Iterable[Record], *, licence: str, description: str) -> dict[str, Any]:
    """Instances and key points of a split in COCO's format.

    https://cocodataset.org/#format-data: x to the right and y down, the first pixel from 0 to 1.
    Key points are the projected corners in the order of the shape, also those behind, which a
    transmitted beam shows as well; they are flagged 1 where another particle lies over them and 0
    outside the field. Spheres, ellipsoids and irregular particles have none.

    Parameters
    ----------
    records : iterable of dict
        Those of `stemfast.dataset.fields.record.recorded`.
    licence, description : str
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for record in records:
        image_id = int(record["number"]) + 1
        images.append(
            {
                "id": image_id,
                "file_name": record["image"],
                "width": record["columns"],
                "height": record["rows"],
                "license": 1,
                "pixel_size_nm": record["pixel_size_nm"],
                "kind": record["kind"],
                "bright_field": record["bright_field"],
            }
        )
        boxes = np.array(record["particles"]["box"], np.int64).reshape(-1, 4)
        for row in _visible(record):
            number = len(annotations) + 1
            annotations.append(_annotation(record, row, boxes, number, image_id))
    return {
        "info": {"description": description},
        "licenses": [{"id": 1, "name": licence, "url": ""}],
        "images": images,
        "annotations": annotations,
        "categories": _categories(),
    }


def _visible(record: Record) -> list[int]:
    return [row for row, seen in enumerate(record["particles"]["visible"]) if seen]


@cache
def _number_of_corners() -> dict[str, int]:
    """Corners of each class; none where its shapes differ in them."""
    found = {}
    for name in CLASSES:
        if name in COMPOSITES:
            found[name] = 0
            continue
        counts = {len(library().vertices[row]) for row in library().rows(name)}
        found[name] = counts.pop() if len(counts) == 1 else 0
    return found


def _categories() -> list[dict[str, Any]]:
    return [
        {
            "id": number,
            "name": name,
            "supercategory": "particle",
            "keypoints": [f"corner {k}" for k in range(_number_of_corners()[name])],
            "skeleton": [],
        }
        for number, name in enumerate(CLASSES, start=1)
    ]


def _annotation(
    record: Record, row: int, boxes: NDArray[np.int64], number: int, image_id: int
) -> dict[str, Any]:
    own = {name: column[row] for name, column in record["particles"].items()}
    shape = record["rows"], record["columns"]
    polygon = clipped(np.array(own["outline"]), shape) + 0.5
    (top, left), (bottom, right) = polygon.min(axis=0), polygon.max(axis=0)
    points = _key_points(own, record["particles"], boxes, shape)
    return {
        "id": number,
        "image_id": image_id,
        "category_id": list(CLASSES).index(own["class"]) + 1,
        "segmentation": [np.round(polygon[:, ::-1], 3).ravel().tolist()],
        "area": round(_area(polygon), 3),
        "bbox": np.round((left, top, right - left, bottom - top), 3).tolist(),
        "iscrowd": 0,
        "keypoints": points,
        "num_keypoints": sum(flag > 0 for flag in points[2::3]),
        "label": own["label"],
        "diameter_nm": own["diameter_nm"],
        "cut": own["cut"],
        "seen": round(own["seen_px"] / own["area_px"], 4),
    }


def _area(polygon: NDArray[np.float64]) -> float:
    y, x = polygon.T
    return 0.5 * abs(float(np.dot(y, np.roll(x, 1)) - np.dot(x, np.roll(y, 1))))


def _key_points(
    own: Record, particles: Record, boxes: NDArray[np.int64], shape: tuple[int, int]
) -> list[float]:
    """x, y and flag of each corner, in a row."""
    if not _number_of_corners()[own["class"]]:
        return []
    points: list[float] = []
    # Those of larger numbers lie on top.
    first, last, start, stop = own["box"]
    box = boxes[own["label"] :]
    meets = (box[:, 0] <= last) & (box[:, 1] >= first) & (box[:, 2] <= stop) & (box[:, 3] >= start)
    above = [
        np.array(particles["outline"][own["label"] + k]) for k in np.flatnonzero(meets).tolist()
    ]
    for row, column in own["corners"]:
        if not (-0.5 <= row < shape[0] - 0.5 and -0.5 <= column < shape[1] - 0.5):
            points += [0.0, 0.0, _LOST]
            continue
        covered = any(_inside(outline, row, column) for outline in above)
        points += [round(column + 0.5, 3), round(row + 0.5, 3), _HIDDEN if covered else _SEEN]
    return points


def _inside(outline: NDArray[np.float64], row: float, column: float) -> bool:
    """True inside a convex outline."""
    a = outline - (row, column)
    b = np.concatenate([a[1:], a[:1]])
    turn = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return bool((turn > 0).all() or (turn < 0).all())


def yolo(record: Record) -> str:
    """Boxes of one image, a line for each visible particle: class, centre, size, as shares.

    https://docs.ultralytics.com/datasets/detect: class from 0, x, y, width, height.
    """
    rows, columns = record["rows"], record["columns"]
    names = list(CLASSES)
    lines = []
    for row in _visible(record):
        top, bottom, left, right = record["particles"]["box"][row]
        box = (
            (left + right) / 2 / columns,
            (top + bottom) / 2 / rows,
            (right - left) / columns,
            (bottom - top) / rows,
        )
        kind = names.index(record["particles"]["class"][row])
        lines.append(" ".join([str(kind), *(f"{value:.6f}" for value in box)]))
    return "".join(f"{line}\n" for line in lines)


def yolo_yaml(splits: Iterable[str]) -> str:
    """The file that tells YOLO where images are, and what the classes are called."""
    said = {"train": "train", "validation": "val", "test": "test"}
    lines = ["path: ."]
    lines += [f"{said[split]}: images/{split}" for split in splits]
    lines += ["names:", *(f"  {number}: {name}" for number, name in enumerate(CLASSES))]
    return "\n".join(lines) + "\n"


def metadata(record: Record) -> dict[str, Any]:
    """One line of ``metadata.jsonl``: the image's file, and its particles as columns.

    https://huggingface.co/docs/datasets/image_dataset: `file_name` beside the file, `objects` with
    boxes x, y, width, height [px], and polygons x₀, y₀, x₁, y₁, … of the whole outlines.
    """
    particles = record["particles"]
    boxes = [
        [left, top, right - left, bottom - top] for top, bottom, left, right in particles["box"]
    ]
    polygons = [
        [round(value + 0.5, 3) for row, column in outline for value in (column, row)]
        for outline in particles["outline"]
    ]
    same = ("label", "diameter_nm", "area_px", "seen_px", "cut", "signal_to_noise", "visible")
    return {
        "file_name": record["image"].rpartition("/")[2],
        "mask": record["mask"],
        "kind": record["kind"],
        "bright_field": record["bright_field"],
        "pixel_size_nm": record["pixel_size_nm"],
        "objects": {
            "bbox": boxes,
            "category": [list(CLASSES).index(name) for name in particles["class"]],
            "polygon": polygons,
            **{name: particles[name] for name in same},
        },
    }
