"""The order of the demo, and what it says on the way."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from stemfast import atomic, dataset, micrograph, recipes
from stemfast.classification import (
    DEFAULT_MODEL,
    NOT_SURE,
    OVERLAY_FILE,
    TABLE_FILE,
    Classification,
    classify,
)
from stemfast.dataset import Dataset
from stemfast.demo.batch import report_batch, report_real, tilt_pair
from stemfast.demo.settings import DemoSettings
from stemfast.finding import find
from stemfast.finding.files import LABELS, checked_folder
from stemfast.image import Image
from stemfast.micrograph.families import holds

__all__ = ["run"]

EXAMPLES = 24
MINUTES = 4  # on two cores that others use as well


def _examples(data: Dataset, path: Path) -> None:
    from stemfast import plots

    samples = data[:EXAMPLES]
    titles = [data.class_names[label] for label in data.labels[:EXAMPLES]]
    plots.gallery(list(samples.images), titles, path, pixel_size_nm=data.pixel_size_nm, columns=6)


def _learn(
    name: str, folder: Path, seed: int, epochs: int, sizes: DemoSettings, say: Callable[[str], None]
) -> dict[str, Any]:
    """Simulate a labelled set, train and judge a network on it; return its figures."""
    from stemfast import plots, training
    from stemfast.demo.network import train_network

    recipe = recipes.get(name, image_px=64, dtype="uint16")
    splits = sizes.splits(len(recipe.class_names))
    total = splits["test"][1]
    say(f"\n{name}: {total} images of {', '.join(recipe.class_names)}")
    data = dataset.write(folder / "data" / name, recipe, seed=seed, splits=splits)
    _examples(data.split("train"), folder / f"{name}_examples.png")
    say(f"  written to {data.directory}; training on {splits['train'][1]} of them")
    settings = training.TrainingSettings(epochs=epochs, seed=seed, batch_size=sizes.batch_size)
    outcome = train_network(data, settings, folder / "models" / name, title=f"training {name}")
    say(f"  test: {outcome.evaluation}")
    say(f"  {outcome.images_seen} images seen in {outcome.seconds:.0f} s")
    plots.confusion_matrix(
        outcome.evaluation.confusion,
        data.class_names,
        folder / f"{name}_confusion.png",
        title=f"{name}, {outcome.evaluation.n_images} test images",
    )
    return outcome.to_dict()


def _micrograph(
    folder: Path, seed: int, sizes: DemoSettings, say: Callable[[str], None]
) -> dict[str, Any]:
    """Find and classify the particles of the real micrograph, or of a simulated field in its place.

    They are found once; then the network that comes along, which saw far more images than the demo
    shows, names them. The demo's own stands beside it for comparison, or in its place where none is
    installed.
    """
    path = sizes.micrograph
    say(f"\nmicrograph: {path}")
    if not path.is_file():
        field = micrograph.simulated_field(seed)
        image = Image(field.image, field.pixel_size_nm, title="simulated field")
        path = image.save(folder / "simulated_field.hspy")
        counts = ", ".join(f"{field.shapes.count(s)} {s}" for s in sorted(set(field.shapes)))
        say(f"  not there: a SIMULATED field of particles takes its place ({path})")
        say(f"  in truth {len(field.shapes)} particles: {counts}")
    target, own_model = folder / "micrograph", folder / "models" / "shapes"
    labels, about = _found(path, target / "found", say)
    if not _comes_along(DEFAULT_MODEL):
        say(f"  no network {DEFAULT_MODEL!r} is installed: the one just trained answers")
        answer = classify(path, model=own_model, out=target, labels=labels)
        return _told(answer, target, own_model, say) | about
    answer = classify(path, model=DEFAULT_MODEL, out=target, labels=labels)
    found = _told(answer, target, DEFAULT_MODEL, say) | about
    own = classify(path, model=own_model, out=target / "demo_network", labels=labels)
    pairs = zip(answer.shapes, own.shapes, strict=True)
    both = [(one, other) for one, other in pairs if NOT_SURE not in (one, other)]
    agree = sum(holds(one, other) for one, other in both)
    say(
        f"  the network just trained is sure of {len(own.shapes) - own.shapes.count(NOT_SURE)} of "
        f"the {len(own.shapes)}; of {len(both)} that both are sure of, they agree on {agree}"
    )
    found["demo_network"] = {"shapes": list(own.shapes), "both_sure": len(both), "agree": agree}
    return found


def _found(
    path: Path, target: Path, say: Callable[[str], None]
) -> tuple[Path, dict[str, dict[str, Any]]]:
    """Find the particles; return the file of their labels, and what there is to say."""
    found = find(path).needed()
    found.save(target)
    for line in str(found).splitlines():
        say(f"  {line}")
    mean = found.sizes.mean
    about = {
        "method": found.method,
        "count": len(found),
        "mean_diameter": mean if math.isfinite(mean) else None,
        "unit": found.unit,
    }
    return target / LABELS, {"found": about}


def _comes_along(name: str) -> bool:
    from stemfast import pretrained

    return name in pretrained.pretrained_names()


def _told(
    answer: Classification, target: Path, model: str | Path, say: Callable[[str], None]
) -> dict[str, Any]:
    say(f"  by the network {model}:")
    for line in str(answer).splitlines():
        say(f"  {line}")
    say(f"  table {target / TABLE_FILE}, picture {target / OVERLAY_FILE}")
    return {
        "shapes": list(answer.shapes),
        "not_sure_because": list(answer.doubts),
        "table": str(target / TABLE_FILE),
        "model": str(model),
    }


def run(
    directory: str | Path = "demo", *, seed: int = 0, settings: DemoSettings | None = None
) -> dict[str, Any]:
    """Simulate, train, draw, and find and classify the particles of a micrograph.

    Ctrl-C stops it at once; run again, it keeps the data sets that were complete.

    Parameters
    ----------
    directory : str or Path
        Everything is written below it; made if missing.
    seed : int
        Seed of particles, images, first weights and order of training.
    settings : DemoSettings, optional
        Sizes; the defaults take some minutes on two cores.

    Returns
    -------
    dict
        The figures, as in ``results.json``.

    Raises
    ------
    ValueError
        If a data set in `directory` was made with another seed or other settings.
    NotADirectoryError
        If `directory` is a file.

    Notes
    -----
    Below `directory`: ``data/`` (the sets), ``models/`` (the networks), ``*_examples.png``,
    ``*_confusion.png``, ``gallery/`` with ``rotation.gif``, ``micrograph/`` (table and overlay, by
    the network that comes along; ``micrograph/demo_network/`` by the one just trained;
    ``micrograph/found/`` has what `stemfast.find` writes), ``report.html`` (a batch of simulated
    fields, beside the truth), ``match/`` (its conditions), ``tilt_pair/`` (a cuboid from two
    images), ``catalysts/`` (the report of real micrographs, where they are at hand),
    ``results.json``.
    """
    from stemfast import gallery

    folder, sizes = checked_folder(directory), settings or DemoSettings()
    console = Console(highlight=False, markup=False, soft_wrap=True)
    say = console.print
    began = time.perf_counter()
    per_class = sizes.train_per_class + sizes.validation_per_class + sizes.test_per_class
    names = {"shapes": sizes.shapes_epochs, "deformed": sizes.deformed_epochs}
    images = per_class * sum(len(recipes.get(name).class_names) for name in names)
    say(
        f"stemfast demo: simulates {images} images ({images * 8192 / 1e6:.0f} MB), trains two "
        f"networks and classifies a micrograph. With the default sizes it takes about {MINUTES} "
        f"minutes on two cores. Results: {folder}/"
    )
    folder.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {"seed": seed}
    for name, epochs in names.items():
        results[name] = _learn(name, folder, seed, epochs, sizes, say)
    results["micrograph"] = _micrograph(folder, seed, sizes, say)
    model = DEFAULT_MODEL if _comes_along(DEFAULT_MODEL) else folder / "models" / "shapes"
    results["batch"] = report_batch(folder, seed, sizes.batch_fields, model, say)
    results["tilt_pair"] = tilt_pair(folder / "tilt_pair", seed, say)
    if sizes.catalysts.is_dir() and model == DEFAULT_MODEL:
        results["catalysts"] = report_real(folder / "catalysts", sizes.catalysts, say)
    say("\npictures")
    for picture in gallery.write(folder / "gallery", seed=seed):
        say(f"  {picture}")
    results["seconds"] = time.perf_counter() - began
    atomic.write_json(folder / "results.json", results)
    say(f"\ndone in {results['seconds'] / 60:.1f} minutes: {folder}/")
    return results
