"""Files that hold a tree: the layout of an HDF5 file, and HyperSpy's Zarr stores."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stemfast.micrograph.files.error import MicrographError
from stemfast.micrograph.files.unpacking import check_folder, check_size, check_zip
from stemfast.untrusted import json_object

__all__ = ["hdf5_package", "read_zspy"]


def hdf5_package(path: Path) -> str:
    """RosettaSciIO's package for an ``.h5`` or ``.hdf5`` file, from what lies in it.

    A file of no known layout is left to the NeXus reader, which takes any array.
    """
    import h5py

    with h5py.File(path, "r") as file:
        names = set(file)
        attributes = set(file.attrs)
        groups = [node for node in file.values() if isinstance(node, h5py.Group)]
        below = {name for group in groups for name in group.attrs}
    if "Experiments" in names:
        return "hspy"
    if any(name.startswith("Acquisition") for name in names):
        return "delmic"
    if "FullSpectra" in names:
        return "tofwerk"
    if any(name.startswith("Measurement_") for name in names):
        return "usid"
    if path.name.endswith("_master.h5") and "entry" in names:
        return "arina"
    if "version_major" in attributes | below or "Version" in names:
        return "emd"
    return "nexus"


def read_zspy(path: Path) -> list[dict[str, Any]]:
    """The signals of HyperSpy's Zarr store, a folder or a zip file, as RosettaSciIO gives them.

    RosettaSciIO's own reader needs zarr 2; this one reads the arrays with TensorStore.
    """
    if not zipfile.is_zipfile(path):
        return _signals(path)
    check_zip(path)
    # TensorStore refuses names that stand twice in a zip file; HyperSpy writes them so.
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as packed:
        packed.extractall(folder)
        return _signals(Path(folder))


def _signals(root: Path) -> list[dict[str, Any]]:
    stored = check_folder(root)
    experiments = root / "Experiments"
    if not experiments.is_dir():
        raise MicrographError("is no .zspy store: it has no group Experiments")
    return [
        _signal(group, stored)
        for group in sorted(experiments.iterdir(), key=lambda node: node.name)
        if (group / "data" / ".zarray").exists()
    ]


def _signal(group: Path, stored: int) -> dict[str, Any]:
    axes = [_tree(node) for name, node in _children(group) if name.startswith("axis-")]
    metadata = dict(_children(group)).get("metadata")
    return {
        "data": _array(group / "data", stored),
        "axes": axes,
        "metadata": {} if metadata is None else _tree(metadata),
        "original_metadata": {},
    }


def _children(group: Path) -> Iterator[tuple[str, Path]]:
    """Groups below a group, axes in their order."""
    found = [node for node in group.iterdir() if (node / ".zgroup").exists()]
    for node in sorted(found, key=lambda node: (len(node.name), node.name)):
        yield node.name, node


def _tree(group: Path) -> dict[str, Any]:
    attributes = group / ".zattrs"
    found = json_object(attributes) if attributes.exists() else {}
    return {**found, **{name: _tree(node) for name, node in _children(group)}}


def _array(node: Path, stored: int) -> npt.NDArray[Any]:
    try:
        import tensorstore
    except ModuleNotFoundError as error:
        raise MicrographError(
            'reading .zspy files needs TensorStore: pip install "stemfast[zarr]"'
        ) from error
    kvstore = {"driver": "file", "path": f"{node}/"}
    opened = tensorstore.open({"driver": "zarr", "kvstore": kvstore}, read=True).result()
    # Chunks that are missing unpack to any size from nothing.
    check_size(opened.size * opened.dtype.numpy_dtype.itemsize, stored)
    return np.asarray(opened.read().result())
