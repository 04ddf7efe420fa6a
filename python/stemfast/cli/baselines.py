"""``stemfast study baselines``: boosted trees and a small network, for comparison."""

from __future__ import annotations

import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stemfast.cli.options import AsJson, say_results

if TYPE_CHECKING:
    from stemfast.training import Evaluation

FORMAT = "stemfast baselines 1"


def baselines(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="shapes, deformed, count, pairs-cube, …")
    ],
    images: Annotated[
        int, typer.Option("--images", metavar="N", help="How many training images.")
    ] = 10_000,
    n: Annotated[int, typer.Option("-n", metavar="N", help="How many test images.")] = 5000,
    conditions: Annotated[
        str, typer.Option(metavar="clean|standard|hard", help="How hard.")
    ] = "standard",
    spin: Annotated[
        bool, typer.Option("--spin/--no-spin", help="Particles turn during the scan.")
    ] = False,
    image_px: Annotated[
        int | None, typer.Option("--image-px", metavar="N", help="Rows and columns: 128.")
    ] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change a setting of the recipe. May be repeated."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="S", help="Seed of the images.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="JSON to write. Default: baselines-RECIPE.json."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Train baselines for a network: boosted trees on features, and two layers on pixels.

    Example: [bold]stemfast study baselines count[/bold]

    Both learn from the first training images of the seed and are judged by the first test images,
    those that networks are judged by. On one CPU core an image takes about 15 ms. Writes every
    figure, with the number of images, the seconds and the machine.
    """
    from stemfast import atomic, recipes
    from stemfast.studies import baselines as methods
    from stemfast.training import devices

    chosen = recipes.resolve(
        recipe, conditions=conditions, spin=spin, image_px=image_px, sets=sets or ()
    )
    path = out or Path(f"baselines-{recipe}.json")
    if not path.parent.is_dir():
        raise ValueError(f"--out is {path}, but there is no folder {path.parent}")
    found = methods.both(chosen, images, n, seed, say=partial(_say, aside=json))
    record = {
        "format": FORMAT,
        "command": shlex.join(["stemfast", *sys.argv[1:]]),
        "task": chosen.name,
        "recipe": chosen.model_dump(mode="json"),
        "seed": seed,
        "training_images": images,
        "machine": devices.machine(devices.batch_sharding(devices.pick("cpu")[:1], 1)),
        "baselines": found,
    }
    atomic.write_json(path, record)
    say_results(record, f"wrote {path}", as_json=json)


def _say(name: str, judged: Evaluation, seconds: float, *, aside: bool) -> None:
    typer.echo(f"{name}: {judged}, {seconds:.0f} s", err=aside)
