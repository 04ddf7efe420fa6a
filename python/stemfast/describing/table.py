"""Descriptions as a table, one row for each particle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stemfast.atomic import write_text
from stemfast.describing.description import Cell, Description, column_names
from stemfast.micrograph.files.feature_error import FeatureError
from stemfast.tables import csv_text

__all__ = ["rows_of", "write_table"]


def rows_of(described: Sequence[Description | FeatureError]) -> list[dict[str, Cell]]:
    """One row for each particle, numbered from 1; None where there is no value.

    Parameters
    ----------
    described : sequence of Description or FeatureError
        An error leaves its row empty but for the reason in ``flags``.
    """
    names = column_names()
    rows: list[dict[str, Cell]] = []
    for number, one in enumerate(described, start=1):
        row = {"flags": str(one)} if isinstance(one, FeatureError) else one.row()
        rows.append({"particle": number, **{name: row.get(name) for name in names}})
    return rows


def write_table(path: str | Path, described: Sequence[Description | FeatureError]) -> Path:
    """Write descriptions as CSV, whole or not at all.

    Parameters
    ----------
    path : str or Path
        The ``.csv`` file. Its folder must exist.
    described : sequence of Description or FeatureError
        One row each, as `rows_of` gives them. An empty cell is a value that there is not.

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
    rows = rows_of(described)
    write_text(target, csv_text(list(rows[0]), rows))
    return target
