"""The explorer's page of data sets and runs without a browser."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

import stemfast as sf
from stemfast.dataset import stream
from stemfast.explore.sets.browsing import (
    Choice,
    chosen,
    mosaic,
    numeric_columns,
    open_set,
    value_range,
)
from stemfast.explore.sets.following import read_run
from stemfast.explore.sets.judged import confusion_png, find_mistakes
from stemfast.pretrained import save
from test_explore import quiet
from untrained import SMALL, by_chance


@pytest.fixture(scope="module")
def cuboids(tmp_path_factory):
    """A small set of deformed cuboids."""
    folder = tmp_path_factory.mktemp("sets") / "count"
    recipe = sf.recipes.get("count", image_px=32, field_nm=40, particle={"diameter_nm": (6, 12)})
    sf.dataset.write(folder, recipe, seed=4, splits={"train": (0, 60)})
    return open_set(folder)


def test_a_set_is_narrowed_by_label_and_parameter(cuboids):
    assert len(chosen(cuboids, Choice())) == 60
    label = cuboids.class_names[3]
    threes = chosen(cuboids, Choice(label))
    assert len(threes)
    assert set(cuboids.labels[threes]) == {3}
    name = numeric_columns(cuboids)[0]
    low, high = value_range(cuboids, name)
    middle = 0.5 * (low + high)
    below = chosen(cuboids, Choice(column=name, between=(low, middle)))
    above = chosen(cuboids, Choice(column=name, between=(np.nextafter(middle, np.inf), high)))
    assert len(below) + len(above) == 60
    with pytest.raises(ValueError, match="label is 'nine', expected any or one of"):
        chosen(cuboids, Choice("nine"))


def test_a_mosaic_shows_each_image_with_greys_of_its_own():
    images = np.stack([np.eye(3), 7 + 5 * np.eye(3)[::-1], np.zeros((3, 3))])
    seen = mosaic(images, across=2)
    assert np.array_equal(seen[:3, :3], np.eye(3))
    assert np.array_equal(seen[:3, 5:], np.eye(3)[::-1])
    assert not seen[5:, :3].any()


def test_a_run_is_followed_while_its_last_line_is_being_written(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no run: expected metrics.jsonl"):
        read_run(tmp_path)
    (tmp_path / "run.json").write_text('{"experiment": {"images": 512}}')
    assert "nothing is written down yet" in str(read_run(tmp_path))
    lines = '{"images": 128, "loss": 2.0, "accuracy": 0.25}\n{"images": 256, "loss": 1.5'
    (tmp_path / "metrics.jsonl").write_text(lines)
    run = read_run(tmp_path)
    assert run.curves == {"loss": ([128.0], [2.0]), "accuracy": ([128.0], [0.25])}
    assert "128 of 512 (25 %); loss 2, accuracy 0.25" in str(run)


def test_the_images_that_a_run_gets_wrong_are_its_own_test_images(tmp_path):
    trained = by_chance()
    save(tmp_path, trained)
    assert confusion_png(tmp_path) == ""
    found = find_mistakes(tmp_path, 150, quiet)
    recipe = SMALL.make_recipe()
    with stream(recipe, seed=SMALL.seed, batch_size=150, stop=150, split="test") as batches:
        batch = next(batches)
    answer = trained.predict(batch.images).probabilities.argmax(axis=1)
    wrong = np.flatnonzero(answer != batch.labels)
    assert found.read == 150
    assert 75 < len(wrong) < 150
    assert np.array_equal(found.images, batch.images[wrong])
    assert np.array_equal(found.truth, batch.labels[wrong])
    assert np.array_equal(found.answer, answer[wrong])
    numbers = found.of_kind("any")
    assert sorted(numbers) == list(range(len(wrong)))
    assert (np.diff(found.probability[numbers]) <= 0).all()
    kind, words = found.choices()[1]
    assert words == f"{kind} ({len(found.of_kind(kind))})"
    assert {found.kinds[n] for n in found.of_kind(kind).tolist()} == {kind}
    judgement = {
        "class_names": list(found.class_names),
        "confusion": np.eye(9, dtype=int).tolist(),
        "balanced_accuracy": 1.0,
        "images": 9,
    }
    (tmp_path / "evaluation.json").write_text(json.dumps(judgement))
    assert base64.b64decode(confusion_png(tmp_path)).startswith(b"\x89PNG")
    (tmp_path / "evaluation.json").write_text('{"confusion": [[1]]}')
    with pytest.raises(ValueError, match="evaluation.json is damaged"):
        confusion_png(tmp_path)
