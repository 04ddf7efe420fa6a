"""The answer of a classification: a table of the particles, and the files of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stemfast import tables
from stemfast.atomic import replacing_in
from stemfast.micrograph.families import families_of
from stemfast.micrograph.table import CUT, NOT_SURE, UNDECIDED, UNLIKE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stemfast.finding import Found
    from stemfast.micrograph import FoundParticles

__all__ = ["OVERLAY_FILE", "TABLE_FILE", "Classification"]

_FEW_NAMES = 6  # in a legend that also shows what does not occur
TABLE_FILE = "particles.csv"
OVERLAY_FILE = "overlay.png"


@dataclass(frozen=True, eq=False)
class Classification:
    """The particles of one image with their shapes: what :func:`stemfast.classify` returns.

    Attributes
    ----------
    found : Found
        What was found in the image.
    particles : FoundParticles
        The same, as networks take it.
    class_names : tuple of str
        Names of the shapes that the network knows.
    table : list of dict
        One row for each particle: as :func:`stemfast.micrograph.table_rows` gives them; with
        ``corners``, ``corners_probability``, ``corners_novelty`` and ``corners_verdict`` where
        corners of cuboids were counted, and ``hand``, ``hand_probability`` and ``hand_images`` of
        a tilt series.
    doubts : tuple of str
        Why each particle is not sure: "cut by the edge", "unlike anything learnt", "low
        probability"; "" where it is sure.
    notes : tuple of str
        Notes for the user: choices that were made, and doubts.
    views : ndarray of float32, (N, H, W)
        The particles as the network saw them.
    """

    found: Found
    particles: FoundParticles = field(repr=False)
    class_names: tuple[str, ...]
    table: list[dict[str, str | int | float | bool]] = field(repr=False)
    doubts: tuple[str, ...] = field(repr=False)
    notes: tuple[str, ...] = ()
    views: NDArray[np.float32] = field(
        repr=False, default_factory=lambda: np.zeros((0, 1, 1), np.float32)
    )

    def __len__(self) -> int:
        return len(self.table)

    @property
    def shapes(self) -> tuple[str, ...]:
        """Shape or family of shapes of each particle, or "not sure"."""
        return tuple(str(row["shape"]) for row in self.table)

    @property
    def pixel_size_nm(self) -> float | None:
        """Side of a pixel [nm]; None where nobody says it."""
        return self.found.pixel_size_nm

    def __str__(self) -> str:
        counted = ", ".join(f"{n} {shape}" for shape, n in Counter(self.shapes).most_common())
        lines = [f"note: {note}" for note in self.notes]
        many = tables.counted(len(self), "particle")
        size = self.pixel_size_nm
        scale = "without a scale" if size is None else f"at {size:.4g} nm/px"
        lines.append(f"{many} {scale}: {counted}")
        why = Counter(doubt for doubt in self.doubts if doubt)
        if why:
            lines.append("not sure: " + ", ".join(f"{n} {doubt}" for doubt, n in why.most_common()))
        read = Counter(str(row.get("corners_verdict", "")) for row in self.table)
        del read[""]
        if read:
            verdicts = sorted(read, key=lambda verdict: (not verdict.isdecimal(), verdict))
            told = ", ".join(f"{verdict} in {read[verdict]}" for verdict in verdicts)
            lines.append(f"corners of {tables.counted(read.total(), 'cuboid')}: {told}")
        hands = Counter(str(row.get("hand", "")) for row in self.table)
        del hands[""]
        if hands:
            told = ", ".join(f"{n} {hand}" for hand, n in hands.most_common())
            lines.append(f"hands of {tables.counted(hands.total(), 'cuboid')}: {told}")
        return "\n".join(lines)

    def to_dataframe(self) -> Any:
        """The table as a pandas `DataFrame`, one row for each particle.

        Raises
        ------
        ModuleNotFoundError
            If pandas is not installed.
        """
        return tables.dataframe(self.table)

    def _repr_html_(self) -> str:
        return tables.html(self.table, str(self))

    def save(self, folder: str | Path) -> Path:
        """Write ``particles.csv``, one row for each particle, and ``overlay.png`` to a folder.

        Parameters
        ----------
        folder : str or Path
            Made if it is missing. Files of an earlier run are replaced once the new ones are
            complete.

        Returns
        -------
        Path
            The folder.
        """
        from stemfast import micrograph

        target, rows = Path(folder), self.table
        class_names = (*self.class_names, *families_of(self.class_names))
        doubts = [f"{NOT_SURE}: {doubt}" for doubt in (UNDECIDED, UNLIKE, CUT)]
        shown = [
            f"{NOT_SURE}: {row['not_sure_because']}"
            if row["not_sure_because"]
            else str(row["shape"])
            for row in rows
        ]
        if len(class_names) > _FEW_NAMES:
            class_names = tuple(name for name in class_names if name in shown)
        with replacing_in(target) as draft:
            micrograph.draw_overlay(
                self.found.source.micrograph(unscaled=True),
                self.particles,
                shown,
                [float(row["probability"]) for row in rows],
                draft / OVERLAY_FILE,
                class_names=(*class_names, *(doubt for doubt in doubts if doubt in shown)),
                scaled=self.pixel_size_nm is not None,
            )
            micrograph.write_table(draft / TABLE_FILE, rows)
        return target
