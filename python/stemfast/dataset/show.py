"""A labelled contact sheet of a data set."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill

import numpy as np

from stemfast.dataset.read import Dataset

__all__ = ["contact_sheet"]

_LINE = 26  # letters that fit over an image


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
