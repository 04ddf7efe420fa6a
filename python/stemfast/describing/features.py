"""The particles of an image, described: from a file or an array to a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

from numpy.typing import ArrayLike

from stemfast import tables
from stemfast.describing.describe import describe_found
from stemfast.describing.description import Cell, Description
from stemfast.describing.picture import draw_features
from stemfast.describing.table import rows_of, write_table
from stemfast.finding.find import check_choice, find_in
from stemfast.finding.found import Found
from stemfast.finding.outline.blur import FWHM_PER_SIGMA
from stemfast.finding.source import source_of
from stemfast.micrograph.calibrated_thickness import Calibration
from stemfast.micrograph.files.feature_error import FeatureError

__all__ = ["Features", "features"]

One = Description | FeatureError


@dataclass(frozen=True, eq=False)
class Features(Sequence[One]):
    """Descriptions of the particles of an image, a sequence of them.

    Attributes
    ----------
    found : Found
        What was found in the image.
    described : tuple of Description or FeatureError
        One for each particle; the error says why there is no description.
    calibrated : bool
        Whether there are volumes.
    """

    found: Found
    described: tuple[One, ...] = field(repr=False)
    calibrated: bool

    def __len__(self) -> int:
        return len(self.described)

    def __iter__(self) -> Iterator[One]:
        return iter(self.described)

    @overload
    def __getitem__(self, index: int) -> One: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[One, ...]: ...
    def __getitem__(self, index: int | slice) -> One | tuple[One, ...]:
        return self.described[index]

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the user: choices that were made, and doubts."""
        return self.found.notes

    @property
    def unit(self) -> str:
        """Unit of lengths: "nm", or "px" where the scale is not known."""
        return "px" if self.found.pixel_size_nm is None else "nm"

    @property
    def table(self) -> list[dict[str, Cell]]:
        """One row for each particle, numbered from 1; None where there is no value."""
        return rows_of(self.described, self.unit)

    def to_dataframe(self) -> Any:
        """The table as a pandas `DataFrame`, one row for each particle.

        Raises
        ------
        ModuleNotFoundError
            If pandas is not installed.
        """
        return tables.dataframe(self.table)

    def __str__(self) -> str:
        size = self.found.pixel_size_nm
        lines = [f"note: {note}" for note in self.notes]
        scale = "without a scale" if size is None else f"at {size:.4g} nm/px"
        lines.append(f"{tables.counted(len(self), 'particle')} {scale}")
        for number, one in enumerate(self, start=1):
            words = one.words(self.unit) if isinstance(one, Description) else str(one)
            lines.append(f"{number:4d}  {words}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return tables.html(self.table, str(self).partition("\n   1  ")[0])

    def save(self, path: str | Path) -> Path:
        """Write the table to a ``.csv`` file, and the picture beside it.

        Parameters
        ----------
        path : str or Path
            Its folder is made if it is missing.

        Returns
        -------
        Path
            The table. The picture ends in ``.png`` instead: outlines, edges and corners.
        """
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        image, size = self.found.source.image, self.found.pixel_size_nm
        draw_features(image, size, self.described, target.with_suffix(".png"))
        return write_table(target, self.described, self.unit)


def features(
    image: ArrayLike | str | Path,
    pixel_size_nm: float | None = None,
    contrast: str = "auto",
    method: str = "auto",
    *,
    calibration: Calibration | None = None,
    scale_bar_nm: float | None = None,
    probe_fwhm_nm: float | None = None,
    labels: ArrayLike | str | Path | None = None,
    index: int | None = None,
    dataset: int | str | None = None,
) -> Features:
    """Find the particles of an image and measure outline, corners, edges and volume of each.

    Parameters
    ----------
    image, pixel_size_nm, contrast, method, scale_bar_nm, probe_fwhm_nm, labels, index, dataset
        As for :func:`stemfast.find`. Of an image without a scale a pixel is taken for 1 nm, and
        the table's columns are called ``area_px2`` and the like.
    calibration : Calibration, optional
        What pixel values mean; without it there are no volumes. Needs a scale.

    Returns
    -------
    Features

    Raises
    ------
    MicrographError
        If there is no image or no particle, or a calibration or the width of the probe is given
        and no scale.
    ValueError, TypeError
        If an argument is not what it should be.

    Examples
    --------
    >>> import numpy as np, stemfast as sf
    >>> rows, cols = np.indices((64, 64))
    >>> image = sf.Image(10.0 + 40.0 * (np.hypot(rows - 20, cols - 30) < 9), 0.5)
    >>> [ball] = sf.features(image, method="classical")
    >>> round(ball.max_feret_nm), ball.flags
    (9, ())
    """
    check_choice("contrast", contrast, "method", method)
    source = source_of(
        image, pixel_size_nm, scale_bar_nm=scale_bar_nm, index=index, dataset=dataset
    )
    if calibration is not None or probe_fwhm_nm is not None:
        source.micrograph()  # there must be a scale
    found = find_in(source, contrast, method, probe_fwhm_nm=probe_fwhm_nm, labels=labels).needed()
    bright, particles = found.bright(from_seeds=True, unscaled=True)
    described = describe_found(
        bright,
        particles,
        calibration=calibration,
        probe_fwhm_nm=found.blur_px * FWHM_PER_SIGMA * bright.pixel_size_nm,
    )
    return Features(found, tuple(described), calibration is not None)
