"""Real micrographs in: a file of any maker becomes one calibrated image.

Files of microscopes and of HyperSpy go through RosettaSciIO; plain ``.npy`` arrays and pictures
through NumPy and Pillow, with the pixel size given by the caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stemfast.image.taking import scaled
from stemfast.micrograph.files import calibration
from stemfast.micrograph.files.choice import (
    MIN_SIDE_PX,
    checked_index,
    choose_dataset,
    choose_frame,
)
from stemfast.micrograph.files.dataset import Dataset
from stemfast.micrograph.files.error import MicrographError, NoScaleError
from stemfast.micrograph.files.formats import SUFFIXES, read_datasets


@dataclass(frozen=True, eq=False)
class Micrograph:
    """One calibrated image.

    Parameters
    ----------
    image : ndarray of float32, shape (rows, columns)
        Intensity in the file's own units; read-only. Row 0 is at the top. It is kept as a
        `stemfast.Image`, with the pixel size and the title.
    pixel_size_nm : float
        Side of a square pixel [nm].
    path : Path or None
        The file it came from.
    title : str
        The file's title of the image, or the file's name.
    metadata : mapping
        What the file said about the image, and which dataset and frame were taken.
    notes : tuple of str
        Notes for the user: a calibration that was overruled, the reader's own warnings.

    Raises
    ------
    MicrographError
        An image that is not two-dimensional, too small, not real, not finite or constant, or a
        pixel size that is not a positive number.

    Examples
    --------
    >>> import numpy as np
    >>> m = Micrograph(np.arange(64.0).reshape(8, 8), 0.5)
    >>> m.image.dtype, m.field_nm
    (dtype('float32'), (4.0, 4.0))
    >>> m.image[2:, 2:]
    Image of 6 x 6 px of 0.5 nm, float32 [grey levels]
    """

    image: npt.NDArray[np.float32]
    pixel_size_nm: float
    path: Path | None = None
    title: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        image = checked_image(self.image).copy()
        image.setflags(write=False)
        size = calibration.checked(self.pixel_size_nm)
        object.__setattr__(self, "image", scaled(image, size, self.title))
        object.__setattr__(self, "pixel_size_nm", size)

    def _repr_png_(self) -> bytes | None:
        return scaled(self.image, self.pixel_size_nm)._repr_png_()

    @property
    def field_nm(self) -> tuple[float, float]:
        """Height and width of the field of view [nm]."""
        rows, cols = self.image.shape
        return rows * self.pixel_size_nm, cols * self.pixel_size_nm


def read(
    path: str | Path,
    *,
    pixel_size_nm: float | None = None,
    index: int | None = None,
    dataset: int | str | None = None,
) -> Micrograph:
    """Read one image and its pixel size from a file.

    Parameters
    ----------
    path : str or Path
        Any file with images that RosettaSciIO reads (``.dm3 .dm4 .emd .mrc .hspy .tif .ser .emi
        .bcf .blo .h5 .nxs .zspy`` and more), a picture (``.png .jpg .bmp .webp``) or a ``.npy``.
    pixel_size_nm : float, optional
        Pixel size [nm]. It replaces whatever the file says, which `Micrograph.notes` then tells;
        needed where the file has none.
    index : int, optional
        Frame of a stack, from 0. Needed for a stack of more than one frame.
    dataset : int or str, optional
        Number (from 0) or title of the dataset in a file that holds several. Without it the
        only image is taken; of several the HAADF image, else the dark-field one, else the one with
        a scale, else the one that others are previews of.

    Returns
    -------
    Micrograph

    Raises
    ------
    MicrographError
        Named file, what it holds and what was expected: missing, a directory, empty, truncated,
        of another type, not an image, without calibration, with pixels that are not square,
        with values that are not finite or all the same.
    TypeError
        An argument of the wrong type.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(folder + "/a.npy", np.arange(64.0).reshape(8, 8))
    ...     read(folder + "/a.npy", pixel_size_nm=0.5).image.shape
    (8, 8)
    """
    reading = read_image(
        path, pixel_size_nm=pixel_size_nm, index=index, dataset=dataset, scale_needed=True
    )
    assert reading.pixel_size_nm is not None
    return Micrograph(
        image=reading.image,
        pixel_size_nm=reading.pixel_size_nm,
        path=reading.path,
        title=reading.title,
        metadata=reading.metadata,
        notes=reading.notes,
    )


@dataclass(frozen=True, eq=False)
class Reading:
    """One image of a file, with its scale where that is known.

    Attributes
    ----------
    image : ndarray of float32, shape (rows, columns)
        Intensity in the file's own units.
    pixel_size_nm : float or None
        Side of a square pixel [nm]; None where neither the file nor the caller says it.
    path : Path
        The file.
    title : str
        The file's title of the image, or the file's name.
    metadata : mapping
        As for `Micrograph`.
    notes : tuple of str
        Notes for the user.
    without_scale : str
        Why there is no scale; "" where there is one.
    """

    image: npt.NDArray[np.float32]
    pixel_size_nm: float | None
    path: Path
    title: str
    metadata: Mapping[str, Any]
    notes: tuple[str, ...]
    without_scale: str = ""


def read_image(
    path: str | Path,
    *,
    pixel_size_nm: float | None = None,
    index: int | None = None,
    dataset: int | str | None = None,
    scale_needed: bool = False,
) -> Reading:
    """Read one image from a file, also where there is no scale.

    Parameters
    ----------
    path, pixel_size_nm, index, dataset
        As for `read`.
    scale_needed : bool
        Whether a missing scale is an error.

    Returns
    -------
    Reading

    Raises
    ------
    MicrographError, TypeError
        As for `read`.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(folder + "/a.npy", np.arange(64.0).reshape(8, 8))
    ...     read_image(folder + "/a.npy").pixel_size_nm is None
    True
    """
    file = checked_path(path)
    given = None if pixel_size_nm is None else calibration.checked(pixel_size_nm)
    if index is not None:
        index = checked_index(index)
    try:
        datasets, messages = read_datasets(file)
        position, chosen, notes = choose_dataset(datasets, dataset)
        image, axes = choose_frame(chosen, index)
        size: float | None = None
        scale_notes: list[str] = []
        missing = ""
        try:
            size, scale_notes = choose_pixel_size(chosen, given)
        except NoScaleError as error:
            if scale_needed:
                raise
            missing = str(error)
        return Reading(
            image=checked_image(image),
            pixel_size_nm=size,
            path=file,
            title=chosen.title or file.name,
            metadata={
                "dataset": position,
                "index": index,
                "file_units": [axis.get("units") for axis in axes],
                "file_scale": [axis.get("scale") for axis in axes],
                "given_pixel_size_nm": given,
                "file": dict(chosen.metadata),
            },
            notes=(*notes, *chosen.notes, *scale_notes, *messages),
            without_scale=missing,
        )
    except MicrographError as error:
        raise MicrographError(f"{file}: {error}") from error


def checked_image(image: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Return `image` as a 2-D finite float32 array, or refuse it.

    Raises
    ------
    MicrographError
        Wrong number of dimensions, fewer than 8 pixels on a side, complex or non-numeric values,
        NaN or infinity, or one value everywhere.

    Examples
    --------
    >>> checked_image([[1, 2], [3, 4]])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    stemfast...MicrographError: the image is 2 x 2 pixels, expected at least 8 x 8
    """
    array = np.asarray(image)
    if array.dtype.names is not None:
        raise MicrographError(f"the image is in colour {array.dtype.names}, expected one channel")
    if array.dtype.kind not in "buif":
        raise MicrographError(f"the image holds {array.dtype} values, expected real numbers")
    if array.ndim != 2:
        raise MicrographError(
            f"the image has {array.ndim} dimensions {array.shape}, expected 2 (rows, columns)"
        )
    rows, cols = array.shape
    if min(rows, cols) < MIN_SIDE_PX:
        raise MicrographError(
            f"the image is {rows} x {cols} pixels, expected at least {MIN_SIDE_PX} x {MIN_SIDE_PX}"
        )
    with np.errstate(over="ignore"):
        result: npt.NDArray[np.float32] = np.asarray(array, dtype=np.float32)
    bad = int(result.size - np.count_nonzero(np.isfinite(result)))
    if bad:
        raise MicrographError(f"{bad} of {result.size} pixels are NaN or infinite, expected none")
    if result.min() == result.max():
        raise MicrographError(
            f"every pixel has the same value ({float(result.flat[0]):g}), expected an image"
        )
    return result


def checked_path(path: str | Path) -> Path:
    """The path of a file that is there, is not empty and has a known suffix.

    Raises
    ------
    TypeError, MicrographError
        For anything else.

    Examples
    --------
    >>> checked_path("nothing.dm4")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    stemfast...MicrographError: nothing.dm4: no such file, expected a micrograph (...)
    """
    if not isinstance(path, str | Path):
        raise TypeError(f"path: expected a file name, got {type(path).__name__}")
    file = Path(path)
    known = SUFFIXES
    if not file.exists():
        raise MicrographError(f"{file}: no such file, expected a micrograph ({' '.join(known)})")
    if file.is_dir() and file.suffix.lower() == ".zspy":
        return file
    if not file.is_file():
        kind = "a directory" if file.is_dir() else "not a regular file"
        raise MicrographError(f"{file}: {kind}, expected a micrograph file ({' '.join(known)})")
    if file.suffix.lower() not in known:
        raise MicrographError(
            f"{file}: unknown file type {file.suffix!r}, expected one of {' '.join(known)}"
        )
    if file.stat().st_size == 0:
        raise MicrographError(f"{file}: the file is empty (0 bytes), expected a micrograph")
    return file


def choose_pixel_size(dataset: Dataset, given: float | None) -> tuple[float, list[str]]:
    """The pixel size to use [nm], the caller's or else the file's, and what to tell of it.

    Raises
    ------
    MicrographError
        When nothing is given and the file has no scale or one that cannot be used.
    """
    size, notes = calibration.choose(dataset.axes[-2:], given, calibrated=dataset.calibrated)
    return size, [*notes, *(dataset.scale_notes if given is None else ())]
