"""Files of images: HyperSpy, TIFF, MRC, NumPy and PNG."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from stemfast.atomic import replacing
from stemfast.image.exchange import as_signal
from stemfast.image.facts import Imaged
from stemfast.image.mrc import mrc_bytes
from stemfast.image.picture import grey_levels

_JSON_TAG = 65000  # the first of TIFF's tags that are free for private use


def check_path(path: str | Path) -> Path:
    """Refuse a path that could not be written, before any work starts.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Path

    Raises
    ------
    TypeError
        If it is no path.
    ValueError
        If the ending is unknown, the path is a folder, or its folder does not exist or may not be
        written to.
    ModuleNotFoundError
        If the format needs an extra that is not installed.

    Examples
    --------
    >>> check_path("particle.bmp")
    Traceback (most recent call last):
        ...
    ValueError: particle.bmp must end in .png, .tif, .tiff, .hspy, .mrc or .npy
    """
    target = writable(path, ENDINGS)
    package, what, extra = _NEEDS.get(target.suffix.lower(), ("numpy", "", ""))
    try:
        importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f'writing {target.suffix} needs {what}: pip install "stemfast[{extra}]"',
            name=package.partition(".")[0],
        ) from error
    return target


def writable(path: str | Path, endings: tuple[str, ...]) -> Path:
    """Return a path that ends in one of these and can be written.

    Raises
    ------
    TypeError
        If it is no path.
    ValueError
        If the ending is another, the path is a folder, or its folder does not exist or may not be
        written to.

    Examples
    --------
    >>> writable("truth.npy", (".npz",))
    Traceback (most recent call last):
        ...
    ValueError: truth.npy must end in .npz
    """
    if not isinstance(path, str | Path):
        raise TypeError(f"path must be a file name, got {path!r}")
    target = Path(path)
    if target.suffix.lower() not in endings:
        listing = " or ".join(filter(None, (", ".join(endings[:-1]), endings[-1])))
        raise ValueError(f"{target} must end in {listing}")
    if not target.parent.is_dir():
        raise ValueError(f"the folder {target.parent} does not exist")
    if target.is_dir():
        raise ValueError(f"{target} is a folder, expected a file to write")
    if not os.access(target.parent, os.W_OK):
        raise ValueError(f"the folder {target.parent} is not writable")
    return target


def write(path: str | Path, image: Imaged) -> Path:
    """Write an image or a stack, whole or not at all: see `Image.save`."""
    target = check_path(path)
    if target.suffix.lower() == ".png" and image.pixels.ndim > 2:
        raise ValueError(
            f"{target}: a .png holds one image, got a stack of shape {image.pixels.shape}: save "
            "its images one by one, or as .hspy, .tif or .npy"
        )
    with replacing(target) as partial:
        _WRITERS[target.suffix.lower()](partial, image, image.title or target.stem)
    return target


def _write_npy(path: Path, image: Imaged, title: str) -> None:
    with path.open("wb") as file:
        np.save(file, image.pixels)


def _write_png(path: Path, image: Imaged, title: str) -> None:
    from PIL import Image as Picture
    from PIL import PngImagePlugin

    grey, low, high = grey_levels(image.pixels)
    notes = PngImagePlugin.PngInfo()
    notes.add_text("pixel_size_nm", repr(image.pixel_size_nm))
    notes.add_itxt("grey", f"0 is {low:g}, 255 is {high:g} {image.unit}")
    notes.add_itxt("stemfast", _about(image, title))
    Picture.fromarray(grey).save(path, format="PNG", pnginfo=notes)


def _write_mrc(path: Path, image: Imaged, title: str) -> None:
    path.write_bytes(mrc_bytes(image.pixels, image.pixel_size_nm, title))


def _write_hspy(path: Path, image: Imaged, title: str) -> None:
    from rsciio import hspy

    hspy.file_writer(str(path), as_signal(image, image.pixels, title), show_progressbar=False)


def _write_tiff(path: Path, image: Imaged, title: str) -> None:
    from rsciio import tiff

    # TIFF knows pages, not axes; and the scale's unit is only told of one axis before the image's.
    pages = (
        image.pixels.reshape(-1, *image.pixels.shape[-2:])
        if image.pixels.ndim > 3
        else image.pixels
    )
    about = (_JSON_TAG, "s", 0, _about(image, title), False)
    tiff.file_writer(str(path), as_signal(image, pages, title), extratags=[about])


def _about(image: Imaged, title: str) -> str:
    about = {"title": title, "unit": image.unit, "shape": image.pixels.shape, **image.metadata}
    return json.dumps(about)


_WRITERS: dict[str, Callable[[Path, Imaged, str], None]] = {
    ".png": _write_png,
    ".tif": _write_tiff,
    ".tiff": _write_tiff,
    ".hspy": _write_hspy,
    ".mrc": _write_mrc,
    ".npy": _write_npy,
}

_NEEDS = {
    ".tif": ("rsciio.tiff", "RosettaSciIO", "io"),
    ".tiff": ("rsciio.tiff", "RosettaSciIO", "io"),
    ".hspy": ("rsciio.hspy", "RosettaSciIO", "io"),
}

ENDINGS = tuple(_WRITERS)
"""Endings of the files that can be written."""
