"""Simulated images together with their truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from stemfast.simulation.image import Image
from stemfast.simulation.truth import Truth, image_number


@dataclass(frozen=True, eq=False, repr=False)
class Simulation:
    """Simulated images with their truth: what ``simulate(..., return_truth=True)`` returns.

    Iterating gives each image, and each frame of it, as an `Image`.

    Parameters
    ----------
    images : ndarray
        Pixel values, exactly as `simulate` returns them without the truth.
    truth : Truth
        Everything known about them.

    Examples
    --------
    >>> import stemfast as sf
    >>> cubes = sf.Cuboid((9, 9, 9)), sf.Cuboid((12, 12, 12))
    >>> taken = sf.simulate(cubes, seed=1, return_truth=True)
    >>> taken
    Simulation of 2 images of 128 x 128 px, uint16
    >>> taken.image(1)
    Image of 128 x 128 px of 0.35 nm, uint16 [e-]
    """

    images: NDArray[Any]
    truth: Truth

    def __repr__(self) -> str:
        n, (rows, columns) = len(self), self.images.shape[-2:]
        many = f"{n} images" if n > 1 else "1 image"
        return f"Simulation of {many} of {rows} x {columns} px, {self.images.dtype}"

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.images, dtype, copy=copy)

    def __len__(self) -> int:
        return int(np.prod(self.images.shape[:-2]))

    def __iter__(self) -> Iterator[Image]:
        for i in range(self.truth.n_images):
            for frame in range(self._frames):
                yield self.image(i, frame)

    def image(self, number: int = 0, frame: int = 0) -> Image:
        """Return one image, its pixel size and unit with it.

        Parameters
        ----------
        number : int
            0 … n − 1.
        frame : int
            Which frame of it; 0 where there is one, or they are added up.

        Raises
        ------
        TypeError, IndexError
            If there is no such image or frame.
        """
        i = image_number(number, self.truth.n_images)
        j = image_number(frame, self._frames, "frame")
        stack = self.images.reshape(-1, self._frames, *self.images.shape[-2:])
        return self._as_image(stack[i, j], self.truth[i], f"image {self.truth.first_index + i}")

    def stack(self) -> Image:
        """Return all images as one, to be saved as a stack.

        Raises
        ------
        ValueError
            If they differ in pixel size or unit.
        """
        return self._as_image(self.images, self.truth, f"seed {self.truth.seed}")

    def save(self, path: str | Path) -> Path:
        """Write all images to one file: see `Image.save`.

        Raises
        ------
        ValueError
            If they differ in pixel size or unit, or the file cannot hold them.
        """
        return self.stack().save(path)

    @property
    def _frames(self) -> int:
        return len(self) // self.truth.n_images

    def _as_image(self, pixels: NDArray[Any], truth: Truth, title: str) -> Image:
        scopes = set(truth.microscopes)
        sizes = sorted({scope.scan.pixel_size_nm for scope in scopes})
        units = sorted({scope.detector.unit for scope in scopes})
        for what, values in (("pixel sizes [nm]", sizes), ("units", units)):
            if len(values) > 1:
                raise ValueError(
                    f"the images have different {what}, {values[0]} to {values[-1]}, expected one "
                    "for a stack: take them one by one, with image(i)"
                )
        return Image(pixels, sizes[0], unit=units[0], title=title, metadata=truth.about())
