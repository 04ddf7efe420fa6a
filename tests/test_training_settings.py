"""No setting of a training run is without effect: the run reads it, or refuses it by name."""

from __future__ import annotations

import numpy as np
import pytest
from flax import nnx

from settings_read import reads_of
from stemfast import training
from stemfast.models import ClassifierConfig, logits, make_classifier
from stemfast.training.experiment import Experiment, ModelSettings
from stemfast.training.in_memory import TrainingSettings
from stemfast.training.reconstruction.experiment import GroundTruthExperiment
from stemfast.training.reconstruction.run import train as train_sets
from test_ground_truth_run import TINY as SETS
from test_training_run import TINY

pytestmark = pytest.mark.usefixtures("quickly_compiled")


@pytest.mark.parametrize("change", ["spin_steps=7", "spin_batch=7", "spin_learning_rate=0.7"])
def test_settings_of_a_third_stage_that_does_not_come_are_refused(change):
    with pytest.raises(ValueError, match=f"{change.partition('=')[0]} is .* and has no effect"):
        SETS.changed([change])


def test_every_setting_of_training_in_memory_is_read():
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(8, 16, 16)), np.arange(8) % 2
    config = ClassifierConfig(n_classes=2, image_shape=(16, 16), widths=(8,))
    settings = TrainingSettings(epochs=1, batch_size=4)
    with reads_of(TrainingSettings) as read:
        training.fit(make_classifier(config, rngs=nnx.Rngs(0)), images, labels, settings)
    assert read == set(TrainingSettings.model_fields)


@pytest.mark.parametrize("variant", ["plain", "hessian"])
@pytest.mark.parametrize(
    "change",
    [
        {"variant": "p4m"},
        {"widths": (8, 16)},
        {"blocks": 2},
        {"stem_stride": 4},
        {"scales_px": (1.0, 2.0, 3.0)},
        {"corner_maps": (0,)},
        {"binning": 2},
        {"poses": 8},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_setting_of_a_network_changes_it_or_is_refused(variant, change):
    first = {"variant": variant, "widths": (8, 8), "blocks": 1, "stem_stride": 2}
    first["corner_maps"] = (0, 1)

    def made(settings):
        experiment = TINY.model_copy(update={"model": ModelSettings(**settings)})
        return Experiment.model_validate(experiment.model_dump()).make_model(TINY.make_recipe())

    def shapes(model):
        weights = nnx.to_flat_state(nnx.state(model, nnx.Param))
        return [(path, value.shape) for path, value in weights]

    def answer(model):
        # Its last layer begins as zero.
        model.head.kernel[...] = np.random.default_rng(1).normal(size=model.head.kernel.shape)
        return logits(model, np.random.default_rng(0).normal(size=(1, 32, 32)), batch_size=1)

    if variant == "plain" and "scales_px" in change:
        with pytest.raises(ValueError, match=r"model.scales_px is .* and has no effect"):
            made({**first, **change})
        return
    base, changed = made(first), made({**first, **change})
    assert shapes(changed) != shapes(base) or not np.array_equal(answer(changed), answer(base))


@pytest.mark.parametrize(
    ("changes", "named"),
    [(["pooling=mean"], "pooling"), (["images=6400"], "images"), (["model.blocks=1"], "model")],
)
def test_a_third_stage_alone_refuses_settings_of_the_first_two(changes, named, tmp_path):
    experiment = GroundTruthExperiment(
        name="more", recipe="ground-truth", start_from="ground-truth", spin_images=8
    ).changed(changes)
    with pytest.raises(ValueError, match=f"{named} is .* and has no effect"):
        train_sets(experiment, tmp_path / "run")
    assert not (tmp_path / "run").exists()
