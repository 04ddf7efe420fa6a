"""``stemfast study families``: families of shapes told apart on simulated particles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stemfast.cli.options import AsJson, Seed, say_results

if TYPE_CHECKING:
    from stemfast.studies.families.trial import FamilyReading


def families_study(
    n: Annotated[
        int, typer.Option("-n", metavar="N", min=1, help="Particles of each family.")
    ] = 10,
    family: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Families to draw from, such as cube, 'cube with Pd core' or 'hollow cube' (of "
            "gold); repeat it. Default: all.",
        ),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TASK", help="Such as '1 image' or '4 tilts'; repeat it. Default: all."
        ),
    ] = None,
    only: Annotated[
        bool, typer.Option("--only", help="Compare no other families than those drawn from.")
    ] = False,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="JSON lines, one for each particle and task; a run that was stopped goes on from "
            "there. Default families-study-SEED.jsonl.",
        ),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Picture of the confusions.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Tell families of shapes apart on simulated particles of conditions 'standard'.

    Example: [bold]stemfast study families -n 10 --picture confusion.png[/bold]

    Prints a table: how often the family is right, errors of sizes, and how often error bars cover.
    """
    from stemfast.fit.families.shipped import FAMILIES
    from stemfast.studies.families.tables import draw_confusion, table
    from stemfast.studies.families.trial import TASKS, read_families

    names, tasks = family or list(FAMILIES), task or list(TASKS)
    file = out if out is not None else Path(f"families-study-{seed}.jsonl")
    total = n * len(names) * len(tasks)

    def tell(reading: FamilyReading, done: int) -> None:
        if done % max(total // 20, 1) == 0:
            typer.echo(f"{done} of {total} readings", err=True)

    rivals = names if only else None
    readings = read_families(names, tasks, n, seed=seed, path=file, rivals=rivals, report=tell)
    words = table(readings)
    if picture is not None:
        words += f"\nwrote {draw_confusion(readings, picture)}"
    say_results(readings, words, as_json=json)
