"""``stemfast classify``: real micrographs in, a table and a picture or a report out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from stemfast.cli.errors import STOPPED, as_options
from stemfast.cli.options import (
    AsJson,
    Contrast,
    DatasetChoice,
    Index,
    Labels,
    Method,
    PixelSize,
    ScaleBarOption,
    checked_search,
    dask_option,
    say_results,
)
from stemfast.tables import counted

if TYPE_CHECKING:
    from stemfast.populations import Report
    from stemfast.populations.part import Part

FOLDERS = "Folders of many micrographs"


def classify(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE|FOLDER",
            help="Micrograph: .dm3, .dm4, .emd, .mrc, .hspy, .tif, .bcf, .h5, .png and more; or a "
            "folder of them.",
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME|FOLDER", help="A network that comes along, or a trained one's folder."
        ),
    ] = "open-shapes",
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where to write. Default: the file's name + -shapes; with another network, + its "
            "name.",
        ),
    ] = None,
    pixel_size_nm: PixelSize = None,
    scale_bar: ScaleBarOption = None,
    contrast: Contrast = "auto",
    method: Method = "auto",
    labels: Labels = None,
    index: Index = None,
    dataset: DatasetChoice = None,
    min_probability: Annotated[
        float,
        typer.Option(metavar="P", help="Below this probability a shape is called not sure."),
    ] = 0.8,
    max_novelty: Annotated[
        float,
        typer.Option(
            metavar="X",
            help="Above this novelty as well: it looks unlike all that the network learnt from. "
            "Of images like those, one in a hundred is above 1; inf names every shape.",
        ),
    ] = 1.0,
    corners: Annotated[
        bool,
        typer.Option(
            "--corners",
            help="Also count the deformed corners of each particle that is most probably a cuboid.",
        ),
    ] = False,
    tilt_axis_deg: Annotated[
        float | None,
        typer.Option(
            metavar="DEG",
            help="Also tell the hand of the cuboids in tilt series (one stack a file) by fits: "
            "direction of the tilt axis, 0 along x (right), 90 along y (down).",
        ),
    ] = None,
    material: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="With --tilt-axis-deg: what the particles are made of. Default: Au.",
        ),
    ] = None,
    subfolders: Annotated[
        bool,
        typer.Option(
            "--subfolders",
            rich_help_panel=FOLDERS,
            help="Also read files in folders below it, but for folders of results.",
        ),
    ] = False,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            rich_help_panel=FOLDERS,
            help="Read files as they come into the folder, until Ctrl-C.",
        ),
    ] = False,
    quiet_min: Annotated[
        float | None,
        typer.Option(
            "--until-quiet",
            metavar="MIN",
            rich_help_panel=FOLDERS,
            help="With --watch: end when nothing came for so many minutes.",
        ),
    ] = None,
    dask: Annotated[str | None, dask_option(FOLDERS)] = None,
    json: AsJson = False,
) -> None:
    """Find the particles of micrographs and say what shape each one is, with a probability.

    Example: [bold]stemfast classify particles.dm4 --out results[/bold]

    Writes particles.csv, one row per particle (position and size in nm, shape, probability, why
    it is not sure), and overlay.png, the micrograph with every particle outlined and named. The
    scale comes from the file; open-shapes also reads images without one, with sizes in px.

    Example: [bold]stemfast classify session --out batch[/bold]

    Of a folder, one particles.csv of all files, and report.html: shares of the shapes with 95 %
    intervals, sizes, pictures. Stop it whenever you like and run it again: it reads only what is
    missing.
    """
    bar_nm = checked_search(pixel_size_nm, scale_bar, contrast, method, labels)
    if not file.exists():
        raise ValueError(f"there is no file {file}")
    if quiet_min is not None and not watch:
        raise ValueError("--until-quiet is for --watch, which is not given")
    shared: dict[str, Any] = {
        "model": model,
        "out": out,
        "pixel_size_nm": pixel_size_nm,
        "scale_bar_nm": bar_nm,
        "contrast": contrast,
        "method": method,
        "index": index,
        "dataset": dataset,
        "min_probability": min_probability,
        "max_novelty": max_novelty,
        "corners": corners,
        "tilt_axis_deg": tilt_axis_deg,
        "material": material,
    }
    if file.is_dir() and file.suffix.lower() != ".zspy":
        if labels is not None:
            raise ValueError(f"--labels is {labels}, which is of one image, and {file} is a folder")
        aside = partial(typer.echo, err=json)
        shared |= {"dask": dask, "subfolders": subfolders}
        report = _watched(file, quiet_min, shared, aside) if watch else _folder(file, shared)
        _end(report, as_json=json)
        return
    if watch or subfolders or dask is not None:
        raise ValueError(f"--watch, --subfolders and --dask are for folders, and {file} is a file")
    from stemfast.classification import DEFAULT_MODEL, OVERLAY_FILE, TABLE_FILE
    from stemfast.classification import classify as classify_file

    if out is None:
        named = "shapes" if model == DEFAULT_MODEL else Path(model).resolve().name
        shared["out"] = out = Path(f"{file.stem}-{named}")
    answer = classify_file(file, labels=labels, **shared)
    words = f"{as_options(str(answer))}\ntable {out / TABLE_FILE}, picture {out / OVERLAY_FILE}"
    say_results(answer.table, words, as_json=json)


def _folder(folder: Path, shared: dict[str, Any]) -> Report:
    """Classify what is in a folder, with a progress bar."""
    from stemfast.dataset.progress import Progress
    from stemfast.populations import classify_folder
    from stemfast.populations.files import micrographs_in

    total = len(micrographs_in(folder, subfolders=shared["subfolders"]))
    with Progress("classifying", total) as progress:

        def tell(part: Part) -> None:
            if part.header.failed:
                _say_failed(part)
            progress.advance(1, 1)

        try:
            return classify_folder(
                folder,
                begin=lambda total, done: progress.advance(done, 0),
                tell=tell,
                **shared,
            )
        except KeyboardInterrupt:
            _stopped(progress.done)


def _watched(
    folder: Path,
    quiet_min: float | None,
    shared: dict[str, Any],
    say: Callable[[str], None],
) -> Report:
    """Classify what comes into a folder, with a line for each file."""
    from stemfast.populations import watch_folder

    done = 0

    def begin(total: int, before: int) -> None:
        say(f"watching {folder}: {total} files, {before} of them done; Ctrl-C ends it")

    def tell(part: Part) -> None:
        nonlocal done
        done += 1
        if part.header.failed:
            _say_failed(part)
        else:
            say(f"{part.header.task.name}: {counted(len(part.rows), 'particle')}")

    quiet_s = float("inf") if quiet_min is None else 60.0 * quiet_min
    try:
        return watch_folder(folder, quiet_s=quiet_s, begin=begin, tell=tell, **shared)
    except KeyboardInterrupt:
        _stopped(done)


def _say_failed(part: Part) -> None:
    typer.echo(f"{part.header.task.name}: left out: {as_options(part.header.failed)}", err=True)


def _stopped(done: int) -> NoReturn:
    typer.echo(
        f"stopped; files that are done: {done}; the same command goes on from there", err=True
    )
    raise typer.Exit(STOPPED)


def _end(report: Report, *, as_json: bool) -> None:
    """Say what was found; exit with 2 where files failed."""
    say_results(report.content, as_options(str(report)), as_json=as_json)
    if not report.content["files"]["read"]:
        raise ValueError(
            f"none of the {report.failed} files could be classified: see {report.page}"
        )
    if report.failed:
        typer.echo(f"{counted(report.failed, 'file')} left out", err=True)
        raise typer.Exit(2)
