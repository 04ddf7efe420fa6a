"""Plan of a set of fields: recipe, seed, splits and format, kept in ``fields.json``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from stemfast import atomic
from stemfast.arguments import seed_value
from stemfast.dataset.manifest import flat_settings
from stemfast.dataset.splits import Splits, checked
from stemfast.fields import FieldRecipe

__all__ = ["PLAN_FILE", "FieldPlan", "Place"]

PLAN_FILE = "fields.json"
_FORMAT_VERSION = 1


@dataclass(frozen=True)
class Place:
    """One field of a set: its split, its number in it, and its index in the seed's fields."""

    split: str
    number: int
    index: int

    def file(self, directory: Path, kind: str, ending: str) -> Path:
        """Path of a file of it."""
        return directory / kind / self.split / f"{self.number:06d}{ending}"


@dataclass(frozen=True)
class FieldPlan:
    """Plan of a set of fields.

    Parameters
    ----------
    recipe : FieldRecipe
    seed : int
        0 … 2^64 − 1.
    splits : dict of str to (int, int)
        Ranges of fields by name, as `stemfast.dataset.splits.parse` gives them.
    ending : ".png" or ".tif"
        Format of the images. PNG has 8 bits, and electrons are stretched to them; TIFF holds the
        field's own numbers, and its scale.
    licence : str
        Named in the card and in COCO's file; by default stemfast's own.

    Raises
    ------
    TypeError, ValueError
        If a value is not allowed.

    Examples
    --------
    >>> plan = FieldPlan(FieldRecipe(rows=64, columns=64), 1, {"train": (0, 5)})
    >>> plan.n_fields, next(plan.places())
    (5, Place(split='train', number=0, index=0))
    """

    recipe: FieldRecipe
    seed: int
    splits: Splits
    ending: Literal[".png", ".tif"] = ".png"
    licence: str = "BSD-3-Clause"

    def __post_init__(self) -> None:
        seed_value(self.seed)
        checked(self.splits)
        if self.ending not in (".png", ".tif"):
            raise ValueError(f"ending is {self.ending!r}, expected .png or .tif")
        if not self.licence.strip():
            raise ValueError(f"licence is {self.licence!r}, expected a name such as CC-BY-4.0")

    @property
    def n_fields(self) -> int:
        """Fields in all splits."""
        return sum(stop - start for start, stop in self.splits.values())

    def places(self, split: str | None = None) -> Iterator[Place]:
        """Fields of one split or of all, in order."""
        for name, (start, stop) in self.splits.items():
            if split in (None, name):
                for index in range(start, stop):
                    yield Place(name, index - start, index)

    def missing(self, directory: Path) -> list[Place]:
        """Fields whose truth, which is written last, is not there."""
        return [
            place for place in self.places() if not place.file(directory, "truth", ".json").exists()
        ]

    def dump(self) -> dict[str, Any]:
        """All of it as JSON holds it."""
        return {
            "format": "stemfast fields",
            "format_version": _FORMAT_VERSION,
            "stemfast_version": version("stemfast"),
            "seed": self.seed,
            "splits": {name: list(limits) for name, limits in self.splits.items()},
            "images": self.ending,
            "licence": self.licence,
            "recipe": self.recipe.model_dump(mode="json"),
        }

    def claim(self, directory: Path) -> None:
        """Make the folder, or find that it holds a set of the same plan.

        Raises
        ------
        ValueError
            If it holds another set, or something else.
        """
        if directory.exists() and not directory.is_dir():
            raise ValueError(f"directory must be a folder, and {directory} is a file")
        file = directory / PLAN_FILE
        if file.exists():
            self._compare(file)
            return
        if directory.exists() and any(directory.iterdir()):
            raise ValueError(f"{directory} holds other files: choose an empty or a new folder")
        directory.mkdir(parents=True, exist_ok=True)
        atomic.write_json(file, self.dump())

    @classmethod
    def read(cls, directory: str | Path) -> FieldPlan:
        """The plan of a set that is there.

        Raises
        ------
        FileNotFoundError
            If the folder holds no set of fields.
        ValueError
            If its plan is damaged, or of another version.
        """
        file = Path(directory) / PLAN_FILE
        try:
            there = json.loads(file.read_text(encoding="utf-8"))
            if there["format_version"] != _FORMAT_VERSION:
                raise ValueError(f"its format_version is {there['format_version']}")
            splits = {name: (start, stop) for name, (start, stop) in there["splits"].items()}
            recipe = FieldRecipe(**there["recipe"])
            return cls(recipe, there["seed"], splits, there["images"], there["licence"])
        except FileNotFoundError:
            raise FileNotFoundError(f"{directory} holds no set of fields: no {PLAN_FILE}") from None
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise ValueError(f"{file} cannot be read: {error}") from None

    def describe(self, directory: str | Path) -> str:
        """Lines that say what the set is, and whether it is complete."""
        where = Path(directory)
        rows, columns = self.recipe.shape
        lacking = len(self.missing(where))
        splits = ", ".join(f"{name} {stop - start}" for name, (start, stop) in self.splits.items())
        state = f"NOT complete: {lacking} of {self.n_fields} are missing" if lacking else "complete"
        settings = flat_settings(self.recipe.model_dump(mode="json"))
        return "\n".join(
            [
                f"{self.n_fields} fields of {rows} x {columns} px, seed {self.seed}: {splits}",
                state,
                "settings:",
                *(f"  {name} = {value}" for name, value in settings.items()),
            ]
        )

    def _compare(self, file: Path) -> None:
        try:
            there = json.loads(file.read_text(encoding="utf-8"))
            old, new = flat_settings(there), flat_settings(self.dump())
        except (ValueError, AttributeError):
            raise ValueError(f"{file} is damaged: create the set in another folder") from None
        differ = [
            f"{name}: {old.get(name)} → {new.get(name)}"
            for name in dict.fromkeys((*old, *new))
            if old.get(name) != json.loads(json.dumps(new.get(name)))
        ]
        if differ:
            raise ValueError(
                f"{file.parent} holds a set of fields that differs from this: {'; '.join(differ)}. "
                "Choose another folder, or the same settings to go on"
            )
