"""All parts of a run as one table and one summary, read one after the other.

What stays in memory is a line for each file, a few numbers for each particle, and the pictures
that the report shows.
"""

from __future__ import annotations

import csv
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stemfast.atomic import replacing
from stemfast.classification import CORNER_COLUMNS, HAND_COLUMNS
from stemfast.finding.population import population
from stemfast.micrograph.table import COLUMNS, CUT
from stemfast.populations.part import Part, Row, headers, read_part
from stemfast.populations.pictures import CHOICES, best_class, counts
from stemfast.populations.shares import Corners, Hands
from stemfast.tables import cell

__all__ = ["TABLE", "FileLine", "Gathered", "Pictured", "Sizes", "gather"]

TABLE = "particles.csv"
#: Particles that the page lists; the table has them all.
MOST_LISTED = 20_000


@dataclass(frozen=True)
class FileLine:
    """One file in the report.

    Attributes
    ----------
    name : str
    particles : int
    pixel_size_nm : float or None
        [nm]
    contrast, method : str
    notes : tuple of str
    failed : str
        Why it could not be classified; "" where it was.
    pixels : str
        Digest of its image.
    """

    name: str
    particles: int = 0
    pixel_size_nm: float | None = None
    contrast: str = ""
    method: str = ""
    notes: tuple[str, ...] = ()
    failed: str = ""
    pixels: str = ""


@dataclass(frozen=True)
class Pictured:
    """A particle that the report may show."""

    rank: float
    file: str
    particle: int
    shape: str
    probability: float
    novelty: float | None
    diameter: float
    unit: str
    jpeg: str

    @property
    def order(self) -> tuple[float, str, int]:
        """Key that pictures are sorted by."""
        return self.rank, self.file, self.particle


@dataclass(eq=False)
class Sizes:
    """Equivalent diameters of whole particles, and how many each stands for.

    The weights allow for those that the edge of the image cut; see
    :mod:`stemfast.finding.population`. Where some files have a scale, these alone count.

    Attributes
    ----------
    unit : str
        "nm", or "px" where no file has a scale.
    diameters, weights : array
    """

    unit: str = "px"
    diameters: array[float] = field(default_factory=lambda: array("d"))
    weights: array[float] = field(default_factory=lambda: array("d"))

    def add(self, rows: Sequence[Row], part: Part) -> None:
        """Add those of one file."""
        scale, unit = (1.0, "px") if part.pixel_size_nm is None else (part.pixel_size_nm, "nm")
        if unit == "px" and self.unit == "nm":
            return
        if unit != self.unit:
            self.unit = unit
            del self.diameters[:], self.weights[:]
        diameters = [float(row[f"equivalent_diameter_{unit}"]) for row in rows]
        extent = (part.shape[0] * scale, part.shape[1] * scale)
        whole = population(diameters, np.zeros(len(diameters), bool), field_size=extent)
        self.diameters.extend(whole.diameters)
        self.weights.extend(whole.weights)


@dataclass(eq=False)
class Gathered:
    """Everything that the report tells.

    Attributes
    ----------
    class_names : tuple of str
    files : list of FileLine
        By name.
    found : int
        Particles.
    counted, named : list of int
        Whole particles like those learnt from, by their most probable class; and those of them
        that are sure.
    doubts : Counter
        Particles by why they are not sure.
    sizes : list of Sizes
        Of the particles that are sure, by class.
    all_sizes : Sizes
        Of all whole particles.
    pictures : dict
        By choice and class (-1 for all).
    listed : list of list
        For the page: number of the file, particle, diameter, shape or doubt, probability, novelty.
    corners : Corners, optional
        Of the particles that are most probably cuboids, where they were counted.
    hands : Hands, optional
        The same of their handedness, where it was to be told.
    """

    class_names: tuple[str, ...]
    files: list[FileLine] = field(default_factory=list)
    found: int = 0
    counted: list[int] = field(default_factory=list)
    named: list[int] = field(default_factory=list)
    doubts: Counter[str] = field(default_factory=Counter)
    sizes: list[Sizes] = field(default_factory=list)
    all_sizes: Sizes = field(default_factory=Sizes)
    pictures: dict[tuple[str, int], list[Pictured]] = field(default_factory=dict)
    listed: list[list[str | int | float | None]] = field(default_factory=list)
    corners: Corners | None = None
    hands: Hands | None = None

    def __post_init__(self) -> None:
        classes = len(self.class_names)
        self.counted, self.named = [0] * classes, [0] * classes
        self.sizes = [Sizes() for _ in range(classes)]

    def add(self, part: Part) -> None:
        """Take in the result of one file."""
        name = shown_name(part.header.task.name)
        self.files.append(
            FileLine(
                name,
                len(part.rows),
                part.pixel_size_nm,
                part.contrast,
                part.method,
                part.notes,
                part.header.failed,
                part.pixels,
            )
        )
        self.found += len(part.rows)
        best = [best_class(row, self.class_names) for row in part.rows]
        for row, k in zip(part.rows, best, strict=True):
            self.doubts[str(row["not_sure_because"])] += 1
            if counts(row):
                self.counted[k] += 1
                self.named[k] += not row["not_sure_because"]
            if self.corners is not None:
                self.corners.add(row)
            if self.hands is not None:
                self.hands.add(row)
            if len(self.listed) < MOST_LISTED:
                self.listed.append(_listed(len(self.files) - 1, row))
        self._add_sizes(part, best)
        self._add_pictures(part, best, name)

    def _add_sizes(self, part: Part, best: Sequence[int]) -> None:
        whole = [row for row in part.rows if row["not_sure_because"] != CUT]
        if whole:
            self.all_sizes.add(whole, part)
        for k, sizes in enumerate(self.sizes):
            those = [
                row
                for row, one in zip(part.rows, best, strict=True)
                if one == k and not row["not_sure_because"]
            ]
            if those:
                sizes.add(those, part)

    def _add_pictures(self, part: Part, best: Sequence[int], file: str) -> None:
        for row, k in zip(part.rows, best, strict=True):
            jpeg = part.pictures.get(int(row["particle"]))
            if jpeg is None:
                continue
            for name, choice in CHOICES.items():
                rank = choice.rank(row)
                if rank is None:
                    continue
                group = self.pictures.setdefault((name, k if choice.by_class else -1), [])
                group.append(
                    Pictured(
                        rank,
                        file,
                        int(row["particle"]),
                        self.class_names[k],
                        float(row["probability"]),
                        None if row["novelty"] == "" else float(row["novelty"]),
                        float(row[f"equivalent_diameter_{row['unit']}"]),
                        str(row["unit"]),
                        jpeg,
                    )
                )
                group.sort(key=lambda one: one.order)
                del group[choice.most :]


def shown_name(name: str) -> str:
    """A file's name as text, whatever bytes it holds."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _listed(file: int, row: Row) -> list[str | int | float | None]:
    novelty = row["novelty"]
    return [
        file,
        int(row["particle"]),
        float(f"{row['equivalent_diameter_' + str(row['unit'])]:.4g}"),
        str(row["not_sure_because"] or row["shape"]),
        float(f"{row['probability']:.4g}"),
        None if novelty == "" else float(f"{novelty:.3g}"),
    ]


def gather(
    out: Path,
    settings: str,
    class_names: tuple[str, ...],
    corners: Corners | None = None,
    hands: Hands | None = None,
) -> Gathered:
    """Write the table of all particles, and sum up.

    Parameters
    ----------
    out : Path
        Folder of the results.
    settings : str
        Digest of the settings of the parts that count.
    class_names : tuple of str
    corners : Corners, optional
        Where corners of cuboids were counted: takes them in.
    hands : Hands, optional
        The same of their handedness.

    Returns
    -------
    Gathered

    Raises
    ------
    ValueError
        If a part is damaged.
    """
    result = Gathered(class_names, corners=corners, hands=hands)
    behind = (
        *(() if corners is None else CORNER_COLUMNS),
        *(() if hands is None else HAND_COLUMNS),
    )
    with (
        replacing(out / TABLE) as partial,
        partial.open("w", newline="", encoding="utf-8") as lines,
    ):
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(["file", *COLUMNS, *class_names, *behind])
        for part in _parts(out, settings):
            name = shown_name(part.header.task.name)
            for row in part.rows:
                writer.writerow([name, *map(cell, row.values())])
            result.add(part)
    return result


def _parts(out: Path, settings: str) -> Iterator[Part]:
    """Parts of these settings by the names of their files."""
    current = [(head.task.name, path) for head, path in headers(out) if head.settings == settings]
    for _, path in sorted(current):
        yield read_part(path)
