"""Find the particles of an image: the steps of this package in order."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.arguments import did_you_mean
from stemfast.finding.agreement import agree, may_agree
from stemfast.finding.artefacts.contents import is_no_sample
from stemfast.finding.artefacts.damage import Damage, repair
from stemfast.finding.detection import CONTRASTS, Detection, pixels_of_labels
from stemfast.finding.found import Found
from stemfast.finding.hand_labels import detection_of, read_labels
from stemfast.finding.measured import Believed, FoundOne, bounding_boxes, measure
from stemfast.finding.outline.blur import FWHM_PER_SIGMA
from stemfast.finding.outline.paint import painted_labels
from stemfast.finding.source import Source, source_of
from stemfast.image.taking import scaled
from stemfast.micrograph.files.error import MicrographError
from stemfast.pretrained import shipped

__all__ = ["METHODS", "check_choice", "find", "find_in", "search"]

METHODS = ("network", "classical", "auto")
_NETWORK = "finder"
#: Where brightness is believed on where a particle ends, by who found it.
_BELIEVED: dict[str, Believed] = {"classical": "always", "network": "clear", "labels": "alike"}
_RIM_PX = 4  # of graphics
_LEAST_FREE = 0.5  # of a particle's pixels, outside of graphics and damage

Image = NDArray[np.float32]
Detector = Callable[[Image, str], Detection]


def find(
    image: Any,
    pixel_size_nm: float | None = None,
    contrast: str = "auto",
    method: str = "auto",
    *,
    scale_bar_nm: float | None = None,
    probe_fwhm_nm: float | None = None,
    labels: ArrayLike | str | Path | None = None,
    index: int | None = None,
    dataset: int | str | None = None,
) -> Found:
    """Find the particles of an image: where they are, how large, how sure.

    Parameters
    ----------
    image : array_like (rows, columns), stemfast Image or Micrograph, HyperSpy signal, str or Path
        The image, or its file.
    pixel_size_nm : float, optional
        Pixel size [nm], in place of what the image says. Where nobody says it, sizes are in px.
    contrast : {"auto", "bright", "dark"}
        Whether particles are brighter (HAADF) or darker (bright field) than what is around them;
        by default the image decides.
    method : {"auto", "network", "classical"}
        Who finds; by default the network where its weights are installed, but the classical finder
        on an even film, where both find the same.
    scale_bar_nm : float, optional
        What the scale bar in the image stands for [nm], in place of `pixel_size_nm`.
    probe_fwhm_nm : float, optional
        Full width at half maximum of the probe [nm], for the outlines; by default read off the
        image.
    labels : array_like of int (rows, columns), str or Path, optional
        Particles that are known, or the file of them: 0 = none. They are measured, none is looked
        for.
    index, dataset
        Of a file with several images; see `stemfast.micrograph.read`.

    Returns
    -------
    Found

    Raises
    ------
    MicrographError
        If there is no image, or it is no image of a sample: a diffraction pattern, a Fourier
        transform, a page of text.
    ValueError, TypeError
        If an argument is not what it should be.

    Examples
    --------
    >>> import stemfast as sf
    >>> rows, cols = np.indices((64, 64))
    >>> image = 10.0 + 40.0 * (np.hypot(rows - 20, cols - 30) < 9)
    >>> found = sf.find(image, pixel_size_nm=0.5, method="classical")
    >>> len(found), found.unit, round(found.sizes.mean)
    (1, 'nm', 9)
    """
    check_choice("contrast", contrast, "method", method)
    source = source_of(
        image, pixel_size_nm, scale_bar_nm=scale_bar_nm, index=index, dataset=dataset
    )
    return find_in(source, contrast, method, probe_fwhm_nm=probe_fwhm_nm, labels=labels)


def find_in(
    source: Source,
    contrast: str = "auto",
    method: str = "auto",
    *,
    probe_fwhm_nm: float | None = None,
    labels: ArrayLike | str | Path | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> Found:
    """Find the particles of an image whose scale is settled.

    Parameters
    ----------
    source : Source
    contrast, method, probe_fwhm_nm, labels
        As for `find`.
    progress : callable, optional
        Called with what is being done and the share that is done, 0 … 1.

    Returns
    -------
    Found
    """
    check_choice("contrast", contrast, "method", method)
    tell = progress or _silent
    tell("looking for damage", 0.0)
    mended = repair(source.image)
    other = is_no_sample(source.image, mended.burnt_in) if labels is None else ""
    if other:
        raise MicrographError(
            f"{source.name}: the image looks like {other}, expected an image of particles"
        )
    tell("finding", 0.0)
    told: list[str] = []
    if labels is None:
        chosen, detection = search(
            mended, contrast, method, progress=lambda share: tell("finding", share)
        )
    else:
        chosen = "labels"
        known = read_labels(labels) if isinstance(labels, str | Path) else labels
        try:
            detection, told = detection_of(known, mended.image, contrast)
        except MicrographError as error:
            if known is labels:
                raise
            raise MicrographError(f"{labels}: {error}") from error
    blur: float | None = None
    if probe_fwhm_nm is not None and source.pixel_size_nm is not None:
        blur = probe_fwhm_nm / source.pixel_size_nm / FWHM_PER_SIGMA
    particles, blur = measure(
        mended.image,
        detection,
        mended.mask,
        blur,
        edges=_BELIEVED[chosen],
        progress=lambda share: tell("measuring", share),
    )
    ends, seeds = detection.labels, None
    if chosen == "network":
        seeds = detection.labels
        particles, ends = _ending_at_outlines(particles, seeds)
    ends.setflags(write=False)
    notes = [*source.notes, *mended.notes, *told]
    if source.pixel_size_nm is None:
        notes.append(
            "no scale: sizes are in px; give it with pixel_size_nm=..., or with scale_bar_nm=... "
            "where a scale bar is burnt in"
        )
    return Found(
        source=source,
        image=mended.image
        if source.pixel_size_nm is None
        else scaled(mended.image, source.pixel_size_nm, source.name),
        labels=ends,
        seeds=seeds,
        particles=particles,
        blur_px=blur,
        contrast=detection.contrast,
        method=chosen,
        notes=tuple(notes),
    )


def _ending_at_outlines(
    particles: tuple[FoundOne, ...], labels: NDArray[np.int32]
) -> tuple[tuple[FoundOne, ...], NDArray[np.int32]]:
    """Particles and labels that end where brightness says, for star-convex outlines cut corners."""
    painted = painted_labels(labels, [p.outline if p.edges_fitted else None for p in particles])
    boxes = bounding_boxes(painted)
    return tuple(replace(p, bbox=box) for p, box in zip(particles, boxes, strict=True)), painted


def _silent(what: str, share: float) -> None:
    pass


def check_choice(
    contrast_name: str, contrast: str, method_name: str = "method", method: str = "auto"
) -> None:
    """Refuse a contrast or a method that there is not, before any work.

    Raises
    ------
    ValueError
        Naming the argument.

    Examples
    --------
    >>> check_choice("contrast", "brigt")
    Traceback (most recent call last):
        ...
    ValueError: contrast is 'brigt', expected bright, dark or auto: did you mean bright?
    """
    for name, value, known in (
        (contrast_name, contrast, CONTRASTS),
        (method_name, method, METHODS),
    ):
        if value not in known:
            listed = f"{', '.join(known[:-1])} or {known[-1]}"
            raise ValueError(f"{name} is {value!r}, expected {listed}{did_you_mean(value, known)}")


def search(
    mended: Damage,
    contrast: str = "auto",
    method: str = "auto",
    *,
    progress: Callable[[float], None] | None = None,
) -> tuple[str, Detection]:
    """Find the particles of an image without damage, and nothing where damage or graphics were.

    Parameters
    ----------
    mended : Damage
    contrast, method
        As for `find`.
    progress : callable, optional
        Called with the share that is done, 0 … 1.

    Returns
    -------
    method : {"network", "classical"}
        Who found them.
    detection : Detection
    """
    chosen, detection = _searched(method, mended.image, contrast, progress)
    return chosen, _free_of_damage(detection, mended)


def _searched(
    method: str, image: Image, contrast: str, progress: Callable[[float], None] | None
) -> tuple[str, Detection]:
    """Name and detection of the finder that is to be used."""
    from stemfast.finding import classical

    able = (shipped.folder(_NETWORK) / "config.json").is_file() and (
        importlib.util.find_spec("safetensors") is not None
    )
    if method == "classical" or (method == "auto" and not able):
        return "classical", classical.detect(image, contrast, progress=progress)
    network: Detector = importlib.import_module("stemfast.finding.network").detect
    seen = network(image, contrast)
    if method == "network":
        return method, seen
    # On an even film both find the same, and the classical finder follows edges more closely and
    # parts particles by their brightness; on a support it finds few or none of the network's.
    if not may_agree(image, seen):
        return "network", seen
    other = classical.detect(image, seen.contrast, progress=progress)
    return ("classical", other) if agree(other, seen) else ("network", seen)


def _free_of_damage(detection: Detection, mended: Damage) -> Detection:
    """The detection without what lies on graphics or damage, or has no pixel at all."""
    from scipy.ndimage import binary_dilation

    n = len(detection)
    if not n:
        return detection
    whole = pixels_of_labels(detection.labels, n)[1:]
    # The rims of letters and of a data bar, left over beside what is masked, are no sample either.
    near = mended.mask.copy()
    if mended.burnt_in.mask.any():
        near |= binary_dilation(mended.burnt_in.mask, iterations=_RIM_PX)
    lost = np.bincount(detection.labels[near], minlength=n + 1)[1:]
    kept = (whole > 0) & (lost < (1.0 - _LEAST_FREE) * whole)
    return detection if kept.all() else detection.keep(kept)
