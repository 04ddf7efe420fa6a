"""What a data set is, in words."""

from __future__ import annotations

from pathlib import Path

from stemfast.dataset import folder
from stemfast.dataset.estimate import in_bytes
from stemfast.dataset.manifest import Header, flat_settings, resume_command
from stemfast.dataset.splits import cut

__all__ = ["describe", "headline"]

_CLASSES = 12


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
    header = folder.header(where)
    shards = tuple(cut(header.splits, header.shard_images))
    found = [entry for entry in folder.entries(where, shards) if entry is not None]
    size = in_bytes(sum(entry.n_bytes for entry in found))
    lacking = len(shards) - len(found)
    state = (
        f"complete, {size}"
        if not lacking
        else f"NOT complete: {lacking} of {len(shards)} shards are missing, {size} are there; "
        f"write them with: {resume_command(where)}"
    )
    shown = ", ".join(header.class_names[:_CLASSES])
    more = len(header.class_names) - _CLASSES
    lines = [
        headline(header, len(shards)),
        state,
        f"classes: {shown}{f' and {more} more' if more > 0 else ''}",
        f"written by stemfast {header.stemfast_version}",
        "settings:",
        *(f"  {name} = {value}" for name, value in flat_settings(header.settings).items()),
    ]
    return "\n".join(lines)
