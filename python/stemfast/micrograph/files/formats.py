"""The file formats, and the one place that calls RosettaSciIO's readers.

What the readers warn or log goes to the caller as text, not to the screen; an error that they only
log fails the read.
"""

from __future__ import annotations

import copy
import gc
import importlib
import logging
import re
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from stemfast.micrograph.files import hierarchy, mrc, picture, tiff, unpacking
from stemfast.micrograph.files.dataset import Dataset, one_channel
from stemfast.micrograph.files.error import MicrographError

_PACKAGES: Mapping[str, str] = {
    "digitalmicrograph": ".dm3 .dm4",
    "emd": ".emd .de5",
    "mrc": ".mrc .mrcs .st .ali .rec",
    "mrcz": ".mrcz",
    "hspy": ".hspy",
    "hdf5": ".h5 .hdf5",
    "zspy": ".zspy",
    "tiff": ".tif .tiff",
    "tia": ".ser .emi",
    "pantarhei": ".prz",
    "bruker": ".bcf",
    "blockfile": ".blo",
    "nexus": ".nxs",
    "tvips": ".tvips",
    "jeol": ".asw .map .pts .img",
    "quantumdetector": ".mib",
    "ripple": ".rpl",
    "semper": ".unf",
    "digitalsurf": ".sur .pro",
    "phenom": ".elid",
    "topspin": ".app5",
    "empad": ".xml",
    "edax": ".spd",
    "netcdf": ".nc",
    "renishaw": ".wdf",
}

FORMATS: Mapping[str, str] = {
    suffix: package for package, suffixes in _PACKAGES.items() for suffix in suffixes.split()
}
"""Suffix → RosettaSciIO's package that reads it; ``.h5`` files of several kinds are told apart."""

SUFFIXES = (*FORMATS, ".npy", *picture.SUFFIXES)
"""All suffixes that can be read."""

# Only images are wanted: spectra take long and need more libraries.
_IMAGES_ONLY: Mapping[str, Mapping[str, Any]] = {
    "emd": {"select_type": "images"},
    "bruker": {"select_type": "image"},
    "delmic": {"signal": "all"},
    "tofwerk": {"signal": "fib_images"},
    "jeol": {"read_em_image": True},
}

_MAYBE_HDF5 = ("emd", "hspy", "hdf5", "nexus", "topspin")

_LOGGERS = ("rsciio", "tifffile")
_OF_IO = ("sparse", "numba", "h5py", "tifffile", "imagecodecs", "skimage")


def read_datasets(path: Path) -> tuple[list[Dataset], list[str]]:
    """Read every array of a file.

    Returns
    -------
    datasets : list of Dataset
    messages : list of str
        What the reader warned of.

    Raises
    ------
    MicrographError
        When the file cannot be read as what its suffix says, or a library is not installed.
    """
    suffix = path.suffix.lower()
    reader = _reader(suffix)
    failure: Exception | None = None
    with _captured() as messages:
        try:
            datasets = reader(path)
        except MicrographError:
            raise
        except Exception as error:
            failure = error
            # The failed reader's frames and cycles keep its file open; closing it here keeps
            # the interpreter's complaint about that inside this block.
            traceback.clear_frames(error.__traceback__)
            gc.collect()
    if isinstance(failure, ImportError):
        raise MicrographError(_missing(suffix, failure)) from failure
    if failure is not None:
        what = str(failure).strip().splitlines()
        raise MicrographError(
            f"cannot be read as a {suffix} file, expected a complete one: truncated, or of "
            f"another type? ({type(failure).__name__}{': ' + what[0] if what else ''})"
        ) from failure
    errors = [text for level, text in messages if level >= logging.ERROR]
    if errors:
        raise MicrographError(f"is damaged, expected a complete {suffix} file: {'; '.join(errors)}")
    return datasets, [f"{suffix} reader: {text}" for _, text in messages]


def _missing(suffix: str, error: ImportError) -> str:
    """The library that is not installed, which is no fault of the file."""
    quoted = re.search(r"'([\w.]+)'", str(error))
    name = (error.name or (quoted[1] if quoted else str(error))).partition(".")[0]
    source = '"stemfast[io]"' if name in _OF_IO else name
    return f"reading this {suffix} file needs the package {name!r}: pip install {source}"


def _reader(suffix: str) -> Callable[[Path], list[Dataset]]:
    if suffix == ".npy":
        return picture.read_array
    if suffix in picture.SUFFIXES:
        return picture.read_picture
    try:
        importlib.import_module("rsciio")
    except ModuleNotFoundError as error:
        raise MicrographError(
            f'reading {suffix} files needs RosettaSciIO: pip install "stemfast[io]"'
        ) from error
    return _read_with_rosettasciio


def _read_with_rosettasciio(path: Path) -> list[Dataset]:
    package = FORMATS[path.suffix.lower()]
    if package == "tiff":
        unpacking.check_tiff(path)
    elif package in _MAYBE_HDF5:
        unpacking.check_hdf5(path)
    if package == "zspy":
        return [_dataset(entry) for entry in hierarchy.read_zspy(path)]
    if package == "hdf5":
        package = hierarchy.hdf5_package(path)
    elif path.suffix.lower() == ".img" and _bytes(path, 0, 2) == b"IM":
        package = "hamamatsu"
    elif package == "blockfile":
        _check_blockfile(path)
    options = dict(_IMAGES_ONLY.get(package, {}))
    if package == "mrc":
        options["endianness"] = mrc.byte_order(path)
    module = importlib.import_module(f"rsciio.{package}")
    entries = module.file_reader(str(path), **options)
    if package == "mrc":
        return [_mrc_dataset(path, entry) for entry in entries]
    if package == "tiff":
        return _tiff_datasets(path, entries)
    if package == "blockfile":
        entries = [*_virtual_images(path, entries), *entries]
    return [_dataset(entry) for entry in entries]


def _dataset(entry: Mapping[str, Any]) -> Dataset:
    data = np.asarray(entry["data"])
    axes = list(entry["axes"])
    if len(axes) != data.ndim:  # an array of an HDF5 file without any description
        axes = [{"units": None, "scale": 1.0} for _ in data.shape]
    if axes and all(axis.get("index_in_array") is not None for axis in axes):
        axes.sort(key=lambda axis: int(axis["index_in_array"]))
    metadata = _mapped(entry)
    return Dataset(
        data=one_channel(data),
        axes=axes,
        title=str(metadata.get("General", {}).get("title", "")),
        metadata=metadata,
    )


def _mapped(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata with what RosettaSciIO says belongs into them from the maker's own."""
    found = copy.deepcopy(dict(entry.get("metadata", {})))
    for source, (target, convert) in (entry.get("mapping") or {}).items():
        value: Any = entry.get("original_metadata", {})
        for key in source.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        if value is None:
            continue
        *groups, name = target.split(".")
        group: Any = found
        for key in groups:
            group = group.setdefault(key, {}) if isinstance(group, dict) else None
        with suppress(Exception):  # what a maker writes need not be what the mapping expects
            group.setdefault(name, value if convert is None else convert(value))
    return found


def _mrc_dataset(path: Path, entry: Mapping[str, Any]) -> Dataset:
    original = entry.get("original_metadata", {})
    found = _dataset(entry)
    return Dataset(
        data=mrc.signed(path, found.data, original),
        axes=found.axes,
        title=found.title,
        metadata=found.metadata,
        calibrated=mrc.has_cell(original),
        scale_notes=mrc.scale_notes(original),
    )


def _tiff_datasets(path: Path, entries: list[Mapping[str, Any]]) -> list[Dataset]:
    described = tiff.ome_images(path)
    found = [
        tiff.finished(
            _dataset(entry),
            entry.get("original_metadata", {}),
            described[n] if n < len(described) else {},
        )
        for n, entry in enumerate(entries)
    ]
    return tiff.joined(found)


def _bytes(path: Path, start: int, count: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(count)


def _check_blockfile(path: Path) -> None:
    """Refuse sizes that the file is too short for: the reader would fill them up with zeros."""
    head = _bytes(path, 20, 8)
    if len(head) == 8:
        side, _, columns, rows = map(int, np.frombuffer(head, "<u2"))
        unpacking.check_size(side * side * columns * rows, path.stat().st_size)


def _virtual_images(path: Path, entries: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The image that a blockfile holds before its diffraction patterns."""
    for entry in entries:
        header = entry["original_metadata"]["blockfile_header"]
        shape = int(header["NY"]), int(header["NX"])
        start = int(header["Data_offset_1"])
        data = np.frombuffer(_bytes(path, start, shape[0] * shape[1]), np.uint8)
        if data.size == shape[0] * shape[1] and data.min() < data.max():
            metadata = {"General": {"title": "virtual image"}}
            yield {"data": data.reshape(shape), "axes": entry["axes"][:2], "metadata": metadata}


@contextmanager
def _captured() -> Iterator[list[tuple[int, str]]]:
    """Collect warnings and log lines of the readers as (level, text), off the screen."""
    messages: list[tuple[int, str]] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append((record.levelno, record.getMessage()))

    collector = Collector(level=logging.WARNING)
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(logger.handlers[:], logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers, logger.propagate = [collector], False
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield messages
        messages.extend(
            (logging.WARNING, str(entry.message))
            for entry in caught
            if not issubclass(entry.category, ResourceWarning | DeprecationWarning)
        )
    finally:
        for logger, (handlers, propagate) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
