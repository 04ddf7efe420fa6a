"""TIFF as it is met: pages, inverted greys, OME and ImageJ scales."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from stemfast.micrograph.files.dataset import Dataset

__all__ = ["finished", "joined", "ome_images"]

Axes = Sequence[Mapping[str, Any]]


def finished(dataset: Dataset, original: Mapping[str, Any], ome: Mapping[str, Any]) -> Dataset:
    """A TIFF's dataset with the brightness, scale and title that its tags say.

    Parameters
    ----------
    dataset : Dataset
    original : mapping
        The tags of its first page.
    ome : mapping
        Its image in the OME description, empty where there is none.
    """
    data, notes = dataset.data, list(dataset.notes)
    if int(original.get("PhotometricInterpretation", 1)) == 0:
        data = _inverted(data, original.get("BitsPerSample", 0))
        notes.append("inverted: the TIFF says that white is zero")
    axes = _scaled(dataset.axes, ome) if ome else _imagej_units(dataset.axes, original)
    title = dataset.title or str(ome.get("Name", ""))
    return replace(dataset, data=data, axes=axes, title=title, notes=tuple(notes))


def joined(datasets: list[Dataset]) -> list[Dataset]:
    """Pages that were appended one by one as one stack, where all are alike."""
    first = datasets[0] if datasets else None
    if first is None or len(datasets) < 2 or len(first.shape) != 2:
        return datasets
    scale = _scale(first)
    for one in datasets:
        if one.shape != first.shape or one.data.dtype != first.data.dtype or _scale(one) != scale:
            return datasets
    if len({one.title for one in datasets}) > 1:
        return datasets
    pages: Mapping[str, Any] = {"units": None, "scale": 1.0, "navigate": True}
    return [
        replace(first, data=np.stack([one.data for one in datasets]), axes=[pages, *first.axes])
    ]


def ome_images(path: Path) -> list[Mapping[str, Any]]:
    """The images of an OME-TIFF: name and physical sizes; none in any other TIFF."""
    from tifffile import TiffFile

    with TiffFile(path) as file:
        text = file.ome_metadata
    if not text:
        return []
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return []
    found: list[Mapping[str, Any]] = []
    for image in root.iter():
        if image.tag.rpartition("}")[2] == "Image":
            pixels = next((one for one in image if one.tag.endswith("Pixels")), None)
            found.append({**image.attrib, **({} if pixels is None else pixels.attrib)})
    return found


def _scale(dataset: Dataset) -> list[Any]:
    return [(axis.get("scale"), axis.get("units")) for axis in dataset.axes]


def _inverted(data: npt.NDArray[Any], bits: Any) -> npt.NDArray[Any]:
    if data.dtype.kind == "b":
        return ~data
    if data.dtype.kind == "u":
        depth = bits if isinstance(bits, int) and bits > 0 else 8 * data.dtype.itemsize
        inverse: npt.NDArray[Any] = data.dtype.type(2**depth - 1) - data
        return inverse
    return -data.astype(np.float64) if data.dtype.kind in "if" else data


def _scaled(axes: Axes, ome: Mapping[str, Any]) -> Axes:
    """Axes with OME's physical sizes, which are in µm where no unit is said."""
    sizes = [(ome.get(f"PhysicalSize{c}"), ome.get(f"PhysicalSize{c}Unit", "µm")) for c in "YX"]
    if any(size is None for size, _ in sizes):
        return axes
    spatial = [
        {**axis, "scale": float(str(size)), "units": unit}
        for axis, (size, unit) in zip(axes[-2:], sizes, strict=True)
    ]
    return [*axes[:-2], *spatial]


def _imagej_units(axes: Axes, original: Mapping[str, Any]) -> Axes:
    """ImageJ writes its unit as text; RosettaSciIO takes the scale but only knows microns."""
    text = str(original.get("ImageDescription", ""))
    unit = re.search(r"^unit=(.+)$", text, flags=re.MULTILINE)
    if not text.startswith("ImageJ=") or unit is None:
        return axes
    spatial = [{**axis, "units": axis.get("units") or unit.group(1).strip()} for axis in axes[-2:]]
    return [*axes[:-2], *spatial]
