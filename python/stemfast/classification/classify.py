"""Particles of an image, found and named by a network."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.classification.answer import Classification
from stemfast.classification.corners import (
    CORNERS_MODEL,
    check_cuboids,
    corner_columns,
    probable_cuboids,
)
from stemfast.classification.hands import Frames, frames_of, tell_hands, tilt_axis
from stemfast.classification.network import (
    DEFAULT_MODEL,
    classes_of,
    known_model,
    load_model,
    shown,
)
from stemfast.micrograph.families import COARSE, coarse_shapes, names_of
from stemfast.micrograph.table import CUT, NOT_SURE, UNDECIDED, UNLIKE

if TYPE_CHECKING:
    from stemfast.finding import Found
    from stemfast.finding.source import Source
    from stemfast.micrograph import FoundParticles
    from stemfast.pretrained import TrainedClassifier

__all__ = ["checked_limits", "classify", "classify_found", "classify_in"]


def classify(
    image: ArrayLike | str | Path,
    pixel_size_nm: float | None = None,
    *,
    model: str | Path = DEFAULT_MODEL,
    out: str | Path | None = None,
    scale_bar_nm: float | None = None,
    contrast: str = "auto",
    method: str = "auto",
    labels: ArrayLike | str | Path | None = None,
    index: int | None = None,
    dataset: int | str | None = None,
    min_probability: float = 0.8,
    max_novelty: float = 1.0,
    corners: bool = False,
    tilt_axis_deg: float | None = None,
    material: str | None = None,
) -> Classification:
    """Find the particles of an image and say what shape each one is.

    A particle is "not sure" where the edge of the image cuts it, because the network learnt from
    whole particles; where it looks unlike anything that the network learnt from; and where the
    most probable shape stays below `min_probability`, unless those of one family of shapes
    together reach it: then the family is named (`stemfast.micrograph.families`).

    With `corners`, the network ``count`` counts the deformed corners of each whole particle that is
    most probably a cuboid, sure or not. With `tilt_axis_deg`, the image is the file of a tilt
    series, and fits through its frames tell the hand of each.

    Parameters
    ----------
    image : array_like (rows, columns), stemfast Image or Micrograph, HyperSpy signal, str or Path
        The image, or its file in any format that :func:`stemfast.micrograph.read` knows.
    pixel_size_nm : float, optional
        Pixel size [nm], for an image that does not say it or says it wrong.
    model : str or Path
        A network that comes along (:func:`stemfast.pretrained.pretrained_names`), or the folder of
        one that :func:`stemfast.pretrained.save` wrote.
    out : str or Path, optional
        Folder to save the results to: `Classification.save`.
    scale_bar_nm : float, optional
        What the scale bar in the image stands for [nm], in place of `pixel_size_nm`.
    contrast, method : str
        Of the particles, and who finds them; see :func:`stemfast.find`.
    labels : array_like of int (rows, columns), str or Path, optional
        A label image of particles that are known, or the file of it, such as ``labels.tif`` of
        ``stemfast find``, corrected by hand.
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
    corners : bool
        Whether to count corners; the same two limits then tell which numbers are sure.
    tilt_axis_deg : float, optional
        Direction of the tilt axis in the frames, 0 along x (right), 90 along y (down) [degrees].
        The frame with the least tilt is classified.
    material : str, optional
        What the particles of a tilt series are made of; gold if not said.

    Returns
    -------
    Classification

    Raises
    ------
    FileNotFoundError
        If there is no such file, or no network in the folder.
    FileExistsError, NotADirectoryError
        If `out` is a file.
    ValueError
        If the image cannot be read, has no scale while none is given and one is needed (by all
        networks but those that frame particles at their own, such as ``open-shapes``, and to count
        corners or tell hands), shows no particle, the network is not one for single images, or
        knows no cuboids whose corners could be counted,
        an argument is out of range, or a tilt axis is given for what is no tilt series.
    """
    checked_limits(min_probability, max_novelty)
    tilt = tilt_axis(tilt_axis_deg, material)
    if isinstance(image, str | Path) and not Path(image).exists():
        raise FileNotFoundError(f"there is no file {image}")
    if out is not None and Path(out).exists() and not Path(out).is_dir():
        raise FileExistsError(f"out is {out}, which is a file; expected a folder")
    known_model(model)
    if corners:
        known_model(CORNERS_MODEL)
        check_cuboids(classes_of(model))
    if tilt is not None:
        check_cuboids(classes_of(model), "tilt_axis_deg")
    from stemfast.finding.source import source_of

    frames = None
    if tilt is not None:
        frames = _frames(image, index, labels, dataset)
        index = frames.index[frames.reference]

    def opened(index: int | None) -> Source:
        return source_of(
            image, pixel_size_nm, scale_bar_nm=scale_bar_nm, index=index, dataset=dataset
        )

    source = opened(index)
    if tilt is not None:
        source.micrograph()  # there must be a scale
    answer = classify_in(
        source,
        lambda: load_model(model),
        contrast=contrast,
        method=method,
        labels=labels,
        min_probability=min_probability,
        max_novelty=max_novelty,
        corners=corners,
    )
    if tilt is not None:
        answer = tell_hands(answer, frames, opened, tilt, method)
    if out is not None:
        answer.save(out)
    return answer


def _frames(
    image: ArrayLike | str | Path,
    index: int | None,
    labels: ArrayLike | str | Path | None,
    dataset: int | str | None,
) -> Frames:
    """Frames of the tilt series that the hand is to be told from."""
    if index is not None or labels is not None:
        raise ValueError(
            "tilt_axis_deg: got index or labels as well, which are of one image; expected a tilt "
            "series alone"
        )
    frames = frames_of(image, dataset) if isinstance(image, str | Path) else None
    if frames is None:
        named = image if isinstance(image, str | Path) else "an array"
        raise ValueError(
            f"tilt_axis_deg: {named} is no tilt series, expected the file of a stack whose axis, "
            "or whose .mdoc, .rawtlt or .tlt file, gives its tilts"
        )
    return frames


def classify_in(
    opened: Source,
    load: Callable[[], TrainedClassifier],
    *,
    contrast: str = "auto",
    method: str = "auto",
    labels: ArrayLike | str | Path | None = None,
    min_probability: float = 0.8,
    max_novelty: float = 1.0,
    corners: bool = False,
) -> Classification:
    """Find the particles of an image whose scale is settled and name the shape of each.

    Parameters
    ----------
    opened : Source
        The image; with a scale, unless the network frames particles at their own.
    load : callable
        Gives the network. Called once the particles are found, since loading takes seconds; first
        where there is no scale.
    contrast, method, labels, min_probability, max_novelty, corners
        As for :func:`classify`.

    Returns
    -------
    Classification

    Raises
    ------
    ValueError
        If there is no scale, the image shows no particle, or the network knows no cuboids whose
        corners could be counted.
    """
    from stemfast.finding.find import find_in

    load = functools.cache(load)
    if opened.pixel_size_nm is None and _needs_scale(load(), corners=corners):
        opened.micrograph()  # says what is missing, before the search
    answer = find_in(opened, contrast, method, labels=labels)
    return classify_found(
        answer, load, min_probability=min_probability, max_novelty=max_novelty, corners=corners
    )


def _needs_scale(network: TrainedClassifier, *, corners: bool) -> bool:
    """True unless the network frames particles at their own scale, and no corners are counted."""
    return corners or not network.reads_portraits


def classify_found(
    answer: Found,
    load: Callable[[], TrainedClassifier],
    *,
    min_probability: float = 0.8,
    max_novelty: float = 1.0,
    corners: bool = False,
) -> Classification:
    """Name the shape of each particle that was found.

    Parameters
    ----------
    answer : Found
        Particles of an image; see :func:`classify_in` for its scale.
    load, min_probability, max_novelty, corners
        As for :func:`classify_in`.

    Returns
    -------
    Classification

    Raises
    ------
    ValueError
        If there is no scale, no particle, or the network knows no cuboids whose corners could be
        counted.
    """
    from stemfast import micrograph

    answer.needed()
    network = load()
    image, found = answer.bright(unscaled=not _needs_scale(network, corners=corners))
    if corners:
        check_cuboids(network.class_names)
    views, notes = shown(image, found, network)
    said = network.read(views)
    chances, novelty = said.probabilities, said.novelty
    names = names_of(network.class_names, chances, min_probability)
    likely = np.array([chance for _, chance in names])
    doubts = _doubts(found, likely, novelty, min_probability, max_novelty)
    rows = micrograph.table_rows(
        found,
        network.class_names,
        chances,
        doubts=doubts,
        novelty=novelty,
        names=names,
        coarse=_outlines(network.class_names, chances, found, doubts, min_probability),
        scaled=answer.pixel_size_nm is not None,
    )
    if corners:
        cuboids = probable_cuboids(network.class_names, chances, doubts)
        columns, more = corner_columns(image, found, cuboids, min_probability, max_novelty)
        rows = [row | own for row, own in zip(rows, columns, strict=True)]
        notes += more
    told = (*answer.notes, *notes)
    return Classification(answer, found, network.class_names, rows, doubts, told, views)


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


def _outlines(
    class_names: tuple[str, ...],
    chances: NDArray[np.float64],
    found: FoundParticles,
    doubts: tuple[str, ...],
    min_probability: float,
) -> list[str] | None:
    """Coarse shapes of outlines that are sure; none of networks that name no shapes."""
    if not any(name in shapes for shapes in COARSE.values() for name in class_names):
        return None
    return [
        name if chance >= min_probability and doubt not in (CUT, UNLIKE) else NOT_SURE
        for (name, chance), doubt in zip(
            coarse_shapes(class_names, chances, found), doubts, strict=True
        )
    ]


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
