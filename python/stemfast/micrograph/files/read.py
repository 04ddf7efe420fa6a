"""Real micrographs in: a file of any maker becomes one calibrated image.

Files of microscopes and of HyperSpy go through RosettaSciIO; plain ``.npy`` and ``.png`` arrays
through NumPy and Pillow, with the pixel size given by the caller.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stemfast.micrograph.files import calibration
from stemfast.micrograph.files.error import MicrographError
from stemfast.micrograph.files.formats import ARRAY_SUFFIXES, FORMATS, Dataset, read_datasets

_MIN_SIDE_PX = 8


@dataclass(frozen=True, eq=False)
class Micrograph:
    """One calibrated image.

    Parameters
    ----------
    image : ndarray of float32, shape (rows, columns)
        Intensity in the file's own units; read-only. Row 0 is at the top.
    pixel_size_nm : float
        Side of a square pixel [nm].
    path : Path or None
        The file it came from.
    title : str
        The file's title of the image, or the file's name.
    metadata : mapping
        What the file said about the image, and which dataset and frame were taken.
    notes : tuple of str
        What a user should be told: a calibration that was overruled, the reader's own warnings.

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
        object.__setattr__(self, "image", image)
        object.__setattr__(self, "pixel_size_nm", calibration.checked(self.pixel_size_nm))

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
        A ``.dm3 .dm4 .emd .mrc .hspy .tif .tiff .ser .emi .prz`` file, or a ``.npy`` or ``.png``.
    pixel_size_nm : float, optional
        Pixel size [nm]. It replaces the file's own, which `Micrograph.notes` then says; needed
        where the file has none.
    index : int, optional
        Frame of a stack, from 0. Needed for a stack of more than one frame.
    dataset : int or str, optional
        Number (from 0) or title of the dataset in a file that holds several. Without it the
        only image is taken, or the only one with "HAADF" in its title.

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
    file = _checked_path(path)
    given = None if pixel_size_nm is None else calibration.checked(pixel_size_nm)
    if index is not None:
        index = _checked_index(index)
    try:
        datasets, messages = read_datasets(file)
        position, chosen, notes = _choose_dataset(datasets, dataset)
        image, axes = _choose_frame(chosen, index)
        size, calibration_notes = _choose_pixel_size(chosen, axes, given)
        return Micrograph(
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
            notes=(*notes, *calibration_notes, *messages),
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
    if min(rows, cols) < _MIN_SIDE_PX:
        raise MicrographError(
            f"the image is {rows} x {cols} pixels, expected at least {_MIN_SIDE_PX} x "
            f"{_MIN_SIDE_PX}"
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


def _checked_path(path: str | Path) -> Path:
    if not isinstance(path, str | Path):
        raise TypeError(f"path: expected a file name, got {type(path).__name__}")
    file = Path(path)
    known = sorted({*FORMATS, *ARRAY_SUFFIXES})
    if not file.exists():
        raise MicrographError(f"{file}: no such file, expected a micrograph ({' '.join(known)})")
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


def _checked_index(index: int) -> int:
    if isinstance(index, bool):
        raise TypeError(f"index: expected a frame number, got {index!r}")
    try:
        return operator.index(index)
    except TypeError as error:
        raise TypeError(f"index: expected a frame number, got {index!r}") from error


def _choose_dataset(
    datasets: list[Dataset], wanted: int | str | None
) -> tuple[int, Dataset, list[str]]:
    """The dataset to take, its number in the file, and what to tell the user about the choice."""
    listing = "; ".join(f"{n}: {d.title or 'untitled'} {d.shape}" for n, d in enumerate(datasets))
    if not datasets:
        raise MicrographError("the file holds no data, expected an image")
    if isinstance(wanted, str):
        matches = [n for n, d in enumerate(datasets) if d.title == wanted]
        if len(matches) != 1:
            raise MicrographError(f"dataset: {wanted!r} is not the title of one of [{listing}]")
        return matches[0], datasets[matches[0]], []
    if wanted is not None:
        number = _checked_index(wanted)
        if not 0 <= number < len(datasets):
            raise MicrographError(f"dataset: got {number}, expected one of [{listing}]")
        return number, datasets[number], []
    if len(datasets) == 1:
        return 0, datasets[0], []
    images: Callable[[Dataset], bool] = lambda d: len(d.shape) == 2 and d.is_image  # noqa: E731
    candidates = [n for n, d in enumerate(datasets) if images(d)]
    if len(candidates) > 1:
        candidates = [n for n in candidates if "haadf" in datasets[n].title.lower()]
    if len(candidates) != 1:
        raise MicrographError(
            f"the file holds {len(datasets)} datasets [{listing}]: say which with dataset=..."
        )
    number = candidates[0]
    return number, datasets[number], [f"took dataset {number} of [{listing}]"]


def _choose_frame(
    dataset: Dataset, index: int | None
) -> tuple[npt.NDArray[Any], tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """One 2-D frame and its (row, column) axes."""
    if not dataset.is_image:
        raise MicrographError(
            f"the data are {dataset.kind} of shape {dataset.shape}, expected an image or a stack "
            "of images"
        )
    data = dataset.data.reshape([n for n in dataset.shape[:-2] if n != 1] + [*dataset.shape[-2:]])
    axes = (dataset.axes[-2], dataset.axes[-1])
    if data.ndim == 2:
        if index not in (None, 0):
            raise MicrographError(f"index: got {index}, but the file holds one image (index 0)")
        return data, axes
    if data.ndim > 3:
        raise MicrographError(
            f"the data have {data.ndim} dimensions {data.shape}, expected an image (2) or a "
            "stack of images (3)"
        )
    frames = data.shape[0]
    if index is None:
        raise MicrographError(
            f"a stack of {frames} images: say which with index=0 ... {frames - 1}"
        )
    if not 0 <= index < frames:
        raise MicrographError(
            f"index: got {index}, expected 0 ... {frames - 1} for this stack of {frames} images"
        )
    return data[index], axes


def _choose_pixel_size(
    dataset: Dataset, axes: tuple[Mapping[str, Any], Mapping[str, Any]], given: float | None
) -> tuple[float, list[str]]:
    found = calibration.pixel_size(axes) if dataset.calibrated else None
    if given is not None:
        if found is not None and abs(found - given) > 1e-6 * given:
            return given, [f"pixel size {given:g} nm as given, in place of the file's {found:g} nm"]
        return given, []
    if found is None:
        raise MicrographError(
            "no pixel size in the file, expected a calibration in nm: "
            f"{calibration.GIVE_PIXEL_SIZE}"
        )
    return found, []
