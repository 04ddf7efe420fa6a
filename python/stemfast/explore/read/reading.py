"""A micrograph that was read, what of it is shown, and corrections of it by hand."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stemfast.explore.job import Tell
from stemfast.finding import Found, FoundOne
from stemfast.finding.files import write_labels
from stemfast.finding.table import Row, write_rows

if TYPE_CHECKING:
    from stemfast.classification import Classification
    from stemfast.reconstruction import FamilyReconstruction, Reconstruction

__all__ = ["Reading", "Wanted", "merged", "named", "read", "split", "up_to_date"]

BY_HAND = "by hand"
_SHALLOWEST = (0.3, 0.1, 0.03, 0.01)  # dips of the width at which a particle is split, in turn


@dataclass(frozen=True)
class Wanted:
    """A file and how it is to be read; arguments as for `stemfast.find`."""

    path: Path
    pixel_size_nm: float | None = None
    scale_bar_nm: float | None = None
    contrast: str = "auto"
    method: str = "auto"
    index: int | None = None
    dataset: str | None = None


@dataclass(frozen=True, eq=False)
class Reading:
    """The particles of a micrograph, and which of them count.

    Attributes
    ----------
    found : Found
    wanted : Wanted
        File and settings that it was read with.
    min_confidence : float
        Particles below it do not count.
    sizes : (float, float)
        Equivalent diameters outside of these do not count [nm, px without a scale].
    deleted : frozenset of int
        Labels that were deleted by hand.
    shapes : Classification or None
        What a network says of the shapes.
    corrected : mapping of int to str
        Shapes by label that were corrected by hand.
    fits : mapping of int to Reconstruction or FamilyReconstruction
        Answers of fits by label.
    """

    found: Found
    wanted: Wanted
    min_confidence: float = 0.0
    sizes: tuple[float, float] = (0.0, float("inf"))
    deleted: frozenset[int] = frozenset()
    shapes: Classification | None = None
    corrected: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
    fits: Mapping[int, Reconstruction | FamilyReconstruction] = field(
        default_factory=lambda: MappingProxyType({})
    )

    @property
    def scale(self) -> float:
        """Factor from px to the unit of sizes."""
        return self.found.pixel_size_nm or 1.0

    @property
    def counts(self) -> NDArray[np.bool_]:
        """Mask of the particles that count, in the order of the labels."""
        low, high = self.sizes
        return np.array(
            [
                one.confidence >= self.min_confidence
                and low <= one.equivalent_diameter * self.scale <= high
                and one.label not in self.deleted
                for one in self.found
            ],
            bool,
        )

    def chosen(self) -> Found:
        """Found particles that count, numbered from 1 again.

        Examples
        --------
        >>> import stemfast as sf
        >>> rows, cols = np.indices((64, 64))
        >>> image = 40.0 * (np.hypot(rows - 18, cols - 20) < 9)
        >>> image += 40.0 * (np.hypot(rows - 45, cols - 44) < 6) + 10
        >>> found = sf.find(image, pixel_size_nm=0.5, method="classical")
        >>> reading = Reading(found, Wanted(Path("image.tif")))
        >>> len(reading.chosen()), len(replace(reading, sizes=(7.0, 99.0)).chosen())
        (2, 1)
        """
        which = self.counts
        if which.all():
            return self.found
        number = np.zeros(len(which) + 1, np.int32)
        number[1:][which] = np.arange(1, np.count_nonzero(which) + 1)
        labels = number[self.found.labels]
        labels.setflags(write=False)
        kept = [one for one, counted in zip(self.found, which, strict=True) if counted]
        particles = tuple(replace(one, label=n) for n, one in enumerate(kept, start=1))
        return replace(self.found, labels=labels, particles=particles)

    def shape(self, label: int) -> str:
        """Shape of a particle in words, "" where nobody said one."""
        if label in self.corrected:
            return self.corrected[label]
        return "" if self.shapes is None else str(self.shapes.table[label - 1]["shape"])

    @property
    def saved_fits(self) -> dict[int, Reconstruction | FamilyReconstruction]:
        """Answers of the fits of what counts, by the numbers that `chosen` gives."""
        kept = [one.label for one, counted in zip(self.found, self.counts, strict=True) if counted]
        return {n: self.fits[one] for n, one in enumerate(kept, start=1) if one in self.fits}

    def shape_rows(self) -> list[dict[str, Any]]:
        """Rows of `stemfast classify`'s table of the particles that count, with corrections."""
        if self.shapes is None:
            return []
        rows: list[dict[str, Any]] = []
        for row, counted in zip(self.shapes.table, self.counts, strict=True):
            label = int(row["particle"])
            if counted and label in self.corrected:
                row = {**row, "shape": self.corrected[label], "not_sure_because": BY_HAND}
            if counted:
                rows.append({**row, "particle": len(rows) + 1})
        return rows

    def save_table(self, path: Path) -> Path:
        """Write the table of the particles that count, as `Found.save` does."""
        chosen = self.chosen()
        rows: list[Row] = [{"file": chosen.source.name, **row} for row in chosen.table]
        write_rows(path, rows, with_nm=chosen.pixel_size_nm is not None)
        return path

    def save_labels(self, path: Path) -> Path:
        """Write the label image of the particles that count, as `Found.save` does."""
        chosen = self.chosen()
        write_labels(path, chosen.labels, chosen.pixel_size_nm)
        return path

    def save(self, folder: Path) -> Path:
        """Write what counts.

        That is the files of `Found.save`, ``shapes.csv`` where shapes are known, and a folder
        ``particle-N`` for each that was fitted.

        Returns
        -------
        Path
            The folder.
        """
        from stemfast.micrograph import write_table
        from stemfast.reconstruction import write_answer

        self.chosen().save(folder)
        rows = self.shape_rows()
        if rows:
            write_table(folder / "shapes.csv", rows)
        for number, answer in self.saved_fits.items():
            write_answer(folder / f"particle-{number}", answer)
        return folder


def read(wanted: Wanted, tell: Tell) -> Reading:
    """Open a micrograph and find its particles.

    Raises
    ------
    MicrographError
        If it is no image of particles.
    ValueError, TypeError, OSError
        If it cannot be read, or a number is out of range.
    """
    from stemfast.finding.find import find_in
    from stemfast.finding.source import source_of

    tell("opening", -1.0)
    dataset: int | str | None = wanted.dataset
    if isinstance(dataset, str) and dataset.isdecimal():
        dataset = int(dataset)
    source = source_of(
        wanted.path,
        wanted.pixel_size_nm,
        scale_bar_nm=wanted.scale_bar_nm,
        index=wanted.index,
        dataset=dataset,
    )
    return Reading(find_in(source, wanted.contrast, wanted.method, progress=tell), wanted)


def named(reading: Reading, model: str, tell: Tell) -> Reading:
    """Name the shapes of the particles.

    Raises
    ------
    ValueError
        If there is no scale where the network needs one, or no particle.
    """
    from stemfast.classification import classify_found, load_model

    def load() -> Any:
        tell("loading the network", -1.0)
        network = load_model(model)
        tell("naming shapes", -1.0)
        return network

    tell("cutting out particles", -1.0)
    shapes = classify_found(reading.found, load)
    return replace(reading, shapes=shapes, corrected=MappingProxyType({}))


def up_to_date(answer: Reading, shown: Reading | None) -> Reading:
    """Answer of a job, with the limits and deletions that were set while it ran."""
    if shown is None or shown.found.source is not answer.found.source:
        return answer
    deleted = shown.deleted if shown.found is answer.found else answer.deleted
    return replace(answer, min_confidence=shown.min_confidence, sizes=shown.sizes, deleted=deleted)


def merged(reading: Reading, labels: Collection[int], tell: Tell) -> Reading:
    """Several particles as one, measured anew.

    Raises
    ------
    ValueError
        If these are fewer than two.
    """
    if len(labels) < 2:
        raise ValueError("choose two or more particles to merge them")
    changed = reading.found.labels.copy()
    changed[np.isin(changed, list(labels))] = min(labels)
    return _measured(reading, changed, tell)


def split(reading: Reading, label: int, tell: Tell) -> Reading:
    """A particle as the parts that it has where it is narrow, measured anew.

    Raises
    ------
    ValueError
        If it is narrow nowhere.
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    from stemfast.micrograph.separate import split_by_dips

    found = reading.found
    low_row, low_column, high_row, high_column = found[label - 1].bbox
    box = (slice(low_row, high_row), slice(low_column, high_column))
    own = np.pad(found.labels[box] == label, 1)
    width = gaussian_filter(distance_transform_edt(own), 1.0)
    for dip in _SHALLOWEST:
        parts = split_by_dips(width, own, dip)[1:-1, 1:-1]
        if parts.max() > 1:
            break
    else:
        raise ValueError(f"particle {label} is narrow nowhere: it cannot be split by its outline")
    changed = found.labels.copy()
    inside = own[1:-1, 1:-1] & (parts > 1)
    changed[box][inside] = changed.max() + parts[inside] - 1
    return _measured(reading, changed, tell)


def _measured(reading: Reading, labels: NDArray[np.int32], tell: Tell) -> Reading:
    """The same reading with other labels; particles that did not change keep their confidence.

    What a network or a fit said belongs to the particles that there were, and is gone.
    """
    from stemfast.finding.find import find_in

    found = reading.found
    labels[np.isin(labels, list(reading.deleted))] = 0
    answer = find_in(found.source, found.contrast, labels=labels, progress=tell)
    same = {one.bbox: one.confidence for one in found}
    particles: tuple[FoundOne, ...] = tuple(
        replace(one, confidence=same.get(one.bbox, one.confidence)) for one in answer
    )
    return replace(
        reading,
        found=replace(answer, particles=particles, method=found.method),
        deleted=frozenset(),
        shapes=None,
        corrected=MappingProxyType({}),
        fits=MappingProxyType({}),
    )
