"""One shard: a HyperSpy file that also carries labels and can be memory-mapped.

The file follows HyperSpy's ``.hspy`` layout, so HyperSpy and RosettaSciIO open the images with
their scale in nm. The image stack is a single uncompressed chunk, hence one run of bytes in the
file, which `MappedShard` maps without HDF5. Labels and parameters lie beside it in
``/stemfast``, where HyperSpy does not look.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

__all__ = ["ShardContent", "write_shard"]

HYPERSPY_FORMAT_VERSION = "3.3"
ALIGNMENT = 4096  # bytes; large objects start on a page, as memory mapping likes it


@dataclass(frozen=True)
class ShardContent:
    """Content of one shard.

    Attributes
    ----------
    title : str
        Name of the image stack in HyperSpy.
    images : ndarray, (N, H, W) or (N, K, H, W)
        The images, or stacks of K views.
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


class _Skeleton(io.RawIOBase):
    """A file in memory for HDF5 to write to, with a hole where the images will be.

    Only what HDF5 writes takes memory, in blocks: it leaves room for the images and never touches
    it. So nothing of HDF5 sees the disk, whose errors (full, quota) it would not survive.
    """

    BLOCK = 2**16

    def __init__(self) -> None:
        self._blocks: dict[int, bytearray] = {}
        self._position = 0
        self._size = 0

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = origin + offset
        return self._position

    def truncate(self, size: int | None = None) -> int:
        self._size = self._position if size is None else size
        return self._size

    def _pieces(self, count: int) -> Iterator[tuple[int, slice, slice]]:
        """Block number, part of that block, and part of the caller's bytes, `count` in all."""
        done = 0
        while done < count:
            number, first = divmod(self._position + done, self.BLOCK)
            step = min(self.BLOCK - first, count - done)
            yield number, slice(first, first + step), slice(done, done + step)
            done += step

    def write(self, data: Any) -> int:
        given = memoryview(data).cast("B")
        for number, inside, part in self._pieces(len(given)):
            block = self._blocks.setdefault(number, bytearray(self.BLOCK))
            block[inside] = given[part]
        self._position += len(given)
        self._size = max(self._size, self._position)
        return len(given)

    def readinto(self, buffer: Any) -> int:
        wanted = memoryview(buffer).cast("B")
        count = max(0, min(len(wanted), self._size - self._position))
        for number, inside, part in self._pieces(count):
            block = self._blocks.get(number)
            wanted[part] = bytes(part.stop - part.start) if block is None else block[inside]
        self._position += count
        return count

    def between(self, start: int, stop: int | None = None) -> bytes:
        """The bytes [start, stop) of the file."""
        self.seek(start)
        return self.read((self._size if stop is None else stop) - start)


def _write_axes(group: h5py.Group, shape: tuple[int, ...], pixel_size_nm: float) -> None:
    names = ("image", "view", "y", "x") if len(shape) == 4 else ("image", "y", "x")
    for number, (name, size) in enumerate(zip(names, shape, strict=True)):
        spatial = name in "xy"
        scale = pixel_size_nm if spatial else 1.0
        group.create_group(f"axis-{number}").attrs.update(
            {
                "_type": "UniformDataAxis",
                "name": name,
                "units": "nm" if spatial else "",
                "scale": scale,
                # The centre of the scan is the origin, as everywhere in stemfast.
                "offset": -scale * (size - 1) / 2 if spatial else 0.0,
                "size": size,
                "navigate": not spatial,
                "is_binned": False,
            }
        )


def _write_signal(file: h5py.File, content: ShardContent) -> int:
    """Describe the images as HyperSpy does; return where in the file their bytes belong."""
    file.attrs["file_format"] = "HyperSpy"
    file.attrs["file_format_version"] = HYPERSPY_FORMAT_VERSION
    group = file.create_group(f"Experiments/{content.title}")
    group.attrs["package"] = "stemfast"
    group.attrs["package_version"] = ""
    _write_axes(group, content.images.shape, content.pixel_size_nm)
    group.create_group("metadata/General").attrs["title"] = content.title
    group.create_group("metadata/Signal").attrs["signal_type"] = ""
    group.create_group("attributes").attrs.update({"_lazy": False, "ragged": False})
    for name in ("original_metadata", "learning_results"):
        group.create_group(name)
    # One chunk, whose place is reserved now and never written by HDF5.
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_obj_track_times(False)  # the clock has no place in the file
    layout.set_chunk(content.images.shape)
    layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    kind = h5py.h5t.py_create(content.images.dtype, logical=True)
    space = h5py.h5s.create_simple(content.images.shape)
    stack = h5py.h5d.create(group.id, b"data", kind, space, layout)
    return int(stack.get_chunk_info(0).byte_offset)


def _skeleton(content: ShardContent) -> tuple[_Skeleton, int]:
    """All of the file but the images, and where they belong."""
    skeleton = _Skeleton()
    with h5py.File(
        skeleton, "w", alignment_threshold=ALIGNMENT, alignment_interval=ALIGNMENT
    ) as file:
        ours = file.create_group("stemfast")
        ours.attrs["json"] = json.dumps(dict(content.attributes), allow_nan=False)
        ours.create_dataset("labels", data=content.labels)
        for name, column in content.columns.items():
            ours.create_dataset(f"parameters/{name}", data=column)
        offset = _write_signal(file, content)
    return skeleton, offset


def write_shard(path: str | Path, content: ShardContent) -> tuple[int, str]:
    """Write a shard. The same content gives the same bytes.

    Parameters
    ----------
    path : str or Path
        File to write; see :func:`stemfast.atomic.replacing` for how it gets its final name.
    content : ShardContent
        What to write.

    Returns
    -------
    n_bytes : int
        Size of the file.
    sha256 : str
        Its checksum.

    Raises
    ------
    ValueError
        If the arrays disagree on the number of images or there is none.
    OSError
        If the disk does not take it.
    """
    count = len(content.images)
    if content.images.ndim not in (3, 4) or content.images.size == 0:
        raise ValueError(
            f"images has shape {content.images.shape}, expected (N, H, W) or (N, K, H, W) not empty"
        )
    lengths = {"labels": len(content.labels)} | {k: len(v) for k, v in content.columns.items()}
    if wrong := {name: length for name, length in lengths.items() if length != count}:
        raise ValueError(f"{wrong}: expected {count} entries each, one per image")
    skeleton, offset = _skeleton(content)
    images = np.ascontiguousarray(content.images).reshape(-1).view(np.uint8).data
    parts = (skeleton.between(0, offset), images, skeleton.between(offset + len(images)))
    digest = hashlib.sha256()
    with Path(path).open("wb") as file:
        for part in parts:
            file.write(part)
            digest.update(part)
    return sum(len(part) for part in parts), digest.hexdigest()
