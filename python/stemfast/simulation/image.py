"""Images with a pixel size and a unit, and their files: HyperSpy, TIFF, NumPy and PNG."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from stemfast.arguments import length_nm
from stemfast.atomic import replacing


@dataclass(frozen=True, eq=False, repr=False)
class Image:
    """An image, or a stack of images, with its pixel size and unit.

    `numpy.asarray` takes its pixels. Slices, and images taken out of a stack, keep the pixel size;
    steps widen it.

    Parameters
    ----------
    pixels : (rows, columns) or (n, rows, columns) or (n, frames, rows, columns) array_like
        Real, finite numbers; row 0 is at the top. An array is kept, not copied.
    pixel_size_nm : float
        Side of a square pixel [nm].
    unit : str
        What pixel values count: "grey levels", "e-", "nm" …
    title : str
        What the image is called in files that have titles.
    metadata : mapping
        What else is to be kept with it, fit for JSON.

    Raises
    ------
    TypeError, ValueError
        If the pixels are not images of real, finite numbers, or the pixel size is not positive.

    Examples
    --------
    >>> image = Image(np.ones((3, 4), np.float32), 0.5, unit="nm", title="thickness")
    >>> image
    Image of 3 x 4 px of 0.5 nm, float32 [nm]
    >>> image.field_nm, np.asarray(image).shape
    ((1.5, 2.0), (3, 4))
    >>> image[1:], image[::2, ::2]
    (Image of 2 x 4 px of 0.5 nm, float32 [nm], Image of 2 x 2 px of 1 nm, float32 [nm])
    >>> float(image[0, 0])
    1.0
    """

    pixels: NDArray[Any]
    pixel_size_nm: float
    unit: str = "grey levels"
    title: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        pixels = np.asarray(self.pixels)
        if pixels.dtype.kind not in "uif":
            raise TypeError(f"pixels must be real numbers, got {pixels.dtype}")
        if not 2 <= pixels.ndim <= 4 or pixels.size == 0:
            raise ValueError(
                f"pixels has shape {pixels.shape}, expected (rows, columns), or a stack of images "
                "with one or two axes before those"
            )
        if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
            raise ValueError("pixels holds numbers that are not finite")
        for name in ("unit", "title"):
            if not isinstance(getattr(self, name), str):
                raise TypeError(f"{name} must be a string, got {getattr(self, name)!r}")
            if not _in_utf8(getattr(self, name)):
                raise ValueError(f"{name} holds half a surrogate pair, expected text of Unicode")
        object.__setattr__(self, "pixels", pixels)
        size = length_nm("pixel_size_nm", self.pixel_size_nm)
        object.__setattr__(self, "pixel_size_nm", size)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.pixels, dtype, copy=copy)

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, key: Any) -> Any:
        """Part of it: an `Image` where the result is one of square pixels, else NumPy's answer."""
        part, step = self.pixels[key], _step(key, self.pixels.ndim)
        if step is None or not part.size:
            return part
        return replace(self, pixels=part, pixel_size_nm=step * self.pixel_size_nm)

    def __repr__(self) -> str:
        *stack, rows, columns = self.shape
        many = f"Stack of {' x '.join(map(str, stack))} images" if stack else "Image"
        return (
            f"{many} of {rows} x {columns} px of {self.pixel_size_nm:g} nm, "
            f"{self.dtype} [{self.unit}]"
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the pixels."""
        return self.pixels.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels."""
        return self.pixels.dtype

    @property
    def field_nm(self) -> tuple[float, float]:
        """Height and width of the field [nm]."""
        rows, columns = self.shape[-2:]
        return rows * self.pixel_size_nm, columns * self.pixel_size_nm

    def to_hyperspy(self) -> Any:
        """HyperSpy's `Signal2D` of the same pixels, with scale, unit, title and metadata.

        Raises
        ------
        ModuleNotFoundError
            If HyperSpy is not installed.
        """
        from hyperspy.signals import Signal2D

        signal = _signal(self, self.pixels, self.title)
        kept = ("data", "axes", "metadata", "original_metadata")
        return Signal2D(**{name: signal[name] for name in kept})

    def save(self, path: str | Path) -> Path:
        """Write it to a file, whole or not at all.

        ===============  ==========================================================================
        ``.hspy``        HyperSpy's: values, scale, unit, title and metadata; stacks too
        ``.tif .tiff``   values, and the scale as ImageJ, DigitalMicrograph and HyperSpy read it;
                         the rest as JSON in tag 65000; stacks page by page
        ``.npy``         the values alone; stacks too
        ``.png``         to look at: 8-bit grey from the image's minimum (0) to its maximum (255),
                         with the two values and the pixel size as text in the file; one image
        ===============  ==========================================================================

        Parameters
        ----------
        path : str or Path
            Its ending chooses the format. Its folder must exist; a file already there is replaced.

        Returns
        -------
        Path
            The file written.

        Raises
        ------
        ValueError
            If the ending is unknown, the folder does not exist, or a stack goes to ``.png``.
        ModuleNotFoundError
            If the format needs an extra that is not installed: ``pip install "stemfast[io]"``.

        Examples
        --------
        >>> import tempfile
        >>> ramp = Image(np.arange(80, dtype=np.uint16).reshape(8, 10), 0.5)
        >>> file = ramp.save(tempfile.mkdtemp() + "/ramp.npy")
        >>> int(np.load(file).max())
        79
        """
        return write(path, self)


_JSON_TAG = 65000  # the first of TIFF's tags that are free for private use
_STACK_AXES = ("image", "frame")


def _step(key: Any, n_axes: int) -> int | None:
    """Step of an index in rows and columns alike; None where they are not both kept, or differ."""
    keys = list(key) if isinstance(key, tuple) else [key]
    if not all(one is ... or _is_position(one) or isinstance(one, slice) for one in keys):
        return None
    whole = [slice(None)] * (n_axes - sum(one is not ... for one in keys))
    at = keys.index(...) if ... in keys else len(keys)
    keys[at : at + 1] = whole
    steps = {one.step or 1 if isinstance(one, slice) else 0 for one in keys[-2:]}
    step = steps.pop()
    return step if not steps and step > 0 else None


def _is_position(key: Any) -> bool:
    return isinstance(key, int | np.integer) and not isinstance(key, bool)


def _in_utf8(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


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
    ValueError: particle.bmp must end in .png, .tif, .tiff, .hspy or .npy
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


def write(path: str | Path, image: Image) -> Path:
    """Write an image or a stack, whole or not at all: see `Image.save`."""
    target = check_path(path)
    if target.suffix.lower() == ".png" and image.pixels.ndim > 2:
        raise ValueError(
            f"{target}: a .png holds one image, got a stack of shape {image.shape}: save its "
            "images one by one, or as .hspy, .tif or .npy"
        )
    with replacing(target) as partial:
        _WRITERS[target.suffix.lower()](partial, image, image.title or target.stem)
    return target


def _write_npy(path: Path, image: Image, title: str) -> None:
    with path.open("wb") as file:
        np.save(file, image.pixels)


def _write_png(path: Path, image: Image, title: str) -> None:
    from PIL import Image as Picture
    from PIL import PngImagePlugin

    values = image.pixels.astype(np.float64)
    low, high = values.min(), values.max()
    grey = np.round((values - low) * (255.0 / (high - low if high > low else 1.0)))
    notes = PngImagePlugin.PngInfo()
    notes.add_text("pixel_size_nm", repr(image.pixel_size_nm))
    notes.add_itxt("grey", f"0 is {low:g}, 255 is {high:g} {image.unit}")
    notes.add_itxt("stemfast", _about(image, title))
    Picture.fromarray(grey.astype(np.uint8)).save(path, format="PNG", pnginfo=notes)


def _write_hspy(path: Path, image: Image, title: str) -> None:
    from rsciio import hspy

    hspy.file_writer(str(path), _signal(image, image.pixels, title), show_progressbar=False)


def _write_tiff(path: Path, image: Image, title: str) -> None:
    from rsciio import tiff

    # TIFF knows pages, not axes; and the scale's unit is only told of one axis before the image's.
    pages = image.pixels.reshape(-1, *image.shape[-2:]) if image.pixels.ndim > 3 else image.pixels
    about = (_JSON_TAG, "s", 0, _about(image, title), False)
    tiff.file_writer(str(path), _signal(image, pages, title), extratags=[about])


def _about(image: Image, title: str) -> str:
    about = {"title": title, "unit": image.unit, "shape": image.shape, **image.metadata}
    return json.dumps(about)


def _signal(image: Image, data: Any, title: str) -> dict[str, Any]:
    """Put an image into the dictionary that RosettaSciIO's writers take."""
    names = (*_STACK_AXES[: data.ndim - 2], "y", "x")
    return {
        "data": data,
        "axes": [
            _axis(name, n, image.pixel_size_nm, number)
            for number, (name, n) in enumerate(zip(names, data.shape, strict=True))
        ],
        "metadata": {
            "General": {"title": title},
            "Signal": {"signal_type": "", "quantity": f"Intensity ({image.unit})"},
        },
        "original_metadata": {"stemfast": dict(image.metadata)},
        "attributes": {"_lazy": False, "ragged": False},
        "package_info": {"package": "stemfast", "package_version": version("stemfast")},
        "tmp_parameters": {},
        "learning_results": {},
        "models": {},
    }


def _axis(name: str, size: int, pixel_size_nm: float, number: int) -> dict[str, Any]:
    in_image = name in "yx"
    return {
        "_type": "UniformDataAxis",
        "name": name,
        "units": "nm" if in_image else "",
        "size": size,
        "scale": pixel_size_nm if in_image else 1.0,
        # The origin is the centre of the scan, as it is for positions.
        "offset": -0.5 * (size - 1) * pixel_size_nm if in_image else 0.0,
        "navigate": not in_image,
        "is_binned": False,
        "index_in_array": number,
    }


_WRITERS: dict[str, Callable[[Path, Image, str], None]] = {
    ".png": _write_png,
    ".tif": _write_tiff,
    ".tiff": _write_tiff,
    ".hspy": _write_hspy,
    ".npy": _write_npy,
}

_NEEDS = {
    ".png": ("PIL.Image", "Pillow", "viz"),
    ".tif": ("rsciio.tiff", "RosettaSciIO", "io"),
    ".tiff": ("rsciio.tiff", "RosettaSciIO", "io"),
    ".hspy": ("rsciio.hspy", "RosettaSciIO", "io"),
}

ENDINGS = tuple(_WRITERS)
"""Endings of the files that can be written."""
