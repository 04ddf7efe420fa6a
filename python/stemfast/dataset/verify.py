"""Check that every byte of a data set is as it was written, and would be written again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stemfast.dataset import folder
from stemfast.dataset.manifest import ShardEntry, file_sha256, resume_command
from stemfast.dataset.mapped import MappedShard
from stemfast.dataset.plan import Plan, stemfast_version
from stemfast.dataset.splits import ShardPlan

__all__ = ["Verification", "verify"]

#: Fields of a manifest that follow from its recipe and settings.
_FOLLOWS = ("class_names", "image_shape", "dtype", "pixel_size_nm")


@dataclass(frozen=True)
class Verification:
    """Result of a check.

    Attributes
    ----------
    n_shards : int
        Shards whose checksum was compared.
    n_simulated : int
        Images that were simulated again and compared bit for bit.
    written_by : str
        Version of stemfast that wrote the set.
    problems : tuple of str
        One sentence each: what is wrong, and what to do. Empty if all is well.
    """

    n_shards: int
    n_simulated: int
    written_by: str
    problems: tuple[str, ...]


def verify(
    directory: str | Path,
    *,
    sample: int = 64,
    seed: int = 0,
    advance: Callable[[int, int], None] = lambda done, made: None,
) -> Verification:
    """Compare all checksums, and a random sample of the images with new simulations of them.

    Parameters
    ----------
    directory : str or Path
        A data set; what is there of it, if it is not complete.
    sample : int
        Images to simulate again, drawn evenly from all; all of them if there are fewer.
    seed : int
        Seed of the choice.
    advance : callable
        Called with the number of images whose shard has been compared, twice.

    Returns
    -------
    Verification

    Raises
    ------
    FileNotFoundError
        If there is no data set.
    ValueError
        If its manifest cannot be read, or this version does not know its recipe.
    """
    where = Path(directory)
    plan = folder.plan(where)
    about = folder.header(where)
    written_by = about.stemfast_version
    problems = [
        f"{where}: {name} is {getattr(about, name)!r}, but recipe {about.recipe} makes "
        f"{getattr(plan.header, name)!r}: create the set again in another directory"
        for name in _FOLLOWS
        if getattr(about, name) != getattr(plan.header, name)
    ]
    found: list[tuple[ShardPlan, ShardEntry]] = []
    for shard, known in zip(plan.shards, folder.entries(where, plan.shards), strict=True):
        if known is None:
            problems.append(_what_is_missing(where, shard))
        else:
            found.append((shard, known))
    good: list[MappedShard] = []
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        checksums = pool.map(lambda pair: file_sha256(where / pair[1].file), found)
        for (shard, known), checksum in zip(found, checksums, strict=True):
            if checksum == known.sha256:
                shard_file = MappedShard(where, known, about)
                if damage := _damage(shard_file):
                    problems.append(damage)
                else:
                    good.append(shard_file)
            else:
                problems.append(
                    f"{where / shard.file} differs from its checksum: remove it, then run: "
                    f"{resume_command(where)}"
                )
            advance(len(shard), len(shard))
    n_simulated = 0
    for mapped, numbers in _chosen(good, sample, seed):
        n_simulated += len(numbers)
        if wrong := _not_the_same(plan, mapped, numbers):
            problems.append(
                f"{mapped.path}: {wrong} is not what this stemfast ({stemfast_version()}) "
                f"simulates; stemfast {written_by} wrote it, use that one or create "
                "the set again"
            )
    return Verification(len(found), n_simulated, written_by, tuple(problems))


def _damage(shard: MappedShard) -> str:
    """Contradiction between a shard's content and the manifest; empty if there is none."""
    try:
        shard.check()
    except ValueError as error:
        return str(error)
    return ""


def _what_is_missing(directory: Path, shard: ShardPlan) -> str:
    path = directory / shard.file
    state = "is cut short, or lacks its checksum" if path.is_file() else "is missing"
    return f"{path} {state}: run: {resume_command(directory)}"


def _chosen(
    shards: list[MappedShard], sample: int, seed: int
) -> Iterator[tuple[MappedShard, list[int]]]:
    """Numbers of the images to compare in each shard."""
    ends = np.cumsum([len(shard) for shard in shards], dtype=np.int64)
    total = int(ends[-1]) if len(ends) else 0
    picked = np.sort(np.random.default_rng(seed).choice(total, min(sample, total), replace=False))
    which = np.searchsorted(ends, picked, side="right")
    for number in np.unique(which).tolist():
        first = ends[number] - len(shards[number])
        yield shards[number], (picked[which == number] - first).tolist()


def _not_the_same(plan: Plan, shard: MappedShard, numbers: list[int]) -> str:
    """Differences from a simulation made now; empty if there are none."""
    images, labels = shard.arrays
    columns = shard.columns()
    start = shard.entry.start
    for first, last in _runs(numbers):
        scenes = plan.recipe.sample(plan.seed, start + first, start + last)
        if scenes.columns.keys() != columns.keys():
            differ = sorted(scenes.columns.keys() ^ columns.keys())
            return f"the list of parameters ({', '.join(differ)})"
        made = {
            "image": scenes.simulate(0 if last - first > 1 else 1),
            "label of image": scenes.labels,
        }
        kept = {"image": images, "label of image": labels}
        made |= {f"{name} of image": column for name, column in scenes.columns.items()}
        kept |= {f"{name} of image": column for name, column in columns.items()}
        for what, values in made.items():
            for row, value in enumerate(values):
                if not _equal(value, kept[what][first + row]):
                    return f"{what} {first + row} (scene {start + first + row})"
    return ""


def _runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """Neighbours among ascending numbers, as ranges [first, last) of at most 256."""
    first = last = numbers[0]
    for number in numbers:
        if number != last or last - first == 256:
            yield first, last
            first = last = number
        last += 1
    yield first, last


def _equal(one: Any, other: Any) -> bool:
    return bool(np.asarray(one).tobytes() == np.asarray(other).tobytes())
