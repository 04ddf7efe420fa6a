"""A micrograph in, a table and a picture of its particles' shapes out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DEFAULT_MODEL", "NOT_SURE", "Classification", "classify"]

#: Where `stemfast demo` leaves the network for shapes, seen from where it was run.
DEFAULT_MODEL = Path("demo/models/shapes")
#: What stands in the table in place of a shape that the network does not dare to name.
NOT_SURE = "not sure"
TABLE_FILE = "particles.csv"
OVERLAY_FILE = "overlay.png"


@dataclass(frozen=True)
class Classification:
    """What :func:`classify` found and wrote.

    Attributes
    ----------
    shapes : tuple of str
        Shape of each particle, or "not sure".
    table, overlay : Path
        The CSV and the picture.
    pixel_size_nm : float
        Pixel size that was used [nm].
    notes : tuple of str
        What the user should know about the reading of the file.
    """

    shapes: tuple[str, ...]
    table: Path
    overlay: Path
    pixel_size_nm: float
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        counted = ", ".join(f"{n} {shape}" for shape, n in Counter(self.shapes).most_common())
        lines = [f"note: {note}" for note in self.notes]
        lines.append(f"{len(self.shapes)} particles at {self.pixel_size_nm:.4g} nm/px: {counted}")
        lines.append(f"table {self.table}, picture {self.overlay}")
        return "\n".join(lines)


def _model_folder(model: str | Path | None) -> Path:
    folder = DEFAULT_MODEL if model is None else Path(model)
    if not (folder / "config.json").is_file():
        wanted = "run 'stemfast demo' here first, or give the folder of a network with --model"
        raise FileNotFoundError(f"{folder} holds no trained network: {wanted}")
    return folder


def classify(
    file: str | Path,
    *,
    model: str | Path | None = None,
    out: str | Path | None = None,
    pixel_size_nm: float | None = None,
    index: int | None = None,
    dataset: str | None = None,
    min_probability: float = 0.8,
) -> Classification:
    """Find the particles of a micrograph and say what shape each one is.

    A particle is "not sure" where the most probable shape stays below `min_probability`, and where
    the edge of the image cuts it, because the network learnt from whole particles.

    Parameters
    ----------
    file : str or Path
        Micrograph in any format that :func:`stemfast.micrograph.read` knows.
    model : str or Path, optional
        Folder of a network that :func:`stemfast.training.save` wrote; the demo's if None.
    out : str or Path, optional
        Folder for the results, made if missing; ``<name of the file>-shapes`` if None.
    pixel_size_nm : float, optional
        Pixel size [nm], for a file that does not say it or says it wrong.
    index : int, optional
        Which image of a stack.
    dataset : str, optional
        Title of the data set, for a file that holds several.
    min_probability : float
        Smallest probability, 0 … 1, that names a shape.

    Returns
    -------
    Classification
        Also written: ``particles.csv`` with one row per particle and ``overlay.png``.

    Raises
    ------
    FileNotFoundError
        If there is no network.
    ValueError
        If the file cannot be read, has no calibration while none is given, shows no particle, or
        an argument is out of range.
    """
    if not 0.0 <= min_probability <= 1.0:
        raise ValueError(f"min_probability is {min_probability}, expected a number of 0 … 1")
    from stemfast import micrograph

    # The file first: whoever mistyped its name should not be sent to train a network.
    image = micrograph.read(file, pixel_size_nm=pixel_size_nm, index=index, dataset=dataset)
    folder = _model_folder(model)

    from stemfast import training

    found = micrograph.find_particles(image)
    network = training.load(folder)
    size = network.model.config.image_shape[0]
    chances = network.probabilities(micrograph.crops(image, found, size=size))
    rows = micrograph.table_rows(found, network.class_names, chances)
    for row in rows:
        if row["on_border"] or float(row["probability"]) < min_probability:
            row["shape"] = NOT_SURE
    target = Path(f"{Path(file).stem}-shapes") if out is None else Path(out)
    target.mkdir(parents=True, exist_ok=True)
    shapes = tuple(str(row["shape"]) for row in rows)
    return Classification(
        shapes=shapes,
        table=micrograph.write_table(target / TABLE_FILE, rows),
        overlay=micrograph.draw_overlay(
            image,
            found,
            shapes,
            chances.max(axis=1),
            target / OVERLAY_FILE,
            class_names=(*network.class_names, NOT_SURE),
        ),
        pixel_size_nm=image.pixel_size_nm,
        notes=image.notes,
    )
