"""Read a data set: images from memory-mapped shards, labels and parameters from memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stemfast.dataset.manifest import Manifest, file_sha256
from stemfast.dataset.shard import map_images, read_labels

__all__ = ["Dataset", "Samples"]


class Samples(NamedTuple):
    """Images with their labels: one (H, W) with a number, or (N, H, W) with (N,)."""

    images: NDArray[Any]
    labels: NDArray[np.int64] | np.int64


class Dataset:
    """A data set on disk, or one split of it, as a random-access source.

    Parameters
    ----------
    directory : str or Path
        Where :func:`stemfast.dataset.write` put it.
    split : str, optional
        Only this split; all of them, in the manifest's order, if None.

    Attributes
    ----------
    manifest : Manifest
        How the set was made.
    labels : ndarray, (N,) int64
        Class of each image.
    columns : dict of str to ndarray, (N, ...)
        Known parameters of each image.
    indices : ndarray, (N,) int64
        Scene index of each image: ``recipe.sample(seed, i, i + 1)`` draws scene i again.

    Raises
    ------
    FileNotFoundError
        If there is no complete data set, or a shard is missing.
    ValueError
        If the manifest cannot be read, a shard has another size than it says, or there is no
        such split.
    """

    def __init__(self, directory: str | Path, split: str | None = None) -> None:
        self.directory = Path(directory)
        self.manifest = Manifest.read(self.directory)
        self._split = split
        if split is not None and split not in self.manifest.splits:
            known = ", ".join(self.manifest.splits)
            raise ValueError(f"split is {split!r}, expected one of {known}")
        self._shards = [s for s in self.manifest.shards if split in (None, s.split)]
        for shard in self._shards:
            path = self.directory / shard.file
            if not path.is_file():
                raise FileNotFoundError(f"shard {path} is missing: write the data set again")
            if path.stat().st_size != shard.n_bytes:
                raise ValueError(
                    f"shard {path} has {path.stat().st_size} bytes, expected {shard.n_bytes}: "
                    "remove the directory and write the data set again"
                )
        self._stacks = [map_images(self.directory / shard.file) for shard in self._shards]
        self._ends = np.cumsum([len(stack) for stack in self._stacks])
        read = [read_labels(self.directory / shard.file) for shard in self._shards]
        self.labels = np.concatenate([labels for labels, _ in read])
        self.columns = {
            name: np.concatenate([columns[name] for _, columns in read]) for name in read[0][1]
        }
        self.indices = np.concatenate([np.arange(s.start, s.stop) for s in self._shards])

    @property
    def class_names(self) -> tuple[str, ...]:
        """Meaning of the labels."""
        return self.manifest.class_names

    @property
    def pixel_size_nm(self) -> float:
        """Pixel size of all images [nm]."""
        return self.manifest.pixel_size_nm

    def split(self, name: str) -> Dataset:
        """The part called `name` in the manifest, for example ``"test"``."""
        return Dataset(self.directory, name)

    def verify(self) -> None:
        """Compare every shard with its checksum.

        Raises
        ------
        ValueError
            Naming the first shard whose content has changed.
        """
        for shard in self._shards:
            path = self.directory / shard.file
            if file_sha256(path) != shard.sha256:
                raise ValueError(f"shard {path} differs from its checksum in the manifest")

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Any) -> Samples:
        """One sample for an integer; several for a slice, an array of integers or a mask."""
        chosen = np.arange(len(self))[index]
        if chosen.ndim > 1:
            raise IndexError(f"index has {chosen.ndim} dimensions, expected at most 1")
        flat = np.atleast_1d(chosen)
        images = np.empty((len(flat), *self.manifest.image_shape), dtype=self.manifest.dtype)
        which = np.searchsorted(self._ends, flat, side="right")
        for number in np.unique(which):
            here = np.flatnonzero(which == number)
            stack = self._stacks[number]
            images[here] = stack[flat[here] - (self._ends[number] - len(stack))]
        if chosen.ndim == 0:
            return Samples(images[0], self.labels[chosen])
        return Samples(images, self.labels[chosen])

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy in another process maps the files again instead of carrying the images along.
        return Dataset, (self.directory, self._split)

    def __repr__(self) -> str:
        part = "" if self._split is None else f", split={self._split!r}"
        return f"Dataset({str(self.directory)!r}{part}): {len(self)} images of {self.class_names}"
