"""How large a data set will be, how long it will take, and whether it fits."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stemfast.dataset.plan import Plan
from stemfast.dataset.splits import ShardPlan

__all__ = ["Estimate", "check_space", "estimate", "in_bytes"]

_PILOT_S = 0.5
_PER_SHARD = 32 * 2**10  # bytes: descriptions, and parameters that start on pages of their own


@dataclass(frozen=True)
class Estimate:
    """What is still to be written.

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
