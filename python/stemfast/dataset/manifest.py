"""Files beside the shards: the plan, each shard's checksum, and the manifest of a whole set.

While a set is being written, its folder holds ``plan.json``, which says what it is to be and is
the same whoever writes it, and beside each shard a small file with its checksum. Writers that
share the folder therefore never write to the same file. When the last shard is there, all this is
folded into ``manifest.json``, and only the shards and the manifest remain.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from stemfast import atomic
from stemfast.dataset.splits import (
    ShardPlan,
    check_number_of_shards,
    checked,
    cut,
    number_of_shards,
)
from stemfast.untrusted import json_object, plain_name, regular_file

__all__ = [
    "MANIFEST_FILE",
    "PLAN_FILE",
    "Header",
    "Manifest",
    "ShardEntry",
    "differences",
    "file_sha256",
    "flat_settings",
    "resume_command",
]

MANIFEST_FILE = "manifest.json"
PLAN_FILE = "plan.json"
FORMAT_VERSION = 3
MOST_BYTES = 2**29  # of a manifest: a million shards take half of it
MOST_PX = 2**20  # of a side


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def resume_command(directory: str | Path) -> str:
    """The command that writes what is missing from a data set.

    Examples
    --------
    >>> resume_command("my images")
    "stemfast dataset resume 'my images'"
    """
    return f"stemfast dataset resume {shlex.quote(str(directory))}"


def _reason(error: ValueError) -> str:
    """First complaint, on one line, with the name of the field."""
    if not isinstance(error, ValidationError):
        return str(error).splitlines()[0]
    first = error.errors(include_url=False)[0]
    field = ".".join(map(str, first["loc"]))
    return f"{field}: {first['msg']}" if field else str(first["msg"])


class _Record(BaseModel):
    """A JSON file of ours."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def write_to(self, path: Path) -> None:
        """Write it, whole or not at all."""
        atomic.write_text(path, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read_from(cls, path: Path) -> Self:
        """Read and check it.

        Raises
        ------
        FileNotFoundError
            If it is not there.
        ValueError
            If it is damaged, or written by a version whose format this one does not know.
        """
        try:
            regular_file(path)
            found = json_object(path, most_bytes=MOST_BYTES)
            version = found.get("format_version", FORMAT_VERSION)
            if version == FORMAT_VERSION:
                return cls.model_validate(found)
        except ValueError as error:
            reason = _reason(error)
            raise ValueError(
                f"{path} is damaged ({reason}): put a copy back, or create the data set again in "
                "another directory"
            ) from error
        newer = isinstance(version, int) and version > FORMAT_VERSION
        advice = "update stemfast to read it" if newer else "create the data set again"
        raise ValueError(
            f"{path} has format_version {version}, this stemfast reads {FORMAT_VERSION}: {advice}"
        )


class ShardEntry(_Record):
    """One shard: its file, the scenes [start, stop) that it holds, its size and checksum."""

    file: str
    split: str
    start: int = Field(ge=0)
    stop: int
    n_bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")

    @field_validator("file")
    @classmethod
    def _in_this_folder(cls, file: str) -> str:
        return plain_name(file, ".hspy")

    @model_validator(mode="after")
    def _holds_scenes(self) -> Self:
        if not self.start < self.stop:
            raise ValueError(f"scenes are {self.start} to {self.stop}, expected start < stop")
        return self

    def describes(self, shard: ShardPlan) -> bool:
        """True if it belongs to this shard of the plan."""
        planned = (shard.file, shard.split, shard.start, shard.stop)
        return (self.file, self.split, self.start, self.stop) == planned


class Header(_Record):
    """Settings that define a data set: all that is needed to make it again.

    Attributes
    ----------
    recipe : str
        Name of the recipe.
    settings : dict
        All its settings, the defaults included.
    seed : int
        Seed of the scenes and of the images.
    splits : dict of str to (int, int)
        Disjoint ranges [start, stop) of scene indices, by name.
    shard_images : int
        Images in a shard; the last one of a split may hold fewer.
    stemfast_version : str
        Version that wrote it.
    class_names : tuple of str
        Meaning of the labels.
    image_shape : tuple of int
        (H, W), or (K, H, W) where each sample is K views [px].
    dtype : str
        Type of the pixels.
    pixel_size_nm : float
        One for all images [nm].
    """

    format: Literal["stemfast dataset"] = "stemfast dataset"
    format_version: int = FORMAT_VERSION
    recipe: str
    settings: dict[str, Any]
    seed: int
    splits: dict[str, tuple[int, int]]
    shard_images: int = Field(ge=1)
    stemfast_version: str
    class_names: tuple[str, ...]
    image_shape: tuple[Annotated[int, Field(ge=1, le=MOST_PX)], ...] = Field(
        min_length=2, max_length=3
    )
    dtype: str = Field(pattern="^(uint8|uint16|float32)$")
    pixel_size_nm: float = Field(gt=0, allow_inf_nan=False)

    @field_validator("splits")
    @classmethod
    def _disjoint(cls, splits: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
        return checked(splits)

    @model_validator(mode="after")
    def _few_enough(self) -> Self:
        check_number_of_shards(self.splits, self.shard_images)
        return self

    @property
    def n_images(self) -> int:
        """Images (or stacks of views) in all splits."""
        return sum(stop - start for start, stop in self.splits.values())


class Manifest(Header):
    """A complete data set: its header, and what every shard must be.

    Attributes
    ----------
    shards : tuple of ShardEntry
        The files, in the order of the splits.
    """

    shards: tuple[ShardEntry, ...]

    @model_validator(mode="after")
    def _as_planned(self) -> Self:
        if len(self.shards) != (wanted := number_of_shards(self.splits, self.shard_images)):
            raise ValueError(f"shards are {len(self.shards)}, expected {wanted} for these splits")
        for entry, shard in zip(self.shards, cut(self.splits, self.shard_images), strict=True):
            if not entry.describes(shard):
                raise ValueError(
                    f"shard {entry.file} ({entry.split} {entry.start} to {entry.stop}) is not "
                    f"{shard.file} ({shard.split} {shard.start} to {shard.stop}), expected from "
                    "the splits"
                )
        return self

    def write(self, directory: Path) -> None:
        """Write the manifest, whole or not at all. It comes last: with it the set is complete."""
        self.write_to(directory / MANIFEST_FILE)

    @property
    def header(self) -> Header:
        """All but the shards."""
        return Header(**{name: getattr(self, name) for name in Header.model_fields})

    @classmethod
    def read(cls, directory: str | Path) -> Manifest:
        """Read the manifest of a complete data set, or put it together from its shards' files.

        Raises
        ------
        FileNotFoundError
            If there is no data set, or one whose writing is not finished.
        ValueError
            If a file is damaged, or written by a newer version.
        """
        folder = Path(directory)
        if (folder / MANIFEST_FILE).is_file():
            return cls.read_from(folder / MANIFEST_FILE)
        if not (folder / PLAN_FILE).is_file():
            raise FileNotFoundError(
                f"directory {folder} holds no data set: neither {MANIFEST_FILE} nor {PLAN_FILE} "
                "(make one with: stemfast dataset create)"
            )
        header = Header.read_from(folder / PLAN_FILE)
        shards = tuple(cut(header.splits, header.shard_images))
        entries = [read_entry(folder, shard) for shard in shards]
        found = tuple(entry for entry in entries if entry is not None)
        if len(found) < len(shards):
            raise FileNotFoundError(
                f"data set {folder} is not complete: {len(shards) - len(found)} of {len(shards)} "
                f"shards are missing; write them with: {resume_command(folder)}"
            )
        return cls(**dict(header), shards=found)


def entry_path(directory: Path, shard: ShardPlan) -> Path:
    """File beside a shard that holds its checksum until the set is complete."""
    return (directory / shard.file).with_suffix(".json")


def read_entry(directory: Path, shard: ShardPlan) -> ShardEntry | None:
    """Manifest entry of a shard, or None if the shard is missing or incomplete.

    The checksum is not compared: that is what ``stemfast dataset verify`` is for.
    """
    try:
        size = regular_file(directory / shard.file)
        entry = ShardEntry.read_from(entry_path(directory, shard))
    except (FileNotFoundError, ValueError):  # no checksum, or one that cannot be read
        return None
    return entry if entry.describes(shard) and entry.n_bytes == size else None


def differences(there: Header, wanted: Header) -> list[str]:
    """Differences between two headers, as ``name: there → asked``.

    Of two recipes it is enough that they are two; what follows from recipe and settings is left
    out.

    Examples
    --------
    >>> one = Header(
    ...     recipe="shapes",
    ...     settings={"a": 1, "b": 2},
    ...     seed=0,
    ...     splits={"train": (0, 9)},
    ...     shard_images=9,
    ...     stemfast_version="1",
    ...     class_names=("one",),
    ...     image_shape=(8, 8),
    ...     dtype="uint8",
    ...     pixel_size_nm=1.0,
    ... )
    >>> differences(one, one.model_copy(update={"seed": 1, "settings": {"a": 1, "b": 3}}))
    ['b: 2 → 3', 'seed: 0 → 1']
    """
    if there.recipe != wanted.recipe:
        return [f"recipe: {there.recipe} → {wanted.recipe}"]
    old, new = _comparable(there), _comparable(wanted)
    nothing = "nothing"
    return [
        f"{name}: {old.get(name, nothing)} → {new.get(name, nothing)}"
        for name in (*old, *(name for name in new if name not in old))
        if old.get(name, nothing) != new.get(name, nothing)
    ]


def _comparable(header: Header) -> dict[str, Any]:
    fields = header.model_dump(mode="json", exclude={"class_names", "image_shape", "pixel_size_nm"})
    return flat_settings(fields.pop("settings")) | flat_settings(fields)


def flat_settings(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings within settings by their whole names.

    Examples
    --------
    >>> flat_settings({"film": {"nm": 5, "material": "C"}, "px": 64})
    {'film.nm': 5, 'film.material': 'C', 'px': 64}
    """
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            flat |= flat_settings(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat
