"""A micrograph in, a table and a picture of its particles' shapes out."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stemfast.micrograph.families import families_of, names_of
from stemfast.micrograph.table import CUT, NOT_SURE, UNDECIDED, UNLIKE

if TYPE_CHECKING:
    from stemfast.finding import Found
    from stemfast.finding.source import Source
    from stemfast.micrograph import FoundParticles, Micrograph
    from stemfast.pretrained import TrainedClassifier

__all__ = [
    "DEFAULT_MODEL",
    "NOT_SURE",
    "Classification",
    "Named",
    "checked_limits",
    "classify",
    "known_model",
    "load_model",
    "named",
]

#: The network that comes along for this.
DEFAULT_MODEL = "open-shapes"
_FEW_NAMES = 6  # in a legend that also shows what does not occur
TABLE_FILE = "particles.csv"
OVERLAY_FILE = "overlay.png"


@dataclass(frozen=True)
class Classification:
    """Results of :func:`classify` and the files it wrote.

    Attributes
    ----------
    shapes : tuple of str
        Shape or family of shapes of each particle, or "not sure".
    doubts : tuple of str
        Why each particle is not sure: "cut by the edge", "unlike anything learnt", "low
        probability"; "" where it is sure.
    table, overlay : Path
        The CSV and the picture.
    pixel_size_nm : float
        Pixel size that was used [nm].
    notes : tuple of str
        What the user should know about the reading of the file.
    """

    shapes: tuple[str, ...]
    doubts: tuple[str, ...]
    table: Path
    overlay: Path
    pixel_size_nm: float
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        counted = ", ".join(f"{n} {shape}" for shape, n in Counter(self.shapes).most_common())
        lines = [f"note: {note}" for note in self.notes]
        lines.append(f"{len(self.shapes)} particles at {self.pixel_size_nm:.4g} nm/px: {counted}")
        why = Counter(doubt for doubt in self.doubts if doubt)
        if why:
            lines.append("not sure: " + ", ".join(f"{n} {doubt}" for doubt, n in why.most_common()))
        lines.append(f"table {self.table}, picture {self.overlay}")
        return "\n".join(lines)


def classify(
    file: str | Path,
    *,
    model: str | Path = DEFAULT_MODEL,
    out: str | Path | None = None,
    pixel_size_nm: float | None = None,
    scale_bar_nm: float | None = None,
    contrast: str = "auto",
    method: str = "auto",
    labels: str | Path | None = None,
    index: int | None = None,
    dataset: int | str | None = None,
    min_probability: float = 0.8,
    max_novelty: float = 1.0,
) -> Classification:
    """Find the particles of a micrograph and say what shape each one is.

    A particle is "not sure" where the edge of the image cuts it, because the network learnt from
    whole particles; where it looks unlike anything that the network learnt from; and where the
    most probable shape stays below `min_probability`, unless those of one family of shapes
    together reach it: then the family is named (`stemfast.micrograph.families`).

    Parameters
    ----------
    file : str or Path
        Micrograph in any format that :func:`stemfast.micrograph.read` knows.
    model : str or Path
        A network that comes along (:func:`stemfast.pretrained.pretrained_names`), or the folder of
        one that :func:`stemfast.pretrained.save` wrote.
    out : str or Path, optional
        Folder for the results, made if missing; ``<name of the file>-shapes`` if None. Results of
        an earlier run are replaced once the new ones are complete.
    pixel_size_nm : float, optional
        Pixel size [nm], for a file that does not say it or says it wrong.
    scale_bar_nm : float, optional
        What the scale bar in the image stands for [nm], in place of `pixel_size_nm`.
    contrast, method : str
        Of the particles, and who finds them; see :func:`stemfast.find`.
    labels : str or Path, optional
        A label image of particles that are known, such as ``labels.tif`` of ``stemfast find``,
        corrected by hand.
    index : int, optional
        Which image of a stack.
    dataset : int or str, optional
        Number or title of the data set, for a file that holds several.
    min_probability : float
        Smallest probability, 0 … 1, that names a shape or a family of shapes.
    max_novelty : float
        Largest novelty (:meth:`stemfast.pretrained.TrainedClassifier.novelty`) that names a shape;
        of images like the learnt ones, about one in a hundred is above 1. ``inf`` to name them
        all.

    Returns
    -------
    Classification
        Also written: ``particles.csv`` with one row per particle and ``overlay.png``.

    Raises
    ------
    FileNotFoundError
        If there is no such file, or no network in the folder.
    FileExistsError, NotADirectoryError
        If `out` is a file.
    ValueError
        If the file cannot be read, has no calibration while none is given, shows no particle, the
        network is not one for single images, or an argument is out of range.
    """
    checked_limits(min_probability, max_novelty)
    source = Path(file)
    if not source.exists():
        raise FileNotFoundError(f"there is no file {source}")
    target = Path(f"{source.stem}-shapes") if out is None else Path(out)
    if target.exists() and not target.is_dir():
        raise FileExistsError(f"out is {target}, which is a file; expected a folder")
    known_model(model)
    from stemfast.finding.source import source_of

    opened = source_of(
        source, pixel_size_nm, scale_bar_nm=scale_bar_nm, index=index, dataset=dataset
    )
    answer = named(
        opened,
        lambda: load_model(model),
        contrast=contrast,
        method=method,
        labels=labels,
        min_probability=min_probability,
        max_novelty=max_novelty,
    )
    rows = answer.rows
    legend = (*answer.class_names, *families_of(answer.class_names))
    _write(target, opened.micrograph(), answer.particles, rows, legend)
    return Classification(
        shapes=tuple(str(row["shape"]) for row in rows),
        doubts=answer.doubts,
        table=target / TABLE_FILE,
        overlay=target / OVERLAY_FILE,
        pixel_size_nm=answer.particles.pixel_size_nm,
        notes=answer.notes,
    )


@dataclass(frozen=True, eq=False)
class Named:
    """The particles of one image with their shapes.

    Attributes
    ----------
    found : Found
        What was found in the image.
    particles : FoundParticles
        The same, as networks take it.
    class_names : tuple of str
        Names of the shapes that the network knows.
    rows : list of dict
        As :func:`stemfast.micrograph.table_rows` gives them.
    doubts : tuple of str
        Why each particle is not sure; "" where it is.
    notes : tuple of str
        What the user should be told.
    """

    found: Found
    particles: FoundParticles
    class_names: tuple[str, ...]
    rows: list[dict[str, str | int | float | bool]]
    doubts: tuple[str, ...]
    notes: tuple[str, ...]


def named(
    opened: Source,
    load: Callable[[], TrainedClassifier],
    *,
    contrast: str = "auto",
    method: str = "auto",
    labels: str | Path | None = None,
    min_probability: float = 0.8,
    max_novelty: float = 1.0,
) -> Named:
    """Find the particles of an image and name the shape of each.

    Parameters
    ----------
    opened : Source
        The image, with a scale.
    load : callable
        Gives the network. Called once the particles are found, since loading takes seconds.
    contrast, method, labels, min_probability, max_novelty
        As for :func:`classify`.

    Returns
    -------
    Named

    Raises
    ------
    ValueError
        If there is no scale, or the image shows no particle.
    """
    from stemfast import micrograph
    from stemfast.finding.find import find_in

    opened.micrograph()  # there must be a scale
    answer = find_in(opened, contrast, method, labels=labels).needed()
    image, found = answer.bright()
    network = load()
    views, notes = shown(image, found, network)
    said = network.read(views)
    chances, novelty = said.probabilities, said.novelty
    names = names_of(network.class_names, chances, min_probability)
    likely = np.array([chance for _, chance in names])
    doubts = _doubts(found, likely, novelty, min_probability, max_novelty)
    rows = micrograph.table_rows(
        found, network.class_names, chances, doubts=doubts, novelty=novelty, names=names
    )
    return Named(answer, found, network.class_names, rows, doubts, (*answer.notes, *notes))


def checked_limits(min_probability: float, max_novelty: float) -> None:
    """Refuse limits of a doubt that cannot be meant.

    Raises
    ------
    ValueError
        Naming the limit.

    Examples
    --------
    >>> checked_limits(1.5, 1.0)
    Traceback (most recent call last):
        ...
    ValueError: min_probability is 1.5, expected a number of 0 … 1
    """
    if not 0.0 <= min_probability <= 1.0:
        raise ValueError(f"min_probability is {min_probability}, expected a number of 0 … 1")
    if not max_novelty > 0.0:
        raise ValueError(f"max_novelty is {max_novelty}, expected a positive number or inf")


def known_model(model: str | Path) -> None:
    """Refuse what is neither the name of a network nor its folder, before any work.

    Raises
    ------
    FileNotFoundError, ValueError
        Naming what there is.
    """
    from stemfast import pretrained

    names = pretrained.pretrained_names()
    if str(model) in names or (Path(model) / "config.json").is_file():
        return
    if isinstance(model, Path) or Path(model).is_dir() or os.sep in str(model):
        raise FileNotFoundError(f"model is {str(model)!r}, a folder without a trained network")
    raise ValueError(
        f"model is {model!r}, expected a network that comes along "
        f"({', '.join(names) or 'none are installed'}), or the folder of one: 'stemfast demo' "
        "leaves one in demo/models/shapes"
    )


def load_model(model: str | Path) -> TrainedClassifier:
    """The network of this name, or of this folder.

    Raises
    ------
    ValueError
        If it is not one for single images of particles.
    """
    from stemfast import pretrained, transfer

    if (Path(model) / "config.json").is_file():
        if transfer.is_model(model):
            raise ValueError(
                f"model is {str(model)!r}, a network for ready images of particles (made by "
                "'stemfast train transfer'): cut them out and use 'stemfast predict'"
            )
        return pretrained.load(model)
    network: TrainedClassifier = pretrained.load_pretrained(str(model))
    return network


def shown(
    image: Micrograph, found: FoundParticles, network: TrainedClassifier
) -> tuple[NDArray[np.float32], list[str]]:
    """The particles as the network's own images show them, and what to tell of that.

    Parameters
    ----------
    image : Micrograph
    found : FoundParticles
        What was found in it.
    network : TrainedClassifier
        Its card says what it learnt from.

    Returns
    -------
    ndarray of float32, (N, H, W)
        Images that the network reads.
    list of str
        Notes for the user.
    """
    from stemfast import micrograph

    if network.reads_portraits:
        return micrograph.portraits(image, found), []
    size = network.model.config.image_shape[0]
    recipe = network.card.get("recipe")
    if not isinstance(recipe, dict):
        # The demo's networks learn from particles cut out and scaled to one size.
        return micrograph.crops(image, found, size=size), []
    learnt, field = recipe["particle"]["diameter_nm"], float(recipe["field_nm"])
    low, high = float(learnt[0]), float(learnt[1])
    least = float(recipe["imaging"]["signal_e_px"][0]) * (size / field) ** 2
    electrons = micrograph.electrons_nm2(image, found)
    widths = micrograph.widths_nm(
        found,
        field_nm=field,
        diameters_nm=(low, high),
        least_nm2=least,
        electrons_nm2=electrons,
    )
    notes = []
    sizes = np.array([particle.equivalent_diameter_nm for particle in found])
    other = np.count_nonzero((sizes < low) | (sizes > high))
    if other:
        notes.append(
            f"{other} of {len(found)} particles are beyond the {low:g} to {high:g} nm that the "
            "network learnt from; it sees them scaled into that range"
        )
    noisy = electrons < least
    if noisy.any():
        notes.append(
            f"{np.count_nonzero(noisy)} of {len(found)} particles are noisier than all that the "
            f"network learnt from: they show {np.median(electrons[noisy]):.3g} electrons/nm², it "
            f"learnt from {least:.3g} and more; it sees them smaller, which averages the noise"
        )
    return micrograph.views(image, found, size=size, field_nm=widths), notes


def _doubts(
    found: FoundParticles,
    likely: NDArray[np.float64],
    novelty: NDArray[np.float64] | None,
    min_probability: float,
    max_novelty: float,
) -> tuple[str, ...]:
    strange = np.zeros(len(found)) if novelty is None else novelty
    return tuple(
        CUT
        if particle.on_border
        else UNLIKE
        if new > max_novelty
        else UNDECIDED
        if chance < min_probability
        else ""
        for particle, chance, new in zip(found, likely, strange, strict=True)
    )


def _write(
    target: Path,
    image: Micrograph,
    found: FoundParticles,
    rows: list[dict[str, Any]],
    class_names: tuple[str, ...],
) -> None:
    """Both files, put into their places when both are complete."""
    from stemfast import micrograph

    target.mkdir(parents=True, exist_ok=True)
    doubts = [f"{NOT_SURE}: {doubt}" for doubt in (UNDECIDED, UNLIKE, CUT)]
    shown = [
        f"{NOT_SURE}: {row['not_sure_because']}" if row["not_sure_because"] else str(row["shape"])
        for row in rows
    ]
    if len(class_names) > _FEW_NAMES:
        class_names = tuple(name for name in class_names if name in shown)
    with tempfile.TemporaryDirectory(prefix=".classify-", dir=target) as name:
        draft = Path(name)
        micrograph.draw_overlay(
            image,
            found,
            shown,
            [float(row["probability"]) for row in rows],
            draft / OVERLAY_FILE,
            class_names=(*class_names, *(doubt for doubt in doubts if doubt in shown)),
        )
        micrograph.write_table(draft / TABLE_FILE, rows)
        for file in (TABLE_FILE, OVERLAY_FILE):
            os.replace(draft / file, target / file)
