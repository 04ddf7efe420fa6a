"""The answer as a table: one row per particle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stemfast.atomic import write_text
from stemfast.micrograph.files.error import MicrographError
from stemfast.micrograph.find import FoundParticle
from stemfast.tables import csv_text

COLUMNS = (
    "particle",
    "unit",
    "row_px",
    "col_px",
    "x_nm",
    "y_nm",
    "equivalent_diameter_px",
    "equivalent_diameter_nm",
    "area_px2",
    "area_nm2",
    "on_border",
    "shape",
    "probability",
    "not_sure_because",
    "novelty",
    "coarse_shape",
)
"""Columns before the classes' own: see `table_rows`."""

NOT_SURE = "not sure"
"""Entry of the table in place of a shape that the network does not dare to name."""

CUT, UNLIKE, UNDECIDED = "cut by the edge", "unlike anything learnt", "low probability"
"""Reasons for a shape that is not sure."""

Row = Mapping[str, str | int | float | bool]


def table_rows(
    found: Sequence[FoundParticle],
    class_names: Sequence[str],
    probabilities: npt.ArrayLike,
    *,
    doubts: Sequence[str] | None = None,
    novelty: npt.ArrayLike | None = None,
    names: Sequence[tuple[str, float]] | None = None,
    coarse: Sequence[str] | None = None,
    scaled: bool = True,
) -> list[dict[str, str | int | float | bool]]:
    """One row per particle: where it is, how large, and what shape with what probability.

    Parameters
    ----------
    found : sequence of FoundParticle, length n
    class_names : sequence of str, length k
        Names of the shapes.
    probabilities : array_like, shape (n, k)
        Probability of each shape for each particle; rows sum to 1.
    doubts : sequence of str, length n, optional
        Why each particle's shape is not sure; "" where it is.
    novelty : array_like, shape (n,), optional
        How unlike all that the network learnt from each particle looks.
    names : sequence of (str, float), length n, optional
        Name and probability of each particle where it is not that of the most probable shape; see
        `stemfast.micrograph.families.names_of`.
    coarse : sequence of str, length n, optional
        Coarse shape of each particle's outline; see
        `stemfast.micrograph.families.coarse_shapes`.
    scaled : bool
        Whether the size of a pixel is known; without, columns in nm are empty.

    Returns
    -------
    list of dict
        ``particle`` (its label), ``unit`` ("nm" where the scale is known, else "px"), ``row_px``,
        ``col_px`` (centroid [px], the first pixel's centre being 0), ``x_nm``, ``y_nm`` (centroid
        [nm] from the centre of the image, x to the right, y down), ``equivalent_diameter_px``,
        ``equivalent_diameter_nm``, ``area_px2``, ``area_nm2``, ``on_border``, ``shape`` (the most
        probable or its family, or "not sure" where there is a doubt), ``probability`` (that of the
        shape or family), ``not_sure_because`` (the doubt), ``novelty`` ("" if not known),
        ``coarse_shape`` ("" if not known), and the probability of every shape under its name.

    Raises
    ------
    MicrographError
        Wrong shapes, numbers that are no probabilities, or shape names that are not distinct.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.zeros((21, 31), np.int32)
    >>> labels[8:13, 18:23] = 1
    >>> particle = FoundParticle(1, (8, 18, 13, 23), 0.5, False, labels)
    >>> row = table_rows([particle], ["sphere", "cuboid"], [[0.9, 0.1]])[0]
    >>> row["x_nm"], row["y_nm"], row["shape"], row["cuboid"]
    (2.5, 0.0, 'sphere', 0.1)
    """
    chances = checked_probabilities(probabilities, len(found), class_names)
    reasons = [""] * len(found) if doubts is None else list(doubts)
    strange = np.full(len(found), np.nan) if novelty is None else np.asarray(novelty, np.float64)
    if len(reasons) != len(found) or strange.shape != (len(found),):
        raise MicrographError(
            f"doubts, novelty: got {len(reasons)} and {strange.shape}, expected one of each for "
            f"{len(found)} particles"
        )
    rows: list[dict[str, str | int | float | bool]] = []
    if names is None:
        names = [(class_names[k], float(c[k])) for c in chances for k in (int(np.argmax(c)),)]
    outlines = [""] * len(found) if coarse is None else list(coarse)
    for particle, chance, reason, new, (name, likely), outline in zip(
        found, chances, reasons, strange, names, outlines, strict=True
    ):
        rows.append(
            {
                **_place_and_size(particle, scaled=scaled),
                "on_border": particle.on_border,
                "shape": NOT_SURE if reason else name,
                "probability": likely,
                "not_sure_because": reason,
                "novelty": "" if np.isnan(new) else float(new),
                "coarse_shape": outline,
                **{n: float(p) for n, p in zip(class_names, chance, strict=True)},
            }
        )
    return rows


def _place_and_size(particle: FoundParticle, *, scaled: bool) -> dict[str, str | int | float]:
    row, col = particle.centroid
    height, width = particle.labels.shape
    size = particle.pixel_size_nm
    return {
        "particle": particle.label,
        "unit": "nm" if scaled else "px",
        "row_px": row,
        "col_px": col,
        "x_nm": (col - 0.5 * (width - 1)) * size if scaled else "",
        "y_nm": (row - 0.5 * (height - 1)) * size if scaled else "",
        "equivalent_diameter_px": particle.equivalent_diameter_nm / size,
        "equivalent_diameter_nm": particle.equivalent_diameter_nm if scaled else "",
        "area_px2": particle.area_nm2 / size**2,
        "area_nm2": particle.area_nm2 if scaled else "",
    }


def write_table(path: str | Path, rows: Sequence[Row]) -> Path:
    """Write the rows of `table_rows` as CSV, whole or not at all.

    Parameters
    ----------
    path : str or Path
        The ``.csv`` file. Its folder must exist.
    rows : sequence of mapping
        As `table_rows` gives them, all with the same columns.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    MicrographError
        No rows, a column missing or too many, or a folder that does not exist.

    Examples
    --------
    >>> write_table("answer.csv", [])
    Traceback (most recent call last):
    ...
    stemfast.micrograph.files.error.MicrographError: rows: got none, expected one per particle
    """
    target = Path(path)
    if not rows:
        raise MicrographError("rows: got none, expected one per particle")
    if not target.parent.is_dir():
        raise MicrographError(f"{target}: no such folder {target.parent}, expected one that exists")
    names = list(rows[0])
    if tuple(names[: len(COLUMNS)]) != COLUMNS:
        raise MicrographError(f"rows: got columns {names}, expected {list(COLUMNS)} first")
    for n, row in enumerate(rows):
        if list(row) != names:
            raise MicrographError(f"rows[{n}]: got columns {list(row)}, expected {names}")
    write_text(target, csv_text(names, rows))
    return target


def checked_probabilities(
    probabilities: npt.ArrayLike, n: int, class_names: Sequence[str]
) -> npt.NDArray[np.float64]:
    """Return `probabilities` as an (n, classes) array, or refuse it.

    Examples
    --------
    >>> checked_probabilities([[0.25, 0.75]], 1, ["a", "b"]).shape
    (1, 2)
    """
    if not class_names or len(set(class_names)) != len(class_names):
        raise MicrographError(f"class_names: got {list(class_names)}, expected distinct names")
    taken = sorted(set(class_names) & set(COLUMNS))
    if taken:
        raise MicrographError(f"class_names: {taken} are names of other columns")
    result = np.asarray(probabilities, dtype=np.float64)
    if result.shape != (n, len(class_names)):
        raise MicrographError(
            f"probabilities: got shape {result.shape}, expected {(n, len(class_names))} "
            "(particles, classes)"
        )
    if not np.all((result >= 0) & (result <= 1)) or np.any(np.abs(result.sum(axis=1) - 1) > 1e-3):
        raise MicrographError("probabilities: expected numbers from 0 to 1, each row summing to 1")
    return result
