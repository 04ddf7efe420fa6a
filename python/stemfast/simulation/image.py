"""An image that knows how large its pixels are and what their values count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from stemfast.arguments import positive_number


@dataclass(frozen=True, eq=False, repr=False)
class Image:
    """An image, or a stack of images, with its pixel size and unit.

    `numpy.asarray` takes its pixels.

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
        object.__setattr__(self, "pixels", pixels)
        size = positive_number("pixel_size_nm", self.pixel_size_nm)
        object.__setattr__(self, "pixel_size_nm", size)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.pixels, dtype, copy=copy)

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
        from stemfast.image_file import write

        return write(path, self)
