"""The answer of a search: the particles, a table of them, their sizes, and the files of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from stemfast import tables
from stemfast.finding.detection import Contrast
from stemfast.finding.files import save_found
from stemfast.finding.measured import FoundOne, bounding_boxes
from stemfast.finding.outline.blur import FWHM_PER_SIGMA
from stemfast.finding.population import Population, population
from stemfast.finding.source import Source
from stemfast.finding.table import Row, rows_of
from stemfast.micrograph.files.error import NothingFoundError

if TYPE_CHECKING:
    from stemfast.micrograph import FoundParticles, Micrograph

__all__ = ["Found"]


@dataclass(frozen=True, eq=False)
class Found(Sequence[FoundOne]):
    """The particles of an image, a sequence of `FoundOne`.

    Attributes
    ----------
    source : Source
        The image as it came, and its scale.
    image : ndarray of float32, shape (rows, columns)
        The image without damage; a `stemfast.Image` where the scale is known.
    labels : ndarray of int32, shape (rows, columns)
        0 = none, 1 … n on the particles; read-only.
    particles : tuple of FoundOne
    blur_px : float
        Gaussian width of the probe that outlines were drawn with [px].
    contrast : {"bright", "dark"}
        Whether particles are brighter or darker than what is around them.
    method : {"network", "classical", "labels"}
        Who found them.
    notes : tuple of str
        Notes for the user: choices that were made, and doubts.
    seeds : ndarray of int32, optional
        The finder's own labels, from which outlines are drawn, where `labels` follow these.
    """

    source: Source
    image: NDArray[np.float32] = field(repr=False)
    labels: NDArray[np.int32] = field(repr=False)
    particles: tuple[FoundOne, ...] = field(repr=False)
    blur_px: float
    contrast: Contrast
    method: str
    notes: tuple[str, ...] = ()
    seeds: NDArray[np.int32] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.particles)

    def __iter__(self) -> Iterator[FoundOne]:
        return iter(self.particles)

    @overload
    def __getitem__(self, index: int) -> FoundOne: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[FoundOne, ...]: ...
    def __getitem__(self, index: int | slice) -> FoundOne | tuple[FoundOne, ...]:
        return self.particles[index]

    @property
    def pixel_size_nm(self) -> float | None:
        """Side of a pixel [nm], None where nobody says it."""
        return self.source.pixel_size_nm

    @property
    def unit(self) -> str:
        """Unit of sizes: "nm" where the scale is known, else "px"."""
        return "px" if self.pixel_size_nm is None else "nm"

    @property
    def table(self) -> list[Row]:
        """One row for each particle; see `stemfast.finding.table.rows_of`."""
        return rows_of(self.particles, self.labels.shape, self.pixel_size_nm)

    def to_dataframe(self) -> Any:
        """The table as a pandas `DataFrame`, one row for each particle.

        Raises
        ------
        ModuleNotFoundError
            If pandas is not installed.
        """
        return tables.dataframe(self.table)

    def to_napari(self) -> list[tuple[NDArray[Any], dict[str, Any], str]]:
        """Image and labels as layers of napari: data, settings and kind of each.

        ``viewer.add_layer(napari.layers.Layer.create(*layer))`` adds one. They have the scale in
        nm, where it is known, and the labels have the table as their features.
        """
        size = 1.0 if self.pixel_size_nm is None else self.pixel_size_nm
        unit = "pixel" if self.pixel_size_nm is None else "nm"
        where = {"scale": (size, size), "units": (unit, unit)}
        rows = self.table
        features = {"index": [row["particle"] for row in rows]}
        features |= {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
        return [
            (np.asarray(self.image), {"name": self.source.name, **where}, "image"),
            (self.labels, {"name": "particles", "features": features, **where}, "labels"),
        ]

    def _repr_html_(self) -> str:
        return tables.html(self.table, str(self))

    @cached_property
    def sizes(self) -> Population:
        """Statistics of the equivalent diameters; those cut by the border are left out."""
        scale = self.pixel_size_nm or 1.0
        rows, cols = self.labels.shape
        return population(
            [scale * one.equivalent_diameter for one in self],
            [one.on_border for one in self],
            unit=self.unit,
            sizes=np.array(
                [[one.bbox[2] - one.bbox[0], one.bbox[3] - one.bbox[1]] for one in self], float
            ).reshape(-1, 2)
            * scale,
            field_size=(rows * scale, cols * scale),
        )

    def __str__(self) -> str:
        lines = [f"note: {note}" for note in self.notes]
        scale = (
            "no scale, sizes in px"
            if self.pixel_size_nm is None
            else (f"{self.pixel_size_nm:.4g} nm/px from {self.source.scale_from}")
        )
        word = "particle" if len(self) == 1 else "particles"
        count = str(len(self)) if len(self) else "no"
        lines.append(f"{self.source.name}: {count} {word}, {self.contrast}, {scale}")
        if len(self):
            lines.append(str(self.sizes))
        return "\n".join(lines)

    @property
    def probe_fwhm_nm(self) -> float | None:
        """Full width at half maximum of the probe [nm]; None without a scale."""
        size = self.pixel_size_nm
        return None if size is None else self.blur_px * FWHM_PER_SIGMA * size

    def needed(self) -> Found:
        """Itself, where there is a particle.

        Raises
        ------
        NothingFoundError
            Where there is none.
        """
        if not len(self):
            raise NothingFoundError(
                f"{self.source.name}: no particle found, expected some that are brighter or darker "
                f"than what is around them (looked for {self.contrast} ones)"
            )
        return self

    def bright(
        self, *, from_seeds: bool = False, unscaled: bool = False
    ) -> tuple[Micrograph, FoundParticles]:
        """The image with bright particles and these particles, for networks and fits.

        Parameters
        ----------
        from_seeds : bool
            Take the finder's own labels, from which the same outlines come again.
        unscaled : bool
            Take a pixel for 1 nm where there is no scale.

        Returns
        -------
        Micrograph
            Without damage; of dark particles the negative.
        FoundParticles

        Raises
        ------
        NoScaleError
            If there is no scale.
        """
        from stemfast.finding.surroundings import level_under
        from stemfast.micrograph.find import FoundParticle, FoundParticles

        sign = 1.0 if self.contrast == "bright" else -1.0
        image = np.asarray(sign * np.asarray(self.image), np.float32)
        micrograph = self.source.micrograph(image, unscaled=unscaled)
        labels, boxes = self.labels, [one.bbox for one in self]
        if from_seeds and self.seeds is not None:
            labels, boxes = self.seeds, bounding_boxes(self.seeds)
        level, noise = level_under(image, labels)
        size = micrograph.pixel_size_nm
        return micrograph, FoundParticles(
            particles=tuple(
                FoundParticle(one.label, box, size, one.on_border, labels, one.area, one.outline)
                for one, box in zip(self, boxes, strict=True)
            ),
            labels=labels,
            background=level,
            noise=noise,
            pixel_size_nm=size,
            smoothing_px=0.0,
        )

    def save(self, folder: str | Path, *, table: bool = True) -> Path:
        """Write ``labels.tif``, ``overlay.png``, ``sizes.png`` and ``particles.csv`` to a folder.

        Parameters
        ----------
        folder : str or Path
            Made if it is missing. Files of an earlier run are replaced once the new ones are
            complete.
        table : bool
            Whether to write the table.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        NotADirectoryError
            If it is a file.
        """
        return save_found(folder, self.source, self.labels, self.particles, self.sizes, table=table)
