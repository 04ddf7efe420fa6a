"""One image into a file, with its pixel size where the format can carry it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stemfast.atomic import replacing

if TYPE_CHECKING:
    from numpy.typing import NDArray

ENDINGS = (".png", ".tif", ".tiff", ".hspy", ".npy")


def check_path(path: Path) -> None:
    """Refuse a path that could not be written, before any work starts.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ValueError
        If the ending is unknown, the path is a folder, or its folder does not exist or may not be
        written to.

    Examples
    --------
    >>> check_path(Path("particle.bmp"))
    Traceback (most recent call last):
        ...
    ValueError: particle.bmp must end in .png, .tif, .tiff, .hspy or .npy
    """
    if path.suffix.lower() not in ENDINGS:
        raise ValueError(f"{path} must end in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}")
    if not path.parent.is_dir():
        raise ValueError(f"the folder {path.parent} does not exist")
    if path.is_dir():
        raise ValueError(f"{path} is a folder, expected a file to write")
    if not os.access(path.parent, os.W_OK):
        raise ValueError(f"the folder {path.parent} is not writable")


def write(path: Path, image: NDArray[Any], pixel_size_nm: float) -> None:
    """Write an image, whole or not at all.

    PNG is for looking at: 8-bit grey from the image's minimum to its maximum. TIFF and .hspy keep
    the values and the scale, .npy the values alone.

    Parameters
    ----------
    path : Path
        The ending chooses the format.
    image : (H, W) array
        Pixel values.
    pixel_size_nm : float
        Pixel size [nm].

    Raises
    ------
    ValueError
        If the ending is unknown.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "flat.npy"
    >>> write(path, np.ones((2, 3)), pixel_size_nm=0.35)
    >>> np.load(path).shape
    (2, 3)
    """
    check_path(path)
    ending = path.suffix.lower()
    with replacing(path) as partial:
        if ending == ".npy":
            with partial.open("wb") as file:
                np.save(file, image)
        elif ending == ".png":
            _write_png(partial, image, pixel_size_nm)
        elif ending == ".hspy":
            from rsciio import hspy

            hspy.file_writer(str(partial), _signal(path.stem, image, pixel_size_nm))
        else:
            from rsciio import tiff

            tiff.file_writer(str(partial), _signal(path.stem, image, pixel_size_nm))


def _write_png(path: Path, image: NDArray[Any], pixel_size_nm: float) -> None:
    from PIL import Image, PngImagePlugin

    values = image.astype(np.float64)
    low, high = values.min(), values.max()
    grey = np.round((values - low) * (255.0 / (high - low if high > low else 1.0)))
    notes = PngImagePlugin.PngInfo()
    notes.add_text("pixel_size_nm", repr(pixel_size_nm))
    notes.add_text("grey", f"0 is {low:g}, 255 is {high:g}")
    Image.fromarray(grey.astype(np.uint8)).save(path, format="PNG", pnginfo=notes)


def _signal(title: str, image: NDArray[Any], pixel_size_nm: float) -> dict[str, Any]:
    """Put an image into the dictionary that RosettaSciIO's writers take."""
    from .info import version

    axes = [
        {
            "_type": "UniformDataAxis",
            "name": name,
            "units": "nm",
            "size": image.shape[index],
            "scale": pixel_size_nm,
            "offset": 0.0,
            "navigate": False,
            "is_binned": False,
            "index_in_array": index,
        }
        for index, name in enumerate("yx")
    ]
    return {
        "data": image,
        "axes": axes,
        "metadata": {"General": {"title": title}, "Signal": {"signal_type": ""}},
        "original_metadata": {},
        "attributes": {"_lazy": False, "ragged": False},
        "package_info": {"package": "stemfast", "package_version": version()},
        "tmp_parameters": {},
        "learning_results": {},
        "models": {},
    }
