"""Size of a file's arrays before they are read, and what they would draw in from elsewhere.

A file of a megabyte can say that it unpacks to terabytes, and an HDF5 file can take its pixels from
any other file of the reader's. Both are found out from the descriptions alone.
"""

from __future__ import annotations

import mmap
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from stemfast.arguments import free_memory
from stemfast.micrograph.files.error import MicrographError

if TYPE_CHECKING:
    import h5py

__all__ = ["check_folder", "check_hdf5", "check_size", "check_tiff", "check_zip"]

#: Arrays that unpack to less are never refused.
FREE_BYTES = 2**28
#: Largest ratio of unpacked to stored bytes. Deflate reaches 1000 on zeros; micrographs, which have
#: noise, stay below 10.
MOST_RATIO = 100
MOST_TEXTS = 1_000_000
_HEAP = b"GCOL\x01\0\0\0"


def check_size(n_bytes: int, stored: int) -> None:
    """Refuse what unpacks to more than memory holds, or than an image can.

    Parameters
    ----------
    n_bytes : int
        Unpacked.
    stored : int
        In the file.

    Raises
    ------
    MicrographError
        Saying both sizes.

    Examples
    --------
    >>> check_size(10**8, 10**3)
    >>> check_size(10**9, 10**3)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    stemfast...MicrographError: would unpack 0.001 MB to 1000 MB, expected an image: at most 100 ...
    """
    if n_bytes <= FREE_BYTES:
        return
    unpacks = f"would unpack {stored / 1e6:.4g} MB to {n_bytes / 1e6:.4g} MB"
    if n_bytes > MOST_RATIO * stored:
        raise MicrographError(
            f"{unpacks}, expected an image: at most {MOST_RATIO} times its size in the file"
        )
    free = free_memory()
    if free is not None and n_bytes > free:
        raise MicrographError(
            f"{unpacks}, expected less than the {free / 1e6:.4g} MB that are free"
        )


def check_tiff(path: Path) -> None:
    """Refuse a TIFF whose pages together unpack to too much, or follow each other in a circle.

    Raises
    ------
    MicrographError
        As :func:`check_size`.
    """
    from tifffile import TiffFile

    _check_chain(path)
    with TiffFile(path) as file:
        check_size(sum(int(series.nbytes) for series in file.series), path.stat().st_size)


def _check_chain(path: Path) -> None:
    """Follow a TIFF's pages, each of which says where the next one is; 0 is none."""
    with path.open("rb") as file:
        order: Literal["little", "big"] = "big" if file.read(2) == b"MM" else "little"

        def number(size: int) -> int:
            return int.from_bytes(file.read(size), order)

        # Sizes of a place in the file, of the number of tags and of a tag: classic and BigTIFF.
        place, counted, tag = (8, 8, 20) if number(2) == 43 else (4, 2, 12)
        file.seek(8 if place == 8 else 4)
        seen: set[int] = set()
        while start := number(place):
            if start in seen:
                raise MicrographError(
                    f"its pages go in a circle: after page {len(seen)} comes one of those before"
                )
            seen.add(start)
            file.seek(start)
            n_tags = number(counted)
            file.seek(start + counted + n_tags * tag)


def check_zip(path: Path) -> None:
    """Refuse a zip file whose members together unpack to too much.

    Raises
    ------
    MicrographError
        As :func:`check_size`.
    """
    with zipfile.ZipFile(path) as packed:
        check_size(sum(entry.file_size for entry in packed.infolist()), path.stat().st_size)


def check_folder(folder: Path) -> int:
    """Bytes in a folder that holds nothing but folders and regular files.

    Raises
    ------
    MicrographError
        If there is a link, pipe or device in it, which could lead anywhere.
    """
    stored = 0
    for node in folder.rglob("*"):
        if node.is_symlink() or not (node.is_dir() or node.is_file()):
            raise MicrographError(f"{node.name} in it is no regular file, expected no links")
        stored += 0 if node.is_dir() else node.stat().st_size
    return stored


def check_hdf5(path: Path) -> None:
    """Refuse an HDF5 file that takes data from elsewhere, or unpacks to too much.

    External links and virtual arrays may name files in the same folder, as detectors write them;
    those are checked too. So are the heaps that hold texts: HDF5 would read some damaged ones for
    ever. Files that are not HDF5 pass.

    Raises
    ------
    MicrographError
        Naming the object.
    """
    import h5py

    waiting, seen = [path], {path.resolve()}
    while waiting:
        file = waiting.pop()
        if not h5py.is_hdf5(file):
            continue
        _check_heaps(file)
        for name in _checked(file):
            if Path(name).name != name:
                raise MicrographError(
                    f"takes data from another file, {name!r}, expected only files beside it"
                )
            other = file.with_name(name)
            if other.is_symlink():
                raise MicrographError(f"takes data from {name!r}, which is a link")
            if other.is_file() and other.resolve() not in seen:
                seen.add(other.resolve())
                waiting.append(other)


def _check_heaps(path: Path) -> None:
    """Refuse a global heap of HDF5 in which free space takes no room, so that none follows it."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:

        def number(start: int, size: int) -> int:
            return int.from_bytes(content[start : start + size], "little")

        heap, texts = content.find(_HEAP), 0
        while heap >= 0:
            end = min(heap + number(heap + 8, 8), len(content))
            at = heap + 16
            while at + 16 <= end:
                if (texts := texts + 1) > MOST_TEXTS:
                    raise MicrographError(f"holds more than {MOST_TEXTS:,} texts, expected images")
                used, size = number(at, 2), number(at + 8, 8)
                at += 16 + (size + 7) // 8 * 8 if used else size
                if not used and size < 16:
                    raise MicrographError(f"the heap at byte {heap} is damaged, expected texts")
            heap = content.find(_HEAP, heap + 1)


def _checked(path: Path) -> set[str]:
    """Names of the other HDF5 files that a file refers to."""
    import h5py

    others, light = set(), 0
    with h5py.File(path, "r") as file:
        for node in _nodes(file):
            if isinstance(node, h5py.ExternalLink):
                others.add(node.filename)
            elif isinstance(node, h5py.Dataset):
                if node.external is not None:
                    raise MicrographError(
                        f"{node.name} takes its data from another file, "
                        f"{node.external[0][0]!r}, expected it in the file itself"
                    )
                if node.is_virtual:
                    others |= {source.file_name for source in node.virtual_sources()} - {"."}
                    continue
                n_bytes, stored = node.size * node.dtype.itemsize, node.id.get_storage_size()
                light += n_bytes if n_bytes > MOST_RATIO * stored else 0
                check_size(n_bytes, stored)
        check_size(light, path.stat().st_size)
    return others


def _nodes(file: h5py.File) -> Iterator[Any]:
    """Arrays and external links of a file, each group once and soft links not followed."""
    import h5py

    waiting: list[Any] = [file]
    seen = set()
    while waiting:
        group = waiting.pop()
        for name in group:
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                yield link
            if not isinstance(link, h5py.HardLink):
                continue
            node = group[name]
            address = h5py.h5o.get_info(node.id).addr
            if address in seen:
                continue
            seen.add(address)
            if isinstance(node, h5py.Group):
                waiting.append(node)
            else:
                yield node
