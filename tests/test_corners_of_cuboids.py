"""Corners of the particles named cuboid: columns of the table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from small_session import picture
from stemfast.classification import (
    CORNER_COLUMNS,
    NOT_SURE,
    classify,
    classify_found,
    corners,
    shown,
)
from stemfast.finding import find
from stemfast.image import Image
from stemfast.micrograph.table import UNLIKE
from stemfast.pretrained import TrainedClassifier, load_pretrained, save
from stemfast.pretrained.novelty import features_and_logits
from stemfast.training import Experiment
from stemfast.training.learnt_range import measure
from untrained import SMALL, by_chance, decided, undecided

pytest.importorskip("skimage", reason="needs scikit-image, the extra [io]")
EXPERIMENT = Experiment(name="small", recipe="shapes", image_px=32)
CONFUSION = [[900, 60, 40], [50, 930, 20], [10, 20, 970]]
SURE, SPREAD = 0.4, 1.0  # of nine numbers by chance some reach that probability, and some do not


class Noted(TrainedClassifier):
    """Notes how many images it reads at once."""

    batches: tuple[list[int], ...] = ([],)

    def predict(self, images, **options):
        self.batches[0].append(len(images))
        return super().predict(images, **options)


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    """A network of shapes that is sure of what it says and finds nothing new."""
    folder = tmp_path_factory.mktemp("network")
    trained = decided(EXPERIMENT, seed=5)  # of cuboids and spheres
    save(folder, replace(trained, card={**trained.card, "test": {"confusion": CONFUSION}}))
    return folder


@pytest.fixture(scope="module")
def numbers(image) -> Noted:
    """A network of numbers that answers by chance, and knows what its images look like."""
    one = by_chance()
    cut = find(image, method="classical").needed().bright()
    features, logits = features_and_logits(one.model, shown(*cut, one)[0])
    # Of what all images share nothing is left, so that they differ in their answers.
    spread = SPREAD / float((logits - logits.mean(axis=0)).std())
    kernel = spread * np.asarray(one.model.head.kernel[...])
    one.model.head.kernel[...] = jnp.asarray(kernel)
    one.model.head.bias[...] = jnp.asarray(-features.mean(axis=0) @ kernel)
    novelty = measure(one.model, SMALL.make_recipe(), seed=0, images=300)
    return Noted(one.model, one.class_names, 1.0, one.card, novelty)


@pytest.fixture(autouse=True)
def in_place_of_count(numbers, monkeypatch):
    monkeypatch.setattr(corners, "_network", lambda: numbers)
    numbers.batches[0].clear()


@pytest.fixture(scope="module")
def image() -> Image:
    """Thirty-two discs and squares."""
    return Image(
        np.vstack([np.hstack([picture(4 * k + j) for j in range(4)]) for k in (0, 1)]), 0.5
    )


def test_the_table_tells_the_corners_of_cuboids_and_of_nothing_else(image, network, numbers):
    options = {"model": network, "method": "classical", "min_probability": SURE}
    without = classify(image, **options)
    cuboids = replace(
        without.particles,
        particles=tuple(
            one
            for one, shape in zip(without.particles, without.shapes, strict=True)
            if shape == "cuboid"
        ),
    )
    assert 4 < len(cuboids) < len(without)
    views, _ = shown(without.found.source.micrograph(), cuboids, numbers)
    expected = numbers.read(views)
    limit = float(np.quantile(expected.novelty, 0.7))

    said = classify(image, corners=True, max_novelty=limit, **options)
    assert numbers.batches[0] == [len(cuboids)]
    assert list(said.table[0]) == [*without.table[0], *CORNER_COLUMNS]
    assert [{k: row[k] for k in without.table[0]} for row in said.table] == without.table
    rest = [row for row in said.table if row["shape"] != "cuboid"]
    assert {tuple(row[name] for name in CORNER_COLUMNS) for row in rest} == {("",) * 4}
    rows = [row for row in said.table if row["shape"] == "cuboid"]
    for row, chances, new in zip(rows, expected.probabilities, expected.novelty, strict=True):
        assert row["corners"] == chances.argmax()
        assert row["corners_probability"] == pytest.approx(chances.max(), rel=1e-5)
        assert row["corners_novelty"] == pytest.approx(new, rel=1e-4)
        sure = str(row["corners"]) if chances.max() >= SURE else NOT_SURE
        assert row["corners_verdict"] == (UNLIKE if new > limit else sure)
    verdicts = {str(row["corners_verdict"]) for row in rows}
    assert {UNLIKE, NOT_SURE} < verdicts
    assert len(verdicts) > 3
    assert f"corners of {len(rows)} cuboids: " in str(said)
    assert all(f"{verdict} in " in str(said) for verdict in verdicts)


def test_without_a_sure_cuboid_nothing_is_read(image, numbers, tmp_path):
    save(tmp_path / "network", undecided(EXPERIMENT))
    said = classify(
        image,
        model=tmp_path / "network",
        method="classical",
        corners=True,
        out=tmp_path,
    )
    assert "cuboid" not in said.shapes
    assert numbers.batches[0] == []
    assert {row["corners_verdict"] for row in said.table} == {""}
    assert "corners of" not in str(said)
    head = (tmp_path / "particles.csv").read_text().splitlines()[0]
    assert head.endswith(",sphere,corners,corners_probability,corners_novelty,corners_verdict")


def test_networks_that_name_no_cuboid_are_refused_before_any_work(image, tmp_path):
    words = "corners: the network names 0, 1, .* 8, expected one that names a cuboid"
    np.save(tmp_path / "image.npy", np.zeros((64, 64)))  # which no reader takes
    with pytest.raises(ValueError, match=words):
        classify(tmp_path / "image.npy", model="count", corners=True, out=tmp_path / "out")
    found = classify(image, model="shapes", method="classical").found
    with pytest.raises(ValueError, match=words):
        classify_found(found, lambda: load_pretrained("count"), corners=True)
    assert not (tmp_path / "out").exists()
    with pytest.raises(ValueError, match="classes of the network and columns of the table"):
        corners.check_cuboids(["cuboid", "corners"])
