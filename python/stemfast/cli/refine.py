"""``stemfast study fit``: accuracy of the fit on a task's images, next to the network's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stemfast.cli.options import (
    AsJson,
    Conditions,
    DaskAddress,
    Images,
    ReadingProgress,
    Seed,
    Sets,
    Size,
    numbers,
    record_option,
    say_results,
)

if TYPE_CHECKING:
    from stemfast.studies.fit_trial import FitTrial

_VIEWS = "1,2,4,8"
_KINDS = {
    "static": "unknown poses",
    "tilts": "tilts known to half a degree",
    "spin": "unknown poses, the spin during each scan known",
}


def refine(
    task: Annotated[
        str, typer.Argument(metavar="TASK", help="deformed, count, pairs-cube, …")
    ] = "count",
    conditions: Conditions = "standard",
    n: Images = 300,
    size: Size = 128,
    seed: Seed = 0,
    sets: Sets = None,
    network: Annotated[
        bool, typer.Option(help="Ask the network that comes with the package as well.")
    ] = True,
    views: Annotated[
        str | None,
        typer.Option(
            metavar="K,…", help="ground-truth: numbers of images of a particle. Default 1,2,4,8."
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="ground-truth: static, at unknown poses; tilts, known to 0.5°; spin, a known turn "
            "during the scan. Default static.",
        ),
    ] = None,
    out: Annotated[Path | None, record_option("refine")] = None,
    dask: DaskAddress = None,
    json: AsJson = False,
) -> None:
    """Read test images by fitting the particle to them, from the images alone.

    Example: [bold]stemfast study fit count -n 100[/bold]

    It finds poses and edges by trying thousands, fits the best, compares sets of cut corners by
    their evidence, and says how often that is right, whether the error bars cover, and what the
    network says of the same images. Takes about a second for each image on one core.

    TASK ground-truth reads several images of each particle together, and prints a table of network
    and fit against the number of images.
    """
    from stemfast import recipes
    from stemfast.fit.tasks import CORNER_TASKS
    from stemfast.studies.fit_trial import trial

    if task == "ground-truth":
        _refine_sets(
            conditions=conditions,
            n=n,
            size=size,
            seed=seed,
            sets=sets or [],
            network=network,
            views=views,
            kind=kind,
            out=out,
            dask=dask,
            as_json=json,
        )
        return
    if task not in CORNER_TASKS:
        known = ", ".join((*CORNER_TASKS, "ground-truth"))
        raise ValueError(f"task is {task!r}, expected one of {known}")
    for name, value in (("--views", views), ("--kind", kind)):
        if value is not None:
            raise ValueError(f"{name}: got {value}, which only the task ground-truth takes")
    recipe = recipes.resolve(task, conditions=conditions, image_px=size, sets=sets or ())
    trained = None
    if network:
        from stemfast.pretrained import load_pretrained
        from stemfast.pretrained.shipped import pretrained_names

        if task in pretrained_names():
            trained = load_pretrained(task)
            if trained.model.config.image_shape != (size, size):
                trained = None
    path = out or Path(f"refine-{task}-{conditions}.jsonl")
    with ReadingProgress(n) as progress:
        result = trial(recipe, n, seed=seed, network=trained, path=path, report=progress, dask=dask)
    say_results(result.readings, f"{_table(result)}\nwrote {path}", as_json=json)


def _table(result: FitTrial) -> str:
    import numpy as np

    readings = result.readings
    who = ["fit", "network", "together"] if readings[0].network else ["fit"]
    lines = [f"{len(readings)} images of {result.task}, right (95 % interval):"]
    for name in who:
        share, low, high = (100 * part for part in result.share(name))
        lines.append(f"  {name:9s} {share:5.1f} % ({low:.1f} to {high:.1f})")
    mean = np.mean([max(r.probability) for r in readings])
    lines.append(f"mean probability of the fit's answers: {mean:.3f}")
    lines.append(f"pose and edges found: {100 * result.poses_found:.1f} %")
    for name, (share, number) in result.covered().items():
        if number:
            spread = 100 * (0.683 * 0.317 / number) ** 0.5
            lines.append(
                f"{name} within one error bar: {100 * share:.1f} % of {number} "
                f"(68.3 ± {spread:.1f} expected)"
            )
    edges = np.array([r.off[:3] for r in readings])
    lines.append(f"edges off by {np.median(np.abs(edges)):.3f} nm, median")
    volume = np.sqrt(np.mean([r.volume_error**2 for r in readings]))
    lines.append(f"volume off by {100 * volume:.2f} %, rms")
    unexplained = sum(not r.explained for r in readings)
    lines.append(f"not explained by the model: {unexplained}")
    seconds = np.array([(r.seconds, r.core_seconds) for r in readings])
    wall, core = np.median(seconds, axis=0)
    lines.append(f"seconds an image: {wall:.1f} by the clock, {core:.1f} of one core (medians)")
    return "\n".join(lines)


def _refine_sets(
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
    dask: str | None,
    as_json: bool,
) -> None:
    """Fit sets of images of one particle and print the table; parameters are the command's."""
    from stemfast import recipes
    from stemfast.studies import joint_figures
    from stemfast.studies.joint_trial import read_sets

    chosen = kind or "static"
    if chosen not in _KINDS:
        raise ValueError(f"--kind is {chosen!r}, expected static, tilts or spin")
    counts = numbers("--views", views or _VIEWS, int, f"numbers such as {_VIEWS}")
    told = "spin=true" if chosen == "spin" else f'series.kind="{chosen}"'
    recipe = recipes.resolve(
        "ground-truth", conditions=conditions, image_px=size, sets=[*sets, told]
    )
    trained = None
    if network:
        from stemfast.pretrained import load_pretrained

        trained = load_pretrained("ground-truth")
        if trained.image_shape != (size, size):
            trained = None
    path = out or Path(f"refine-ground-truth-{chosen}-{conditions}.jsonl")
    with ReadingProgress(n * len(counts)) as progress:
        readings = read_sets(
            recipe, n, counts, seed=seed, network=trained, path=path, report=progress, dask=dask
        )
    words = [f"{n} particles, {_KINDS[chosen]}; 95 % intervals\n", joint_figures.table(readings)]
    wrong = [reading for reading in readings if reading.missed is not None]
    words.append(f"\nwrong answers of the fit: {len(wrong)} of {len(readings)}")
    for one in wrong:
        said = "more" if (one.missed or 0.0) > 0 else "less"
        words.append(
            f"  particle {one.index % 2**40}, {one.views} images: the truth is e^"
            f"{abs(one.missed or 0.0):.1f} times {said} probable"
        )
    say_results(readings, "\n".join([*words, f"wrote {path}"]), as_json=as_json)
