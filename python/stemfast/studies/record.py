"""Record of a run that reads test images, each written down at once: a stopped run goes on.

A record is a file of JSON lines: one that says what the run is of, then one for each image.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from stemfast.fit.image.goodness import LEAST_P

__all__ = ["Entry", "Record", "SetReading", "Verdict"]


@dataclass(frozen=True)
class Entry:
    """Record of one image's reading.

    Attributes
    ----------
    index : int
        Of the scene.
    label, answer : int
        The true class, and the one held most probable.
    probability : tuple of float
        Of each class.
    """

    index: int
    label: int
    answer: int
    probability: tuple[float, ...]

    @property
    def key(self) -> int:
        """Key of the entry within a record."""
        return self.index


class Kept(Protocol):
    """A dataclass that a record keeps, one line each."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def key(self) -> Any: ...


T = TypeVar("T", bound=Kept)


@dataclass(frozen=True)
class Record(Generic[T]):
    """The file that a command keeps of a run.

    Parameters
    ----------
    file : Path
    command : str
        Whose record it is.
    kind : type
        What a line says; lists in it come back as tuples.
    """

    file: Path
    command: str
    kind: type[T]

    def append(self, entry: T) -> None:
        """Add what was said of an image."""
        self._write(asdict(entry))

    def _write(self, line: dict[str, Any]) -> None:
        with self.file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(line) + "\n")

    def resume(self, settings: dict[str, Any]) -> dict[Any, T]:
        """Entries of a run in the file, by key; starts the file if there is none.

        Parameters
        ----------
        settings : dict
            What the run is of, fit for JSON.

        Raises
        ------
        ValueError
            If the file is no record, of another run, or damaged; it is then left as it is.
        """
        head = {"format": f"stemfast {self.command} 1", **settings}
        content = self.file.read_bytes() if self.file.exists() else b""
        text = content.decode("utf-8", "replace")
        if not text:
            self._write(head)
            return {}
        first, *others = text.split("\n")
        found = _parsed(first)
        if found is None or found.get("format") != head["format"]:
            raise ValueError(
                f"{self.file} is no record of stemfast {self.command}: name another file"
            )
        for key, wanted in head.items():
            if found.get(key) != wanted:
                raise ValueError(
                    f"{self.file} is of another run: its {key} is "
                    f"{_differing(found.get(key), wanted)}; delete it or name another"
                )
        if not others:
            raise self._damaged(1)
        rest = others.pop()
        entries = [self._entry(line, number) for number, line in enumerate(others, start=2)]
        if rest:  # a kill cut the last line short
            os.truncate(self.file, content.rindex(b"\n") + 1)
        return {entry.key: entry for entry in entries}

    def _entry(self, line: str, number: int) -> T:
        parts = _parsed(line)
        if parts is None:
            raise self._damaged(number)
        for name, part in parts.items():
            if isinstance(part, list):
                parts[name] = tuple(part)
        try:
            return self.kind(**parts)
        except TypeError as error:
            raise self._damaged(number) from error

    def _damaged(self, number: int) -> ValueError:
        return ValueError(f"{self.file} is damaged in line {number}: delete it or name another")


def _parsed(line: str) -> dict[str, Any] | None:
    """A line's object; None for anything else."""
    try:
        found = json.loads(line)
    except json.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _differing(found: object, wanted: object) -> str:
    """First setting that differs, found and expected, in words."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        keys = [key for key in wanted if found.get(key) != wanted[key]]
        if keys:
            return f"{keys[0]}: {_differing(found.get(keys[0]), wanted[keys[0]])}"
    return f"{found!r}, expected {wanted!r}"


@dataclass(frozen=True)
class Verdict(Entry):
    """Verdict of the observer on one image; see `Entry` for its answer.

    Attributes
    ----------
    mask, best_mask : int
        The true corners, and the most probable ones; 0 where the task is not one of corners.
    fits : int
        Sets of corners that were fitted, or maxima of solids that were found.
    deviance_per_pixel : float
        Of the fit of the true corners or the true solid.
    seconds : float
        It took.
    """

    mask: int
    best_mask: int
    fits: int
    deviance_per_pixel: float
    seconds: float


@dataclass(frozen=True)
class SetReading(Entry):
    """Record of several images of one particle.

    `label` and `answer` are classes of corners, up to the mirror at unknown poses; `probability`
    is that of the answer. Network and fit are `Estimate`, as far as it is told:

    Attributes
    ----------
    views : int
        Images.
    truth, network, fit : dict
        ``count``, ``orbit``, ``orbit_up_to_mirror``, ``hand`` (of the answer, whether it is right),
        ``edges_off`` and ``volume_off`` (relative), ``edges_z``, ``volume_z`` and ``cuts_z`` (in
        error bars), ``cuts_off``; of the truth the first three. The network's is empty without one.
    misfit, p_value : float
        Of the image that the fit explains least; see `Goodness`.
    missed : float or None
        Of a wrong answer: by how much a fit that starts from the truth is more probable, in
        natural logarithms. Where that is not above 0, the images say so.
    fits : int
        Sets of corners that were fitted.
    seconds, network_seconds : float
        Of one core.
    """

    views: int
    truth: dict[str, Any]
    network: dict[str, Any]
    fit: dict[str, Any]
    misfit: float
    p_value: float
    missed: float | None
    fits: int
    seconds: float
    network_seconds: float

    @property
    def key(self) -> int:
        """Key of the entry within a record."""
        return (self.index << 5) + self.views

    @property
    def explained(self) -> bool:
        """True if the fit explains every image."""
        return self.p_value >= LEAST_P

    def said(self, who: str) -> dict[str, Any]:
        """Answer of the "fit", the "network" or both "together".

        Together it is the fit where it explains every image, or else the network.
        """
        alone = who == "fit" or (who == "together" and self.explained)
        return self.fit if alone or not self.network else self.network
