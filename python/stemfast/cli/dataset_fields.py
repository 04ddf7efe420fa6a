"""``stemfast dataset fields``: sets of simulated fields with instance masks."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stemfast.cli.errors import STOPPED
from stemfast.cli.options import (
    DEFAULT_SPLITS,
    IMAGES_PANEL,
    WRITING_PANEL,
    Changes,
    ConfigFile,
    Splits,
)

if TYPE_CHECKING:
    from stemfast.dataset.fields import FieldPlan


class Pictures(StrEnum):
    """Formats of the images of fields."""

    PNG = "png"
    TIF = "tif"

    @property
    def ending(self) -> Literal[".png", ".tif"]:
        """Ending of their files."""
        return ".png" if self is Pictures.PNG else ".tif"


def fields(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder of the set; made if missing.")
    ],
    n_fields: Annotated[
        int | None,
        typer.Option(
            "-n",
            "--images",
            min=1,
            metavar="N",
            rich_help_panel=IMAGES_PANEL,
            help="Fields altogether.",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(metavar="S", rich_help_panel=IMAGES_PANEL, help="Same seed, same fields.")
    ] = 0,
    size: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="PX", rich_help_panel=IMAGES_PANEL, help="Rows and columns; default 512."
        ),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND",
            rich_help_panel=IMAGES_PANEL,
            help="A kind of field, such as carbon-black, silica or monolayer. Repeat for more.",
        ),
    ] = None,
    change: Changes = None,
    config: ConfigFile = None,
    splits: Splits = DEFAULT_SPLITS,
    images: Annotated[
        Pictures,
        typer.Option(
            rich_help_panel=WRITING_PANEL,
            help="png: 8-bit grey levels. tif: the fields' own numbers, with the nm scale.",
        ),
    ] = Pictures.PNG,
    parquet: Annotated[
        bool,
        typer.Option(
            "--parquet", rich_help_panel=WRITING_PANEL, help="Write Parquet files as well."
        ),
    ] = False,
    licence: Annotated[
        str, typer.Option(metavar="NAME", rich_help_panel=WRITING_PANEL, help="Named in the card.")
    ] = "BSD-3-Clause",
    workers: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", rich_help_panel=WRITING_PANEL, help="Processes that draw."
        ),
    ] = 1,
) -> None:
    """Simulate fields of many particles with instance masks, for networks that find particles.

    Example: [bold]stemfast dataset fields fields -n 1000 --kind carbon-black --seed 1[/bold]

    Writes images, masks and everything known of each particle, and annotations for COCO, YOLO and
    Hugging Face datasets. Stop it whenever you like and run it again: it writes only what is
    missing.
    """
    from stemfast.dataset.fields import FieldPlan
    from stemfast.dataset.splits import parse
    from stemfast.fields import FieldRecipe
    from stemfast.recipes.resolve import settings_of

    given = {"rows": size, "columns": size, "kinds": tuple(kind) if kind else None}
    recipe = FieldRecipe(**settings_of(config, given, change or []))
    if n_fields is None and "." in splits:
        raise ValueError("say how many fields to simulate, for example -n 1000")
    plan = FieldPlan(recipe, seed, parse(splits, n_fields), images.ending, licence)
    write_set(directory, plan, workers, parquet=parquet)


def write_set(directory: Path, plan: FieldPlan, workers: int, *, parquet: bool) -> None:
    """Write what is missing of a set of fields, with progress."""
    from stemfast.dataset.fields import write_fields
    from stemfast.dataset.progress import Progress

    left = len(plan.missing(directory)) if directory.is_dir() else plan.n_fields
    done = plan.n_fields - left
    typer.echo(
        f"{plan.n_fields} fields of {plan.recipe.rows} x {plan.recipe.columns} px, seed {plan.seed}"
        + (f"; {done} are there already" if done else "")
    )
    try:
        with Progress("simulating", plan.n_fields, done) as progress:
            write_fields(
                directory, plan, workers=workers, parquet=parquet, advance=progress.advance
            )
    except KeyboardInterrupt:
        typer.echo("stopped; run the same command again to go on", err=True)
        raise typer.Exit(STOPPED) from None
    typer.echo(f"{directory}: complete; README.md says what is where")
