"""Other ways to keep a stack of images on disk and to take random ones of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

Take = Callable[[NDArray[np.int64]], NDArray[Any]]


def h5py_chunked(path: Path, images: NDArray[Any]) -> dict[str, Take]:
    """HDF5 with one chunk an image, the usual advice for random access; two ways to ask."""
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=images, chunks=(1, *images.shape[1:]))
    stored = h5py.File(path, "r")["images"]

    def all_at_once(chosen: NDArray[np.int64]) -> NDArray[Any]:
        increasing, where = np.unique(chosen, return_inverse=True)  # h5py takes no other order
        return np.asarray(stored[increasing])[where]

    def one_by_one(chosen: NDArray[np.int64]) -> NDArray[Any]:
        out = np.empty((len(chosen), *stored.shape[1:]), stored.dtype)
        for row, number in enumerate(chosen.tolist()):
            stored.read_direct(out, np.s_[number], np.s_[row])
        return out

    return {"h5py, index array": all_at_once, "h5py, one by one": one_by_one}


def tensorstore_zarr(path: Path, images: NDArray[Any]) -> dict[str, Take]:
    """Zarr through TensorStore, one chunk an image, not compressed; nothing if not installed."""
    try:
        import tensorstore
    except ImportError:
        return {}
    shape = list(images.shape)
    stored = tensorstore.open(
        {
            "driver": "zarr",
            "kvstore": {"driver": "file", "path": str(path)},
            "metadata": {
                "shape": shape,
                "chunks": [1, *shape[1:]],
                "dtype": images.dtype.str,
                "compressor": None,
            },
            "create": True,
            "delete_existing": True,
        }
    ).result()
    for start in range(0, len(images), 1000):
        stored[start : start + 1000].write(images[start : start + 1000]).result()
    return {"TensorStore Zarr": lambda chosen: np.asarray(stored[chosen].read().result())}


def memmap_loop(path: Path, images: NDArray[Any]) -> dict[str, Take]:
    """One large .npy file, memory-mapped, and NumPy's own indexing."""
    np.save(path, images)
    stored = np.load(path, mmap_mode="r")
    return {"one .npy, NumPy": lambda chosen: np.asarray(stored[chosen])}
