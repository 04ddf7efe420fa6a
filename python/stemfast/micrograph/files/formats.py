"""The file formats, and the one place that talks to RosettaSciIO, tifffile and Pillow.

What those libraries warn or log goes to the caller as text, not to the screen; an error that
they only log fails the read.
"""

from __future__ import annotations

import gc
import importlib
import logging
import re
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stemfast.micrograph.files.error import MicrographError

FORMATS: Mapping[str, str] = {
    ".dm3": "digitalmicrograph",
    ".dm4": "digitalmicrograph",
    ".emd": "emd",
    ".mrc": "mrc",
    ".hspy": "hspy",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".ser": "tia",
    ".emi": "tia",
    ".prz": "pantarhei",
}
"""Suffix → RosettaSciIO's package that reads it."""

ARRAY_SUFFIXES = (".npy", ".png")
"""Suffixes of plain arrays, which carry no calibration."""

_LOGGERS = ("rsciio", "tifffile")
_SPECTRAL_UNIT = re.compile(r"^(k|M)?eV(/ch)?$|^s$|^Hz$")


@dataclass(frozen=True, eq=False)
class Dataset:
    """One array of a file, with its axes as RosettaSciIO gives them, in array order."""

    data: npt.NDArray[Any]
    axes: Sequence[Mapping[str, Any]]
    title: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    calibrated: bool = True

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.data.shape

    @property
    def kind(self) -> str:
        """What the axes say the data are: images, spectra, diffraction patterns."""
        if len(self.shape) < 2:
            return "a spectrum or a single row"
        if any(_SPECTRAL_UNIT.match(str(axis.get("units", ""))) for axis in self.axes[-2:]):
            return "spectra"
        # RosettaSciIO flags the axes that were scanned: y, x scanned and the last one not means
        # a spectrum in every pixel.
        if not self._signal_axes[-2] and self._signal_axes[-1]:
            return "spectra"
        return "images"

    @property
    def is_image(self) -> bool:
        """Whether the last two axes are the rows and columns of an image."""
        return self.kind == "images"

    @property
    def _signal_axes(self) -> list[bool]:
        return [not axis.get("navigate", False) for axis in self.axes]


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
        When the file cannot be read as what its suffix says, or the reader is not installed.
    """
    suffix = path.suffix.lower()
    reader = _read_array_file if suffix in ARRAY_SUFFIXES else _rosettasciio_reader(suffix)
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


def _rosettasciio_reader(suffix: str) -> Callable[[Path], list[Dataset]]:
    try:
        importlib.import_module("rsciio")
    except ModuleNotFoundError as error:
        raise MicrographError(
            f'reading {suffix} files needs RosettaSciIO: pip install "stemfast[io]"'
        ) from error
    module = importlib.import_module(f"rsciio.{FORMATS[suffix]}")

    def reader(path: Path) -> list[Dataset]:
        return [_dataset(entry, suffix) for entry in module.file_reader(str(path))]

    return reader


def _dataset(entry: Mapping[str, Any], suffix: str) -> Dataset:
    axes = list(entry["axes"])
    if all("index_in_array" in axis for axis in axes):
        axes.sort(key=lambda axis: int(axis["index_in_array"]))
    original = entry.get("original_metadata", {})
    calibrated = True
    if suffix == ".mrc":
        calibrated = _mrc_calibrated(original)
    elif suffix in (".tif", ".tiff"):
        axes = _imagej_units(axes, original)
    metadata = dict(entry.get("metadata", {}))
    return Dataset(
        data=np.asarray(entry["data"]),
        axes=axes,
        title=str(metadata.get("General", {}).get("title", "")),
        metadata=metadata,
        calibrated=calibrated,
    )


def _mrc_calibrated(original: Mapping[str, Any]) -> bool:
    """Whether an MRC header holds a cell: RosettaSciIO reports 1 nm or 0 nm where it does not."""
    if "fei_header" in original:
        return True
    header = original.get("std_header", {})
    return all(float(header.get(key, 0)) > 0 for key in ("Xlen", "Ylen", "MX", "MY"))


def _imagej_units(
    axes: list[Mapping[str, Any]], original: Mapping[str, Any]
) -> list[Mapping[str, Any]]:
    """ImageJ writes its unit as text; RosettaSciIO takes the scale but only knows microns."""
    text = str(original.get("ImageDescription", ""))
    unit = re.search(r"^unit=(.+)$", text, flags=re.MULTILINE)
    if not text.startswith("ImageJ=") or unit is None:
        return axes
    name = unit.group(1).strip().replace("\\u00B5", "\u00b5")
    return [
        {**axis, "units": axis.get("units") or name} if n >= len(axes) - 2 else axis
        for n, axis in enumerate(axes)
    ]


def _read_array_file(path: Path) -> list[Dataset]:
    data = np.load(path, allow_pickle=False) if path.suffix.lower() == ".npy" else _png(path)
    if not isinstance(data, np.ndarray):
        raise MicrographError("holds several arrays (.npz), expected one")
    axes: list[Mapping[str, Any]] = [{"units": None, "scale": 1.0} for _ in data.shape]
    return [Dataset(data=data, axes=axes, title=path.stem)]


def _png(path: Path) -> npt.NDArray[Any]:
    try:
        image_module = importlib.import_module("PIL.Image")
    except ModuleNotFoundError as error:
        raise MicrographError(
            'reading .png files needs Pillow: pip install "stemfast[viz]"'
        ) from error
    with image_module.open(path) as picture:
        if picture.mode == "P":
            picture = picture.convert("RGB")
        pixels = np.asarray(picture)
    if pixels.ndim == 2:
        return pixels
    colours = pixels[..., :3] if pixels.shape[-1] >= 3 else pixels[..., :1]
    if np.any(colours != colours[..., :1]):
        raise MicrographError(
            f"a colour picture (channels {pixels.shape[-1]}), expected one channel of intensity"
        )
    if pixels.shape[-1] in (2, 4) and np.any(pixels[..., -1] != pixels[..., -1].max()):
        raise MicrographError("a picture with transparency, expected opaque intensity")
    return np.ascontiguousarray(colours[..., 0])


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
