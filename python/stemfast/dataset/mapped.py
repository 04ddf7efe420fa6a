"""The arrays of one shard, mapped from its file when they are first asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from stemfast import _core
from stemfast.dataset.manifest import Header, ShardEntry, resume_command
from stemfast.untrusted import regular_file

__all__ = ["MappedShard"]


#: Errors of HDF5 and NumPy for a file whose content is not what it should be.
_DAMAGE = (KeyError, OSError, RuntimeError, TypeError, ValueError)


def _stored_at(stored: h5py.Dataset) -> int | None:
    """Offset of an array in its file, or None if it is not one run of bytes."""
    if stored.chunks is None:
        offset = stored.id.get_offset()
        return None if offset is None else int(offset)
    if stored.id.get_num_chunks() != 1:
        return None
    return int(stored.id.get_chunk_info(0).byte_offset)


def _member(group: Any, name: str) -> Any:
    """Member of a group that lies in the same file: soft and external links are refused."""
    if name not in group.keys():  # noqa: SIM118 (`in group` follows links)
        raise ValueError(f"{name} is missing")
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"{name} is a link, expected an object of the file itself")
    return group[name]


def _own_array(stored: Any, length: int) -> h5py.Dataset:
    """An array of `length` images whose bytes all lie in the shard as they are.

    External storage would give bytes of any file of the reader's, and a compressed array or one
    that was never written can be larger than any memory.
    """
    if not isinstance(stored, h5py.Dataset):
        raise ValueError(f"{stored.name} is no array")
    if stored.external is not None or stored.is_virtual:
        raise ValueError(f"{stored.name} takes its data from other files")
    if stored.id.get_create_plist().get_nfilters() != 0:
        raise ValueError(f"{stored.name} is compressed, expected plain numbers")
    if stored.dtype.kind not in "buifS":
        raise ValueError(f"{stored.name} holds {stored.dtype}, expected numbers or short words")
    n_bytes = stored.size * stored.dtype.itemsize
    if stored.shape[:1] != (length,) or stored.id.get_storage_size() != n_bytes:
        raise ValueError(
            f"{stored.name} has shape {stored.shape} in {stored.id.get_storage_size()} bytes, "
            f"expected {length} entries in {n_bytes} bytes"
        )
    return stored


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
    about : Header
        What the manifest says about all images; shards that differ are refused.

    Raises
    ------
    FileNotFoundError
        If the file is missing.
    ValueError
        If it is no regular file, or has another size than the manifest says: a mapping of a file
        that was cut short would end the process where the bytes are missing. Later, if its
        content is not what the manifest says.
    """

    def __init__(self, directory: Path, entry: ShardEntry, about: Header) -> None:
        self.entry = entry
        self._about = about
        self.path = directory / entry.file
        self._mend = resume_command(directory)
        try:
            size = regular_file(self.path)
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

    @contextmanager
    def _opened(self) -> Iterator[h5py.File]:
        """The file in HDF5; what goes wrong inside names the shard."""
        self._check_size(regular_file(self.path))
        try:
            with h5py.File(self.path, "r") as file:
                yield file
        except _DAMAGE as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # of the system, not of the file's content
            reason = str(error).strip("'\"").splitlines()
            raise ValueError(
                f"shard {self.path} is damaged ({reason[0] if reason else type(error).__name__}): "
                f"remove it, and write it again with {self._mend}"
            ) from error

    def check(self) -> None:
        """Compare all that the file says of its images with the manifest.

        Raises
        ------
        ValueError
            If shape, type, labels, parameters or scale differ.
        """
        _ = self.arrays, self.column_names
        with self._opened() as file:
            (title,) = _member(file, "Experiments")
            signal = _member(_member(file, "Experiments"), title)
            views = len(self._about.image_shape) - 2
            for number in (1 + views, 2 + views):
                attributes = _member(signal, f"axis-{number}").attrs
                # Texts lie in heaps, and HDF5 reads some damaged ones for ever.
                if attributes.get_id("scale").dtype.kind not in "iuf":
                    raise ValueError(f"axis-{number} has a scale that is no number")
                scale = attributes["scale"]
                if scale != self._about.pixel_size_nm:
                    raise ValueError(
                        f"axis-{number} has scale {scale}, expected {self._about.pixel_size_nm} nm"
                    )
        self.unmap()

    def _array(self, stored: Any) -> NDArray[Any]:
        array = _own_array(stored, len(self))
        offset = _stored_at(array)
        if offset is None:
            return np.asarray(array[...])
        flat = np.frombuffer(self._bytes, dtype=array.dtype, count=array.size, offset=offset)
        return flat.reshape(array.shape)

    @cached_property
    def arrays(self) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Images (N, ...) and labels (N,), read-only."""
        with self._opened() as file:
            experiments = _member(file, "Experiments")
            (title,) = experiments
            images = self._array(_member(_member(experiments, title), "data"))
            labels = self._array(_member(_member(file, "stemfast"), "labels"))
            self._check_arrays(images, labels)
        return images, labels.astype(np.int64, copy=False)

    def _check_arrays(self, images: NDArray[Any], labels: NDArray[Any]) -> None:
        about = self._about
        if images.shape[1:] != about.image_shape or images.dtype != np.dtype(about.dtype):
            raise ValueError(
                f"images are {images.shape[1:]} {images.dtype}, expected {about.image_shape} "
                f"{about.dtype}"
            )
        classes = len(about.class_names)
        if labels.ndim != 1 or labels.dtype.kind not in "ui":
            raise ValueError(f"labels are {labels.shape} {labels.dtype}, expected whole numbers")
        if (wrong := (labels < 0) | (labels >= classes)).any():
            raise ValueError(f"a label is {labels[wrong][0]}, expected 0 to {classes - 1}")

    def _stored(self, file: h5py.File) -> dict[str, h5py.Dataset]:
        """The known parameters in the file, by name."""
        ours = _member(file, "stemfast")
        if "parameters" not in ours:
            return {}
        stored = _member(ours, "parameters")
        return {name: _own_array(_member(stored, name), len(self)) for name in stored}

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        """Names of the known parameters."""
        with self._opened() as file:
            return tuple(self._stored(file))

    def column(self, name: str) -> NDArray[Any]:
        """One known parameter of all images, (N, ...)."""
        with self._opened() as file:
            return np.asarray(self._stored(file)[name][...])

    def columns(self) -> dict[str, NDArray[Any]]:
        """All known parameters of all images, (N, ...) each."""
        with self._opened() as file:
            return {name: column[...] for name, column in self._stored(file).items()}

    def row(self, number: int) -> dict[str, Any]:
        """All known parameters of one image."""
        with self._opened() as file:
            return {name: column[number] for name, column in self._stored(file).items()}
