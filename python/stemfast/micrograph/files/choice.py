"""The image to take from a file: among its datasets, and among the frames of a stack."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy.typing as npt

from stemfast.micrograph.files.dataset import Dataset
from stemfast.micrograph.files.error import MicrographError

__all__ = ["MIN_SIDE_PX", "checked_index", "choose_dataset", "choose_frame"]

#: Images with fewer pixels on a side are refused.
MIN_SIDE_PX = 8
# A preview has at most this share of the pixels of the image that it shows.
_PREVIEW = 0.25
_DARK_FIELD = re.compile(
    r"(?i)(?<![a-z])[lm]?a{0,2}df(?:[-_ ]?\d|[-_ ][a-z])?(?![a-z\d])|dark[-_ ]?field|annular"
)


def checked_index(index: object, name: str = "index") -> int:
    """A number of a frame or dataset as an int.

    Raises
    ------
    TypeError
        When it is no whole number.
    """
    what = f"{name}: expected a {'frame' if name == 'index' else 'dataset'} number, got {index!r}"
    if isinstance(index, bool):
        raise TypeError(what)
    try:
        return operator.index(index)  # type: ignore[arg-type]
    except TypeError as error:
        raise TypeError(what) from error


def choose_dataset(
    datasets: list[Dataset], wanted: int | str | None
) -> tuple[int, Dataset, list[str]]:
    """The dataset to take, its number in the file, and what to tell the user about the choice.

    Parameters
    ----------
    datasets : list of Dataset
    wanted : int, str or None
        Its number or title; None for the one that looks most like a dark-field image.

    Raises
    ------
    MicrographError
        When there is none, or several that are as good.
    """
    listing = "; ".join(f"{n}: {d.title or 'untitled'} {d.shape}" for n, d in enumerate(datasets))
    if not datasets:
        raise MicrographError("the file holds no images, expected one")
    if wanted is not None:
        number = _wanted(datasets, wanted, listing)
        return number, datasets[number], []
    if len(datasets) == 1:
        return 0, datasets[0], []
    candidates = [n for n, d in enumerate(datasets) if _is_usable(d)]
    candidates = _best(datasets, candidates)
    if len(candidates) != 1:
        raise MicrographError(
            f"the file holds {len(datasets)} datasets [{listing}]: say which with dataset=..."
        )
    number = candidates[0]
    return number, datasets[number], [f"took dataset {number} of [{listing}]"]


def _wanted(datasets: list[Dataset], wanted: int | str, listing: str) -> int:
    if isinstance(wanted, str):
        matches = [n for n, d in enumerate(datasets) if d.title == wanted]
        if len(matches) == 1:
            return matches[0]
        if not wanted.isdecimal() or matches:
            raise MicrographError(f"dataset: {wanted!r} is not the title of one of [{listing}]")
        wanted = int(wanted)
    number = checked_index(wanted, "dataset")
    if not 0 <= number < len(datasets):
        raise MicrographError(f"dataset: got {number}, expected one of [{listing}]")
    return number


def _is_usable(dataset: Dataset) -> bool:
    """True for one real image or a stack, neither tiny nor of one value."""
    data = dataset.data
    if not dataset.frames or data.dtype.kind not in "buif" or min(data.shape[-2:]) < MIN_SIDE_PX:
        return False
    return bool(data.min() < data.max())


def _best(datasets: list[Dataset], numbers: list[int]) -> list[int]:
    """The candidates left after detector, single image, calibration and size have been asked."""
    if len(numbers) < 2:
        return numbers

    def leading(numbers: list[int], points: Mapping[int, float]) -> list[int]:
        most = max(points[n] for n in numbers)
        return [n for n in numbers if points[n] == most]

    numbers = leading(numbers, {n: _detector_points(datasets[n]) for n in numbers})
    numbers = leading(numbers, {n: float(datasets[n].frames == 1) for n in numbers})
    numbers = leading(numbers, {n: float(_has_scale(datasets[n])) for n in numbers})
    pixels = {n: datasets[n].shape[-2] * datasets[n].shape[-1] for n in numbers}
    return [n for n in numbers if pixels[n] > _PREVIEW * max(pixels.values())]


def _detector_points(dataset: Dataset) -> float:
    names = [dataset.title, *_detectors(dataset.metadata)]
    if any("haadf" in name.lower() for name in names):
        return 2.0
    return 1.0 if any(_DARK_FIELD.search(name) for name in names) else 0.0


def _detectors(metadata: Mapping[str, Any], inside: bool = False) -> Iterator[str]:
    """Texts in the metadata that stand under a detector."""
    for key, value in metadata.items():
        if inside:
            yield str(key)
        if isinstance(value, Mapping):
            yield from _detectors(value, inside or "detector" in str(key).lower())
        elif isinstance(value, str) and (inside or "detector" in str(key).lower()):
            yield value


def _has_scale(dataset: Dataset) -> bool:
    return all(str(axis.get("units") or "").strip("[] ") for axis in dataset.axes[-2:])


def choose_frame(
    dataset: Dataset, index: int | None
) -> tuple[npt.NDArray[Any], tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """One 2-D frame and its (row, column) axes.

    Raises
    ------
    MicrographError
        When the data are no images, or the frame is not there.
    """
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
