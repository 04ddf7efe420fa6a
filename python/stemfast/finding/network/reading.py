"""Detection of particles by the trained network."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.finding.detection import Contrast, Detection
from stemfast.finding.network.chains import chained
from stemfast.finding.network.forward import ForwardPass
from stemfast.finding.network.pyramid import (
    Octave,
    OctaveReading,
    Reader,
    octaves,
    read_enlarged,
    read_octaves,
)
from stemfast.finding.network.rods import joined
from stemfast.finding.network.specks import of_a_size, stands_out
from stemfast.finding.network.star import Stars, chosen, painted
from stemfast.models.finder_config import FinderConfig
from stemfast.pretrained.finder import finder_weights
from stemfast.pretrained.shipped import folder

if TYPE_CHECKING:
    from stemfast.models.finder import Finder

__all__ = ["detect", "detected", "found_stars", "reader_of"]

Map: TypeAlias = NDArray[np.float32]

LEAST = 0.7  # score of a candidate
SIZES_PX = 5.0, 110.0  # equivalent diameter in an octave
_SIGN: dict[Contrast, float] = {"bright": 1.0, "dark": -1.0}
_SURE = 0.75  # score of those that tell the contrast
_LARGEST_SHARE = 0.7  # of the image: larger ones are shading
_CONTRAST_PX = 800  # the contrast is told from octaves no larger than this, along a side


def shipped_reader() -> Reader:
    """Network that comes with the package."""
    return ForwardPass(*_shipped_weights())


@cache
def _shipped_weights() -> tuple[FinderConfig, dict[str, Map]]:
    """Architecture and weights, loaded once."""
    return finder_weights(folder("finder"))


def detect(image: Map, contrast: str = "auto") -> Detection:
    """Particles of an image, by the network that comes with the package.

    Parameters
    ----------
    image : (rows, columns) float32
        Finite.
    contrast : "bright", "dark" or "auto"

    Returns
    -------
    Detection
    """
    return detected(image, shipped_reader(), contrast)


def reader_of(model: Finder) -> Reader:
    """Any finder as a function of one tile, with the weights that it has now."""
    from stemfast.pretrained.store import flat

    return ForwardPass(model.config, flat(model))


def detected(image: Map, reader: Reader, contrast: str = "auto", least: float = LEAST) -> Detection:
    """Particles of an image, by any network.

    Parameters
    ----------
    image : (rows, columns) float32
    reader : callable
    contrast : "bright", "dark" or "auto"
        "auto" takes the one in which the network is surer of more.
    least : float
        Lowest score.

    Returns
    -------
    Detection
    """
    stars, told, seen = found_stars(image, reader, contrast, least)
    labels, order, overlapped = painted(stars, (image.shape[0], image.shape[1]))
    labels, score, origin = joined(labels, stars.score[order], seen)
    labels, score, whole = chained(labels, score, seen)
    origin = np.where(whole >= 0, origin[whole], -1)
    return Detection(labels, score, (origin >= 0) & overlapped[origin], told)


def found_stars(
    image: Map,
    reader: Reader,
    contrast: str = "auto",
    least: float = LEAST,
) -> tuple[Stars, Contrast, list[OctaveReading]]:
    """Outlines of an image, the contrast that they were found in, and the answers for octaves.

    Parameters
    ----------
    image : (rows, columns) float32
    reader : callable
    contrast : "bright", "dark" or "auto"
    least : float
        Lowest score.
    """
    levels = list(octaves(image))
    # Enlarged, grain looks like specks in either contrast: such an octave tells nothing of it.
    coarse = [o for o in levels if o.factor <= 1.0 and max(o.image.shape) <= _CONTRAST_PX]
    coarse = coarse or [o for o in levels if o.factor <= 1.0]
    told: Contrast = "dark" if contrast == "dark" else "bright"
    if contrast != "auto":
        coarse = []
    seen: dict[Contrast, list[OctaveReading]] = {"bright": [], "dark": []}
    if coarse:
        for name in _SIGN:
            seen[name] = read_octaves(coarse, _SIGN[name], reader, least, SIZES_PX)
        told = _told_contrast(coarse[0], seen)
    finer = [o for o in levels if not any(o is known for known in coarse)]
    answers = [*read_octaves(finer, _SIGN[told], reader, least, SIZES_PX), *seen[told]]
    answers += read_enlarged(image, answers, _SIGN[told], reader, least, SIZES_PX)
    stars = Stars.joined([answer.stars for answer in answers])
    stars = _kept(stars, image, _SIGN[told])
    return stars.taken(of_a_size(stars, least)), told, answers


def _kept(stars: Stars, image: Map, sign: float) -> Stars:
    """Outlines that do not lie over each other, none as large as the image, no mere specks."""
    stars = stars.taken(stars.area < _LARGEST_SHARE * image.size)
    stars = stars.taken(stands_out(image, stars, sign))
    return chosen(stars, (image.shape[0], image.shape[1]))


def _told_contrast(level: Octave, seen: dict[Contrast, list[OctaveReading]]) -> Contrast:
    """The contrast with more sure particles among the candidates of `level` and coarser octaves."""
    evidence = {}
    for name, parts in seen.items():
        stars = _kept(
            Stars.joined([part.stars for part in parts]).scaled(level.factor),
            level.image,
            _SIGN[name],
        )
        sure = stars.taken(stars.score > _SURE)
        evidence[name] = float((sure.score**4 * np.sqrt(sure.area)).sum())
    return "bright" if evidence["bright"] >= evidence["dark"] else "dark"
