"""One array of a file, with its axes and metadata."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Dataset", "one_channel"]

_SPECTRAL_UNIT = re.compile(r"^(k|M)?eV(/ch)?$|^s$|^Hz$")
#: Grey pictures saved as colour JPEG come back with channels this far apart.
_CHANNEL_TOLERANCE = 2


@dataclass(frozen=True, eq=False)
class Dataset:
    """One array of a file, with its axes as RosettaSciIO gives them, in array order.

    Attributes
    ----------
    data : ndarray
    axes : sequence of mappings
        ``scale``, ``units``, ``navigate``, … of each axis.
    title : str
    metadata : mapping
        In HyperSpy's layout.
    calibrated : bool
        False where the file's scale means nothing.
    notes : tuple of str
        Notes for the user.
    scale_notes : tuple of str
        The same, of the file's scale where it is used.
    """

    data: npt.NDArray[Any]
    axes: Sequence[Mapping[str, Any]]
    title: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    calibrated: bool = True
    notes: tuple[str, ...] = ()
    scale_notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.data.shape

    @property
    def kind(self) -> str:
        """Kind of data by its axes: images, spectra, diffraction patterns."""
        if len(self.shape) < 2:
            return "a spectrum or a single row"
        if len(self.shape) > 3 and self._signal_axes[-4:] == [False, False, True, True]:
            return "diffraction patterns at the points of a scan"
        if any(_SPECTRAL_UNIT.match(str(axis.get("units", ""))) for axis in self.axes[-2:]):
            return "spectra"
        # RosettaSciIO flags the axes that were scanned: y, x scanned and the last one not means
        # a spectrum in every pixel.
        if len(self.shape) > 2 and not self._signal_axes[-2] and self._signal_axes[-1]:
            return "spectra"
        return "images"

    @property
    def is_image(self) -> bool:
        """True if the last two axes are the rows and columns of an image."""
        return self.kind == "images"

    @property
    def frames(self) -> int:
        """Images in it: 1 for one image, 0 where it is neither an image nor a stack of them."""
        lengths = [n for n in self.shape[:-2] if n != 1]
        if not self.is_image or len(lengths) > 1:
            return 0
        return lengths[0] if lengths else 1

    @property
    def _signal_axes(self) -> list[bool]:
        return [not axis.get("navigate", False) for axis in self.axes]


def one_channel(data: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The grey image in a colour one whose channels are equal, or the colour one as it is.

    Parameters
    ----------
    data : structured ndarray
        With the fields R, G, B and, it may be, an A that is the same everywhere.

    Examples
    --------
    >>> pixels = np.array([[(7, 7, 7), (9, 9, 9)]], dtype=[(c, "u1") for c in "RGB"])
    >>> one_channel(pixels)
    array([[7, 9]], dtype=uint8)
    """
    names = data.dtype.names
    if names is None:
        return data
    green = data[names[1]]
    small = green.dtype.itemsize == 1
    tolerance = _CHANNEL_TOLERANCE if small else 0
    kind = np.int64 if green.dtype.kind in "iu" else np.float64
    wide = green.astype(np.int16 if small else kind)
    for name in names[:3]:
        if np.any(np.abs(data[name] - wide) > tolerance):
            return data
    if len(names) > 3 and np.any(data[names[3]] != data[names[3]].max()):
        return data
    return np.ascontiguousarray(green)
