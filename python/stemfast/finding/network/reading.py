"""Detection of particles by the trained network."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from numpy.typing import NDArray

from stemfast.finding.detection import Contrast, Detection
from stemfast.finding.network.pyramid import Octave, Reader, octaves, stars_of
from stemfast.finding.network.rods import MapReader, joined
from stemfast.finding.network.specks import of_a_size, stands_out
from stemfast.finding.network.star import Stars, chosen, painted
from stemfast.models.finder import Finder
from stemfast.pretrained.shipped import load_pretrained

__all__ = ["detect", "found_stars", "reader_of"]

Map: TypeAlias = NDArray[np.float32]

LEAST = 0.55  # score of a candidate
SIZES_PX = 5.0, 110.0  # equivalent diameter in an octave
_SIGN: dict[Contrast, float] = {"bright": 1.0, "dark": -1.0}
_SURE = 0.6  # score of those that tell the contrast
_LARGEST_SHARE = 0.7  # of the image: larger ones are shading
_CONTRAST_PX = 800  # the contrast is told from octaves no larger than this, along a side


@cache
def shipped_reader() -> Reader:
    """Network that comes with the package, loaded once."""
    return reader_of(load_pretrained("finder").model)


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
    stars, told = found_stars(image, shipped_reader(), contrast)
    labels, order, overlapped = painted(stars, (image.shape[0], image.shape[1]))
    bright = np.float32(_SIGN[told]) * image
    multiple = load_pretrained("finder").model.config.multiple
    labels, score, origin = joined(bright, labels, stars.score[order], shipped_maps(), multiple)
    return Detection(labels, score, np.where(origin < 0, False, overlapped[origin]), told)


@cache
def shipped_maps() -> MapReader:
    """Foreground and boundary by the network that comes with the package, loaded once."""
    graph, state = nnx.split(load_pretrained("finder").model)

    @jax.jit
    def run(state: Any, seen: jax.Array) -> tuple[jax.Array, jax.Array]:
        reading = nnx.merge(graph, state)(seen[None])
        return jax.nn.sigmoid(reading.foreground[0]), jax.nn.sigmoid(reading.boundary[0])

    def read(seen: Map) -> tuple[Map, Map]:
        foreground, boundary = run(state, jnp.asarray(seen))
        return np.asarray(foreground), np.asarray(boundary)

    return read


def reader_of(model: Finder) -> Reader:
    """Network as a function of one tile, compiled once."""
    graph, state = nnx.split(model)

    @jax.jit
    def run(state: Any, tile: jax.Array) -> tuple[jax.Array, jax.Array]:
        reading = nnx.merge(graph, state)(tile[None])
        return jax.nn.sigmoid(reading.middle[0]), reading.distance[0]

    def read(tile: Map) -> tuple[Map, Map]:
        middle, distance = run(state, jnp.asarray(tile))
        return np.asarray(middle), np.asarray(distance)

    return read


def found_stars(
    image: Map,
    reader: Reader,
    contrast: str = "auto",
    least: float = LEAST,
) -> tuple[Stars, Contrast]:
    """Outlines of an image, and the contrast that they were found in.

    Parameters
    ----------
    image : (rows, columns) float32
    reader : callable
    contrast : "bright", "dark" or "auto"
        "auto" takes the one in which the network is surer of more.
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
    seen: dict[Contrast, list[Stars]] = {"bright": [], "dark": []}
    if coarse:
        for name in _SIGN:
            seen[name] = stars_of(coarse, _SIGN[name], reader, least, SIZES_PX)
        told = _told_contrast(coarse[0], seen)
    finer = [o for o in levels if not any(o is known for known in coarse)]
    parts = [*stars_of(finer, _SIGN[told], reader, least, SIZES_PX), *seen[told]]
    stars = _kept(Stars.joined(parts), np.float32(_SIGN[told]) * image)
    return stars.taken(of_a_size(stars, least)), told


def _kept(stars: Stars, image: Map) -> Stars:
    """Outlines that do not lie over each other, none as large as the image, no mere specks."""
    stars = stars.taken(stars.area < _LARGEST_SHARE * image.size)
    stars = stars.taken(stands_out(image, stars))
    return chosen(stars, (image.shape[0], image.shape[1]))


def _told_contrast(level: Octave, seen: dict[Contrast, list[Stars]]) -> Contrast:
    """The contrast with more sure particles among the candidates of `level` and coarser octaves."""
    evidence = {}
    for name, parts in seen.items():
        stars = _kept(
            Stars.joined(parts).scaled(level.factor), np.float32(_SIGN[name]) * level.image
        )
        sure = stars.taken(stars.score > _SURE)
        evidence[name] = float((sure.score**4 * np.sqrt(sure.area)).sum())
    return "bright" if evidence["bright"] >= evidence["dark"] else "dark"
