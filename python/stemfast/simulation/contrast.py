"""Contrast of many images as the core takes it: depths in mean free paths, and a curve an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast import _core, materials
from stemfast.materials import Material
from stemfast.scattering import Collection, ScatteringCurve
from stemfast.simulation.batch import Batch, Float, Int

__all__ = ["Contrast", "curve_records", "image_contrast"]

Records: TypeAlias = NDArray[np.void]


@dataclass(frozen=True, eq=False)
class Contrast:
    """Weights and curves that make depths and scattered fractions of a batch's bodies.

    Attributes
    ----------
    depth_weights : (bodies,) float64
        Weight of each placed body in Σ t/Λ: its own over its mean free path [1/nm].
    curve : (n,) records
        Column `curve` of `_core.simulate`.
    """

    depth_weights: Float
    curve: Records


def image_contrast(
    batch: Batch,
    collections: Sequence[Collection],
    films: Sequence[str | Material],
    pick: Int,
    filmed: NDArray[np.bool_],
) -> Contrast:
    """Return the contrast of each image, whose curve is that of the strongest scatterer in it.

    Parameters
    ----------
    batch : Batch
        What is seen.
    collections : sequence of Collection
        The different detectors and illuminations.
    films : sequence of (str or Material)
        What the film is made of, one for each of them.
    pick : (n,) int64
        Which of them takes each image.
    filmed : (n,) bool
        Whether each image has a film.
    """
    table = [
        _strengths_and_curves(collection, (*batch.materials, film))
        for collection, film in zip(collections, films, strict=True)
    ]
    strength = np.concatenate([row[0] for row in table])
    image = batch.image_of_body
    own = strength[pick[image], batch.material]
    film_strength = np.where(filmed, strength[pick, -1], 0.0)
    strongest = np.full(len(pick), len(batch.materials))
    # In order of strength, so that the strongest body of an image writes last.
    order = own.argsort(kind="stable")
    order = order[own[order] > film_strength[image[order]]]
    strongest[image[order]] = batch.material[order]
    records = np.concatenate([row[1] for row in table])
    return Contrast(batch.weight * own, records.take(pick * records.shape[1] + strongest))


@lru_cache(maxsize=64)
def _strengths_and_curves(
    collection: Collection, substances: tuple[str | Material, ...]
) -> tuple[Float, Records]:
    """1/Λ [1/nm] and the curve of each of m materials, (1, m)."""
    known = {one: materials.get(one).scattering_curve(collection) for one in set(substances)}
    curves = [known[one] for one in substances]
    return np.array([[1.0 / one.mean_free_path_nm for one in curves]]), curve_records(curves)[None]


def curve_records(curves: Sequence[ScatteringCurve]) -> Records:
    """Return curves as records of the core.

    Examples
    --------
    >>> gold = materials.get("Au").scattering_curve(Collection(200, 60, 200, 20))
    >>> float(curve_records([gold])["lost"][0])
    1.0
    """
    rows = [(*one.terms, one.limit, 1.0 - one.beyond) for one in curves]
    return np.array(rows, _core.curve_dtype)
