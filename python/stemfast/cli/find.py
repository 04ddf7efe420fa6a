"""``stemfast find``: micrographs in, every particle of them out, with its size."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stemfast.cli.errors import explain
from stemfast.cli.options import (
    AsJson,
    Contrast,
    DaskAddress,
    DatasetChoice,
    Index,
    Method,
    PixelSize,
    ScaleBarOption,
    checked_search,
    say_results,
)

if TYPE_CHECKING:
    from stemfast.finding import Found
    from stemfast.finding.layers import Layer
    from stemfast.finding.many import FoundInFile, Search


def find(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE…", help="Micrographs, patterns such as '*.tif', or folders."),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write.")] = Path("found"),
    contrast: Contrast = "auto",
    method: Method = "auto",
    scale_bar: ScaleBarOption = None,
    pixel_size_nm: PixelSize = None,
    probe_fwhm_nm: Annotated[
        float | None,
        typer.Option(metavar="NM", help="Width of the probe. Default: read off the image."),
    ] = None,
    index: Index = None,
    dataset: DatasetChoice = None,
    dask: DaskAddress = None,
    napari: Annotated[
        bool, typer.Option("--napari", help="Open images and labels in napari when all is written.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Find every particle of micrographs: where it is, how large, how sure.

    Example: [bold]stemfast find '*.dm4' --out found[/bold]

    Writes particles.csv, one row per particle of all files, sizes.png, and for each file labels.tif
    (0 = none), overlay.png and sizes.png, in a subfolder of its own where there are several files.
    Sizes are in nm where the scale is known (from the file, --pixel-size-nm or --scale-bar), else
    in px. With --napari, which is installed apart (pip install "napari[all]"), napari shows each
    image with its labels and their table.
    """
    from stemfast.finding.files import checked_folder
    from stemfast.finding.layers import needed_napari, show

    bar_nm = checked_search(pixel_size_nm, scale_bar, contrast, method)
    if probe_fwhm_nm is not None and not 0 < probe_fwhm_nm < float("inf"):
        raise ValueError(f"--probe-fwhm-nm is {probe_fwhm_nm:g}, expected a positive number of nm")
    if napari:
        needed_napari()
    if napari and dask is not None:
        raise ValueError("--napari and --dask: got both, expected one of them")
    checked_folder(out)
    paths = micrographs(files)
    from stemfast.finding.many import Search

    search = Search(contrast, method, pixel_size_nm, bar_nm, probe_fwhm_nm, index, dataset)
    layers: list[Layer] = []
    failed = 0
    if len(paths) == 1:
        with _bar(1) as tell:
            found = search(paths[0], tell)
        layers.extend(found.to_napari() if napari else ())
        found.save(out)
        _say(found, aside=json)
        words = f"wrote {out}: particles.csv, labels.tif, overlay.png, sizes.png"
        say_results([{"file": str(paths[0]), **row} for row in found.table], words, as_json=json)
    else:
        folders = _folders(paths, out)
        if dask is None:
            each = _one_by_one(search, paths, folders, layers if napari else None)
        else:
            from stemfast.finding.many import search_with_dask

            each = search_with_dask(search, paths, folders, dask)
        with closing(each):
            failed = _many(paths, out, each, as_json=json)
    if napari:
        show(layers)
    if failed:
        raise typer.Exit(2)


def micrographs(names: Sequence[str]) -> list[Path]:
    """Files that the names, patterns and folders stand for.

    Raises
    ------
    ValueError
        If there is no such file, or a folder or pattern holds none that can be read.
    """
    from stemfast.micrograph.files.formats import SUFFIXES

    paths: list[Path] = []
    for name in names:
        if not name:
            raise ValueError("FILE is '', expected files, folders or patterns")
        path = Path(name)
        if path.is_dir() and path.suffix.lower() != ".zspy":
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
            if not inside:
                raise ValueError(f"{name}: this folder holds no file that can be read as an image")
            paths += inside
        elif path.exists():
            paths.append(path)
        elif any(sign in name for sign in "*?["):
            matches = sorted(Path(p) for p in glob.glob(name, recursive=True))
            matches = [p for p in matches if p.suffix.lower() in SUFFIXES]
            if not matches:
                raise ValueError(f"{name}: no file matches this pattern")
            paths += matches
        else:
            raise ValueError(f"there is no file {name}{_similar(path)}")
    return list(dict.fromkeys(paths))


def _similar(path: Path) -> str:
    import difflib

    if not path.parent.is_dir():
        return f": there is no folder {path.parent}"
    names = [p.name for p in path.parent.iterdir()]
    near = difflib.get_close_matches(path.name, names, n=1)
    return f", did you mean {path.with_name(near[0])}?" if near else ""


def _one_by_one(
    search: Search, paths: Sequence[Path], folders: Sequence[Path], layers: list[Layer] | None
) -> Generator[Callable[[], FoundInFile]]:
    """Search files here, one after the other, with a progress bar."""
    from stemfast.finding.many import search_and_save

    def keep(found: Found) -> None:
        if layers is not None:
            layers.extend(found.to_napari())

    with _bar(len(paths)) as tell:
        for path, folder in zip(paths, folders, strict=True):
            tell.next(path.name)
            yield partial(search_and_save, search, path, folder, tell, keep)


def _many(
    paths: Sequence[Path],
    out: Path,
    each: Iterator[Callable[[], FoundInFile]],
    *,
    as_json: bool,
) -> int:
    """Gather what is found in each file; how many cannot be read, are told and left out."""
    from stemfast.finding.many import FoundInAll, UnsearchableError

    gathered, failed = FoundInAll(), 0
    for path, result in zip(paths, each, strict=True):
        try:
            found = result()
        except UnsearchableError as error:
            failed += 1
            typer.echo(f"{path}: left out: {explain(error.why)}", err=True)
            continue
        _say(found, aside=as_json)
        gathered.add(str(path), found)
    if failed == len(paths):
        raise ValueError(f"none of the {failed} files could be searched")
    for unit, those in gathered.save(out).items():
        typer.echo(f"all files in {unit}: {those}", err=as_json)
    words = f"wrote {out}: particles.csv, sizes.png, and a folder for each file"
    say_results(gathered.table, words, as_json=as_json)
    if failed:
        typer.echo(f"{failed} of {len(paths)} files left out", err=True)
    return failed


def _folders(paths: Sequence[Path], out: Path) -> list[Path]:
    """A folder for each file, named after it, with its suffix or a number where names agree."""
    stems = Counter(path.stem for path in paths)
    names = Counter(path.name for path in paths)
    folders = []
    for number, path in enumerate(paths):
        name = path.stem if stems[path.stem] == 1 else path.name
        folders.append(out / (name if names[path.name] == 1 else f"{name}-{number + 1}"))
    return folders


def _say(found: Found | FoundInFile, *, aside: bool) -> None:
    from stemfast.cli.errors import as_options

    for line in str(found).splitlines():
        typer.echo(as_options(line), err=aside or line.startswith(("note:", "warning:")))


class _Tell:
    """Progress of the search of several files."""

    def __init__(self, total: int) -> None:
        from rich import progress as bars
        from rich.console import Console

        console = Console(stderr=True)
        self._bar = bars.Progress(
            bars.TextColumn("{task.description}"),
            bars.BarColumn(),
            bars.TextColumn("{task.fields[files]}"),
            bars.TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._total, self._number, self._name = total, 0, ""
        self._task = self._bar.add_task("", total=total, files="")

    def next(self, name: str) -> None:
        self._number, self._name = self._number + 1, name

    def __call__(self, what: str, share: float) -> None:
        done = max(self._number - 1, 0) + _STEPS.get(what, 0.0) + _SHARES.get(what, 0.0) * share
        self._bar.update(
            self._task,
            completed=done,
            description=f"{self._name} {what}".strip(),
            files=f"{self._number}/{self._total}" if self._total > 1 else "",
        )


_STEPS = {"looking for damage": 0.0, "finding": 0.1, "measuring": 0.6}
_SHARES = {"looking for damage": 0.1, "finding": 0.5, "measuring": 0.4}


@contextmanager
def _bar(total: int) -> Iterator[_Tell]:
    tell = _Tell(total)
    with tell._bar:
        yield tell
