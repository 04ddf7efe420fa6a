"""One simulated field: image, label image, truth, outlines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fields.bodies import Bodies, corners, outline
from stemfast.fields.contrast import Optics
from stemfast.fields.shapes import CLASSES
from stemfast.fields.truth import Truth
from stemfast.image.taking import scaled

__all__ = ["Field"]

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Field:
    """Image of many particles, with the truth.

    Attributes
    ----------
    image : (rows, columns) uint8 or float32
        A `stemfast.Image`: grey levels of a file, or electrons where the field skipped the
        laboratory's last stage.
    labels : (rows, columns) int32
        Number of the particle that each pixel shows, 0 for none; hidden ones have theirs too.
    truth : Truth
        Columns about the particles, in the order of their labels.
    kind : str
        Kind of field.
    pixel_size_nm : float
        [nm].
    bright_field : bool
        Particles are dark.
    contamination_nm : float
        Thickness of the carbon on the particles, which `labels` leave out; 0 for none [nm].
    asked : int
        Particles that were to be placed; those that found no place after the tries of
        `stemfast.fields.places` are left out of `placed`.
    bodies, first_body
        The particles' bodies, and where each particle's begin.
    optics : Optics
        Conditions that the picture was taken under: dose, probe, phase contrast.
    """

    image: NDArray[Any]
    labels: NDArray[np.int32]
    truth: Truth
    kind: str
    pixel_size_nm: float
    bright_field: bool
    contamination_nm: float
    asked: int
    bodies: Bodies
    first_body: NDArray[np.int64]
    optics: Optics

    def __post_init__(self) -> None:
        unit = "grey levels" if self.image.dtype == np.uint8 else "e-"
        object.__setattr__(self, "image", scaled(self.image, self.pixel_size_nm, unit=unit))

    def _repr_png_(self) -> bytes | None:
        return scaled(self.image, self.pixel_size_nm)._repr_png_()

    def __repr__(self) -> str:
        rows, columns = self.image.shape
        how = "bright field" if self.bright_field else "dark field"
        return (
            f"Field of {rows} x {columns} px of {self.pixel_size_nm:.3g} nm, {self.kind}, {how}: "
            f"{len(self.truth)} particles, {int(self.truth.visible.sum())} of them visible; "
            f"{self.placed} placed of {self.asked}"
        )

    @property
    def placed(self) -> int:
        """Particles that found a place, in view or beside it."""
        return len(self.first_body) - 1

    @property
    def class_names(self) -> tuple[str, ...]:
        """Meaning of `truth.kind`."""
        return CLASSES

    def outline_px(self, number: int) -> Floats:
        """Outline of a particle by its place in the truth: (m, 2) rows and columns [px].

        All of it, whether something lies over it, or it leaves the field, or not. Pixel centres
        are at whole numbers.
        """
        return self._pixels(outline(self.bodies, self._body(number)))

    def corners_px(self, number: int) -> Floats:
        """Projected corners of a particle by its place in the truth: (m, 2) rows and columns [px].

        Those in front and those behind, always in the same order for a shape; none of spheres and
        ellipsoids.
        """
        return self._pixels(corners(self.bodies, self._body(number)))

    def _body(self, number: int) -> int:
        return int(self.first_body[self.truth.particle[number]])

    def _pixels(self, points: Floats) -> Floats:
        x, y = (points / self.pixel_size_nm).T
        rows, columns = self.labels.shape
        return np.stack([y + 0.5 * (rows - 1), x + 0.5 * (columns - 1)], axis=1)
