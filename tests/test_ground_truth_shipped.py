"""The ground-truth network that comes with the package does what its card says."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast.dataset.splits import first_index
from stemfast.pretrained import shipped
from stemfast.pretrained.reconstructor import is_model
from stemfast.training.reconstruction import judge as ground_truth_judge
from stemfast.training.reconstruction.experiment import GroundTruthExperiment
from stemfast.training.reconstruction.sets import read_recipe

NAMES = [item.name for item in shipped.folder("").iterdir() if is_model(item)]
PARTICLES = 120


@pytest.mark.parametrize("name", NAMES)
def test_it_is_as_good_as_its_card_says(name):
    network = sf.load_pretrained(name)
    assert name not in shipped.pretrained_names()  # those are classifiers
    experiment = GroundTruthExperiment.model_validate(network.card["experiment"])
    sets = read_recipe(
        experiment.views_recipe(experiment.set_views, kind="tilts"),
        network.model.encoder,
        "validation",
        PARTICLES,
        seed=experiment.seed + 5,
    )
    answer = ground_truth_judge.ask(network.model.sets, sets)
    found = ground_truth_judge.figures_of(answer, sets.truth, handed=True)
    for what in ("count", "orbit of 76"):
        said = network.card["test"][f"{experiment.set_views} images, known tilts: {what}"]["share"]
        # Four standard deviations: a false alarm in some ten thousand.
        spread = 4 * np.sqrt(max(said * (1 - said), 0.01) / PARTICLES)
        assert abs(found[what]["share"] - said) < spread


@pytest.mark.parametrize("name", NAMES)
def test_it_answers_in_nm_and_up_to_symmetry(name):
    network = sf.load_pretrained(name)
    experiment = GroundTruthExperiment.model_validate(network.card["experiment"])
    recipe = experiment.views_recipe(4, kind="tilts")
    scenes = recipe.sample(11, first_index("validation"), first_index("validation") + 9)
    images = scenes.simulate()
    for i in range(0, 9, 4):
        turns = [scenes.orientation(i, view=k) * scenes.orientation(i).inv() for k in range(4)]
        answer = network.predict(images[i], recipe.pixel_size_nm, turns=Rotation.concatenate(turns))
        particle = scenes.particle(i)
        assert answer.number.argmax() == int(scenes.columns["corner_mask"][i]).bit_count()
        np.testing.assert_allclose(
            answer.edges_nm, -np.sort(-np.asarray(particle.edges)), rtol=0.06
        )
        assert answer.volume_nm3 == pytest.approx(particle.volume, rel=0.1)
        assert answer.share.shape == (4,)


@pytest.mark.parametrize("name", NAMES)
def test_it_has_a_card_and_is_small(name):
    card = Path(__file__).parents[1] / "docs" / "model_cards" / f"{name}.md"
    assert f"stemfast train {name}" in card.read_text(encoding="utf-8")
    files = shipped.folder(name).iterdir()
    assert sum(file.stat().st_size for file in files) < 8 * 2**20
