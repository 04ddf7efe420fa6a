"""The record of a run: JSON lines, one that says of what, then one for each image."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = ["Verdict", "append", "resume"]

_FORMAT = "stemfast ceiling 1"


@dataclass(frozen=True)
class Verdict:
    """What the observer says of one image.

    Attributes
    ----------
    index : int
        Of the scene.
    label, answer : int
        The true class, and the one it holds most probable.
    probability : tuple of float
        Of each class.
    mask, best_mask : int
        The true corners, and the most probable ones; 0 where the task is not one of corners.
    fits : int
        Sets of corners that were fitted, or maxima of solids that were found.
    deviance_per_pixel : float
        Of the fit of the true corners or the true solid.
    seconds : float
        It took.
    """

    index: int
    label: int
    answer: int
    probability: tuple[float, ...]
    mask: int
    best_mask: int
    fits: int
    deviance_per_pixel: float
    seconds: float


def append(file: Path, verdict: Verdict) -> None:
    """Add a verdict to a record."""
    _write(file, asdict(verdict))


def _write(file: Path, entry: dict[str, Any]) -> None:
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(entry) + "\n")


def resume(file: Path, settings: dict[str, Any]) -> dict[int, Verdict]:
    """What a record holds of a run, by index of the scene; starts the record if there is none.

    Parameters
    ----------
    file : Path
    settings : dict
        What the run is of, fit for JSON.

    Raises
    ------
    ValueError
        If the file is no record, of another run, or damaged; it is then left as it is.
    """
    head = {"format": _FORMAT, **settings}
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    if not text:
        _write(file, head)
        return {}
    first, *others = text.split("\n")
    found = _entry(file, first, 1)
    if found.get("format") != _FORMAT:
        raise ValueError(f"{file} is not a record of stemfast ceiling, expected another name")
    for key, wanted in head.items():
        if found.get(key) != wanted:
            raise ValueError(
                f"{file} is of another run: its {key} is "
                f"{_differing(found.get(key), wanted)}; delete it or name another"
            )
    if not others:
        raise ValueError(f"{file} is damaged in line 1: delete it or name another")
    rest = others.pop()
    entries = [_entry(file, line, number) for number, line in enumerate(others, start=2)]
    if rest:  # a kill cut the last line short
        with file.open("r+", encoding="utf-8") as lines:
            lines.truncate(len(text.encode("utf-8")) - len(rest.encode("utf-8")))
    verdicts = [
        Verdict(**{**entry, "probability": tuple(entry["probability"])}) for entry in entries
    ]
    return {verdict.index: verdict for verdict in verdicts}


def _entry(file: Path, line: str, number: int) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except json.JSONDecodeError:
        entry = None
    if not isinstance(entry, dict):
        raise ValueError(f"{file} is damaged in line {number}: delete it or name another")
    return entry


def _differing(found: object, wanted: object) -> str:
    """What was found and what was expected, of nested settings only those that differ."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        keys = [key for key in wanted if found.get(key) != wanted[key]]
        if keys:
            return f"{keys[0]}: {_differing(found.get(keys[0]), wanted[keys[0]])}"
    return f"{found!r}, expected {wanted!r}"
