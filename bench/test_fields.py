"""Fields of many particles: the time of one, and masks against polygons of scikit-image."""

from __future__ import annotations

import time

import numpy as np
from skimage.draw import polygon

from stemfast.fields import KINDS, FieldRecipe
from stemfast.fields.windows import windows_of

SIDE = 1024
CATALYST = FieldRecipe(
    kinds=("carbon-black",), rows=SIDE, columns=SIDE, diameter_px=(14.0, 24.0), cover=(0.06, 0.09)
)
COUNT = 12


def check(field) -> None:
    """Labels, areas and boxes agree with each other, the image shows the particles."""
    truth, labels = field.truth, field.labels
    assert np.array_equal(truth.seen_px, np.bincount(labels.ravel(), minlength=len(truth) + 1)[1:])
    rows, columns = np.nonzero(labels)
    box = truth.box[labels[rows, columns] - 1]
    assert ((rows >= box[:, 0]) & (rows < box[:, 1])).all()
    assert ((columns >= box[:, 2]) & (columns < box[:, 3])).all()


def test_catalyst_on_carbon_black(benchmark, report):
    fields, seconds, processor = [], [], []
    CATALYST.draw(1, 0)
    for index in range(COUNT):
        wall, cpu = time.perf_counter(), time.process_time()
        fields.append(CATALYST.draw(1, index))
        seconds.append(time.perf_counter() - wall)
        processor.append(time.process_time() - cpu)
    for field in fields:
        check(field)
    particles = np.mean([len(field.truth) for field in fields])
    assert 150 < particles < 450
    report.add(
        f"field {SIDE}², {particles:.0f} particles on carbon black",
        f"{1e3 * np.mean(processor):.0f} ms of one core "
        f"({1e3 * min(processor):.0f} to {1e3 * max(processor):.0f}), "
        f"{1e3 * np.median(seconds):.0f} ms on the clock",
    )
    benchmark.pedantic(lambda: CATALYST.draw(1, 1), rounds=3)


def test_every_kind(benchmark, report):
    for kind in KINDS:
        recipe = FieldRecipe(kinds=(kind,), rows=512, columns=512)
        recipe.draw(1, 0)
        start = time.process_time()
        fields = [recipe.draw(1, index) for index in range(COUNT)]
        each = (time.process_time() - start) / COUNT
        for field in fields:
            check(field)
        particles = np.mean([len(field.truth) for field in fields])
        report.add(f"field 512², {kind}", f"{1e3 * each:.0f} ms, {particles:.0f} particles")
    benchmark.pedantic(lambda: recipe.draw(1, 1), rounds=3)


def test_masks(benchmark, race, report):
    """Chords and masks by windows, against masks alone from polygons."""
    field = CATALYST.draw(1, 2)
    bodies, first, shape = field.bodies, field.first_body, field.labels.shape
    outlines = [field.outline_px(number) for number in range(len(field.truth))]

    def windows():
        return list(windows_of(bodies, first, shape, field.pixel_size_nm))

    def polygons():
        return [polygon(*outline.T, shape=shape) for outline in outlines]

    seconds = race({"stemfast": windows, "scikit-image": polygons})
    area = {window.particle: int(window.inside.sum()) for window in windows()}
    for number, (rows, _) in enumerate(polygons()):
        ours = area[int(field.truth.particle[number])]
        assert abs(len(rows) - ours) <= 3 + 0.02 * ours  # an ellipse has 48 corners
    report.rates("chords and masks of particles", seconds, len(outlines), "particles/s")
    benchmark(windows)
