"""Descriptions of a data set: a summary in text and a contact sheet of its images."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np

from stemfast.dataset import folder
from stemfast.dataset.manifest import Header, flat_settings, resume_command
from stemfast.dataset.plan import in_bytes
from stemfast.dataset.read import Dataset
from stemfast.dataset.splits import cut

__all__ = ["contact_sheet", "describe", "facts", "headline"]

_CLASSES = 12  # class names listed
_LINE = 26  # letters that fit over an image


def headline(header: Header, n_shards: int) -> str:
    """Two lines: what images, how many of which split, in how many files."""
    shape = " x ".join(map(str, header.image_shape[-2:]))
    views = f" of {header.image_shape[0]} views" if len(header.image_shape) == 3 else ""
    splits = ", ".join(f"{name} {stop - start}" for name, (start, stop) in header.splits.items())
    return (
        f"{header.recipe}: {header.n_images} images{views}, {shape} px of "
        f"{header.pixel_size_nm:.4g} nm, {header.dtype}, {len(header.class_names)} classes, "
        f"seed {header.seed}\n"
        f"{splits}; {n_shards} shards of up to {header.shard_images} images"
    )


def describe(directory: str | Path) -> str:
    """Say what a data set is, how large, whether it is complete, and with what settings.

    Raises
    ------
    FileNotFoundError
        If there is no data set.
    ValueError
        If its files cannot be read.
    """
    where = Path(directory)
    header, n_shards, lacking, n_bytes = _state(where)
    size = in_bytes(n_bytes)
    state = (
        f"complete, {size}"
        if not lacking
        else f"NOT complete: {lacking} of {n_shards} shards are missing, {size} are there; "
        f"write them with: {resume_command(where)}"
    )
    shown = ", ".join(header.class_names[:_CLASSES])
    more = len(header.class_names) - _CLASSES
    lines = [
        headline(header, n_shards),
        state,
        f"classes: {shown}{f' and {more} more' if more > 0 else ''}",
        f"written by stemfast {header.stemfast_version}",
        "settings:",
        *(f"  {name} = {value}" for name, value in flat_settings(header.settings).items()),
    ]
    return "\n".join(lines)


def facts(directory: str | Path) -> dict[str, Any]:
    """Facts about a data set for other programs: settings, shards that are there, bytes.

    Raises
    ------
    FileNotFoundError, ValueError
        As for `describe`.
    """
    header, n_shards, lacking, n_bytes = _state(Path(directory))
    return header.model_dump(mode="json") | {
        "images": header.n_images,
        "shards": n_shards,
        "missing": lacking,
        "bytes": n_bytes,
    }


def _state(where: Path) -> tuple[Header, int, int, int]:
    """Settings of a data set, number of shards, of missing ones, and bytes that are there."""
    header = folder.header(where)
    shards = tuple(cut(header.splits, header.shard_images))
    found = [entry for entry in folder.entries(where, shards) if entry is not None]
    n_bytes = sum(entry.n_bytes for entry in found)
    return header, len(shards), len(shards) - len(found), n_bytes


def contact_sheet(
    data: Dataset, path: str | Path, *, count: int | None = None, first: int = 0, columns: int = 6
) -> Path:
    """Draw images of a data set with their classes.

    Parameters
    ----------
    data : Dataset
        Opened with :func:`stemfast.dataset.open`.
    path : str or Path
        Picture to write (.png, .pdf, .svg).
    count : int, optional
        Samples to show, from number `first` on; 24, or 8 where a sample is several views of a
        particle, which stand side by side. Neighbours have different classes, so that a few show
        them all.
    first : int
        Number of the first sample shown.
    columns : int
        Images in a row.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ValueError
        If there is no such sample, or the file's ending is unknown.
    """
    from stemfast import plots

    views = 1 if len(data.manifest.image_shape) == 2 else data.manifest.image_shape[0]
    if count is None:
        count = 24 if views == 1 else 8
    if not 0 <= first < len(data) or count < 1:
        raise ValueError(
            f"first, count is {first}, {count}: expected samples out of 0 to {len(data) - 1}"
        )
    samples = data[first : min(first + count, len(data))]
    images = list(samples.images)
    titles = [fill(data.class_names[k], _LINE) for k in np.atleast_1d(samples.labels)]
    if views > 1:
        images = [view for sample in images for view in sample]
        titles = [title if k == 0 else "" for title in titles for k in range(views)]
        columns = views * max(1, columns // views)
    return plots.gallery(
        images,
        titles,
        path,
        pixel_size_nm=data.pixel_size_nm,
        columns=columns,
        title=f"{data.manifest.recipe}: {len(data)} images",
    )
