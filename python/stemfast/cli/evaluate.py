"""``stemfast evaluate``: accuracy of a network on simulated test images."""

from __future__ import annotations

import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stemfast.cli.evaluate_finder import evaluate_finder
from stemfast.cli.options import AsJson, numbers, say_results

if TYPE_CHECKING:
    from stemfast.recipes import Recipe
    from stemfast.studies.curves import Point


#: Entries of a card's experiment that its images need: of any network, and of one that reads
#: images of single particles.
_SAID: dict[str, type] = {"name": str, "seed": int}
_SAID_OF_ONE: dict[str, type] = {
    "recipe": str,
    "recipe_settings": dict,
    "conditions": str,
    "spin": bool,
    "image_px": int,
}


def evaluate(
    name: Annotated[
        str, typer.Argument(metavar="NAME|FOLDER", help="A network that comes along, or a run's.")
    ],
    n: Annotated[
        int | None,
        typer.Option(
            "-n", metavar="N", help="How many test images: 10000, or 2000 a point of a curve."
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="dose|severity|turn",
            help="Draw a curve: accuracy against the dose (e-/px), the depth of the cuts (share of "
            "each edge), or the turn during the scan (degrees).",
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(metavar="X,Y,…", help="With --against: the values, such as 1,10,100."),
    ] = None,
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
    json: AsJson = False,
) -> None:
    """Judge a network on simulated test images, disjoint from all that it learnt from.

    Example: [bold]stemfast evaluate count --conditions hard[/bold]

    Prints the balanced accuracy with its 95 % interval, the confusion matrix and the calibration;
    writes evaluation.json, confusion.png and reliability.png. With --against it prints and writes
    a curve instead, as curve-dose.json and curve-dose.png (or -severity, -turn). Of a finder it
    prints average precision and F1 on simulated fields.
    """
    from stemfast.evaluation import figures
    from stemfast.evaluation.judge import judge

    whole = _reconstructor_folder(name)
    if whole is not None:
        chosen = (against, at, conditions, spin, sets, seed)
        _evaluate_reconstructor(whole, n=n, out=out, threads=threads, as_json=json, chosen=chosen)
        return
    finding = _finder_folder(name)
    if finding is not None:
        refused = {"--against": against, "--at": at, "--conditions": conditions, "--spin": spin}
        for option, given in (refused | {"--set": sets or None}).items():
            if given is not None:
                raise ValueError(f"{option} has no effect on {name}, expected it left out")
        evaluate_finder(finding, n=n, seed=seed, out=out, as_json=json)
        return
    if at is not None and against is None:
        raise ValueError("--at gives the values of a curve, expected --against with it")
    if against is not None:
        _refuse_clash(against, sets or [], spin)
    values = None if at is None else numbers("--at", at, float, "numbers such as 1,10,100")
    trained = open_network(name)
    portraits = getattr(trained, "reads_portraits", False)
    experiment = _experiment(trained.card, name, _SAID if portraits else {**_SAID, **_SAID_OF_ONE})
    used = experiment["seed"] if seed is None else seed
    folder = out if out is not None else Path(f"evaluation-{Path(name).name}")
    if portraits:
        refused = {"--against": against, "--conditions": conditions, "--spin": spin}
        for option, given in refused.items():
            if given is not None:
                raise ValueError(f"{option} has no effect on {name}, expected it left out")
        _evaluate_portraits(trained, folder, n=n, sets=sets or [], seed=used, as_json=json)
        return
    recipe = _recipe(trained.card, conditions, spin, sets or [])
    if against is not None:
        source = {"network": Path(name).name, "command": shlex.join(["stemfast", *sys.argv[1:]])}
        words = {"at": values, "images": 2000 if n is None else n, "seed": used}
        words |= {"keep": _keys(sets), "n_threads": threads}
        _curve(trained, recipe, against, folder, source, as_json=json, **words)
        return
    found = judge(trained, recipe, seed=used, images=10_000 if n is None else n, n_threads=threads)
    more = {"network": name, "recipe": recipe.model_dump(mode="json"), "seed": used}
    figures.write(folder, found, title=experiment["name"], more=more)
    shown = f"{figures.confusion_table(found)}\n{found}\n{folder}/"
    say_results({**found.to_dict(), **more}, shown, as_json=json)


def _experiment(card: dict[str, Any], name: str, needed: dict[str, type]) -> dict[str, Any]:
    """Check a card's entries on its training, as cards may be a stranger's."""
    experiment = card.get("experiment")
    if not isinstance(experiment, dict):
        raise ValueError(
            f"{name} was not made by 'stemfast train': it does not say which images it is for"
        )
    for key, kind in needed.items():
        if not isinstance(experiment.get(key), kind):
            raise ValueError(
                f"{name}: its card's experiment has {key} = {experiment.get(key)!r}, "
                f"expected {kind.__name__}"
            )
    return experiment


def _evaluate_portraits(
    trained: Any, folder: Path, *, n: int | None, sets: list[str], seed: int, as_json: bool
) -> None:
    """Judge a network that reads portraits on those of simulated fields."""
    from stemfast.evaluation import figures
    from stemfast.training.portraits.experiment import PortraitExperiment
    from stemfast.training.portraits.run import judge

    experiment = PortraitExperiment.model_validate(trained.card["experiment"])
    experiment = experiment.changed([f"recipe.{entry}" for entry in sets])
    found = judge(trained, experiment, seed=seed, images=10_000 if n is None else n)
    more = {"network": experiment.name, "seed": seed}
    more["recipe"] = experiment.make_recipe().model_dump(mode="json")
    figures.write(folder, found, title=experiment.name, more=more)
    words = f"{figures.confusion_table(found)}\n{found}\n{folder}/"
    say_results({**found.to_dict(), **more}, words, as_json=as_json)


def _keys(sets: list[str] | None) -> set[str]:
    return {entry.partition("=")[0].strip() for entry in sets or []}


def _refuse_clash(against: str, sets: list[str], spin: bool | None) -> None:
    """Refuse to hold still what the curve varies."""
    from stemfast.studies.curves import AXES

    axis = AXES.get(against)
    if axis is None:
        raise ValueError(f"--against is {against!r}, expected one of {', '.join(AXES)}")
    if axis.key in _keys(sets):
        raise ValueError(
            f"--set {axis.key} is what --against {against} varies: give its values with --at"
        )
    if axis.spin and spin is False:
        raise ValueError(f"--against {against} turns particles during the scan, got --no-spin")


def _curve(
    trained: Any,
    recipe: Recipe,
    against: str,
    folder: Path,
    more: dict[str, Any],
    *,
    as_json: bool,
    **words: Any,
) -> None:
    """Judge at each value, print a row when it is there, write the curve."""
    from stemfast.studies import curves

    rows = _Rows(curves.AXES[against].label, aside=as_json)
    found = curves.curve(trained, recipe, against, say=rows, **words)
    files = curves.write(folder, found, more=more)
    trained_range = "unknown" if found.trained is None else "{:g} to {:g}".format(*found.trained)
    summary = (
        f"chance {100 * found.chance:.1f} %; it learnt from {trained_range}; "
        f"{found.images} images a point, {found.seconds:.0f} s"
    )
    shown = "\n".join([summary, *map(str, files)])
    say_results({**found.to_dict(), **more}, shown, as_json=as_json)


class _Rows:
    """A table that is printed as it grows."""

    def __init__(self, label: str, *, aside: bool) -> None:
        self._label, self._say = label, partial(typer.echo, err=aside)
        self._begun = False

    def __call__(self, point: Point) -> None:
        near = point.within_one
        if not self._begun:
            more = "  within one" if near is not None else ""
            self._say(f"{self._label:>38}  accuracy  95 % interval{more}")
            self._begun = True
        low, high = (f"{100 * end:.1f}" for end in point.interval)
        last = "" if near is None else f"  {100 * near:8.2f} %"
        self._say(f"{point.value:38g}  {100 * point.accuracy:6.1f} %  {low:>5} to {high:>5}{last}")


def open_network(name: str) -> Any:
    """A network for single images, by the name it comes with or by its folder.

    Raises
    ------
    ValueError
        If there is none, or it does something else.
    """
    from stemfast import pretrained
    from stemfast.pretrained import finder, reconstructor, shipped

    own = (Path(name) / "config.json").is_file()
    folder = Path(name) if own else shipped.folder(name)
    if finder.is_finder(folder):
        raise ValueError(
            f"{name!r} finds particles in micrographs, expected a network that names single ones: "
            "use 'stemfast find'"
        )
    if reconstructor.is_model(folder):
        raise ValueError(
            f"{name!r} reads several images of one particle, expected a network for single images: "
            "use 'stemfast reconstruct'"
        )
    if own:
        from stemfast import transfer

        return transfer.load(name) if transfer.is_model(name) else pretrained.load(name)
    if name in pretrained.pretrained_names():
        return pretrained.load_pretrained(name)
    known = ", ".join(pretrained.pretrained_names()) or "none are installed"
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
        stored = card.get("recipe")
        if not isinstance(stored, dict):
            raise ValueError(f"the network's card has recipe = {stored!r}, expected its settings")
        recipe: Recipe = recipes.from_dump(experiment["recipe"], stored)
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


def _finder_folder(name: str) -> Path | None:
    """The folder of the finder of this name, or None if it is something else."""
    from stemfast.pretrained import finder, shipped

    return next((one for one in (Path(name), shipped.folder(name)) if finder.is_finder(one)), None)


def _reconstructor_folder(name: str) -> Path | None:
    """The folder of the ground-truth network of this name, or None if it is something else."""
    from stemfast.pretrained import reconstructor, shipped

    folders = (Path(name), shipped.folder(name))
    return next((one for one in folders if reconstructor.is_model(one)), None)


def _evaluate_reconstructor(
    folder: Path,
    *,
    n: int | None,
    out: Path | None,
    threads: int,
    as_json: bool,
    chosen: tuple[object, ...] = (),
) -> None:
    """Judge a network that reconstructs particles, compare it with baselines and draw curves.

    Parameters
    ----------
    folder : Path
        Of the network. If it is that of a run, the baselines are trained on its readings.
    n : int, optional
        Test particles of the table, 5000 if not given; other curves take a fifth.
    out : Path, optional
        Where to write; ``evaluation-NAME`` if not given.
    threads : int
        Threads of the simulation.
    as_json : bool
        Print the rows of the table as JSON.
    chosen : tuple
        Options that only classifiers take; all are None.
    """
    if any(option is not None and option != [] for option in chosen):
        raise ValueError(
            f"{folder.name} is a ground-truth network: expected no option but -n, --out and "
            "--threads; its table and all its curves are made in one go"
        )
    from stemfast import atomic
    from stemfast.pretrained import reconstructor
    from stemfast.studies import reconstruction_curves, reconstruction_pictures

    particles = 5000 if n is None else n
    if particles < 9:
        raise ValueError(f"-n is {particles}, expected at least 9 particles")
    target = out if out is not None else Path(f"evaluation-{folder.name}")
    made = reconstruction_curves.compare(
        reconstructor.load(folder),
        target,
        run=folder,
        particles=particles,
        few=max(3, particles // 5),
        n_threads=threads,
        say=partial(typer.echo, err=as_json),
    )
    text = reconstruction_pictures.table(made.rows)
    atomic.write_text(target / "comparison.md", text + "\n")
    reconstruction_pictures.pictures(target, made.rows)
    for row in made.rows:
        if row["against"] == "handedness":
            entry = row["figures"]["hand"]
            low, high = (100 * end for end in entry["interval"])
            typer.echo(
                f"handedness, poses {row['poses']}: {100 * entry['share']:.1f} % "
                f"({low:.1f} to {high:.1f}) of {entry['of']}",
                err=as_json,
            )
    say_results(made.rows, f"{text}\n{target}/", as_json=as_json)
