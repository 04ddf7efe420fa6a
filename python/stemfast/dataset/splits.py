"""Division of scenes into splits, and of splits into shards.

The splits of a data set are ranges of scene indices of one seed. Each of the three usual ones
starts at an index of its own, so far apart that they cannot meet: images of ``test`` are never
among those of ``train``, be they on disk or streamed, however many are drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

__all__ = [
    "SPLITS",
    "ShardPlan",
    "Splits",
    "check_number_of_shards",
    "checked",
    "cut",
    "first_index",
    "number_of_shards",
    "parse",
    "ranges",
]

Splits = dict[str, tuple[int, int]]

#: The usual splits and the index of their first scene.
SPLITS = {"train": 0, "validation": 2**40, "test": 2**41}
#: Files that a folder may hold: their list alone takes some hundred megabytes of memory.
MOST_SHARDS = 1_000_000


@dataclass(frozen=True)
class ShardPlan:
    """One shard to be: its number, its file, and the scenes [start, stop) of a split in it."""

    index: int
    file: str
    split: str
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def first_index(split: str) -> int:
    """Index of the first scene of a split.

    Raises
    ------
    ValueError
        If there is no such split.

    Examples
    --------
    >>> first_index("validation") == 2**40
    True
    """
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}, expected one of {', '.join(SPLITS)}")
    return SPLITS[split]


def ranges(counts: Mapping[str, int]) -> Splits:
    """Ranges of scene indices that hold so many images of each split.

    Raises
    ------
    ValueError
        If a name is not one of the usual splits, or a count is not at least 1.

    Examples
    --------
    >>> ranges({"train": 800, "test": 200})
    {'train': (0, 800), 'test': (2199023255552, 2199023255752)}
    """
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"split {name!r} would hold {count} images, expected at least 1")
    return checked({n: (first_index(n), first_index(n) + count) for n, count in counts.items()})


def parse(text: str, n_images: int | None) -> Splits:
    """Ranges from words such as ``train:0.8,test:0.2`` (shares) or ``train:800,test:200``.

    Parameters
    ----------
    text : str
        Splits with shares, which have a decimal point and add up to 1, or with whole numbers.
    n_images : int or None
        Images altogether. Counts must add up to it; None takes their sum.

    Raises
    ------
    ValueError
        If the words cannot be read, do not add up, or a split would be empty.

    Examples
    --------
    >>> parse("train:0.8,validation:0.1,test:0.1", 5)
    Traceback (most recent call last):
        ...
    ValueError: split 'test' would hold 0 images, expected at least 1
    """
    shares: dict[str, str] = {}
    for word in text.split(","):
        name, colon, share = (part.strip() for part in word.partition(":"))
        if not colon or name in shares:
            raise ValueError(
                f"splits is {text!r}, expected each name once with a share or a number, such as "
                "train:0.8,test:0.2 or train:800,test:200"
            )
        first_index(name)
        shares[name] = share
    if all(share.isdecimal() for share in shares.values()):
        counts = {name: int(share) for name, share in shares.items()}
        total = sum(counts.values())
        if n_images not in (None, total):
            raise ValueError(f"splits {text!r} hold {total} images, expected {n_images}")
        return ranges(counts)
    if n_images is None:
        raise ValueError(f"splits {text!r} are shares: the number of images is missing")
    return ranges(_shared_out(shares, n_images))


def _shared_out(shares: Mapping[str, str], n_images: int) -> dict[str, int]:
    """Whole numbers as close to the shares as can be, which add up; the largest rests round up."""
    try:
        exact = {name: Fraction(share) * n_images for name, share in shares.items()}
    except (ValueError, ZeroDivisionError):
        wrong = ", ".join(shares.values())
        raise ValueError(f"shares are {wrong}: expected numbers such as 0.8") from None
    if sum(exact.values()) != n_images or min(exact.values()) < 0:
        total = float(sum(Fraction(share) for share in shares.values()))
        raise ValueError(f"shares add up to {total:g}, expected 1 and none below 0")
    counts = {name: int(value) for name, value in exact.items()}
    by_rest = sorted(exact, key=lambda name: counts[name] - exact[name])
    for name in by_rest[: n_images - sum(counts.values())]:
        counts[name] += 1
    return counts


def checked(splits: Mapping[str, tuple[int, int]]) -> Splits:
    """Return the ranges as plain whole numbers.

    Raises
    ------
    ValueError
        If there is none, a range is empty or negative, a name would not do for a file, or two
        ranges share scenes.
    """
    if not splits:
        raise ValueError("splits is empty, expected at least one name with a range (start, stop)")
    plain = {name: (int(start), int(stop)) for name, (start, stop) in splits.items()}
    for name, (start, stop) in plain.items():
        if not name.isidentifier():
            raise ValueError(f"splits has the name {name!r}, expected letters, digits and _")
        if not 0 <= start < stop:
            raise ValueError(f"splits[{name!r}] is ({start}, {stop}), expected 0 <= start < stop")
    ordered = sorted(plain.items(), key=lambda item: item[1])
    for (one, (_, stop)), (other, (start, _)) in pairwise(ordered):
        if start < stop:
            raise ValueError(f"splits {one!r} and {other!r} share scenes, expected disjoint ranges")
    return plain


def number_of_shards(splits: Splits, shard_images: int) -> int:
    """Number of shards that :func:`cut` gives, without making them.

    Examples
    --------
    >>> number_of_shards({"train": (0, 5), "test": (5, 7)}, 3)
    3
    """
    return sum(-(-(last - first) // shard_images) for first, last in splits.values())


def check_number_of_shards(splits: Splits, shard_images: int) -> None:
    """Refuse more shards than a folder and the memory hold.

    Raises
    ------
    ValueError
        If there would be more than a million.

    Examples
    --------
    >>> check_number_of_shards({"train": (0, 10**15)}, 1000)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: shards would be 1,000,000,000,000, expected at most 1,000,000: take more images ...
    """
    if (count := number_of_shards(splits, shard_images)) > MOST_SHARDS:
        raise ValueError(
            f"shards would be {count:,}, expected at most {MOST_SHARDS:,}: take more images a "
            "shard, or several data sets"
        )


def cut(splits: Splits, shard_images: int) -> Iterator[ShardPlan]:
    """Cut the splits into shards of so many images; the last of each may hold fewer.

    Examples
    --------
    >>> [shard.file for shard in cut({"train": (0, 5), "test": (5, 7)}, 3)]
    ['train-00000.hspy', 'train-00001.hspy', 'test-00000.hspy']
    """
    index = 0
    for split, (first, last) in splits.items():
        for number, start in enumerate(range(first, last, shard_images)):
            stop = min(start + shard_images, last)
            yield ShardPlan(index, f"{split}-{number:05d}.hspy", split, start, stop)
            index += 1
