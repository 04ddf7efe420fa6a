"""Writing of sets of fields: field by field, resumable, then the formats of other programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemfast import atomic
from stemfast.dataset.fields.annotations import coco, metadata, yolo, yolo_yaml
from stemfast.dataset.fields.card import Content, card
from stemfast.dataset.fields.parquet import write_parquet
from stemfast.dataset.fields.plan import FieldPlan, Place
from stemfast.dataset.fields.record import Record, grey_levels, recorded
from stemfast.dataset.lock import alone
from stemfast.dataset.streaming.in_order import in_order, worker_processes
from stemfast.fields import Field
from stemfast.image import Image

__all__ = ["write_fields"]

_FOLDERS = ("images", "masks", "labels", "truth")


def write_fields(
    directory: str | Path,
    plan: FieldPlan,
    *,
    workers: int = 1,
    parquet: bool = False,
    advance: Callable[[int, int], None] = lambda done, made: None,
) -> Path:
    """Write what is missing of a set of fields, then its annotations and its card.

    Parameters
    ----------
    directory : str or Path
        Folder of the set; made if missing. One of the same plan is gone on with.
    plan : FieldPlan
    workers : int
        Processes that draw. Does not change a bit.
    parquet : bool
        Whether to write Parquet files, too; needs pyarrow.
    advance : callable
        Called with 1, 1 for each field written.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ValueError
        If the folder holds something else, or `workers` is not at least 1.
    FileExistsError
        If another run writes there.
    ModuleNotFoundError
        If pyarrow or, for TIFF, RosettaSciIO is needed and not installed.

    Examples
    --------
    >>> import tempfile
    >>> from stemfast.fields import FieldRecipe
    >>> recipe = FieldRecipe(kinds=("sparse",), rows=64, columns=64)
    >>> folder = write_fields(tempfile.mkdtemp(), FieldPlan(recipe, 1, {"train": (0, 2)}))
    >>> sorted(path.name for path in (folder / "images" / "train").iterdir())
    ['000000.png', '000001.png', 'metadata.jsonl']
    """
    where = Path(directory)
    if workers < 1:
        raise ValueError(f"workers is {workers}, expected at least 1")
    if parquet:
        import pyarrow.parquet  # noqa: F401 - missed before any work starts
    plan.claim(where)
    with alone(where):  # annotations are of what one writer finds there
        _write_missing(where, plan, workers, advance)
        _annotate(where, plan, parquet=parquet)
    return where


def _write_missing(
    where: Path, plan: FieldPlan, workers: int, advance: Callable[[int, int], None]
) -> None:
    for split in plan.splits:
        for kind in _FOLDERS:
            folder = where / kind / split
            folder.mkdir(parents=True, exist_ok=True)
            for leftover in folder.glob(".*.tmp"):  # of a writer that was killed
                leftover.unlink()
    missing = plan.missing(where)
    if workers == 1:
        for place in missing:
            _write_one((where, plan, place))
            advance(1, 1)
    else:
        with worker_processes(min(workers, len(missing))) as pool:
            tasks = ((where, plan, place) for place in missing)
            for _ in in_order(pool, _write_one, tasks, 4 * workers):
                advance(1, 1)


def _write_one(task: tuple[Path, FieldPlan, Place]) -> None:
    directory, plan, place = task
    field = plan.recipe.draw(plan.seed, place.index)
    picture = place.file(directory, "images", plan.ending)
    grey = None
    if plan.ending == ".png":
        pixels, grey = grey_levels(field.image)
        _write_png(picture, pixels, field)
    else:
        title = f"field {place.index} of seed {plan.seed}"
        unit = "grey levels" if field.image.dtype == np.uint8 else "electrons"
        Image(field.image, field.pixel_size_nm, unit=unit, title=title).save(picture)
    _write_mask(place.file(directory, "masks", ".tif"), field.labels)
    record = recorded(field, place, plan.ending, grey)
    atomic.write_text(place.file(directory, "labels", ".txt"), yolo(record))
    said = json.dumps(record, allow_nan=False)
    atomic.write_text(place.file(directory, "truth", ".json"), said + "\n")


def _write_png(path: Path, grey: NDArray[np.uint8], field: Field) -> None:
    from PIL import Image as Picture
    from PIL import PngImagePlugin

    notes = PngImagePlugin.PngInfo()
    notes.add_text("pixel_size_nm", repr(field.pixel_size_nm))
    with atomic.replacing(path) as temporary:
        Picture.fromarray(grey).save(temporary, format="PNG", pnginfo=notes)


def _write_mask(path: Path, labels: NDArray[np.int32]) -> None:
    from PIL import Image as Picture

    with atomic.replacing(path) as temporary:
        Picture.fromarray(labels).save(temporary, format="TIFF", compression="tiff_deflate")


def _records(directory: Path, plan: FieldPlan, split: str) -> Iterator[Record]:
    for place in plan.places(split):
        found: Record = json.loads(
            place.file(directory, "truth", ".json").read_text(encoding="utf-8")
        )
        yield found


def _annotate(directory: Path, plan: FieldPlan, *, parquet: bool) -> None:
    (directory / "annotations").mkdir(exist_ok=True)
    said = f"simulated fields of nanoparticles, seed {plan.seed}"
    content = Content()
    for split in plan.splits:
        lines: list[str] = []
        passing = _noted(_records(directory, plan, split), lines, content)
        found: dict[str, Any] = coco(passing, licence=plan.licence, description=said)
        atomic.write_text(directory / "annotations" / f"{split}.json", json.dumps(found))
        atomic.write_text(directory / "images" / split / "metadata.jsonl", "".join(lines))
        if parquet:
            write_parquet(directory, split, _records(directory, plan, split))
    atomic.write_text(directory / "data.yaml", yolo_yaml(plan.splits))
    text = card(plan, content, directory.name, parquet=parquet)
    atomic.write_text(directory / "README.md", text)


def _noted(records: Iterator[Record], lines: list[str], content: Content) -> Iterator[Record]:
    """Pass records on, and note on the way what the other files say of them."""
    for record in records:
        lines.append(json.dumps(metadata(record)) + "\n")
        content.add(record)
        yield record
