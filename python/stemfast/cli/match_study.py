"""``stemfast study match``: errors of `stemfast match` on simulated fields of known conditions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stemfast.cli.options import AsJson, Seed, say_results


def match_study(
    n: Annotated[int, typer.Option("-n", metavar="N", min=1, help="Fields to match.")] = 50,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="JSON lines, one for each field; a run that was stopped goes on from there. "
            "Default match-study-SEED.jsonl.",
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Compare what 'stemfast match' tells of simulated fields with the truth.

    Example: [bold]stemfast study match -n 20[/bold]

    Prints a table: how often each setting is told, its error, and how often the error bar covers
    the truth.
    """
    from stemfast.studies.match_trial import table, trial

    file = out if out is not None else Path(f"match-study-{seed}.jsonl")

    def tell(done: int) -> None:
        if done % max(n // 10, 1) == 0:
            typer.echo(f"{done} of {n} fields", err=True)

    trials = trial(n, seed, file, progress=tell)
    say_results(trials, table(trials), as_json=json)
