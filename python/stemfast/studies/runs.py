"""Comparison of finished training runs by variant, images, seed and accuracy.

One table and one picture serve an ablation (the same budget, another variant), the spread over
seeds, and the accuracy against the number of training images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from stemfast import atomic
from stemfast.models.config import Variant
from stemfast.pretrained.shipped import load_pretrained, pretrained_names
from stemfast.pretrained.store import CONFIG_FILE, read_config
from stemfast.training.experiment import Experiment

__all__ = ["Runs", "TrainingRun", "read", "write"]

FORMAT = "stemfast runs 1"
#: Settings of an experiment that do not make it another kind: what runs are compared over, what
#: they are called, and how they are watched and judged.
_NOT_OF_KIND = ("name", "seed", "images", "validation_images", "test_images", "evaluations")
_SHORT = {"model.variant": "{}", "start_from": "from {}", "model.blocks": "{} blocks"}


@dataclass(frozen=True)
class TrainingRun:
    """Record of a finished training run.

    Attributes
    ----------
    name : str
        Of its folder.
    kind : str
        Variant of the network, and whatever else sets runs apart besides seed and images.
    images : int
        Training images seen, none twice.
    seconds : float
        Training took [s].
    seed : int
        Of images, first weights and symmetries.
    parameters : int
        Weights of the network.
    balanced_accuracy : float
        On test images.
    interval : (float, float)
        Its 95 % interval.
    within_one : float or None
        Share at most one off, where classes are numbers.
    test_images : int
        How many.
    machine : str
        What it was trained on.
    """

    name: str
    kind: str
    images: int
    seconds: float
    seed: int
    parameters: int
    balanced_accuracy: float
    interval: tuple[float, float]
    within_one: float | None
    test_images: int
    machine: str


@dataclass(frozen=True)
class Runs:
    """Finished runs of one task, by kind, images and seed.

    Attributes
    ----------
    task : str
        Name of the recipe.
    conditions : str
        Of its images.
    chance : float
        Accuracy of guessing.
    rows : tuple of TrainingRun
    """

    task: str
    conditions: str
    chance: float
    rows: tuple[TrainingRun, ...]

    def __str__(self) -> str:
        """Markdown, aligned so that it reads well as plain text too."""
        head = ["network", "images", "seconds", "seed", "weights", "balanced accuracy", "interval"]
        near = any(row.within_one is not None for row in self.rows)
        cells = [head + ["within one"] * near]
        for row in self.rows:
            low, high = (f"{100 * end:.2f}" for end in row.interval)
            line = [row.kind, f"{row.images:,}", f"{row.seconds:,.0f}", str(row.seed)]
            line += [f"{row.parameters:,}", f"{100 * row.balanced_accuracy:.2f} %"]
            line += [f"{low} … {high}"]
            if near:
                line += ["–" if row.within_one is None else f"{100 * row.within_one:.2f} %"]
            cells.append(line)
        widths = [max(len(line[k]) for line in cells) for k in range(len(cells[0]))]
        lines = [
            f"| {line[0].ljust(widths[0])} | "
            + " | ".join(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))
            + " |"
            for line in cells
        ]
        rule = [
            "-" * (widths[0] + 2),
            *("-" * (width + 1) + ":" for width in widths[1:]),
        ]
        lines.insert(1, "|" + "|".join(rule) + "|")
        spread = "\n".join(self._spreads())
        return "\n".join(lines) + (f"\n\n{spread}" if spread else "")

    def _spreads(self) -> list[str]:
        """Spread over seeds, for each kind and budget that has several."""
        said = []
        for (kind, images), rows in self.grouped().items():
            if len(rows) > 1:
                scores = [100 * row.balanced_accuracy for row in rows]
                said.append(
                    f"{kind}, {images:,} images, {len(rows)} seeds: {min(scores):.2f} % to "
                    f"{max(scores):.2f} %, mean {sum(scores) / len(scores):.2f} %"
                )
        return said

    def grouped(self) -> dict[tuple[str, int], list[TrainingRun]]:
        """Runs by kind and images: those of a group differ in nothing but their seed."""
        found: dict[tuple[str, int], list[TrainingRun]] = {}
        for row in self.rows:
            found.setdefault((row.kind, row.images), []).append(row)
        return found

    def to_dict(self) -> dict[str, Any]:
        """The same, of plain Python types for JSON."""
        return {
            "format": FORMAT,
            "task": self.task,
            "conditions": self.conditions,
            "chance": self.chance,
            "runs": [{**asdict(row), "interval": list(row.interval)} for row in self.rows],
        }


def from_dict(record: dict[str, Any]) -> Runs:
    """The runs that were written as :meth:`Runs.to_dict`."""
    rows = [
        TrainingRun(**{**row, "interval": (row["interval"][0], row["interval"][1])})
        for row in record["runs"]
    ]
    return Runs(record["task"], record["conditions"], record["chance"], tuple(rows))


def read(names: Sequence[str | Path]) -> Runs:
    """Read the records of finished runs.

    Parameters
    ----------
    names : sequence of str or Path
        Folders that ``stemfast train`` finished, or names of networks that come along.

    Raises
    ------
    FileNotFoundError
        If a folder holds no trained network.
    ValueError
        If there are none, one is not by ``stemfast train``, one is named twice, or they are not
        of the same images.
    """
    if not names:
        raise ValueError("names is empty, expected at least one finished run")
    cards = {str(name): _card(name) for name in names}
    if len(cards) < len(names):
        raise ValueError(f"names is {', '.join(map(str, names))}: each run must be named once")
    first, *others = cards
    for other in others:
        changed = _differing(_flat(cards[first]["recipe"]), _flat(cards[other]["recipe"]))
        same = cards[first]["experiment"]["recipe"] == cards[other]["experiment"]["recipe"]
        if changed or not same:
            what = "the recipe" if not same else changed[0]
            raise ValueError(
                f"{first} and {other} learnt from different images ({what} differs): compare runs "
                "of one task in the same conditions"
            )
    settings = {name: _of_kind(card["experiment"]) for name, card in cards.items()}
    telling = {key for name in others for key in _differing(settings[first], settings[name])}
    telling = {"model.variant"} | {key for key in telling if not key.startswith("recipe")}
    rows = [
        TrainingRun(
            name=Path(name).name,
            kind=_kind(settings[name], telling),
            images=card["images_seen"],
            seconds=card["seconds"],
            seed=card["experiment"]["seed"],
            parameters=card["parameters"],
            balanced_accuracy=card["test"]["balanced_accuracy"],
            interval=(card["test"]["balanced_interval"][0], card["test"]["balanced_interval"][1]),
            within_one=card["test"]["within_one"],
            test_images=card["test"]["images"],
            machine=f"{card['machine']['devices']} ({card['machine']['processor']}, "
            f"{card['machine']['cores']} cores)",
        )
        for name, card in cards.items()
    ]
    order = sorted(rows, key=lambda row: (_place(row.kind), row.kind, row.images, row.seed))
    task = cards[first]["experiment"]["recipe"]
    classes = len(cards[first]["test"]["class_names"])
    return Runs(task, cards[first]["recipe"]["conditions"], 1.0 / classes, tuple(order))


def _card(name: str | Path) -> dict[str, Any]:
    """The records of one finished run."""
    folder = Path(name)
    if not (folder / CONFIG_FILE).is_file() and str(name) in pretrained_names():
        card: dict[str, Any] = load_pretrained(str(name)).card
    else:
        card = read_config(folder, keys={"card": dict})["card"]
    missing = [key for key in ("experiment", "recipe", "test", "images_seen") if key not in card]
    if missing:
        raise ValueError(
            f"{name} was not finished by 'stemfast train': its {CONFIG_FILE} lacks "
            f"{', '.join(missing)}"
        )
    return card


def _flat(settings: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Nested settings by dotted name."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{before}{key}.")
        else:
            found[before + key] = value
    return found


def _of_kind(experiment: dict[str, Any]) -> dict[str, Any]:
    # A card written before a setting existed stands for its default.
    known = {key: value for key, value in experiment.items() if key in Experiment.model_fields}
    if known["model"].get("reader"):  # older cards say that symmetries were shown: they never were
        known["symmetries"] = False
    flat = _flat(Experiment.model_validate(known).model_dump(mode="json"))
    return {key: value for key, value in flat.items() if key not in _NOT_OF_KIND}


def _differing(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    return [key for key in {**one, **other} if one.get(key) != other.get(key)]


def _kind(settings: dict[str, Any], telling: set[str]) -> str:
    """Variant first, then whatever else tells the runs apart."""
    words = []
    for key in sorted(telling, key=lambda key: (key != "model.variant", key)):
        value = settings.get(key)
        if value is None:
            continue
        if isinstance(value, list):
            value = "–".join(map(str, value)) or "none"
        form = _SHORT.get(key, f"{key.rpartition('.')[2].replace('_', ' ')} {{}}")
        words.append(form.format(value))
    return ", ".join(words)


def _place(kind: str) -> int:
    """Variants in the order in which they build on each other."""
    return list(get_args(Variant)).index(kind.partition(",")[0])


def write(folder: Path, found: Runs, *, more: dict[str, Any] | None = None) -> list[Path]:
    """Write ``runs.json``, ``runs.md`` and, if matplotlib is there, ``runs.png``.

    Parameters
    ----------
    folder : Path
        Made if missing.
    found : Runs
        What to show.
    more : dict, optional
        What else to put into the JSON.

    Returns
    -------
    list of Path
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / "runs.json", folder / "runs.md"]
    atomic.write_json(files[0], {**found.to_dict(), **(more or {})})
    atomic.write_text(files[1], f"{found}\n")
    try:
        from stemfast.studies import run_pictures
    except ImportError:
        return files
    run_pictures.draw(found, folder / "runs.png")
    return [*files, folder / "runs.png"]
