"""The report of one micrograph as it was read and corrected: one page of HTML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stemfast.explore.read.reading import BY_HAND, Reading
from stemfast.populations.about import About, write_about
from stemfast.populations.page import Added
from stemfast.populations.part import FOLDER, Header, Part, Row, Task, write_part
from stemfast.populations.pictures import chosen, jpeg
from stemfast.populations.report import PAGE, write_report
from stemfast.populations.settings import settings_for

__all__ = ["PAGE", "write_page"]


def write_page(folder: Path, reading: Reading, model: str) -> Path:
    """Write the report that ``stemfast classify FOLDER`` writes, of what counts in a reading.

    A shape that was given by hand counts as sure. Particles that were fitted have a section each.

    Parameters
    ----------
    folder : Path
        Where it is written.
    reading : Reading
    model : str
        The network that named the shapes.

    Raises
    ------
    ValueError
        If no shapes are named.
    """
    from stemfast.reconstruction.picture import png_bytes

    shapes, wanted = reading.shapes, reading.wanted
    if shapes is None:
        raise ValueError("name the shapes first: the report tells the share of each")
    found = reading.chosen()
    names = shapes.class_names
    rows = [_sure(row, names) for row in reading.shape_rows()]
    settings, card = settings_for(model=model, contrast=wanted.contrast, method=wanted.method)
    notes = [*found.notes, *shapes.notes]
    by_hand = sum(row["not_sure_because"] == BY_HAND for row in reading.shape_rows())
    if by_hand:
        notes.append(f"the shapes of {by_hand} particles were given by hand")
    shown = chosen(rows, names)
    part = Part(
        header=Header(Task(found.source.name, 0, 0), settings.digest),
        pixel_size_nm=shapes.pixel_size_nm,
        shape=found.labels.shape,
        contrast=found.contrast,
        method=found.method,
        notes=tuple(dict.fromkeys(notes)),
        class_names=names,
        rows=rows,
        pictures={one.label: jpeg(found.image, one.bbox) for one in found if one.label in shown},
    )
    fits = [
        Added(f"Particle {number}, fitted", png_bytes(answer), str(answer))
        for number, answer in reading.saved_fits.items()
    ]
    (folder / FOLDER).mkdir()
    write_about(folder, About(found.source.name, settings, card))
    write_part(folder, part)
    return write_report(folder, fits).page


def _sure(row: dict[str, Any], names: tuple[str, ...]) -> Row:
    """A row of the table; a shape by hand in place of what the network said."""
    if row["not_sure_because"] != BY_HAND:
        return row
    known = {"probability": 1.0, "not_sure_because": ""}
    return {**row, **dict.fromkeys(names, 0.0), row["shape"]: 1.0, **known}
