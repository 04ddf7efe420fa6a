"""Drawing of fields: the same bits from the same seed, on every instruction set, of every kind."""

from __future__ import annotations

import numpy as np
import pytest

from instruction_sets import digests_of
from stemfast.fields import KINDS, FieldRecipe

SMALL = FieldRecipe(rows=64, columns=96)


def same(one, other):
    assert one.image.dtype == other.image.dtype
    assert np.array_equal(one.image, other.image)
    assert np.array_equal(one.labels, other.labels)
    for name, column in vars(one.truth).items():
        assert np.array_equal(column, getattr(other.truth, name)), name
    for name, column in vars(one.bodies).items():
        assert np.array_equal(column, getattr(other.bodies, name)), name
    assert (one.kind, one.pixel_size_nm, one.bright_field) == (
        other.kind,
        other.pixel_size_nm,
        other.bright_field,
    )


def test_a_field_is_the_same_whatever_was_drawn_before():
    first = SMALL.draw(11, 5)
    for index in (0, 4, 6):
        SMALL.draw(11, index)
    FieldRecipe(kinds=("large",), rows=40, columns=50).draw(3, 5)
    same(first, SMALL.draw(11, 5))
    same(first, FieldRecipe(rows=64, columns=96).draw(11, 5))


def test_fields_of_other_seeds_and_indices_differ():
    images = [SMALL.draw(seed, index).image for seed, index in ((1, 2), (2, 1), (1, 3), (2, 2))]
    for k, one in enumerate(images):
        for other in images[:k]:
            assert one.dtype != other.dtype or not np.array_equal(one, other)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_draws(kind):
    recipe = FieldRecipe(kinds=(kind,), rows=64, columns=96)
    bright = particles = visible = 0
    for seed in range(50):
        field = recipe.draw(seed, 3)
        assert field.kind == kind
        assert field.image.shape == field.labels.shape == (64, 96)
        assert field.image.dtype in (np.uint8, np.float32)
        assert np.isfinite(field.image).all()
        assert field.image.min() >= 0
        assert field.image.std() > 0
        bright += field.bright_field
        particles += len(field.truth)
        visible += int(field.truth.visible.sum())
    assert 0 < bright < 50
    assert 50 < visible < particles


def test_the_instruction_set_does_not_change_a_bit():
    """JPEG blocks are the same, too: the library behind them does not follow ours."""
    program = f"""
import hashlib
from stemfast.fields import FieldRecipe
digests = []
for kind in {KINDS!r}:
    for index in range(2):
        field = FieldRecipe(kinds=(kind,), rows=70, columns=90).draw(5, index)
        truth = field.truth
        for array in (field.image, field.labels, truth.box, truth.visible, truth.signal_to_noise):
            digests.append(hashlib.sha256(array.tobytes()).hexdigest())
"""
    found = digests_of(program)
    assert found
    assert len({tuple(digests) for digests in found.values()}) == 1, list(found)
