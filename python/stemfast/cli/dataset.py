"""``stemfast dataset``: make, check, look at and hand on sets of labelled images."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stemfast.cli.dataset_fields import fields, write_set
from stemfast.cli.errors import STOPPED
from stemfast.cli.options import (
    DEFAULT_SPLITS,
    IMAGES_PANEL,
    WRITING_PANEL,
    AsJson,
    Changes,
    ConfigFile,
    Splits,
    dask_option,
    say_results,
)

if TYPE_CHECKING:
    from stemfast.dataset import Plan

app = typer.Typer(
    no_args_is_help=True,
    help="Make sets of labelled images, check them, look at them, hand them on.\n\n"
    "Example: [bold]stemfast dataset create shapes images -n 10000[/bold]",
)


Directory = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the data set.")]
Shards = Annotated[
    str | None,
    typer.Option(
        metavar="A:B",
        rich_help_panel=WRITING_PANEL,
        help="Write only shards A to B - 1: one part of a job array. Many may run at once.",
    ),
]
Threads = Annotated[
    int,
    typer.Option(
        min=0, metavar="N", rich_help_panel=WRITING_PANEL, help="Threads; 0 for all cores."
    ),
]
Dask = Annotated[str | None, dask_option(WRITING_PANEL)]


class Pixels(StrEnum):
    """Types of pixels that images can have."""

    UINT8 = "uint8"
    UINT16 = "uint16"
    FLOAT32 = "float32"


class Conditions(StrEnum):
    """Names of the imaging conditions."""

    CLEAN = "clean"
    STANDARD = "standard"
    HARD = "hard"


class Format(StrEnum):
    """Formats to export to."""

    TIFF = "tiff"
    NPY = "npy"
    WEBDATASET = "webdataset"
    ZARR = "zarr"


@app.command()
def create(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="What to draw, e.g. shapes, deformed, count.")
    ],
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder of the data set; made if missing.")
    ],
    n_images: Annotated[
        int | None,
        typer.Option(
            "-n",
            "--images",
            min=1,
            metavar="N",
            rich_help_panel=IMAGES_PANEL,
            help="Images altogether.",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(metavar="S", rich_help_panel=IMAGES_PANEL, help="Same seed, same images.")
    ] = 0,
    size: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="PX", rich_help_panel=IMAGES_PANEL, help="Rows and columns; default 128."
        ),
    ] = None,
    dtype: Annotated[
        Pixels | None,
        typer.Option(rich_help_panel=IMAGES_PANEL, help="Type of the pixels; default uint8."),
    ] = None,
    conditions: Annotated[
        Conditions | None,
        typer.Option(rich_help_panel=IMAGES_PANEL, help="Imaging conditions; default standard."),
    ] = None,
    spin: Annotated[
        bool,
        typer.Option(
            "--spin", rich_help_panel=IMAGES_PANEL, help="Particles turn during the scan."
        ),
    ] = False,
    change: Changes = None,
    config: ConfigFile = None,
    splits: Splits = DEFAULT_SPLITS,
    shards: Shards = None,
    shard_images: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            rich_help_panel=WRITING_PANEL,
            help="Images in a file; default 32 MiB.",
        ),
    ] = None,
    dask: Dask = None,
    threads: Threads = 0,
) -> None:
    """Simulate labelled images into a folder.

    Example: [bold]stemfast dataset create shapes images -n 10000 --seed 1[/bold]

    Says first how much it will write and how long that takes. Stop it whenever you like and run
    it again: it writes only what is missing.
    """
    from stemfast import recipes
    from stemfast.dataset.plan import Plan
    from stemfast.dataset.splits import parse

    resolved = recipes.resolve(
        recipe,
        conditions=conditions and conditions.value,
        spin=spin or None,
        image_px=size,
        dtype=dtype and dtype.value,
        file=config,
        sets=change or [],
    )
    if n_images is None and "." in splits:
        raise ValueError("say how many images to simulate, for example -n 10000")
    plan = Plan(resolved, seed, parse(splits, n_images), shard_images)
    _write(directory, plan, _range(shards, plan), dask, threads)


@app.command()
def resume(
    directory: Directory,
    shards: Shards = None,
    dask: Dask = None,
    threads: Threads = 0,
) -> None:
    """Write what is missing from a data set that was begun.

    Example: [bold]stemfast dataset resume images[/bold]

    The same as running create or fields again, but the folder knows the settings. Of fields,
    --threads is the number of processes.
    """
    from stemfast.dataset import folder
    from stemfast.dataset.fields.plan import PLAN_FILE, FieldPlan

    if (directory / PLAN_FILE).is_file():
        if shards is not None or dask is not None:
            raise ValueError(
                "--shards and --dask are for sets of create, and this is one of fields"
            )
        there = (directory / "parquet").is_dir()
        write_set(directory, FieldPlan.read(directory), max(threads, 1), parquet=there)
        return
    plan = folder.plan(directory)
    _write(directory, plan, _range(shards, plan), dask, threads)


app.command()(fields)


@app.command()
def info(directory: Directory, json: AsJson = False) -> None:
    """Say what a data set is, how large, and whether it is complete.

    Example: [bold]stemfast dataset info images[/bold]
    """
    from stemfast.dataset.about import describe, facts
    from stemfast.dataset.fields.plan import PLAN_FILE, FieldPlan

    if (directory / PLAN_FILE).is_file():
        plan = FieldPlan.read(directory)
        known = plan.dump() | {"missing": len(plan.missing(directory))}
        say_results(known, plan.describe(directory), as_json=json)
        return
    say_results(facts(directory) if json else {}, describe(directory), as_json=json)


@app.command()
def verify(
    directory: Directory,
    sample: Annotated[
        int, typer.Option(min=0, metavar="N", help="Images to simulate again and compare.")
    ] = 64,
    seed: Annotated[int, typer.Option(min=0, metavar="S", help="Another choice of them.")] = 0,
) -> None:
    """Compare all checksums, and simulate a sample again, bit for bit.

    Example: [bold]stemfast dataset verify images[/bold]

    Ends with exit code 1 if anything is wrong, and says what to do.
    """
    from stemfast.dataset import folder
    from stemfast.dataset.progress import Progress
    from stemfast.dataset.verify import verify as check

    with Progress("comparing checksums", folder.header(directory).n_images) as progress:
        found = check(directory, sample=sample, seed=seed, advance=progress.advance)
    typer.echo(
        f"{directory}: written by stemfast {found.written_by}; compared {found.n_shards} "
        f"checksums and {found.n_simulated} images simulated again"
    )
    for problem in found.problems:
        typer.echo(f"WRONG: {problem}", err=True)
    if found.problems:
        raise typer.Exit(1)
    typer.echo("all as it was written")


@app.command()
def show(
    directory: Directory,
    picture: Annotated[
        Path, typer.Argument(metavar="PICTURE", help="Picture to write (.png, .pdf, .svg).")
    ] = Path("dataset.png"),
    split: Annotated[str | None, typer.Option(metavar="NAME", help="Only this split.")] = None,
    count: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Images to show; default 24, of several views 8."),
    ] = None,
    first: Annotated[
        int, typer.Option(min=0, metavar="N", help="Number of the first image shown.")
    ] = 0,
) -> None:
    """Draw a contact sheet: images with their classes.

    Example: [bold]stemfast dataset show images sheet.png[/bold]
    """
    from stemfast import dataset
    from stemfast.dataset.about import contact_sheet
    from stemfast.image import files as image_file

    image_file.writable(picture, (".png", ".pdf", ".svg"))
    path = contact_sheet(dataset.open(directory, split), picture, count=count, first=first)
    typer.echo(f"wrote {path}")


@app.command()
def export(
    directory: Directory,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to make.")],
    kind: Annotated[Format, typer.Option("--format", help="Format to write.")],
    split: Annotated[str | None, typer.Option(metavar="NAME", help="Only this split.")] = None,
) -> None:
    """Write a data set in another format.

    Example: [bold]stemfast dataset export images stacks --format tiff[/bold]

    tiff: stacks for ImageJ, with the nm scale. npy: arrays. webdataset: tar files. zarr: Zarr v3.
    The first two come with tables of labels and parameters.
    """
    from stemfast import dataset
    from stemfast.dataset.export import export as write
    from stemfast.dataset.progress import Progress

    total = len(dataset.open(directory, split))
    with Progress(f"writing {kind.value}", total) as progress:
        path = write(directory, out, kind.value, split=split, advance=progress.advance)
    typer.echo(f"wrote {path}")


def _range(text: str | None, plan: Plan) -> range | None:
    """Numbers of the shards that ``A:B`` means."""
    if text is None:
        return None
    count = len(plan.shards)
    first, colon, last = text.partition(":")
    if not (colon and first.isdecimal() and last.isdecimal() and int(first) < int(last)):
        raise ValueError(f"--shards expects A:B with 0 <= A < B, such as 0:50, got {text!r}")
    if int(first) >= count:
        raise ValueError(f"--shards is {text}, and this data set has the shards 0 to {count - 1}")
    if int(last) > count:
        typer.echo(f"note: this data set has {count} shards: writing {first}:{count}")
    return range(int(first), min(int(last), count))


def _write(
    directory: Path, plan: Plan, chosen: Sequence[int] | None, dask: str | None, threads: int
) -> None:
    from stemfast.dataset import folder
    from stemfast.dataset.about import headline
    from stemfast.dataset.manifest import resume_command
    from stemfast.dataset.plan import check_space, estimate, in_bytes
    from stemfast.dataset.progress import Progress, duration
    from stemfast.dataset.write import write_missing

    missing = folder.missing(directory, plan, chosen)
    typer.echo(headline(plan.header, len(plan.shards)))
    total = sum(len(plan.shards[k]) for k in chosen) if chosen is not None else plan.n_images
    ahead = estimate(plan, missing, threads)
    if missing:
        free = check_space(directory, ahead.n_bytes)
        done = total - ahead.n_images
        typer.echo(
            (f"{done} images are there already; " if done else "")
            + f"writing {ahead.n_images} images, {in_bytes(ahead.n_bytes)} of the "
            f"{in_bytes(free)} that are free, in about {duration(ahead.seconds)} on this machine "
            f"({ahead.pilot} images tried)"
        )
    on = f"to go on: {resume_command(directory)}"
    progress = Progress("simulating", total, total - ahead.n_images)
    try:
        with progress:
            if dask is not None and missing:
                from stemfast.dataset.cluster import write_with_dask

                whole = write_with_dask(
                    directory, plan, dask, chosen, n_threads=threads, advance=progress.advance
                )
            else:
                whole = write_missing(
                    directory, plan, chosen, n_threads=threads, advance=progress.advance
                )
    except KeyboardInterrupt:
        typer.echo(f"stopped; all shards that are there are whole; {on}", err=True)
        raise typer.Exit(STOPPED) from None
    except OSError as error:
        if error.filename is None or not error.strerror:
            raise
        hint = f"{error.strerror}. All shards that are there are whole; when this is mended, {on}"
        raise OSError(error.errno, hint, error.filename) from error
    left = 0 if whole else len(plan.shards) - len(folder.present(directory, plan))
    state = "complete" if whole else f"{left} of {len(plan.shards)} shards are still missing"
    typer.echo(f"{directory}: {state}")
