"""Finding particles in a micrograph of 2048²: the time of it, by who finds, counted right."""

from __future__ import annotations

import time

import pytest

import stemfast as sf
from stemfast.fields import FieldRecipe

SIDE = 2048
RECIPES = {
    kind: FieldRecipe(
        kinds=(kind,), rows=SIDE, columns=SIDE, laboratory=0.0, bright_field=0.0, empty=0.0
    )
    for kind in ("sparse", "large")
}


@pytest.mark.parametrize("kind", RECIPES)
def test_find(benchmark, report, kind):
    field = RECIPES[kind].draw(3, 1)
    found = sf.find(field.image, field.pixel_size_nm)  # compiles
    true = int(field.truth.visible.sum())
    assert 0.7 * true < len(found) < 1.3 * true
    processor = time.process_time()
    again = benchmark.pedantic(lambda: sf.find(field.image, field.pixel_size_nm), rounds=1)
    processor = time.process_time() - processor
    assert len(again) == len(found)
    report.add(
        f"find {SIDE}², {kind}, {len(found)} particles ({found.method})",
        f"{processor:.1f} s of all cores together",
    )
