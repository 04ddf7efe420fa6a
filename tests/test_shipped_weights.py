"""The networks that come with the package read the images that their cards say."""

from pathlib import Path

import numpy as np
import pytest

import stemfast as sf
from stemfast.dataset import splits
from stemfast.training import pretrained_names

CARDS = Path(__file__).parents[1] / "docs" / "model_cards"
MEGABYTES = 8


def test_there_are_some():
    assert "count" in pretrained_names()


@pytest.mark.parametrize("name", pretrained_names())
def test_a_network_does_what_its_card_says(name):
    network = sf.load_pretrained(name)
    recipe = sf.recipes.from_dump(network.card["experiment"]["recipe"], network.card["recipe"])
    assert network.class_names == recipe.class_names
    # Validation images, because test images are for `stemfast evaluate`.
    first, n = splits.first_index("validation"), 360
    scenes = recipe.sample(network.card["experiment"]["seed"], first, first + n)
    right = float((network.predict(scenes.simulate()).classes == scenes.labels).mean())
    said = network.card["test"]["balanced_accuracy"]
    # Four standard deviations: a false alarm in some ten thousand.
    assert abs(right - said) < 4 * np.sqrt(max(said * (1 - said), 0.01) / n)


@pytest.mark.parametrize("name", pretrained_names())
def test_a_network_has_a_card_and_is_small(name):
    card = (CARDS / f"{name}.md").read_text(encoding="utf-8")
    assert f"stemfast train {name}" in card
    folder = Path(sf.__file__).parent / "weights" / name
    assert sum(file.stat().st_size for file in folder.iterdir()) < MEGABYTES * 2**20
