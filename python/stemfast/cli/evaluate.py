"""``stemfast evaluate``: how good a network is on images it never saw."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from stemfast.recipes import Recipe


def evaluate(
    name: Annotated[
        str, typer.Argument(metavar="NAME|FOLDER", help="A network that comes along, or a run's.")
    ],
    n: Annotated[int, typer.Option("-n", metavar="N", help="How many test images.")] = 10_000,
    conditions: Annotated[
        str | None,
        typer.Option(metavar="clean|standard|hard", help="Default: those it was trained in."),
    ] = None,
    spin: Annotated[
        bool | None, typer.Option("--spin/--no-spin", help="Particles turn during the scan.")
    ] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change the images, such as imaging.signal_e_px=[10,10]. May be repeated.",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="S", help="Seed of the images. Default: the training's.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where to write. Default: evaluation-NAME."),
    ] = None,
    threads: Annotated[
        int, typer.Option(metavar="N", help="Threads that simulate; 0 means all cores.")
    ] = 0,
) -> None:
    """Judge a network on simulated test images, disjoint from all that it learnt from.

    Example: [bold]stemfast evaluate count --conditions hard[/bold]

    Prints the balanced accuracy with its 95 % interval, the confusion matrix and the calibration;
    writes evaluation.json, confusion.png and reliability.png.
    """
    from stemfast.training import figures, judge

    trained = open_network(name)
    experiment = trained.card.get("experiment")
    if experiment is None:
        raise ValueError(
            f"{name} was not made by 'stemfast train': it does not say which images it is for"
        )
    recipe = _recipe(trained.card, conditions, spin, sets or [])
    used = experiment["seed"] if seed is None else seed
    found = judge(trained, recipe, seed=used, images=n, n_threads=threads)
    folder = out if out is not None else Path(f"evaluation-{Path(name).name}")
    more = {"network": name, "recipe": recipe.model_dump(mode="json"), "seed": used}
    figures.write(folder, found, title=experiment["name"], more=more)
    typer.echo(f"{figures.confusion_table(found)}\n{found}\n{folder}/")


def open_network(name: str) -> Any:
    """A network by the name it comes with, or by its folder."""
    from stemfast import training

    if (Path(name) / "config.json").is_file():
        from stemfast import transfer

        return transfer.load(name) if transfer.is_model(name) else training.load(name)
    if name in training.pretrained_names():
        return training.load_pretrained(name)
    known = ", ".join(training.pretrained_names()) or "none are installed"
    raise ValueError(
        f"{name!r} is neither a folder with a trained network nor one that comes along ({known})"
    )


def _recipe(
    card: dict[str, Any], conditions: str | None, spin: bool | None, sets: list[str]
) -> Recipe:
    """The recipe a network learnt from, or what the user made of it."""
    from stemfast import recipes

    experiment = card["experiment"]
    if conditions is None and spin is None and not sets:
        recipe: Recipe = recipes.from_dump(experiment["recipe"], card["recipe"])
        return recipe
    import json

    own = [f"{key}={json.dumps(value)}" for key, value in experiment["recipe_settings"].items()]
    changed: Recipe = recipes.resolve(
        experiment["recipe"],
        conditions=conditions or experiment["conditions"],
        spin=experiment["spin"] if spin is None else spin,
        image_px=experiment["image_px"],
        sets=[*own, *sets],
    )
    return changed
