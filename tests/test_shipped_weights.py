"""The networks that come with the package read the images that their cards say."""

from pathlib import Path
from typing import get_args

import numpy as np
import pytest

import stemfast as sf
from stemfast.dataset import splits
from stemfast.fields import FieldRecipe
from stemfast.pretrained.shipped import ClassifierName, pretrained_names
from stemfast.training.portraits.samples import some

CARDS = Path(__file__).parents[1] / "docs" / "model_cards"
MEGABYTES = 8


def test_each_has_a_type_by_its_name():
    assert set(pretrained_names()) == set(get_args(ClassifierName))


def test_a_classifier_shows_what_it_is_on_a_few_lines():
    network = sf.load_pretrained("count")
    shown = repr(network)
    assert shown.splitlines()[0] == "TrainedClassifier 'count', recipe count"
    share = network.card["test"]["balanced_accuracy"]
    for part in ("9 classes: 0, 1,", "128 × 128 px", "0.25 nm a pixel", f"{100 * share:.1f} %"):
        assert part in shown
    assert len(shown.splitlines()) <= 6
    images = np.random.default_rng(0).random((7, 128, 128))
    answer = network.predict(images)
    assert repr(answer).startswith(f"Prediction of 7 images: {answer.names[0]} ")
    assert "105 features" in repr(network.novelty_model)
    for one in (answer, network.novelty_model):
        assert len(repr(one)) < 200


def test_a_reconstructor_and_its_answer_show_what_they_are_on_a_few_lines():
    network = sf.load_pretrained("ground-truth")
    shown = repr(network)
    assert shown.startswith("TrainedReconstructor 'ground-truth', recipe ground-truth\n")
    for part in ("128 × 128 px", "0.25 nm a pixel", "orbit of 76, 99.9 %"):
        assert part in shown
    answer = network.predict(np.random.default_rng(0).random((1, 128, 128)), 0.25)
    assert answer.class_name in repr(answer)
    assert f"{answer.edges_nm[0]:.2f} ± {answer.edges_sd_nm[0]:.2f}" in repr(answer)
    for text in (shown, repr(answer)):
        assert len(text.splitlines()) <= 6


@pytest.mark.parametrize("name", pretrained_names())
def test_a_network_does_what_its_card_says(name):
    network = sf.load_pretrained(name)
    made, n = network.card["experiment"], 360
    # Validation images, because test images are for `stemfast evaluate`.
    if network.reads_portraits:
        fields = FieldRecipe(**network.card["recipe"])
        known = some(fields, made["seed"], "validation", n, made["most"])
        chances = network.probabilities(known.images.astype(np.float32))
        right = float((chances.argmax(axis=1) == known.labels).mean())
    else:
        recipe = sf.recipes.from_dump(made["recipe"], network.card["recipe"])
        assert network.class_names == recipe.class_names
        first = splits.first_index("validation")
        scenes = recipe.sample(made["seed"], first, first + n)
        right = float((network.predict(scenes.simulate()).classes == scenes.labels).mean())
    said = network.card["test"]["accuracy" if network.reads_portraits else "balanced_accuracy"]
    # Four standard deviations: a false alarm in some ten thousand.
    assert abs(right - said) < 4 * np.sqrt(max(said * (1 - said), 0.01) / n)


@pytest.mark.parametrize("name", pretrained_names())
def test_a_network_has_a_card_and_is_small(name):
    card = (CARDS / f"{name}.md").read_text(encoding="utf-8")
    assert f"stemfast train {name}" in card
    folder = Path(sf.__file__).parent / "weights" / name
    assert sum(file.stat().st_size for file in folder.iterdir()) < MEGABYTES * 2**20


def test_all_together_stay_below_20_megabytes():
    folder = Path(sf.__file__).parent / "weights"
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) < 20e6
