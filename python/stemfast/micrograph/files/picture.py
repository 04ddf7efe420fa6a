"""Plain arrays and pictures: ``.npy`` by NumPy, ``.png``, ``.jpg``, … by Pillow."""

from __future__ import annotations

import math
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
    from PIL import Image

    with Image.open(path) as opened:
        width, height = opened.size
        check_size(width * height * len(opened.getbands()), path.stat().st_size)
        pixel_size_nm = _own_pixel_size(opened.info.get("pixel_size_nm", ""))
        picture: Image.Image = opened
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


def _own_pixel_size(text: Any) -> float | None:
    """The pixel size [nm] that stemfast writes into its pictures as text."""
    try:
        size = float(text)
    except (TypeError, ValueError):
        return None
    return size if math.isfinite(size) and size > 0 else None


def _plain(data: npt.NDArray[Any], path: Path, pixel_size_nm: float | None) -> Dataset:
    unit = None if pixel_size_nm is None else "nm"
    axes = [{"units": unit, "scale": pixel_size_nm or 1.0} for _ in data.shape]
    return Dataset(data=data, axes=axes, title=path.stem)
