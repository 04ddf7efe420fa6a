"""Descriptions as a table, one row for each particle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stemfast.atomic import write_text
from stemfast.describing.description import Cell, Description, column_names
from stemfast.micrograph.files.feature_error import FeatureError
from stemfast.tables import csv_text

__all__ = ["rows_of", "write_table"]


def rows_of(
    described: Sequence[Description | FeatureError], unit: str = "nm"
) -> list[dict[str, Cell]]:
    """One row for each particle, numbered from 1; None where there is no value.

    Parameters
    ----------
    described : sequence of Description or FeatureError
        An error leaves its row empty but for the reason in ``flags``.
    unit : str
        "nm", or "px" of an image without a scale, whose pixels were taken for 1 nm: columns are
        then called ``area_px2`` and the like.
    """
    names = column_names()
    rows: list[dict[str, Cell]] = []
    for number, one in enumerate(described, start=1):
        row = {"flags": str(one)} if isinstance(one, FeatureError) else one.row()
        cells = {name.replace("_nm", f"_{unit}"): row.get(name) for name in names}
        rows.append({"particle": number, **cells})
    return rows


def write_table(
    path: str | Path, described: Sequence[Description | FeatureError], unit: str = "nm"
) -> Path:
    """Write descriptions as CSV, whole or not at all.

    Parameters
    ----------
    path : str or Path
        The ``.csv`` file. Its folder must exist.
    described : sequence of Description or FeatureError
        One row each, as `rows_of` gives them. An empty cell is a value that there is not.
    unit : str
        As for `rows_of`.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    FeatureError
        If there is nothing to write or the folder does not exist.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "table.csv"
    >>> write_table(file, [FeatureError("nothing there")]).read_text().splitlines()[1][:15]
    '1,nothing there'
    """
    target = Path(path)
    if not described:
        raise FeatureError("described: got none, expected one per particle")
    if not target.parent.is_dir():
        raise FeatureError(f"{target}: no such folder {target.parent}, expected one that exists")
    rows = rows_of(described, unit)
    write_text(target, csv_text(list(rows[0]), rows))
    return target
