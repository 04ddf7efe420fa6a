"""One shard: a HyperSpy file that also carries labels and can be memory-mapped.

The file follows HyperSpy's ``.hspy`` layout, so HyperSpy and RosettaSciIO open the images with
their scale in nm. The image stack is a single uncompressed chunk, hence one run of bytes in the
file, which :func:`map_images` maps without HDF5. Labels and parameters lie beside it in
``/stemfast``, where HyperSpy does not look.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from stemfast import atomic

__all__ = ["ShardContent", "map_images", "read_labels", "write_shard"]

HYPERSPY_FORMAT_VERSION = "3.3"
ALIGNMENT = 4096  # bytes; large objects start on a page, as memory mapping likes it


@dataclass(frozen=True)
class ShardContent:
    """What goes into one shard.

    Attributes
    ----------
    title : str
        Name of the image stack in HyperSpy.
    images : ndarray, (N, H, W)
        The images.
    pixel_size_nm : float
        Their pixel size [nm], one for all.
    labels : ndarray, (N,) int64
        Their classes.
    columns : mapping of str to ndarray, (N, ...)
        Known parameters of each image, units in the names.
    attributes : mapping
        JSON-serialisable facts about the whole shard.
    """

    title: str
    images: NDArray[Any]
    pixel_size_nm: float
    labels: NDArray[np.int64]
    columns: Mapping[str, NDArray[Any]]
    attributes: Mapping[str, Any]


def _write_axis(
    group: h5py.Group, number: int, name: str, size: int, scale: float, unit: str
) -> None:
    spatial = name in "xy"
    group.create_group(f"axis-{number}").attrs.update(
        {
            "_type": "UniformDataAxis",
            "name": name,
            "units": unit,
            "scale": scale,
            # The centre of the scan is the origin, as everywhere in stemfast.
            "offset": -scale * (size - 1) / 2 if spatial else 0.0,
            "size": size,
            "navigate": not spatial,
            "is_binned": False,
        }
    )


def _write_signal(file: h5py.File, content: ShardContent) -> None:
    file.attrs["file_format"] = "HyperSpy"
    file.attrs["file_format_version"] = HYPERSPY_FORMAT_VERSION
    group = file.create_group(f"Experiments/{content.title}")
    group.attrs["package"] = "stemfast"
    group.attrs["package_version"] = ""
    count, height, width = content.images.shape
    _write_axis(group, 0, "image", count, 1.0, "")
    _write_axis(group, 1, "y", height, content.pixel_size_nm, "nm")
    _write_axis(group, 2, "x", width, content.pixel_size_nm, "nm")
    group.create_group("metadata/General").attrs["title"] = content.title
    group.create_group("metadata/Signal").attrs["signal_type"] = ""
    group.create_group("attributes").attrs.update({"_lazy": False, "ragged": False})
    for name in ("original_metadata", "learning_results"):
        group.create_group(name)
    images = np.ascontiguousarray(content.images)
    stack = group.create_dataset("data", images.shape, images.dtype, chunks=images.shape)
    stack.id.write_direct_chunk((0, 0, 0), images.tobytes())


def write_shard(path: str | Path, content: ShardContent) -> None:
    """Write a shard to `path`, whole or not at all. The same content gives the same bytes.

    Parameters
    ----------
    path : str or Path
        Final name, ending in ``.hspy``. The directory must exist.
    content : ShardContent
        What to write.

    Raises
    ------
    ValueError
        If the arrays disagree on the number of images or there is none.
    """
    count = len(content.images)
    if content.images.ndim != 3 or content.images.size == 0:
        raise ValueError(f"images has shape {content.images.shape}, expected (N, H, W) not empty")
    lengths = {"labels": len(content.labels)} | {k: len(v) for k, v in content.columns.items()}
    if wrong := {name: length for name, length in lengths.items() if length != count}:
        raise ValueError(f"{wrong}: expected {count} entries each, one per image")
    with (
        atomic.replacing(path) as temporary,
        h5py.File(
            temporary, "w", alignment_threshold=ALIGNMENT, alignment_interval=ALIGNMENT
        ) as file,
    ):
        _write_signal(file, content)
        ours = file.create_group("stemfast")
        ours.attrs["json"] = json.dumps(dict(content.attributes), allow_nan=False)
        ours.create_dataset("labels", data=content.labels)
        for name, column in content.columns.items():
            ours.create_dataset(f"parameters/{name}", data=column)


def _signal(file: h5py.File) -> h5py.Dataset:
    (group,) = file["Experiments"].values()
    return group["data"]


def map_images(path: str | Path) -> NDArray[Any]:
    """The image stack of a shard, (N, H, W), memory-mapped read-only."""
    with h5py.File(path, "r") as file:
        stack = _signal(file)
        offset = stack.id.get_chunk_info(0).byte_offset
        return np.memmap(path, dtype=stack.dtype, mode="r", offset=offset, shape=stack.shape)


def read_labels(path: str | Path) -> tuple[NDArray[np.int64], dict[str, NDArray[Any]]]:
    """Labels (N,) and parameter columns (N, ...) of a shard."""
    with h5py.File(path, "r") as file:
        ours = file["stemfast"]
        columns = {name: column[...] for name, column in ours.get("parameters", {}).items()}
        return ours["labels"][...].astype(np.int64), columns
