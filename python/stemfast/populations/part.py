"""The result of one file of many: a small file of two lines, whole or absent.

The first line says of which file it is, in what state that file was, and with which settings it was
read, so that a run that starts again knows what is done without reading the rest.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stemfast.atomic import write_text

__all__ = ["Header", "Part", "Task", "headers", "part_path", "read_part", "write_part"]

FOLDER = "parts"
SUFFIX = ".jsonl"
_MOST_BYTES = 2**28

Row = dict[str, str | int | float | bool]


@dataclass(frozen=True)
class Task:
    """A file to read, in the state it was seen in.

    Attributes
    ----------
    name : str
        Of the file in its folder.
    n_bytes, mtime_ns : int
        Size [bytes] and time of the last change [ns].
    """

    name: str
    n_bytes: int
    mtime_ns: int


@dataclass(frozen=True)
class Header:
    """First line of a part.

    Attributes
    ----------
    task : Task
    settings : str
        Digest of the settings.
    failed : str
        Why the file could not be classified; "" where it was.
    """

    task: Task
    settings: str
    failed: str = ""


@dataclass(frozen=True, eq=False)
class Part:
    """Result of one file.

    Attributes
    ----------
    header : Header
    pixel_size_nm : float or None
        [nm]; None where the file has no scale, or failed.
    shape : (int, int)
        Rows and columns.
    contrast, method : str
        Of the particles, and who found them.
    notes : tuple of str
        Notes for the user on the file.
    pixels : str
        Digest of the image, the same for copies of a file.
    class_names : tuple of str
    rows : list of dict
        One for each particle, as :func:`stemfast.micrograph.table_rows` gives them.
    pictures : dict of int to str
        JPEG in base64 of some of the particles, by label.
    """

    header: Header
    pixel_size_nm: float | None = None
    shape: tuple[int, int] = (0, 0)
    contrast: str = ""
    method: str = ""
    notes: tuple[str, ...] = ()
    pixels: str = ""
    class_names: tuple[str, ...] = ()
    rows: list[Row] = field(default_factory=list)
    pictures: dict[int, str] = field(default_factory=dict)


def part_path(out: Path, name: str) -> Path:
    """Path of the part of a file in the folder of results."""
    return out / FOLDER / f"{hashlib.sha256(os.fsencode(name)).hexdigest()[:24]}{SUFFIX}"


def write_part(out: Path, part: Part) -> None:
    """Write a part, whole or not at all; it takes the place of an earlier one of its file."""
    head, task = part.header, part.header.task
    first = {
        "file": task.name,
        "bytes": task.n_bytes,
        "mtime_ns": task.mtime_ns,
        "settings": head.settings,
        "failed": head.failed,
    }
    rest = {
        "pixel_size_nm": part.pixel_size_nm,
        "shape": list(part.shape),
        "contrast": part.contrast,
        "method": part.method,
        "notes": list(part.notes),
        "pixels": part.pixels,
        "class_names": list(part.class_names),
        "columns": list(part.rows[0]) if part.rows else [],
        "rows": [list(row.values()) for row in part.rows],
        "pictures": {str(label): picture for label, picture in part.pictures.items()},
    }
    # Escaped: a file's name may hold bytes that are no text, or a line separator.
    lines = [json.dumps(line, allow_nan=False) for line in (first, rest)]
    write_text(part_path(out, task.name), "\n".join(lines) + "\n")


def headers(out: Path) -> Iterator[tuple[Header, Path]]:
    """First lines of all parts, and the parts' files; damaged ones are left out."""
    folder = out / FOLDER
    if not folder.is_dir():
        return
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            with path.open(encoding="ascii") as lines:
                yield _header(json.loads(lines.readline(_MOST_BYTES))), path
        except (ValueError, TypeError, KeyError, OSError):
            continue  # not ours, or of a disk that lost it: the file is read again


def _header(line: dict[str, Any]) -> Header:
    task = Task(str(line["file"]), int(line["bytes"]), int(line["mtime_ns"]))
    return Header(task, str(line["settings"]), str(line["failed"]))


def read_part(path: Path) -> Part:
    """Read a part.

    Raises
    ------
    ValueError
        If the file is not one that `write_part` wrote.
    """
    try:
        with path.open(encoding="ascii") as lines:
            head = _header(json.loads(lines.readline(_MOST_BYTES)))
            rest = json.loads(lines.readline(_MOST_BYTES))
        columns = rest["columns"]
        rows, cols = rest["shape"]
        size = rest["pixel_size_nm"]
        return Part(
            header=head,
            pixel_size_nm=None if size is None else float(size),
            shape=(int(rows), int(cols)),
            contrast=str(rest["contrast"]),
            method=str(rest["method"]),
            notes=tuple(rest["notes"]),
            pixels=str(rest["pixels"]),
            class_names=tuple(rest["class_names"]),
            rows=[dict(zip(columns, row, strict=True)) for row in rest["rows"]],
            pictures={int(label): str(jpeg) for label, jpeg in rest["pictures"].items()},
        )
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{path} is damaged ({error}): remove it and run stemfast classify again"
        ) from error
