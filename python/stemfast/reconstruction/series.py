"""Images of one particle, read from files: their pixel sizes, and how the stage was tilted."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Real
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.finding.find import check_choice
from stemfast.finding.hand_labels import read_labels
from stemfast.finding.source import source_of
from stemfast.micrograph import MicrographError
from stemfast.micrograph.files import tilts as tilt_files
from stemfast.micrograph.files.calibration import checked
from stemfast.micrograph.files.choice import choose_dataset
from stemfast.micrograph.files.dataset import Dataset
from stemfast.micrograph.files.formats import read_datasets
from stemfast.micrograph.files.read import checked_image, checked_path, choose_pixel_size, read
from stemfast.reconstruction.alone import alone

__all__ = ["MOST_IMAGES", "Series", "evenly", "read_series", "stack_tilts"]

Float: TypeAlias = NDArray[np.float64]
Labels: TypeAlias = str | Path | NDArray[Any] | Sequence[str | Path | ArrayLike]

#: More images of one particle than this are not taken at once.
MOST_IMAGES = 16
_DEGREES = {"deg": 1.0, "degree": 1.0, "degrees": 1.0, "\u00b0": 1.0, "rad": 180.0 / np.pi}


@dataclass(frozen=True, eq=False)
class Series:
    """Images of one particle.

    Attributes
    ----------
    images : tuple of (rows, columns) float32
        In the files' own units.
    pixel_size_nm : (K,) float64
        Of each image [nm].
    tilts_deg : (K,) float64 or None
        How far the stage was tilted [degrees]; None where no file says it.
    names : tuple of str
        What to call each image.
    energy_kev : float or None
        Energy of the beam, where the file says it [keV].
    notes : tuple of str
        What the reader should be told.
    tilts_from : str
        Where the tilts stand: a file beside the series, the stack's axis, or an axis of the stage.
    """

    images: tuple[NDArray[np.float32], ...] = field(repr=False)
    pixel_size_nm: Float
    tilts_deg: Float | None
    names: tuple[str, ...]
    energy_kev: float | None = None
    notes: tuple[str, ...] = ()
    tilts_from: str = ""

    def __len__(self) -> int:
        return len(self.images)


def evenly(n: int, views: int) -> list[int]:
    """Numbers of `views` of n frames, evenly apart, both ends among them.

    Examples
    --------
    >>> evenly(91, 4), evenly(5, 1)
    ([0, 30, 60, 90], [2])
    """
    if views == 1:
        return [n // 2]
    return [int(k) for k in np.round(np.linspace(0, n - 1, views))]


def read_series(
    files: Sequence[str | Path],
    *,
    pixel_size_nm: float | None = None,
    views: int | None = None,
    index: Sequence[int] | None = None,
    dataset: int | str | None = None,
    scale_bar_nm: float | None = None,
    contrast: str = "auto",
    method: str = "auto",
    labels: Labels | None = None,
) -> Series:
    """Read a stack of images, or several images, of one particle.

    Parameters
    ----------
    files : sequence of str or Path
        One file with a stack, such as a tilt series, or with one image; or several files with one
        image each.
    pixel_size_nm : float, optional
        Pixel size [nm], in place of what the files say.
    views : int, optional
        How many frames of a stack to take, evenly apart; by default all, or eight where there are
        more than sixteen.
    index : sequence of int, optional
        Which frames of a stack to take, from 0, in place of `views`.
    dataset : int or str, optional
        Which dataset, where a file holds several; see `stemfast.micrograph.files.read`.
    scale_bar_nm : float, optional
        What the scale bar in the images stands for [nm], in place of `pixel_size_nm`.
    contrast : {"auto", "bright", "dark"}
        Whether the particle is brighter or darker than what is around it; by default the image
        decides. Of a dark one the negative is taken.
    method : {"auto", "network", "classical"}
        Who finds the particle; see `stemfast.find`. Of several the largest is taken, and film takes
        the place of the others; see `stemfast.reconstruction.alone`.
    labels : str, Path, array_like, or a sequence of them, optional
        Label images in which it is known, one for each image that is taken, in order, or a stack of
        as many. The largest label is taken.

    Returns
    -------
    Series

    Raises
    ------
    MicrographError
        If a file cannot be read, an image has no pixel size, or frames are not there.
    ValueError
        If there are no files, more than sixteen images, or choices that do not go together.

    Examples
    --------
    >>> import tempfile
    >>> name = tempfile.mkdtemp() + "/tilts.npy"
    >>> np.save(name, np.random.default_rng(1).random((9, 16, 16)))
    >>> series = read_series([name], pixel_size_nm=0.5, views=3, method="classical")
    >>> len(series), series.names[0], series.tilts_deg
    (3, 'frame 0', None)
    """
    if isinstance(files, str | Path):
        files = [files]
    if not files:
        raise ValueError("files: got none, expected a stack or several images of one particle")
    if views is not None and index is not None:
        raise ValueError("views and index: got both, expected one of them")
    if views is not None:
        views = _whole("views", views)
        if not 1 <= views <= MOST_IMAGES:
            raise ValueError(f"views: got {views}, expected 1 to {MOST_IMAGES} images")
    check_choice("contrast", contrast, "method", method)
    given = None if pixel_size_nm is None else checked(pixel_size_nm)
    if scale_bar_nm is not None:
        given = _from_scale_bar(Path(files[0]), scale_bar_nm, given, dataset)
    if len(files) > 1:
        if views is not None or index is not None:
            what = "views" if views is not None else "index"
            raise ValueError(
                f"{what}: got {len(files)} files, expected one stack to choose frames from"
            )
        series = _several(files, given, dataset)
    elif (stack := _stack(Path(files[0]), dataset)) is not None:
        series = _frames(Path(files[0]), stack, given, views, index)
    elif views in (None, 1):
        series = _several(files, given, dataset, index)
    else:
        raise ValueError(f"views: got {views}, but {files[0]} holds one image")
    return _alone(series, contrast, method, labels)


def _from_scale_bar(
    path: Path, scale_bar_nm: float, given: float | None, dataset: int | str | None
) -> float:
    """Pixel size [nm] from the scale bar in the first image."""
    if given is not None:
        raise ValueError("pixel_size_nm and scale_bar_nm: got both, expected one of them")
    stack = _stack(path, dataset)
    index = None if stack is None else 0
    source = source_of(path, scale_bar_nm=scale_bar_nm, dataset=dataset, index=index)
    assert source.pixel_size_nm is not None
    return source.pixel_size_nm


def _alone(series: Series, contrast: str, method: str, labels: Labels | None) -> Series:
    """The series without damage and graphics, of each image its particle alone, and bright."""
    known = _label_images(labels, len(series))
    images, notes = [], list(series.notes)
    for name, image, own in zip(series.names, series.images, known, strict=True):
        try:
            left, told = alone(image, contrast, method, own)
        except MicrographError as error:
            raise MicrographError(f"{name}: {error}") from error
        images.append(left)
        notes.extend(f"{name}: {note}" for note in told)
    return replace(series, images=tuple(images), notes=tuple(dict.fromkeys(notes)))


def _label_images(labels: Labels | None, n: int) -> list[NDArray[Any] | None]:
    """One label image for each of n images, None where there is none."""
    if labels is None:
        return [None] * n
    given = [labels] if isinstance(labels, str | Path | np.ndarray) else list(labels)
    found = [read_labels(one) if isinstance(one, str | Path) else np.asarray(one) for one in given]
    if len(found) == 1 and found[0].ndim > 2:
        rows, columns = found[0].shape[-2:]
        found = list(found[0].reshape(-1, rows, columns))
    if len(found) != n:
        raise ValueError(f"labels: got {len(found)} label images for {n} images, expected {n}")
    return list(found)


def _whole(name: str, value: object) -> int:
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name}: got {value!r}, expected a whole number") from None


def _stack(path: Path, dataset: int | str | None) -> Dataset | None:
    """The dataset of a file if it is a stack of images."""
    file = checked_path(path)
    try:
        found, _ = read_datasets(file)
        if dataset is None:
            stacks = [one for one in found if one.frames > 1]
            if len(stacks) == 1:
                return stacks[0]
        _, chosen, _ = choose_dataset(found, dataset)
    except MicrographError as error:
        raise MicrographError(f"{file}: {error}") from error
    return chosen if chosen.frames > 1 else None


def _frames(
    path: Path,
    stack: Dataset,
    given: float | None,
    views: int | None,
    index: Sequence[int] | None,
) -> Series:
    place = _frame_axis(stack)
    data = stack.data.reshape(stack.shape[place], *stack.shape[-2:])
    notes = list(stack.notes)
    chosen = _choose(path, len(data), views, index, notes)
    tilts, source = _tilts_of(path, stack)
    if tilts is None and source:
        notes.append(source)
    try:
        size, scale_notes = choose_pixel_size(stack, given)
        images = tuple(checked_image(data[k]) for k in chosen)
    except MicrographError as error:
        raise MicrographError(f"{path}: {error}") from error
    notes.extend(scale_notes)
    names = tuple(f"frame {k}" if tilts is None else f"frame {k}, {tilts[k]:+g}°" for k in chosen)
    return Series(
        images,
        np.full(len(images), size),
        None if tilts is None else tilts[chosen],
        names,
        _energy_kev(stack.metadata),
        tuple(notes),
        "" if tilts is None else source,
    )


def stack_tilts(path: str | Path, dataset: int | str | None = None) -> Float | None:
    """Tilts of all frames of a file [degrees]; None where it is no stack, or nobody says them.

    Parameters
    ----------
    path : str or Path
    dataset : int or str, optional
        Which dataset, where the file holds several.

    Raises
    ------
    MicrographError
        If the file cannot be read.
    """
    stack = _stack(Path(path), dataset)
    return None if stack is None else _tilts_of(Path(path), stack)[0]


def _frame_axis(stack: Dataset) -> int:
    return next(k for k, n in enumerate(stack.shape[:-2]) if n != 1)


def _tilts_of(path: Path, stack: Dataset) -> tuple[Float | None, str]:
    """Tilts of all frames, and where they stand or why there are none."""
    place = _frame_axis(stack)
    tilts = _tilts(stack.axes[place], stack.shape[place])
    if tilts is not None:
        return tilts, "the axis of the stack"
    return tilt_files.beside(path, stack.shape[place])


def _choose(
    path: Path, n: int, views: int | None, index: Sequence[int] | None, notes: list[str]
) -> list[int]:
    if index is not None:
        chosen = [_whole("index", k) for k in index]
        wrong = [k for k in chosen if not 0 <= k < n]
        if wrong or not chosen:
            raise ValueError(
                f"index: got {wrong[0] if wrong else 'none'}, expected frames 0 to {n - 1} of "
                f"{path.name}"
            )
        if len(set(chosen)) < len(chosen):
            raise ValueError(f"index: got {chosen}, expected each frame once")
        if len(chosen) > MOST_IMAGES:
            raise ValueError(f"index: got {len(chosen)} frames, expected at most {MOST_IMAGES}")
        return chosen
    if views is None:
        if n <= MOST_IMAGES:
            return list(range(n))
        views = MOST_IMAGES // 2
        notes.append(f"took {views} of {n} frames, evenly apart (views and index choose others)")
    if views > n:
        raise ValueError(f"views: got {views}, but {path.name} holds {n} frames")
    return evenly(n, views)


def _tilts(axis: Mapping[str, Any], n: int) -> Float | None:
    """Tilts of all frames [degrees], if the stack's axis counts angles."""
    factor = _DEGREES.get(str(axis.get("units", "")).strip().lower())
    if factor is None:
        return None
    scale, offset = float(axis.get("scale", 1.0)), float(axis.get("offset", 0.0))
    values = np.asarray(axis.get("axis", offset + scale * np.arange(n)), np.float64)
    return values * factor if np.isfinite(values).all() else None


def _several(
    files: Sequence[str | Path],
    given: float | None,
    dataset: int | str | None,
    index: Sequence[int] | None = None,
) -> Series:
    if len(files) > MOST_IMAGES:
        raise ValueError(f"files: got {len(files)}, expected at most {MOST_IMAGES} images")
    frame = None if not index else _whole("index", index[0])
    pictures = [read(file, pixel_size_nm=given, index=frame, dataset=dataset) for file in files]
    stages = [_stage(picture.metadata.get("file", {})) for picture in pictures]
    notes = [note for picture in pictures for note in picture.notes]
    tilts, source = None, ""
    if len(files) > 1:
        alpha, beta = ([stage[n] for stage in stages] for n in (0, 1))
        tilts, source, told = tilt_files.stage_tilts(alpha, beta)
        notes.extend(told)
    energies = {_energy_kev(picture.metadata.get("file", {})) for picture in pictures} - {None}
    return Series(
        tuple(picture.image for picture in pictures),
        np.array([picture.pixel_size_nm for picture in pictures]),
        tilts,
        tuple(Path(file).name for file in files),
        energies.pop() if len(energies) == 1 else None,
        tuple(dict.fromkeys(notes)),
        source and f"{source} of the stage",
    )


def _instrument(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    found = metadata.get("Acquisition_instrument", {})
    found = found.get("TEM", {}) if isinstance(found, Mapping) else {}
    return found if isinstance(found, Mapping) else {}


def _stage(metadata: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Alpha and beta tilt of the stage as RosettaSciIO gives them [degrees]."""
    stage = _instrument(metadata).get("Stage", {})
    alpha, beta = (
        float(tilt) if isinstance(tilt, Real) and np.isfinite(float(tilt)) else None
        for tilt in (
            stage.get(name) if isinstance(stage, Mapping) else None
            for name in ("tilt_alpha", "tilt_beta")
        )
    )
    return alpha, beta


def _energy_kev(metadata: Mapping[str, Any]) -> float | None:
    energy = _instrument(metadata).get("beam_energy")
    usable = isinstance(energy, int | float) and 1.0 <= energy <= 3000.0
    return float(energy) if usable else None  # type: ignore[arg-type]
