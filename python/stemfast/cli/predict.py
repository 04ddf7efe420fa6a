"""``stemfast predict``: what a network says of images in files."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from stemfast.cli.evaluate import open_network

AT_ONCE = 4096  # images of a data set in memory


def predict(
    model: Annotated[
        str, typer.Argument(metavar="NAME|FOLDER", help="A network that comes along, or a run's.")
    ],
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="Images: .npy, a data set's folder, or a micrograph's format."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Write the table here, not to the screen.")
    ] = None,
    min_probability: Annotated[
        float, typer.Option(metavar="P", help="Below this probability the answer is 'not sure'.")
    ] = 0.0,
) -> None:
    """Say which class each image is of, and with what probability.

    Example: [bold]stemfast predict count crops.npy[/bold]

    Images are single particles of the size that the network was trained for. A novelty above 1
    says that an image looks unlike all that the network learnt from. To find the particles of a
    micrograph first, use [bold]stemfast classify[/bold].
    """
    if not 0.0 <= min_probability <= 1.0:
        raise ValueError(f"min_probability is {min_probability}, expected a number of 0 … 1")
    if out is not None and out.exists():
        raise FileExistsError(f"{out} exists already: choose another --out")
    if out is not None and not out.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {out.parent} for --out {out}")
    network = open_network(model)
    for file in files:
        if not file.exists():
            raise ValueError(f"{file}: there is no such file")
    knows = getattr(network, "novelty_model", None) is not None
    rows: list[list[object]] = []
    for file in files:
        index = 0
        for images in _images(file):
            try:
                said = network.predict(images)
            except (ValueError, TypeError) as error:
                raise type(error)(f"{file}: {error}") from error
            strange = network.novelty(images) if knows else [None] * len(said)
            for name, chances, new in zip(said.names, said.probabilities, strange, strict=True):
                sure = chances.max() >= min_probability
                shares = [f"{chance:.4f}" for chance in chances]
                shares += [] if new is None else [f"{new:.3f}"]
                rows.append([str(file), index, name if sure else "not sure", *shares])
                index += 1
    header = ["file", "image", "class", *network.class_names, *(["novelty"] if knows else [])]
    if out is None:
        writer = csv.writer(typer.get_text_stream("stdout"), lineterminator="\n")
        writer.writerows([header, *rows])
        return
    from stemfast import atomic

    with atomic.replacing(out) as temporary, temporary.open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([header, *rows])
    typer.echo(f"{len(rows)} images: {out}")


def _images(file: Path) -> Iterator[Any]:
    """Images (N, H, W) of a file or a data set, portion by portion."""
    import numpy as np

    if file.is_dir():
        from stemfast import dataset

        data = dataset.open(file)
        for start in range(0, len(data), AT_ONCE):
            yield data[start : start + AT_ONCE].images
        return
    if file.suffix == ".npy":
        try:
            array = np.load(file, allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise ValueError(f"{file} is not an array that NumPy wrote: {error}") from error
        yield array[None] if array.ndim == 2 else array
        return
    from stemfast import micrograph

    # The network takes the pixels as they are: a file need not say how large they are.
    yield np.asarray(micrograph.read(file, pixel_size_nm=1.0).image)[None]
