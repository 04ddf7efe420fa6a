"""Plan of a data set: recipe, seed, splits, shards, and the disk space and time they need."""

from __future__ import annotations

import errno
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stemfast.arguments import seed_value
from stemfast.dataset.manifest import Header
from stemfast.dataset.splits import ShardPlan, check_number_of_shards, checked, cut

if TYPE_CHECKING:
    from stemfast.recipes import Recipe

__all__ = [
    "Estimate",
    "Plan",
    "ShardPlan",
    "check_space",
    "estimate",
    "in_bytes",
    "stemfast_version",
]

SHARD_BYTES = 32 * 2**20  # between the design's 16 and 64 MB
_PILOT_S = 0.5  # length of the pilot simulation [s]
_PER_SHARD = 32 * 2**10  # bytes: descriptions, and parameters that start on pages of their own


def stemfast_version() -> str:
    """Version of this stemfast, or ``"unknown"`` in a source tree that was never installed."""
    try:
        return version("stemfast")
    except PackageNotFoundError:
        return "unknown"


class Plan:
    """Recipe, seed, splits and shards of a data set: all that its bytes depend on.

    Parameters
    ----------
    recipe : Recipe
        What to draw; see :mod:`stemfast.recipes`.
    seed : int
        Seed of the scenes and of the images.
    splits : mapping of str to (int, int)
        Disjoint ranges [start, stop) of scene indices; see `stemfast.dataset.splits`.
    shard_images : int, optional
        Images in a shard. If None, as many as fit into 32 MiB.

    Raises
    ------
    ValueError
        If the splits overlap or are empty, a number is out of range, or there would be more than a
        million shards.

    Examples
    --------
    >>> from stemfast import recipes
    >>> plan = Plan(recipes.get("shapes"), 0, {"train": (0, 900), "test": (900, 1000)}, 400)
    >>> plan.n_images, [len(shard) for shard in plan.shards]
    (1000, [400, 400, 100, 100])
    """

    def __init__(
        self,
        recipe: Recipe,
        seed: int,
        splits: Mapping[str, tuple[int, int]],
        shard_images: int | None = None,
    ) -> None:
        self.recipe = recipe
        self.seed = seed_value(seed)
        self.splits = checked(splits)
        if shard_images is None:
            shard_images = max(1, SHARD_BYTES // self.image_bytes)
        if shard_images < 1:
            raise ValueError(f"shard_images is {shard_images}, expected at least 1")
        self.shard_images = int(shard_images)
        check_number_of_shards(self.splits, self.shard_images)

    @classmethod
    def from_header(cls, header: Header) -> Plan:
        """The plan that a data set was, or is being, written from.

        Raises
        ------
        ValueError
            If this version of stemfast does not know the recipe or one of its settings.
        """
        from stemfast import recipes

        recipe = recipes.from_dump(header.recipe, header.settings)
        return cls(recipe, header.seed, header.splits, header.shard_images)

    @cached_property
    def shards(self) -> tuple[ShardPlan, ...]:
        """All shards, in the order of their numbers."""
        return tuple(cut(self.splits, self.shard_images))

    @property
    def image_bytes(self) -> int:
        """Bytes of one image, or of one stack of views."""
        return math.prod(self.recipe.image_shape) * np.dtype(self.recipe.dtype).itemsize

    @property
    def n_images(self) -> int:
        """Images (or stacks of views) in all splits."""
        return sum(stop - start for start, stop in self.splits.values())

    @property
    def header(self) -> Header:
        """The plan as it is stored with the data."""
        return Header(
            recipe=self.recipe.name,
            settings=self.recipe.model_dump(mode="json"),
            seed=self.seed,
            splits=self.splits,
            shard_images=self.shard_images,
            stemfast_version=stemfast_version(),
            class_names=tuple(self.recipe.class_names),
            image_shape=tuple(self.recipe.image_shape),
            dtype=np.dtype(self.recipe.dtype).name,
            pixel_size_nm=self.recipe.pixel_size_nm,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # The list of shards is made again where it is needed; there may be millions.
        return Plan, (self.recipe, self.seed, self.splits, self.shard_images)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plan) and self.header == other.header

    def __hash__(self) -> int:
        return hash(self.header.model_dump_json())

    def __repr__(self) -> str:
        parts = ", ".join(f"{name}: {stop - start}" for name, (start, stop) in self.splits.items())
        return f"Plan({self.recipe.name}, seed={self.seed}, {parts}; {len(self.shards)} shards)"


@dataclass(frozen=True)
class Estimate:
    """Size and time of the shards still to be written.

    Attributes
    ----------
    n_images : int
        Images.
    n_bytes : int
        Bytes on disk.
    seconds : float
        Time to simulate them on this machine [s].
    pilot : int
        Images that were simulated to find out.
    """

    n_images: int
    n_bytes: int
    seconds: float
    pilot: int


def estimate(plan: Plan, shards: Sequence[ShardPlan], n_threads: int = 0) -> Estimate:
    """Simulate for half a second, and say what these shards will take."""
    n_images = sum(len(shard) for shard in shards)
    if not shards:
        return Estimate(0, 0, 0.0, 0)
    first, last = shards[0].start, shards[0].stop
    scenes = plan.recipe.sample(plan.seed, first, min(first + 8, last))
    scenes.simulate(n_threads)  # the first call sets up threads and tables
    per_image = sum(column.nbytes for column in scenes.columns.values()) / len(scenes)
    done, count, began, elapsed = 0, 16, time.perf_counter(), 0.0
    while elapsed < _PILOT_S and done < n_images:
        start = first + done % (last - first)
        stop = min(start + count, last)
        plan.recipe.sample(plan.seed, start, stop).simulate(n_threads)
        done += stop - start
        count = min(2 * count, 256)
        elapsed = time.perf_counter() - began
    n_bytes = n_images * (plan.image_bytes + per_image + 8) + len(shards) * _PER_SHARD
    return Estimate(n_images, round(n_bytes), elapsed / done * n_images, done)


def in_bytes(count: float) -> str:
    """A number of bytes in words.

    Examples
    --------
    >>> in_bytes(999), in_bytes(1_638_400_000), in_bytes(16.4e12)
    ('999 B', '1.64 GB', '16.4 TB')
    """
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 999.5 or unit == "TB":
            break
        count /= 1000
    return f"{count:.3g} {unit}"


def free_bytes(directory: Path) -> int:
    """Bytes that are free where a directory is, or will be made."""
    there = directory.absolute()
    while not there.exists():
        there = there.parent
    return shutil.disk_usage(there).free


def check_space(directory: Path, n_bytes: int) -> int:
    """Bytes that are free where a directory is, or will be made.

    Raises
    ------
    OSError
        If less is free than is needed.
    """
    free = free_bytes(directory)
    if n_bytes > free:
        raise OSError(
            errno.ENOSPC,
            f"{in_bytes(n_bytes)} are needed and {in_bytes(free)} are free: make room, choose "
            "another disk, or write fewer images",
            str(directory),
        )
    return free
