"""The arrays of one shard, mapped from its file when they are first asked for."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from stemfast import _core
from stemfast.dataset.manifest import ShardEntry, resume_command

__all__ = ["MappedShard"]


def _stored_at(stored: h5py.Dataset) -> int | None:
    """Offset of an array in its file, or None if it is not one run of bytes."""
    if stored.chunks is None:
        offset = stored.id.get_offset()
        return None if offset is None else int(offset)
    if stored.id.get_num_chunks() != 1 or stored.id.get_create_plist().get_nfilters() != 0:
        return None
    return int(stored.id.get_chunk_info(0).byte_offset)


class MappedShard:
    """One shard of a data set.

    Nothing is opened before it is needed, and no file stays open: a mapping outlives its file
    descriptor, of which a process may have only about a thousand.

    Parameters
    ----------
    directory : Path
        Where the set is.
    entry : ShardEntry
        What the manifest says about the shard.

    Raises
    ------
    FileNotFoundError
        If the file is missing.
    ValueError
        If it has another size than the manifest says: a mapping of a file that was cut short
        would end the process where the bytes are missing.
    """

    def __init__(self, directory: Path, entry: ShardEntry) -> None:
        self.entry = entry
        self.path = directory / entry.file
        self._mend = resume_command(directory)
        try:
            size = self.path.stat().st_size
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"shard {self.path} is missing: write it again with {self._mend}"
            ) from error
        self._check_size(size)

    def _check_size(self, size: int) -> None:
        if size != self.entry.n_bytes:
            raise ValueError(
                f"shard {self.path} has {size} bytes, expected {self.entry.n_bytes}: write it "
                f"again with {self._mend}"
            )

    def __len__(self) -> int:
        return self.entry.stop - self.entry.start

    @cached_property
    def _bytes(self) -> NDArray[np.uint8]:
        mapped = _core.map_file(os.fsencode(self.path))
        self._check_size(len(mapped))
        return mapped

    def unmap(self) -> None:
        """Let go of the file; it is mapped again when it is asked for again."""
        self.__dict__.pop("arrays", None)
        self.__dict__.pop("_bytes", None)

    def _array(self, stored: h5py.Dataset) -> NDArray[Any]:
        offset = _stored_at(stored)
        if offset is None:
            return np.asarray(stored[...])
        count = int(np.prod(stored.shape))
        flat = np.frombuffer(self._bytes, dtype=stored.dtype, count=count, offset=offset)
        return flat.reshape(stored.shape)

    @cached_property
    def arrays(self) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Images (N, ...) and labels (N,), read-only."""
        with h5py.File(self.path, "r") as file:
            (group,) = file["Experiments"].values()
            images = self._array(group["data"])
            labels = self._array(file["stemfast/labels"]).astype(np.int64, copy=False)
        if not len(images) == len(labels) == len(self):
            raise ValueError(
                f"shard {self.path} holds {len(images)} images and {len(labels)} labels, "
                f"expected {len(self)}: remove it, and write it again with {self._mend}"
            )
        return images, labels

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        """Names of the known parameters."""
        with h5py.File(self.path, "r") as file:
            return tuple(file["stemfast"].get("parameters", {}))

    def column(self, name: str) -> NDArray[Any]:
        """One known parameter of all images, (N, ...)."""
        with h5py.File(self.path, "r") as file:
            return np.asarray(file["stemfast/parameters"][name][...])

    def columns(self) -> dict[str, NDArray[Any]]:
        """All known parameters of all images, (N, ...) each."""
        with h5py.File(self.path, "r") as file:
            stored = file["stemfast"].get("parameters", {})
            return {name: column[...] for name, column in stored.items()}

    def row(self, number: int) -> dict[str, Any]:
        """All known parameters of one image."""
        with h5py.File(self.path, "r") as file:
            stored = file["stemfast"].get("parameters", {})
            return {name: column[number] for name, column in stored.items()}
