"""The table of the particles, for one image or for many."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stemfast.atomic import write_text
from stemfast.finding.measured import FoundOne
from stemfast.tables import csv_text

__all__ = ["Row", "rows_of", "write_rows"]

Cell = str | int | float | bool | None
Row = dict[str, Cell]


def rows_of(
    particles: Sequence[FoundOne], shape: tuple[int, ...], pixel_size_nm: float | None
) -> list[Row]:
    """One row for each particle.

    Parameters
    ----------
    particles : sequence of FoundOne
    shape : (int, int)
        Rows and columns of the image.
    pixel_size_nm : float or None
        Pixel size [nm].

    Returns
    -------
    list of dict
        ``particle`` (its label), ``unit`` ("nm" where the scale is known, else "px"), ``row_px``,
        ``col_px`` (centre, the first pixel's centre being 0), ``top_px``, ``left_px``,
        ``bottom_px``, ``right_px`` (box; the last two are one past the end), ``area_px2``,
        ``area_sd_px2``, ``equivalent_diameter_px``, ``equivalent_diameter_sd_px``,
        ``min_feret_px``, ``max_feret_px``, ``circularity``, ``confidence``, ``on_border``,
        ``overlapped``; and where the scale is known ``x_nm``, ``y_nm`` (from the image's centre, x
        right, y down), ``area_nm2``, ``area_sd_nm2``, ``equivalent_diameter_nm``,
        ``equivalent_diameter_sd_nm``, ``min_feret_nm``, ``max_feret_nm``.
    """
    return [_row(one, shape, pixel_size_nm) for one in particles]


def _row(one: FoundOne, shape: tuple[int, ...], size: float | None) -> Row:
    lengths = {
        "equivalent_diameter": one.equivalent_diameter,
        "equivalent_diameter_sd": one.equivalent_diameter_sd,
        "min_feret": one.min_feret,
        "max_feret": one.max_feret,
    }
    row: Row = {
        "particle": one.label,
        "unit": "px" if size is None else "nm",
        "row_px": one.centroid[0],
        "col_px": one.centroid[1],
        "top_px": one.bbox[0],
        "left_px": one.bbox[1],
        "bottom_px": one.bbox[2],
        "right_px": one.bbox[3],
        "area_px2": one.area,
        "area_sd_px2": one.area_sd,
        **{f"{name}_px": value for name, value in lengths.items()},
        "circularity": one.circularity,
        "confidence": one.confidence,
        "on_border": one.on_border,
        "overlapped": one.overlapped,
    }
    if size is not None:
        row |= {
            "x_nm": (one.centroid[1] - 0.5 * (shape[1] - 1)) * size,
            "y_nm": (one.centroid[0] - 0.5 * (shape[0] - 1)) * size,
            "area_nm2": one.area * size**2,
            "area_sd_nm2": one.area_sd * size**2,
            **{f"{name}_nm": value * size for name, value in lengths.items()},
        }
    return row


_COLUMNS = [
    "file",
    "particle",
    "unit",
    "row_px",
    "col_px",
    "x_nm",
    "y_nm",
    "top_px",
    "left_px",
    "bottom_px",
    "right_px",
    "area_px2",
    "area_sd_px2",
    "area_nm2",
    "area_sd_nm2",
    "equivalent_diameter_px",
    "equivalent_diameter_sd_px",
    "equivalent_diameter_nm",
    "equivalent_diameter_sd_nm",
    "min_feret_px",
    "min_feret_nm",
    "max_feret_px",
    "max_feret_nm",
    "circularity",
    "confidence",
    "on_border",
    "overlapped",
]


def write_rows(path: str | Path, rows: Sequence[Row], *, with_nm: bool) -> Path:
    """Write rows as CSV, whole or not at all.

    Parameters
    ----------
    path : str or Path
        The ``.csv`` file. Its folder must exist.
    rows : sequence of dict
        As `rows_of` gives them, each with a ``file``. Without any the file has its header alone.
    with_nm : bool
        Whether there are columns in nm; a row without scale leaves them empty.

    Returns
    -------
    Path
    """
    names = [name for name in _COLUMNS if with_nm or not name.endswith(("_nm", "_nm2"))]
    write_text(path, csv_text(names, rows))
    return Path(path)
