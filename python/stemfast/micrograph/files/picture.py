"""Plain arrays and pictures: ``.npy`` by NumPy, ``.png``, ``.jpg``, … by Pillow."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stemfast.micrograph.files.dataset import Dataset, one_channel
from stemfast.micrograph.files.error import MicrographError
from stemfast.micrograph.files.unpacking import check_size

__all__ = ["SUFFIXES", "read_array", "read_picture"]

#: Suffixes of pictures, which carry no scale unless stemfast wrote them.
SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".bmp", ".webp", ".gif", ".pgm", ".ppm")


def read_array(path: Path) -> list[Dataset]:
    """The array of a ``.npy`` file."""
    data = np.load(path, allow_pickle=False)
    if not isinstance(data, np.ndarray):
        raise MicrographError("holds several arrays (.npz), expected one")
    return [_plain(data, path, None)]


def read_picture(path: Path) -> list[Dataset]:
    """The intensity of a picture whose colour channels are equal."""
    try:
        image_module = importlib.import_module("PIL.Image")
    except ModuleNotFoundError as error:
        raise MicrographError(
            f'reading {path.suffix.lower()} files needs Pillow: pip install "stemfast[viz]"'
        ) from error
    with image_module.open(path) as picture:
        width, height = picture.size
        check_size(width * height * len(picture.getbands()), path.stat().st_size)
        pixel_size_nm = _own_pixel_size(picture.info)
        if picture.mode in ("P", "CMYK", "YCbCr", "HSV", "LAB", "PA"):
            picture = picture.convert("RGBA" if picture.mode == "PA" else "RGB")
        pixels = np.asarray(picture)
    if pixels.ndim == 3:
        pixels = _intensity(pixels)
    return [_plain(pixels, path, pixel_size_nm)]


def _intensity(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    channels = pixels.shape[-1]
    if channels in (2, 4) and np.any(pixels[..., -1] != pixels[..., -1].max()):
        raise MicrographError("a picture with transparency, expected opaque intensity")
    if channels < 3:
        return np.ascontiguousarray(pixels[..., 0])
    fields = np.dtype([(name, pixels.dtype) for name in "RGB"])
    grey = one_channel(np.ascontiguousarray(pixels[..., :3]).view(fields)[..., 0])
    if grey.dtype.names is not None:
        raise MicrographError(
            f"a colour picture (channels {channels}), expected one channel of intensity"
        )
    return grey


def _own_pixel_size(info: Mapping[str, Any]) -> float | None:
    """The pixel size [nm] that stemfast writes into its pictures as text."""
    try:
        size = float(info.get("pixel_size_nm", ""))
    except ValueError:
        return None
    return size if math.isfinite(size) and size > 0 else None


def _plain(data: npt.NDArray[Any], path: Path, pixel_size_nm: float | None) -> Dataset:
    unit = None if pixel_size_nm is None else "nm"
    axes = [{"units": unit, "scale": pixel_size_nm or 1.0} for _ in data.shape]
    return Dataset(data=data, axes=axes, title=path.stem)
