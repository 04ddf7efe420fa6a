"""Files of a search, whole or not at all: labels, table and pictures of one image or of many."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stemfast.atomic import replacing, replacing_in
from stemfast.finding.measured import FoundOne
from stemfast.finding.picture import draw_found, draw_sizes
from stemfast.finding.population import Population
from stemfast.finding.source import Source
from stemfast.finding.table import Row, rows_of, write_rows

__all__ = ["LABELS", "OVERLAY", "SIZES", "TABLE", "checked_folder", "save_all", "save_found"]

TABLE, LABELS, OVERLAY, SIZES = "particles.csv", "labels.tif", "overlay.png", "sizes.png"


def checked_folder(folder: str | Path) -> Path:
    """The folder to write to, which may be missing.

    Raises
    ------
    NotADirectoryError
        If there is something else.
    """
    target = Path(folder)
    if target.exists() and not target.is_dir():
        raise NotADirectoryError(f"{target} is a file, expected a folder to write to")
    return target


def save_found(
    folder: str | Path,
    source: Source,
    labels: NDArray[np.int32],
    particles: Sequence[FoundOne],
    sizes: Population,
    *,
    table: bool = True,
) -> Path:
    """Write labels, pictures and, if `table`, the table of one image: see `Found.save`."""
    target = checked_folder(folder)
    scale = source.pixel_size_nm
    with replacing_in(target) as draft:
        write_labels(draft / LABELS, labels, scale)
        draw_found(source, particles, draft / OVERLAY)
        draw_sizes(sizes, draft / SIZES, title=source.name)
        if table:
            rows: list[Row] = [
                {"file": source.name, **row} for row in rows_of(particles, labels.shape, scale)
            ]
            write_rows(draft / TABLE, rows, with_nm=scale is not None)
    return target


def save_all(folder: Path, rows: Sequence[Row], sizes: Mapping[str, Population]) -> None:
    """Write the one table and the one histogram of many images.

    Parameters
    ----------
    folder : Path
    rows : sequence of dict
        Of all images.
    sizes : mapping of str to Population
        By unit. Where some images have a scale and some have none, the histogram is of those that
        have one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(folder / TABLE, rows, with_nm="nm" in sizes)
    unit = "nm" if "nm" in sizes else "px"
    draw_sizes(sizes[unit], folder / SIZES, title="all images")


def write_labels(path: Path, labels: NDArray[np.int32], pixel_size_nm: float | None) -> None:
    """Write a label image as TIFF of 32-bit whole numbers, with the scale as ImageJ reads it."""
    tifffile = importlib.import_module("tifffile")
    about: dict[str, object] = {}
    if pixel_size_nm is not None:
        about = {"resolution": (1.0 / pixel_size_nm, 1.0 / pixel_size_nm), "resolutionunit": 1}
        about["description"] = f"ImageJ=1.11a\nunit=nm\nmin=0.0\nmax={int(labels.max())}\n"
    with replacing(path) as partial:
        tifffile.imwrite(
            partial,
            np.ascontiguousarray(labels, np.int32),
            compression="zlib",
            metadata=None,
            **about,
        )
