"""Features computed once and kept: the bottleneck of transfer learning is running the backbone.

The features of an image depend on the image and the backbone alone. So they are stored by the
backbone's identity (a folder) and the image's checksum: whichever split, folder or class an image
is in the next time, and whatever images come in between, its features are there.
"""

from __future__ import annotations

import hashlib
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from stemfast import atomic
from stemfast.transfer.backbone import Backbone, checked_images
from stemfast.user_cache import user_cache

__all__ = ["Bottlenecks", "Store", "default_folder"]

FORMAT = "stemfast bottleneck features"
FORMAT_VERSION = 1
ABOUT_FILE = "about.json"
PART_IMAGES = 128
BATCH_SIZE = 32
_WORTH_MEASURING = 4 * BATCH_SIZE
_SILENCE_S = 60.0  # the longest that a log stays without a line

Hashes = NDArray[np.uint8]


@dataclass(frozen=True)
class Bottlenecks:
    """Features of some images, and what they cost.

    Attributes
    ----------
    features : ndarray, (N, F) float32
        One row per image.
    computed, reused : int
        Images whose features were computed now, and were there already.
    seconds : float
        Time that computing all N took, the reused ones when they were computed [s].
    """

    features: NDArray[np.float32]
    computed: int
    reused: int
    seconds: float


def default_folder() -> Path:
    """Default folder of features: the user's cache, as the system has it."""
    return user_cache("bottlenecks")


def image_hashes(images: NDArray[np.number]) -> Hashes:
    """SHA-256 of each image (N, H, W), its type and size included: (N, 32)."""
    start = f"{images.dtype.newbyteorder('<').str} {images.shape[1:]}".encode()
    little = images.dtype.newbyteorder("<")
    digests = [
        hashlib.sha256(start + np.ascontiguousarray(image, dtype=little).tobytes()).digest()
        for image in images
    ]
    return np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32)


class Store:
    """Features of one backbone on disk.

    Each part is a file of up to 128 images, written whole or not at all; a run that is stopped
    loses one part at most, and the next one goes on from there.

    Parameters
    ----------
    folder : str or Path
        Holds a folder for each backbone; made if missing.
    backbone : Backbone
        Computes what is not there.
    """

    def __init__(self, folder: str | Path, backbone: Backbone) -> None:
        self.backbone = backbone
        self.folder = Path(folder) / f"{backbone.name}-{backbone.identity[:16]}"
        self._measured: set[bytes] = set()  # images that a forecast computed

    def features(self, images: ArrayLike) -> Bottlenecks:
        """Features of every image, from the store where they are in it.

        Parameters
        ----------
        images : array_like, (N, H, W)
            Square images of any one size, in any unit.

        Returns
        -------
        Bottlenecks

        Raises
        ------
        ValueError, TypeError
            If the images cannot be used, a stored part is damaged, or a feature is not finite.
        """
        array, digests, missing = self._missing(images)
        if missing:
            self._compute(array, digests, missing)
        table, seconds = self._gather(digests, self._index())
        computed = len(missing) + len(self._measured.intersection(digests))
        return Bottlenecks(table, computed, len(array) - computed, seconds)

    def forecast(self, *stacks: ArrayLike) -> str:
        """Work that :meth:`features` would have to do for these images, and its cost.

        Where that is more than a few batches, the first two are computed and stored: the second,
        for which nothing has to be compiled, says how long the others will take.
        """
        parts = [self._missing(stack) for stack in stacks]
        total, todo = sum(len(p[0]) for p in parts), sum(len(p[2]) for p in parts)
        text = f"{self.backbone}: features of {total} images, {total - todo} of them stored"
        if not todo:
            return f"{text}; kept in {self.folder}"
        text += f", {todo} to compute"
        array, digests, missing = max(parts, key=lambda part: len(part[2]))
        if len(missing) >= _WORTH_MEASURING:
            self._compute(array, digests, missing[:BATCH_SIZE])
            began = time.perf_counter()
            self._compute(array, digests, missing[BATCH_SIZE : 2 * BATCH_SIZE])
            each = (time.perf_counter() - began) / BATCH_SIZE
            self._measured.update(digests[i] for i in missing[: 2 * BATCH_SIZE])
            text += f", {_in_words(each * (todo - 2 * BATCH_SIZE))} by the time that a batch took"
        return f"{text}; kept in {self.folder}"

    def _missing(self, images: ArrayLike) -> tuple[NDArray[np.number], list[bytes], list[int]]:
        """The images, their checksums, and one index for each that is not stored."""
        array = checked_images(images)
        digests = [row.tobytes() for row in image_hashes(array)]
        self._open()
        known = self._index()
        first = {digest: i for i, digest in reversed(list(enumerate(digests)))}
        return array, digests, sorted(i for digest, i in first.items() if digest not in known)

    def _open(self) -> None:
        about = {"format": FORMAT, "format_version": FORMAT_VERSION, "key": self.backbone.key}
        path = self.folder / ABOUT_FILE
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            atomic.write_json(path, about)
            return
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{path} is damaged ({error}): delete {self.folder}") from error
        if found != json.loads(json.dumps(about)):
            raise ValueError(
                f"{self.folder} holds features of another backbone or version: delete it, or "
                "give another folder with --cache"
            )

    def _index(self) -> dict[bytes, tuple[Path, int]]:
        """Part and row of each stored image."""
        found: dict[bytes, tuple[Path, int]] = {}
        for path in sorted(self.folder.glob("part-*.npz")):
            (hashes,) = _read(path, "image_sha256")
            for row, digest in enumerate(hashes):
                found[digest.tobytes()] = (path, row)
        return found

    def _gather(
        self, hashes: list[bytes], known: dict[bytes, tuple[Path, int]]
    ) -> tuple[NDArray[np.float32], float]:
        table = np.empty((len(hashes), self.backbone.n_features), np.float32)
        seconds = np.empty(len(hashes))
        places: dict[Path, list[tuple[int, int]]] = {}
        for i, digest in enumerate(hashes):
            path, row = known[digest]
            places.setdefault(path, []).append((i, row))
        for path, pairs in places.items():
            to, rows = np.array(pairs).T
            values, cost = _read(path, "features", "seconds_per_image")
            table[to] = values[rows]
            seconds[to] = cost
        return table, float(seconds.sum())

    def _compute(self, images: NDArray[np.number], hashes: list[bytes], todo: list[int]) -> None:
        with _progress(self.backbone.name, len(todo)) as advance:
            for start in range(0, len(todo), PART_IMAGES):
                part = todo[start : start + PART_IMAGES]
                began = time.perf_counter()
                rows = []
                for first in range(0, len(part), BATCH_SIZE):
                    batch = images[part[first : first + BATCH_SIZE]]
                    rows.append(self._batch(batch))
                    advance(len(batch))
                table = np.concatenate(rows)
                if not np.isfinite(table).all():
                    bad = part[int(np.flatnonzero(~np.isfinite(table).all(axis=1))[0])]
                    raise ValueError(
                        f"{self.backbone} makes NaN or infinity of image {bad}: its weights do not "
                        "fit it"
                    )
                seconds = (time.perf_counter() - began) / len(part)
                self._write(np.stack([_digest(hashes[i]) for i in part]), table, seconds)

    def _batch(self, batch: NDArray[np.number]) -> NDArray[np.float32]:
        """Features of one batch, filled up so that one compiled program serves them all."""
        fill = np.repeat(batch[-1:], BATCH_SIZE - len(batch), axis=0)
        return self.backbone.features(np.concatenate([batch, fill]))[: len(batch)]

    def _write(self, hashes: Hashes, table: NDArray[np.float32], seconds: float) -> None:
        # Named for what it holds, so that two runs at once cannot disturb each other.
        name = hashlib.sha256(hashes.tobytes()).hexdigest()[:16]
        with (
            atomic.replacing(self.folder / f"part-{name}.npz") as temporary,
            temporary.open("wb") as file,
        ):
            np.savez(file, image_sha256=hashes, features=table, seconds_per_image=seconds)


def _in_words(seconds: float) -> str:
    """A time to wait.

    Examples
    --------
    >>> _in_words(12.3), _in_words(400.0), _in_words(7000.0)
    ('about 12 s', 'about 7 min', 'about 1.9 h')
    """
    if seconds < 90.0:
        return f"about {max(1, round(seconds))} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5400.0 else f"about {seconds / 3600:.1f} h"


def _digest(digest: bytes) -> Hashes:
    return np.frombuffer(digest, np.uint8)


def _read(path: Path, *names: str) -> list[NDArray[Any]]:
    """Arrays of a stored part; the format checks them by CRC-32."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as part:
            return [part[name] for name in names]
    except (zipfile.BadZipFile, KeyError, EOFError, ValueError) as error:
        raise ValueError(
            f"{path} is damaged ({error}): delete it and run again; only its images will be "
            "computed anew"
        ) from error


@contextmanager
def _progress(title: str, total: int) -> Iterator[Callable[[int], None]]:
    console = Console(stderr=True)
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=total)
        told = time.monotonic()

        def advance(count: int) -> None:
            nonlocal told
            bar.advance(task, count)
            if not console.is_terminal and time.monotonic() - told > _SILENCE_S:
                told = time.monotonic()
                console.print(f"{title}: {bar.tasks[0].completed:.0f} of {total} images")

        yield advance
