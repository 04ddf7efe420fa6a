"""Simulated images together with their truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import DTypeLike, NDArray

from stemfast.image import Image
from stemfast.image.facts import Known, Scale
from stemfast.simulation.truth import Truth, image_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False, repr=False)
class Simulation:
    """Simulated images with their truth: what ``simulate(..., return_truth=True)`` returns.

    A sequence of the images, and of each frame of them, as `Image`; `numpy.asarray` takes all their
    pixels.

    Parameters
    ----------
    images : Image
        All of them, exactly as `simulate` returns them without the truth.
    truth : Truth
        Everything known about them.

    Examples
    --------
    >>> import stemfast as sf
    >>> cubes = sf.Cuboid((9, 9, 9)), sf.Cuboid((12, 12, 12))
    >>> taken = sf.simulate(cubes, seed=1, return_truth=True)
    >>> taken
    Simulation of 2 images of 128 x 128 px, uint16
    >>> taken[1], taken.images[:, 32:96, 32:96]
    (Image of 128 x 128 px of 0.35 nm, uint16 [e-],
     Stack of 2 images of 64 x 64 px of 0.35 nm, uint16 [e-])
    """

    images: Image
    truth: Truth

    def __repr__(self) -> str:
        n, (rows, columns) = len(self), self.images.shape[-2:]
        many = f"{n} images" if n > 1 else "1 image"
        return f"Simulation of {many} of {rows} x {columns} px, {self.images.dtype}"

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.images.pixels, dtype, copy=copy)

    def __len__(self) -> int:
        return int(np.prod(self.images.shape[:-2]))

    def __iter__(self) -> Iterator[Image]:
        for i in range(self.truth.n_images):
            for frame in range(self._frames):
                yield self.image(i, frame)

    @overload
    def __getitem__(self, number: int) -> Image: ...
    @overload
    def __getitem__(self, number: slice) -> list[Image]: ...
    def __getitem__(self, number: int | slice) -> Image | list[Image]:
        """One of the images, counted through all frames, or a list of some.

        Raises
        ------
        TypeError, IndexError
            If there is none of this number.
        """
        places = range(len(self))
        if isinstance(number, slice):
            return [self[place] for place in places[number]]
        try:
            place = places[index(number)]
        except TypeError:
            raise TypeError(
                f"a simulation takes the number of an image, got {number!r}; for pixels, index "
                "its images"
            ) from None
        except IndexError:
            raise IndexError(f"image must be from 0 to {len(self) - 1}, got {number}") from None
        return self.image(*divmod(place, self._frames))

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
        n = self.truth.n_images
        pixels = self.images.pixels.reshape(n, self._frames, *self.images.shape[-2:])[i, j]
        scope = self.truth.microscopes[i]
        scale = Scale(scope.scan.pixel_size_nm, scope.detector.unit)
        truth = self.truth[i]
        return Image._of(pixels, Known((scale,), f"image {truth.first_index}", truth.about))

    def plot(self, axes: Axes | None = None, **options: Any) -> Axes:
        """Draw its image, if it is one: see `Image.plot`."""
        return (self[0] if len(self) == 1 else self.images).plot(axes, **options)

    def _repr_png_(self) -> bytes | None:
        return self.images._repr_png_()

    def save(self, path: str | Path) -> Path:
        """Write all images to one file: see `Image.save`.

        Raises
        ------
        ValueError
            If they differ in pixel size or unit, or the file cannot hold them.
        """
        return self.images.save(path)

    @property
    def _frames(self) -> int:
        return len(self) // self.truth.n_images
