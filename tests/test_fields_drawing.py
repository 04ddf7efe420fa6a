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


def test_rods_are_long_and_lie_flat():
    recipe = FieldRecipe(kinds=("rods",), rows=96, columns=96, diameter_px=(8, 12), empty=0.0)
    long = []
    for seed in range(20):
        field = recipe.draw(seed, 1)
        for number in range(len(field.truth)):
            outline = field.outline_px(number)
            along = np.linalg.svd(outline - outline.mean(axis=0), compute_uv=False)
            long.append(along[0] / along[1])
    assert np.quantile(long, 0.05) > 2.5
    assert np.median(long) > 6.0


def test_mottled_particles_have_the_spread_that_was_asked_for_and_the_same_outlines():
    from stemfast.fields.chance import Chance
    from stemfast.fields.population import populated
    from stemfast.fields.scene import Plan, depth_maps

    plan = Plan("large", (200, 200), FieldRecipe().collection(bright_field=False), False, 9, 0.1, 4)
    extent = (20.0, 20.0)
    words = {"kind": "large", "support": None, "diameter_nm": 9.0, "count": 4}
    people = populated(Chance(1, 0), extent, **words)
    _, even = depth_maps(Chance(2, 0), plan, None, people)
    spread = []
    for seed in range(2, 10):
        _, uneven = depth_maps(Chance(seed, 0), plan, None, people, 0.2)
        for one, other in zip(even, uneven, strict=True):
            assert np.array_equal(one.inside, other.inside)
            factor = other.depth[one.inside] / one.depth[one.inside]
            assert factor.min() >= 0.1 - 1e-6
            spread.append(factor.std())
    assert 0.1 < np.sqrt(np.mean(np.square(spread))) < 0.3
