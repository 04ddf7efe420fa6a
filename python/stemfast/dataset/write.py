"""Write a data set: simulate shard after shard, then the manifest that makes them a set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from stemfast.dataset.manifest import MANIFEST_FILE, Manifest, ShardEntry, file_sha256
from stemfast.dataset.read import Dataset
from stemfast.dataset.shard import ShardContent, write_shard

if TYPE_CHECKING:
    from stemfast.recipes import Recipe

__all__ = ["write"]

SHARD_BYTES = 32 * 2**20  # between the design's 16 and 64 MiB

Splits = dict[str, tuple[int, int]]


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("stemfast")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "unknown"


def _checked_splits(splits: Mapping[str, tuple[int, int]]) -> Splits:
    if not splits:
        raise ValueError("splits is empty, expected at least one name with a range (start, stop)")
    ranges = {name: (int(start), int(stop)) for name, (start, stop) in splits.items()}
    for name, (start, stop) in ranges.items():
        if not name.isidentifier():
            raise ValueError(f"splits has the name {name!r}, expected letters, digits and _")
        if not 0 <= start < stop:
            raise ValueError(f"splits[{name!r}] is ({start}, {stop}), expected 0 <= start < stop")
    ordered = sorted(ranges.items(), key=lambda item: item[1])
    for (one, (_, stop)), (other, (start, _)) in pairwise(ordered):
        if start < stop:
            raise ValueError(f"splits {one!r} and {other!r} share scenes, expected disjoint ranges")
    return ranges


def _plan(splits: Splits, per_shard: int) -> Iterator[tuple[str, str, int, int]]:
    """File name, split, start and stop of every shard."""
    for split, (first, last) in splits.items():
        for number, start in enumerate(range(first, last, per_shard)):
            yield f"{split}-{number:05d}.hspy", split, start, min(start + per_shard, last)


def _existing(folder: Path, recipe: Recipe, seed: int, splits: Splits) -> Dataset | None:
    """The data set that is already there, if it is the one asked for."""
    if not (folder / MANIFEST_FILE).exists():
        return None
    manifest = Manifest.read(folder)
    there = (manifest.recipe, manifest.settings, manifest.seed, manifest.splits)
    asked = (recipe.name, recipe.model_dump(mode="json"), seed, splits)
    names = ("recipe", "settings", "seed", "splits")
    if differs := [name for name, a, b in zip(names, there, asked, strict=True) if a != b]:
        raise ValueError(
            f"directory {folder} already holds a data set with different {', '.join(differs)}: "
            "choose another directory or remove it"
        )
    return Dataset(folder)


def _simulate_shard(
    recipe: Recipe, seed: int, split: str, start: int, stop: int, n_threads: int
) -> ShardContent:
    scenes = recipe.sample(seed, start, stop)
    return ShardContent(
        title=f"{recipe.name} {split}",
        images=scenes.simulate(n_threads=n_threads),
        pixel_size_nm=recipe.pixel_size_nm,
        labels=scenes.labels,
        columns=scenes.columns,
        attributes={
            "recipe": recipe.name,
            "class_names": list(recipe.class_names),
            "seed": seed,
            "first_index": start,
            "split": split,
        },
    )


def write(
    directory: str | Path,
    recipe: Recipe,
    *,
    seed: int,
    splits: Mapping[str, tuple[int, int]],
    shard_images: int | None = None,
    n_threads: int = 0,
) -> Dataset:
    """Simulate a labelled data set onto disk.

    Shards and manifest appear under their names only when complete, the manifest last; after
    Ctrl-C the same call starts over. A directory that already holds exactly this data set is
    opened, not written again. On a terminal a bar on standard error shows images/s and time left.

    Parameters
    ----------
    directory : str or Path
        Made if missing.
    recipe : Recipe
        What to draw; see :mod:`stemfast.recipes`.
    seed : int
        Seed of the scenes and of the images.
    splits : mapping of str to (int, int)
        Disjoint ranges [start, stop) of scene indices, for example
        ``{"train": (0, 3000), "test": (3000, 4500)}``. Scene i is the same in any range.
    shard_images : int, optional
        Images in a shard. If None, as many as fit into 32 MiB.
    n_threads : int
        Threads of the simulation; 0 means all cores. Does not change the images.

    Returns
    -------
    Dataset
        The whole set, opened.

    Raises
    ------
    ValueError
        If the splits overlap or are empty, or the directory holds another data set.
    """
    folder = Path(directory)
    ranges = _checked_splits(splits)
    if shard_images is None:
        shard_images = max(1, SHARD_BYTES // (recipe.image_px**2 * recipe.dtype.itemsize))
    if shard_images < 1:
        raise ValueError(f"shard_images is {shard_images}, expected at least 1")
    if (there := _existing(folder, recipe, seed, ranges)) is not None:
        return there
    folder.mkdir(parents=True, exist_ok=True)
    entries: list[ShardEntry] = []
    total = sum(stop - start for start, stop in ranges.values())
    console = Console(stderr=True)
    with Progress(
        TextColumn(f"simulating {recipe.name}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} images"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("", total=total)
        for name, split, start, stop in _plan(ranges, shard_images):
            content = _simulate_shard(recipe, seed, split, start, stop, n_threads)
            write_shard(folder / name, content)
            size = (folder / name).stat().st_size
            entries.append(
                ShardEntry(
                    file=name,
                    split=split,
                    start=start,
                    stop=stop,
                    n_bytes=size,
                    sha256=file_sha256(folder / name),
                )
            )
            bar.update(task, advance=stop - start)
    Manifest(
        recipe=recipe.name,
        settings=recipe.model_dump(mode="json"),
        seed=seed,
        splits=ranges,
        stemfast_version=_version(),
        class_names=recipe.class_names,
        image_shape=(recipe.image_px, recipe.image_px),
        dtype=np.dtype(recipe.dtype).name,
        pixel_size_nm=recipe.pixel_size_nm,
        shards=tuple(entries),
    ).write(folder)
    return Dataset(folder)
