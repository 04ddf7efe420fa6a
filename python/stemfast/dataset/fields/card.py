"""Card of a set of fields: ``README.md``, as people and Hugging Face read it."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass, field
from importlib.metadata import version

from stemfast.dataset.fields.plan import FieldPlan
from stemfast.dataset.fields.record import Record

__all__ = ["Content", "card", "command"]


def command(plan: FieldPlan, directory: str) -> str:
    r"""The command that makes this set again.

    Examples
    --------
    >>> from stemfast.fields import FieldRecipe
    >>> recipe = FieldRecipe(kinds=("sparse",), rows=64, columns=64)
    >>> print(command(FieldPlan(recipe, 1, {"train": (0, 5)}), "fields"))
    stemfast dataset fields fields --splits train:5 --seed 1 \
        --set 'kinds=["sparse"]' --set rows=64 --set columns=64
    """
    splits = ",".join(f"{name}:{stop - start}" for name, (start, stop) in plan.splits.items())
    first = ["stemfast", "dataset", "fields", directory, "--splits", splits]
    first += ["--seed", str(plan.seed)]
    if plan.ending != ".png":
        first += ["--images", plan.ending.lstrip(".")]
    if plan.licence != FieldPlan.licence:
        first += ["--licence", plan.licence]
    default = type(plan.recipe)().model_dump(mode="json")
    sets = [
        f"--set {shlex.quote(f'{name}={_toml(value)}')}"
        for name, value in _changed(plan.recipe.model_dump(mode="json"), default)
    ]
    return shlex.join(first) + (" \\\n    " + " ".join(sets) if sets else "")


def _changed(own: dict[str, object], default: dict[str, object]) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for name, value in own.items():
        before = default[name]
        if isinstance(value, dict) and isinstance(before, dict):
            found += [(f"{name}.{inner}", v) for inner, v in _changed(value, before)]
        elif value != before:
            found.append((name, value))
    return found


def _toml(value: object) -> str:
    """Number, text or list as TOML and `--set` write it."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


@dataclass
class Content:
    """Counts of what a set holds: fields by kind, particles, visible particles."""

    kinds: Counter[str] = field(default_factory=Counter)
    particles: int = 0
    visible: int = 0

    def add(self, record: Record) -> None:
        """Count one field."""
        self.kinds[record["kind"]] += 1
        self.particles += len(record["particles"]["label"])
        self.visible += sum(record["particles"]["visible"])


def card(plan: FieldPlan, content: Content, directory: str, *, parquet: bool) -> str:
    """Text of the card: what it is, how it was made, files, licence, how to load it."""
    rows, columns = plan.recipe.shape
    table = "\n".join(f"| {kind} | {count} |" for kind, count in sorted(content.kinds.items()))
    splits = ", ".join(f"{name} {stop - start}" for name, (start, stop) in plan.splits.items())
    more = "| `parquet/SPLIT.parquet` | all of it for `datasets` |\n" if parquet else ""
    configs = "\n".join(f"  - split: {name}\n    path: images/{name}/**" for name in plan.splits)
    return _CARD.format(
        licence=plan.licence.lower(),
        licence_name=plan.licence,
        configs=configs,
        n=plan.n_fields,
        rows=rows,
        columns=columns,
        splits=splits,
        particles=content.particles,
        visible=content.visible,
        table=table,
        more=more,
        ending=plan.ending,
        version=version("stemfast"),
        command=command(plan, directory),
    )


_CARD = """---
license: {licence}
task_categories:
- object-detection
- image-segmentation
tags:
- electron-microscopy
- nanoparticles
- simulation
configs:
- config_name: default
  data_files:
{configs}
---

# Simulated fields of nanoparticles

{n} images of {rows} x {columns} px ({splits}), as electron microscopes give them, with
{particles} particles, {visible} of them visible. Every number is known, since every image is
simulated; no real image is in the set.

| kind of field | images |
|---|---|
{table}

## How it was made

By stemfast {version}. Particles and supports are solids whose thickness along the beam is exact;
dark field is what thickness scatters onto an annulus, bright field what it leaves in an aperture,
with a probe, Poisson counts, and what files of a laboratory hold: stretched grey levels, JPEG
blocks, letters, frames, dead pixels. Brightness of particles, phase-contrast grain and lattice
fringes are randomisation, not physics.

```sh
{command}
```

The same command writes the same set; JPEG blocks come from the JPEG library that is installed.

## Files

| file | content |
|---|---|
| `images/SPLIT/000000{ending}` | image |
| `masks/SPLIT/000000.tif` | number of the particle that each pixel shows, int32, 0 for none |
| `truth/SPLIT/000000.json` | everything known: classes, sizes [nm], outlines, corners, visibility |
| `annotations/SPLIT.json` | COCO: visible particles, polygons, boxes, key points |
| `labels/SPLIT/000000.txt`, `data.yaml` | YOLO: boxes of visible particles |
| `images/SPLIT/metadata.jsonl` | `datasets.load_dataset("imagefolder", data_dir="images")` |
{more}
A particle is visible where its signal is five times its noise, its contrast stands out of its
support's structure, and enough of it is not covered. Boxes and polygons are of its whole projection
in the image; masks hold the parts that no other particle lies over.

## Licence

{licence_name}. The images are output of stemfast, without anyone's measured data.
"""
