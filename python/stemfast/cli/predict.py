"""``stemfast predict``: what a network says of images in files."""

from __future__ import annotations

import csv
import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from stemfast.cli.evaluate import open_network
from stemfast.cli.options import AsJson, say_results
from stemfast.tables import counted

if TYPE_CHECKING:
    from stemfast.pretrained import Prediction
    from stemfast.pretrained.prediction_sets import SetThresholds

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
    pixel_size: Annotated[
        float | None,
        typer.Option(
            metavar="NM",
            help="Pixel size of the images. Default: what a data set or a micrograph says.",
        ),
    ] = None,
    sets: Annotated[
        float | None,
        typer.Option(
            metavar="COVERAGE",
            help="Also write the set of classes that holds the right one with this frequency, such "
            "as 0.9.",
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Say which class each image is of, and with what probability.

    Example: [bold]stemfast predict count crops.npy --pixel-size 0.125[/bold]

    Images show single particles, brighter than the film. With a pixel size, images of any size are
    brought to the one that the network was trained for, and what was done is said; without, they
    must have the size that it was trained for. A novelty above 1 says that an image looks unlike
    all that the network learnt from. To find the particles of a micrograph first, use
    [bold]stemfast classify[/bold].
    """
    if not 0.0 <= min_probability <= 1.0:
        raise ValueError(f"min_probability is {min_probability}, expected a number of 0 … 1")
    if out is not None and out.exists():
        raise FileExistsError(f"{out} exists already: choose another --out")
    if out is not None and not out.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {out.parent} for --out {out}")
    if pixel_size is not None:
        from stemfast.pretrained.sampling import check_pixel_size

        check_pixel_size(pixel_size)
    network = open_network(model)
    thresholds = None if sets is None else _thresholds(model, network, sets)
    for file in files:
        if not file.exists():
            raise ValueError(f"{file}: there is no such file")
    knows = getattr(network, "novelty_model", None) is not None
    rows: list[list[object]] = []
    for file in files:
        index, told = 0, set()
        for images, own_size in _images(file):
            said = _answer(network, file, images, pixel_size, own_size)
            for note in said.notes:
                if note not in told:
                    typer.echo(f"{file}: {note}", err=True)
                told.add(note)
            chosen = None
            if thresholds is not None and sets is not None:
                chosen = thresholds.sets(said.probabilities, sets)
            for row, (name, chances) in enumerate(zip(said.names, said.probabilities, strict=True)):
                sure = chances.max() >= min_probability
                cells = [f"{chance:.4f}" for chance in chances]
                cells += [] if said.novelty is None else [f"{said.novelty[row]:.3f}"]
                if chosen is not None:
                    cells.append("|".join(np.array(said.class_names)[chosen[row]]))
                rows.append([str(file), index, name if sure else "not sure", *cells])
                index += 1
    header = ["file", "image", "class", *network.class_names, *(["novelty"] if knows else [])]
    header += [] if sets is None else [f"set_{100 * sets:g}"]
    if json:
        records = [_record(header, row, with_set=sets is not None) for row in rows]
        say_results(records, counted(len(rows), "image"), as_json=True)
        if out is None:
            return
    if out is None:
        writer = csv.writer(typer.get_text_stream("stdout"), lineterminator="\n")
        writer.writerows([header, *rows])
        return
    from stemfast import atomic

    with atomic.replacing(out) as temporary, temporary.open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([header, *rows])
    typer.echo(f"{counted(len(rows), 'image')}: {out}", err=json)


def _record(header: list[str], row: list[object], *, with_set: bool) -> dict[str, object]:
    """One row of the table with numbers as numbers, the set of classes as a list.

    Examples
    --------
    >>> header = ["file", "image", "class", "cube", "rod", "set_90"]
    >>> _record(header, ["a.npy", 0, "not sure", "0.5000", "0.5000", ""], with_set=True)
    {'file': 'a.npy', 'image': 0, 'class': 'not sure', 'cube': 0.5, 'rod': 0.5, 'set_90': []}
    """
    numbers = row[3:-1] if with_set else row[3:]
    cells = [*row[:3], *(float(str(number)) for number in numbers)]
    if with_set:
        cells.append([name for name in str(row[-1]).split("|") if name])
    return dict(zip(header, cells, strict=True))


def _thresholds(name: str, network: Any, coverage: float) -> SetThresholds:
    """Thresholds of the network's sets, after a look at the coverage."""
    if not hasattr(network, "thresholds"):
        raise ValueError(
            f"--sets: {name} was made by transfer learning, expected a network of 'stemfast train'"
        )
    try:
        known: SetThresholds = network.thresholds()
        known.least(coverage)
    except ValueError as error:
        raise ValueError(f"--sets: {error}") from error
    return known


def _answer(
    network: Any, file: Path, images: Any, given: float | None, known: float | None
) -> Prediction:
    """Prediction of the network, with its warnings among the notes.

    Parameters
    ----------
    given, known : float or None
        Pixel size that the user gives, and that the file says [nm].
    """
    size = given if given is not None else _worth_resampling(network, images, known)
    try:
        if size is None:
            plain: Prediction = network.predict(images)
            return plain
        if not hasattr(network, "resampled"):
            raise ValueError(
                "a network made by transfer learning reads images as they are, expected no "
                "--pixel-size"
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            said: Prediction = network.predict(images, pixel_size_nm=size)
            return said
    except (ValueError, TypeError) as error:
        raise type(error)(f"{file}: {error}") from error


def _worth_resampling(network: Any, images: Any, known: float | None) -> float | None:
    """The pixel size that a file says, None where the network reads its images as they are."""
    learnt = getattr(network, "learnt", None)
    if known is None or learnt is None:
        return None
    same = images.shape[1:] == learnt.shape and math.isclose(
        known, learnt.pixel_size_nm, rel_tol=0.02
    )
    return None if same else known


def _images(file: Path) -> Iterator[tuple[Any, float | None]]:
    """Images (N, H, W) of a file or a data set, portion by portion, and their pixel size [nm]."""
    if file.is_dir():
        from stemfast import dataset

        data = dataset.open(file)
        for start in range(0, len(data), AT_ONCE):
            yield data[start : start + AT_ONCE].images, data.manifest.header.pixel_size_nm
        return
    if file.suffix == ".npy":
        try:
            array = np.load(file, allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise ValueError(f"{file} is not an array that NumPy wrote: {error}") from error
        yield array[None] if array.ndim == 2 else array, None
        return
    from stemfast.micrograph.files.read import read_image

    read = read_image(file)
    yield np.asarray(read.image)[None], read.pixel_size_nm
