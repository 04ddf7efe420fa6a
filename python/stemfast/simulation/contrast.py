"""Contrast of many images as the core takes it: depths in mean free paths, and a curve an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
    known: dict[tuple[Collection, str | Material], ScatteringCurve] = {}

    def curve(collection: Collection, material: str | Material) -> ScatteringCurve:
        key = (collection, material)
        if key not in known:
            known[key] = materials.get(material).scattering_curve(collection)
        return known[key]

    table = [
        [curve(collection, material) for material in (*batch.materials, film)]
        for collection, film in zip(collections, films, strict=True)
    ]
    strength = np.array([[1.0 / one.mean_free_path_nm for one in row] for row in table])
    image = batch.image_of_body
    own = strength[pick[image], batch.material]
    film_strength = np.where(filmed, strength[pick, -1], 0.0)
    strongest = np.full(len(pick), len(batch.materials))
    # In order of strength, so that the strongest body of an image writes last.
    order = np.argsort(own, kind="stable")
    order = order[own[order] > film_strength[image[order]]]
    strongest[image[order]] = batch.material[order]
    records = np.stack([curve_records(row) for row in table])
    return Contrast(batch.weight * own, np.ascontiguousarray(records[pick, strongest]))


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
