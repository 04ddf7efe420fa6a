"""The manifest: what a data set is, how it was made, and the checksum of each shard."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from stemfast import atomic

__all__ = ["Manifest", "ShardEntry", "file_sha256"]

MANIFEST_FILE = "manifest.json"
FORMAT_VERSION = 1


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class ShardEntry(BaseModel):
    """One shard: its file, the scenes [start, stop) that it holds, its size and checksum."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    split: str
    start: int
    stop: int
    n_bytes: int
    sha256: str


class Manifest(BaseModel):
    """Everything needed to read a data set, and to make it again.

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
    stemfast_version : str
        Version that wrote it.
    class_names : tuple of str
        Meaning of the labels.
    image_shape : tuple of int
        (H, W) [px].
    dtype : str
        Type of the pixels.
    pixel_size_nm : float
        One for all images [nm].
    shards : tuple of ShardEntry
        The files.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["stemfast dataset"] = "stemfast dataset"
    format_version: int = FORMAT_VERSION
    recipe: str
    settings: dict[str, Any]
    seed: int
    splits: dict[str, tuple[int, int]]
    stemfast_version: str
    class_names: tuple[str, ...]
    image_shape: tuple[int, int]
    dtype: str
    pixel_size_nm: float
    shards: tuple[ShardEntry, ...]

    def write(self, directory: Path) -> None:
        """Write the manifest, whole or not at all. It comes last: with it the set is complete."""
        atomic.write_text(directory / MANIFEST_FILE, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Read and check the manifest of `directory`.

        Raises
        ------
        FileNotFoundError
            If there is none: no data set, or one whose writing was interrupted.
        ValueError
            If it is damaged, or written by a newer version.
        """
        path = directory / MANIFEST_FILE
        if not path.is_file():
            raise FileNotFoundError(
                f"directory {directory} holds no {MANIFEST_FILE}: not a data set, or its writing "
                "was interrupted (write it again)"
            )
        try:
            manifest = cls.model_validate_json(path.read_text(encoding="utf-8"))
        except ValidationError as error:
            raise ValueError(f"{path} is not a manifest that can be read: {error}") from error
        if manifest.format_version != FORMAT_VERSION:
            raise ValueError(
                f"{path} has format_version {manifest.format_version}, this stemfast reads "
                f"{FORMAT_VERSION}"
            )
        return manifest
