"""The image to search and its scale, from a file, an array or a HyperSpy signal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemfast.arguments import positive_number
from stemfast.finding.artefacts.scale_bar import ScaleBar, find_scale_bar
from stemfast.micrograph.files import calibration
from stemfast.micrograph.files.error import MicrographError, NoScaleError
from stemfast.micrograph.files.read import Micrograph, checked_image, read_image

__all__ = ["Source", "source_of"]


@dataclass(frozen=True, eq=False)
class Source:
    """An image with what is known of its scale.

    Attributes
    ----------
    image : ndarray of float32, shape (rows, columns)
        Intensity in the file's own units.
    pixel_size_nm : float or None
        Side of a square pixel [nm]; None where nobody says it.
    scale_from : str
        Who says it: "the file", "the caller", "the scale bar", or "" where nobody does.
    name : str
        What to call the image: the file's name, its title, or "image".
    notes : tuple of str
        Notes for the user: choices that were made, and doubts.
    bar : ScaleBar or None
        The burnt-in scale bar that gave the scale.
    """

    image: NDArray[np.float32] = field(repr=False)
    pixel_size_nm: float | None
    scale_from: str
    name: str
    notes: tuple[str, ...] = ()
    bar: ScaleBar | None = None

    def micrograph(
        self, image: NDArray[Any] | None = None, *, unscaled: bool = False
    ) -> Micrograph:
        """The image, or another in its place, as one with a scale.

        Parameters
        ----------
        image : ndarray, shape (rows, columns), optional
        unscaled : bool
            Take a pixel for 1 nm where there is no scale.

        Raises
        ------
        NoScaleError
            If there is no scale.
        """
        if self.pixel_size_nm is None and not unscaled:
            raise NoScaleError(
                f"{self.name}: no pixel size in the file, expected one: "
                f"{calibration.GIVE_PIXEL_SIZE}, or what the burnt-in scale bar stands for with "
                "scale_bar_nm=..."
            )
        return Micrograph(
            self.image if image is None else image,
            self.pixel_size_nm or 1.0,
            title=self.name,
            notes=self.notes,
        )


def source_of(
    image: Any,
    pixel_size_nm: float | None = None,
    *,
    scale_bar_nm: float | None = None,
    index: int | None = None,
    dataset: int | str | None = None,
) -> Source:
    """Take an image and its scale from a file, an array, an Image or a HyperSpy signal.

    Parameters
    ----------
    image : str, Path, Micrograph, stemfast.Image, HyperSpy signal or array_like (rows, columns)
        What to search.
    pixel_size_nm : float, optional
        Pixel size [nm], in place of whatever the file says.
    scale_bar_nm : float, optional
        Length that the scale bar in the image stands for [nm].
    index, dataset
        Of a file with several images; see `stemfast.micrograph.read`.

    Returns
    -------
    Source

    Raises
    ------
    MicrographError
        If the image cannot be read or is none, or shows no scale bar although there must be one.
    TypeError, ValueError
        If a number is none or out of range, or two scales are given.

    Examples
    --------
    >>> source_of(np.eye(16), 0.5).scale_from
    'the caller'
    """
    if pixel_size_nm is not None and scale_bar_nm is not None:
        raise ValueError("pixel_size_nm and scale_bar_nm: got both, expected one of them")
    if scale_bar_nm is not None:
        scale_bar_nm = positive_number("scale_bar_nm", scale_bar_nm)
    given = None if pixel_size_nm is None else calibration.checked(pixel_size_nm)
    if isinstance(image, str | Path):
        source = _of_file(Path(image), given, index, dataset)
    else:
        if index is not None or dataset is not None:
            raise TypeError("index, dataset: are for files, expected none with an array")
        source = _of_array(image, given)
    if scale_bar_nm is None:
        return source
    bar = find_scale_bar(source.image)
    if bar is None:
        raise MicrographError(
            f"{source.name}: scale_bar_nm: got {scale_bar_nm:g} nm, but no scale bar is seen in "
            "the image; expected a bar of one grey level, black or white"
        )
    size = scale_bar_nm / bar.length_px
    note = f"scale bar of {bar.length_px:g} px for {scale_bar_nm:g} nm: {size:.4g} nm/px"
    notes = (*(n for n in source.notes if "no scale" not in n), note)
    return replace(source, pixel_size_nm=size, scale_from="the scale bar", notes=notes, bar=bar)


def _of_file(
    path: Path, given: float | None, index: int | None, dataset: int | str | None
) -> Source:
    reading = read_image(path, pixel_size_nm=given, index=index, dataset=dataset)
    size = reading.pixel_size_nm
    whose = "" if size is None else "the file" if given is None else "the caller"
    notes = reading.notes
    if size is None and not reading.without_scale.startswith("no pixel size"):
        notes = (*notes, f"no scale: {reading.without_scale.partition(': give it')[0]}")
    return Source(reading.image, size, whose, path.name, notes)


def _of_array(image: Any, given: float | None) -> Source:
    size, whose, name = given, "" if given is None else "the caller", "image"
    notes: tuple[str, ...] = ()
    if hasattr(image, "axes_manager"):
        found, notes = _of_signal(image, given)
        name = str(getattr(image.metadata.General, "title", "")) or "signal"
        image = image.data.compute() if hasattr(image.data, "compute") else image.data
    else:
        found = getattr(image, "pixel_size_nm", None)
        name = str(getattr(image, "title", "")) or name
        if isinstance(image, Micrograph):
            notes, image = image.notes, image.image
    if size is None and found is not None:
        size, whose = float(found), "the file"
    return Source(checked_image(image), size, whose, name, tuple(notes))


def _of_signal(signal: Any, given: float | None) -> tuple[float | None, tuple[str, ...]]:
    """The pixel size of a HyperSpy signal, which must be one image."""
    axes = signal.axes_manager
    if axes.signal_dimension != 2 or axes.navigation_size > 1:
        raise MicrographError(
            f"the signal has {axes.navigation_dimension} navigation and {axes.signal_dimension} "
            f"signal axes {signal.data.shape}, expected one image: choose one with signal.inav[...]"
        )
    described: list[Mapping[str, Any]] = [
        {"scale": float(axis.scale), "units": _unit(axis.units)}
        for axis in reversed(axes.signal_axes)
    ]
    try:
        size, notes = calibration.choose(described, given)
    except NoScaleError:
        return None, ()
    return size, tuple(notes)


def _unit(unit: Any) -> str | None:
    text = str(unit)
    return None if text in ("<undefined>", "None") else text
