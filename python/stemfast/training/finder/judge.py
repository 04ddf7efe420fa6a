"""Figures of a finder on simulated test fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.evaluation.detection import (
    Matches,
    average_precision,
    f1_score,
    mask_overlap,
    matched,
)
from stemfast.fields import Field, FieldRecipe
from stemfast.finding.network.pyramid import Reader
from stemfast.finding.network.reading import detected
from stemfast.training.finder.experiment import TEST_FIRST

__all__ = ["judge", "matches_of"]

Labels: TypeAlias = NDArray[np.int32]

#: Particles smaller than this are not asked for in figures, equivalent diameter [px].
SMALLEST_PX = 6.0


def matches_of(field: Field, labels: Labels) -> Matches:
    """Found labels against the field's truth at an overlap of one half.

    Hidden, faint and very small particles are neither asked for nor counted when found.
    """
    truth = field.truth
    asked = truth.visible & (truth.area_px >= 0.785 * SMALLEST_PX**2)
    return matched(mask_overlap(labels, field.labels), asked)


def judge(
    reader: Reader,
    recipe: FieldRecipe,
    *,
    seed: int,
    fields: int,
    first: int = TEST_FIRST,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Average precision and F1 on simulated fields that training never draws.

    Parameters
    ----------
    reader : callable
        Network as a function of one tile.
    recipe : FieldRecipe
    seed, fields, first : int
        Seed, number and first index of the fields.
    progress : callable, optional
        Called with the number of fields that are done.

    Returns
    -------
    dict
        ``ap50``, ``f1``, ``recall``, ``precision``, ``particles``, ``fields``, ``contrast_right``
        (share of fields whose contrast was told), and F1 of each kind of field under ``kinds``.
    """
    parts: list[Matches] = []
    confidence: list[NDArray[np.float64]] = []
    kinds: dict[str, list[Matches]] = {}
    told = 0
    for index in range(first, first + fields):
        field = recipe.draw(seed, index)
        found = detected(field.image.astype(np.float32), reader)
        told += (found.contrast == "dark") == field.bright_field
        own = matches_of(field, found.labels)
        parts.append(own)
        confidence.append(found.confidence)
        kinds.setdefault(field.kind, []).append(own)
        if progress is not None:
            progress(index + 1 - first)
    f1, recall, precision = f1_score(parts)
    return {
        "fields": fields,
        "particles": sum(p.true for p in parts),
        "ap50": average_precision(parts, confidence),
        "f1": f1,
        "recall": recall,
        "precision": precision,
        "contrast_right": told / fields,
        "kinds": {name: f1_score(own)[0] for name, own in sorted(kinds.items())},
    }
