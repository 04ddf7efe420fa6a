"""Who finds where nobody says: the threshold speaks before the classical finder has run."""

from __future__ import annotations

import numpy as np
import pytest

from stemfast.fields.recipe import FieldRecipe
from stemfast.finding import classical
from stemfast.finding.agreement import agree, may_agree
from stemfast.finding.classical import touching
from stemfast.finding.detection import Detection

pytest.importorskip("skimage", reason="needs scikit-image, the extra [io]")

KINDS = ("monolayer", "carbon-black", "silica", "graphene", "sparse")


def field(kind: str, bright_field: float) -> tuple[np.ndarray, Detection]:
    """A simulated field, and what a perfect finder says of it."""
    recipe = FieldRecipe(
        kinds=(kind,), rows=192, columns=256, diameter_px=(12, 20), bright_field=bright_field,
        cover=(0.1, 0.2), empty=0.0,
    )  # fmt: skip
    drawn = recipe.draw(seed=11, index=3)
    labels = np.asarray(drawn.labels, np.int32)
    n = int(labels.max())
    seen = Detection(
        labels, np.ones(n), touching(labels, n), "dark" if drawn.bright_field else "bright"
    )
    return np.asarray(drawn.image, np.float32), seen


@pytest.mark.parametrize("bright_field", [0.0, 1.0])
@pytest.mark.parametrize("kind", KINDS)
def test_the_threshold_never_says_no_where_both_finders_agree(kind, bright_field):
    image, seen = field(kind, bright_field)
    if agree(classical.detect(image, seen.contrast), seen):
        assert may_agree(image, seen)


def discs(*centres: tuple[int, int]) -> np.ndarray:
    rows, cols = np.indices((120, 140))
    return np.any([np.hypot(rows - r, cols - c) < 9 for r, c in centres], axis=0)


CENTRES = ((20, 20), (20, 60), (20, 100), (60, 20), (60, 60), (60, 100), (100, 20), (100, 60))


@pytest.mark.parametrize(("shown", "able"), [(8, True), (7, True), (6, False), (1, False)])
def test_too_many_hidden_particles_say_no(shown, able):
    image = np.float32(10 + np.random.default_rng(1).normal(0, 0.5, (120, 140)))
    image += 40 * discs(*CENTRES[:shown])
    labels, n = np.int32(sum((k + 1) * discs(at) for k, at in enumerate(CENTRES))), 8
    seen = Detection(labels, np.ones(n), np.zeros(n, bool), "bright")
    assert may_agree(image, seen) is able
    if able is False:
        assert not agree(classical.detect(image, "bright"), seen)


@pytest.mark.parametrize(("known", "able"), [(8, True), (7, True), (6, False), (0, False)])
def test_too_many_pieces_that_are_no_particles_say_no(known, able):
    image = np.float32(10 + np.random.default_rng(2).normal(0, 0.5, (120, 140)))
    image += 40 * discs(*CENTRES)
    labels = np.int32(sum((k + 1) * discs(at) for k, at in enumerate(CENTRES[:known])))
    labels = labels if known else np.zeros(image.shape, np.int32)
    seen = Detection(labels, np.ones(known), np.zeros(known, bool), "bright")
    assert may_agree(image, seen) is able
