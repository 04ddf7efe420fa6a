"""Particles of many images: each file searched by itself, here or on a cluster, and one table."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from stemfast.dataset.cluster import computed
from stemfast.finding.files import save_all
from stemfast.finding.find import find_in
from stemfast.finding.found import Found
from stemfast.finding.population import Population, joined
from stemfast.finding.source import source_of
from stemfast.finding.table import Row

__all__ = [
    "FoundInAll",
    "FoundInFile",
    "Search",
    "UnsearchableError",
    "search_and_save",
    "search_with_dask",
]

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Search:
    """Settings that all files are searched with, as for :func:`stemfast.find`."""

    contrast: str = "auto"
    method: str = "auto"
    pixel_size_nm: float | None = None
    scale_bar_nm: float | None = None
    probe_fwhm_nm: float | None = None
    index: int | None = None
    dataset: str | None = None

    def __call__(self, path: Path, progress: Progress | None = None) -> Found:
        """Find the particles of a file."""
        source = source_of(
            path,
            self.pixel_size_nm,
            scale_bar_nm=self.scale_bar_nm,
            index=self.index,
            dataset=self.dataset,
        )
        fwhm = self.probe_fwhm_nm
        return find_in(source, self.contrast, self.method, probe_fwhm_nm=fwhm, progress=progress)


class UnsearchableError(Exception):
    """One file of many cannot be searched; `why` is the error that says so."""

    def __init__(self, why: Exception) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True)
class FoundInFile:
    """Table, sizes and summary of the particles of one of many files, whose image is not kept."""

    table: list[Row]
    sizes: Population
    summary: str

    def __str__(self) -> str:
        return self.summary


class FoundInAll:
    """Table and sizes of the particles of several images; the images are not kept."""

    def __init__(self) -> None:
        self.table: list[Row] = []
        self._sizes: list[Population] = []

    def add(self, file: str, found: Found | FoundInFile) -> None:
        """Add the particles of an image to those of the others."""
        self.table += [{"file": file, **row} for row in found.table]
        self._sizes.append(found.sizes)

    def save(self, folder: Path) -> dict[str, Population]:
        """Write the one table and the one histogram; return the sizes by unit."""
        sizes = joined(self._sizes)
        save_all(folder, self.table, sizes)
        return sizes


def search_and_save(
    search: Search,
    path: Path,
    folder: Path,
    progress: Progress | None = None,
    keep: Callable[[Found], None] = lambda _: None,
) -> FoundInFile:
    """Search one of many files, and write its labels and pictures, but no table.

    Parameters
    ----------
    search : Search
    path, folder : Path
        What to read, and where to write.
    progress : callable, optional
        As for :func:`stemfast.finding.find.find_in`.
    keep : callable
        Called with what was found, image and labels included.

    Raises
    ------
    UnsearchableError
        If the file cannot be read or searched.
    OSError
        If its folder cannot be written to.
    """
    try:
        found = search(path, progress)
    except (ValueError, TypeError, OSError) as error:
        raise UnsearchableError(error) from error
    found.save(folder, table=False)
    keep(found)
    return FoundInFile(found.table, found.sizes, str(found))


def search_with_dask(
    search: Search, paths: Sequence[Path], folders: Sequence[Path], address: str
) -> Generator[Callable[[], FoundInFile]]:
    """Search files on a Dask cluster; the file of a worker that dies is searched by another.

    Parameters
    ----------
    search : Search
    paths, folders : sequence of Path
        As for `search_and_save`. All workers must see them under the same names.
    address : str
        As for :func:`stemfast.dataset.cluster.write_with_dask`.

    Yields
    ------
    callable
        In the order of the files, each when it is done: gives what was found, or raises what
        `search_and_save` raised.

    Raises
    ------
    ImportError, ValueError, OSError
        If Dask is not installed, the address cannot be read, or there is no scheduler.
    RuntimeError
        If the workers run another version of stemfast.
    """
    tasks = (
        (number, (search, path.absolute(), folder.absolute()))
        for number, (path, folder) in enumerate(zip(paths, folders, strict=True))
    )
    early: dict[int, Callable[[], FoundInFile]] = {}
    told = 0
    with closing(computed(address, search_and_save, tasks)) as each:
        for number, result in each:
            early[number] = partial(_unless_workers_died, result)
            while told in early:
                yield early.pop(told)
                told += 1


def _unless_workers_died(result: Callable[[], FoundInFile]) -> FoundInFile:
    try:
        return result()
    except ChildProcessError as error:
        raise UnsearchableError(error) from error
