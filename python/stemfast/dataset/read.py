"""Read a data set: any images of it, in any order, at the speed of memory."""

from __future__ import annotations

import operator
import threading
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stemfast import _core
from stemfast.dataset.manifest import Manifest
from stemfast.dataset.mapped import MappedShard

__all__ = ["Columns", "Dataset", "Samples"]

MOST_MAPPED = 30_000  # shards; Linux allows a process 65,530 mappings by default


class Samples(NamedTuple):
    """Images with their labels: one image with a number, or (N, ...) with (N,)."""

    images: NDArray[Any]
    labels: NDArray[np.int64] | np.int64


class Columns(Mapping[str, NDArray[Any]]):
    """Known parameters of all images of a set: each read when it is first asked for, then kept.

    Parameters
    ----------
    shards : sequence of MappedShard
        The shards of the set.
    """

    def __init__(self, shards: Sequence[MappedShard]) -> None:
        self._shards = shards
        self._kept: dict[str, NDArray[Any]] = {}

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._kept:
            if name not in self._shards[0].column_names:
                raise KeyError(name)
            self._kept[name] = np.concatenate([shard.column(name) for shard in self._shards])
        return self._kept[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._shards[0].column_names)

    def __len__(self) -> int:
        return len(self._shards[0].column_names)

    def __repr__(self) -> str:
        return f"Columns({', '.join(self)})"


class Dataset:
    """A data set on disk, or one split of it, as a random-access source.

    ``data[i]`` is one image with its label; ``data[[3, 1, 4]]``, ``data[10:20]`` and
    ``data[mask]`` are several, copied out of the memory-mapped shards by several threads that do
    not hold Python's lock. It serves as it is as a source of ``grain`` and as a map-style data
    set of a PyTorch ``DataLoader``, and a pickled set is a directory's name: a worker process
    opens the files again. Opening looks at the manifest and at the sizes of the files; everything
    else is read when it is used.

    Parameters
    ----------
    directory : str or Path
        Where :func:`stemfast.dataset.write` put it.
    split : str, optional
        Only this split; all of them, in the manifest's order, if None.
    n_threads : int
        Most threads that copy images of one request; 0 means all cores.

    Attributes
    ----------
    manifest : Manifest
        How the set was made.

    Raises
    ------
    FileNotFoundError
        If there is no complete data set, or a shard is missing.
    ValueError
        If the manifest cannot be read, a shard has another size than it says, or there is no
        such split.

    Notes
    -----
    The files must not be shortened while they are in use: the system ends a process that reads
    mapped memory beyond the end of its file. :func:`stemfast.dataset.write` replaces files in one
    step and never changes one in place, so a set that is in use can be written again.
    """

    def __init__(
        self, directory: str | Path, split: str | None = None, *, n_threads: int = 0
    ) -> None:
        self.directory = Path(directory)
        self.manifest = Manifest.read(self.directory)
        if split is not None and split not in self.manifest.splits:
            known = ", ".join(self.manifest.splits)
            raise ValueError(f"split is {split!r}, expected one of {known}")
        if n_threads < 0:
            raise ValueError(f"n_threads is {n_threads}, expected 0 (all cores) or more")
        self._split = split
        self._n_threads = n_threads
        entries = [s for s in self.manifest.shards if split in (None, s.split)]
        self._shards = [MappedShard(self.directory, entry, self.manifest) for entry in entries]
        self._starts = np.cumsum([0] + [len(shard) for shard in self._shards])
        self._starts_list = self._starts.tolist()
        self._mapped: dict[int, None] = {}
        self._mapping = threading.Lock()
        self.columns = Columns(self._shards)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Meaning of the labels."""
        return self.manifest.class_names

    @property
    def pixel_size_nm(self) -> float:
        """Pixel size of all images [nm]."""
        return self.manifest.pixel_size_nm

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of one sample's images: (H, W), or (K, H, W) for K views of one particle."""
        return tuple(self.manifest.image_shape)

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """Class of each image, (N,)."""
        labels = np.empty(len(self), np.int64)
        for number, start in enumerate(self._starts_list[:-1]):
            part = self._arrays(number)[1]
            labels[start : start + len(part)] = part
        return labels

    @cached_property
    def indices(self) -> NDArray[np.int64]:
        """Scene index of each image, (N,): ``recipe.sample(seed, i, i + 1)`` draws it again."""
        entries = [shard.entry for shard in self._shards]
        return np.concatenate([np.arange(s.start, s.stop, dtype=np.int64) for s in entries])

    def parameters(self, index: int) -> dict[str, Any]:
        """Return everything known about one image, by name with its unit.

        Parameters
        ----------
        index : int
            Which image; negative ones count from the end.
        """
        shard, row = self._locate(index)
        return self._shards[shard].row(row)

    def to_hyperspy(self, *, lazy: bool = True) -> Any:
        """All images as a HyperSpy signal with axes in nm; labels are in ``labels``.

        Parameters
        ----------
        lazy : bool
            Read images when they are asked for, through Dask, a chunk for each shard. Otherwise
            all of them are read now.

        Returns
        -------
        hyperspy.signals.Signal2D or LazySignal2D
            With one navigation axis, ``image``, and a second, ``view``, for sets of several views.

        Raises
        ------
        ModuleNotFoundError
            If HyperSpy is not installed: it comes with the extra ``field``.
        """
        from stemfast.image.exchange import stack_signal

        images: Any
        if lazy:
            import dask.array

            sizes = np.diff(self._starts_list).tolist()
            chunks = (tuple(sizes), *((n,) for n in self.image_shape))
            parts = _Images(self)
            images = dask.array.from_array(parts, chunks=chunks, name=False)  # type: ignore[no-untyped-call]
        else:
            images = self[:].images
        return stack_signal(images, self.pixel_size_nm, self.directory.resolve().name)

    def split(self, name: str) -> Dataset:
        """The part called `name` in the manifest, for example ``"test"``."""
        return Dataset(self.directory, name, n_threads=self._n_threads)

    def __len__(self) -> int:
        return int(self._starts_list[-1])

    def __getitem__(self, index: Any) -> Samples:
        """One sample for an integer; several for a slice, an array of integers or a mask."""
        if isinstance(index, slice):
            return self._take(np.arange(*index.indices(len(self)), dtype=np.int64))
        if np.ndim(index) == 0 and np.asarray(index).dtype != bool:
            shard, row = self._locate(index)
            images, labels = self._arrays(shard)
            return Samples(images[row].copy(), labels[row])
        return self._take(self._as_numbers(index))

    def __getitems__(self, indices: Sequence[int]) -> list[Samples]:
        """Samples one by one, but read together: what loaders call to fill a batch."""
        images, labels = self._take(self._as_numbers(indices))
        return [Samples(image, label) for image, label in zip(images, labels, strict=True)]  # type: ignore[arg-type]

    def _locate(self, index: Any) -> tuple[int, int]:
        """Shard, and row in it, of one image."""
        number = operator.index(index)
        wanted = number + len(self) if number < 0 else number
        if not 0 <= wanted < len(self):
            raise IndexError(f"index is {number}, expected one of {len(self)} images")
        shard = bisect_right(self._starts_list, wanted) - 1
        return shard, wanted - self._starts_list[shard]

    def _as_numbers(self, index: Any) -> NDArray[np.int64]:
        """Numbers, counted from the start, that an array of integers or a mask stands for."""
        array = np.asarray(index)
        if array.ndim != 1:
            raise IndexError(f"index has {array.ndim} dimensions, expected at most 1")
        if array.dtype == bool:
            if len(array) != len(self):
                raise IndexError(f"index is a mask of {len(array)}, expected {len(self)} entries")
            return np.flatnonzero(array).astype(np.int64, copy=False)
        if array.size == 0:
            return np.empty(0, np.int64)
        if not np.issubdtype(array.dtype, np.integer):
            raise IndexError(f"index has dtype {array.dtype}, expected integers or a mask")
        numbers = array.astype(np.int64)
        numbers[numbers < 0] += len(self)
        if (wrong := (numbers < 0) | (numbers >= len(self))).any():
            raise IndexError(f"index holds {array[wrong][0]}, expected one of {len(self)} images")
        return numbers

    def _arrays(self, number: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Images and labels of a shard. Of very many shards, the first mapped make room."""
        if number not in self._mapped:
            with self._mapping:
                if len(self._mapped) >= MOST_MAPPED:
                    first = next(iter(self._mapped))
                    del self._mapped[first]
                    self._shards[first].unmap()
                self._mapped[number] = None
        return self._shards[number].arrays

    def _take(self, numbers: NDArray[np.int64]) -> Samples:
        where = np.searchsorted(self._starts, numbers, side="right") - 1
        rows = numbers - self._starts[where]
        used, which = np.unique(where, return_inverse=True)
        arrays = [self._arrays(shard) for shard in used.tolist()]
        images = np.empty((len(numbers), *self.image_shape), dtype=self.manifest.dtype)
        labels = np.empty(len(numbers), np.int64)
        for out, stacks in ((images, [a[0] for a in arrays]), (labels, [a[1] for a in arrays])):
            _core.gather(stacks=stacks, which=which, rows=rows, out=out, n_threads=self._n_threads)
        return Samples(images, labels)

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy in another process maps the files again instead of carrying the images along.
        return _opened, (self.directory.absolute(), self._split, self._n_threads)

    def __repr__(self) -> str:
        part = "" if self._split is None else f", split={self._split!r}"
        return f"Dataset({str(self.directory)!r}{part}): {len(self)} images of {self.class_names}"


class _Images:
    """The images of a set as an array whose parts are read when they are taken."""

    def __init__(self, data: Dataset) -> None:
        self._data = data
        self.shape = (len(data), *data.image_shape)
        self.dtype, self.ndim = np.dtype(data.manifest.dtype), len(self.shape)

    def __getitem__(self, key: tuple[Any, ...]) -> NDArray[Any]:
        return self._data[key[0]].images[(..., *key[1:])]


def _opened(directory: Path, split: str | None, n_threads: int) -> Dataset:
    return Dataset(directory, split, n_threads=n_threads)
