"""``stemfast refine ground-truth``: joint fits of several images of a particle, in a table."""

from __future__ import annotations

from pathlib import Path

import typer

from stemfast.cli.numbers import numbers
from stemfast.cli.reading import Progress

__all__ = ["refine_sets"]

_VIEWS = "1,2,4,8"
_KINDS = {
    "static": "unknown poses",
    "tilts": "tilts known to half a degree",
    "spin": "unknown poses, the spin during each scan known",
}


def refine_sets(
    *,
    conditions: str,
    n: int,
    size: int,
    seed: int,
    sets: list[str],
    network: bool,
    views: str | None,
    kind: str | None,
    out: Path | None,
) -> None:
    """Read sets of images, print the table.

    Parameters are those of the command.
    """
    from stemfast import recipes
    from stemfast.studies import joint_figures as sets_figures
    from stemfast.studies.joint_trial import read_sets

    chosen = kind or "static"
    if chosen not in _KINDS:
        raise ValueError(f"--kind is {chosen!r}, expected static, tilts or spin")
    counts = numbers("--views", views or _VIEWS, int, f"numbers such as {_VIEWS}")
    told = "spin=true" if chosen == "spin" else f'series.kind="{chosen}"'
    recipe = recipes.resolve(
        "ground-truth", conditions=conditions, image_px=size, sets=[*sets, told]
    )
    asked = None
    if network:
        from stemfast.training import load_pretrained

        asked = load_pretrained("ground-truth")
        if asked.image_shape != (size, size):
            asked = None
    path = out or Path(f"refine-ground-truth-{chosen}-{conditions}.jsonl")
    with Progress(n * len(counts)) as progress:
        readings = read_sets(
            recipe, n, counts, seed=seed, network=asked, path=path, report=progress
        )
    typer.echo(f"{n} particles, {_KINDS[chosen]}; 95 % intervals\n")
    typer.echo(sets_figures.table(readings))
    wrong = [reading for reading in readings if reading.missed is not None]
    typer.echo(f"\nwrong answers of the fit: {len(wrong)} of {len(readings)}")
    for one in wrong:
        said = "more" if (one.missed or 0.0) > 0 else "less"
        typer.echo(
            f"  particle {one.index % 2**40}, {one.views} images: the truth is e^"
            f"{abs(one.missed or 0.0):.1f} times {said} probable"
        )
    typer.echo(f"wrote {path}")
